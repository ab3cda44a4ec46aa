"""Pictures of another kind in one class are a cluster that is found; a class that looks like itself is none."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from planted import CLASSES, data_set, features, names, only

from cam_audit.findings.cues import mixed

Rgb = NDArray[np.uint8]


def drawn(rgb: Rgb, rng: np.random.Generator) -> None:
    """Ink on paper."""
    edges = cv2.Canny(cv2.GaussianBlur(rgb, (0, 0), 1.5), 40, 90)
    rgb[:] = np.where(edges[..., None] > 0, 20, 235).astype(np.uint8)


@pytest.mark.parametrize("share", [0.4, 0.6])
def test_drawings_among_photos_are_found_and_no_other_image(share: float) -> None:
    images, planted = data_set(drawn, share)
    found = only(mixed.find(images))
    assert names(found) <= set(planted)
    assert len(found.hits) >= 0.9 * len(planted)
    assert found.score == pytest.approx(len(found.hits) / 24)
    assert found.numbers["crossing"] <= mixed.MAX_CROSSING
    assert found.cue.startswith("pictures of another kind among its own, which differ most in ")
    assert mixed.tests(found, {}) == []
    # whichever order they come in
    assert mixed.find(images[::-1]) == mixed.find(images)


@pytest.mark.parametrize("bearers", [(), CLASSES, CLASSES[:2], ("birch",)])
def test_a_look_that_no_class_or_several_or_a_whole_one_has_is_silent(bearers: tuple[str, ...]) -> None:
    share = 1.0 if bearers == ("birch",) else 0.5
    assert mixed.find(data_set(drawn, share, bearers=bearers)[0]) == []


def test_one_class_alone_and_a_handful_of_drawings_are_silent() -> None:
    assert mixed.find(data_set(drawn, 0.5, classes=("birch",))[0]) == []
    assert mixed.find(data_set(drawn, 0.12)[0]) == []
    assert mixed.find([]) == []


def test_further_images_are_recognised_by_their_neighbours_without_themselves() -> None:
    images, planted = data_set(drawn, 0.5)
    recognise = only(mixed.find(images)).recogniser()
    assert {image.name for image in images if recognise(image)} == set(planted)
    assert sum(recognise(features("birch", index, drawn)[0]) is not None for index in range(30, 36)) >= 5
    assert not any(recognise(features("birch", index)[0]) for index in range(30, 36))


def within(points: NDArray[np.float32], members: NDArray[np.intp]) -> float:
    return float(((points[members] - points[members].mean(0)) ** 2).sum())


def test_wards_tree_is_that_of_joining_what_costs_least_again_and_again() -> None:
    points = np.random.default_rng(3).normal(0, 1, (14, 3)).astype(np.float32)
    squared = ((points[:, None] - points) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    left = [frozenset([index]) for index in range(len(points))]
    wanted = set()

    def cost(pair: tuple[frozenset[int], frozenset[int]]) -> float:
        one, other, both = (np.array(sorted(each)) for each in (*pair, pair[0] | pair[1]))
        return within(points, both) - within(points, one) - within(points, other)

    while len(left) > 1:
        first, second = min(itertools.combinations(left, 2), key=cost)
        left = [each for each in left if each not in (first, second)] + [first | second]
        wanted.add(first | second)
    assert {frozenset(members.tolist()) for members in mixed.ward(squared)} == wanted


def test_crossing_counts_lines_out_and_in() -> None:
    neighbours = np.array([[1, 2], [0, 2], [0, 3], [2, 4], [3, 5], [4, 3]])
    # of 0, 1 and 2 one line leads out, to 3, and of 3 one leads in
    assert mixed.crossing(np.array([0, 1, 2]), neighbours) == pytest.approx(2 / 6)
    assert mixed.crossing(np.arange(6), neighbours) == 0
