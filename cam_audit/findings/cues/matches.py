"""What images have in common: SIFT keypoints that are the same in both, moved, scaled or warped as one piece.

Source: RootSIFT and mutual matches, Arandjelovic and Zisserman, "Three things everyone should know to improve object
retrieval" (2012).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

POINTS = 150
# Two keypoints are the same: cosine of their RootSIFT descriptors, difference in angle, ratio of size.
_SIMILARITY = 0.86
_MAX_TURN = 25.0
_MAX_RATIO = 4 / 3
# Two images share something: so many distinct points, shifted and scaled alike within so many pixels. Two points
# tell the scale if they are so far apart, and of many matches so many are enough to propose one.
_MIN_POINTS = 4
_TOLERANCE = 2.0
_MIN_SPAN = 8
_SEEDS = 24
# It was copied, and not drawn or photographed again, if one shift and scale, fitted to these points so many times,
# brings so many of them to a fraction of a pixel.
_EXACT = 0.75
_MIN_EXACT = 2 / 3
_FITS = 3
# What was warped before it was pasted, as a mask is to a face, fits an affine map. That has six numbers to choose, so
# it takes more points; a length must not change beyond this ratio.
_MIN_WARPED = 8
_MAX_WARP = 1.6
_PROPOSALS = 400

Floats = NDArray[np.float32]


_Fit = Callable[[Floats, Floats, Floats], Floats]
"""Places by the map that brings the second places closest to the third."""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """SIFT keypoints of an image at its working size.

    `size`: width and height of the working image in pixels. `places`: float32 (n, 4), each the x and y in pixels
    of the working image, the diameter in pixels and the angle in degrees. `descriptors`: uint8 (n, 128).
    """

    size: tuple[int, int]
    places: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Shared:
    """What an image shares with image number `partner`: places (m, 2) in itself and in the partner.

    `copied`: whether these fit exactly, as what was copied does; or else they are merely alike.
    """

    partner: int
    here: Floats
    there: Floats
    copied: bool


class KeypointStack:
    """The keypoints of many images end to end: one matrix product compares an image with all of them."""

    def __init__(self, keypoints: Sequence[Keypoints]) -> None:
        counts = [len(points.places) for points in keypoints]
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.owners = np.repeat(np.arange(len(keypoints)), counts)
        self.places = np.concatenate([points.places for points in keypoints])
        self.descriptors = root_sift(np.concatenate([points.descriptors for points in keypoints]))

    def of(self, index: int) -> tuple[Floats, Floats]:
        """Places and descriptors of one image."""
        points = slice(self.starts[index], self.starts[index + 1])
        return self.places[points], self.descriptors[points]

    def shared_with(self, places: Floats, descriptors: Floats, *, first: int = 0) -> Iterator[Shared]:
        """What an image shares with images number `first` and on, for those with which it shares anything."""
        start = self.starts[first]
        similarity = descriptors @ self.descriptors[start:].T
        # in a flat array, where numpy finds the few that are left forty times as fast
        pairs = np.flatnonzero(similarity > _SIMILARITY)
        values = similarity.ravel()[pairs]
        here, there = np.divmod(pairs, similarity.shape[1])
        there += start
        owners = self.owners[there]
        # Mutual nearest neighbours: the nearest is among these pairs, as all that are left out are less similar.
        in_partner = here * (len(self.starts) - 1) + owners
        same = (values == _largest_by(in_partner, values)) & (values == _largest_by(there, values))
        same &= _alike(places[here], self.places[there])
        here, there, owners = here[same], there[same], owners[same]
        for partner in np.flatnonzero(np.bincount(owners) >= _MIN_POINTS).tolist():
            of_both = owners == partner
            piece = _common(places[here[of_both], :2], self.places[there[of_both], :2])
            if piece:
                yield Shared(partner, *piece)


def find_keypoints(grey: NDArray[np.uint8]) -> Keypoints:
    """The 150 strongest SIFT keypoints of a grey image, uint8 (H, W).

    Source: Lowe, "Distinctive Image Features from Scale-Invariant Keypoints" (2004).
    """
    found, descriptors = cv2.SIFT.create(POINTS).detectAndCompute(grey, None)
    # SIFT keeps more than it was asked for where some are equally strong.
    strongest = np.argsort([-point.response for point in found], kind="stable")[:POINTS]
    places = [(*found[i].pt, found[i].size, found[i].angle) for i in strongest]
    return Keypoints(
        size=(grey.shape[1], grey.shape[0]),
        places=np.array(places, np.float32).reshape(-1, 4),
        descriptors=descriptors[strongest].astype(np.uint8) if places else np.zeros((0, 128), np.uint8),
    )


def root_sift(descriptors: NDArray[np.uint8]) -> Floats:
    """Square roots of the descriptors (n, 128) after each is divided by its sum: float32, unit length."""
    # in place, as those of a class are megabytes
    values: Floats = descriptors.astype(np.float32)
    values /= np.maximum(values.sum(1, keepdims=True), 1)
    return np.sqrt(values, out=values)


def _largest_by(keys: NDArray[np.intp], values: Floats) -> Floats:
    """For each element, the largest of the values (n,), all positive, that have the same key (n,)."""
    largest = np.zeros(int(keys.max(initial=0)) + 1, np.float32)
    np.maximum.at(largest, keys, values)
    return largest[keys]


def _alike(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Whether the keypoints of each pair, (n, 4) and (n, 4), have about the same size and angle."""
    ratio = first[:, 2] / second[:, 2]
    turn = np.abs((first[:, 3] - second[:, 3] + 180) % 360 - 180)
    alike: NDArray[np.bool_] = (ratio < _MAX_RATIO) & (ratio > 1 / _MAX_RATIO) & (turn < _MAX_TURN)
    return alike


_Piece = tuple[Floats, Floats, bool]
"""Places (m, 2) on both sides, and whether they were copied."""


def _common(here: Floats, there: Floats) -> _Piece | None:
    """What both sides have in common of their matches (n, 2): copied, warped and copied, or else alike; or None."""
    piece = _in_one_piece(here, there)
    return piece if piece and piece[2] else _warped(here, there) or piece


def _in_one_piece(here: Floats, there: Floats) -> _Piece | None:
    """The most places of both sides that one shift and scale explains; None where they are too few.

    Every two places propose a scale and a shift; the proposal that most places agree with wins. It is then fitted to
    these by least squares. Where most of them fit exactly, as they do in what was copied, it is those, and True.
    """
    seeds = slice(None, None, -(-len(here) // _SEEDS))
    # as (2, n): numpy is slow over a last axis of two
    seeds_here, seeds_there = here[seeds].T, there[seeds].T
    first, second = _pairs(seeds_here.shape[1])
    span_here, span_there = (places[:, first] - places[:, second] for places in (seeds_here, seeds_there))
    length = (span_here**2).sum(0)
    scales = (span_here * span_there).sum(0) / np.maximum(length, 1)
    usable = (length >= _MIN_SPAN**2) & (scales < _MAX_RATIO) & (scales > 1 / _MAX_RATIO)
    if not usable.any():
        return None
    first, second, scales = first[usable], second[usable], scales[usable, None]
    middle_here, middle_there = ((places[:, first] + places[:, second]) / 2 for places in (seeds_here, seeds_there))
    moved = middle_there[..., None] + scales * (here.T[:, None] - middle_here[..., None])
    agreeing = (np.abs(moved - there.T[:, None]) <= _TOLERANCE).all(0)
    best = agreeing[agreeing.sum(1).argmax()]
    here, there = here[best], there[best]
    exact = _exact(here, there, _scaled, _MIN_POINTS)
    copied = exact is not None
    if copied:
        here, there = here[exact], there[exact]
    return (here, there, copied) if _distinct(here, there) >= _MIN_POINTS else None


def _warped(here: Floats, there: Floats) -> _Piece | None:
    """The places of both sides that one affine map explains exactly; None where they are too few."""
    if len(here) < _MIN_WARPED:
        return None
    proposed, agreeing = cv2.estimateAffine2D(here, there, ransacReprojThreshold=_TOLERANCE, maxIters=_PROPOSALS)
    if proposed is None or not _is_mild(proposed[:, :2]):
        return None
    best = agreeing.ravel().astype(bool)
    here, there = here[best], there[best]
    exact = _exact(here, there, _affine, _MIN_WARPED)
    if exact is None or _distinct(here[exact], there[exact]) < _MIN_WARPED:
        return None
    return here[exact], there[exact], True


def _is_mild(linear: NDArray[Any]) -> bool:
    """Whether a linear map (2, 2) neither mirrors nor changes any length too much."""
    longest, shortest = np.linalg.svd(linear, compute_uv=False)
    return bool(np.linalg.det(linear) > 0 and longest <= _MAX_WARP and shortest >= 1 / _MAX_WARP)


def _distinct(here: Floats, there: Floats) -> int:
    """How many places there are: SIFT describes a place once for each direction that it may have."""
    return min(len(set(map(tuple, np.rint(places).tolist()))) for places in (here, there))


def _exact(here: Floats, there: Floats, fitted: _Fit, least: int) -> NDArray[np.bool_] | None:
    """Which places, bool (n,), fit the one map that fits them best; None where they are fewer than `least`."""
    needed = max(least, _MIN_EXACT * len(here))
    exact = np.ones(len(here), bool)
    for _ in range(_FITS):
        if exact.sum() < needed:
            return None
        exact = (np.abs(fitted(here, here[exact], there[exact]) - there) <= _EXACT).all(1)
    return exact if exact.sum() >= needed else None


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The numbers of the first and of the second of all pairs of `count` things."""
    return np.triu_indices(count, 1)


def _scaled(places: Floats, here: Floats, there: Floats) -> Floats:
    """Places (n, 2) by the one shift and scale that brings `here` (m, 2) closest to `there` (m, 2)."""
    middle_here, middle_there = here.mean(0), there.mean(0)
    across, moved = here - middle_here, there - middle_there
    scale = (across * moved).sum() / np.maximum((across**2).sum(), 1)
    fitted: Floats = middle_there + scale * (places - middle_here)
    return fitted


def _affine(places: Floats, here: Floats, there: Floats) -> Floats:
    """Places (n, 2) by the affine map that brings `here` (m, 2) closest to `there` (m, 2)."""
    middle_here, middle_there = here.mean(0), there.mean(0)
    linear = np.linalg.lstsq(here - middle_here, there - middle_there, rcond=None)[0]
    fitted: Floats = middle_there + (places - middle_here) @ linear
    return fitted
