"""The map is the published sum, and its statistics are what `MapStatistics` says."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_net import random_net

from cam_audit.cam import area_means, class_activation_map, cover, map_statistics, normalised

RANDOM = np.random.default_rng(0)


def test_the_map_is_the_weighted_sum_of_the_activations() -> None:
    activations = RANDOM.random((5, 3, 4), np.float32)
    weight = RANDOM.normal(size=(7, 5)).astype(np.float32)
    for k in range(7):
        expected = [[sum(weight[k, c] * activations[c, y, x] for c in range(5)) for x in range(4)] for y in range(3)]
        cam = class_activation_map(activations, weight, k)
        assert (cam.dtype, cam.shape) == (np.float32, (3, 4))
        np.testing.assert_allclose(cam, expected, rtol=1e-5, atol=1e-6)


def test_the_map_of_a_one_hot_weight_is_that_channel_scaled() -> None:
    activations = RANDOM.random((3, 2, 2), np.float32)
    np.testing.assert_array_equal(class_activation_map(activations, np.float32([[0, -2, 0]]), 0), -2 * activations[1])


def test_without_weights_the_activations_are_the_maps() -> None:
    activations = RANDOM.random((3, 2, 2), np.float32)
    np.testing.assert_array_equal(class_activation_map(activations, None, 2), activations[2])


@pytest.mark.parametrize("weight", [np.ones((3, 3), np.float32), None])
def test_a_class_that_the_net_has_not_is_an_index_error(weight: NDArray[np.float32] | None) -> None:
    with pytest.raises(IndexError):
        class_activation_map(np.ones((3, 2, 2), np.float32), weight, 3)


def test_the_mean_of_the_map_plus_the_bias_is_the_logit() -> None:
    net = random_net(3)
    logits, activations = net.forward(RANDOM.integers(0, 256, (40, 64, 3), np.uint8))
    means = [class_activation_map(activations, net.linear, k).mean() for k in range(len(logits))]
    np.testing.assert_allclose(means + net.bias, logits, rtol=1e-5)


@pytest.mark.parametrize(
    ("cam", "expected"),
    [
        ([[2, 3], [4, 6]], [[0, 0.25], [0.5, 1]]),
        ([[-3, -1]], [[0, 1]]),
        ([[5, 5], [5, 5]], [[0, 0], [0, 0]]),
        ([[1e9, 1e9 + 64]], [[0, 0]]),
        ([[-1e9, -1e9 - 64]], [[0, 0]]),
        ([[1000, 1000.01]], [[0, 1]]),
        ([[np.inf, np.inf]], [[0, 0]]),
        ([[np.nan, 1]], [[0, 0]]),
        ([[-np.inf, 1]], [[0, 0]]),
    ],
)
def test_normalised_spans_0_to_1_and_is_0_where_nothing_can_be_shown(cam: list, expected: list) -> None:
    np.testing.assert_array_equal(normalised(np.float32(cam)), np.float32(expected))


@pytest.mark.parametrize(
    ("row", "column", "peak_x", "peak_y"), [(0, 0, 0.125, 0.25), (1, 3, 0.875, 0.75), (0, 2, 0.625, 0.25)]
)
def test_the_peak_is_the_centre_of_the_highest_cell(row: int, column: int, peak_x: float, peak_y: float) -> None:
    cam = np.full((2, 4), -1, np.float32)
    cam[row, column] = 0.5
    statistics = map_statistics(cam)
    assert (statistics.peak_x, statistics.peak_y) == (peak_x, peak_y)


def with_ones(height: int, width: int, *cells: tuple[int, int]) -> NDArray[np.float32]:
    cam = np.zeros((height, width), np.float32)
    for cell in cells:
        cam[cell] = 1
    return cam


@pytest.mark.parametrize(
    ("cam", "share"),
    [
        # the border is an eighth of each side: of an even map, all but 0.75 x 0.75 lies in it
        (np.full((8, 8), 3), 1 - 0.75**2),
        (np.full((7, 13), 3), 1 - 0.75**2),
        (np.full((1, 1), 3), 1 - 0.75**2),
        (with_ones(8, 8, (0, 5)), 1),
        (with_ones(8, 8, (5, 7)), 1),
        (with_ones(8, 8, (1, 1), (6, 6)), 0),
        (with_ones(8, 8, (0, 3), (3, 3)), 0.5),
        # a corner cell of a 4 x 4 map keeps a quarter of itself, one beside it a half
        (with_ones(4, 4, (0, 0)), 0.75),
        (with_ones(4, 4, (0, 1)), 0.5),
        (with_ones(4, 4, (2, 1)), 0),
        # what is negative pulls nothing
        (with_ones(8, 8, (4, 4)) - 2 * with_ones(8, 8, (0, 0)), 0),
        (-np.ones((3, 3)), None),
        (np.zeros((3, 3)), None),
    ],
)
def test_border_share_is_the_part_of_the_positive_map_in_the_outer_eighth(
    cam: NDArray[np.float32], share: float | None
) -> None:
    got = map_statistics(cam.astype(np.float32)).border_share
    assert got == (share if share is None else pytest.approx(share, abs=1e-12))
    assert got is None or got >= 0


def test_area_is_the_share_of_cells_that_the_overlay_colours() -> None:
    assert map_statistics(np.float32([[0, 0.1, 0.19, 0.21, 1]])).area == pytest.approx(2 / 5)
    assert map_statistics(np.float32([[-10, -8.2, -7.8, 0]])).area == pytest.approx(2 / 4)
    assert map_statistics(np.float32([[0, 0.2, 1]])).area == pytest.approx(2 / 3)
    assert map_statistics(np.ones((3, 3), np.float32)).area == 0


def shared_length(first: tuple[Fraction, Fraction], second: tuple[Fraction, Fraction]) -> Fraction:
    return max(Fraction(0), min(first[1], second[1]) - max(first[0], second[0]))


def cell(index: int, cells: int) -> tuple[Fraction, Fraction]:
    return Fraction(index, cells), Fraction(index + 1, cells)


@pytest.mark.parametrize("cells", [1, 4, 7, 16])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.125, 0.875), (0.3, 0.35), (0.5, 0.5), (-1, 0.25), (0.9, 2)])
def test_cells_are_covered_by_their_share_between_two_fractions(cells: int, low: float, high: float) -> None:
    between = Fraction(low), Fraction(high)
    expected = [float(shared_length(cell(index, cells), between) * cells) for index in range(cells)]
    np.testing.assert_allclose(cover(cells, low, high), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("cells", "onto"), [(4, 4), (4, 7), (7, 4), (1, 3), (3, 1), (14, 8), (5, 6), (5, 15), (298, 9), (3, 97)]
)
def test_area_means_weigh_cells_by_their_overlaps(cells: int, onto: int) -> None:
    overlaps = [[shared_length(cell(new, onto), cell(old, cells)) for old in range(cells)] for new in range(onto)]
    weights = area_means(cells, onto)
    np.testing.assert_allclose(weights, [[float(share * onto) for share in row] for row in overlaps], atol=1e-12)
    # cells that only touch share nothing at all, not a rounding of it
    assert ((weights > 0) == [[share > 0 for share in row] for row in overlaps]).all()
