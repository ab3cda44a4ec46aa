"""How this process gets memory for pictures."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

# glibc's numbers for mallopt(3), and the most that it takes for the second
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
KEPT_BYTES, LARGEST_MAPPED = 512 << 20, 32 << 20


def keep_freed_memory(workers: int) -> None:
    """Let glibc keep memory that is freed for the next picture, instead of giving it back and asking for it again.

    Every image needs a dozen buffers of about a megabyte. By default glibc maps and unmaps each of them, and the kernel
    clears every page of it anew: a third of the time of drawing an overlay. What is kept lies in at most as many heaps
    as there are workers: by default a thread that starts before another has quite ended gets a new one, while tens of
    megabytes lie free in that other's. Threads that there are already keep theirs. Concerns the whole process, so this
    is for programs, not for the library to do to those who use it. Does nothing with another C library.
    """
    mallopt = _glibc("mallopt")
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST_MAPPED)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(M_ARENA_MAX, workers)


def release_freed_memory() -> None:
    """Let glibc give the memory that is free to the system, in some hundredths of a second; more is asked for anew.

    Kept memory frays: overlays and their PNG bytes differ in size and leave gaps, so that 20,000 of them took 40 MB
    more than 200. And what one stage of a scan freed, in pieces, may not do for the next. To be called now and then,
    not after every picture. Does nothing with another C library.
    """
    malloc_trim = _glibc("malloc_trim")
    if malloc_trim:
        malloc_trim(0)


def _glibc(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
