"""What a file's bytes are known by."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file that is not empty, as hex; other threads go on meanwhile. Raises OSError, ValueError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return hashlib.sha256(content).hexdigest()
