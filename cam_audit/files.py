"""Hashes of files, and files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cam_audit.errors import CamAuditError

_BLOCK = 1 << 20


def leads_outside(name: str) -> bool:
    """Whether a name with `/` between folders may lead out of the folder that it is to lie below."""
    return not {"", ".", ".."}.isdisjoint(name.split("/")) or "\0" in name


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file, as hex; other threads go on meanwhile. Raises OSError."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it; folders are made. Raises CamAuditError where that fails."""
    part = path.with_name(path.name + ".part")
    try:
        try:
            _write_new(part, data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_new(part, data)
        except FileExistsError:
            part.unlink()
            _write_new(part, data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise CamAuditError(f"cannot write {path}: {error.strerror}") from None


def _write_new(part: Path, data: bytes) -> None:
    """Write a file that is not there yet: one that is might be a link, and lead outside."""
    with part.open("xb") as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file that takes its place only when the block ends well; UTF-8, no newline translation.

    Raises CamAuditError where it can't be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with part.open("x", encoding="utf-8", newline="") as file:
            yield file
            # or else a power cut could leave the new name with nothing in it
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise CamAuditError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
