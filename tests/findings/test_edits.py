"""Edits change exactly what they say: against pictures drawn by hand, and against loops over pixels."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import GREY

from cam_audit.findings import edits
from cam_audit.findings.edits import apply, needs_donor, pixel_box, strokes_of
from cam_audit.findings.foreign_objects import OBJECTS
from cam_audit.images.resize import at_working_side
from cam_audit.images.sharpness import BLOCKY_SIDE, blockiness, grey_of, sharpness
from cam_audit.records import Box, Edit

Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]
PURE_RED, PURE_GREEN = (255, 0, 0), (0, 255, 0)
SURROUNDINGS = Edit("surroundings")


def flat(colour: tuple[int, int, int], width: int = 32, height: int = 32) -> Rgb:
    return np.full((height, width, 3), colour, np.uint8)


def speckled(width: int, height: int, seed: int = 0) -> Rgb:
    return np.random.default_rng(seed).integers(60, 190, (height, width, 3), np.uint8)


def centre_of(height: int, width: int) -> NDArray[np.float64]:
    """How much of each pixel is kept, before the blur: 1 up to 0.866 of the ellipse's radius, 0 from 1.118 on."""
    kept = np.zeros((height, width))
    for y, x in itertools.product(range(height), range(width)):
        radius = (((y + 0.5) / height - 0.5) / 0.36) ** 2 + (((x + 0.5) / width - 0.5) / 0.36) ** 2
        kept[y, x] = min(1.0, max(0.0, (1.25 - radius) / 0.5))
    return kept


def far_from_changes(kept: NDArray[np.float64], value: float, reach: int) -> Mask:
    """Where all pixels around have this value, so that a blur that reaches so far changes nothing."""
    padded = np.pad(kept, reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    return np.asarray((windows == value).all((2, 3)))


def band_fill(donor: Rgb) -> Rgb:
    """Each pixel from the border band of its nearest side, the band mirrored inwards again and again."""
    height, width = donor.shape[:2]
    band = max(2, round(0.12 * min(height, width)))
    there_and_back = [*range(band), *reversed(range(band))]
    filled = donor.copy()
    for y, x in itertools.product(range(height), range(width)):
        top, bottom, left, right = y, height - 1 - y, x, width - 1 - x
        nearest = min(top, bottom, left, right)
        depth = there_and_back[nearest % len(there_and_back)]
        if top == nearest:
            source = depth, x
        elif bottom == nearest:
            source = height - 1 - depth, x
        elif left == nearest:
            source = y, depth
        else:
            source = y, width - 1 - depth
        filled[y, x] = donor[source]
    return filled


@pytest.mark.parametrize(("width", "height"), [(48, 48), (90, 60), (40, 80), (33, 21)])
def test_surroundings_are_the_donors_band_pixel_by_pixel_and_the_centre_stays(width: int, height: int) -> None:
    picture, donor = speckled(width, height), speckled(width, height, seed=1)
    edited = apply(SURROUNDINGS, picture, donor)
    kept, fill = centre_of(height, width), band_fill(donor)
    # a Gaussian ends at four deviations, for OpenCV
    reach = 1 + math.ceil(4 * min(width, height) * 4 / 224)
    outside, inside = (far_from_changes(kept, value, reach) for value in (0.0, 1.0))
    assert outside[0, 0]
    assert inside[height // 2, width // 2]
    np.testing.assert_array_equal(edited[outside], fill[outside])
    np.testing.assert_array_equal(edited[inside], picture[inside])
    # nothing of the donor's own centre
    donor[height // 4 : -(height // 4), width // 4 : -(width // 4)] = 255
    np.testing.assert_array_equal(apply(SURROUNDINGS, picture, donor), edited)


def test_between_centre_and_surroundings_both_are_mixed_as_the_ellipse_fades() -> None:
    black, white = flat((0, 0, 0), 224, 224), flat((255, 255, 255), 224, 224)
    kept = apply(SURROUNDINGS, white, black)[..., 0] / 255
    # the blur of 4 pixels rounds the corners of a ramp off, and leaves its middle
    assert np.abs(kept - centre_of(224, 224)).max() < 0.12
    np.testing.assert_allclose(kept, kept[::-1, ::-1], atol=1e-6)
    assert (np.diff(kept[112, 112:]) <= 0).all()
    edge = 112 + round(0.36 * 224)
    assert kept[112, edge] == pytest.approx(centre_of(224, 224)[112, edge], abs=0.02)


def test_the_band_of_a_donor_of_another_size_is_fitted_first() -> None:
    donor = flat(PURE_RED, 20, 10)
    donor[2:-2, 4:-4] = PURE_GREEN
    edited = apply(SURROUNDINGS, flat(GREY, 60, 80), donor)
    assert (edited[0] == PURE_RED).all()
    assert (edited[:, 0] == PURE_RED).all()
    assert (edited[40, 30] == GREY).all()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 7), (3, 3), (5, 2), (300, 3)])
def test_surroundings_of_tiny_and_thin_pictures(width: int, height: int) -> None:
    edited = apply(SURROUNDINGS, speckled(width, height), speckled(width, height, seed=1))
    assert edited.shape == (height, width, 3)
    assert edited.dtype == np.uint8


def checker(width: int, height: int, left: int, top: int, right: int, bottom: int) -> Rgb:
    """Blue, with a rectangle of squares of 3 x 2 pixels, red ones and green ones, each a little lighter than the last.

    So every pixel of the rectangle is known by its colour, and a shift or a turn of the pattern does not go unnoticed.
    """
    rgb = flat((0, 0, 255), width, height)
    for y, x in itertools.product(range(top, bottom), range(left, right)):
        is_red = ((x - left) // 3 + (y - top) // 2) % 2
        light = 100 + 5 * (y - top) + 2 * (x - left)
        rgb[y, x] = (light, 0, 0) if is_red else (0, light, 0)
    return rgb


def unfolded(rgb: Rgb, left: int, top: int, right: int, bottom: int) -> Rgb:
    """The rectangle alone, mirrored at its sides again and again until it fills the picture."""
    height, width = rgb.shape[:2]
    around = ((top, height - bottom), (left, width - right), (0, 0))
    return np.pad(rgb[top:bottom, left:right], around, mode="symmetric")


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        # in the middle, against a corner, along a side, and a single pixel
        (48, 48, (18, 12, 30, 24)),
        (60, 40, (0, 0, 9, 8)),
        (40, 60, (33, 51, 40, 60)),
        (48, 32, (0, 20, 48, 28)),
        (20, 20, (7, 9, 8, 10)),
        (20, 20, (0, 0, 20, 20)),
    ],
)
def test_a_texture_is_the_donors_rectangle_mirrored_outwards(
    width: int, height: int, box: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = box
    donor = checker(width, height, *box)
    edit = Edit("texture", box=(left / width, top / height, right / width, bottom / height), mask=np.ones((4, 4), bool))
    filled = apply(edit, speckled(width, height), donor)
    np.testing.assert_array_equal(filled, unfolded(donor, *box))
    # in its own place it is what it was, and nothing around it is seen
    np.testing.assert_array_equal(filled[top:bottom, left:right], donor[top:bottom, left:right])
    assert not filled[..., 2].any()


def test_a_texture_fills_the_mask_fades_at_its_edge_and_far_from_it_nothing_changes() -> None:
    picture, donor = speckled(96, 64), checker(96, 64, 36, 24, 60, 40)
    mask = np.zeros((8, 12), bool)
    mask[2:6, 3:9] = True
    edited = apply(Edit("texture", box=(36 / 96, 24 / 64, 60 / 96, 40 / 64), mask=mask), picture, donor)
    fill = unfolded(donor, 36, 24, 60, 40)
    # cells have 8 pixels: from the middle of one to that of the next the mask rises, and a blur reaches 4 deviations on
    reach = 4 + math.ceil(4 * 64 * 4 / 224)
    outside, inside = np.ones((64, 96), bool), np.zeros((64, 96), bool)
    outside[16 - reach : 48 + reach, 24 - reach : 72 + reach] = False
    inside[16 + reach : 48 - reach, 24 + reach : 72 - reach] = True
    np.testing.assert_array_equal(edited[outside], picture[outside])
    np.testing.assert_array_equal(edited[inside], fill[inside])
    # at the mask's edge, which lies between two pixels, they are mixed half and half
    white, black = flat((255, 255, 255), 96, 64), flat((0, 0, 0), 96, 64)
    mixed = apply(Edit("texture", box=(0.0, 0.0, 0.5, 0.5), mask=mask), black, white)[32, :, 0].astype(int)
    assert mixed[23] + mixed[24] == pytest.approx(255, abs=2)
    assert (np.diff(mixed[:48]) >= 0).all()
    assert 60 < mixed[23] < 127 < mixed[24] < 195


def test_without_anything_set_in_its_mask_a_texture_changes_nothing() -> None:
    picture = speckled(40, 30)
    edit = Edit("texture", box=(0.0, 0.0, 0.5, 0.5), mask=np.zeros((3, 4), bool))
    np.testing.assert_array_equal(apply(edit, picture, flat(PURE_RED, 40, 30)), picture)


def test_a_donor_of_another_aspect_is_fitted_before_its_rectangle_is_cut() -> None:
    """The left half of a wide donor is the left half of a tall picture; where the donor is blue, nothing is of it."""
    donor = flat((0, 0, 255), 60, 20)
    donor[:, :30] = PURE_RED
    donor[10:, :30] = PURE_GREEN
    edited = apply(Edit("texture", box=(0.0, 0.0, 0.5, 1.0), mask=np.ones((2, 2), bool)), flat(GREY, 20, 40), donor)
    expected = flat(PURE_RED, 20, 40)
    expected[20:] = PURE_GREEN
    np.testing.assert_array_equal(edited, expected)
    assert edited.shape == (40, 20, 3)


def test_a_cast_multiplies_each_channel() -> None:
    picture = flat((100, 40, 192))
    picture[:, 16:] = (3, 200, 0)
    edited = apply(Edit("cast", factors=(0.5, 1.5, 1.26)), picture, None)
    expected = flat((50, 60, 242))
    expected[:, 16:] = (2, 255, 0)  # 1.5 to the even number, and no more than white
    np.testing.assert_array_equal(edited, expected)
    np.testing.assert_array_equal(apply(Edit("cast", factors=(1.0, 1.0, 1.0)), picture, None), picture)


def test_a_cast_that_is_taken_away_leaves_the_picture_as_it_was() -> None:
    picture = speckled(30, 20)
    factors = (0.8, 1.1, 1.3)
    back = (1 / factors[0], 1 / factors[1], 1 / factors[2])
    again = apply(Edit("cast", factors=back), apply(Edit("cast", factors=factors), picture, None), None)
    assert np.abs(again.astype(int) - picture).max() <= 1


def test_a_box_is_pasted_pixel_by_pixel() -> None:
    picture, donor = speckled(40, 20), speckled(40, 20, seed=1)
    pasted = apply(Edit("paste", box=(0.25, 0.1, 0.5, 0.6)), picture, donor)
    expected = picture.copy()
    expected[2:12, 10:20] = donor[2:12, 10:20]
    np.testing.assert_array_equal(pasted, expected)


@pytest.mark.parametrize("scale", [2, 4])
def test_a_box_of_a_larger_donor_is_pasted_by_area_means(scale: int) -> None:
    picture, donor = speckled(40, 20), speckled(40 * scale, 20 * scale, seed=1)
    pasted = apply(Edit("paste", box=(0.25, 0.1, 0.5, 0.6)), picture, donor)
    means = donor.reshape(20, scale, 40, scale, 3).mean((1, 3))
    outside = np.ones((20, 40), bool)
    outside[2:12, 10:20] = False
    np.testing.assert_array_equal(pasted[outside], picture[outside])
    np.testing.assert_allclose(pasted[2:12, 10:20], means[2:12, 10:20], atol=0.51)


def test_a_box_of_a_smaller_donor_fills_the_same_place() -> None:
    donor = flat(GREY, 10, 10)
    donor[5:, 5:] = PURE_RED
    pasted = apply(Edit("paste", box=(0.5, 0.5, 1, 1)), flat(PURE_GREEN, 30, 60), donor)
    expected = flat(PURE_GREEN, 30, 60)
    expected[30:, 15:] = PURE_RED
    np.testing.assert_array_equal(pasted, expected)


def test_strokes_are_where_the_overlay_adds_or_darkens_with_a_rim_of_one() -> None:
    overlay = np.zeros((6, 8), np.float32)
    overlay[2, 3], overlay[5, 7] = 0.5, -40
    expected = np.zeros((6, 8), bool)
    expected[1:4, 2:5] = expected[4:, 6:] = True
    np.testing.assert_array_equal(strokes_of(overlay), expected)
    assert not strokes_of(np.zeros((6, 8), np.float32)).any()


def test_fine_detail_is_added_along_the_strokes_only() -> None:
    mask = np.zeros((4, 4), bool)
    mask[:, :2] = True
    donor = flat(GREY, 64, 64)
    donor[32, :] = 255
    pasted = apply(Edit("strokes", mask=mask), flat(GREY, 64, 64), donor).astype(int)
    line = pasted[32, :32, 0] - GREY[0]
    # a line of one row in a blur whose deviation is 64 * 4 / 224 pixels keeps 0.35 of its contrast there
    weights = np.exp(-(np.arange(-9, 10) ** 2) / 2 / (64 * 4 / 224) ** 2)
    np.testing.assert_allclose(line, (255 - GREY[0]) * (1 - weights.max() / weights.sum()), atol=2)
    np.testing.assert_array_equal(pasted[:, 32:], GREY[0])
    np.testing.assert_array_equal(pasted[:20], GREY[0])


def test_a_donor_without_detail_changes_nothing() -> None:
    picture = flat(PURE_GREEN, 30, 60)
    everywhere = np.ones((4, 4), bool)
    np.testing.assert_array_equal(apply(Edit("strokes", mask=everywhere), picture, flat(PURE_RED, 64, 64)), picture)


@pytest.mark.parametrize(
    "edit",
    [
        Edit("painted_over", box=(0.25, 0.5, 0.75, 1.0)),
        Edit("painted_over", mask=np.pad(np.ones((2, 2), bool), [(2, 0), (1, 1)])),
    ],
    ids=["box", "strokes"],
)
def test_what_is_painted_over_continues_its_surroundings_and_nothing_else_changes(edit: Edit) -> None:
    inside = np.zeros((20, 40), bool)
    inside[10:20, 10:30] = True
    picture = flat(GREY, 40, 20)
    picture[inside] = PURE_RED
    np.testing.assert_array_equal(apply(edit, picture, None), flat(GREY, 40, 20))
    picture = speckled(40, 20)
    painted = apply(edit, picture, None)
    np.testing.assert_array_equal(painted[~inside], picture[~inside])
    # the colours of what is painted over play no part
    other = picture.copy()
    other[inside] = PURE_RED
    np.testing.assert_array_equal(apply(edit, other, None), painted)


@pytest.mark.parametrize(("brighter", "contrast"), [(20.0, 1.0), (-15.0, 0.5), (0.0, 1.3), (0.0, 1.0)])
def test_levels_move_the_mean_and_stretch_around_it(brighter: float, contrast: float) -> None:
    picture = np.repeat(speckled(40, 30)[..., :1] // 2 + 60, 3, axis=2)
    edited = apply(Edit("levels", amounts=(brighter, contrast)), picture, None)
    mean = picture.mean()
    np.testing.assert_allclose(edited, mean + brighter + contrast * (picture - mean), atol=0.51)


def test_levels_end_at_black_and_white() -> None:
    picture = np.vstack([flat((40, 40, 40)), flat((210, 210, 210))])
    edited = apply(Edit("levels", amounts=(0.0, 3.0)), picture, None)
    assert (edited[0, 0].tolist(), edited[-1, 0].tolist()) == ([0, 0, 0], [255, 255, 255])


def test_saturation_moves_each_pixel_away_from_its_grey_or_to_it() -> None:
    picture = flat((100, 50, 200))
    grey = 0.299 * 100 + 0.587 * 50 + 0.114 * 200
    for factor in (0.0, 0.5, 1.0, 1.2):
        edited = apply(Edit("saturation", amounts=(factor,)), picture, None)
        assert edited[0, 0].tolist() == pytest.approx([grey + factor * (c - grey) for c in (100, 50, 200)], abs=0.6)


def blobs(width: int, height: int) -> Rgb:
    """Something with edges of all kinds, so that it can be blurred and sharpened."""
    coarse = np.random.default_rng(1).integers(60, 190, (height // 8, width // 8, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST), (0, 0), 0.8)  # type: ignore[return-value]


@pytest.mark.parametrize("size", [(336, 224), (240, 320), (448, 448)])
@pytest.mark.parametrize("sharper", [-0.5, -0.3, 0.15])
def test_a_picture_becomes_as_much_sharper_or_less_sharp_as_was_asked(size: tuple[int, int], sharper: float) -> None:
    picture = blobs(*size)
    before, after = (
        sharpness(grey_of(at_working_side(rgb)))
        for rgb in (picture, apply(Edit("sharpness", amounts=(sharper,)), picture, None))
    )
    assert after - before == pytest.approx(sharper, abs=0.12)


def test_what_cannot_be_made_as_sharp_or_as_blurred_is_made_so_as_far_as_it_can() -> None:
    picture = blobs(112, 80)
    blurred = apply(Edit("sharpness", amounts=(-99.0,)), picture, None)
    np.testing.assert_allclose(blurred, cv2.GaussianBlur(picture, (0, 0), edits.MAX_BLUR * 112 / 336), atol=1)
    assert (apply(Edit("sharpness", amounts=(99.0,)), picture, None) != picture).any()
    np.testing.assert_array_equal(apply(Edit("sharpness", amounts=(0.0,)), picture, None), picture)


@pytest.mark.parametrize("blockier", [0.5, 1.0])
def test_a_picture_is_compressed_until_it_is_as_much_blockier(blockier: float) -> None:
    picture = blobs(240, 160) // 2 + speckled(240, 160) // 8
    edited = apply(Edit("recompressed", amounts=(blockier, 240.0)), picture, None)
    assert blockiness(grey_of(edited)) - blockiness(grey_of(picture)) == pytest.approx(blockier, abs=0.1)
    # in a picture that is stored larger the blocks are smaller: eight of 480 pixels are four of 240
    small = apply(Edit("recompressed", amounts=(blockier, 480.0)), picture, None)
    assert abs(blockiness(grey_of(small)) - blockiness(grey_of(picture))) < blockier


def test_a_picture_of_any_size_is_compressed_at_no_more_than_blocks_can_be_seen() -> None:
    picture = speckled(40, 30)
    one, other = (apply(Edit("recompressed", amounts=(1.0, side)), picture, None) for side in (1e12, BLOCKY_SIDE))
    np.testing.assert_array_equal(one, other)


# rows and columns by number, ten of each
TEN = np.stack([*np.mgrid[:10, :10], np.zeros((10, 10), int)], axis=2).astype(np.uint8)
WIDTHS = (0.2, 0.0, 0.0, 0.3)


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("streaked", [0, 1, 2, 3, 4, 5, 6, 6, 6, 6], [2, 2, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("mirrored", [0, 1, 2, 3, 4, 5, 6, 6, 5, 4], [3, 2, 2, 3, 4, 5, 6, 7, 8, 9]),
    ],
)
def test_strips_repeat_or_mirror_what_lies_beside_them(name: str, rows: list[int], columns: list[int]) -> None:
    np.testing.assert_array_equal(apply(Edit(name, amounts=WIDTHS), TEN, None), TEN[np.ix_(rows, columns)])


def test_bars_are_of_one_colour_and_leave_the_rest() -> None:
    edited = apply(Edit("barred", amounts=(*WIDTHS, 250.4, 0.0, 300.0)), TEN, None)
    np.testing.assert_array_equal(edited[:7, 2:], TEN[:7, 2:])
    assert (edited[7:] == (250, 0, 255)).all()
    assert (edited[:, :2] == (250, 0, 255)).all()


@pytest.mark.parametrize("name", ["streaked", "mirrored", "barred"])
@pytest.mark.parametrize("widths", [(9.0, -1.0, 9.0, 0.1), (0.5, 0.5, 0.5, 0.5), (0.0, 0.9, 0.0, 0.9)])
@pytest.mark.parametrize("size", [(1, 1), (2, 1), (40, 30)])
def test_strips_of_any_width_leave_something(name: str, widths: tuple[float, ...], size: tuple[int, int]) -> None:
    picture = speckled(*size)
    edited = apply(Edit(name, amounts=(*widths, *([0.0] * (edits.AMOUNTS[name] - 4)))), picture, None)
    assert edited.shape == picture.shape


@pytest.mark.parametrize("name", ["streaked", "mirrored"])
def test_strips_without_a_width_change_nothing(name: str) -> None:
    np.testing.assert_array_equal(apply(Edit(name, amounts=(0.0,) * 4), TEN, None), TEN)


ALL = {
    "surroundings": SURROUNDINGS,
    "texture": Edit("texture", box=(0.25, 0.5, 0.75, 1.0), mask=np.eye(4, dtype=bool)),
    "cast": Edit("cast", factors=(2.0, 0.5, 1.0)),
    "paste": Edit("paste", box=(0.0, 0.0, 0.5, 0.5)),
    "strokes": Edit("strokes", mask=np.eye(4, dtype=bool)),
    "painted_over": Edit("painted_over", box=(0.0, 0.0, 0.5, 0.5)),
    "levels": Edit("levels", amounts=(10.0, 0.7)),
    "saturation": Edit("saturation", amounts=(0.5,)),
    "sharpness": Edit("sharpness", amounts=(-1.5,)),
    "recompressed": Edit("recompressed", amounts=(0.3, 40.0)),
    "foreign": Edit("foreign", box=(0.25, 0.25, 0.75, 0.75), amounts=(2.0,)),
    "streaked": Edit("streaked", amounts=(0.2, 0.0, 0.0, 0.3)),
    "mirrored": Edit("mirrored", amounts=(0.2, 0.0, 0.0, 0.3)),
    "barred": Edit("barred", amounts=(0.2, 0.0, 0.0, 0.3, 0.0, 255.0, 0.0)),
    "framed": Edit("framed", amounts=(0.7, 0.4, 0.6)),
}


@pytest.mark.parametrize("edit", ALL.values(), ids=ALL)
def test_an_edit_gives_a_new_picture_and_leaves_both_as_they_were(edit: Edit) -> None:
    picture, donor = speckled(40, 30), speckled(30, 40, seed=1)
    before = picture.copy(), donor.copy()
    edited = apply(edit, picture, donor)
    assert edited.shape == picture.shape
    assert edited.dtype == np.uint8
    assert (edited != picture).any()
    np.testing.assert_array_equal(picture, before[0])
    np.testing.assert_array_equal(donor, before[1])


@pytest.mark.parametrize("edit", ALL.values(), ids=ALL)
def test_a_donor_is_asked_for_where_another_one_makes_another_picture(edit: Edit) -> None:
    picture = speckled(40, 30)
    one, other = (apply(edit, picture, speckled(40, 30, seed=seed)) for seed in (1, 2))
    assert needs_donor(edit) == (one != other).any()
    if needs_donor(edit):
        with pytest.raises(ValueError, match=f"{edit.name} takes a donor"):
            apply(edit, picture, None)
    else:
        np.testing.assert_array_equal(apply(edit, picture, None), one)


def continued(rgb: Rgb, width: int, height: int, left: int, top: int) -> Rgb:
    """The picture at a place, and beyond its sides its border band, there and back again and again."""
    filled = np.empty((height, width, 3), np.uint8)

    def source(place: int, length: int) -> int:
        band = max(2, round(0.12 * length))
        there_and_back = [*range(band), *reversed(range(band))]
        if place < 0:
            return there_and_back[(-place - 1) % len(there_and_back)]
        if place >= length:
            return length - 1 - there_and_back[(place - length) % len(there_and_back)]
        return place

    for y, x in itertools.product(range(height), range(width)):
        filled[y, x] = rgb[source(y - top, rgb.shape[0]), source(x - left, rgb.shape[1])]
    return filled


def test_a_picture_that_is_framed_anew_is_shrunk_and_goes_on_with_its_own_border() -> None:
    small = speckled(40, 25)
    picture = np.kron(small, np.ones((2, 2, 1), np.uint8))
    for x, y, left, top in ((0.5, 0.5, 20, 12), (0.25, 0.75, 0, 25), (0.9, 0.1, 52, -8)):
        edited = apply(Edit("framed", amounts=(0.5, x, y)), picture, None)
        filled = continued(small, 80, 50, left, top)
        inside = np.s_[max(0, top) : top + 25, left : left + 40]
        blurred = cv2.GaussianBlur(filled, (0, 0), 0.03 * 50)
        blurred[inside] = filled[inside]
        np.testing.assert_array_equal(edited, blurred)


def test_a_picture_that_is_framed_anew_at_twice_the_size_is_cropped() -> None:
    picture = flat(GREY, 60, 40)
    picture[10:20, 20:40] = PURE_RED
    edited = apply(Edit("framed", amounts=(2.0, 0.5, 0.5)), picture, None)
    # of the middle half, 15 to 45 by 10 to 30
    assert (edited[2:18, 12:48] == PURE_RED).all()
    assert (edited[24:] == GREY).all()
    assert (edited[:, :6] == GREY).all()


@pytest.mark.parametrize("amounts", [(1e9, 0.5, 0.5), (1e-9, 0.5, 0.5), (1.0, -1e9, 1e9), (-1.0, 0.5, 0.5)])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 7), (5, 2), (60, 40)])
def test_a_frame_out_of_all_bounds_still_gives_a_picture(amounts: tuple[float, ...], width: int, height: int) -> None:
    edited = apply(Edit("framed", amounts=amounts), speckled(width, height), None)
    assert edited.shape == (height, width, 3)


def test_every_edit_is_tested_here() -> None:
    assert set(ALL) == set(edits.EDITS)
    assert {name: len(edit.amounts) for name, edit in ALL.items() if edit.amounts} == edits.AMOUNTS


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
    assert pixel_box(box, flat(GREY, 10, 20)) == pixels


def test_no_box_is_empty_or_outside() -> None:
    edges = (-0.01, 0, 0.02, 0.5, 0.96, 1, 1.01)
    for width, height in ((1, 1), (2, 7), (30, 3)):
        for left, right in itertools.combinations_with_replacement(edges, 2):
            for top, bottom in itertools.combinations_with_replacement(edges, 2):
                box = pixel_box((left, top, right, bottom), flat(GREY, width, height))
                assert 0 <= box[0] < box[2] <= width
                assert 0 <= box[1] < box[3] <= height


@pytest.mark.parametrize("number", range(OBJECTS))
def test_a_foreign_thing_covers_much_of_its_box_and_nothing_else(number: int) -> None:
    picture = speckled(200, 160)
    edited = apply(Edit("foreign", box=(0.25, 0.5, 0.75, 1.0), amounts=(float(number),)), picture, None)
    changed = (edited != picture).any(2)
    inside = np.zeros((160, 200), bool)
    inside[80:160, 50:150] = True
    assert not changed[~inside].any()
    assert 0.35 < changed[inside].mean() < 0.97
    # numbers that a stranger wrote begin anew
    for other in (number + OBJECTS, number - OBJECTS):
        again = apply(Edit("foreign", box=(0.25, 0.5, 0.75, 1.0), amounts=(float(other),)), picture, None)
        np.testing.assert_array_equal(again, edited)


def test_no_two_foreign_things_are_alike() -> None:
    pictures = [apply(Edit("foreign", box=(0, 0, 1, 1), amounts=(float(i),)), flat(GREY), None) for i in range(OBJECTS)]
    assert all((a != b).mean() > 0.2 for a, b in itertools.combinations(pictures, 2))
