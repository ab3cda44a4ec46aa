"""Find the image files of a folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cam_audit.errors import CamAuditError

IMAGE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .webp .bmp .dib .gif .tif .tiff .avif .jp2 "
    ".ppm .pgm .pbm .pnm .ras .sr .heic .heif .jxl".split()
)


@dataclass(frozen=True)
class ImageList:
    """Names of image files below a folder, sorted, and how many links were left out as they lead outside it.

    `unreadable`: why folders below it can't be looked into, by their names.
    """

    names: list[str]
    links_left_out: int
    unreadable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputMarks:
    """What tells a folder that a scan wrote: the names that are all in it, and those of its folders of pictures."""

    names: frozenset[str]
    pictures: frozenset[str]


def find_images(
    root: Path, *, output: Path | None = None, marks: OutputMarks | None = None, follow_links: bool = False
) -> ImageList:
    """The image files below `root`, by their relative names with `/` between folders, sorted.

    Hidden files and folders, the folder `output` and earlier outputs of a scan, told by `marks`, are left out; of
    `root` itself, were it such an output, only the folders of pictures that the scan drew. Symbolic links are followed
    where they stay inside `root`, or everywhere with `follow_links`; no folder is entered twice. `root` may
    also be a single image file.

    Raises CamAuditError where `root` cannot be read.
    """
    if root.is_file():
        return ImageList([root.name], 0)
    real_root = os.path.realpath(root)
    entered = {os.path.realpath(output)} if output else set()
    names: list[str] = []
    unreadable: dict[str, str] = {}
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
            # a link to nothing and a pipe are images that can't be read, which the scan must say
            is_image = os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES
            broken = entry.is_symlink() and not os.path.exists(entry.path)
            is_folder = not broken and entry.is_dir()
            if entry.name.startswith(".") or not (is_folder or is_image):
                continue
            if broken:
                names.append(prefix + entry.name)
            elif entry.is_symlink() and not follow_links and not _is_below(entry.path, real_root):
                links_left_out += 1
            elif is_folder:
                (linked if entry.is_symlink() else folders).append((entry.path, f"{prefix}{entry.name}/"))
            else:
                names.append(prefix + entry.name)
    return ImageList(sorted(names), links_left_out, unreadable)


def _is_below(path: str, real_root: str) -> bool:
    return os.path.commonpath([real_root, os.path.realpath(path)]) == real_root
