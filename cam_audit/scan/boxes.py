"""Read objects from the files of COCO, Pascal VOC and YOLO. An object that is malformed is left out and told."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.images.decode import read_bytes
from cam_audit.records import Box
from cam_audit.scan.outlines import ImageObjects, Points, Runs, image_objects, is_in_picture

# How far YOLO's fractions may leave 0..1: programs that write them round.
ROUNDING = 0.01
# A mask of more pixels than this is no picture's that is read.
MAX_PIXELS = 1 << 28
_COCO_KEYS = {
    *("images", "annotations", "categories", "id", "name", "file_name", "width", "height", "image_id", "category_id"),
    *("bbox", "segmentation", "counts", "size"),
}


@dataclass
class Reading:
    """What is read for: the categories that are `wanted`, all where there is none, and what came up by the way.

    `faults`: what was left out and why; `categories`: how many objects there are of each, by one name; `named`: all
    names of those.
    """

    wanted: Sequence[str] = ()
    faults: list[str] = field(default_factory=list)
    categories: Counter[str] = field(default_factory=Counter)
    named: set[str] = field(default_factory=set)

    def wants(self, *names: str) -> bool:
        """Whether an object whose category has these names is wanted; it is counted by the last."""
        self.categories[names[-1]] += 1
        self.named.update(names)
        wanted = {name.casefold() for name in self.wanted}
        return not wanted or any(name.casefold() in wanted for name in names)

    @contextmanager
    def leaving_out(self, place: str) -> Iterator[None]:
        """A block that reads an object or a file; what raises ValueError is left out, and told with its `place`."""
        try:
            yield
        except ValueError as error:
            self.faults.append(f"{place}: {error}")


def read_coco(path: Path, reading: Reading) -> dict[str, ImageObjects]:
    """The objects of a COCO file by the `file_name` of their image, with `/` between folders.

    A `segmentation` is polygons or run lengths; where there is none, the `bbox` counts: left, top, width and height in
    pixels of the full image (cocodataset.org, "Data format"). Crowds count as objects.

    Raises CamAuditError where the file is not COCO.
    """
    content = _read_json(path)
    images, annotations = (_records(path, content, key) for key in ("images", "annotations"))
    named = content.get("categories")
    names = {
        _id(category["id"]): str(category["name"])
        for category in (named if isinstance(named, list) else [])
        if isinstance(category, dict) and "id" in category and "name" in category
    }
    file_names: dict[str, str] = {}
    sizes: dict[str, tuple[int, int] | None] = {}
    shapes: dict[str, list[Box | Points | Runs]] = {}
    for image in images:
        with reading.leaving_out(f"image {_shown_id(image)}"):
            image_id = _id(_field(image, "id"))
            file_name = str(_field(image, "file_name")).replace("\\", "/").removeprefix("./")
            sizes[image_id] = _size(image.get("width"), image.get("height"))
            file_names[image_id], shapes[image_id] = file_name, []
    for annotation in annotations:
        with reading.leaving_out(f"annotation {_shown_id(annotation)}"):
            category = _id(_field(annotation, "category_id")) if "category_id" in annotation else ""
            if reading.wants(category, names.get(category, category)):
                image_id = _id(_field(annotation, "image_id"))
                if image_id not in sizes:
                    raise ValueError(f"there is no image {image_id:.40}")
                shapes[image_id] += _coco_shapes(annotation, sizes[image_id])
    return {name: image_objects(shapes[key], sizes[key], in_pixels=not sizes[key]) for key, name in file_names.items()}


def read_voc(path: Path, place: str, reading: Reading) -> ImageObjects:
    """The boxes of a Pascal VOC file: `bndbox` of each `object`, its first and last pixels counted from 1.

    place: what to call the file where objects are left out. A file that is no VOC has none, and neither has one with a
    DOCTYPE: no annotation needs one, and its entities can make a small file huge.
    """
    shapes: list[Box] = []
    size = None
    with reading.leaving_out(place):
        root = _xml(path)
        size = _size(root.findtext("size/width"), root.findtext("size/height"))
        for number, element in enumerate(root.findall("object"), 1):
            with reading.leaving_out(f"{place}: object {number}"):
                if reading.wants((element.findtext("name") or "").strip()):
                    shapes.append(_voc_box(element, size))
    return image_objects(shapes, size, in_pixels=not size)


def read_yolo(path: Path, place: str, reading: Reading, names: Mapping[int, str] | None = None) -> ImageObjects:
    """The objects of a YOLO file: a line each, `class x y width height` as fractions with x, y the centre.

    A sixth number is the confidence of a detector; a line with more is the polygon `class x1 y1 x2 y2 ...`. place: what
    to call the file where objects are left out; names: those of the classes, by their numbers.
    """
    shapes: list[Box | Points | Runs] = []
    with reading.leaving_out(place):
        for number, line in enumerate(_read_one_of_many(path).decode("utf-8-sig", errors="replace").splitlines(), 1):
            with reading.leaving_out(f"{place}: line {number}"):
                words = line.split()
                if words and reading.wants(words[0], _class_name(words[0], names or {})):
                    shapes.append(_yolo_shape([_number(word, "a coordinate") for word in words[1:]]))
    return image_objects(shapes, None)


def _coco_shapes(annotation: dict[str, Any], size: tuple[int, int] | None) -> Sequence[Box | Points | Runs]:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return [_runs(segmentation, size)]
    if segmentation:
        if not isinstance(segmentation, list):
            raise ValueError("segmentation must be polygons or run lengths")
        return [_polygon(corners, size) for corners in segmentation]
    x, y, w, h = _bbox(_field(annotation, "bbox"))
    return [_box(x, y, x + w, y + h, size)]


def _box(left: float, top: float, right: float, bottom: float, size: tuple[int, int] | None) -> Box:
    """A box in pixels as fractions of a picture of this width and height; as it is where these are not known."""
    if right < left or bottom < top:
        raise ValueError("the box has a negative width or height")
    if size is None:
        return left, top, right, bottom
    corners = np.array([[left, top], [right, bottom]]) / size
    if not is_in_picture(corners):
        raise ValueError("the box lies outside the image")
    return tuple(corners.clip(0, 1).ravel().tolist())


def _polygon(corners: Any, size: tuple[int, int] | None) -> Points:
    """The corners x1, y1, x2, y2, ... as `_box` has them."""
    numbers = np.asarray(corners, np.float64) if isinstance(corners, list | np.ndarray) else np.zeros(0)
    if numbers.ndim != 1 or len(numbers) < 6 or len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError("a polygon must be a list of three or more x y pairs")
    points: Points = (numbers.reshape(-1, 2) / (size or (1, 1))).astype(np.float32)
    if size and not is_in_picture(points):
        raise ValueError("the polygon lies outside the image")
    return points


def _runs(segmentation: dict[str, Any], full: tuple[int, int] | None) -> Runs:
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2 or (full and size != [full[1], full[0]]):
        raise ValueError(
            f"run lengths of the size {size!r:.40}" + (f" in an image of [{full[1]}, {full[0]}]" if full else "")
        )
    width, height = _size(size[1], size[0]) or (0, 0)
    if width * height > MAX_PIXELS:
        raise ValueError(f"run lengths of more than {MAX_PIXELS:,} pixels")
    lengths = _decompressed(counts) if isinstance(counts, str) else counts
    wrong = ValueError("counts must be lengths of runs that fill the image")
    if not isinstance(lengths, list | np.ndarray):
        raise wrong
    numbers = np.asarray(lengths, np.float64)
    if numbers.ndim != 1 or not len(numbers) or numbers.min() < 0 or numbers.sum() != width * height:
        raise wrong
    return Runs(numbers.astype(np.uint32), (width, height))


def _decompressed(text: str) -> list[int]:
    """Run lengths from COCO's string: 5 bits a letter; from the fourth on, differences to the last but one."""
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("counts is not a string of run lengths")
        if not bits & 0x20:
            # the sixth of the last letter's bits is that of the sign
            value -= (bits & 0x10) << (shift - 4)
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths


def _voc_box(element: ElementTree.Element, size: tuple[int, int] | None) -> Box:
    left, top, right, bottom = (
        _number(element.findtext(f"bndbox/{side}"), side) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return _box(left - 1, top - 1, right, bottom, size)


def _yolo_shape(numbers: Sequence[float]) -> Box | Points:
    if len(numbers) == 5:
        # the last is a confidence
        numbers = numbers[:4]
    if not all(-ROUNDING <= number <= 1 + ROUNDING for number in numbers):
        raise ValueError("coordinates must be fractions of the image's sides, 0 to 1")
    if len(numbers) == 4:
        x, y, width, height = numbers
        return _box(x - width / 2, y - height / 2, x + width / 2, y + height / 2, (1, 1))
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return _polygon(list(numbers), (1, 1))
    raise ValueError("expected `class x y width height`, or `class` and the x y pairs of a polygon")


def _class_name(number: str, names: Mapping[int, str]) -> str:
    return names.get(int(number), number) if number.isdecimal() else number


class _WithoutDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it has a DOCTYPE; remove that line")


def _xml(path: Path) -> ElementTree.Element:
    """The root of a VOC file; raises ValueError where it is none."""
    try:
        root = ElementTree.fromstring(_read_one_of_many(path), ElementTree.XMLParser(target=_WithoutDoctype()))
    except (ElementTree.ParseError, LookupError) as error:
        raise ValueError(f"cannot be read as XML: {error}") from None
    if root.tag != "annotation":
        raise ValueError(f"not Pascal VOC: its root is <{root.tag:.40}> instead of <annotation>")
    return root


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CamAuditError(f"{path}: cannot be read: {error.strerror}") from None


def _read_one_of_many(path: Path) -> bytes:
    """Read a file that was found in a folder, which a pipe or a device may be too; raises ValueError where it can't."""
    try:
        return read_bytes(path)
    except ImageError as error:
        raise ValueError(str(error)) from None


def _read_json(path: Path) -> Any:
    def kept(record: dict[str, Any]) -> dict[str, Any]:
        # what is left out may be most of a big file, and outlines would take gigabytes as Python lists
        return {key: _compact(key, value) for key, value in record.items() if key in _COCO_KEYS}

    try:
        return json.loads(_read(path), object_hook=kept)
    except (ValueError, RecursionError) as error:
        kinds = "boxes are a COCO json file, or a folder of Pascal VOC or YOLO files"
        raise CamAuditError(f"{path}: cannot be read as JSON: {error}; {kinds}") from None


def _compact(key: str, value: Any) -> Any:
    """Polygons and run lengths as arrays, or True where they hold something else; all other values as they are."""
    try:
        if key == "segmentation" and isinstance(value, list):
            return [np.array(corners, np.float32) if isinstance(corners, list) else corners for corners in value]
        if key == "counts" and isinstance(value, list):
            return np.array(value, np.uint32)
    except (ValueError, TypeError, OverflowError):
        return True
    return value


def _records(path: Path, content: Any, key: str) -> list[Any]:
    records = content.get(key) if isinstance(content, dict) else None
    if not isinstance(records, list):
        raise CamAuditError(f"{path}: not COCO: it needs a list of objects `{key}`")
    return records


def _field(record: Any, key: str) -> Any:
    if not isinstance(record, dict):
        raise ValueError("it is no object")
    if record.get(key) is None:
        raise ValueError(f"it has no {key}")
    return record[key]


def _shown_id(record: Any) -> str:
    return f"{record.get('id') if isinstance(record, dict) else record!r:.40}"


def _id(value: Any) -> str:
    """An id as text; numbers are the same, whole or as fractions, and quoted or not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


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


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    """Width and height in pixels; None where the file does not tell, as many programs write 0 for it."""
    if not (width and height) or "0" in (width, height):
        return None
    size = int(_number(width, "the image's width")), int(_number(height, "the image's height"))
    if min(size) < 1:
        raise ValueError(f"the image's width and height must be positive, not {size[0]} and {size[1]}")
    return size
