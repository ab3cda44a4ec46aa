"""Finds padding: strips of repeated pixels or of one colour, with which the pictures of one class were filled up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.codes import CONTEXT, FRAMING, MIXED, PADDING
from cam_audit.findings.controls import other_sides
from cam_audit.findings.counterfactual import CueTest, Roles
from cam_audit.findings.cues.cielab import in_words, to_lab
from cam_audit.findings.cues.picture import Feature, Picture
from cam_audit.findings.cues.probe import FloatArray, class_weights, comparable, pooled, separation
from cam_audit.findings.cues.records import Features, Groups, Hit, ImageFeatures, Recogniser, Suspicion
from cam_audit.images.resize import WORKING_SIDE
from cam_audit.images.rgb import RgbImage
from cam_audit.images.sharpness import Greys, grey_of
from cam_audit.records import Edit
from cam_audit.workers import Each, one_by_one

NAME = PADDING

THRESHOLD = 0.25
# What is tried: streaks and bars.
KINDS = ("streaks", "bars")

# Strips are looked for in this share of a side, from each edge on; thinner ones than so many pixels are none.
_MAX_STRIP = 1 / 3
_MIN_PIXELS = 3
# A line repeats the outermost one while it differs from it by less than this share of the power with which the
# outermost line varies along itself, which in pictures that were not filled are about the same from pixel to pixel.
_REPEATS = 0.1
# A line that varies less along itself, in grey levels from pixel to pixel, does not tell whether it is repeated.
_MIN_VARIATION = 1.0
# The outermost line of a bar deviates by at most so many grey levels; and so near to it is what belongs to the bar, as
# JPEG leaves ripples where a bar ends.
_FLAT, _NEAR = 3.0, 12.0
# Shares of a line that are near the bar's colour: in the bar at least the first, where the picture begins at most the
# second, within so many lines. The paper under a product ends nowhere like that.
_IN_BAR, _IN_PICTURE, _SEAM = 0.9, 0.5, 4
# Other finders that see it: those of colours see bars, and the others streaks as well.
_OF_COLOUR = frozenset({"border", "colour"})
_OF_EDGES = frozenset({"statistics", "template", CONTEXT, MIXED})
_SIDES = ("left", "top", "right", "bottom")
# What is filled anew reaches beyond the strip, by a share of a side, as its end may be soft.
_BEYOND = 3 / 224


@dataclass(frozen=True)
class Padding:
    """What a picture was filled up with: how far its strips reach from each edge, as a share of the side.

    `streaks`, `bars`: float32 (4,), left, top, right, bottom; 0 where there is none. `colour`: red, green
    and blue of the widest bar, float32 (3,), 0 where there is none.
    """

    streaks: FloatArray
    bars: FloatArray
    colour: FloatArray


def padding(picture: Picture) -> Padding:
    """The strips at the edges of a picture that only repeat its outermost lines, or are of one colour."""
    # a picture that was made larger is blurred from line to line
    rgb = picture.rgb if max(picture.rgb.shape[:2]) <= WORKING_SIDE else picture.working
    greys = grey_of(rgb)
    bars = np.array([_bar(lines) for lines in _from_edges(greys)], np.float32)
    # where a bar ends, all lines across it step alike, so that they would seem to repeat each other
    lines_inside = _from_edges(_inside(greys, bars))
    streaks = np.array(
        [0.0 if bar else _streaks(lines) for lines, bar in zip(lines_inside, bars, strict=True)], np.float32
    )
    colour = _colour(rgb, bars) if bars.any() else np.zeros(3, np.float32)
    return Padding(streaks, bars, colour)


FEATURES = {NAME: Feature(Padding, padding)}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes whose streaks or bars are wider than nearly all others' (TPR2); the kind that tells more names it.

    A hit's `strength` is the width of its widest strip. Four bars are a frame, which the finder of borders names.
    """
    ordered, labels = pooled(images)
    candidates = comparable(labels)
    if not candidates:
        return []
    strips = {kind: np.stack([getattr(image[NAME], kind) for image in ordered]) for kind in KINDS}
    weights = class_weights(labels)

    def find_in(k: int) -> Suspicion | None:
        telling = {kind: separation(strips[kind].max(1), labels, k) for kind in KINDS}
        telling = {kind: told for kind, told in telling.items() if told.reaches(THRESHOLD, len(KINDS))}
        if not telling:
            return None
        best = max(telling, key=lambda kind: telling[kind].rate)
        separated, own = telling[best], labels == k
        members = list(separated.members)
        sides = (strips[best][members] > 0).mean(0)
        width = float(strips[best][members].max(1).mean())
        others = float(np.average(strips[best][~own].max(1), weights=weights[~own]))
        colour = np.median([ordered[i][NAME].colour for i in members], 0)
        return Suspicion(
            finder=NAME,
            label=ordered[members[0]].label,
            score=separated.rate,
            threshold=THRESHOLD,
            images=int(own.sum()),
            hits=tuple(Hit(ordered[i].name, strength) for i, strength in separated.pairs()),
            cue=_in_words(best, sides, width, colour),
            numbers={
                "tried": float(len(KINDS)),
                **{f"{kind}_score": round(told.rate, 6) for kind, told in telling.items()},
                "class_width": round(width, 4),
                "others_width": round(others, 4),
                **{f"share_{side}": round(float(share), 3) for side, share in zip(_SIDES, sides, strict=True)},
            },
            recogniser=partial(_recogniser, best, separated.limit),
            same_as=_OF_COLOUR if best == "bars" and (sides > 0.5).all() else frozenset(),
            covers=_OF_EDGES | _OF_COLOUR | {FRAMING} if best == "bars" else _OF_EDGES,
        )

    return [suspicion for suspicion in each(find_in, candidates) if suspicion]


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """Strips as wide and at the same edges as a donor's; and its own strips filled with the picture mirrored there.

    The controls lose as much of the picture: the same strips mirrored, and as wide ones at other edges.
    """
    own = {image.name: image[NAME] for image in groups[suspicion.label]}
    kind = max(KINDS, key=lambda kind: suspicion.numbers.get(f"{kind}_score", 0.0))

    def planted(roles: Roles) -> Edit:
        found = own[roles.hit.name]
        widths = _amounts(getattr(found, kind))
        if kind == "streaks":
            return Edit("streaked", amounts=widths)
        return Edit("barred", amounts=(*widths, *map(float, found.colour)))

    def mirrored(roles: Roles, beyond: float = 0.0) -> Edit:
        return Edit("mirrored", amounts=_amounts(getattr(own[roles.hit.name], kind), beyond))

    def taken(roles: Roles) -> Edit:
        return mirrored(roles, _BEYOND)

    def elsewhere(roles: Roles) -> Edit:
        widths = taken(roles).amounts
        assert widths
        return Edit("mirrored", amounts=other_sides(widths))

    return [
        CueTest("padded", suspicion.hits, planted, mirrored),
        CueTest("padded_taken", suspicion.hits, taken, elsewhere),
    ]


def _streaks(lines: Greys) -> float:
    """The share of the lines, float32 (n, length), that repeat the first one."""
    first = lines[0]
    variation = float(np.square(np.diff(first)).mean()) if len(first) > 1 else 0.0
    if variation < _MIN_VARIATION**2:
        return 0.0
    near = lines[1 : _reach(lines)]
    return _share(_first(np.square(near - first).mean(1) > _REPEATS * variation), lines)


def _bar(lines: Greys) -> float:
    """The share of the lines, float32 (n, length), that are a bar which ends in a straight line."""
    first = lines[0]
    if float(first.std()) > _FLAT:
        return 0.0
    near = (np.abs(lines[1 : _reach(lines)] - np.median(first)) < _NEAR).mean(1)
    end = _first(near < _IN_BAR)
    if not (near[end : end + _SEAM] <= _IN_PICTURE).any():
        return 0.0
    return _share(end, lines)


def _reach(lines: Greys) -> int:
    return round(_MAX_STRIP * len(lines)) + _SEAM


def _first(holds: NDArray[np.bool_]) -> int:
    """The place of the first True, or the number of places."""
    return int(holds.argmax()) if holds.any() else len(holds)


def _share(more: int, lines: Greys) -> float:
    """The first line and so many more as a share of the lines, 0 where they are too few."""
    return (1 + more) / len(lines) if 1 + more >= _MIN_PIXELS else 0.0


def _from_edges(values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """The lines (n, length, ...) from each edge inwards: left, top, right, bottom; values: (H, W, ...)."""
    columns = values.swapaxes(0, 1)
    return columns, values, columns[::-1], values[::-1]


def _inside(greys: Greys, bars: FloatArray) -> Greys:
    """What lies between the bars; all of it where nothing does."""
    height, width = greys.shape
    left, top, right, bottom = (bars * (width, height, width, height)).round().astype(int)
    inside = greys[top : height - bottom, left : width - right]
    return inside if inside.size else greys


def _colour(rgb: RgbImage, bars: FloatArray) -> FloatArray:
    """The middle colour of the widest bar: float32 (3,)."""
    side = int(bars.argmax())
    lines = _from_edges(rgb)[side]
    pixels = lines[: round(float(bars[side]) * len(lines))].reshape(-1, 3)
    return np.asarray(np.median(pixels, axis=0), np.float32)


def _amounts(widths: FloatArray, beyond: float = 0.0) -> tuple[float, ...]:
    return tuple(float(width) + beyond if width else 0.0 for width in widths)


def _recogniser(kind: str, limit: float) -> Recogniser:
    def recognise(image: Features) -> Hit | None:
        strength = float(getattr(image[NAME], kind).max())
        return Hit(image.name, strength) if strength > limit else None

    return recognise


def _in_words(kind: str, sides: FloatArray, width: float, colour: FloatArray) -> str:
    edges = [side for side, share in zip(_SIDES, sides.tolist(), strict=True) if share > 0.5]
    where = f"at the {' and '.join(edges)}" if edges else "at one edge or another"
    what = (
        f"bars, {in_words(to_lab(colour[None, None].astype(np.uint8))[0, 0])},"
        if kind == "bars"
        else "streaks, strips in which edge pixels are repeated,"
    )
    return f"its {what} {where} ({width:.0%} of a side on average)"
