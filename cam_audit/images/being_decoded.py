"""What this process is decoding, in memory that its parent can read if this process crashes or hangs.

Decoders are C code, and a fault in one ends the process, whichever thread it is in. So a process has one log, and the
callers of a decoder need not know of it.
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cam_audit.errors import ImageError
from cam_audit.inside import AnyPath

# More than there are workers, and more bytes than there are in a path that can be opened.
SLOTS, SLOT_BYTES = 4096, 8192
_NUMBER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Decoding:
    """A file that is decoded: as a picture, with `needed` as in `images.decode`, or as a mask."""

    path: str
    needed: int | None = None
    is_mask: bool = False


class CrashLog:
    """What one process decodes, in memory that it shares with the process that it was forked from.

    `fatal`: why files must not be decoded, by their paths; `harmless`: the paths of files that need not be noted.
    """

    def __init__(self, fatal: Mapping[str, str], harmless: Collection[str]) -> None:
        self._fatal, self._harmless = fatal, harmless
        # a number for each slot, 0 where it is free, no number twice
        self._numbers = memoryview(mmap.mmap(-1, SLOTS * _NUMBER_BYTES)).cast("Q")
        self._texts = mmap.mmap(-1, SLOTS * SLOT_BYTES)
        self._free = deque(range(SLOTS))
        self._next = itertools.count(1)

    @contextlib.contextmanager
    def noting(self, decoding: Decoding) -> Iterator[None]:
        """A block that decodes a file; raises ImageError where that is fatal. Any number of threads may be in one."""
        if decoding.path in self._fatal:
            raise ImageError(self._fatal[decoding.path])
        if decoding.path in self._harmless:
            yield
            return
        text = b"%d %d %b\0" % (decoding.needed or 0, decoding.is_mask, os.fsencode(decoding.path))
        slot = self._free.pop()
        self._texts[slot * SLOT_BYTES : slot * SLOT_BYTES + len(text)] = text
        # last, so that the number tells that the text is whole
        self._numbers[slot] = next(self._next)
        try:
            yield
        finally:
            self._numbers[slot] = 0
            self._free.append(slot)

    def numbers(self) -> set[int]:
        """Numbers that stand for what is being decoded, each for one decode of this process alone."""
        return {number for number in self._numbers.tolist() if number}

    def under_way(self) -> dict[int, Decoding]:
        """What was being decoded when the process ended, by its numbers."""
        return {number: self._decoding(slot) for slot, number in enumerate(self._numbers.tolist()) if number}

    def _decoding(self, slot: int) -> Decoding:
        text = self._texts[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES].partition(b"\0")[0]
        needed, is_mask, path = text.split(b" ", 2)
        return Decoding(os.fsdecode(path), int(needed) or None, is_mask == b"1")


_log: CrashLog | None = None


def write_to(log: CrashLog) -> None:
    """Note in `log` what this process decodes from now on."""
    global _log
    _log = log


def decoding(path: AnyPath, needed: int | None = None, *, is_mask: bool = False) -> AbstractContextManager[None]:
    """A block that decodes a file; raises ImageError, with the reason, where that has ended an earlier process."""
    if _log is None or not path:
        return contextlib.nullcontext()
    return _log.noting(Decoding(os.fspath(path), needed, is_mask))
