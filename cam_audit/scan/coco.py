"""Read objects from the files of COCO. An object that is malformed is left out, with the reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cam_audit.errors import CamAuditError
from cam_audit.records import Box
from cam_audit.scan.outlines import ImageObjects, Points, RunLengths, image_objects
from cam_audit.scan.shapes import Reading, as_box, as_number, as_polygon, as_size

# No picture with more pixels is read, so a larger mask fits none.
MAX_PIXELS = 1 << 28
_KEYS = {
    *("images", "annotations", "categories", "id", "name", "file_name", "width", "height", "image_id", "category_id"),
    *("bbox", "segmentation", "counts", "size"),
}


def read_coco(path: Path, reading: Reading) -> dict[str, ImageObjects]:
    """The objects of a COCO file by the `file_name` of their image, with `/` between folders.

    A `segmentation` is polygons or run lengths; without one, the `bbox` counts: left, top, width and height in
    pixels of the full image (cocodataset.org, "Data format"). Crowds count as objects.

    Raises CamAuditError if the file is not COCO.
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
    shapes: dict[str, list[Box | Points | RunLengths]] = {}
    for image in images:
        with reading.leaving_out(f"image {_shown_id(image)}"):
            image_id = _id(_field(image, "id"))
            file_name = str(_field(image, "file_name")).replace("\\", "/").removeprefix("./")
            sizes[image_id] = as_size(image.get("width"), image.get("height"))
            file_names[image_id], shapes[image_id] = file_name, []
    for annotation in annotations:
        with reading.leaving_out(f"annotation {_shown_id(annotation)}"):
            _require_object(annotation)
            category = _id(_field(annotation, "category_id")) if "category_id" in annotation else ""
            if reading.wants(category, names.get(category, category)):
                image_id = _id(_field(annotation, "image_id"))
                if image_id not in sizes:
                    raise ValueError(f"there is no image {image_id:.40}")
                shapes[image_id] += _shapes(annotation, sizes[image_id])
    return {name: image_objects(shapes[key], sizes[key], in_pixels=not sizes[key]) for key, name in file_names.items()}


def _shapes(annotation: dict[str, Any], size: tuple[int, int] | None) -> Sequence[Box | Points | RunLengths]:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        return [_runs(segmentation, size)]
    if segmentation:
        if not isinstance(segmentation, list):
            raise ValueError("segmentation must be polygons or run lengths")
        return [as_polygon(corners, size) for corners in segmentation]
    x, y, w, h = _bbox(_field(annotation, "bbox"))
    return [as_box(x, y, x + w, y + h, size)]


def _runs(segmentation: dict[str, Any], full: tuple[int, int] | None) -> RunLengths:
    counts, size = segmentation.get("counts"), segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2 or (full and size != [full[1], full[0]]):
        raise ValueError(
            f"run lengths of the size {size!r:.40}" + (f" in an image of [{full[1]}, {full[0]}]" if full else "")
        )
    width, height = as_size(size[1], size[0]) or (0, 0)
    if width * height > MAX_PIXELS:
        raise ValueError(f"run lengths of more than {MAX_PIXELS:,} pixels")
    lengths = _decompressed(counts) if isinstance(counts, str) else counts
    wrong = ValueError("counts must be lengths of runs that fill the image")
    if not isinstance(lengths, list | np.ndarray):
        raise wrong
    numbers = np.asarray(lengths, np.float64)
    if numbers.ndim != 1 or not len(numbers) or numbers.min() < 0 or numbers.sum() != width * height:
        raise wrong
    return RunLengths(numbers.astype(np.uint32), (width, height))


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CamAuditError(f"{path}: cannot be read: {error.strerror}") from None


def _read_json(path: Path) -> Any:
    def kept(record: dict[str, Any]) -> dict[str, Any]:
        # what is left out may be most of a big file, and outlines would take gigabytes as Python lists
        return {key: _compact(key, value) for key, value in record.items() if key in _KEYS}

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


def _require_object(record: Any) -> None:
    if not isinstance(record, dict):
        raise ValueError("it is no object")


def _field(record: Any, key: str) -> Any:
    _require_object(record)
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


def _bbox(value: Any) -> list[float]:
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError(f"bbox must be [x, y, width, height], not {value!r:.40}")
    return [as_number(item, "bbox") for item in value]
