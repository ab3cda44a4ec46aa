"""Where a part lies, told by a net that knows objects from surroundings."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import RED, square

from cam_audit.findings.foreground import LESS, OBJECT, OPINION, SURROUNDINGS, UNKNOWN, foreground_map, ratio, where
from cam_audit.findings.parts import Pieces
from cam_audit.models.model import Model


def piece_of(*maps: np.ndarray) -> Pieces:
    whole = tuple(np.asarray(each, np.float32) for each in maps)
    presence = np.array([each.mean() for each in whole], np.float32)
    return Pieces(0.5, 0.5, np.ones(2, np.float32), 0, 1.0, whole, presence, presence > 0, presence > 0)


def test_the_ratio_is_that_of_a_plain_loop_weighted_by_presence() -> None:
    random = np.random.default_rng(0)
    maps = [random.random((3, 4)) * scale for scale in (1, 5, 0.1)]
    foregrounds = [np.asarray(random.random((3, 4)), np.float32) for _ in maps]
    top = bottom = 0.0
    for each, foreground in zip(maps, foregrounds, strict=True):
        on_it = sum(each[r, c] * foreground[r, c] for r in range(3) for c in range(4)) / each.sum()
        top += each.mean() * on_it / foreground.mean()
        bottom += each.mean()
    assert ratio(piece_of(*maps), foregrounds) == pytest.approx(top / bottom, rel=1e-5)


@pytest.mark.filterwarnings("error")
def test_a_part_everywhere_alike_is_on_the_object_once_and_one_that_is_nowhere_never() -> None:
    foreground = np.array([[4, 0], [0, 0]], np.float32)
    assert ratio(piece_of(np.ones((2, 2))), [foreground]) == pytest.approx(1)
    assert ratio(piece_of(np.array([[3, 0], [0, 0]])), [foreground]) == pytest.approx(4)
    assert ratio(piece_of(np.array([[0, 0], [0, 3]])), [foreground]) == 0
    assert ratio(piece_of(np.zeros((2, 2))), [foreground]) == 0
    # an image without the part has no say
    assert ratio(piece_of(np.ones((2, 2)), np.zeros((2, 2))), [foreground, foreground]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([], []),
        ([2.0], [OBJECT]),
        ([2.0, LESS * 2 - 0.01, LESS * 2 + 0.01], [OBJECT, SURROUNDINGS, OBJECT]),
        ([0.2, 2.0], [SURROUNDINGS, OBJECT]),
        # the net sees no object at all
        ([OPINION - 0.01, 0.1], [UNKNOWN, UNKNOWN]),
        ([OPINION, 0.1], [OBJECT, SURROUNDINGS]),
    ],
)
def test_a_part_lies_in_the_surroundings_against_the_part_that_is_most_on_the_object(
    ratios: list[float], expected: list[str]
) -> None:
    assert where(ratios) == expected


def test_there_is_more_foreground_on_a_drawn_object_and_1_on_average(model: Model) -> None:
    """The net answers to colour: the red square is an object to it, the grey around it is not."""
    rgb = square(RED, 8, 0, 16)
    found = foreground_map(model, rgb, (4, 4))
    assert (found.dtype, found.shape) == (np.float32, (4, 4))
    assert found.mean() == pytest.approx(1, rel=1e-5)
    inside = np.zeros((4, 4), bool)
    inside[:2, 1:3] = True
    np.testing.assert_allclose(found[inside], 4, rtol=1e-4)
    assert not found[~inside].any()
    # on another grid, and of a picture that is not square, it is where it was
    wide = foreground_map(model, square(RED, 96, 0, 32, width=128, height=32), (2, 4))
    assert wide.mean() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(wide, [[0, 0, 0, 4]] * 2, atol=1e-4)


@pytest.mark.filterwarnings("error")
def test_of_a_picture_without_anything_there_is_no_foreground(model: Model) -> None:
    assert not foreground_map(model, np.full((32, 32, 3), 128, np.uint8), (4, 4)).any()
