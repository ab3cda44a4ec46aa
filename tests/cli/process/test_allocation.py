"""What is freed is kept for the next picture, in few heaps, and given back when asked: by the kernel's own account."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc's allocator")

BLOCKS, SIZE = 64, 1 << 20
# each block is followed by a small one that stays, so that no end of the heap can be cut off
BEGIN = f"""
import ctypes, re, threading
from cam_audit.cli.process.allocation import keep_freed_memory, release_freed_memory

def resident():
    return 1024 * int(re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])

def fill_and_free(c):
    blocks = [(c.malloc({SIZE}), c.malloc(4096)) for _ in range({BLOCKS})]
    for large, _ in blocks:
        ctypes.memset(large, 1, {SIZE})
    for large, _ in blocks:
        c.free(ctypes.c_void_p(large))

c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
c.malloc.argtypes = [ctypes.c_size_t]
keep_freed_memory(2)
before = resident()
"""


def measured(code: str) -> list[int]:
    """The numbers that a program in a process of its own prints."""
    command = [sys.executable, "-c", BEGIN + code]
    return [int(word) for word in subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()]


@pytest.mark.parametrize("thread", [False, True])
def test_freed_memory_is_kept_until_it_is_released(thread: bool) -> None:
    run = "thread = threading.Thread(target=fill_and_free, args=[c]); thread.start(); thread.join()"
    kept, released = measured(
        f"{run if thread else 'fill_and_free(c)'}\nprint(resident() - before)\n"
        "release_freed_memory()\nprint(resident() - before)"
    )
    assert kept > 0.9 * BLOCKS * SIZE
    assert released < 0.1 * BLOCKS * SIZE


def test_there_are_no_more_heaps_than_workers() -> None:
    (heaps,) = measured(
        """
import os
all_begun = threading.Barrier(12)

def work():
    all_begun.wait()
    fill_and_free(c)
    all_begun.wait()
    all_begun.wait()

threads = [threading.Thread(target=work) for _ in range(11)]
for thread in threads:
    thread.start()
all_begun.wait()
all_begun.wait()
read, write = os.pipe()
c.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(c.fdopen(write, b"w"))
c.malloc_info(0, stream)
c.fclose(stream)
print(open(read).read().count("<heap nr="))
all_begun.wait()
"""
    )
    assert heaps == 2
