"""Find the image files of a folder."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.images.kinds import is_picture, suffix_of

# The folder in which macOS's archives keep what belongs to their files: it has names of pictures, and none in it.
NEVER_ENTERED = "__MACOSX"


@dataclass(frozen=True)
class OtherFiles:
    """How many files are of a kind that is no picture, and one of them: its relative name."""

    files: int
    example: str


@dataclass(frozen=True)
class ImageList:
    """Names of image files below a folder, sorted, and how many links were left out as they lead outside it.

    `unreadable`: why folders below it can't be looked into, by their names. `others`: the files that are no pictures,
    by their suffixes. `excluded`: how many files and folders each pattern left out.
    """

    names: list[str]
    links_left_out: int
    unreadable: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, OtherFiles] = field(default_factory=dict)
    excluded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputMarks:
    """What tells a folder that a scan wrote: the names that are all in it, and those of its folders of pictures."""

    names: frozenset[str]
    pictures: frozenset[str]


def find_images(
    root: Path,
    *,
    output: Path | None = None,
    marks: OutputMarks | None = None,
    follow_links: bool = False,
    exclude: Sequence[str] = (),
) -> ImageList:
    """The image files below `root`, by their relative names with `/` between folders, sorted.

    A file is an image by its suffix or, where that is missing or unknown, by how it begins. Hidden files and folders,
    `__MACOSX`, the folder `output` and earlier outputs of a scan, told by `marks`, are left out; of
    `root` itself, were it such an output, only the folders of pictures that the scan drew. So is what a pattern of
    `exclude` matches (`fnmatch`): its name or, where the pattern has a `/`, its path below `root`. Symbolic links are
    followed where they stay inside `root`, or everywhere with `follow_links`; no folder is entered twice. `root` may
    also be a single image file.

    Raises CamAuditError where `root` cannot be read.
    """
    if root.is_file():
        return ImageList([root.name], 0)
    real_root = os.path.realpath(root)
    entered = {os.path.realpath(output)} if output else set()
    names: list[str] = []
    unreadable: dict[str, str] = {}
    others: dict[str, OtherFiles] = {}
    excluded = Counter(dict.fromkeys(exclude, 0))
    links_left_out = 0
    folders = [(str(root), "")]
    # Linked folders come last, so that a folder is known by its own name and not by a link's.
    linked: list[tuple[str, str]] = []
    while folders or linked:
        folder, prefix = folders.pop() if folders else linked.pop(0)
        real = os.path.realpath(folder)
        if real in entered:
            continue
        entered.add(real)
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not prefix:
                raise CamAuditError(f"cannot read the folder {folder}: {error.strerror}") from None
            unreadable[prefix[:-1]] = str(error.strerror)
            continue
        if marks and marks.names <= {entry.name for entry in entries}:
            if folder != str(root):
                continue
            # snapshots of a live session lie in their own output folder, where users sort them into class folders
            entries = [entry for entry in entries if entry.name not in marks.pictures]
        for entry in entries:
            if entry.name.startswith(".") or entry.name == NEVER_ENTERED:
                continue
            name = prefix + entry.name
            pattern = next((pattern for pattern in exclude if _matches(pattern, entry.name, name)), None)
            if pattern is not None:
                excluded[pattern] += 1
                continue
            # a link to nothing and a pipe are images that can't be read, which the scan must say
            broken = entry.is_symlink() and not os.path.exists(entry.path)
            is_folder = not broken and entry.is_dir()
            outside = entry.is_symlink() and not broken and not follow_links and not _is_below(entry.path, real_root)
            if not is_folder and not is_picture(entry.path, look=not outside):
                suffix = suffix_of(entry.name)
                before = others.get(suffix, OtherFiles(0, name))
                others[suffix] = OtherFiles(before.files + 1, before.example)
            elif outside:
                links_left_out += 1
            elif is_folder:
                (linked if entry.is_symlink() else folders).append((entry.path, f"{name}/"))
            else:
                names.append(name)
    return ImageList(sorted(names), links_left_out, unreadable, others, excluded)


def _matches(pattern: str, name: str, path: str) -> bool:
    return fnmatchcase(path, pattern.strip("/")) if "/" in pattern else fnmatchcase(name, pattern)


def _is_below(path: str, real_root: str) -> bool:
    return os.path.commonpath([real_root, os.path.realpath(path)]) == real_root
