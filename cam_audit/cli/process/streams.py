"""stdout and stderr that never fail a command: they may be closed, full, or nobody may read them any more.

What a command does is worth more than what it says of it: it goes on, writes its files, and tells at its end.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO

STDOUT, STDERR = 1, 2


class _Forgiving(io.FileIO):
    """A file that takes all that is written to it; `error` is the first one, and what comes later is dropped."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        if self.error is None:
            try:
                return super().write(data) or 0
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


def open_streams() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams that never fail.

    A descriptor that is closed becomes that of /dev/null: otherwise the next file that is opened would take its number,
    and what libraries print would be written into that file.
    """
    for descriptor in (0, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            # the lowest number that is free
            os.open(os.devnull, os.O_RDWR)
    sys.stdout, sys.stderr = forgiving(STDOUT, sys.stdout), forgiving(STDERR, sys.stderr)


def forgiving(descriptor: int, like: TextIO | None) -> TextIO:
    """A stream to a descriptor that never fails, with the encoding of another, or, where that is None, with UTF-8.

    Names of files and classes hold letters that a terminal or a pipe may not take: these are escaped.
    """
    if like is not None and sys.platform == "win32" and like.isatty():
        # which Python writes to by other means
        return like
    raw = _Forgiving(descriptor, "w", closefd=False)
    buffered = descriptor == STDERR or raw.isatty()
    encoding = like.encoding if like is not None else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=buffered
    )


def failure_of_stdout() -> OSError | None:
    """Why not all could be written to stdout, None where it could."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.error if isinstance(raw, _Forgiving) else None
