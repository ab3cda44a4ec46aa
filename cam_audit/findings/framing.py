"""Framing: how much of the picture the object fills, and where it lies, where that predicts the class.

The foreground, from a net or from masks, tells in coarse cells where the object is, and fine detail how far it reaches.
Of 12 classes of photos that were shrunk to .6, their product tells 11, the detail alone 8, the foreground alone one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.findings.codes import FRAMING
from cam_audit.findings.counterfactual import CueTest, Roles
from cam_audit.findings.cues.probe import Separation, class_weights, comparable, pooled, separation
from cam_audit.findings.cues.records import Features, Hit, Recogniser, Suspicion
from cam_audit.findings.edits import FRAMED
from cam_audit.findings.sample import Observation
from cam_audit.images.sharpness import steps_of
from cam_audit.records import Box, Edit
from cam_audit.workers import Each

THRESHOLD = 0.25

# What lies in the outer fifth of a side is at the edges.
_EDGE = 0.2
# From a standard deviation to the side of what is even.
_TO_SIDE = np.sqrt(12)
# With a foreground net, whose cells take in surroundings, an object's size is about this power of what is measured:
# where photos and drawings were shrunk to .6 and .75, width and height were .78 and .85. Masks need none.
_FOLLOWS = 2
# By the foreground alone, too, a class must differ so much, in the same direction: Cohen's d, "very large" (Sawilowsky,
# "New effect size rules of thumb", 2009). Detail also depends on how much an object stands out from its ground.
AGREES = 1.2

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Statistic:
    """A number of where the object lies: its name in `numbers`, and how one says that it is more, and less."""

    name: str
    more: str
    less: str


# In the order of `statistics_of`; each is tried both ways.
STATISTICS = (
    _Statistic("centre_x", "further to the right", "further to the left"),
    _Statistic("centre_y", "further down", "further up"),
    _Statistic("width", "wider in the picture", "narrower in the picture"),
    _Statistic("height", "taller in the picture", "lower in the picture"),
    _Statistic("at_edges", "nearer to the edges", "further from the edges"),
)
TRIED = 2 * len(STATISTICS)
_CENTRE, _SIZE = slice(0, 2), slice(2, 4)
# A statistic, whether it is more (1) or less (-1), and how it separates a class.
_Way = tuple[_Statistic, int, Separation]


def statistics_of(weights: Map) -> Floats:
    """The STATISTICS of where an object lies, as shares of the picture's sides: float32 (5,).

    weights: float32 (h, w), how much of the object is at each place.
    """
    height, width = weights.shape
    weights = weights / max(float(weights.sum()), 1e-9)
    x, wide = _place_along(weights.sum(0))
    y, tall = _place_along(weights.sum(1))
    rows, columns = round(_EDGE * height), round(_EDGE * width)
    inside = float(weights[rows : height - rows, columns : width - columns].sum())
    return np.array([x, y, wide, tall, 1 - inside], np.float32)


def weights_of(foreground: Map, greys: NDArray[np.uint8]) -> Map:
    """How much of the object is at each place: the foreground times the steps of grey there, float32 (H, W).

    foreground: float32 (h, w); greys: uint8 (H, W), both of the whole picture.
    """
    steps = steps_of(greys)
    spread: Map = cv2.resize(foreground, greys.shape[::-1], interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    # where nothing is to be seen, the foreground alone says where it is
    return np.asarray(spread * (steps + 1e-3), np.float32)


def suspected(groups: Mapping[str, Sequence[Observation]], each: Each) -> list[Suspicion]:
    """The classes that one of the statistics tells from the others, as more or as less than theirs (TPR2).

    Asked in the classes whose images were taken to parts and all have a foreground. As in `cues.statistics`, the best
    one names the cue, and each must be as many times less likely by chance as there are tried.
    """
    observations = {one.source.name: one for group in groups.values() for one in _told(group)}
    ordered, labels = pooled([one.features for one in observations.values()])
    candidates = comparable(labels)
    if not candidates:
        return []
    told = [observations[image.name] for image in ordered]
    values, alone = (np.stack(list(each(measure, told))) for measure in (_measured, _foreground_alone))
    power = 1 if all(one.masked for one in told) else _FOLLOWS
    weights = class_weights(labels)
    frames = {
        label: _Difference(
            values[labels == k].mean(0), np.average(values[labels != k], axis=0, weights=weights[labels != k]), power
        )
        for k, label in enumerate(sorted({image.label for image in ordered}))
    }
    by_name = {image.name: of_image for image, of_image in zip(ordered, values, strict=True)}

    def find_in(k: int) -> Suspicion | None:
        ways = [
            (statistic, sign, separation(sign * values[:, place], labels, k))
            for place, statistic in enumerate(STATISTICS)
            for sign in (1, -1)
        ]
        telling = sorted(
            (
                way
                for way in ways
                if way[2].reaches(THRESHOLD, TRIED) and _agrees(alone[:, STATISTICS.index(way[0])], way, labels != k)
            ),
            key=lambda way: way[2].rate,
            reverse=True,
        )
        if not telling:
            return None
        best, sign, separated = telling[0]
        label = ordered[separated.members[0]].label
        hits = tuple(Hit(ordered[i].name, score, _box(values[i])) for i, score in separated.pairs())
        # of the images that show it, as in others of the class there may be nothing to give
        shown = _Difference(values[list(separated.members)].mean(0), frames[label].others, power)
        return Suspicion(
            finder=FRAMING,
            label=label,
            score=separated.rate,
            threshold=THRESHOLD,
            images=int((labels == k).sum()),
            hits=hits,
            cue=_in_words(best, sign, shown),
            numbers=_numbers(telling, frames[label]),
            recogniser=lambda: _recogniser(by_name, STATISTICS.index(best), sign, separated.limit),
            tests=_tests(hits, by_name, {**frames, label: shown}, label),
            looked_at=frozenset(observations),
        )

    return [suspicion for suspicion in each(find_in, candidates) if suspicion]


def _told(group: Sequence[Observation]) -> list[Observation]:
    """The images that were taken to parts, where all of them have a foreground."""
    kept = [one for one in group if one.activations is not None]
    return kept if all(one.foreground is not None for one in kept) else []


@dataclass(frozen=True, slots=True)
class _Difference:
    """The mean statistics of a class, float (5,), and those of the other classes, which count the same.

    `power`: the size of an object is this power of what is measured.
    """

    own: Floats
    others: Floats
    power: int

    @property
    def size(self) -> float:
        """How many times as large the class's object is, as a share of the picture's sides."""
        return float(np.sqrt((self.own[_SIZE] / np.maximum(self.others[_SIZE], 1e-6)).prod()) ** self.power)

    @property
    def moved(self) -> Floats:
        """How far the class's object lies from where the others' do."""
        return self.own[_CENTRE] - self.others[_CENTRE]

    @property
    def inverse(self) -> _Difference:
        """From the class to the others."""
        return _Difference(self.others, self.own, self.power)


def edit_for(values: Floats, difference: _Difference) -> Edit:
    """The edit that frames a picture like a class: scaled, and its object moved as far as the class's is from others.

    values: the picture's statistics, float32 (5,).
    """
    factor = min(max(difference.size, FRAMED[0]), FRAMED[1])
    centre = values[_CENTRE] + difference.moved + factor * (0.5 - values[_CENTRE])
    return Edit("framed", amounts=(factor, float(centre[0]), float(centre[1])))


def _tests(
    hits: tuple[Hit, ...], values: Mapping[str, Floats], frames: Mapping[str, _Difference], label: str
) -> tuple[CueTest, ...]:
    """The class's framing given to others and taken from its own; the control is a third class's."""

    def give(roles: Roles) -> Edit:
        return edit_for(values[roles.target.name], frames[label])

    def give_another(roles: Roles) -> Edit:
        return edit_for(values[roles.target.name], frames[roles.other.label])

    def take(roles: Roles) -> Edit:
        return edit_for(values[roles.target.name], frames[label].inverse)

    def take_another(roles: Roles) -> Edit:
        return edit_for(values[roles.target.name], frames[roles.other.label].inverse)

    among = frozenset(values)
    return (
        CueTest("framed", hits, give, give_another, among),
        CueTest("framed_taken", hits, take, take_another, among),
    )


def _measured(observation: Observation) -> Floats:
    assert observation.foreground is not None
    return statistics_of(weights_of(observation.foreground, observation.features["thumbnail"]))


def _foreground_alone(observation: Observation) -> Floats:
    assert observation.foreground is not None
    side = observation.features["thumbnail"].shape[0]
    return statistics_of(cv2.resize(observation.foreground, (side, side), interpolation=cv2.INTER_LINEAR))  # type: ignore[arg-type]


def _agrees(values: Floats, way: _Way, others: NDArray[np.bool_]) -> bool:
    """Whether the foreground alone differs as a way says, by Cohen's d; values: float32 (n,), others: bool (n,)."""
    _, sign, separated = way
    own, rest = values[list(separated.members)], values[others]
    deviation = np.sqrt((own.var(ddof=1) + rest.var(ddof=1)) / 2)
    return bool(sign * (own.mean() - rest.mean()) >= AGREES * deviation)


def _place_along(weights: Floats) -> tuple[float, float]:
    """The centre along a side, and how much of it is filled; weights: float32 (n,) that sum to 1."""
    places = (np.arange(len(weights)) + 0.5) / len(weights)
    centre = float(weights @ places)
    return centre, float(_TO_SIDE * np.sqrt(max(0.0, float(weights @ (places - centre) ** 2))))


def _box(values: Floats) -> Box:
    """About where the object lies."""
    x, y, width, height = values[:4].tolist()
    left, right = max(0.0, x - width / 2), min(1.0, x + width / 2)
    return left, max(0.0, y - height / 2), right, min(1.0, y + height / 2)


def _recogniser(values: Mapping[str, Floats], place: int, sign: int, limit: float) -> Recogniser:
    """Recognises images whose foreground is known."""

    def recognise(image: Features) -> Hit | None:
        if image.name not in values or sign * values[image.name][place] <= limit:
            return None
        return Hit(image.name, sign * float(values[image.name][place]), _box(values[image.name]))

    return recognise


def _in_words(best: _Statistic, sign: int, shown: _Difference) -> str:
    width, height = (f"{shown.own[place]:.0%} of the {side}" for place, side in ((2, "width"), (3, "height")))
    way = best.more if sign > 0 else best.less
    return (
        f"how its pictures are framed: the object lies {way} than in the other classes (it fills {width} and {height} "
        f"on average in those images, {shown.others[2]:.0%} and {shown.others[3]:.0%} in the other classes)"
    )


def _numbers(telling: Sequence[_Way], difference: _Difference) -> dict[str, float]:
    """For each statistic that tells the class, the share that it tells; and the means of the class and the others."""
    numbers = {"tried": float(TRIED)}
    for statistic, _, separated in telling:
        numbers.setdefault(f"{statistic.name}_score", round(separated.rate, 6))
    for place, statistic in enumerate(STATISTICS):
        numbers[f"class_{statistic.name}"] = round(float(difference.own[place]), 3)
        numbers[f"others_{statistic.name}"] = round(float(difference.others[place]), 3)
    return numbers
