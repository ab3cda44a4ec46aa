"""Read boxes from the files of COCO, Pascal VOC and YOLO; of whatever class, they mark where objects are."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images.decode import read_bytes
from cam_audit.records import Box

# How far YOLO's fractions may leave 0..1: programs that write them round.
ROUNDING = 0.01
_COCO_KEYS = {"images", "annotations", "id", "file_name", "width", "height", "image_id", "bbox"}


@dataclass(frozen=True, slots=True)
class ImageBoxes:
    """The boxes of one image.

    `corners`: float32 (n, 4), each a `Box`.
    `size`: the image's full width and height in pixels; None where the file does not tell.
    """

    corners: NDArray[np.float32]
    size: tuple[int, int] | None


def read_coco(path: Path) -> dict[str, ImageBoxes]:
    """The boxes of a COCO file by the `file_name` of their image, with `/` between folders.

    A `bbox` is left, top, width and height in pixels of the full image (cocodataset.org, "Data format").
    Crowds count as objects; segmentations are not read.

    Raises CamAuditError where the file is not COCO or one of its images or annotations is malformed.
    """
    content = _read_json(path)
    file_names: dict[str, str] = {}
    sizes: dict[str, tuple[int, int]] = {}
    boxes: dict[str, list[Box]] = {}
    for image in _records(path, content, "images"):
        with _located(path, f"image {image.get('id')!r:.40}"):
            image_id = str(_field(image, "id"))
            file_names[image_id] = str(_field(image, "file_name")).replace("\\", "/").removeprefix("./")
            sizes[image_id] = _size(image.get("width"), image.get("height"))
            boxes[image_id] = []
    for annotation in _records(path, content, "annotations"):
        with _located(path, f"annotation {annotation.get('id')!r:.40}"):
            image_id = str(_field(annotation, "image_id"))
            if image_id not in sizes:
                raise ValueError(f"there is no image {image_id:.40}")
            width, height = sizes[image_id]
            x, y, w, h = _bbox(_field(annotation, "bbox"))
            boxes[image_id].append(_clipped(x / width, y / height, (x + w) / width, (y + h) / height))
    return {name: _image_boxes(boxes[key], sizes[key]) for key, name in file_names.items()}


def read_voc(path: Path) -> ImageBoxes:
    """The boxes of a Pascal VOC file: `bndbox` of each `object`, its first and last pixels counted from 1.

    Raises CamAuditError where the file is not VOC, one of its objects is malformed, or it has a DOCTYPE: no
    annotation needs one, and its entities can make a small file huge.
    """
    try:
        root = ElementTree.fromstring(_read_one_of_many(path), ElementTree.XMLParser(target=_WithoutDoctype()))
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise CamAuditError(f"{path}: cannot be read as XML: {error}") from None
    if root.tag != "annotation":
        raise CamAuditError(f"{path}: not Pascal VOC: its root is <{root.tag:.40}> instead of <annotation>")
    objects = root.findall("object")
    if not objects:
        return _image_boxes([], None)
    with _located(path, "<size>"):
        width, height = _size(root.findtext("size/width"), root.findtext("size/height"))
    boxes = []
    for number, element in enumerate(objects, 1):
        with _located(path, f"object {number}"):
            left, top, right, bottom = (
                _number(element.findtext(f"bndbox/{side}"), side) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            boxes.append(_clipped((left - 1) / width, (top - 1) / height, right / width, bottom / height))
    return _image_boxes(boxes, (width, height))


def read_yolo(path: Path) -> ImageBoxes:
    """The boxes of a YOLO file: a line an object, `class x y width height` as fractions with x, y the centre.

    A line with more numbers is the polygon `class x1 y1 x2 y2 ...` and counts as the box round it.

    Raises CamAuditError with the line that is malformed.
    """
    boxes = []
    for number, line in enumerate(_read_one_of_many(path).decode("utf-8-sig", errors="replace").splitlines(), 1):
        if line.strip():
            with _located(path, f"line {number}"):
                boxes.append(_yolo_box([_number(word, "a coordinate") for word in line.split()[1:]]))
    return _image_boxes(boxes, None)


def _yolo_box(numbers: Sequence[float]) -> Box:
    if not all(-ROUNDING <= number <= 1 + ROUNDING for number in numbers):
        raise ValueError("coordinates must be fractions of the image's sides, 0 to 1")
    if len(numbers) == 4:
        x, y, width, height = numbers
        return _clipped(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return _clipped(min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
    raise ValueError("expected `class x y width height`, or `class` and the x y pairs of a polygon")


class _WithoutDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE; remove that line")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CamAuditError(f"{path}: cannot be read: {error.strerror}") from None


def _read_one_of_many(path: Path) -> bytes:
    """Read a file that was found in a folder, which a pipe or a device may be too."""
    try:
        return read_bytes(path)
    except ImageError as error:
        raise CamAuditError(f"{path}: {error}") from None


def _read_json(path: Path) -> Any:
    def kept(record: dict[str, Any]) -> dict[str, Any]:
        # the outlines that are left out are most of a big file, and would take gigabytes as Python lists
        return {key: value for key, value in record.items() if key in _COCO_KEYS}

    try:
        return json.loads(_read(path), object_hook=kept)
    except (ValueError, RecursionError) as error:
        kinds = "boxes are a COCO json file, or a folder of Pascal VOC or YOLO files"
        raise CamAuditError(f"{path}: cannot be read as JSON: {error}; {kinds}") from None


def _records(path: Path, content: Any, key: str) -> list[dict[str, Any]]:
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise CamAuditError(f"{path}: not COCO: it needs a list of objects `{key}`")
    return records


def _field(record: dict[str, Any], key: str) -> Any:
    if record.get(key) is None:
        raise ValueError(f"it has no {key}")
    return record[key]


def _number(value: Any, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} must be a number, not {value!r:.40}")
    return number


def _bbox(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError(f"bbox must be [x, y, width, height], not {value!r:.40}")
    return [_number(item, "bbox") for item in value]


def _size(width: Any, height: Any) -> tuple[int, int]:
    size = int(_number(width, "the image's width")), int(_number(height, "the image's height"))
    if min(size) < 1:
        raise ValueError(f"the image's width and height must be positive, not {size[0]} and {size[1]}")
    return size


def _clipped(left: float, top: float, right: float, bottom: float) -> Box:
    """The part of a box that lies in the picture; raises ValueError where that is nothing."""
    if right < left or bottom < top:
        raise ValueError("the box has a negative width or height")
    if min(right, bottom) <= 0 or max(left, top) >= 1:
        raise ValueError("the box lies outside the image")
    return max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, 1.0)


def _image_boxes(boxes: Sequence[Box], size: tuple[int, int] | None) -> ImageBoxes:
    return ImageBoxes(np.array(boxes, np.float32).reshape(-1, 4), size)


@contextmanager
def _located(path: Path, place: str) -> Iterator[None]:
    """Say where in the file it is that something is malformed."""
    try:
        yield
    except ValueError as error:
        raise CamAuditError(f"{path}: {place}: {error}") from None
