"""Where the annotated object lies in an image of the data set: masks, or boxes of COCO, VOC or YOLO."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images.find import find_images
from cam_audit.images.mask import read_mask
from cam_audit.images.resize import resize_mask
from cam_audit.reports.output_folder import OUTPUT_MARKS
from cam_audit.scan.boxes import Reading, read_coco, read_voc, read_yolo
from cam_audit.scan.class_list import class_names
from cam_audit.scan.outlines import ImageObjects, Mask
from cam_audit.scan.tally import left_out

# In a pattern of masks, what stands for an image's path without its suffix.
STEM = "{stem}"
MAX_CATEGORIES = 10
# Of so many images, masks are looked for that are called a little otherwise.
MAX_TRIED = 20


@dataclass(frozen=True)
class Masks:
    """Mask files by the name of their image, read when asked for; `value`: which is object, None for all but 0."""

    files: Mapping[str, str]
    value: int | None = None
    kind: ClassVar[str] = "masks"
    faults: ClassVar[tuple[str, ...]] = ()
    categories: ClassVar[tuple[str, ...]] = ()

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

    def mask(self, name: str, width: int, height: int, full: tuple[int, int] | None = None) -> Mask | None:
        """The object of the image `name`: uint8 (height, width), 1 inside; None where none is annotated.

        `width`, `height`: of the decoded picture, which may be reduced; `full`: of the one in the file, where it is.

        Raises ImageError where the mask can't be read or has another shape than the picture.
        """
        if name not in self.files:
            return None
        file = self.files[name]
        try:
            whole = read_mask(file, self.value)
        except ImageError as error:
            raise ImageError(f"{file}: {error}") from None
        _require_same_shape(file, (whole.shape[1], whole.shape[0]), (width, height))
        mask = resize_mask(whole, width, height)
        return mask if mask.any() else None


@dataclass(frozen=True)
class Boxes:
    """Objects of box files by the name of their image.

    `faults`: what was left out of these files, and why; `categories`: of the objects, where none was asked for.
    """

    images: Mapping[str, ImageObjects]
    faults: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    kind: ClassVar[str] = "boxes"

    @property
    def matched(self) -> int:
        """How many images of the data set have an object."""
        return len(self.images)

    def mark(self, name: str) -> str:
        """What tells the objects of the image `name` from those that there were before; "" where none is annotated."""
        objects = self.images.get(name)
        return hashlib.sha256(b" ".join(objects.parts())).hexdigest() if objects else ""

    def mask(self, name: str, width: int, height: int, full: tuple[int, int] | None = None) -> Mask | None:
        """The object of the image `name`: uint8 (height, width), 1 inside; None where none is annotated.

        `width`, `height`: of the decoded picture, which may be reduced; `full`: of the one in the file, where it is.

        Raises ImageError where the picture has another shape than the annotation says.
        """
        if name not in self.images:
            return None
        objects = self.images[name]
        for size in dict.fromkeys((objects.size, *(runs.size for runs in objects.runs))):
            if size:
                _require_same_shape(f"the boxes of {name}", size, (width, height))
        mask = objects.mask(width, height, full)
        if not mask.any() and objects.in_pixels:
            raise ImageError(f"the boxes of {name}: they lie outside the picture")
        return mask if mask.any() else None


Annotations = Masks | Boxes


def load_annotations(
    names: Sequence[str],
    *,
    masks: Path | None = None,
    mask_value: int | None = None,
    boxes: Path | None = None,
    categories: Sequence[str] = (),
) -> Annotations | None:
    """The annotated objects of a data set; None where neither masks nor boxes are given.

    names: all images of the data set, by their paths below it with `/` between folders. masks: a folder of
    image files, in which all but 0 is object, VOC's void (255) too, or `mask_value` alone; or a pattern of their paths,
    in which `{stem}` is the image's path without its suffix or, where there is no such file, its file name without it.
    boxes: a COCO json file, or a folder of Pascal VOC xml or of YOLO txt files, told apart by whether it holds any xml,
    and of these the objects of `categories` alone.

    An annotation file stands at its image's path, with its own suffix instead of the image's or after it; a
    COCO `file_name` is that path. What is not found so is found by the longest end of its path that only one image and
    one annotation have, a file name at least. Box files of images outside the data set are not read.

    The result is picklable, may be shared by threads, and holds a path or a few numbers an annotated image.

    Raises CamAuditError where both are given, a box file is not what it should be, a category is unknown, or no image
    has an object.
    """
    if masks and boxes:
        raise CamAuditError("objects are annotated by masks or by boxes: give one of the two")
    if mask_value is not None and not masks:
        raise CamAuditError("--mask-value says which value of --masks is object: give both")
    if categories and not boxes:
        raise CamAuditError("--category picks objects of --boxes: give both")
    annotations = (
        _load_masks(names, masks, mask_value) if masks else _load_boxes(names, boxes, categories) if boxes else None
    )
    if annotations and not annotations.matched:
        if annotations.faults:
            reasons = left_out(annotations.faults, len(annotations.faults))
            raise CamAuditError(f"{masks or boxes}: no object can be used: {reasons}")
        example = names[0] if names else "class/image.jpg"
        pattern = _pattern_for(names, masks) if masks and masks.is_dir() else None
        raise CamAuditError(
            f"{masks or boxes}: no image of the data set is annotated here; "
            f"annotations go by the image's path below the data set, such as {example}"
            + (f"; or give --masks '{pattern}'" if pattern else "")
        )
    return annotations


def _load_masks(names: Sequence[str], folder: Path, value: int | None) -> Masks:
    if STEM in str(folder):
        return Masks(_by_pattern(names, str(folder)), value)
    if not folder.is_dir():
        raise CamAuditError(
            f"{folder}: no such folder; masks are a folder with a mask file for each image, or a pattern such as "
            f"masks/{STEM}_mask.png"
        )
    listing = find_images(folder, marks=OUTPUT_MARKS, follow_links=True)
    for name, reason in listing.unreadable.items():
        raise CamAuditError(f"cannot read the folder {folder / name}: {reason}")
    files = _by_path(listing.names)
    found = ((name, _at_path(name, files)) for name in names)
    return Masks({name: f"{folder}/{file}" for name, file in found if file}, value)


def _pattern_for(names: Sequence[str], folder: Path) -> str | None:
    """A pattern by which the first images find masks in a folder: these are called as the image and then some."""
    for name in names[:MAX_TRIED]:
        stem = _stem(name)
        for place in (stem, _base(stem)):
            beside = sorted(folder.glob(f"{glob.escape(place)}[!0-9a-zA-Z]*.*"))
            if beside:
                return f"{folder}/{STEM}{beside[0].name.removeprefix(_base(place))}"
    return None


def _by_pattern(names: Sequence[str], pattern: str) -> dict[str, str]:
    """The masks that are there of those that a pattern names, by their images."""
    called = Counter(_base(_stem(name)) for name in names)
    files = {}
    for name in names:
        stem = _stem(name)
        # a file name that several images bear could be any one's
        stems = [stem, _base(stem)] if called[_base(stem)] == 1 else [stem]
        found = next((file for stem in stems if os.path.exists(file := pattern.replace(STEM, stem))), None)
        if found:
            files[name] = found
    return files


def _load_boxes(names: Sequence[str], path: Path, categories: Sequence[str]) -> Boxes:
    reading = Reading(categories)
    if path.is_dir():
        images = _read_folder(names, path, reading)
    else:
        content = read_coco(path, reading)
        images = {name: content[key] for name, key in _match(names, {key: key for key in content})}
    known = {name.casefold() for name in reading.named}
    unknown = [category for category in categories if category.casefold() not in known]
    if unknown:
        there_are = ", ".join(sorted(filter(None, reading.categories))[:MAX_CATEGORIES]) or "none"
        raise CamAuditError(f"{path}: --category {unknown[0]}: no object is of this category; there are {there_are}")
    objects = {name: of_image for name, of_image in images.items() if of_image}
    return Boxes(objects, tuple(reading.faults), () if categories else tuple(sorted(filter(None, reading.categories))))


def _read_folder(names: Sequence[str], folder: Path, reading: Reading) -> dict[str, ImageObjects]:
    listing = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    voc = [file for file in listing if file.endswith(".xml")]
    if voc:
        return {name: read_voc(folder / file, file, reading) for name, file in _match(names, _by_path(voc))}
    yolo = [file for file in listing if file.endswith(".txt")]
    if not yolo:
        raise CamAuditError(f"{folder}: holds neither Pascal VOC .xml nor YOLO .txt files")
    called = class_names(folder)
    return {name: read_yolo(folder / file, file, reading, called) for name, file in _match(names, _by_path(yolo))}


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
    """Image names and the file that each finds at its path or, failing that, by the longest end that they share."""
    images_ending = Counter(end for name in names for path in {name, _stem(name)} for end in _ends(path))
    files_ending: dict[str, set[str]] = {}
    for path, file in by_path.items():
        for end in _ends(path):
            files_ending.setdefault(end, set()).add(file)
    for name in names:
        found = _at_path(name, by_path)
        if found is None:
            ends = (end for pair in zip(_ends(name), _ends(_stem(name)), strict=True) for end in pair)
            end = next((end for end in ends if end in files_ending), "")
            # what several images or files end with could be any one's
            if images_ending[end] == 1 and len(files_ending[end]) == 1:
                (found,) = files_ending[end]
        if found:
            yield name, found


def _ends(path: str) -> list[str]:
    """What a path ends with, the longest first: itself, then without its first folder, ..., its file name."""
    parts = path.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _stem(path: str) -> str:
    return os.path.splitext(path)[0]


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _require_same_shape(what: str, annotated: tuple[int, int], picture: tuple[int, int]) -> None:
    """Refuse an annotation of another aspect than the picture's, but for rounding where either is reduced."""
    if _same_shape(annotated, picture):
        return
    turned = ", as before EXIF turns it," if _same_shape(annotated, picture[::-1]) else ""
    raise ImageError(
        f"{what}: made for a picture of {annotated[0]}x{annotated[1]} pixels{turned} and this one is "
        f"{picture[0]}x{picture[1]}"
    )


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))
