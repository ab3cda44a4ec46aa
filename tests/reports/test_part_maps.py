"""The directions and maps of parts in a file, and what a stranger's file can't do."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canonical import part

from cam_audit.errors import CamAuditError
from cam_audit.records import PartMap, PartMaps
from cam_audit.reports.part_maps import MAPS_FILE, direction_text, parse, parsed_direction, read_part_maps, render

ODD = "caf\udce9"


def maps_of(*paths: str, seed: int = 0, channels: int = 32) -> PartMaps:
    """Random maps, on a grid of 3 cells by 5 in the first image, 4 by 5 in the next and so on."""
    random = np.random.default_rng(seed)
    direction = random.normal(size=channels)
    maps = (PartMap(path, random.random((3 + index, 5), np.float32) * 7) for index, path in enumerate(paths))
    return PartMaps((direction / np.linalg.norm(direction)).astype(np.float32), tuple(maps))


PARTS = (part("cat", 1, 0.5, "object", 2.0), part("cat", 2, 0.3, "object", 2.0), part(ODD, 1, 0.4, "unknown", None))
MAPS = {
    PARTS[0].sheet: maps_of("cat/a.png", "cat/b.png"),
    PARTS[1].sheet: maps_of("cat/b.png", seed=1),
    PARTS[2].sheet: maps_of(f"{ODD}/a.png", seed=2),
}


def test_directions_and_maps_come_back_to_within_a_step_of_their_scale() -> None:
    read = parse(render(PARTS, MAPS))
    assert read.keys() == MAPS.keys()
    for sheet, maps in MAPS.items():
        assert float(read[sheet].direction @ maps.direction) > 0.999
        assert np.linalg.norm(read[sheet].direction) == pytest.approx(1)
        step = max(float(each.values.max()) for each in maps.maps) / 255
        for was, became in zip(maps.maps, read[sheet].maps, strict=True):
            assert became.values.dtype == np.float32
            assert np.abs(was.values - became.values).max() <= 0.51 * step
    # names of files as results.csv has them; those of sheets as they are on disk
    assert [each.path for each in read[PARTS[2].sheet].maps] == [r"caf\udce9/a.png"]
    assert [each.path for each in read[PARTS[0].sheet].maps] == ["cat/a.png", "cat/b.png"]


def test_the_same_maps_give_the_same_bytes_all_ascii() -> None:
    text = render(PARTS, MAPS)
    assert text == render(PARTS, dict(reversed(MAPS.items())))
    assert text.isascii()
    assert parse(render((), {})) == {}


def test_a_part_that_is_nowhere_and_maps_of_nothing_come_back() -> None:
    nowhere = PartMaps(np.eye(1, 4, dtype=np.float32)[0], (PartMap("a/b.png", np.zeros((2, 2), np.float32)),))
    (read,) = parse(render(PARTS[:1], {PARTS[0].sheet: nowhere})).values()
    assert not read.maps[0].values.any()


def test_a_direction_is_kept_to_a_degree() -> None:
    direction = np.random.default_rng(0).normal(size=1280).astype(np.float32)
    direction /= np.linalg.norm(direction)
    assert np.degrees(np.arccos(float(parsed_direction(direction_text(direction)) @ direction))) < 1


def change(*keys: Any, to: Any) -> Callable[[Any], None]:
    """What sets the value below these keys."""

    def changed(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return changed


@pytest.mark.parametrize(
    "spoil",
    [
        change("schema_version", to=2),
        change("images", 0, "path", to="../../etc/passwd"),
        change("images", 0, "size", to=[4097, 1]),
        change("images", 0, "size", to=[0, 5]),
        change("images", 0, "size", to=[3.0, 5]),
        change("images", 0, "size", to=[10**9, 10**9]),
        change("images", 0, "size", to=[3]),
        change("images", to=None),
        change("parts", 0, "sheet", to="../1.jpg"),
        change("parts", 0, "sheet", to="parts/\ud800/1.jpg"),
        change("parts", 0, "sheet", to=5),
        change("parts", 0, "images", to=[0, 1, 1]),
        change("parts", 0, "images", to=[0]),
        change("parts", 0, "images", to=[0, 99]),
        change("parts", 0, "images", to=[0, -2]),
        change("parts", 0, "images", to=[]),
        change("parts", 0, "maps", to="AAAA"),
        change("parts", 0, "maps", to="no base64!"),
        change("parts", 0, "direction", to=""),
        change("parts", 0, "direction", to=base64.b64encode(bytes(8)).decode()),
        change("parts", 0, "peak", to=float("nan")),
        change("parts", 0, "peak", to=float("inf")),
        change("parts", 0, "peak", to=-1),
        change("parts", 0, "peak", to=10**400),
        change("parts", 0, to=[]),
    ],
)
def test_what_is_no_maps_json_is_refused_in_one_line(tmp_path: Path, spoil: Callable[[Any], None]) -> None:
    document = json.loads(render(PARTS, MAPS))
    spoil(document)
    (tmp_path / "parts").mkdir()
    (tmp_path / MAPS_FILE).write_text(json.dumps(document))
    with pytest.raises(CamAuditError, match=r"maps\.json: damaged: .*; scan again") as caught:
        read_part_maps(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, "{}", "\xff"])
def test_what_is_no_document_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / MAPS_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(CamAuditError, match="damaged"):
        read_part_maps(tmp_path)


def test_a_scan_without_maps_has_none(tmp_path: Path) -> None:
    assert read_part_maps(tmp_path) == {}
