"""Controls lie beside what they are the controls of: by hand, and against a fine grid of points."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cam_audit.findings.controls import elsewhere, elsewhere_mask, other_sides
from cam_audit.records import Box


@pytest.mark.parametrize(
    ("box", "other"),
    [
        ((0.0, 0.0, 0.25, 0.25), (0.75, 0.0, 1.0, 0.25)),
        ((0.7, 0.8, 0.9, 1.0), (0.1, 0.8, 0.3, 1.0)),
        # across the whole width there is no place beside it
        ((0.0, 0.9, 1.0, 1.0), (0.0, 0.0, 1.0, 0.1)),
        ((0.4, 0.1, 0.6, 0.3), (0.4, 0.7, 0.6, 0.9)),
        # in the middle it is its own mirror image
        ((0.375, 0.375, 0.625, 0.625), (0.0, 0.0, 0.25, 0.25)),
    ],
)
def test_elsewhere_is_where_the_box_is_not(box: Box, other: Box) -> None:
    assert elsewhere(box) == pytest.approx(other)


def test_elsewhere_a_box_has_its_size_lies_in_the_picture_and_overlaps_as_little_as_can_be() -> None:
    places = (0.0, 0.2, 0.45, 0.6, 0.8, 1.0)
    spans = list(itertools.combinations(places, 2))
    for (left, right), (top, bottom) in itertools.product(spans, spans):
        other = elsewhere((left, top, right, bottom))
        assert (other[2] - other[0], other[3] - other[1]) == pytest.approx((right - left, bottom - top))
        assert min(other) >= 0
        assert max(other) <= 1 + 1e-9
        shared = shared_area((left, top, right, bottom), other)
        for x, y in itertools.product((left, 1 - right), (top, 1 - bottom)):
            if (x, y) != (left, top):
                there = (x, y, x + right - left, y + bottom - top)
                assert shared <= shared_area((left, top, right, bottom), there) + 1e-9


def shared_area(box: Box, other: Box) -> float:
    """The share of a fine grid's points that lie in both."""
    points = (np.arange(200) + 0.5) / 200
    inside = [(points > max(box[k], other[k])) & (points < min(box[k + 2], other[k + 2])) for k in (0, 1)]
    return float(inside[0].sum() * inside[1].sum()) / points.size**2


def test_elsewhere_a_mask_is_mirrored_to_where_it_is_not() -> None:
    corner = np.zeros((8, 8), bool)
    corner[6:, 5:] = True
    corner[7, 4] = True
    # beside it, above it or across it: all free, and beside is the first
    np.testing.assert_array_equal(elsewhere_mask(corner), corner[:, ::-1])
    line = np.zeros((8, 8), bool)
    line[6, :] = True
    np.testing.assert_array_equal(elsewhere_mask(line), line[::-1])
    cross = line | line.T
    np.testing.assert_array_equal(elsewhere_mask(cross), cross[::-1, ::-1])


def test_elsewhere_a_mask_of_the_middle_is_moved_to_the_corner() -> None:
    middle = np.zeros((12, 16), bool)
    middle[4:8, 6:10] = True
    expected = np.zeros((12, 16), bool)
    expected[:4, :4] = True
    np.testing.assert_array_equal(elsewhere_mask(middle), expected)
    assert not elsewhere_mask(np.zeros((3, 3), bool)).any()


@pytest.mark.parametrize(
    ("widths", "other"),
    [
        ((0.1, 0.0, 0.0, 0.0), (0.0, 0.0, 0.1, 0.0)),
        ((0.0, 0.1, 0.0, 0.2), (0.1, 0.0, 0.2, 0.0)),
        ((0.1, 0.2, 0.0, 0.0), (0.0, 0.0, 0.1, 0.2)),
        ((0.1, 0.1, 0.1, 0.1), (0.1, 0.1, 0.1, 0.1)),
    ],
)
def test_other_sides_are_free_ones_where_there_are_any(widths: tuple[float, ...], other: tuple[float, ...]) -> None:
    assert other_sides(widths) in (other, other[2:] + other[:2])
