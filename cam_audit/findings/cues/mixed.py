"""Finds classes that contain pictures of another kind: drawings among photos, another site's, another device's.

Clusters are made without labels, from how pictures look and not from what they show: a net's features would make a
cluster of every class, as they are there to tell things apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.codes import MIXED
from cam_audit.findings.counterfactual import CueTest
from cam_audit.findings.cues import statistics
from cam_audit.findings.cues.picture import THUMBNAIL
from cam_audit.findings.cues.probe import MAX_CHANCE, MIN_IMAGES, FloatArray, Labels, chance_of, comparable, pooled
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
from cam_audit.findings.cues.statistics import STATISTICS
from cam_audit.images.sharpness import steps_of
from cam_audit.workers import Each, one_by_one

# A cluster is so much of its class, at least and at most: more of it is the class, which may look as it likes.
THRESHOLD, MOST = 0.15, 0.85
# So much of a cluster is of its class.
PURITY = 0.9
# Of the nearest neighbours of a cluster's pictures so many lie outside, and so many pictures outside have them for
# theirs, together, as a share of all of the cluster's: inside what is one kind no line can be drawn that crosses fewer.
MAX_CROSSING = 0.5

_NEIGHBOURS = 5
# The distances between so many pictures are 16 MB.
_MAX_CLUSTERED = 2000
# How far from the middle a number counts, in robust deviations.
_FAR = 6.0
# A direction in which pictures hardly differ is not stretched beyond this share of the mean variance.
_FLOOR = 0.05
_TO_DEVIATION = 1.4826
_LEVELS = 8

FEATURES = {"statistics": statistics.FEATURES["statistics"], "thumbnail": THUMBNAIL}

Distances = NDArray[np.float32]
Members = NDArray[np.intp]


def style_of(image: Features) -> FloatArray:
    """How a picture looks: its statistics, its grey levels, how strong and lopsided its detail is, float32 (26,)."""
    thumbnail = image["thumbnail"]
    greys = thumbnail.astype(np.float32)
    levels = np.bincount(thumbnail.ravel() // (256 // _LEVELS), minlength=_LEVELS) / thumbnail.size
    curved = cv2.Laplacian(greys, cv2.CV_32F)
    steps = steps_of(greys)
    shares = [25, 50, 75, 95]
    # of every other row and column, as sorting is dear
    detail = [np.log2(1 + np.percentile(values[::2, ::2], shares)) for values in (np.abs(curved), steps)]
    lopsided = [_skewness(greys), _skewness(curved)]
    return np.concatenate([image["statistics"], np.sqrt(levels), lopsided, *detail]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Space:
    """Where styles are compared: made robust, and whitened, so that numbers that go together count once."""

    middle: FloatArray
    deviation: FloatArray
    mean: FloatArray
    axes: FloatArray

    def place(self, styles: FloatArray) -> FloatArray:
        """Where styles (n, 26) lie, float32 (n, m)."""
        return np.asarray((_robust(styles, self.middle, self.deviation) - self.mean) @ self.axes, np.float32)


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes of which a cluster of all images' looks is a real part, and next to nothing of the others.

    The clusters are those of Ward's tree (1963) that are nearly all of one class while the next larger ones are not, so
    the rest of the class is as far from them as other classes are. One counts if it is well apart: its pictures have
    each other for their nearest neighbours. A hit's `strength` is the share of its neighbours that are in the cluster.
    """
    groups = list(by_label(images).values())
    ordered, labels = pooled(sample_of(groups, _MAX_CLUSTERED))
    if not comparable(labels):
        return []
    styles = np.stack(list(each(style_of, ordered)))
    space = _space_of(styles)
    places = space.place(styles)
    distances = _distances(places)
    neighbours = np.argsort(distances, axis=1, kind="stable")[:, :_NEIGHBOURS]
    best: dict[int, tuple[float, Members]] = {}
    for k, members in _of_one_class(ward(distances), labels):
        apart = crossing(members, neighbours)
        if _is_part(members, labels, k) and apart <= MAX_CROSSING and (k not in best or apart < best[k][0]):
            best[k] = apart, members
    return [_suspicion(ordered, labels, styles, neighbours, space, places, k, *best[k]) for k in sorted(best)]


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """None: a picture can't be made one of another kind."""
    return []


def ward(squared: Distances) -> list[Members]:
    """All clusters of Ward's tree of n points: the positions of each one's, n - 1 times, parts before what they form.

    squared: float32 (n, n), squared distances, inf on the diagonal. By chains of nearest neighbours (Murtagh, "A survey
    of recent advances in hierarchical clustering algorithms", 1983), so that it takes n^2 steps.
    """
    distances = squared.copy()
    count = len(distances)
    sizes, alive = np.ones(count, np.float32), np.ones(count, bool)
    members = {index: np.array([index]) for index in range(count)}
    clusters: list[Members] = []
    chain: list[int] = []
    while len(clusters) < count - 1:
        if not chain:
            chain.append(int(alive.argmax()))
        last = chain[-1]
        row = np.where(alive, distances[last], np.float32(np.inf))
        nearest = int(row.argmin())
        if len(chain) < 2 or row[chain[-2]] > row[nearest]:
            chain.append(nearest)
            continue
        other = chain[-2]
        del chain[-2:]
        together = sizes[last] + sizes[other] + sizes
        merged = (
            (sizes[last] + sizes) * distances[last]
            + (sizes[other] + sizes) * distances[other]
            - sizes * distances[last, other]
        ) / together
        distances[last] = distances[:, last] = merged
        distances[last, last] = np.inf
        alive[other] = False
        distances[other] = distances[:, other] = np.inf
        sizes[last] += sizes[other]
        members[last] = np.concatenate([members[last], members.pop(other)])
        clusters.append(members[last])
    return clusters


def crossing(members: Members, neighbours: Members) -> float:
    """How many of the lines from pictures to their nearest neighbours cross a cluster's rim, as a share of its own.

    members: int (m,); neighbours: int (n, k), the nearest of each. 0 is a cluster that nothing leads out of or into.
    """
    inside = np.zeros(len(neighbours), bool)
    inside[members] = True
    crossed = int((~inside[neighbours[inside]]).sum()) + int(inside[neighbours[~inside]].sum())
    return crossed / neighbours[members].size


def _of_one_class(clusters: Sequence[Members], labels: Labels) -> Iterator[tuple[int, Members]]:
    """The largest clusters that are nearly all of one class, each with that class; clusters: a tree's, leaves first."""
    taken = np.zeros(len(labels), bool)
    for members in reversed(clusters):
        counts = np.bincount(labels[members])
        if not taken[members[0]] and counts.max() >= PURITY * len(members):
            taken[members] = True
            yield int(counts.argmax()), members


def _is_part(members: Members, labels: Labels, k: int) -> bool:
    """Whether a cluster is a real part of class k, not nearly all of it, and beyond chance."""
    own, size = int((labels[members] == k).sum()), int((labels == k).sum())
    if not max(MIN_IMAGES, THRESHOLD * size) <= own <= MOST * size:
        return False
    # any cluster of the tree may be it
    return chance_of(own, len(members), size, len(labels)) * len(labels) <= MAX_CHANCE


def _suspicion(
    ordered: Sequence[ImageFeatures],
    labels: Labels,
    styles: FloatArray,
    neighbours: Members,
    space: _Space,
    places: FloatArray,
    k: int,
    apart: float,
    members: Members,
) -> Suspicion:
    inside = np.zeros(len(ordered), bool)
    inside[members] = True
    strengths = inside[neighbours].mean(1)
    shown = sorted(np.flatnonzero(inside & (labels == k)).tolist(), key=lambda i: (-strengths[i], ordered[i].name))
    own = labels == k
    differ = _in_words(styles, inside & own, own, space)
    names = [image.name for image in ordered]
    return Suspicion(
        finder=MIXED,
        label=ordered[shown[0]].label,
        score=len(shown) / int(own.sum()),
        threshold=THRESHOLD,
        images=int(own.sum()),
        hits=tuple(Hit(names[i], float(strengths[i])) for i in shown),
        cue=f"pictures of another kind among its own, which differ most in {differ}",
        numbers={"crossing": round(apart, 6), "clustered": float(len(ordered)), "in_cluster": float(len(members))},
        recogniser=partial(_recogniser, names, inside, space, places),
        looked_at=frozenset(names),
    )


def _recogniser(names: Sequence[str], inside: NDArray[np.bool_], space: _Space, places: FloatArray) -> Recogniser:
    """Recognises images most of whose nearest neighbours, without the image itself, are in the cluster."""
    known = {name: position for position, name in enumerate(names)}

    def recognise(image: Features) -> Hit | None:
        away = ((places - space.place(style_of(image)[None])) ** 2).sum(1)
        if image.name in known:
            away[known[image.name]] = np.inf
        share = float(inside[np.argsort(away, kind="stable")[:_NEIGHBOURS]].mean())
        return Hit(image.name, share) if share > 0.5 else None

    return recognise


def _space_of(styles: FloatArray) -> _Space:
    middle = np.median(styles, axis=0)
    deviation = _TO_DEVIATION * np.median(np.abs(styles - middle), axis=0)
    # a number that most pictures share still tells those that don't
    deviation = deviation + 1e-3 * np.abs(styles).max(0) + 1e-6
    robust = _robust(styles, middle, deviation)
    mean = robust.mean(0)
    _, lengths, axes = np.linalg.svd(robust - mean, full_matrices=False)
    variances = lengths**2 / len(styles)
    scales = 1 / np.sqrt(variances + _FLOOR * variances.mean() + 1e-12)
    return _Space(middle, deviation, mean, np.asarray((axes * scales[:, None]).T, np.float32))


def _robust(styles: FloatArray, middle: FloatArray, deviation: FloatArray) -> FloatArray:
    return np.asarray(np.clip((styles - middle) / deviation, -_FAR, _FAR), np.float32)


def _distances(places: FloatArray) -> Distances:
    """Squared distances, float32 (n, n), inf on the diagonal."""
    lengths = (places**2).sum(1)
    squared = np.maximum(lengths[:, None] + lengths - 2 * places @ places.T, 0)
    np.fill_diagonal(squared, np.inf)
    return np.asarray(squared, np.float32)


def _skewness(values: FloatArray) -> float:
    deviations = values - values.mean()
    # a grey level more, so that flat pictures have none
    return float((deviations * deviations * deviations).mean() / (values.std() + 1) ** 3)


def _in_words(styles: FloatArray, shown: NDArray[np.bool_], own: NDArray[np.bool_], space: _Space) -> str:
    """The two statistics in which the pictures differ most from the rest of their class."""
    robust = _robust(styles, space.middle, space.deviation)[:, : len(STATISTICS)]
    difference = robust[shown].mean(0) - robust[own & ~shown].mean(0)
    first = np.argsort(-np.abs(difference), kind="stable")[:2]
    return " and ".join(f"{STATISTICS[i].noun} ({'higher' if difference[i] > 0 else 'lower'})" for i in first)
