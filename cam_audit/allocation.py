"""How this process gets memory for pictures."""

from __future__ import annotations

import ctypes
import sys

# glibc's numbers for mallopt(3), and the most that it takes for the second
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES, LARGEST_MAPPED = 512 << 20, 32 << 20


def keep_freed_memory() -> None:
    """Let glibc keep memory that is freed for the next picture, instead of giving it back and asking for it again.

    Every image needs a dozen buffers of about a megabyte. By default glibc maps and unmaps each of them, and the kernel
    clears every page of it anew: a third of the time of drawing an overlay. Concerns the whole process, so this is for
    programs, not for the library to do to those who use it. Does nothing with another C library.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST_MAPPED)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
