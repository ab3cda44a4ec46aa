"""The command line of a scan, but to go on with it, or with further options."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

RESUME, FRESH = "--resume", "--fresh"


def resuming_arguments() -> list[str]:
    """The arguments of this command, a scan, but to go on with what it has begun."""
    return _with((RESUME,))


def resuming_command() -> str:
    """The same for people, who copy it into a shell."""
    return _for_people(resuming_arguments())


def command_with(*options: str) -> str:
    """This command, a scan, with further options, for people."""
    return _for_people(_with(options))


def _with(options: Sequence[str]) -> list[str]:
    given = [word for word in sys.argv[1:] if word not in (RESUME, FRESH)]
    # what follows `--` is no option, however it looks
    end = given.index("--") if "--" in given else len(given)
    return [*given[:end], *options, *given[end:]]


def _for_people(arguments: Sequence[str]) -> str:
    return f"`{shlex.join(['cam-audit', *arguments])}`"
