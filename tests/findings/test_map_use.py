"""Use against closed forms, brute force over images, and the logits of real forward passes."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pictures import gradient
from tiny_net import random_net

from cam_audit import load_model
from cam_audit.findings.map_use import (
    ActivationSum,
    border_cover,
    box_cover,
    centred_map,
    centred_weight,
    margin_of,
    on_grid,
    reference_map,
    use_of,
)
from cam_audit.models.model import Model, Prediction
from cam_audit.records import Box

SIDES = [(4, 4), (4, 7), (7, 4), (1, 3), (3, 1), (14, 8), (5, 6)]


def by_smallest_parts(maps: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """Area means by cutting both grids into the parts that they have in common."""
    for axis, cells in ((-2, grid[0]), (-1, grid[1])):
        parts = math.lcm(maps.shape[axis], cells)
        fine = np.repeat(maps, parts // maps.shape[axis], axis=axis)
        split = np.moveaxis(fine, axis, -1)
        split = split.reshape(*split.shape[:-1], cells, parts // cells).mean(-1)
        maps = np.moveaxis(split, -1, axis)
    return maps


@pytest.fixture(scope="module")
def fc(nets: Path) -> Model:
    return load_model(nets / "random.onnx")


@pytest.fixture(scope="module")
def bare(nets: Path) -> Model:
    return load_model(nets / "bare.onnx")


@pytest.mark.parametrize(("height", "new_height"), SIDES)
@pytest.mark.parametrize(("width", "new_width"), [(5, 2), (3, 3)])
def test_maps_of_another_size_keep_their_areas_and_their_mean(
    height: int, new_height: int, width: int, new_width: int
) -> None:
    maps = np.random.default_rng(0).normal(size=(2, height, width)).astype(np.float32)
    resampled = on_grid(maps, (new_height, new_width))
    assert resampled.dtype == np.float32
    np.testing.assert_allclose(resampled, by_smallest_parts(maps, (new_height, new_width)), atol=1e-5)
    np.testing.assert_allclose(resampled.mean((1, 2)), maps.mean((1, 2)), atol=1e-5)


def test_maps_of_the_grid_are_left_as_they_are() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    assert on_grid(maps, (3, 5)) is maps


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 1, 1), [[1, 1, 1, 1], [1, 1, 1, 1]]),
        ((0.25, 0, 0.75, 0.5), [[0, 1, 1, 0], [0, 0, 0, 0]]),
        ((0.125, 0.25, 0.5, 0.75), [[0.25, 0.5, 0, 0], [0.25, 0.5, 0, 0]]),
        ((0.3, 0.6, 0.4, 0.7), [[0, 0, 0, 0], [0, 0.08, 0, 0]]),
        ((0.5, 0.5, 0.5, 0.5), [[0, 0, 0, 0], [0, 0, 0, 0]]),
        ((-1, -1, 0.25, 2), [[1, 0, 0, 0], [1, 0, 0, 0]]),
    ],
)
def test_a_box_covers_shares_of_cells(box: Box, expected: list) -> None:
    np.testing.assert_allclose(box_cover(box, (2, 4)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ((4, 4), [[0.75, 0.5, 0.5, 0.75], [0.5, 0, 0, 0.5], [0.5, 0, 0, 0.5], [0.75, 0.5, 0.5, 0.75]]),
        ((1, 1), [[1 - 0.75**2]]),
        ((8, 8), np.pad(np.zeros((6, 6)), 1, constant_values=1)),
        ((16, 8), np.pad(np.zeros((12, 6)), [(2, 2), (1, 1)], constant_values=1)),
    ],
)
def test_the_border_is_the_outer_eighth_of_each_side(grid: tuple[int, int], expected: list) -> None:
    np.testing.assert_allclose(border_cover(grid), expected, atol=1e-6)


def test_sums_are_the_same_bits_in_any_order_any_grouping_and_with_threads() -> None:
    random = np.random.default_rng(0)
    images = (random.normal(size=(200, 3, 2, 2)) * 10.0 ** random.integers(-4, 5, (200, 1, 1, 1))).astype(np.float32)
    # what is summed is not summed so by float32
    assert (images.sum(0) != images[::-1].sum(0)).any()

    def summed(*parts: np.ndarray, workers: int = 1) -> np.ndarray:
        total = ActivationSum()
        with ThreadPoolExecutor(workers) as pool:
            for part in parts:
                list(pool.map(total.add, part))
        assert total.images == sum(map(len, parts))
        return total.value()

    expected = summed(images)
    np.testing.assert_allclose(expected, images.astype(np.float64).sum(0), atol=len(images) / 2**17)
    shuffled = images[random.permutation(200)]
    for other in (summed(images[::-1]), summed(shuffled, workers=4), summed(images[:70]) + summed(images[70:])):
        np.testing.assert_array_equal(other, expected)


def test_an_empty_sum_has_no_value() -> None:
    with pytest.raises(ValueError, match="no activations"):
        ActivationSum().value()


@pytest.mark.parametrize("name", ["fc", "bare"])
def test_the_centred_map_means_the_logit_beyond_the_mean_logit(name: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    prediction = model.run(gradient(48, 32))
    logits = prediction.logits.astype(np.float64) - (0 if model.cam_bias is None else model.cam_bias)
    for k in range(len(logits)):
        mapped = centred_map(centred_weight(model, k), prediction.activations)
        assert mapped.shape == prediction.activations.shape[1:]
        assert mapped.mean() == pytest.approx(logits[k] - logits.mean(), abs=1e-5)


def test_centred_weights_by_hand(fc: Model, bare: Model) -> None:
    matrix = random_net().linear
    assert matrix is not None
    np.testing.assert_allclose(centred_weight(fc, 2), matrix[2] - matrix.sum(0) / len(matrix), atol=1e-6)
    np.testing.assert_allclose(centred_weight(bare, 1), np.float32([-1, 5, -1, -1, -1, -1]) / 6, atol=1e-7)


@pytest.mark.parametrize("own", [0, 2, 4])
def test_the_reference_is_the_mean_map_over_the_other_images(own: int) -> None:
    random = np.random.default_rng(1)
    images = random.normal(size=(5, 3, 2, 4)).astype(np.float32)
    weight = random.normal(size=3).astype(np.float32)
    total = ActivationSum()
    for activations in images:
        total.add(activations)
    reference = reference_map(total, weight, [centred_map(weight, image) for image in images[:own]])
    by_image = [sum(weight[c] * image[c].astype(np.float64) for c in range(3)) for image in images[own:]]
    np.testing.assert_allclose(reference, np.mean(by_image, axis=0), atol=1e-4)


def test_there_is_no_reference_without_other_images() -> None:
    total = ActivationSum()
    total.add(np.ones((1, 1, 1), np.float32))
    assert reference_map(total, np.ones(1, np.float32), [np.ones((1, 1), np.float32)]) is None


def test_use_by_hand() -> None:
    own, reference = np.float32([[5, 1], [2, 9]]), np.float64([[1, 1], [1, 1]])
    cover = np.float32([[1, 1], [0.5, 0]])
    # (4 + 0 + 0.5 x 1) over 4 cells and a margin of 3
    assert use_of(own, reference, cover, 3.0) == pytest.approx(4.5 / 12)


@pytest.mark.parametrize(("logits", "margins"), [([1, 4, 2], [-3, 2, -2]), ([3, 3], [0, 0]), ([7], [0])])
def test_the_margin_is_to_the_largest_other_logit(logits: list[float], margins: list[float]) -> None:
    prediction = Prediction(np.float32(logits), np.zeros((1, 1, 1), np.float32))
    assert [margin_of(prediction.logits, k) for k in range(len(logits))] == margins
