"""Where the annotated object lies in an image of the data set: masks, or boxes of COCO, VOC or YOLO."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images.find import find_images
from cam_audit.images.mask import read_mask
from cam_audit.images.resize import resize_mask
from cam_audit.reports.output_folder import OUTPUT_MARKS
from cam_audit.scan.boxes import read_voc, read_yolo
from cam_audit.scan.coco import read_coco
from cam_audit.scan.image_paths import at_path, by_path, match, normal, without_suffix
from cam_audit.scan.outlines import ImageObjects, Mask
from cam_audit.scan.shapes import Reading
from cam_audit.scan.tally import left_out
from cam_audit.scan.yolo_classes import class_names

# In a pattern of masks, what stands for an image's path without its suffix.
STEM = "{stem}"
MAX_CATEGORIES = 10
# For so many images, masks with a longer file name are looked for.
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
        """A mark of the mask of the image `name` that changes with it; "" if there is none."""
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

    `faults`: what was left out of these files, and why; `categories`: of the objects, if no category was asked for.
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
        """A mark of the objects of the image `name` that changes with them; "" if there are none."""
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
    """The annotated objects of a data set; None if neither masks nor boxes are given.

    names: all images of the data set, by their paths below it with `/` between folders. masks: a folder of
    image files, in which all but 0 is object, VOC's void (255) too, or `mask_value` alone; or a pattern of their paths,
    in which `{stem}` is the image's path without its suffix or, where there is no such file, its file name without it.
    boxes: a COCO json file, or a folder of Pascal VOC xml files or of YOLO txt files; a folder with any xml is VOC's.
    `categories`: which of the objects in them are taken; all if there are none.

    An annotation file stands at its image's path, with its own suffix instead of the image's or after it; a COCO
    `file_name` is that path. Otherwise, an image and an annotation belong together if no others have so long an end of
    their paths in common, a file name at least. Box files of images outside the data set are not read.

    The result is picklable, may be shared by threads, and holds a path or a few numbers an annotated image.

    Raises CamAuditError if both are given, a box file is not what it should be, a category is unknown, or no image
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
    files = by_path(listing.names)
    found = ((name, at_path(name, files)) for name in names)
    return Masks({name: f"{folder}/{file}" for name, file in found if file}, value)


def _pattern_for(names: Sequence[str], folder: Path) -> str | None:
    """A pattern of masks in a folder that are named like one of the first images, with something after it."""
    for name in names[:MAX_TRIED]:
        stem = without_suffix(name)
        for place in (stem, _base(stem)):
            beside = sorted(folder.glob(f"{glob.escape(place)}[!0-9a-zA-Z]*.*"))
            if beside:
                return f"{folder}/{STEM}{beside[0].name.removeprefix(_base(place))}"
    return None


def _by_pattern(names: Sequence[str], pattern: str) -> dict[str, str]:
    """The masks that are there of those that a pattern names, by their images."""
    called = Counter(_base(without_suffix(name)) for name in names)
    files = {}
    for name in names:
        stem = without_suffix(name)
        # a mask for a file name that several images have could be any one's
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
        images = {name: content[key] for name, key in match(names, {normal(key): key for key in content}).items()}
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
        return {name: read_voc(folder / file, file, reading) for name, file in match(names, by_path(voc)).items()}
    yolo = [file for file in listing if file.endswith(".txt")]
    if not yolo:
        raise CamAuditError(f"{folder}: holds neither Pascal VOC .xml nor YOLO .txt files")
    called = class_names(folder)
    return {name: read_yolo(folder / file, file, reading, called) for name, file in match(names, by_path(yolo)).items()}


def _base(path: str) -> str:
    return path.rpartition("/")[2]


def _require_same_shape(what: str, annotated: tuple[int, int], picture: tuple[int, int]) -> None:
    """Refuse an annotation of another aspect than the picture's, with room for rounding if either is reduced."""
    if _same_shape(annotated, picture):
        return
    turned = ", as before EXIF turns it," if _same_shape(annotated, picture[::-1]) else ""
    raise ImageError(
        f"{what}: made for a picture of {annotated[0]}x{annotated[1]} pixels{turned} and this one is "
        f"{picture[0]}x{picture[1]}"
    )


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))
