"""Which pictures of an output folder a scan wrote: only what it lists may be removed or replaced by the next one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from cam_audit.files import leads_outside, replacing

# A JSON text a line, as names may hold line breaks.
LIST_FILE = ".written"
# Of a file that was being written when the process was killed.
PART = ".part"


def list_written(out: Path, names: Iterable[str]) -> None:
    """Note that files, by their names below the output folder, are going to be written. Raises OSError."""
    listed = written(out)
    new = [name for name in dict.fromkeys(names) if name not in listed]
    with (out / LIST_FILE).open("a", encoding="ascii") as file:
        file.writelines(f"{json.dumps(name)}\n" for name in new)


def written(out: Path) -> set[str]:
    """The names of all files that were going to be written; the last line may be cut off."""
    names = set()
    with contextlib.suppress(OSError, UnicodeDecodeError), (out / LIST_FILE).open(encoding="ascii") as lines:
        for line in lines:
            with contextlib.suppress(ValueError):
                name = json.loads(line)
                if isinstance(name, str) and not leads_outside(name):
                    names.add(name)
    return names


def files_below(out: Path, folders: Iterable[str]) -> Iterator[str]:
    """The names of all files, links among them, in these folders of the output folder and below them."""
    for folder in (folder for folder in folders if not (out / folder).is_symlink()):
        for place, _, files in os.walk(out / folder):
            for file in files:
                yield Path(place, file).relative_to(out).as_posix()


def of_others(out: Path, folders: Iterable[str]) -> list[str]:
    """The names of the files in these folders that no scan lists."""
    listed = written(out)
    return sorted(name for name in files_below(out, folders) if not _is_listed(name, listed))


def remove_written(out: Path, folders: Collection[str], but_for: Collection[str] = ()) -> None:
    """Remove the listed files in these folders, but for some, and the folders that are empty then. Raises OSError."""
    listed = written(out)
    for name in list(files_below(out, folders)):
        if name not in but_for and _is_listed(name, listed):
            (out / name).unlink(missing_ok=True)
    for folder in folders:
        for place, _, _ in os.walk(out / folder, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(place)


def keep_listed(out: Path, folders: Iterable[str]) -> None:
    """Write the list anew, of the files that are there: one that was cut off lists more. Raises OSError."""
    listed = written(out)
    names = sorted(name for name in files_below(out, folders) if name in listed)
    with replacing(out / LIST_FILE) as file:
        file.writelines(f"{json.dumps(name)}\n" for name in names)


def _is_listed(name: str, listed: Collection[str]) -> bool:
    return name in listed or name.removesuffix(PART) in listed
