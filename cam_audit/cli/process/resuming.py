"""The command line that goes on with a scan that was cut off."""

from __future__ import annotations

import shlex
import sys

RESUME, FRESH = "--resume", "--fresh"


def resuming_arguments() -> list[str]:
    """The arguments of this command, a scan, but to go on with what it has begun."""
    given = [word for word in sys.argv[1:] if word not in (RESUME, FRESH)]
    # what follows `--` is no option, however it looks
    end = given.index("--") if "--" in given else len(given)
    return [*given[:end], RESUME, *given[end:]]


def resuming_command() -> str:
    """The same for people, who copy it into a shell."""
    return f"`{shlex.join(['cam-audit', *resuming_arguments()])}`"
