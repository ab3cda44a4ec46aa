"""How far a part moves about beside the others."""

from __future__ import annotations

import numpy as np
import pytest
from split_up import split_of

from cam_audit.findings.wander import FAR, centre, wander, wanderings

GRID = (4, 8)


def dot(row: int, column: int, level: float = 1.0) -> np.ndarray:
    values = np.zeros(GRID, np.float32)
    values[row, column] = level
    return values


def test_the_centre_is_that_of_the_mass() -> None:
    np.testing.assert_allclose(centre(dot(0, 0)), [1 / 16, 1 / 8])
    np.testing.assert_allclose(centre(dot(0, 0, 3) + dot(3, 7, 1)), [1 / 16 + 7 / 32, 1 / 8 + 3 / 16])
    np.testing.assert_allclose(centre(np.zeros(GRID, np.float32)), [0.5, 0.5])


def test_what_keeps_its_place_beside_the_rest_does_not_wander_on_whichever_side_it_is() -> None:
    heads = [dot(0, 2), dot(1, 5), dot(0, 6), dot(2, 1)]
    # two to the left of the head or to the right, one below, and each time elsewhere in the picture
    bodies = [dot(1, 4), dot(2, 3), dot(1, 4), dot(3, 3)]
    assert wander(heads, bodies) == pytest.approx(0, abs=1e-6)


def test_it_is_the_weighted_deviation_of_the_way_from_the_rest() -> None:
    own = [dot(0, 0, 3), dot(3, 4, 1)]
    rest = [dot(0, 4), dot(0, 4)]
    # 4/8 to the side and none below, thrice; none to the side and 3/4 below, once
    mean = np.array([3 * 0.5, 0.75]) / 4
    expected = (3 * ((0.5 - mean[0]) ** 2 + mean[1] ** 2) + mean[0] ** 2 + (0.75 - mean[1]) ** 2) / 4
    assert wander(own, rest) == pytest.approx(expected**0.5, rel=1e-5)
    assert wander([], []) == 0


@pytest.mark.filterwarnings("error")
def test_of_a_class_the_part_wanders_that_lies_anywhere_and_not_what_speaks_against_it() -> None:
    random = np.random.default_rng(0)
    images = []
    for _ in range(24):
        values = np.zeros((4, *GRID), np.float32)
        row, column = random.integers(0, 3), random.integers(1, 6)
        # a body with its head above, and something anywhere
        values[0, row + 1, column], values[1, row, column] = 2, 2
        values[2, random.integers(4), random.integers(8)] = 2
        # what speaks against the class is no part of the rest
        values[3, random.integers(4), random.integers(8)] = 2
        images.append(values)
    kept = [np.ones(GRID, bool)] * 24
    split = split_of(images, kept, np.array([1, 1, 1, -1], np.float32), [np.zeros((4, 1), np.float32)])
    by_channel = {
        int(piece.direction.argmax()): far for piece, far in zip(split.pieces, wanderings(split.pieces), strict=True)
    }
    assert by_channel[2] > FAR
    assert by_channel[2] > 1.3 * max(by_channel[0], by_channel[1])
    assert wanderings(()) == []
