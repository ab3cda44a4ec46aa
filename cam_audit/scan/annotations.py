"""Where the annotated object lies in an image of the data set: masks, or boxes of COCO, VOC or YOLO."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images.decode import read_mask
from cam_audit.images.find import find_images
from cam_audit.images.resize import resize_mask
from cam_audit.reports.output_folder import OUTPUT_MARKS
from cam_audit.scan.boxes import ImageBoxes, read_coco, read_voc, read_yolo

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Masks:
    """Mask files by the name of their image, read when asked for."""

    files: Mapping[str, str]

    @property
    def matched(self) -> int:
        """How many images of the data set have a mask."""
        return len(self.files)

    def mark(self, name: str) -> str:
        """What tells the mask of the image `name` from the one that was there before; "" where none is annotated."""
        try:
            status = os.stat(self.files[name])
        except (KeyError, OSError):
            return ""
        return f"{status.st_size} {status.st_mtime_ns}"

    def mask(self, name: str, width: int, height: int) -> Mask | None:
        """The object of the image `name`: uint8 (height, width), 1 inside; None where none is annotated.

        `width`, `height`: of the decoded picture, which may be reduced.

        Raises ImageError where the mask can't be read or has another shape than the picture.
        """
        if name not in self.files:
            return None
        file = self.files[name]
        try:
            full = read_mask(file)
        except ImageError as error:
            raise ImageError(f"{file}: {error}") from None
        _require_same_shape(file, (full.shape[1], full.shape[0]), (width, height))
        mask = resize_mask(full, width, height)
        return mask if mask.any() else None


@dataclass(frozen=True)
class Boxes:
    """Boxes by the name of their image; together, those of an image are its object."""

    images: Mapping[str, ImageBoxes]

    @property
    def matched(self) -> int:
        """How many images of the data set have a box."""
        return len(self.images)

    def mark(self, name: str) -> str:
        """What tells the boxes of the image `name` from those that there were before; "" where none is annotated."""
        boxes = self.images.get(name)
        return hashlib.sha256(f"{boxes.size} {boxes.corners.tolist()}".encode()).hexdigest() if boxes else ""

    def mask(self, name: str, width: int, height: int) -> Mask | None:
        """The object of the image `name`: uint8 (height, width), 1 inside; None where none is annotated.

        `width`, `height`: of the decoded picture, which may be reduced. A box covers at least one pixel.

        Raises ImageError where the picture has another shape than the annotation says.
        """
        if name not in self.images:
            return None
        boxes = self.images[name]
        if boxes.size:
            _require_same_shape(f"the boxes of {name}", boxes.size, (width, height))
        mask = np.zeros((height, width), np.uint8)
        for left, top, right, bottom in boxes.corners.tolist():
            mask[_pixels(top, bottom, height), _pixels(left, right, width)] = 1
        return mask


Annotations = Masks | Boxes


def load_annotations(
    names: Sequence[str], *, masks: Path | None = None, boxes: Path | None = None
) -> Annotations | None:
    """The annotated objects of a data set; None where neither masks nor boxes are given.

    names: all images of the data set, by their paths below it with `/` between folders. masks: a folder of
    image files, in which all but 0 is object, VOC's void (255) too. boxes: a COCO json file, or a folder of
    Pascal VOC xml or of YOLO txt files, told apart by whether it holds any xml.

    An annotation file stands at its image's path, with its own suffix instead of the image's or after it; a
    COCO `file_name` is that path. A box that is not found so is found by its file name alone, where only one
    image and one annotation bear it. Box files of images outside the data set are not read.

    The result is picklable, may be shared by threads, and holds a path or a few numbers an annotated image.

    Raises CamAuditError where both are given, a box file is malformed, or no image has an annotation.
    """
    if masks and boxes:
        raise CamAuditError("objects are annotated by masks or by boxes: give one of the two")
    annotations = _load_masks(names, masks) if masks else _load_boxes(names, boxes) if boxes else None
    if annotations and not annotations.matched:
        example = names[0] if names else "class/image.jpg"
        raise CamAuditError(
            f"{masks or boxes}: no image of the data set is annotated here; "
            f"annotations go by the image's path below the data set, such as {example}"
        )
    return annotations


def _load_masks(names: Iterable[str], folder: Path) -> Masks:
    if not folder.is_dir():
        raise CamAuditError(f"{folder}: no such folder; masks are a folder with a mask file for each image")
    listing = find_images(folder, marks=OUTPUT_MARKS, follow_links=True)
    for name, reason in listing.unreadable.items():
        raise CamAuditError(f"cannot read the folder {folder / name}: {reason}")
    files = _by_path(listing.names)
    found = ((name, _at_path(name, files)) for name in names)
    return Masks({name: f"{folder}/{file}" for name, file in found if file})


def _load_boxes(names: Sequence[str], path: Path) -> Boxes:
    if path.is_dir():
        images = _read_folder(names, path)
    else:
        content = read_coco(path)
        images = {name: content[key] for name, key in _match(names, {key: key for key in content})}
    return Boxes({name: boxes for name, boxes in images.items() if len(boxes.corners)})


def _read_folder(names: Sequence[str], folder: Path) -> dict[str, ImageBoxes]:
    listing = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    for suffix, read in ((".xml", read_voc), (".txt", read_yolo)):
        files = [file for file in listing if file.endswith(suffix)]
        if files:
            return {name: read(folder / file) for name, file in _match(names, _by_path(files))}
    raise CamAuditError(f"{folder}: holds neither Pascal VOC .xml nor YOLO .txt files")


def _by_path(files: Iterable[str]) -> dict[str, str]:
    """Files by the paths at which an image may find them: their own, and theirs without the suffix."""
    by_path: dict[str, str] = {}
    for file in files:
        by_path[file] = file
        by_path.setdefault(_stem(file), file)
    return by_path


def _at_path(name: str, by_path: Mapping[str, str]) -> str | None:
    return by_path.get(name) or by_path.get(_stem(name))


def _match(names: Sequence[str], by_path: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Image names and the file that each finds at its path or, failing that, by its file name alone."""
    images_called = Counter(_base(path) for name in names for path in (name, _stem(name)))
    files_called: dict[str, set[str]] = {}
    for path, file in by_path.items():
        files_called.setdefault(_base(path), set()).add(file)
    by_base = {base: min(files) for base, files in files_called.items() if len(files) == 1 and images_called[base] == 1}
    for name in names:
        found = _at_path(name, by_path) or _at_path(_base(name), by_base)
        if found:
            yield name, found


def _stem(path: str) -> str:
    return os.path.splitext(path)[0]


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _require_same_shape(what: str, annotated: tuple[int, int], picture: tuple[int, int]) -> None:
    """Refuse an annotation of another aspect than the picture's, but for rounding where either is reduced."""
    difference = abs(annotated[0] * picture[1] - annotated[1] * picture[0])
    if difference > max(sum(annotated), sum(picture)):
        raise ImageError(
            f"{what}: made for a picture of {annotated[0]}x{annotated[1]} pixels, and this one is "
            f"{picture[0]}x{picture[1]}; annotate pictures as they are shown, turned by EXIF"
        )


def _pixels(low: float, high: float, side: int) -> slice:
    """The pixels of a side between two fractions of it, at least one."""
    first = min(round(low * side), side - 1)
    return slice(first, max(round(high * side), first + 1))
