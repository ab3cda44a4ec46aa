"""Shares of a map inside an object equal their closed forms; an object that is removed is gone, no more."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import gradient

from cam_audit.images.decode import read_image
from cam_audit.images.find import find_images
from cam_audit.scan.annotations import load_annotations
from cam_audit.scan.objects import INPAINT_BELOW, inside_share, remove_object

RANDOM = np.random.default_rng(0)


def rectangle(height: int, width: int, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[np.uint8]:
    mask = np.zeros((height, width), np.uint8)
    mask[slice(*rows), slice(*columns)] = 1
    return mask


def point(height: int, width: int, row: int, column: int) -> NDArray[np.float32]:
    cam = np.zeros((height, width), np.float32)
    cam[row, column] = 3
    return cam


@pytest.mark.parametrize("cells", [(1, 1), (7, 7), (7, 9), (3, 5), (53, 97)])
@pytest.mark.parametrize("size", [(53, 97), (224, 298), (6, 4)])
def test_a_uniform_map_has_its_objects_area_inside(cells: tuple[int, int], size: tuple[int, int]) -> None:
    mask = (RANDOM.random(size) < 0.3).astype(np.uint8)
    inside = inside_share(np.full(cells, 0.7, np.float32), mask)
    assert inside.area == pytest.approx(mask.mean())
    assert inside.share == pytest.approx(inside.area)


@pytest.mark.parametrize(
    ("cell", "share"),
    [
        # the object is the left 3 of 10 columns: of 7 cells the first 2 lie in it, and a tenth of the third
        ((0, 0), 1),
        ((4, 1), 1),
        ((4, 2), 0.1),
        ((2, 3), 0),
        ((6, 6), 0),
    ],
)
def test_a_point_counts_by_how_much_of_its_cell_the_object_covers(cell: tuple[int, int], share: float) -> None:
    mask = rectangle(20, 10, (0, 20), (0, 3))
    assert inside_share(point(7, 7, *cell), mask).share == pytest.approx(share, abs=1e-12)


def test_a_mask_coarser_than_the_map_is_spread_over_its_cells() -> None:
    mask = np.array([[1, 0, 0]], np.uint8)
    assert inside_share(point(1, 2, 0, 0), mask).share == pytest.approx(2 / 3)
    assert inside_share(point(4, 6, 1, 1), mask).share == pytest.approx(1)


@pytest.mark.parametrize("size", [(8, 8), (9, 14), (31, 18)])
def test_half_of_a_symmetric_map_lies_in_half_of_the_image(size: tuple[int, int]) -> None:
    cam = RANDOM.random((5, 7)).astype(np.float32)
    left = rectangle(*size, (0, size[0]), (0, size[1] // 2))
    right = left[:, ::-1]
    shares = [inside_share(cam, mask).share for mask in (left, right)]
    columns = cam.sum(axis=0)
    if size[1] % 2 == 0:
        assert shares[0] == pytest.approx((columns[:3].sum() + columns[3] / 2) / columns.sum())
        assert sum(shares) == pytest.approx(1)
    assert inside_share(cam + cam[:, ::-1], left).share == pytest.approx(inside_share(cam + cam[:, ::-1], right).share)


def test_what_is_negative_neither_adds_nor_takes() -> None:
    mask = rectangle(4, 4, (0, 4), (0, 2))
    assert inside_share(np.float32([[1, -9], [2, 1]]), mask).share == pytest.approx(3 / 4)


@pytest.mark.parametrize("value", [0, -1])
def test_a_map_with_nothing_positive_has_no_share(value: float) -> None:
    inside = inside_share(np.full((3, 3), value, np.float32), rectangle(4, 4, (0, 2), (0, 2)))
    assert (inside.share, inside.area) == (None, 0.25)


def test_nothing_lies_in_an_empty_mask_and_all_in_a_full_one() -> None:
    cam = RANDOM.random((7, 9)).astype(np.float32)
    empty, full = (inside_share(cam, np.full((30, 40), value, np.uint8)) for value in (0, 1))
    assert (empty.share, empty.area, empty.centre_share) == (0, 0, 0)
    assert (full.share, full.area, full.centre_share) == (pytest.approx(1), 1, pytest.approx(1))


@pytest.mark.parametrize("size", [(100, 160), (224, 298)])
def test_the_centre_blob_is_a_gaussian_of_a_quarter_of_each_side(size: tuple[int, int]) -> None:
    height, width = size
    mask = rectangle(height, width, (height // 4, height - height // 4), (0, width // 2))
    within_one_of_two_sigma = math.erf(math.sqrt(1 / 2)) / math.erf(math.sqrt(2))
    share = inside_share(np.ones((7, 7), np.float32), mask).centre_share
    assert share == pytest.approx(within_one_of_two_sigma / 2, abs=1e-4)


def test_a_small_object_is_continued_from_round_it() -> None:
    plain = gradient(224, 160)
    mask = rectangle(160, 224, (60, 80), (90, 110))
    assert mask.mean() < INPAINT_BELOW
    picture = plain.copy()
    # its edge spills over the mask, as edges do
    picture[58:82, 88:112] = (250, 0, 250)
    removed = remove_object(picture, mask)
    assert (removed.dtype, removed.shape) == (np.uint8, picture.shape)
    error = np.abs(removed.astype(int) - plain)
    # the blue is the same all over, red and green are a slope that inpainting flattens
    assert error[..., 2].max() <= 5
    assert error[mask > 0].mean() < 5


def test_a_large_object_is_painted_with_the_mean_of_a_ring_round_it() -> None:
    mask = rectangle(200, 200, (50, 150), (0, 100))
    picture = np.full((200, 200, 3), (10, 200, 30), np.uint8)
    picture[:, 150:] = (255, 0, 0)
    before = picture.copy()
    picture[mask > 0] = (0, 0, 255)
    removed = remove_object(picture, mask)
    np.testing.assert_array_equal(removed, before)


def test_an_object_that_fills_the_picture_leaves_its_mean() -> None:
    picture = gradient(64, 64)
    removed = remove_object(picture, np.ones((64, 64), np.uint8))
    np.testing.assert_allclose(removed.reshape(-1, 3), np.rint(picture.mean(axis=(0, 1)))[None].repeat(4096, axis=0))


@pytest.mark.parametrize("side", [20, 120])
def test_removing_changes_a_copy_and_nothing_far_from_the_object(side: int) -> None:
    picture = RANDOM.integers(0, 256, (224, 298, 3), np.uint8)
    kept = picture.copy()
    removed = remove_object(picture, rectangle(224, 298, (40, 40 + side), (50, 50 + side)))
    np.testing.assert_array_equal(picture, kept)
    changed = (removed != picture).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert (rows[0], rows[-1]) == (35, 40 + side + 4)
    assert (columns[0], columns[-1]) == (45, 50 + side + 4)


@pytest.mark.shared
def test_real_horses_fill_a_quarter_of_their_photos_and_hold_more_of_the_centre(shared: Path) -> None:
    folder = shared / "photos" / "horses"
    names = find_images(folder / "images").names
    masks = load_annotations(names, masks=folder / "masks")
    assert masks
    measured = []
    for name in names:
        _, width, height = read_image(folder / "images" / name)
        mask = masks.mask(name, width, height)
        assert mask is not None
        inside = inside_share(np.ones((7, 9), np.float32), mask)
        assert inside.share == pytest.approx(inside.area)
        measured.append((inside.area, inside.centre_share))
    assert np.mean(measured, axis=0) == pytest.approx([0.255, 0.424], abs=0.005)
