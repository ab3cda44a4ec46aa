"""What the machine lacks, told from the errors that libraries raise for it in so many ways."""

from __future__ import annotations

import errno
import os
import sys

# What OpenCV, onnxruntime, the linker and the system call it.
_MEMORY = (
    *("failed to map segment", "annot allocate memory", "bad allocation", "bad_alloc", "Insufficient memory"),
    "ailed to allocate memory",
)
_THREADS = ("can't start new thread", "pthread_create", "Resource temporarily unavailable")
# numpy takes so much address space before it can do anything; its BLAS would end the process by 1, as findings do.
LEAST_ADDRESS_SPACE = 256 << 20


def lacking(error: BaseException) -> str:
    """What an error says that the machine lacks, and what mends it; "" where it is of another kind."""
    words = str(error)
    if isinstance(error, MemoryError) or any(each in words for each in _MEMORY):
        return f"memory ran out{_limit_in_words()}; fewer --workers and smaller --overlay-size take less"
    if any(each in words for each in _THREADS) or getattr(error, "errno", None) == errno.EAGAIN:
        return "the system starts no further thread or process; raise that limit (`ulimit -u`), or take fewer --workers"
    if isinstance(error, FileNotFoundError) and not _has_current_folder():
        return "the current folder is not there any more; change to another one"
    return ""


def too_little_memory() -> str:
    """Why not even the libraries fit into the memory that this process may take; "" where they do."""
    limit = _address_space()
    return f"memory is too small{_limit_in_words()}" if limit is not None and limit < LEAST_ADDRESS_SPACE else ""


def _limit_in_words() -> str:
    limit = _address_space()
    if limit is None:
        return ""
    return f" (this process may take {limit >> 20:,} MB of addresses, see `ulimit -v`; a scan takes about 1,000)"


def _address_space() -> int | None:
    """The bytes that this process may have, None where nothing limits them."""
    if sys.platform == "win32":
        return None
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _has_current_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
