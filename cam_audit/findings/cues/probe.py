"""How well a score of each image tells one class from all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.cues.records import ImageFeatures, by_label

FALSE_POSITIVE_RATE = 0.02
# With fewer images, of the class or of all others, a share says nothing.
MIN_IMAGES = 6
# In small sets a class may lead by luck: no separation counts that a random order would give as often as this.
MAX_CHANCE = 1e-3

# One of 50 is 2 %, however the sum of the weights was rounded.
_ROUNDING = 1e-9

FloatArray = NDArray[np.float32]
Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Separation:
    """How far a score separates a class from the others.

    `rate`: share of the class's images whose score exceeds that of nearly all other images, 0..1. `chance`: the
    probability that in a random order as many of the class would be among the first, 0..1. `members`: the
    positions of these images among all, most suspicious first. `scores`: their scores, in the same order.
    `limit`: what a score must exceed.
    """

    rate: float
    chance: float
    members: tuple[int, ...]
    scores: tuple[float, ...]
    limit: float

    def pairs(self) -> Iterator[tuple[int, float]]:
        """The members, each with its score."""
        return zip(self.members, self.scores, strict=True)

    def reaches(self, threshold: float, tried: int = 1) -> bool:
        """Whether the share is large enough, and not by chance, however many scores were `tried` (Bonferroni)."""
        return self.rate >= threshold and self.chance * tried <= MAX_CHANCE


def pooled(images: Sequence[ImageFeatures]) -> tuple[list[ImageFeatures], Labels]:
    """The images ordered by label and name, and the number of each one's label: int (n,), 0, 1, ... in order."""
    groups = by_label(images).values()
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return [image for group in groups for image in group], labels


def comparable(labels: Labels) -> list[int]:
    """The classes that have enough images themselves, and enough others to compare with; labels: int (n,)."""
    sizes = np.bincount(labels).tolist()
    return [k for k, size in enumerate(sizes) if min(size, len(labels) - size) >= MIN_IMAGES]


def class_weights(labels: Labels) -> NDArray[np.float64]:
    """Weights with which all classes count the same: float64 (n,), 1 over the size of each image's class."""
    weights: NDArray[np.float64] = 1 / np.bincount(labels)[labels]
    return weights


def separation(scores: FloatArray, labels: Labels, class_index: int) -> Separation:
    """The share of a class's images that score higher than all but 2 % of the others (TPR2), class-balanced.

    scores: float32 (n,), larger for images more like the class, each made without the image itself; labels: int
    (n,). Where the class ties with others, they win.
    """
    own = labels == class_index
    others = np.flatnonzero(~own)
    limit = _exceeded_by(FALSE_POSITIVE_RATE + _ROUNDING, scores[others], class_weights(labels)[others])
    members = np.flatnonzero(own & (scores > limit))
    members = members[np.argsort(-scores[members], kind="stable")]
    size = int(own.sum())
    return Separation(
        rate=len(members) / size,
        chance=chance_of(len(members), int((scores > limit).sum()), size, len(labels)),
        members=tuple(members.tolist()),
        scores=tuple(scores[members].tolist()),
        limit=float(limit),
    )


def _exceeded_by(share: float, scores: FloatArray, weights: NDArray[np.float64]) -> np.float32:
    """The score that so large a share of the weight exceeds at most, 0..1; weights: float64 (n,).

    Only the largest scores are put in order: all of them, for each class, would take classes times classes.
    """
    total, count = weights.sum(), len(scores) // 16 + 64
    while True:
        count = min(count, len(scores))
        first = np.argpartition(-scores, count - 1)[:count]
        first = first[np.argsort(-scores[first], kind="stable")]
        reached = np.cumsum(weights[first]) / total
        # below the last one there may be ties with it, which change nothing
        if reached[-1] >= share or count == len(scores):
            return np.float32(scores[first[np.searchsorted(reached, share)]])
        count *= 4


def chance_of(hits: int, drawn: int, size: int, total: int) -> float:
    """The probability of so many hits or more when `drawn` of `total` are drawn, `size` of which are hits."""
    ways = sum(comb(size, x) * comb(total - size, drawn - x) for x in range(hits, min(drawn, size) + 1))
    return ways / comb(total, drawn)
