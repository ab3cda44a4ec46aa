"""Finds picture statistics that predict the class: how bright, sharp, noisy or flat its pictures are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import cv2
import numpy as np

from cam_audit.findings.codes import CONTEXT, PADDING
from cam_audit.findings.counterfactual import CueTest
from cam_audit.findings.cues import files
from cam_audit.findings.cues.picture import Feature, Picture
from cam_audit.findings.cues.probe import (
    FloatArray,
    Labels,
    Separation,
    class_weights,
    comparable,
    pooled,
    separation,
)
from cam_audit.findings.cues.records import Features, Groups, Hit, ImageFeatures, Recogniser, Suspicion, means_of
from cam_audit.images.sharpness import BLOCKY_SIDE, Greys, blockiness, grey_of, magnitude, sharpness, steps_of
from cam_audit.records import Edit
from cam_audit.workers import Each, one_by_one

NAME = "statistics"

THRESHOLD = 0.25

# Grey levels a pixel from which on a step is an edge, and below which a place is flat, of a picture of 112 pixels.
_EDGE, _FLAT = 12, 2
# What a factor adds to both sides, so that none near 0 blows up.
_LITTLE = 1.0
# From the median distance from 0 to the standard deviation of noise.
_TO_DEVIATION = 1.4826
# A noise that leaves grey and its two diagonals alone (Immerkaer, "Fast Noise Variance Estimation", 1996).
_NOISE = np.array([(1, -2, 1), (-2, 4, -2), (1, -2, 1)], np.float32) / 6


@dataclass(frozen=True, slots=True)
class _Statistic:
    """A number of each picture: its name in `numbers`, what it is called, and its unit, as it follows the number.

    `test`: that which gives other pictures the class's, "" where no edit does. `seen_by`: finders of colours,
    backgrounds, marks and padding that see what may move it.
    """

    name: str
    noun: str
    unit: str
    test: str = ""
    seen_by: frozenset[str] = frozenset()


_AS_PADDING = frozenset({PADDING})
_AS_COLOUR = frozenset({"border", "colour"}) | _AS_PADDING
_AS_MARK = frozenset({"duplicates", "template"}) | _AS_PADDING
_AS_BACKGROUND = _AS_MARK | {"border", CONTEXT}
# In the order of the feature.
STATISTICS = (
    _Statistic("brightness", "brightness", " of 255", "levels", _AS_COLOUR),
    _Statistic("contrast", "contrast", " grey levels", "levels", _AS_COLOUR),
    _Statistic("saturation", "saturation", " units of Lab", "saturation", _AS_COLOUR),
    _Statistic("sharpness", "sharpness", " octaves", "sharpness", _AS_PADDING),
    _Statistic("noise", "noise", " grey levels", seen_by=_AS_MARK),
    _Statistic("blockiness", "JPEG blocks", " octaves", "recompressed", _AS_PADDING),
    _Statistic("edges", "share of edges", "", seen_by=_AS_BACKGROUND),
    _Statistic("flat", "share that is flat", "", seen_by=_AS_BACKGROUND),
)
_PLACE = {statistic.name: place for place, statistic in enumerate(STATISTICS)}
# Each statistic is tried both ways, as more and as less than in the other classes.
TRIED = 2 * len(STATISTICS)


def statistics(picture: Picture) -> FloatArray:
    """The STATISTICS of a picture: float32 (8,).

    They are measured at the sizes at which pictures are compared, so that a reduced decode hardly changes them.
    """
    small, working = grey_of(picture.small), grey_of(picture.working)
    steps, chroma = steps_of(small), magnitude(picture.lab[..., 1], picture.lab[..., 2])
    return np.array(
        [
            small.mean(),
            small.std(),
            chroma.mean(),
            sharpness(working),
            _noise(working),
            _blocks(picture),
            (steps > _EDGE).mean(),
            (steps < _FLAT).mean(),
        ],
        np.float32,
    )


FEATURES = {"statistics": Feature(np.ndarray, statistics), "file": files.FEATURES["file"]}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes that one of the statistics tells from the others, as more or as less than theirs (TPR2).

    Of all that tell it the best one names the cue. As so many are tried, each must be as many times less likely by
    chance (Bonferroni). A hit's `strength` is the statistic, negative where it is less.
    """
    ordered, labels = pooled(images)
    candidates = comparable(labels)
    if not candidates:
        return []
    values = np.stack([image["statistics"] for image in ordered])
    weights = class_weights(labels)

    def find_in(k: int) -> Suspicion | None:
        telling = _telling(values, labels, k)
        if not telling:
            return None
        best = max(telling, key=lambda statistic: telling[statistic][1].rate)
        sign, separated = telling[best]
        own = labels == k
        shown = values[list(separated.members), _PLACE[best.name]].mean()
        others = np.average(values[~own], axis=0, weights=weights[~own])
        return Suspicion(
            finder=NAME,
            label=ordered[separated.members[0]].label,
            score=separated.rate,
            threshold=THRESHOLD,
            images=int(own.sum()),
            hits=tuple(Hit(ordered[i].name, strength) for i, strength in separated.pairs()),
            cue=_in_words(best, sign, float(shown), float(others[_PLACE[best.name]]), list(telling)),
            numbers=_numbers(telling, values[own].mean(0), others),
            recogniser=partial(_recogniser, _PLACE[best.name], sign, separated.limit),
            same_as=best.seen_by,
        )

    return [suspicion for suspicion in each(find_in, candidates) if suspicion]


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """What the class has more or less of than the others, given and taken away; the control is a third class's.

    Noise, edges and flat places can't be given to a picture of something else. Nor can blocks be taken away.
    """
    telling = [statistic for statistic in STATISTICS if score_of(statistic.name) in suspicion.numbers]
    shown = {hit.name for hit in suspicion.hits}
    own = [image for image in groups[suspicion.label] if image.name in shown]
    difference = difference_of({**groups, suspicion.label: own})
    names = dict.fromkeys(statistic.test for statistic in telling if statistic.test)
    return [test for name in names for test in _tests(name, suspicion, difference)]


@dataclass(frozen=True, slots=True)
class Difference:
    """The mean statistics of a class, float (8,), and of the other classes; `side`: its pictures' median long side."""

    own: FloatArray
    others: FloatArray
    side: int


def difference_of(groups: Groups) -> Callable[[str], Difference]:
    """What tells by what a class differs from the others, which count the same."""
    means = means_of(groups, lambda image: image["statistics"])

    def difference(label: str) -> Difference:
        sides = (max(image["file"].width, image["file"].height) for image in groups[label])
        return Difference(*means(label), round(median(sides)))

    return difference


def score_of(statistic: str) -> str:
    """The name under which `numbers` has the share of the class that a statistic tells."""
    return f"{statistic}_score"


def _telling(values: FloatArray, labels: Labels, class_index: int) -> dict[_Statistic, tuple[int, Separation]]:
    """The statistics that tell a class, each with its better way: 1 where the class has more, -1 where less."""
    telling: dict[_Statistic, tuple[int, Separation]] = {}
    for place, statistic in enumerate(STATISTICS):
        ways = [(sign, separation(sign * values[:, place], labels, class_index)) for sign in (1, -1)]
        best = max(ways, key=lambda way: way[1].rate)
        if best[1].reaches(THRESHOLD, TRIED):
            telling[statistic] = best
    return telling


def _tests(name: str, suspicion: Suspicion, difference: Callable[[str], Difference]) -> list[CueTest]:
    def give(label: str) -> Edit:
        return _edit(name, difference(label))

    def take(label: str) -> Edit:
        of_class = difference(label)
        return _edit(name, Difference(of_class.others, of_class.own, of_class.side))

    given = CueTest(name, suspicion.hits, lambda roles: give(suspicion.label), lambda roles: give(roles.other.label))
    if name == "recompressed":
        of_class = difference(suspicion.label)
        more = of_class.own[_PLACE["blockiness"]] > of_class.others[_PLACE["blockiness"]]
        return [given] if more else []
    taken = CueTest(
        f"{name}_taken", suspicion.hits, lambda roles: take(suspicion.label), lambda roles: take(roles.other.label)
    )
    return [given, taken]


def _edit(name: str, difference: Difference) -> Edit:
    """The edit that makes pictures of the others like the class's own."""

    def more(statistic: str) -> float:
        return float(difference.own[_PLACE[statistic]] - difference.others[_PLACE[statistic]])

    def times(statistic: str) -> float:
        own, others = difference.own[_PLACE[statistic]], difference.others[_PLACE[statistic]]
        return float((own + _LITTLE) / (others + _LITTLE))

    if name == "levels":
        amounts: tuple[float, ...] = more("brightness"), times("contrast")
    elif name == "saturation":
        amounts = (times("saturation"),)
    elif name == "sharpness":
        amounts = (more("sharpness"),)
    else:
        amounts = more("blockiness"), float(difference.side)
    return Edit(name, amounts=amounts)


def _noise(greys: Greys) -> float:
    """The standard deviation of noise, in grey levels, of a picture most of which is smooth; greys: float32 (H, W)."""
    # of every other row, as a median is dear
    return float(np.median(np.abs(cv2.filter2D(greys, cv2.CV_32F, _NOISE)[::2]))) * _TO_DEVIATION


def _blocks(picture: Picture) -> float:
    """The picture's blockiness, 0 where blocks are too small to be seen at the size at which pictures are compared."""
    height, width = picture.rgb.shape[:2]
    if max(picture.size) > BLOCKY_SIDE or (width, height) != picture.size:
        return 0.0
    return blockiness(grey_of(picture.rgb))


def _recogniser(place: int, sign: int, limit: float) -> Recogniser:
    def recognise(image: Features) -> Hit | None:
        strength = sign * float(image["statistics"][place])
        return Hit(image.name, strength) if strength > limit else None

    return recognise


def _in_words(best: _Statistic, sign: int, shown: float, others: float, telling: Sequence[_Statistic]) -> str:
    way = "higher" if sign > 0 else "lower"
    numbers = f"{shown:.3g}{best.unit} on average in those images, {others:.3g} in the other classes"
    further = [statistic.noun for statistic in telling if statistic is not best]
    told = f"its {best.noun}, {way} than in the other classes ({numbers})"
    return f"{told}; also by its {', '.join(further)}" if further else told


def _numbers(
    telling: dict[_Statistic, tuple[int, Separation]], own: FloatArray, others: FloatArray
) -> dict[str, float]:
    """For each statistic that tells the class, the share that it tells, and the means of the class and the others."""
    numbers = {"tried": float(TRIED)}
    for statistic, (_, separated) in telling.items():
        place = _PLACE[statistic.name]
        numbers[score_of(statistic.name)] = round(separated.rate, 6)
        numbers[f"class_{statistic.name}"] = round(float(own[place]), 3)
        numbers[f"others_{statistic.name}"] = round(float(others[place]), 3)
    return numbers
