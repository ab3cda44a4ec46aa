"""The same thing in several images of one class: a tile, a package, a patient, photographed again.

Two images show one thing where what they share covers much of both, see `duplicates`, which compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from cam_audit.findings.cues.records import Hit, ImageFeatures, Suspicion
from cam_audit.records import Box, area_of

NAME = "same_thing"
# Share of the class's images that show what another one shows already.
THRESHOLD = 0.10
# So many images show a thing again, whatever share of the class that is.
_MIN_AGAIN = 2


@dataclass(frozen=True, slots=True)
class ThingPair:
    """Two images of a class, by their numbers, that show one thing: where it is in each, and by how many points."""

    images: tuple[int, int]
    boxes: tuple[Box, Box]
    points: int


def suspected(own: Sequence[ImageFeatures], pairs: Sequence[ThingPair]) -> Suspicion | None:
    """The class, where at least 10 % of its images, and two, show what another of them shows already.

    Of each thing the two images that share most come first, so that examples are pairs of one thing.
    """
    things = things_of(pairs)
    again = sum(map(len, things)) - len(things)
    if again < max(_MIN_AGAIN, THRESHOLD * len(own)):
        return None
    best = {index: pair for pair in reversed(_by_points(pairs)) for index in pair.images}
    closest = [_by_points([pair for pair in pairs if pair.images[0] in thing])[0] for thing in things]
    ordered = dict.fromkeys([*chain.from_iterable(pair.images for pair in closest), *chain.from_iterable(things)])
    hits = []
    for index in ordered:
        box = best[index].boxes[best[index].images.index(index)]
        hits.append(Hit(own[index].name, area_of(box), box))
    return Suspicion(
        finder=NAME,
        label=own[0].label,
        score=again / len(own),
        threshold=THRESHOLD,
        images=len(own),
        hits=tuple(hits),
        cue=(
            "a thing that several of its images show"
            if len(things) == 1
            else f"things that several of its images show, {len(things)} of them"
        ),
        numbers={"things": len(things), "largest_thing": len(things[0])},
    )


def _by_points(pairs: Sequence[ThingPair]) -> list[ThingPair]:
    return sorted(pairs, key=lambda pair: (-pair.points, pair.images))


def things_of(pairs: Sequence[ThingPair]) -> list[list[int]]:
    """The images of each thing, those of most images first: what pairs connect, directly or by others."""
    thing_of: dict[int, set[int]] = {}
    for pair in pairs:
        first, second = (thing_of.setdefault(index, {index}) for index in pair.images)
        if first is not second:
            first |= second
            thing_of |= dict.fromkeys(second, first)
    things = {min(thing): sorted(thing) for thing in thing_of.values()}
    return sorted(things.values(), key=lambda thing: (-len(thing), thing))
