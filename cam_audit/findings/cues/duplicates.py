"""Finds what repeats in the images of one class: stamps, logos, rulers, pasted objects, at any place.

What repeats and covers much of the picture is no mark, but the same thing, photographed again: see `same_thing`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.controls import elsewhere
from cam_audit.findings.counterfactual import CueTest, Roles
from cam_audit.findings.cues import same_thing
from cam_audit.findings.cues.edges import edges
from cam_audit.findings.cues.matches import Floats, Keypoints, KeypointStack, Shared, find_keypoints, root_sift
from cam_audit.findings.cues.picture import THUMBNAIL, Feature, Picture
from cam_audit.findings.cues.probe import MAX_CHANCE, chance_of
from cam_audit.findings.cues.records import (
    Features,
    Groups,
    Hit,
    ImageFeatures,
    Recogniser,
    Suspicion,
    by_label,
    sample_of,
)
from cam_audit.records import MAX_LOCAL_AREA, Box, Edit, area_of
from cam_audit.workers import Each, one_by_one

NAME = "duplicates"
THRESHOLD = 0.10

# They are one photo twice: correlation of the edges of their thumbnails. Different photos reach 0.1 to 0.4.
_SAME_PHOTO = 0.6
# An image is hit: partners in its class with which it shares the same part of itself (their boxes overlap so much,
# intersection over union, and they are so many of all partners), and, where it has partners in other classes, more than
# those: by so much of the class, so many times, and by no chance, as it may be of a mark that is everywhere.
_MIN_PARTNERS = 2
_MIN_OVERLAP = 0.5
_MIN_AGREEMENT = 2 / 3
_MIN_EXCESS = 0.03
_MIN_TIMES = 2
# A mark covers at most so much of one of two pictures; what covers more of both is one thing that both show, or one
# photo twice, cropped. Two images are enough for that, so it takes twice as many points as a mark.
_SMALL = 0.25
_THING_POINTS = 8
# One partner is enough for a mark that reaches so many pixels, as points close together fit by chance.
_MIN_REACH = 20
_OTHERS = 100
# Further images are compared with so many of the hits.
_COMPARED = 24
# The box of the cue: percentiles of the shared points, and how far it reaches beyond their centres in pixels.
_EXTENT = (2, 98)
_MARGIN = 10


def _keypoints(picture: Picture) -> Keypoints:
    return find_keypoints(cv2.cvtColor(picture.working, cv2.COLOR_RGB2GRAY))  # type: ignore[arg-type]


FEATURES = {"keypoints": Feature(Keypoints, _keypoints), "thumbnail": THUMBNAIL}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes of which at least 10 % of the images, and three, share something with others of the class.

    Two images share what is the same in both but for its place and scale: at least four keypoints. An image is hit
    if it shares the same part of itself with two or more other hits of its class, or a small part with one, and
    shares anything with images of other classes at most half as often, or more rarely where that may be chance. A
    hit's `strength` is the difference of the two shares, 0..1.

    Pairs that are one photo twice, also when saved in another size or quality, are not counted; `numbers` tells how
    many images have such a twin. Twins that were cropped or shifted share much of themselves, and are one thing, as
    what is photographed again: such pairs are suspected by the name of `same_thing`.
    """
    groups = by_label(images)
    if len(groups) < 2:
        return []

    def find_in(label: str) -> list[Suspicion]:
        own = groups[label]
        others = sample_of([group for other, group in groups.items() if other != label], _OTHERS)
        shared = _compare(own)
        mark, thing = _repeated_mark(own, others, shared), _same_thing(own, others, shared)
        return [
            *([replace(mark, recogniser=partial(_recogniser, mark.hits, own, others))] if mark else []),
            *([replace(thing, recogniser=partial(_thing_recogniser, thing.hits, own))] if thing else []),
        ]

    return [suspicion for of_class in each(find_in, groups) for suspicion in of_class]


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """What lies in the donor's box, pasted into the same place, and painted over in its own image.

    Controls are the same box of another class's image, and a box of the same size at another place. A box that covers
    more than a quarter of the picture is not pasted: what replaces most of a picture says nothing about a mark.
    """
    small, local = (
        tuple(hit for hit in suspicion.hits if hit.box and area_of(hit.box) <= limit)
        for limit in (_SMALL, MAX_LOCAL_AREA)
    )

    def paste(roles: Roles) -> Edit:
        return Edit("paste", box=roles.hit.box)

    def paint(roles: Roles) -> Edit:
        return Edit("painted_over", box=roles.hit.box)

    def paint_elsewhere(roles: Roles) -> Edit:
        return Edit("painted_over", box=roles.hit.box and elsewhere(roles.hit.box))

    return [CueTest("paste", small, paste, paste), CueTest("painted_over", local, paint, paint_elsewhere)]


@dataclass(frozen=True)
class _SharedParts:
    """What the images of a class share, pair by pair.

    `stack`: their keypoints; `same_photo`: whether two are one photo, bool (n, n). `marks`, `alike`: for each image, by
    partner, the places (m, 2) in itself of what was copied and covers little of either, and of what is merely alike.
    `things`: the pairs that show one thing.
    """

    stack: KeypointStack
    same_photo: NDArray[np.bool_]
    marks: list[dict[int, Floats]]
    alike: list[dict[int, Floats]]
    things: list[same_thing.ThingPair]


def _repeated_mark(own: list[ImageFeatures], others: list[ImageFeatures], shared: _SharedParts) -> Suspicion | None:
    needed = max(_MIN_PARTNERS + 1, THRESHOLD * len(own))
    keypoints, stack, shared_places = _keypoints_of(own), shared.stack, shared.marks

    def convinces(index: int, partner: int) -> bool:
        return _convinces(shared_places[index][partner], keypoints[index].size, shared.alike[index].values())

    linked = _mutual([_agreeing(places) for places in shared_places], convinces)
    if len(linked) < needed:
        return None
    rest = KeypointStack(_keypoints_of(others))
    hits, own_rates, other_rates = [], [], []
    for index, partners in linked.items():
        outside = sum(other.copied for other in rest.shared_with(*stack.of(index)))
        if _belongs_to_class(len(partners), len(own) - 1, outside, len(others)):
            own_rate, other_rate = len(partners) / (len(own) - 1), outside / len(others)
            places = np.concatenate([shared_places[index][partner] for partner in sorted(partners)])
            box = _as_fractions(_box(places), keypoints[index].size)
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
        cue="a mark or object that is the same in many of its images",
        numbers={
            "shared_in_class": in_class,
            "shared_in_others": in_others,
            "photos_twice": int(shared.same_photo.any(1).sum()),
        },
    )


def _recogniser(hits: Sequence[Hit], own: list[ImageFeatures], others: list[ImageFeatures]) -> Recogniser:
    """Recognises what shares the same part of itself with the boxes of hits, by the rule that made these hits.

    Only what lies in a hit's box counts there, so what is recognised is the cue and not some other likeness. The
    other classes are compared with that part alone.
    """
    by_name = {image.name: image["keypoints"] for image in own}
    compared = sample_of([hits], _COMPARED)
    cues = KeypointStack([_inside(by_name[hit.name], hit.box) for hit in compared if hit.box])
    rest = KeypointStack(_keypoints_of(others))

    def recognise(image: Features) -> Hit | None:
        keypoints: Keypoints = image["keypoints"]
        places, descriptors = keypoints.places, root_sift(keypoints.descriptors)
        shared = {each.partner: each.here for each in cues.shared_with(places, descriptors) if each.copied}
        partners = sorted(_agreeing(shared))
        if len(partners) < _MIN_PARTNERS:
            return None
        box = _box(np.concatenate([shared[partner] for partner in partners]))
        same = _lie_in(places, box)
        # as many of the class as it would share the cue with, were it compared with all hits
        inside = round(len(partners) / len(compared) * len(hits))
        outside = sum(each.copied for each in rest.shared_with(places[same], descriptors[same]))
        if not _belongs_to_class(inside, len(own), outside, len(others)):
            return None
        strength = inside / len(own) - outside / len(others)
        return Hit(image.name, strength, _as_fractions(box, keypoints.size))

    return recognise


def _keypoints_of(images: Sequence[ImageFeatures]) -> list[Keypoints]:
    return [image["keypoints"] for image in images]


def _inside(keypoints: Keypoints, box: Box) -> Keypoints:
    """Those that lie in a box."""
    inside = _lie_in(keypoints.places, np.array(box, np.float32) * (keypoints.size * 2))
    return replace(keypoints, places=keypoints.places[inside], descriptors=keypoints.descriptors[inside])


def _lie_in(places: Floats, box: Floats) -> NDArray[np.bool_]:
    """Whether keypoints (n, 4) lie in a box (4,), both in pixels: bool (n,)."""
    return np.asarray(((places[:, :2] >= box[:2]) & (places[:, :2] <= box[2:])).all(1))


def _compare(own: Sequence[ImageFeatures]) -> _SharedParts:
    keypoints, same_photo = _keypoints_of(own), _same_photo(own)
    stack = KeypointStack(keypoints)
    marks: list[dict[int, Floats]] = [{} for _ in own]
    alike: list[dict[int, Floats]] = [{} for _ in own]
    things = []
    for index in range(len(own)):
        for shared in stack.shared_with(*stack.of(index), first=index + 1):
            partner = shared.partner
            if same_photo[index, partner]:
                continue
            boxes = _thing_boxes(shared, keypoints[index], keypoints[partner])
            if boxes is None:
                kind = marks if shared.copied else alike
                kind[index][partner] = shared.here
                kind[partner][index] = shared.there
            elif len(shared.here) >= _THING_POINTS:
                things.append(same_thing.ThingPair((index, partner), boxes, len(shared.here)))
    for thing in same_thing.things_of(things):
        # what two images of one thing share is the thing, however little of it fits
        for places in (marks[index] for index in thing):
            for partner in places.keys() & thing:
                del places[partner]
    return _SharedParts(stack, same_photo, marks, alike, things)


def _thing_boxes(shared: Shared, here: Keypoints, there: Keypoints) -> tuple[Box, Box] | None:
    """Where the thing is that two images show, with keypoints `here` and `there`, if they share more than a mark."""
    if not shared.copied:
        return None
    boxes = _as_fractions(_box(shared.here), here.size), _as_fractions(_box(shared.there), there.size)
    return boxes if min(map(area_of, boxes)) > _SMALL else None


def _same_thing(own: list[ImageFeatures], others: list[ImageFeatures], shared: _SharedParts) -> Suspicion | None:
    partners = Counter(chain.from_iterable(pair.images for pair in shared.things))
    if not partners:
        return None
    keypoints, rest = _keypoints_of(own), _keypoints_of(others)
    rest_stack = KeypointStack(rest)

    def outside(index: int) -> int:
        found = rest_stack.shared_with(*shared.stack.of(index))
        return sum(_thing_boxes(other, keypoints[index], rest[other.partner]) is not None for other in found)

    kept = {i for i, count in partners.items() if _belongs_to_class(count, len(own) - 1, outside(i), len(others))}
    return same_thing.suspected(own, [pair for pair in shared.things if kept.issuperset(pair.images)])


def _thing_recogniser(hits: Sequence[Hit], own: list[ImageFeatures]) -> Recogniser:
    """Recognises what shows a thing that one of the hits shows."""
    by_name = {image.name: image["keypoints"] for image in own}
    known = [by_name[hit.name] for hit in hits]
    stack = KeypointStack(known)

    def recognise(image: Features) -> Hit | None:
        keypoints: Keypoints = image["keypoints"]
        for shared in stack.shared_with(keypoints.places, root_sift(keypoints.descriptors)):
            boxes = _thing_boxes(shared, keypoints, known[shared.partner])
            if boxes and len(shared.here) >= _THING_POINTS:
                return Hit(image.name, area_of(boxes[0]), boxes[0])
        return None

    return recognise


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


def _convinces(places: Floats, size: tuple[int, int], alike: Iterable[Floats]) -> bool:
    """Whether what an image shares with a partner, places (m, 2), shows by itself that it was copied.

    It is a small part of the image and no dot, and no further image has the like: a thing that is seen again and again
    is `alike` in many images and, by chance, exactly so in a few. `size` is the image's, in pixels.
    """
    box = _box(places)
    reach = (box[2:] - box[:2]).max() - 2 * _MARGIN
    share = area_of(_as_fractions(box, size))
    overlaps = _overlaps(np.array([box, *map(_box, alike)]))[0, 1:]
    return bool(reach >= _MIN_REACH and share <= _SMALL and not overlaps.any())


def _mutual(partners: list[set[int]], convinces: Callable[[int, int], bool]) -> dict[int, set[int]]:
    """The images that have enough partners among themselves, each of them a partner's partner.

    Two partners are enough, and one where both images convince by what they share with the other.
    """
    kept = {i: {j for j in own if i in partners[j]} for i, own in enumerate(partners)}

    def is_lonely(i: int) -> bool:
        return len(kept[i]) < _MIN_PARTNERS and not any(convinces(i, j) and convinces(j, i) for j in kept[i])

    while lonely := set(filter(is_lonely, kept)):
        kept = {i: own - lonely for i, own in kept.items() if i not in lonely}
    return kept


def _belongs_to_class(partners: int, own: int, outside: int, others: int) -> bool:
    """Whether sharing with `partners` of `own` images of the class is more than with `outside` of `others`.

    A mark that other classes bear as well must be commoner by more than chance; one that none of them bears need not.
    """
    if not outside:
        return True
    own_rate, other_rate = partners / own, outside / others
    if own_rate <= other_rate + _MIN_EXCESS or own_rate < _MIN_TIMES * other_rate:
        return False
    return chance_of(partners, partners + outside, own, own + others) <= MAX_CHANCE


def _same_photo(images: Sequence[ImageFeatures]) -> NDArray[np.bool_]:
    """Whether two images are one photo, for all pairs: bool (n, n), not so for an image and itself."""
    fields = edges(np.stack([image["thumbnail"] for image in images])).reshape(len(images), -1)
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
