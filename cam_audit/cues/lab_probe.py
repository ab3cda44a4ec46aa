"""Finds classes whose images are told from all others by some of their colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cam_audit.cues.lab import Lab, in_words
from cam_audit.cues.probe import class_weights, neighbour_votes, numbered, separation, testable
from cam_audit.cues.records import Hit, ImageFeatures, Suspicion, by_label

THRESHOLD = 0.25


def predictable_by(
    finder: str,
    images: Sequence[ImageFeatures],
    features: Sequence[Callable[[ImageFeatures], Lab]],
    shown: Callable[[ImageFeatures], Lab],
    noun: str,
) -> list[Suspicion]:
    """The classes that the nearest neighbours by any one of the `features` give away (TPR2 of 0.25 or more).

    features: each gives Lab values, float32 (d,), of an image. shown: the Lab colour (3,) that stands for them in
    words. noun: what these are the colours of.
    """
    groups = by_label(images)
    ordered = [image for group in groups.values() for image in group]
    labels = numbered(groups)
    candidates = testable(labels)
    if not candidates:
        return []
    all_votes = [
        neighbour_votes(np.stack([feature(image) for image in ordered]), labels) for feature in features
    ]
    colours = np.stack([shown(image) for image in ordered])
    weights = class_weights(labels)
    found = []
    for k in candidates:
        separated = max(
            (separation(votes[:, k], labels, k) for votes in all_votes), key=lambda each: each.rate
        )
        if not separated.reaches(THRESHOLD):
            continue
        members = list(separated.members)
        size = int((labels == k).sum())
        own = colours[members].mean(0)
        others = np.average(colours[labels != k], axis=0, weights=weights[labels != k])
        found.append(
            Suspicion(
                finder=finder,
                label=ordered[members[0]].label,
                score=separated.rate,
                threshold=THRESHOLD,
                images=size,
                hits=tuple(
                    Hit(ordered[i].name, score) for i, score in zip(members, separated.scores, strict=True)
                ),
                seen=f"is predictable from its {noun}: on average {in_words(own)} in {len(members)} of {size} images, "
                f"{in_words(others)} in the other classes",
                numbers=_numbers("class", own) | _numbers("others", others),
            )
        )
    return found


def _numbers(whose: str, lab: Lab) -> dict[str, float]:
    return {f"{whose}_{channel}": round(float(value), 2) for channel, value in zip("Lab", lab, strict=True)}
