"""Evidence in the surroundings: the parts of a class that lie off the object, suspected as one cue.

The counterfactual is their texture: a rectangle of them, mirrored over the surroundings of other classes' images. What
it takes away is exchanged for other classes' surroundings. Objects stay as they are, as far as the foreground tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.findings.class_parts import ClassParts, cells_of
from cam_audit.findings.codes import CONTEXT
from cam_audit.findings.counterfactual import CueTest, Roles
from cam_audit.findings.cues.records import Features, Hit, Recogniser, Suspicion
from cam_audit.findings.foreground import SURROUNDINGS
from cam_audit.findings.parts import presence_in
from cam_audit.findings.sample import Observation
from cam_audit.records import Box, Edit

# Parts in the surroundings are suspected from this share of the score on, beyond what they give other classes' images.
THRESHOLD = 0.1
# An image is flagged where they have more than this share of its score.
MOSTLY = 0.5
# An image shows them from this share of what the class's middle image has of them.
_SHOWN_FROM = 0.5
# A cell is theirs from this share of their peak in the image on.
_OF_PEAK = 0.35
# A cell is surroundings up to so much of an object in it, where the image's mean is 1. Where a part is, a little more:
# grass stands before legs.
_AROUND = 1.0
_AROUND_PARTS = 1.3
# Rectangles span so many cells each way, or they have no texture.
_MIN_CELLS = 2


def suspected(found: Sequence[ClassParts]) -> list[Suspicion]:
    """The classes of whose score a tenth or more comes from the surroundings, beyond what others have of the same."""
    observations = {one.source.name: one for of_class in found for one in of_class.own if one.foreground is not None}
    return [suspicion for of_class in found if (suspicion := _suspicion(of_class, observations)) and suspicion.hits]


def _suspicion(found: ClassParts, observations: Mapping[str, Observation]) -> Suspicion | None:
    pieces = found.on(SURROUNDINGS)
    beyond, share = (sum(getattr(piece, name) for piece in pieces) for name in ("beyond", "share"))
    if beyond < THRESHOLD:
        return None
    factors, worth = [piece.factor for piece in pieces], np.array([piece.worth for piece in pieces], np.float32)

    def added(one: Observation) -> float:
        presence = presence_in(cells_of(one, found.class_index), found.split.directions)
        return float(presence.mean(0)[factors] @ worth)

    of_own = {one.source.name: added(one) for one in found.own}
    shown_from = _SHOWN_FROM * median(of_own.values())
    maps = {
        one.source.name: np.asarray(sum(piece.worth * piece.maps[index] for piece in pieces), np.float32)
        for index, one in enumerate(found.own)
        if of_own[one.source.name] >= shown_from
    }
    boxes = {name: _richest(values, observations[name]) for name, values in maps.items()}
    shares = {name: share_in(found, observations[name]) for name in maps}
    hits = tuple(Hit(name, shares[name], boxes[name]) for name in sorted(maps, key=lambda name: (-shares[name], name)))
    showing = {one.source.name for one in found.others if added(one) >= shown_from}
    return Suspicion(
        finder=CONTEXT,
        label=found.label,
        score=beyond,
        threshold=THRESHOLD,
        images=len(found.own),
        hits=hits,
        cue=(
            f"what lies around the object, which carries {share:.0%} of its score, against "
            f"{max(0.0, share - beyond):.0%} in other classes' images"
        ),
        numbers={"surroundings_share": share, "parts": len(pieces)},
        recogniser=lambda: _recogniser(showing),
        tests=_tests(hits, maps, observations),
        looked_at=frozenset(one.source.name for one in (*found.own, *found.others)),
    )


def share_in(found: ClassParts, observation: Observation) -> float:
    """The share of the class's score that comes from the surroundings in an image whose activations were kept."""
    return found.share_on(SURROUNDINGS, cells_of(observation, found.class_index))


def _recogniser(showing: set[str]) -> Recogniser:
    def recognise(image: Features) -> Hit | None:
        return Hit(image.name, 1.0) if image.name in showing else None

    return recognise


def _tests(
    hits: tuple[Hit, ...], maps: Mapping[str, Map], observations: Mapping[str, Observation]
) -> tuple[CueTest, ...]:
    """The parts' texture in other classes' surroundings, and other classes' surroundings in place of the parts.

    Controls are the texture of a third class's surroundings, and that of the same parts in another image.
    """
    boxes = {hit.name: hit.box for hit in hits if hit.box}

    def plant(roles: Roles) -> Edit:
        return Edit("texture", box=roles.hit.box, mask=_around(observations[roles.target.name]))

    def plant_another(roles: Roles) -> Edit:
        box = _emptiest(observations[roles.other.name], like=boxes[roles.hit.name])
        return Edit("texture", box=box, mask=_around(observations[roles.target.name]))

    def theirs(name: str) -> NDArray[np.bool_]:
        strong = maps[name] >= _OF_PEAK * maps[name].max()
        return np.asarray(strong & (foreground_of(observations[name]) < _AROUND_PARTS))

    def take(roles: Roles) -> Edit:
        box = _emptiest(observations[roles.other.name], like=boxes[roles.hit.name])
        return Edit("texture", box=box, mask=theirs(roles.target.name))

    def exchange(roles: Roles) -> Edit:
        return Edit("texture", box=boxes[roles.donor.name], mask=theirs(roles.target.name))

    among = frozenset(observations)
    return (
        CueTest("context", hits, plant, plant_another, among),
        CueTest("context_taken", hits, take, exchange, among),
    )


def foreground_of(observation: Observation) -> Map:
    """How much of an object is in each cell of an image, float32 (h, w), mean 1."""
    assert observation.foreground is not None
    return observation.foreground


def _around(observation: Observation) -> NDArray[np.bool_]:
    return np.asarray(foreground_of(observation) < _AROUND)


def _richest(values: Map, observation: Observation) -> Box:
    """The rectangle with most of the parts, as little as can be of what is not theirs, and of the object."""
    peak = float(values.max()) or 1.0
    worth = values / peak - _OF_PEAK - np.maximum(foreground_of(observation) - 1, 0)
    height, width = values.shape
    sizes = [
        (rows, columns)
        for rows in range(min(_MIN_CELLS, height), height + 1)
        for columns in range(min(_MIN_CELLS, width), width + 1)
    ]
    return max((_best(worth, rows, columns) for rows, columns in sizes), key=lambda found: found[0])[1]


def _emptiest(observation: Observation, like: Box) -> Box:
    """The rectangle of the size of another with least of an object in it, and no padding."""
    foreground = foreground_of(observation)
    height, width = foreground.shape
    left, top, right, bottom = like
    rows, columns = (
        min(cells, max(1, round(share * cells))) for cells, share in ((height, bottom - top), (width, right - left))
    )
    assert observation.kept is not None
    padding = np.where(observation.kept, 0, foreground.max() + 1)
    return _best(-(foreground + padding), rows, columns)[1]


def _best(values: NDArray[np.floating], rows: int, columns: int) -> tuple[float, Box]:
    """The largest sum over the cells of a rectangle of that size, and the rectangle."""
    height, width = values.shape
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    of_place = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = np.unravel_index(int(of_place.argmax()), of_place.shape)
    box = float(left / width), float(top / height), float((left + columns) / width), float((top + rows) / height)
    return float(of_place[top, left]), box
