"""Annotations of one small picture in every format, and what reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pictures import encode

from cam_audit.scan.annotations import Annotations, load_annotations

NAME = "horse/a.jpg"
WIDTH, HEIGHT = 20, 10


def block(left: int, top: int, right: int, bottom: int) -> NDArray[np.uint8]:
    """The mask of a WIDTH x HEIGHT picture with 1 from `left`, `top` up to but without `right`, `bottom`."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top:bottom, left:right] = 1
    return mask


BLOCK = block(5, 2, 9, 8)


def write(path: Path, data: bytes | str) -> Path:
    """Write a file, with its folders; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def masks_of(folder: Path, names: list[str], *files: str) -> Annotations | None:
    """The masks in these files of a folder, which all say BLOCK."""
    for file in files:
        write(folder / file, encode(BLOCK * 255))
    return load_annotations(names, masks=folder)


def coco(bbox: object = (5, 2, 4, 6), **changes: object) -> dict[str, Any]:
    """A COCO file of one picture with one box; `changes` are of the picture."""
    picture = {"id": 7, "file_name": NAME, "width": WIDTH, "height": HEIGHT, **changes}
    annotation = {"id": 70, "image_id": 7, "category_id": 1, "bbox": bbox, "segmentation": []}
    return {"images": [picture], "annotations": [annotation], "categories": [{"id": 1, "name": "horse"}]}


def voc(*boxes: tuple[object, ...], size: tuple[object, object] | None = (WIDTH, HEIGHT), head: str = "") -> str:
    """A VOC file of these boxes, each of up to four sides; parts of an object have some too."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = ""
    for box in boxes:
        words = "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=False))
        objects += f"<object><bndbox>{words}</bndbox><part><bndbox><xmin>1</xmin></bndbox></part></object>"
    shape = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    return f"{head}<annotation><filename>a.jpg</filename>{shape}{objects}</annotation>"


def boxes_of(folder: Path, files: Mapping[str, object], names: list[str] | None = None) -> Annotations | None:
    """The boxes in these files, of which a JSON file is the only one and no folder."""
    path = folder / "boxes"
    for file, content in files.items():
        write(path / file, content if isinstance(content, str | bytes) else json.dumps(content))
    only_json = len(files) == 1 and next(iter(files)).endswith(".json")
    return load_annotations(names or [NAME], boxes=path / next(iter(files)) if only_json else path)
