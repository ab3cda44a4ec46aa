"""Finds classes whose images are told from all others by some of their colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from cam_audit.findings.cues.cielab import Lab, in_words
from cam_audit.findings.cues.probe import FloatArray, Labels, class_weights, comparable, pooled, separation
from cam_audit.findings.cues.records import Features, Hit, ImageFeatures, Recogniser, Suspicion
from cam_audit.workers import Each

THRESHOLD = 0.25

_NEIGHBOURS = 5
# Lab units that the eye hardly tells apart: no distance is compared more finely.
_INDISTINCT = 1
_BLOCK_ELEMENTS = 1 << 22


def predictable_by(
    finder: str,
    images: Sequence[ImageFeatures],
    each: Each,
    features: Sequence[Callable[[Features], Lab]],
    shown: Callable[[ImageFeatures], Lab],
    noun: str,
) -> list[Suspicion]:
    """The classes of which any one of the `features` tells 25 % of the images from the others (TPR2).

    features: each gives Lab values, float32 (d,), of an image. shown: the Lab colour (3,) that stands for them
    in words. noun: what these are the colours of. A hit's `strength` is its `nearness` to the class.
    """
    ordered, labels = pooled(images)
    candidates = comparable(labels)
    if not candidates:
        return []
    matrices = [np.stack([feature(image) for image in ordered]) for feature in features]
    scores = list(each(lambda matrix: nearness_to_classes(matrix, labels), matrices))
    colours = np.stack([shown(image) for image in ordered])
    weights = class_weights(labels)

    def find_in(k: int) -> Suspicion | None:
        separations = [separation(of_feature[:, k], labels, k) for of_feature in scores]
        best = max(range(len(separations)), key=lambda index: separations[index].rate)
        separated = separations[best]
        if not separated.reaches(THRESHOLD):
            return None
        members, own = list(separated.members), labels == k
        mean, others = colours[members].mean(0), np.average(colours[~own], axis=0, weights=weights[~own])
        size = int(own.sum())
        return Suspicion(
            finder=finder,
            label=ordered[members[0]].label,
            score=separated.rate,
            threshold=THRESHOLD,
            images=size,
            hits=tuple(Hit(ordered[i].name, score) for i, score in separated.pairs()),
            cue=f"its {noun}, {in_words(mean)} on average ({in_words(others)} in the other classes)",
            numbers=_numbers("class", mean) | _numbers("others", others),
            recogniser=partial(_recogniser, features[best], matrices[best], labels, k, separated.limit),
        )

    return [suspicion for suspicion in each(find_in, candidates) if suspicion]


def _recogniser(
    feature: Callable[[Features], Lab], matrix: Lab, labels: Labels, class_index: int, limit: float
) -> Recogniser:
    """Recognises what is as near to the class as its hits are; matrix: the feature of the images looked at."""

    known = _Known.of(matrix, labels)

    def recognise(image: Features) -> Hit | None:
        strength = float(nearness(known.distances_from(feature(image)[None]))[0, class_index])
        return Hit(image.name, strength) if strength > limit else None

    return recognise


def nearness_to_classes(features: Lab, labels: Labels) -> FloatArray:
    """The `nearness` of each image to each class: float32 (n, classes), by the distance to its fifth nearest image.

    features: float32 (n, d); labels: int (n,), 0, 1, ... in order.
    """
    known = _Known.of(features, labels)
    scores = np.empty((len(labels), len(known.sizes)), np.float32)
    # the distances of all would fill the memory several times
    block = max(1, _BLOCK_ELEMENTS // len(labels))
    for start in range(0, len(labels), block):
        rows = np.arange(start, min(start + block, len(labels)))
        scores[rows] = nearness(known.distances_from(features[rows], themselves=rows))
    return scores


@dataclass(frozen=True, eq=False)
class _Known:
    """Images by class, ready to tell how far others are from these.

    `middle`: float32 (d,); `features`: float32 (n, d), less the middle; `lengths`: float32 (n,), of these, squared;
    `sizes`: int (classes,), how many images each has.
    """

    middle: Lab
    features: Lab
    lengths: FloatArray
    sizes: Labels

    @classmethod
    def of(cls, features: Lab, labels: Labels) -> _Known:
        """features: float32 (n, d); labels: int (n,), 0, 1, ... in order."""
        middle = features.mean(0)
        features = features - middle
        return cls(middle, features, np.einsum("ij,ij->i", features, features), np.bincount(labels))

    def distances_from(self, images: Lab, themselves: Labels | None = None) -> FloatArray:
        """How far images, float32 (m, d), are from each class: float32 (m, classes), the distance to its fifth nearest.

        themselves: int (m,), which of the known images they are. An image is not its own neighbour: one that is alone
        in its class is at an infinite distance from it. Of classes of fewer images, the farthest counts.
        """
        images = images - self.middle
        lengths = np.einsum("ij,ij->i", images, images)
        between = lengths[:, None] + self.lengths - 2 * (images @ self.features.T)
        if themselves is not None:
            between[np.arange(len(images)), themselves] = np.inf
        distances = np.empty((len(images), len(self.sizes)), np.float32)
        begins = np.cumsum(self.sizes) - self.sizes
        # classes of one size at once: there may be thousands
        for size in np.unique(self.sizes).tolist():
            of_size = np.flatnonzero(self.sizes == size)
            rank = max(0, min(_NEIGHBOURS, size - 1) - 1)
            own = between[:, (begins[of_size, None] + np.arange(size)).ravel()].reshape(len(images), -1, size)
            distances[:, of_size] = np.partition(own, rank, axis=2)[..., rank]
        np.sqrt(np.maximum(distances, 0, out=distances), out=distances)
        return distances


def nearness(distances: FloatArray) -> FloatArray:
    """How much nearer each image is to each class than to any other: float32 (n, classes), log of the ratio.

    distances: float32 (n, classes), two classes or more. Unlike a vote of the nearest neighbours it tells images
    that are all alike from one that is merely nearest to them, which a vote confuses where classes are few.

    Source: the k-nearest-neighbour estimate of class densities, Fix and Hodges, "Discriminatory Analysis" (1951).
    """
    logs = np.log(distances + _INDISTINCT)
    nearest, second = np.partition(logs, 1, axis=1)[:, :2].T
    is_nearest = np.arange(logs.shape[1]) == logs.argmin(1)[:, None]
    others = np.where(is_nearest, second[:, None], nearest[:, None]).astype(np.float32)
    return np.asarray(others - logs)


def _numbers(whose: str, lab: Lab) -> dict[str, float]:
    return {f"{whose}_{channel}": round(float(value), 2) for channel, value in zip("Lab", lab, strict=True)}
