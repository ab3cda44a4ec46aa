"""Sharpness and blockiness against pictures whose blur, grid and contrast are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from planted import scene

from cam_audit.images.decode import decode
from cam_audit.images.resize import WORKING_SIDE, at_working_side
from cam_audit.images.sharpness import blockiness, grey_of, magnitude, sharpness, steps_of

Greys = NDArray[np.float32]


def waves(length: float) -> Greys:
    """Waves across a picture, of so many pixels each, that go on where it is mirrored."""
    across = 128 + 60 * np.cos(2 * np.pi * np.arange(241) / length)
    return np.tile(across.astype(np.float32), (200, 1))


def test_the_sharpness_of_a_wave_is_the_log_of_its_curvature() -> None:
    # the Laplacian of a wave of this length is that wave, times 2 cos w - 2
    for length in (6, 8, 12):
        curvature = 2 - 2 * np.cos(2 * np.pi / length)
        assert sharpness(waves(length)) == pytest.approx(np.log2(curvature), abs=0.15)


def test_each_blur_makes_it_less_and_contrast_does_not() -> None:
    greys = grey_of(at_working_side(scene("ash", 0)))
    blurred = [sharpness(cv2.GaussianBlur(greys, (0, 0), deviation)) for deviation in (0.5, 1.0, 1.5, 2.0)]
    assert sorted(blurred, reverse=True) == blurred
    assert blurred[0] < sharpness(greys) - 0.1
    assert sharpness(40 + greys / 2) == pytest.approx(sharpness(greys), abs=0.1)


def test_a_flat_picture_is_neither_sharp_nor_blocky() -> None:
    flat = np.full((40, 60), 99, np.float32)
    assert sharpness(flat) == pytest.approx(0, abs=1e-4)
    assert blockiness(flat) == 0


def test_a_reduced_decode_is_about_as_sharp() -> None:
    scenes = [cv2.resize(scene("ash", index), (400, 300)) for index in range(9)]
    large = np.vstack([np.hstack(scenes[row : row + 3]) for row in (0, 3, 6)])
    data = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    whole, reduced = (decode(data, needed=needed)[0] for needed in (None, 448))
    assert reduced.shape[1] == whole.shape[1] // 2
    assert max(at_working_side(whole).shape) == WORKING_SIDE
    found = [sharpness(grey_of(at_working_side(rgb))) for rgb in (whole, reduced)]
    # a blur of one pixel of 224 makes half an octave or more
    assert found[0] == pytest.approx(found[1], abs=0.15)


def test_blockiness_is_the_log_of_the_steps_at_the_grid_over_those_elsewhere() -> None:
    ramp = np.cumsum(np.where(np.arange(64) % 8 == 0, 9.9, 0.9))
    greys = (ramp[:, None] + ramp).astype(np.float32)
    # .1 is added to both
    assert blockiness(greys) == pytest.approx(np.log2(10 / 1), abs=1e-3)
    # a grid that begins elsewhere is none
    assert blockiness(greys[3:, 3:]) < 0


@pytest.mark.parametrize("shape", [(8, 8), (1, 300), (300, 5)])
def test_without_a_second_block_there_is_no_border(shape: tuple[int, int]) -> None:
    assert blockiness(np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)) == 0


def test_the_more_a_picture_is_compressed_the_blockier_it_is() -> None:
    rgb = scene("cedar", 2)

    def compressed(quality: int) -> float:
        data = cv2.imencode(".jpg", rgb, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return blockiness(grey_of(cv2.imdecode(data, cv2.IMREAD_COLOR)))  # type: ignore[arg-type]

    found = [compressed(quality) for quality in (95, 60, 30, 10)]
    assert sorted(found) == found
    assert abs(blockiness(grey_of(rgb))) < 0.2


def test_a_ramp_steps_by_its_slope_everywhere() -> None:
    ramp = (3 * np.arange(40) + 4 * np.arange(30)[:, None]).astype(np.float32)
    assert steps_of(ramp)[1:-1, 1:-1] == pytest.approx(5)


def test_where_an_array_lies_in_memory_changes_no_digit() -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, 96, 96)).astype(np.float32)
    assert magnitude(x, y) == pytest.approx(np.hypot(x, y))
    # what is kept in between moves the arrays
    kept, lengths = [], set()
    for size in random.integers(1, 5000, 200):
        kept.append(np.empty(size, np.uint8))
        lengths.add(magnitude(x.copy(), y.copy()).tobytes())
    assert len(lengths) == 1
