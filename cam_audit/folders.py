"""Folders whose files may be a stranger's: what is read, written and removed by name stays inside, whatever the links.

Names are below a folder, with `/` between folders. On the way to a file no link is followed, and only regular files are
opened: no pipe, for which one would wait, and no device. Each step begins at the folder before it, held open, so that a
folder that is swapped for a link meanwhile leads nowhere. Where the system can't do that (Windows), paths are checked.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cam_audit.errors import CamAuditError

# Of a file that is being written, and takes its place when it is whole.
PART = ".part"
LINK = "is a symbolic link, which may lead outside; remove it"
_BY_DESCRIPTOR = {os.open, os.stat, os.mkdir, os.unlink, os.rmdir, os.rename} <= os.supports_dir_fd
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)


class FolderGoneError(CamAuditError):
    """A folder that is held open is no longer where it was."""


@dataclass(frozen=True, eq=False)
class Folder(os.PathLike[str]):
    """A folder that is held open, so that it stays the same one; `opened` makes it.

    `path`: as messages name it, and `place`: without regard to the current folder. `descriptor`: None where the system
    has none for folders.
    """

    path: Path
    place: Path
    descriptor: int | None
    status: os.stat_result

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def __reduce__(self) -> tuple[Callable[[Path], Folder], tuple[Path]]:
        # another process opens it for itself, until it ends
        return _open, (self.place,)


# One that is not held open is opened for each step.
AnyFolder = Folder | Path


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Folder]:
    """Hold a folder open; links on the way to it are followed, as the user named it. Raises OSError.

    Example:
        >>> from pathlib import Path
        >>> with opened(Path("photos")) as folder:
        ...     replace_in(folder, "cat/about.txt", b"meow")
        ...     read_in(folder, "cat/about.txt", limit=100)
        b'meow'
    """
    folder = _open(path)
    try:
        yield folder
    finally:
        if folder.descriptor is not None:
            os.close(folder.descriptor)


def _open(path: Path) -> Folder:
    place = Path(os.path.abspath(path))
    if not _BY_DESCRIPTOR:
        return Folder(path, place, None, os.stat(path))
    descriptor = os.open(path, _FOLDER)
    return Folder(path, place, descriptor, os.fstat(descriptor))


def require_in_place(folder: AnyFolder) -> None:
    """Raise FolderGoneError where a folder that is held open was renamed, removed or replaced."""
    if not isinstance(folder, Folder):
        return
    try:
        there = os.path.samestat(os.stat(folder.place), folder.status)
    except OSError:
        there = False
    if not there:
        raise FolderGoneError(f"{folder}: the folder was renamed, removed or replaced while it was written to")


def leads_outside(name: str) -> bool:
    """Whether a name with `/` between folders may lead out of the folder that it is to lie below."""
    separators = {"\\", ":"} if os.name == "nt" else set()
    return not {"", ".", ".."}.isdisjoint(name.split("/")) or "\0" in name or not separators.isdisjoint(name)


def open_in(folder: AnyFolder, name: str, mode: str = "rb", **how: Any) -> IO[Any]:
    """Open a file below a folder, as `open` does: to read, to add at its end (`a`), or a new one (`x`).

    Raises OSError, too, for what is no regular file, and for one that has another name elsewhere and is added to.
    """
    with _in(folder, name, make="x" in mode) as (base, descriptor):
        if "x" not in mode:
            with contextlib.suppress(FileNotFoundError):
                # before it is opened, as opening is what makes a device act
                _require_file(os.stat(base, dir_fd=descriptor, follow_symlinks=False))

        def opener(path: str, flags: int) -> int:
            return os.open(path, flags | _NO_LINK | _AT_ONCE, 0o666, dir_fd=descriptor)

        file = open(base, mode, opener=opener, **how)  # noqa: SIM115
    try:
        status = os.fstat(file.fileno())
        _require_file(status)
        if "a" in mode and status.st_nlink > 1:
            raise OSError(errno.EMLINK, "it is a hard link to a file that has another name; remove it")
    except OSError:
        file.close()
        raise
    return file


def read_in(folder: AnyFolder, name: str, limit: int) -> bytes:
    """The bytes of a file below a folder; raises OSError where it is larger than `limit` or can't be opened."""
    with open_in(folder, name) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes")
        data: bytes = file.read(size)
        return data


def lines_in(file: IO[Any], limit: int) -> Iterator[Any]:
    """The lines of a file, bytes or text; raises ValueError for one that is longer than `limit`."""
    while line := file.readline(limit + 1):
        if len(line) > limit:
            raise ValueError(f"a line is longer than {limit:,} letters")
        yield line


def replace_in(folder: AnyFolder, name: str, data: bytes) -> None:
    """Write a file below a folder, beside its place, and rename it; folders on the way are made.

    Raises CamAuditError where that fails, and FolderGoneError where the folder is not in its place.
    """
    with _written(folder, name, name + PART, "xb") as file:
        file.write(data)


@contextlib.contextmanager
def replacing_in(folder: AnyFolder, name: str, part: str | None = None, *, binary: bool = False) -> Iterator[IO[Any]]:
    """A file below a folder that takes its place only when the block ends well.

    `part`: what it is called until then, if not by its name and PART. Text is UTF-8, without newline translation.

    Raises CamAuditError where it can't be written, and FolderGoneError where the folder is not in its place.
    """
    mode, how = ("xb", {}) if binary else ("x", {"encoding": "utf-8", "newline": ""})
    with _written(folder, name, part or name + PART, mode, **how) as file:
        yield file
        # or else a power cut could leave the new name with nothing in it
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _written(folder: AnyFolder, name: str, part: str, mode: str, **how: Any) -> Iterator[IO[Any]]:
    try:
        require_in_place(folder)
        try:
            try:
                file = open_in(folder, part, mode, **how)
            except FileExistsError:
                remove_in(folder, part)
                file = open_in(folder, part, mode, **how)
            with file:
                yield file
            with _in(folder, name) as (base, descriptor):
                beside = base.removesuffix(name.rpartition("/")[2]) + part.rpartition("/")[2]
                os.replace(beside, base, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                remove_in(folder, part)
            raise
    except OSError as error:
        raise CamAuditError(f"cannot write {folder / name}: {error.strerror}") from None


@contextlib.contextmanager
def unnamed_in(folder: AnyFolder) -> Iterator[IO[str]]:
    """A text file on the disk of a folder, to be written and read, that is gone when the block ends. Raises OSError."""
    name = f".{os.getpid()}{PART}"
    with contextlib.suppress(FileNotFoundError):
        remove_in(folder, name)
    with open_in(folder, name, "x+", encoding="utf-8", newline="") as file:
        if _BY_DESCRIPTOR:
            remove_in(folder, name)
        yield file
    if not _BY_DESCRIPTOR:
        remove_in(folder, name)


def remove_in(folder: AnyFolder, name: str) -> None:
    """Remove a file or a link below a folder. Raises OSError."""
    with _in(folder, name) as (base, descriptor):
        os.unlink(base, dir_fd=descriptor)


def make_in(folder: AnyFolder, name: str) -> None:
    """Make a folder below a folder, with those on the way, where it is missing. Raises OSError."""
    with _in(folder, f"{name}/.", make=True):
        pass


def remove_empty_in(folder: AnyFolder, name: str) -> None:
    """Remove an empty folder below a folder. Raises OSError."""
    with _in(folder, name) as (base, descriptor):
        os.rmdir(base, dir_fd=descriptor)


def is_behind_link(folder: AnyFolder, name: str) -> bool:
    """Whether a name below a folder is that of a link, or leads through one."""
    parts = name.split("/")
    each = ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
    return any(status and stat.S_ISLNK(status.st_mode) for status in (status_in(folder, above) for above in each))


def status_in(folder: AnyFolder, name: str) -> os.stat_result | None:
    """The status of a file, folder or link below a folder, not followed; None where there is none."""
    try:
        with _in(folder, name) as (base, descriptor):
            return os.stat(base, dir_fd=descriptor, follow_symlinks=False)
    except OSError:
        return None


def walk_in(folder: AnyFolder, below: str) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder at and below a name, from the top: its name, and those of its links and of all other files.

    Links are not entered. Folders that can't be read, or are none, are left out.
    """
    waiting = [below]
    while waiting:
        name = waiting.pop()
        try:
            with _in(folder, f"{name}/.") as (base, descriptor), os.scandir(descriptor or base) as listing:
                entries = [(entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in listing]
        except OSError:
            continue
        waiting += (f"{name}/{each}" for each, _, is_folder in entries if is_folder)
        yield (
            name,
            [each for each, is_link, _ in entries if is_link],
            [each for each, is_link, is_folder in entries if not is_link and not is_folder],
        )


@contextlib.contextmanager
def _in(folder: AnyFolder, name: str, *, make: bool = False) -> Iterator[tuple[str, int | None]]:
    """The last part of a name and the opened folder that holds it; or its whole path, where no folder can be opened.

    The last part may be `.`, the folder before it. `make`: make the folders on the way.
    """
    *inner, base = name.split("/")
    if leads_outside("/".join(inner) if base == "." and inner else name):
        raise OSError(errno.EINVAL, f"{name!r} leads outside")
    if not _BY_DESCRIPTOR:
        yield str(_by_path(Path(folder), inner, make=make) / base), None
        return
    kept = folder.descriptor if isinstance(folder, Folder) else None
    here = _root(folder, make=make) if kept is None else kept
    try:
        for each in inner:
            there = _step(here, each, make=make)
            if here != kept:
                os.close(here)
            here = there
        yield base, here
    finally:
        if here != kept:
            os.close(here)


def _root(folder: AnyFolder, *, make: bool) -> int:
    try:
        return os.open(folder, _FOLDER)
    except FileNotFoundError:
        if not make:
            raise
        os.makedirs(folder, exist_ok=True)
        return os.open(folder, _FOLDER)


def _step(here: int, name: str, *, make: bool) -> int:
    """Open a folder in an opened one."""
    try:
        return os.open(name, _FOLDER | _NO_LINK, dir_fd=here)
    except FileNotFoundError:
        if not make:
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, dir_fd=here)
        return os.open(name, _FOLDER | _NO_LINK, dir_fd=here)
    except OSError as error:
        # systems have two numbers for it
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and stat.S_ISLNK(
            os.stat(name, dir_fd=here, follow_symlinks=False).st_mode
        ):
            raise OSError(errno.ELOOP, f"{name} {LINK}") from None
        raise


def _by_path(place: Path, inner: list[str], *, make: bool) -> Path:
    if make:
        place.mkdir(parents=True, exist_ok=True)
    for each in inner:
        place /= each
        if place.is_symlink():
            raise OSError(errno.ELOOP, f"{each} {LINK}")
        if make:
            place.mkdir(exist_ok=True)
    return place


def _require_file(status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, f"it {LINK}")
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device")
