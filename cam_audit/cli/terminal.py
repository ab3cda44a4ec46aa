"""What goes to the terminal by the way, and what is kept away from it."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Iterator, Sequence

import click

from cam_audit.cli.process.streams import forgiving
from cam_audit.text import printable

_hushed = False


def note(message: str) -> None:
    """Tell something by the way, on stderr."""
    if not _hushed:
        click.echo(printable(f"note: {message}"), err=True)


def hush() -> None:
    """From now on, tell nothing by the way: this process does again what another has told of."""
    global _hushed
    _hushed = True


def complain(message: str, code: str = "") -> None:
    """Tell what is wrong, in one line on stderr; below it stands code that mends it, if any, to be copied."""
    click.echo(printable("cam-audit: " + " ".join(message.split())), err=True)
    for line in code.splitlines():
        click.echo(printable(f"    {line}".rstrip()), err=True)


def which_there_are(name: str, known: Sequence[str]) -> str:
    """What to say of a name that is none of those known: the nearest, or all."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"


def end_progress() -> None:
    """Leave the line in which a process that has died had its progress bar."""
    if sys.stderr.isatty():
        click.echo(err=True)


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what libpng and others write to file descriptor 2 about damaged images away from the terminal.

    Such an image gets a row with the reason; Python's own stderr goes on as it was.
    """
    original = sys.stderr
    try:
        descriptor = original.fileno()
    except OSError:
        yield
        return
    original.flush()
    kept = os.dup(descriptor)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, descriptor)
    os.close(silence)
    sys.stderr = forgiving(kept, original)
    try:
        yield
    finally:
        sys.stderr.flush()
        sys.stderr = original
        os.dup2(kept, descriptor)
        os.close(kept)
