"""A folder that becomes a link to elsewhere and back, over and over, while a test goes on."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

AT_FDCWD, EXCHANGE = -100, 2


@contextlib.contextmanager
def swapped(folder: Path, outside: Path, pause: float = 0.0002) -> Iterator[None]:
    """Swap a folder for a link to another, in one step and back, until the block ends; then it is the folder again."""
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    if exchange is None:
        pytest.skip("this system does not swap two names in one step")
    link = folder.with_name(f".{folder.name}-link")
    link.symlink_to(outside)
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            for _ in range(2):
                if exchange(AT_FDCWD, os.fsencode(folder), AT_FDCWD, os.fsencode(link), EXCHANGE):
                    return
                time.sleep(pause)

    swapping = threading.Thread(target=swap)
    swapping.start()
    try:
        yield
    finally:
        over.set()
        swapping.join()
        assert link.is_symlink()
        link.unlink()
