"""Hashes of files, and files that are written whole or not at all, wherever the user wants them."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cam_audit.errors import CamAuditError
from cam_audit.folders import PART, replace_in, replacing_in
from cam_audit.inside import AnyPath, open_file

_BLOCK = 1 << 20
# Of the name of a file, which may be as long as the file system takes, in that of the file that is beside it meanwhile.
_NAMED = 60


def sha256_of(path: AnyPath) -> str:
    """The SHA-256 of a file, as hex; other threads go on meanwhile. Raises OSError."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it; folders are made. Raises CamAuditError where that fails."""
    replace_in(path.parent, path.name, data)


@contextlib.contextmanager
def replacing(path: Path, *, binary: bool = False) -> Iterator[IO[Any]]:
    """A file that takes its place only when the block ends well; text is UTF-8, without newline translation.

    Raises CamAuditError where it can't be written.
    """
    try:
        # folders that a user misspelled are not made
        os.stat(path.parent)
    except OSError as error:
        raise CamAuditError(f"cannot write {path}: {error.strerror}") from None
    # by a name that no file of the user's has
    part = f".{path.name[:_NAMED]}-{os.getpid()}{PART}"
    with replacing_in(path.parent, path.name, part, binary=binary) as file:
        yield file
