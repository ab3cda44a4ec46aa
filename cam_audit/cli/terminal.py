"""What goes to the terminal by the way, and what is kept away from it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cam_audit.reports.text import printable

if TYPE_CHECKING:
    from tqdm import tqdm


def note(message: str) -> None:
    """Tell something by the way, on stderr."""
    click.echo(printable(f"note: {message}"), err=True)


@contextlib.contextmanager
def progress_bar(images: int) -> Iterator[tqdm | None]:
    """A progress bar where stderr is a terminal; where it is not, none needs to be imported."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=images, unit=" images", smoothing=0.05, dynamic_ncols=True) as progress:
        yield progress


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep what libpng and others write to file descriptor 2 about damaged images away from the terminal.

    Such an image gets a row with the reason; Python's own stderr goes on as it was.
    """
    try:
        original = sys.stderr
        descriptor = original.fileno()
    except (AttributeError, OSError):
        yield
        return
    original.flush()
    kept = os.dup(descriptor)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, descriptor)
    os.close(silence)
    sys.stderr = os.fdopen(os.dup(kept), "w", encoding=original.encoding, errors=original.errors, buffering=1)
    try:
        yield
    finally:
        sys.stderr.close()
        sys.stderr = original
        os.dup2(kept, descriptor)
        os.close(kept)
