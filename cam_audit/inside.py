"""Files that must lie in one folder, a data set's, out of which no link and no folder swapped for one may lead."""

from __future__ import annotations

import errno
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

AnyPath: TypeAlias = str | os.PathLike[str]
OUTSIDE = "a link leads out of the data set; --follow-links follows it"


class NoFileError(OSError):
    """A folder, a pipe or a device, which is not opened."""


class OutsideError(OSError):
    """A file that is not in the folder in which it must be."""


@dataclass(frozen=True, slots=True)
class InsideFile(os.PathLike[str]):
    """The path of a file, and the folder, without links in its own path, that the file must be in when it is opened."""

    path: str
    folder: str

    def __fspath__(self) -> str:
        return self.path

    def __str__(self) -> str:
        return self.path


@dataclass(frozen=True, slots=True)
class Root:
    """A folder of pictures; `inside`: its path without links, which none of them may leave, "" where they may.

    Example:
        >>> root = Root.of("photos", follow_links=False)
        >>> open_file(root / "cat/cat_000.jpg").read(2)
        b'\\xff\\xd8'
    """

    path: str
    inside: str = ""

    @classmethod
    def of(cls, folder: str | Path, *, follow_links: bool = False) -> Root:
        """A folder as it is now: nothing is inside if another takes its place. Raises OSError if it can't be opened."""
        return cls(str(folder), "" if follow_links else _place_of_folder(folder))

    def __truediv__(self, name: str) -> str | InsideFile:
        path = f"{self.path}/{name}"
        return InsideFile(path, self.inside) if self.inside else path


def open_file(path: AnyPath) -> IO[bytes]:
    """Open a file to read it: at once, and only a regular one.

    Raises OSError, too: NoFileError for a folder, a pipe or a device, OutsideError for an InsideFile that is elsewhere.
    """
    # before it is opened, as opening is what makes a device act, and again after, as it may have been replaced
    _require_file(os.stat(path))
    file = open(path, "rb", opener=_open_without_waiting)  # noqa: SIM115
    try:
        _require_file(os.fstat(file.fileno()))
        if isinstance(path, InsideFile):
            _require_inside(file, path)
    except OSError:
        file.close()
        raise
    return file


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe, for which one would wait until somebody writes, at once."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _require_file(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NoFileError(errno.EINVAL, "not a file but a folder, a pipe or a device")


def _require_inside(file: IO[bytes], path: InsideFile) -> None:
    place = _place_of(file.fileno(), path)
    if not place.startswith(path.folder.rstrip(os.sep) + os.sep):
        raise OutsideError(errno.ELOOP, OUTSIDE)


def _place_of_folder(folder: str | Path) -> str:
    if os.name == "nt":
        return os.path.realpath(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _place_of(descriptor, folder)
    finally:
        os.close(descriptor)


def _place_of(descriptor: int, path: AnyPath) -> str:
    """Where an open file is, by the system's word; where it gives none, by the links that lead there now."""
    try:
        if sys.platform == "darwin":
            import fcntl

            return os.fsdecode(fcntl.fcntl(descriptor, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0"))
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return os.path.realpath(path)
