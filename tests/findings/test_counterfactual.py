"""Counterfactual edits change exactly what they say, and their effect on a net of known weights is exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import GREY, gradient

from cam_audit.findings import counterfactual as cf
from cam_audit.models.model import Model
from cam_audit.records import Box

Rgb = NDArray[np.uint8]
PURE_RED, PURE_GREEN, PURE_BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
RED, GREEN, BLUE = range(3)


def flat(colour: tuple[int, int, int], width: int = 32, height: int = 32) -> Rgb:
    return np.full((height, width, 3), colour, np.uint8)


def speckled(width: int, height: int, seed: int = 0) -> Rgb:
    return np.random.default_rng(seed).integers(60, 190, (height, width, 3), np.uint8)


def frame(width: int, height: int, thick: int, tall: int | None = None) -> NDArray[np.bool_]:
    """Where a frame lies that is `thick` pixels wide at the left and right and `tall` at the top and bottom."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    tall = thick if tall is None else tall
    return (x < thick) | (x >= width - thick) | (y < tall) | (y >= height - tall)


def to_lab(rgb: Rgb) -> NDArray[np.float64]:
    """CIE Lab (D65) of sRGB, by the formulas of the standards."""
    values = rgb / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    matrix = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    xyz = linear @ np.array(matrix).T / (0.950456, 1.0, 1.088754)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


@pytest.mark.parametrize(
    ("edit", "target", "donor", "painted", "source"),
    [
        (cf.paint_ring, (224, 224), (112, 112), frame(224, 224, 12), frame(112, 112, 6)),
        (cf.paint_ring, (448, 224), (224, 448), frame(448, 224, 12), frame(224, 448, 12)),
        (cf.paint_ring, (9, 5), (5, 9), frame(9, 5, 1), frame(5, 9, 1)),
        (cf.paint_ring, (1, 1), (1, 1), frame(1, 1, 1), frame(1, 1, 1)),
        (cf.paint_surroundings, (100, 50), (50, 100), frame(100, 50, 20, 10), frame(50, 100, 10, 20)),
        (cf.paint_surroundings, (2, 3), (3, 3), frame(2, 3, 1), frame(3, 3, 1)),
    ],
)
def test_what_surrounds_is_painted_in_the_mean_colour_of_what_surrounds_the_donor(
    edit: cf.Edit, target: tuple[int, int], donor: tuple[int, int], painted: NDArray, source: NDArray
) -> None:
    picture, other = speckled(*target), speckled(*donor, seed=1)
    before = picture.copy(), other.copy()
    edited = edit(picture, other)
    np.testing.assert_array_equal(edited[~painted], picture[~painted])
    np.testing.assert_array_equal(edited[painted], np.tile(np.rint(other[source].mean(0)), (painted.sum(), 1)))
    assert edited.dtype == np.uint8
    np.testing.assert_array_equal(picture, before[0])
    np.testing.assert_array_equal(other, before[1])


def test_the_mean_chroma_moves_to_the_donors_and_lightness_stays() -> None:
    target, donor = gradient(40, 30) // 4 + 90, speckled(20, 50) // 4 + np.uint8((110, 90, 60))
    shifted = cf.shift_chroma(target, donor)
    before, after, wanted = to_lab(target), to_lab(shifted), to_lab(donor)
    assert np.abs(before[..., 1:].mean((0, 1)) - wanted[..., 1:].mean((0, 1))).min() > 5
    np.testing.assert_allclose(after[..., 1:].mean((0, 1)), wanted[..., 1:].mean((0, 1)), atol=0.2)
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=0.5)
    # all pixels move alike
    moved = after[..., 1:] - before[..., 1:]
    np.testing.assert_allclose(moved, np.broadcast_to(moved.mean((0, 1)), moved.shape), atol=1.5)


def test_each_channel_is_scaled_to_the_donors_mean_but_for_a_few_levels() -> None:
    target, donor = flat((100, 40, 192)), flat((46, 88, 0), 7, 9)
    target[:, 16:] = (60, 20, 0)
    # means 80, 30 and 96; with 8 levels more on both sides the factors are 54 / 88, 96 / 38 and 8 / 104
    expected = flat((round(100 * 54 / 88), round(40 * 96 / 38), round(192 * 8 / 104)))
    expected[:, 16:] = (round(60 * 54 / 88), round(20 * 96 / 38), 0)
    np.testing.assert_array_equal(cf.scale_channels(target, donor), expected)
    same = speckled(30, 20)
    np.testing.assert_array_equal(cf.scale_channels(same, same), same)
    assert (cf.scale_channels(flat((250, 0, 10)), flat((255, 255, 255))) == (255, 0, 146)).all()


def test_colours_that_no_screen_shows_are_clipped() -> None:
    shifted = cf.shift_chroma(flat((250, 250, 250)), flat(PURE_BLUE))
    assert shifted.dtype == np.uint8
    assert (shifted == shifted[0, 0]).all()
    assert shifted[0, 0, 2] == 255
    assert shifted[0, 0, 1] < 250


def test_a_box_is_pasted_pixel_by_pixel() -> None:
    target, donor = speckled(40, 20), speckled(40, 20, seed=1)
    pasted = cf.paste_box((0.25, 0.1, 0.5, 0.6))(target, donor)
    expected = target.copy()
    expected[2:12, 10:20] = donor[2:12, 10:20]
    np.testing.assert_array_equal(pasted, expected)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_box_of_a_larger_donor_is_pasted_by_area_means(scale: int) -> None:
    target, donor = speckled(40, 20), speckled(40 * scale, 20 * scale, seed=1)
    pasted = cf.paste_box((0.25, 0.1, 0.5, 0.6))(target, donor)
    means = donor.reshape(20, scale, 40, scale, 3).mean((1, 3))
    np.testing.assert_array_equal(pasted[:2], target[:2])
    np.testing.assert_array_equal(pasted[12:], target[12:])
    np.testing.assert_array_equal(np.delete(pasted, slice(10, 20), axis=1), np.delete(target, slice(10, 20), axis=1))
    np.testing.assert_allclose(pasted[2:12, 10:20], means[2:12, 10:20], atol=0.51)


def test_a_box_of_a_smaller_donor_fills_the_same_place() -> None:
    donor = flat(GREY, 10, 10)
    donor[5:, 5:] = PURE_RED
    pasted = cf.paste_box((0.5, 0.5, 1, 1))(flat(PURE_GREEN, 30, 60), donor)
    expected = flat(PURE_GREEN, 30, 60)
    expected[30:, 15:] = PURE_RED
    np.testing.assert_array_equal(pasted, expected)


def test_strokes_are_where_the_overlay_adds_or_darkens_with_a_rim_of_one() -> None:
    overlay = np.zeros((6, 8), np.float32)
    overlay[2, 3], overlay[5, 7] = 0.5, -40
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:5] = expected[4:, 6:] = True
    np.testing.assert_array_equal(cf.strokes_of(overlay), expected)
    assert not cf.strokes_of(np.zeros((6, 8), np.float32)).any()


def test_fine_detail_is_added_along_the_strokes_only() -> None:
    strokes = np.zeros((4, 4), bool)
    strokes[:, :2] = True
    donor = flat(GREY, 64, 64)
    donor[32, :] = 255
    pasted = cf.paste_detail(strokes)(flat(GREY, 64, 64), donor).astype(int)
    line = pasted[32, :32, 0] - GREY[0]
    # the line is one row in a blur of some pixels: nearly all of its contrast is detail
    assert (line > 0.5 * (255 - GREY[0])).all()
    np.testing.assert_array_equal(pasted[:, 32:], GREY[0])
    np.testing.assert_array_equal(pasted[:20], GREY[0])


def test_a_donor_without_detail_changes_nothing() -> None:
    target = flat(PURE_GREEN, 30, 60)
    everywhere = np.ones((4, 4), bool)
    np.testing.assert_array_equal(cf.paste_detail(everywhere)(target, flat(PURE_RED, 64, 64)), target)


@pytest.mark.parametrize(
    "remove",
    [
        lambda rgb: cf.without_box(rgb, (0.25, 0.5, 0.75, 1.0)),
        lambda rgb: cf.without_strokes(rgb, np.pad(np.ones((2, 2), bool), [(2, 0), (1, 1)])),
    ],
    ids=["box", "strokes"],
)
def test_what_is_painted_over_continues_its_surroundings_and_nothing_else_changes(remove) -> None:
    inside = np.zeros((20, 40), bool)
    inside[10:20, 10:30] = True
    picture = flat(GREY, 40, 20)
    picture[inside] = PURE_RED
    np.testing.assert_array_equal(remove(picture), flat(GREY, 40, 20))
    picture = speckled(40, 20)
    np.testing.assert_array_equal(remove(picture)[~inside], picture[~inside])
    assert (remove(picture)[inside] != picture[inside]).any()


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0, 0, 1, 1), (0, 0, 10, 20)),
        ((0.1, 0.2, 0.3, 0.4), (1, 4, 3, 8)),
        ((0.5, 0.5, 0.5, 0.5), (5, 10, 6, 11)),
        ((1, 1, 1, 1), (9, 19, 10, 20)),
        ((-0.5, 0.9, 3, 4), (0, 18, 10, 20)),
    ],
)
def test_a_box_in_pixels(box: Box, pixels: tuple[int, int, int, int]) -> None:
    assert cf.pixel_box(box, flat(GREY, 10, 20)) == pixels


def test_no_box_is_empty_or_outside() -> None:
    edges = (-0.01, 0, 0.02, 0.5, 0.96, 1, 1.01)
    for width, height in ((1, 1), (2, 7), (30, 3)):
        for left, right in itertools.combinations_with_replacement(edges, 2):
            for top, bottom in itertools.combinations_with_replacement(edges, 2):
                box = cf.pixel_box((left, top, right, bottom), flat(GREY, width, height))
                assert 0 <= box[0] < box[2] <= width
                assert 0 <= box[1] < box[3] <= height


def cells(*coloured: tuple[tuple[int, int, int], int]) -> Rgb:
    """Grey with so many of the 16 cells in each colour; each cell adds 0.5 to the logit of its colour."""
    picture = flat(GREY)
    start = 0
    for colour, count in coloured:
        for index in range(start, start + count):
            picture[index // 4 * 8 : index // 4 * 8 + 8, index % 4 * 8 : index % 4 * 8 + 8] = colour
        start += count
    return picture


def trial(model: Model, class_index: int, planted: Rgb, control: Rgb, *, untouched: bool = False) -> cf.Trial:
    return cf.Trial(class_index, model.run(planted).logits, model.run(control).logits, untouched)


def test_gain_and_flips_are_those_of_the_logits(model: Model) -> None:
    green, blue = (PURE_GREEN, 6), (PURE_BLUE, 4)
    trials = [
        trial(model, GREEN, cells(green, (PURE_RED, 8)), cells(green)),  # red +4, and wins 4 : 3
        trial(model, GREEN, cells(green, (PURE_RED, 4)), cells(green)),  # red +2, and loses 2 : 3
        trial(model, BLUE, cells(blue, (PURE_RED, 5)), cells(blue, (PURE_RED, 6))),  # red -0.5, wins both times
        trial(model, BLUE, cells((PURE_RED, 6)), cells(blue)),  # red +3 and blue -2, and wins
    ]
    effect = cf.measure("paste", RED, trials, scale=2.5)
    assert effect.gain == pytest.approx((4 + 2 - 0.5 + 5) / 4 / 2.5, abs=1e-5)
    assert (effect.flip_rate, effect.control_flip_rate) == (3 / 4, 1 / 4)
    assert (effect.test, effect.images, effect.passes) == ("paste", 4, 8)


def test_a_control_that_is_the_image_itself_costs_no_pass(model: Model) -> None:
    trials = [trial(model, GREEN, cells((PURE_RED, 8)), cells(), untouched=index < 3) for index in range(4)]
    assert cf.measure("ring", RED, trials, scale=1).passes == 5


@pytest.mark.parametrize(
    ("planted", "gain", "specific"),
    [
        (((PURE_RED, 6),), 3 + 2, 3),  # green loses all it had, and blue and `other` nothing
        (((PURE_RED, 6), (PURE_BLUE, 4)), 3 + 2, 3 - 2 / 2),
        (((PURE_GREEN, 8), (PURE_RED, 2)), 1 - 2, -1),
        ((), 2, 0),  # what only takes away the image's own class is no cue of another
    ],
)
def test_a_specific_gain_is_also_one_on_third_classes(
    model: Model, planted: tuple, gain: float, specific: float
) -> None:
    trials = [trial(model, GREEN, cells(*planted), cells((PURE_GREEN, 4)))]
    assert cf.measure("ring", RED, trials, 1.0).gain == pytest.approx(gain, abs=1e-5)
    assert cf.measure("ring", RED, trials, 1.0, specific=True).gain == pytest.approx(specific, abs=1e-5)


def test_nothing_can_be_measured_without_images() -> None:
    with pytest.raises(ValueError, match="no images"):
        cf.measure("paste", RED, [], 1.0)
