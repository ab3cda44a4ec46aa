"""How well a score of each image tells one class from all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cam_audit.cues.records import ImageFeatures

FALSE_POSITIVE_RATE = 0.02
# Under so many images, of the class or of all others, a share says nothing; under so many hits, chance is enough.
MIN_IMAGES = 6
MIN_HITS = 3

FloatArray = NDArray[np.float32]
Labels = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Separation:
    """How far a score separates a class from the others.

    `rate`: share of the class's images whose score exceeds that of nearly all other images, 0..1. `members`: where
    these images are among all, most suspicious first; `scores`: their scores.
    """

    rate: float
    members: tuple[int, ...]
    scores: tuple[float, ...]

    def reaches(self, threshold: float) -> bool:
        """Whether the share is large enough, and of more images than chance would give."""
        return self.rate >= threshold and len(self.members) >= MIN_HITS


def numbered(groups: Mapping[str, Sequence[ImageFeatures]]) -> Labels:
    """The class number of each image, int (n,), for the images of all groups in their order."""
    return np.repeat(np.arange(len(groups)), [len(group) for group in groups.values()])


def testable(labels: Labels) -> list[int]:
    """The classes that have enough images themselves, and enough others to compare with."""
    sizes = np.bincount(labels)
    return [k for k, size in enumerate(sizes.tolist()) if size >= MIN_IMAGES and len(labels) - size >= MIN_IMAGES]


def class_weights(labels: Labels) -> FloatArray:
    """What each image counts so that all classes count the same: float32 (n,), 1 over the size of its class."""
    return (1 / np.bincount(labels)[labels]).astype(np.float32)


def separation(scores: FloatArray, labels: Labels, class_index: int) -> Separation:
    """The share of a class's images whose score exceeds that of all but 2 % of the others, class-balanced (TPR2).

    scores: float32 (n,), larger for images more like the class, made without the image itself; labels: int (n,).
    """
    own = labels == class_index
    others = np.flatnonzero(~own)
    others = others[np.argsort(-scores[others], kind="stable")]
    weights = class_weights(labels)[others].astype(np.float64)
    above = np.cumsum(weights) / weights.sum()
    limit = scores[others[np.searchsorted(above, FALSE_POSITIVE_RATE, side="right")]]
    members = np.flatnonzero(own & (scores > limit))
    members = members[np.argsort(-scores[members], kind="stable")]
    return Separation(len(members) / int(own.sum()), tuple(members.tolist()), tuple(scores[members].tolist()))
