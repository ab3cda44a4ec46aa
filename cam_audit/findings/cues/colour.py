"""Finds colour casts: the colour of the whole image predicts the class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cam_audit.findings.counterfactual import CueTest, colour_tests
from cam_audit.findings.cues.cielab import Lab, mean_and_deviation
from cam_audit.findings.cues.colour_probe import predictable_by
from cam_audit.findings.cues.picture import Feature
from cam_audit.findings.cues.records import Features, ImageFeatures, Suspicion
from cam_audit.workers import Each, one_by_one

NAME = "colour"

# A cast moves the mean; the deviation mostly tells contents apart.
_WEIGHTS = np.repeat(np.array([1, 0.5], np.float32), 3)


def colour_moments(lab: Lab) -> Lab:
    """Mean and half the standard deviation of the whole image: float32 (6,); lab: float32 (H, W, 3)."""
    return mean_and_deviation(lab) * _WEIGHTS


FEATURES = {"colour": Feature(np.ndarray, lambda picture: colour_moments(picture.lab))}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes that the colour of the whole image gives away."""
    return predictable_by(
        NAME,
        images,
        each,
        features=(_whole,),
        shown=lambda image: image["colour"][:3],
        noun="overall colour",
    )


def tests(suspicion: Suspicion, classes: int) -> list[CueTest]:
    """Those of a colour."""
    return colour_tests(suspicion.hits, classes)


def _whole(image: Features) -> Lab:
    colour: Lab = image["colour"]
    return colour
