"""Overlays are the published recipe's pictures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import gradient

from cam_audit.overlay import COLORMAPS, JET, cam_overlay, jet

RANDOM = np.random.default_rng(0)
FloatArray = NDArray[np.float64]


def cubic_weights(size: int, new: int) -> FloatArray:
    """(new, size): Keys' cubic convolution (a = -0.75), pixel centres at halves, the edge repeated."""
    weights = np.zeros((new, size))
    for index in range(new):
        position = (index + 0.5) * size / new - 0.5
        for tap in range(int(np.floor(position)) - 1, int(np.floor(position)) + 3):
            t = abs(position - tap)
            near, far = 1.25 * t**3 - 2.25 * t**2 + 1, -0.75 * (t**3 - 5 * t**2 + 8 * t - 4)
            weights[index, min(max(tap, 0), size - 1)] += near if t <= 1 else far
    return weights


def published_overlay(rgb: NDArray[np.uint8], cam: NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
    """The recipe in floats, (H, W, 3) in 0..255, and the normalised map it colours."""
    height, width = rgb.shape[:2]
    heat = cubic_weights(cam.shape[0], height) @ cam.astype(float) @ cubic_weights(cam.shape[1], width).T
    heat = (heat - heat.min()) / (heat.max() - heat.min())
    shown = np.where(heat < 0.2, 0, heat)
    # jet: red rises from 3/8 to 5/8 and falls from 7/8; green and blue do so a quarter earlier each
    rises = [np.interp(shown, [0.375 - s, 0.625 - s, 0.875 - s, 1.125 - s], [0, 1, 1, 0]) for s in (0, 0.25, 0.5)]
    grey = rgb @ np.array([0.299, 0.587, 0.114])
    mixed = grey[..., None] / 2 + 255 * shown[..., None] * np.stack(rises, axis=-1)
    return (mixed - mixed.min()) / (mixed.max() - mixed.min()) * 255, heat


@pytest.mark.parametrize(
    ("height", "width", "cam_shape"),
    [(64, 96, (2, 3)), (200, 90, (13, 6)), (7, 300, (1, 9)), (40, 40, (40, 40)), (30, 30, (60, 45))],
)
@pytest.mark.parametrize("scale", [1e-4, 1, 1e6])
def test_an_overlay_is_the_published_recipe(height: int, width: int, cam_shape: tuple[int, int], scale: float) -> None:
    rgb = RANDOM.integers(0, 256, (height, width, 3), np.uint8)
    cam = RANDOM.normal(scale, scale, cam_shape).astype(np.float32)
    expected, heat = published_overlay(rgb, cam)
    got = cam_overlay(rgb, cam)
    assert (got.dtype, got.shape) == (np.uint8, rgb.shape)
    # at the step from unseen to seen, one level of the map is a leap in colour
    beside_the_step = np.abs(heat - 0.2) > 1 / 255
    assert beside_the_step.mean() > 0.9
    # half a level of the map is up to 2.5 levels of a colour where jet and ramp are steepest
    off = np.abs(got - expected)[beside_the_step]
    assert off.max() <= 3.5
    assert off.mean() <= 0.7


def grey_of(rgb: NDArray[np.uint8]) -> FloatArray:
    return np.repeat((rgb @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)


@pytest.mark.parametrize(
    "cam",
    [
        np.full((7, 7), 3.5),
        np.zeros((1, 1)),
        np.full((2, 2), np.nan),
        [[np.nan, 1.0]],
        [[np.inf, 1.0]],
        [[1e9, 1e9 + 64]],
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_a_map_that_is_flat_or_no_number_gives_the_grey_image(cam: object) -> None:
    rgb = gradient(40, 30)
    assert np.abs(cam_overlay(rgb, np.float32(cam)) - grey_of(rgb)).max() <= 0.51


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_flat_image_still_gives_colours(level: int) -> None:
    rgb = np.full((20, 20, 3), level, np.uint8)
    got = cam_overlay(rgb, np.float32([[0, 1]]))
    assert len(np.unique(got)) > 5
    assert np.ptp(got[0, 0]) == 0


def test_the_heat_lies_where_the_map_is_high() -> None:
    cam = np.zeros((4, 8), np.float32)
    cam[0, 7] = 1
    got = cam_overlay(np.full((40, 80, 3), 90, np.uint8), cam).astype(int)
    colourful = np.ptp(got, axis=2) > 40
    rows, columns = np.nonzero(colourful)
    assert rows.max() < 20
    assert columns.min() > 60
    assert got[0, -1, 0] > got[0, -1, 2] + 40, "the highest is red"


def test_overlays_leave_the_image_and_the_map_as_they_were() -> None:
    rgb, cam = gradient(), RANDOM.normal(size=(3, 3)).astype(np.float32)
    before = rgb.copy(), cam.copy()
    cam_overlay(rgb, cam)
    np.testing.assert_array_equal(rgb, before[0])
    np.testing.assert_array_equal(cam, before[1])


def test_jet_runs_from_dark_blue_to_dark_red() -> None:
    np.testing.assert_allclose(
        jet(9)[[0, 1, 3, 4, 5, 7, 8]],
        [[0, 0, 0.5], [0, 0, 1], [0, 1, 1], [0.5, 1, 0.5], [1, 1, 0], [1, 0, 0], [0.5, 0, 0]],
    )


def test_an_image_of_one_pixel_is_grey_whatever_its_map() -> None:
    cam = np.float32([[0, 1], [2, 3]])
    np.testing.assert_array_equal(cam_overlay(np.full((1, 1, 3), (90, 90, 90), np.uint8), cam), [[[90, 90, 90]]])


def lightness(rgb: NDArray[np.uint8]) -> FloatArray:
    """CIE L* of sRGB colours (..., 3), 0..100 (IEC 61966-2-1, CIE 15)."""
    values = rgb / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    luminance = linear @ np.array([0.2126, 0.7152, 0.0722])
    return np.asarray(np.where(luminance > 216 / 24389, 116 * np.cbrt(luminance) - 16, luminance * 24389 / 27))


@pytest.mark.parametrize("colormap", COLORMAPS)
def test_all_colour_maps_but_jet_are_the_lightest_at_the_peak(colormap: str) -> None:
    rising = np.linspace(0, 1, 400, dtype=np.float32)[None]
    steps = np.diff(lightness(cam_overlay(np.full((1, 400, 3), 128, np.uint8), rising, colormap=colormap)[0]))
    # half a level of rounding is up to .3 of lightness
    assert (steps.min() >= -0.6) == (colormap != JET)


def test_a_colour_map_is_what_the_overlay_adds_to_the_grey_image() -> None:
    """Viridis ends in (253, 231, 37), as published; half of the grey 100 is 50, and the sum is stretched to 0..255."""
    rgb, cam = np.full((1, 3, 3), 100, np.uint8), np.float32([[0, 0, 1]])
    got = cam_overlay(rgb, cam, colormap="viridis")
    np.testing.assert_allclose(got[0, -1], (np.array([253, 231, 37]) + 50 - 50) / 253 * 255, atol=2)
