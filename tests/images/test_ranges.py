"""The ranges of a data set's pixel values: of all pictures together, and of those alone that nothing else tells."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from cam_audit.images.decode import read_image
from cam_audit.images.ranges import find_ranges

RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)


@pytest.mark.parametrize("workers", [1, 3])
def test_dark_pictures_of_12_bits_are_as_dark_beside_others(workers: int, tmp_path: Path) -> None:
    values = {f"{name}.png": np.floor(RAMP * most).astype("u2") for name, most in (("a", 200), ("b", 4095), ("c", 900))}
    for name, of_picture in values.items():
        cv2.imwrite(str(tmp_path / name), of_picture)
    ranges = find_ranges([str(tmp_path / name) for name in values], workers)
    assert list(ranges) == ["16-bit values"]
    for name, of_picture in values.items():
        np.testing.assert_array_equal(read_image(tmp_path / name, ranges=ranges)[0][..., 0], of_picture >> 4)


def test_floats_of_a_set_share_one_range(tmp_path: Path) -> None:
    for name, most in (("a.tif", 50.0), ("b.tif", 1000.0)):
        Image.fromarray((RAMP * most - 20).astype("f4")).save(tmp_path / name)
    ranges = find_ranges([str(tmp_path / name) for name in ("a.tif", "b.tif")], 1)
    first, second = (read_image(tmp_path / name, ranges=ranges)[0][..., 0].astype(int) for name in ("a.tif", "b.tif"))
    assert np.abs(first - RAMP * 50 / 1000 * 255).max() <= 1.5
    assert np.abs(second - RAMP * 255).max() <= 1.5


def test_8_bits_damaged_files_and_what_states_its_range_have_none(tmp_path: Path) -> None:
    Image.fromarray((RAMP * 255).astype("u1")).save(tmp_path / "plain.png")
    Image.fromarray((RAMP * 255).astype("u1")).save(tmp_path / "plain.tif")
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    values = np.floor(RAMP * 1000)
    (tmp_path / "states.pgm").write_bytes(b"P5\n64 48\n4095\n" + values.astype(">u2").tobytes())
    assert find_ranges([str(path) for path in tmp_path.iterdir()], 1) == {}
    # white is 4095, as it says
    np.testing.assert_array_equal(read_image(tmp_path / "states.pgm")[0][..., 2], values.astype(int) >> 4)
