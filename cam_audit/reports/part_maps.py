"""OUT/parts/maps.json: the direction of each part and where it lies in each image, to hold another scan to it.

Bytes are in base64. A direction is int8 and of length 1 when it is read, a map uint8 on the grid of its image, in units
of the `peak` of its part over 255: at most 300 KB for 600 images of 70 cells in six parts, and 1.7 KB a part for a
direction of 1,280 channels.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.records import PARTS_FOLDER, Part, PartMap, PartMaps
from cam_audit.reports import schema
from cam_audit.reports.fields import FieldError, listed, parse_json, path_below, quoted, real, table, text, whole
from cam_audit.reports.read_findings import sheet
from cam_audit.reports.read_json import read_if_there

MAPS_FILE = f"{PARTS_FOLDER}/maps.json"
# No net has larger maps, and who wrote them may be anybody.
MAX_SIDE = 4096
MAX_PEAK = 1e9
_INT8 = 127
_UINT8 = 255
_TINY = 1e-9

Floats = NDArray[np.float32]


def render(parts: Iterable[Part], part_maps: Mapping[str, PartMaps]) -> str:
    """The text of maps.json; part_maps: by a part's sheet. The same maps give the same bytes."""
    images: dict[tuple[str, tuple[int, ...]], int] = {}

    def numbered(of_image: PartMap) -> int:
        return images.setdefault((of_image.path, of_image.values.shape), len(images))

    items = [_part(part, part_maps[part.sheet], [*map(numbered, part_maps[part.sheet].maps)]) for part in parts]
    document = {
        "schema_version": schema.PART_MAPS,
        "images": [{"path": path, "size": size} for path, size in images],
        "parts": items,
    }
    # in ASCII, so that what stands for bytes that are not UTF-8 comes back
    return json.dumps(document, separators=(",", ":")) + "\n"


def parse(document: str) -> dict[str, PartMaps]:
    """The maps by a part's sheet, of a maps.json. Raises ValueError where it is none."""
    content = _DOCUMENT(parse_json(document))
    return {item["sheet"]: _part_of(item, content["images"]) for item in content["parts"]}


def read_part_maps(out: Path) -> dict[str, PartMaps]:
    """What `parse` makes of the maps.json in an output folder; nothing where the scan wrote none.

    Raises CamAuditError where it can't be read, or is damaged.
    """
    return read_if_there(out, MAPS_FILE, parse, {})


def direction_text(direction: Floats) -> str:
    """A direction, float32 (C,), as base64 of int8 in units of its largest number over 127."""
    levels = np.rint(direction / max(float(np.abs(direction).max(initial=0)), _TINY) * _INT8)
    return base64.b64encode(levels.astype(np.int8).tobytes()).decode()


def parsed_direction(value: Any) -> Floats:
    """What `direction_text` made: float32 (C,) of length 1. Raises ValueError where it is none."""
    levels = np.frombuffer(base64.b64decode(text(value), validate=True), np.int8).astype(np.float32)
    length = float(np.linalg.norm(levels))
    if not length:
        raise ValueError("a direction is empty")
    return levels / length


def _part(part: Part, maps: PartMaps, numbers: list[int]) -> dict[str, object]:
    peak = max((float(of_image.values.max()) for of_image in maps.maps), default=0.0)
    levels = [np.rint(of_image.values / max(peak, _TINY) * _UINT8).astype(np.uint8) for of_image in maps.maps]
    return {
        "sheet": part.sheet,
        "class": part.label,
        "direction": direction_text(maps.direction),
        "peak": float(f"{peak:.6g}"),
        "images": numbers,
        "maps": base64.b64encode(b"".join(of_image.tobytes() for of_image in levels)).decode(),
    }


def _part_of(item: Mapping[str, Any], images: Sequence[tuple[str, tuple[int, int]]]) -> PartMaps:
    levels = np.frombuffer(base64.b64decode(item["maps"], validate=True), np.uint8)
    begin, maps = 0, []
    for number_of_image in item["images"]:
        path, (height, width) = images[number_of_image] if number_of_image < len(images) else ("", (0, 0))
        end = begin + height * width
        if not begin < end <= len(levels):
            break
        maps.append(PartMap(path, levels[begin:end].reshape(height, width) * np.float32(item["peak"] / _UINT8)))
        begin = end
    if begin != len(levels) or len(maps) != len(item["images"]):
        raise FieldError(f"the maps of {quoted(item['sheet'])} are not of the size of their images")
    return PartMaps(item["direction"], tuple(maps))


def _version(value: Any) -> int:
    if value != schema.PART_MAPS:
        raise FieldError(f"is {quoted(value)}, not {schema.PART_MAPS}")
    return schema.PART_MAPS


_IMAGE = table(
    {"path": path_below, "size": listed(whole(1, MAX_SIDE), 2)}, make=lambda item: (item["path"], item["size"])
)
_PART = table(
    {
        "sheet": sheet,
        "direction": parsed_direction,
        "peak": real(0, MAX_PEAK),
        "images": listed(whole()),
        "maps": text,
    }
)
_DOCUMENT = table({"schema_version": _version, "images": listed(_IMAGE), "parts": listed(_PART)})
