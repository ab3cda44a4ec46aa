"""Which pictures of an output folder a scan wrote: only what it lists may be removed or replaced by the next one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable, Iterator

from cam_audit.folders import (
    PART,
    AnyFolder,
    leads_outside,
    lines_in,
    open_in,
    remove_empty_in,
    remove_in,
    replacing_in,
    walk_in,
)

# A JSON text a line, as names may hold line breaks.
LIST_FILE = ".written"
# A path has at most 4,096 bytes, and JSON takes six letters for some of them.
MAX_LINE = 1 << 16


def list_written(out: AnyFolder, names: Iterable[str]) -> None:
    """Note that files, by their names below the output folder, are going to be written. Raises OSError."""
    listed = written(out)
    new = [name for name in dict.fromkeys(names) if name not in listed]
    with open_in(out, LIST_FILE, "a", encoding="ascii") as file:
        file.writelines(f"{json.dumps(name)}\n" for name in new)


def written(out: AnyFolder) -> set[str]:
    """The names of all files that were going to be written; the last line may be cut off."""
    names = set()
    with contextlib.suppress(OSError, ValueError), open_in(out, LIST_FILE, "r", encoding="ascii") as file:
        for line in lines_in(file, MAX_LINE):
            with contextlib.suppress(ValueError):
                name = json.loads(line)
                if isinstance(name, str) and not leads_outside(name):
                    names.add(name)
    return names


def files_below(out: AnyFolder, folders: Iterable[str]) -> Iterator[str]:
    """The names of all files, links among them, in these folders of the output folder and below them."""
    for folder in folders:
        for place, links, files in walk_in(out, folder):
            yield from (f"{place}/{file}" for file in (*links, *files))


def of_others(out: AnyFolder, folders: Iterable[str]) -> list[str]:
    """The names of the files in these folders that no scan lists."""
    listed = written(out)
    return sorted(name for name in files_below(out, folders) if not _is_listed(name, listed))


def remove_written(out: AnyFolder, folders: Collection[str], but_for: Collection[str] = ()) -> None:
    """Remove the listed files in these folders, except `but_for`, and folders that are then empty. Raises OSError."""
    listed = written(out)
    for name in list(files_below(out, folders)):
        if name not in but_for and _is_listed(name, listed):
            with contextlib.suppress(FileNotFoundError):
                remove_in(out, name)
    for folder in folders:
        for place, _, _ in reversed(list(walk_in(out, folder))):
            with contextlib.suppress(OSError):
                remove_empty_in(out, place)


def keep_listed(out: AnyFolder, folders: Iterable[str]) -> None:
    """List only the files that are there: a scan that was cut off has listed more. Raises CamAuditError."""
    listed = written(out)
    names = sorted(name for name in files_below(out, folders) if name in listed)
    with replacing_in(out, LIST_FILE) as file:
        file.writelines(f"{json.dumps(name)}\n" for name in names)


def _is_listed(name: str, listed: Collection[str]) -> bool:
    return name in listed or name.removesuffix(PART) in listed
