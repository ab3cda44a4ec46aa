"""Polygons and run lengths become the pixels that a brute force and the format's own description say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cam_audit.scan.boxes import Reading, read_coco
from cam_audit.scan.outlines import polygon_mask

WIDTH, HEIGHT = 23, 17


def inside(points: NDArray[np.float64], x: float, y: float) -> bool:
    """Whether a point lies in a polygon: a ray from it to the left meets an odd number of sides."""
    met = 0
    for (x1, y1), (x2, y2) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if (y1 > y) != (y2 > y):
            met += x1 + (y - y1) * (x2 - x1) / (y2 - y1) < x
    return met % 2 == 1


@pytest.mark.parametrize("seed", range(12))
def test_a_polygon_holds_the_pixels_whose_centres_lie_in_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    # of any form: meeting itself, and reaching out of the picture
    points = random.uniform(-0.2, 1.2, (int(random.integers(3, 9)), 2)).astype(np.float32)
    got = polygon_mask(points, WIDTH, HEIGHT)
    corners = points.astype(np.float64) * (WIDTH, HEIGHT)
    expected = [[inside(corners, x + 0.5, y + 0.5) for x in range(WIDTH)] for y in range(HEIGHT)]
    np.testing.assert_array_equal(got, expected)
    assert got.any()


def test_a_polygon_between_centres_is_a_pixel() -> None:
    points = np.array([[0.53, 0.53], [0.54, 0.53], [0.54, 0.54]], np.float32)
    assert np.argwhere(polygon_mask(points, WIDTH, HEIGHT)).tolist() == [[9, 12]]


def objects_of(
    path: Path, segmentation: object, width: int = WIDTH, height: int = HEIGHT, **changes: object
) -> tuple[NDArray[np.uint8] | None, list[str]]:
    """The mask of a COCO image with this segmentation, and what was left out."""
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation, **changes}
    images = [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}]
    content: dict[str, Any] = {"images": images, "annotations": [annotation], "categories": []}
    (path / "a.json").write_text(json.dumps(content))
    reading = Reading()
    objects = read_coco(path / "a.json", reading)["a.jpg"]
    return objects.mask(width, height) if objects else None, reading.faults


def lengths_of(mask: NDArray[np.uint8]) -> list[int]:
    """Run lengths by walking down one column after the other."""
    lengths, value = [0], 0
    for pixel in mask.T.ravel():
        if pixel != value:
            lengths.append(0)
            value = pixel
        lengths[-1] += 1
    return lengths


def compressed(lengths: list[int]) -> str:
    """Run lengths as text: groups of five bits, the lowest first, in two's complement; a sixth says that more come."""
    text = ""
    for index, length in enumerate(lengths):
        left = length - lengths[index - 2] if index > 2 else length
        while True:
            group, left = left & 31, left >> 5
            last = left == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if last else 32))
            if last:
                break
    return text


BLOTS = [(np.random.default_rng(seed).random((HEIGHT, WIDTH)) < share).astype(np.uint8) for seed, share in
         enumerate((0.02, 0.3, 0.9))]  # fmt: skip


@pytest.mark.parametrize("blot", BLOTS)
def test_run_lengths_go_down_the_columns_as_numbers_and_as_text(blot: NDArray[np.uint8], tmp_path: Path) -> None:
    lengths = lengths_of(blot)
    for counts in (lengths, compressed(lengths)):
        got, faults = objects_of(tmp_path, {"counts": counts, "size": [HEIGHT, WIDTH]})
        assert not faults
        np.testing.assert_array_equal(got, blot)


def test_a_known_string_of_run_lengths(tmp_path: Path) -> None:
    lengths = [6, 1, 40, 4, 5, 4, 5, 4, 21]
    # by hand: 6, 1, 40 = 8 + 32, then differences: 4 - 1 = 3, 5 - 40 = -35, 0, 0, 0, 21 - 5 = 16
    got, _ = objects_of(tmp_path, {"counts": "61X13mN000`0", "size": [9, 10]}, 10, 9)
    assert got is not None
    assert lengths_of(got) == lengths


def test_several_polygons_are_one_object_and_go_before_the_box(tmp_path: Path) -> None:
    left, right = [0, 0, 5, 0, 5, 6, 0, 6], [10, 2, 20, 2, 20, 9, 10, 9]
    got, faults = objects_of(tmp_path, [left, right], bbox=[0, 0, 1, 1])
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[:6, :5] = expected[2:9, 10:20] = 1
    np.testing.assert_array_equal(got, expected)
    assert not faults


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([[1, 1, 5, 5]], "a polygon must be a list of three or more x y pairs"),
        ([[1, 1, 5, 5, 7, 7, 8]], "a polygon must be"),
        ([[1, 1, 5, None, 7, 7]], "a polygon must be"),
        ([["a", "b", "c", "d", "e", "f"]], "segmentation must be polygons or run lengths"),
        ([7], "a polygon must be"),
        ("a,b", "segmentation must be polygons or run lengths"),
        ([[30, 1, 40, 1, 40, 9]], "the polygon lies outside the image"),
        ({"counts": [1, 2], "size": [HEIGHT, WIDTH]}, "counts must be lengths of runs that fill the image"),
        ({"counts": [], "size": [HEIGHT, WIDTH]}, "counts must be"),
        ({"counts": None, "size": [HEIGHT, WIDTH]}, "counts must be"),
        ({"counts": [-1, 1 + HEIGHT * WIDTH], "size": [HEIGHT, WIDTH]}, "counts must be"),
        ({"counts": "\u00e9", "size": [HEIGHT, WIDTH]}, "counts is not a string of run lengths"),
        ({"counts": "o" * 99, "size": [HEIGHT, WIDTH]}, "counts is not a string of run lengths"),
        ({"counts": [HEIGHT * WIDTH], "size": [WIDTH, HEIGHT]}, "run lengths of the size"),
        ({"counts": [HEIGHT * WIDTH]}, "run lengths of the size None"),
    ],
)
def test_a_malformed_outline_costs_its_object(segmentation: object, reason: str, tmp_path: Path) -> None:
    got, faults = objects_of(tmp_path, segmentation)
    assert got is None
    (fault,) = faults
    assert fault.startswith(f"annotation 1: {reason}")
