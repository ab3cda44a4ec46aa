"""Finds classes whose images are told from all others by some of their colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cam_audit.cues.lab import Lab, in_words
from cam_audit.cues.probe import FloatArray, Labels, class_weights, numbered, separation, testable
from cam_audit.cues.records import Hit, ImageFeatures, Suspicion, by_label

THRESHOLD = 0.25

_NEIGHBOURS = 5
# Lab units that the eye does not tell apart: no distance is compared more finely.
_INDISTINCT = 1
_BLOCK_ELEMENTS = 1 << 22


def predictable_by(
    finder: str,
    images: Sequence[ImageFeatures],
    features: Sequence[Callable[[ImageFeatures], Lab]],
    shown: Callable[[ImageFeatures], Lab],
    noun: str,
) -> list[Suspicion]:
    """The classes that the nearest neighbours by any one of the `features` give away (TPR2 of 0.25 or more).

    features: each gives Lab values, float32 (d,), of an image. shown: the Lab colour (3,) that stands for them
    in words. noun: what these are the colours of. A hit's `strength` is `nearness`.
    """
    groups = by_label(images)
    labels = numbered(groups)
    candidates = testable(labels)
    if not candidates:
        return []
    ordered = [image for group in groups.values() for image in group]
    scores = [
        nearness(class_distances(np.stack([feature(image) for image in ordered]), labels)) for feature in features
    ]
    colours = np.stack([shown(image) for image in ordered])
    weights = class_weights(labels)
    found = []
    for k in candidates:
        separated = max((separation(by_feature[:, k], labels, k) for by_feature in scores), key=lambda each: each.rate)
        if not separated.reaches(THRESHOLD):
            continue
        members, own = list(separated.members), labels == k
        mean, others = colours[members].mean(0), np.average(colours[~own], axis=0, weights=weights[~own])
        found.append(
            Suspicion(
                finder=finder,
                label=ordered[members[0]].label,
                score=separated.rate,
                threshold=THRESHOLD,
                images=int(own.sum()),
                hits=tuple(Hit(ordered[i].name, score) for i, score in zip(members, separated.scores, strict=True)),
                seen=f"is predictable from its {noun}: on average {in_words(mean)} in {len(members)} of "
                f"{own.sum()} images, {in_words(others)} in the other classes",
                numbers=_numbers("class", mean) | _numbers("others", others),
            )
        )
    return found


def class_distances(features: Lab, labels: Labels) -> FloatArray:
    """How far each image is from each class: float32 (n, classes), the distance to its fifth nearest image there.

    features: float32 (n, d); labels: int (n,), 0, 1, ... in order. An image is not its own neighbour, so that one
    that is alone in its class is at an infinite distance from it; in classes of fewer images, the farthest counts.
    """
    features = features - features.mean(0)
    squares = np.einsum("ij,ij->i", features, features)
    sizes = np.bincount(labels)
    starts = np.cumsum(sizes) - sizes
    distances = np.empty((len(labels), len(sizes)), np.float32)
    block = max(1, _BLOCK_ELEMENTS // len(labels))
    for start in range(0, len(labels), block):
        rows = np.arange(start, min(start + block, len(labels)))
        between = squares[rows, None] + squares - 2 * (features[rows] @ features.T)
        between[rows - start, rows] = np.inf
        for k, (first, size) in enumerate(zip(starts.tolist(), sizes.tolist(), strict=True)):
            rank = max(0, min(_NEIGHBOURS, size - 1) - 1)
            distances[rows, k] = np.partition(between[:, first : first + size], rank, axis=1)[:, rank]
    return np.sqrt(np.maximum(distances, 0))


def nearness(distances: FloatArray) -> FloatArray:
    """How much nearer each image is to each class than to the next: float32 (n, classes), log of the ratio of distances.

    distances: float32 (n, classes), at least two classes. Unlike a vote of the nearest neighbours it tells a few
    images that are all alike from one that is merely nearest to them, with two or three classes the usual confusion.

    Source: the k-nearest-neighbour estimate of class densities, Fix and Hodges, "Discriminatory Analysis" (1951).
    """
    logs = np.log(distances + _INDISTINCT)
    nearest, second = np.partition(logs, 1, axis=1)[:, :2].T
    is_nearest = np.arange(logs.shape[1]) == logs.argmin(1)[:, None]
    return np.where(is_nearest, second[:, None], nearest[:, None]) - logs


def _numbers(whose: str, lab: Lab) -> dict[str, float]:
    return {f"{whose}_{channel}": round(float(value), 2) for channel, value in zip("Lab", lab, strict=True)}
