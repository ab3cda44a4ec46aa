"""Finds what repeats in the images of one class: stamps, logos, rulers, pasted objects, at any place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.cues.edges import edges
from cam_audit.cues.probe import MAX_CHANCE, chance_of
from cam_audit.cues.records import Box, Hit, ImageFeatures, Keypoints, Suspicion, by_label, sample_of

NAME = "duplicates"
THRESHOLD = 0.10

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
# They are one photo twice: correlation of the edges of their thumbnails. Different photos reach 0.1 to 0.4.
_SAME_PHOTO = 0.6
# An image is hit: partners in its class with which it shares the same part of itself (their boxes overlap so much,
# intersection over union, and they are so many of all partners), and more of them than in other classes: by so
# much of the class, so many times, and by no chance, as a mark on a fifth of every class is commoner in one of them.
_MIN_PARTNERS = 2
_MIN_OVERLAP = 0.5
_MIN_AGREEMENT = 2 / 3
_MIN_EXCESS = 0.03
_MIN_TIMES = 2
_OTHERS = 100
# The box of the cue: percentiles of the shared points, and how far it reaches beyond their centres in pixels.
_EXTENT = (2, 98)
_MARGIN = 10

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Shared:
    """What an image shares with image number `partner`: places (m, 2) in itself and in the partner."""

    partner: int
    here: Floats
    there: Floats


class _Stack:
    """The keypoints of many images end to end: one matrix product compares an image with all of them."""

    def __init__(self, images: Sequence[ImageFeatures]) -> None:
        keypoints = [image.keypoints for image in images]
        counts = [len(points.places) for points in keypoints]
        self.starts = np.concatenate([[0], np.cumsum(counts)])
        self.owners = np.repeat(np.arange(len(images)), counts)
        self.places = np.concatenate([points.places for points in keypoints])
        self.descriptors = root_sift(np.concatenate([points.descriptors for points in keypoints]))

    def of(self, index: int) -> tuple[Floats, Floats]:
        """Places and descriptors of one image."""
        points = slice(self.starts[index], self.starts[index + 1])
        return self.places[points], self.descriptors[points]

    def shared_with(self, places: Floats, descriptors: Floats, *, first: int = 0) -> Iterator[_Shared]:
        """What an image shares with images number `first` and on, for those with which it shares anything."""
        start = self.starts[first]
        similarity = descriptors @ self.descriptors[start:].T
        here, there = np.nonzero(similarity > _SIMILARITY)
        values = similarity[here, there]
        there += start
        owners = self.owners[there]
        # Mutual nearest neighbours: the nearest is among these pairs, as all that are left out are less similar.
        in_partner = here * (len(self.starts) - 1) + owners
        same = (values == _largest_by(in_partner, values)) & (values == _largest_by(there, values))
        same &= _alike(places[here], self.places[there])
        here, there, owners = here[same], there[same], owners[same]
        for partner in np.flatnonzero(np.bincount(owners) >= _MIN_POINTS).tolist():
            of_both = owners == partner
            piece = _in_one_piece(places[here[of_both], :2], self.places[there[of_both], :2])
            if piece:
                yield _Shared(partner, *piece)


def describe(grey: NDArray[np.uint8]) -> Keypoints:
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


def find(images: Sequence[ImageFeatures]) -> list[Suspicion]:
    """The classes of which at least 10 % of the images, and three, share something with others of the class.

    Two images share what is the same in both but for its place and scale: at least four keypoints. An image is hit
    if it shares the same part of itself with two or more other hits of its class, and shares anything with images
    of other classes at most half as often, or more rarely where that may be chance. A hit's `strength` is the
    difference of the two shares, 0..1.

    Pairs that are one photo twice, also when saved in another size or quality, are not counted; `numbers` tells how
    many images have such a twin. Twins that were cropped or shifted are not recognised.

    Source: RootSIFT and mutual matches, Arandjelovic and Zisserman, "Three things everyone should know to improve
    object retrieval" (2012).
    """
    groups = by_label(images)
    if len(groups) < 2:
        return []
    found = []
    for label, own in groups.items():
        others = sample_of([group for other, group in groups.items() if other != label], _OTHERS)
        suspicion = _find_in_class(own, others)
        if suspicion:
            found.append(suspicion)
    return found


def _find_in_class(own: list[ImageFeatures], others: list[ImageFeatures]) -> Suspicion | None:
    needed = max(_MIN_PARTNERS + 1, THRESHOLD * len(own))
    stack = _Stack(own)
    same_photo = _same_photo(own)
    shared_places = _compare(own, stack, same_photo)
    linked = _mutual([_agreeing(places) for places in shared_places])
    if len(linked) < needed:
        return None
    rest = _Stack(others)
    hits, own_rates, other_rates = [], [], []
    for index, partners in linked.items():
        outside = sum(1 for _ in rest.shared_with(*stack.of(index)))
        if _belongs_to_class(len(partners), len(own) - 1, outside, len(others)):
            own_rate, other_rate = len(partners) / (len(own) - 1), outside / len(others)
            places = np.concatenate([shared_places[index][partner] for partner in sorted(partners)])
            box = _as_fractions(_box(places), own[index].keypoints.size)
            hits.append(Hit(own[index].name, own_rate - other_rate, box))
            own_rates.append(own_rate)
            other_rates.append(other_rate)
    if len(hits) < needed:
        return None
    in_class, in_others = float(np.mean(own_rates)), float(np.mean(other_rates))
    return Suspicion(
        finder=NAME,
        label=own[0].label,
        score=len(hits) / len(own),
        threshold=THRESHOLD,
        images=len(own),
        hits=tuple(sorted(hits, key=lambda hit: (-hit.strength, hit.name))),
        seen=f"repeats the same mark or object in {len(hits)} of {len(own)} images; each shares it with "
        f"{in_class:.0%} of the class and {in_others:.0%} of the other classes",
        numbers={
            "shared_in_class": in_class,
            "shared_in_others": in_others,
            "photos_twice": int(same_photo.any(1).sum()),
        },
    )


def _compare(own: list[ImageFeatures], stack: _Stack, same_photo: NDArray[np.bool_]) -> list[dict[int, Floats]]:
    """For each image what it shares with each partner: places (m, 2) in itself."""
    shared_places: list[dict[int, Floats]] = [{} for _ in own]
    for index in range(len(own)):
        for shared in stack.shared_with(*stack.of(index), first=index + 1):
            if not same_photo[index, shared.partner]:
                shared_places[index][shared.partner] = shared.here
                shared_places[shared.partner][index] = shared.there
    return shared_places


def _agreeing(places: dict[int, Floats]) -> set[int]:
    """The partners of an image that share the same part of it; none where most share other parts.

    places: by partner, what the image shares with it. What was copied into pictures is the same part of an image
    whatever the partner; things that are merely alike, such as faces, match here in an eye and there in an ear.
    """
    if not places:
        return set()
    boxes = np.array([_box(of_partner) for of_partner in places.values()])
    overlapping = _overlaps(boxes) >= _MIN_OVERLAP
    agreeing = overlapping[overlapping.sum(1).argmax()]
    if agreeing.mean() < _MIN_AGREEMENT:
        return set()
    return {partner for partner, agrees in zip(places, agreeing, strict=True) if agrees}


def _mutual(partners: list[set[int]]) -> dict[int, set[int]]:
    """The images that have enough partners among themselves, each of them a partner's partner."""
    kept = {i: {j for j in own if i in partners[j]} for i, own in enumerate(partners)}
    while lonely := {i for i, own in kept.items() if len(own) < _MIN_PARTNERS}:
        kept = {i: own - lonely for i, own in kept.items() if i not in lonely}
    return kept


def _belongs_to_class(partners: int, own: int, outside: int, others: int) -> bool:
    """Whether sharing with `partners` of `own` images of the class is more than with `outside` of `others`.

    A mark that other classes bear as well must be commoner by more than chance; one that none of them bears need not.
    """
    own_rate, other_rate = partners / own, outside / others
    if own_rate <= other_rate + _MIN_EXCESS or own_rate < _MIN_TIMES * other_rate:
        return False
    return not outside or chance_of(partners, partners + outside, own, own + others) <= MAX_CHANCE


def root_sift(descriptors: NDArray[np.uint8]) -> Floats:
    """Square roots of the descriptors (n, 128) after each is divided by its sum: float32, unit length."""
    values = descriptors.astype(np.float32)
    roots: Floats = np.sqrt(values / np.maximum(values.sum(1, keepdims=True), 1))
    return roots


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


def _in_one_piece(here: Floats, there: Floats) -> tuple[Floats, Floats] | None:
    """The most places (m, 2) of both sides that one shift and scale explains; None where they are too few.

    Every two places propose a scale and a shift; the proposal that most places agree with wins. It is then fitted to
    these by least squares, and most of them must fit exactly, as they do in what was copied.
    """
    seeds = slice(None, None, -(-len(here) // _SEEDS))
    span_here, span_there = (places[seeds, None] - places[seeds] for places in (here, there))
    length = (span_here**2).sum(2)
    scales = (span_here * span_there).sum(2) / np.maximum(length, 1)
    first, second = np.nonzero((length >= _MIN_SPAN**2) & (scales < _MAX_RATIO) & (scales > 1 / _MAX_RATIO))
    if not len(first):
        return None
    middle_here, middle_there = ((places[seeds][first] + places[seeds][second]) / 2 for places in (here, there))
    moved = middle_there[:, None] + scales[first, second, None, None] * (here - middle_here[:, None])
    agreeing = (np.abs(moved - there) <= _TOLERANCE).all(2)
    best = agreeing[agreeing.sum(1).argmax()]
    here, there = here[best], there[best]
    needed = max(_MIN_POINTS, _MIN_EXACT * len(here))
    exact = np.ones(len(here), bool)
    for _ in range(_FITS):
        if exact.sum() < needed:
            return None
        exact = (np.abs(_fitted(here, here[exact], there[exact]) - there) <= _EXACT).all(1)
    here, there = here[exact], there[exact]
    # SIFT describes a place once for each direction that it may have; that is one place all the same.
    distinct = min(len(np.unique(np.rint(places), axis=0)) for places in (here, there))
    return (here, there) if distinct >= _MIN_POINTS and exact.sum() >= needed else None


def _fitted(places: Floats, here: Floats, there: Floats) -> Floats:
    """Places (n, 2) by the one shift and scale that brings `here` (m, 2) closest to `there` (m, 2)."""
    middle_here, middle_there = here.mean(0), there.mean(0)
    across, moved = here - middle_here, there - middle_there
    scale = (across * moved).sum() / np.maximum((across**2).sum(), 1)
    fitted: Floats = middle_there + scale * (places - middle_here)
    return fitted


def _same_photo(images: list[ImageFeatures]) -> NDArray[np.bool_]:
    """Whether two images are one photo, for all pairs: bool (n, n), not so for an image and itself."""
    fields = edges(np.stack([image.thumbnail for image in images])).reshape(len(images), -1)
    fields /= np.maximum(np.linalg.norm(fields, axis=1, keepdims=True), 1)
    same: NDArray[np.bool_] = fields @ fields.T >= _SAME_PHOTO
    np.fill_diagonal(same, False)
    return same


def _box(places: Floats) -> Floats:
    """The box around places (m, 2), float32 (4,): left, top, right, bottom in pixels, outliers left out."""
    low, high = np.percentile(places, _EXTENT, axis=0)
    return np.concatenate([low - _MARGIN, high + _MARGIN])


def _overlaps(boxes: Floats) -> Floats:
    """Intersection over union of all pairs of boxes (n, 4): float (n, n)."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(2)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    overlaps: Floats = shared / (areas[:, None] + areas - shared)
    return overlaps


def _as_fractions(box: Floats, size: tuple[int, int]) -> Box:
    left, top, right, bottom = np.clip(box / (size * 2), 0, 1).tolist()
    return left, top, right, bottom
