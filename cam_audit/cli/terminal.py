"""What goes to the terminal: words for people, by the way or at the end, and what is kept away from it."""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from textwrap import wrap

import click

from cam_audit.cli.process.streams import forgiving
from cam_audit.text import printable

# The widest that prose is set, and the narrowest that anything is.
WIDEST, NARROWEST = 100, 40
# What a command was asked for, as it is kept in click's context.
QUIET, VERBOSE = "cam-audit.quiet", "cam-audit.verbose"

COLOURS = {"error": "red", "shortcut": "red", "warning": "yellow", "note": "cyan"}
# A finding's line, perhaps after what a baseline says of it. No name stands at the begin of a line.
FINDING = re.compile(r"^((?:new|known|stale|dropped) +)?(error|warning|note|shortcut)(?= +(?:CA\d|part ))")

_hushed = False


def note(message: str) -> None:
    """Tell something by the way, on stderr."""
    if not (_hushed or is_quiet()):
        _echo(f"{click.style('note:', fg='cyan')} {printable(message)}", err=True)


def tell(line: str) -> None:
    """Tell on stderr how far a command is; nothing if -q was given."""
    if not is_quiet():
        click.echo(printable(line), err=True)


def say(text: str, *, err: bool = False) -> None:
    """Tell what came of a command, in lines for people that fit a terminal; nothing if -q was given.

    Severities are coloured on a terminal, unless NO_COLOR is set or TERM is dumb.
    """
    if not is_quiet():
        _echo("\n".join(_painted(line) for line in fitted(text.splitlines())), err=err)


def hush() -> None:
    """From now on, tell nothing by the way: this process does again what another has told of."""
    global _hushed
    _hushed = True


def complain(message: str, code: str = "") -> None:
    """Tell what is wrong, in one line on stderr; below it stands code that mends it, if any, to be copied."""
    _echo(click.style("cam-audit:", fg="red") + printable(" " + " ".join(message.split())), err=True)
    for line in code.splitlines():
        click.echo(printable(f"    {line}".rstrip()), err=True)


def be_quiet(ctx: click.Context) -> None:
    """Let this command tell nothing by the way; raises click.UsageError if it is to be verbose."""
    ctx.meta[QUIET] = True
    _require_one(ctx)


def be_verbose(ctx: click.Context) -> None:
    """Let this command print each step with its time; raises click.UsageError if it is to be quiet."""
    ctx.meta[VERBOSE] = True
    _require_one(ctx)
    logger = logging.getLogger("cam_audit")
    logger.setLevel(logging.INFO)
    logger.handlers = [_Steps()]


def is_quiet() -> bool:
    """Whether this command was given -q."""
    return _was_given(QUIET)


def is_verbose() -> bool:
    """Whether this command was given -v."""
    return _was_given(VERBOSE)


def can_draw() -> bool:
    """Whether stderr is a terminal on which a line can be written over."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is, or those that COLUMNS says; None if stdout is none."""
    return max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else None


def prose_width() -> int:
    """The columns in which prose is set: those of the terminal, at most WIDEST."""
    return min(terminal_width() or WIDEST, WIDEST)


def fitted(lines: Sequence[str]) -> list[str]:
    """Lines that fit the terminal, if there is one: broken at blanks, and indented by two columns more."""
    columns = terminal_width()
    if columns is None:
        return list(lines)
    return [short for line in lines for short in _broken(line, columns)]


def _broken(line: str, columns: int) -> list[str]:
    if len(line) <= columns:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()))
    # paths and commands are whole, to be copied
    return wrap(
        line.lstrip(), columns, initial_indent=indent, subsequent_indent=f"{indent}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _painted(line: str) -> str:
    if line == "no findings":
        return click.style(line, fg="green")
    return FINDING.sub(lambda found: (found[1] or "") + click.style(found[2], fg=COLOURS[found[2]], bold=True), line)


def _echo(text: str, *, err: bool) -> None:
    """Print text that may have styles, which are left out where no terminal shows them."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    click.echo(text, err=err, color=False if plain else None)


class _Steps(logging.Handler):
    """Prints what the package logs to the stderr of the moment, which `quiet_libraries` replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        # since `logging` was imported, which is when the program started
        click.echo(f"{record.relativeCreated / 1000:7.1f} s  {printable(record.getMessage())}", err=True)


def _was_given(option: str) -> bool:
    ctx = click.get_current_context(silent=True)
    return ctx is not None and bool(ctx.meta.get(option))


def _require_one(ctx: click.Context) -> None:
    if ctx.meta.get(QUIET) and ctx.meta.get(VERBOSE):
        raise click.UsageError("either --quiet or --verbose", ctx)


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
