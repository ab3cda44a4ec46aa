"""Pairs of images that show one thing make things, and enough of them a suspicion."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.cues.same_thing import ThingPair, suspected, things_of

HERE, THERE = (0.0, 0.0, 1.0, 0.5), (0.0, 0.5, 1.0, 1.0)


def pair(first: int, second: int, points: int = 10) -> ThingPair:
    return ThingPair((first, second), (HERE, THERE), points)


def images(count: int) -> Sequence[ImageFeatures]:
    return [ImageFeatures(f"tile/{index:02}.jpg", "tile", {}) for index in range(count)]


def test_what_pairs_connect_is_one_thing_those_of_most_images_first() -> None:
    assert things_of([]) == []
    assert things_of([pair(5, 6), pair(1, 2), pair(3, 4), pair(2, 3)]) == [[1, 2, 3, 4], [5, 6]]
    # whatever the order in which they are connected
    assert things_of([pair(3, 4), pair(0, 1), pair(1, 4), pair(0, 3), pair(7, 8)]) == [[0, 1, 3, 4], [7, 8]]


def test_examples_are_pairs_of_one_thing_that_share_most() -> None:
    found = suspected(images(10), [pair(0, 1, 9), pair(0, 7, 30), pair(2, 9, 12), pair(1, 7, 8)])
    assert found
    assert [hit.name[5:7] for hit in found.hits] == ["00", "07", "02", "09", "01"]
    assert [hit.box for hit in found.hits] == [HERE, THERE, HERE, THERE, THERE]
    assert found.numbers == {"things": 2, "largest_thing": 3}
    # five images of two things: three show what others show already
    assert (found.score, found.images, found.finder) == (0.3, 10, "same_thing")
    assert found.cue == "things that several of its images show, 2 of them"


@pytest.mark.parametrize(("count", "pairs", "reported"), [(20, 2, True), (21, 2, False), (12, 1, False), (31, 4, True)])
def test_it_takes_a_tenth_of_the_class_and_two_that_show_a_thing_again(count: int, pairs: int, reported: bool) -> None:
    assert bool(suspected(images(count), [pair(2 * i, 2 * i + 1) for i in range(pairs)])) == reported
