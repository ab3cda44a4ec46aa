"""Finds frames and backgrounds: the colour of the border predicts the class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cam_audit.findings.counterfactual import CueTest, Roles
from cam_audit.findings.cues.cielab import Lab, mean_and_deviation
from cam_audit.findings.cues.colour_probe import predictable_by
from cam_audit.findings.cues.picture import Feature
from cam_audit.findings.cues.records import Features, Groups, ImageFeatures, Suspicion
from cam_audit.records import Edit
from cam_audit.workers import Each, one_by_one

NAME = "border"

# The ring's width as a share of each side: 12 pixels of 224.
_RING = 12 / 224
# Of the description: three values for each of eight places, then the ring's mean and deviation.
_PLACES, _RING_MEAN = slice(0, 24), slice(24, 27)
_WHOLE_RING = slice(24, 30)


def border_colours(lab: Lab) -> Lab:
    """Lab at the four corners and middles of edges, then mean and deviation of the whole ring: float32 (30,).

    lab: float32 (H, W, 3), at least 3 pixels wide and tall. A place is a patch as wide as the ring.
    """
    height, width = lab.shape[:2]
    tall, wide = max(1, round(_RING * height)), max(1, round(_RING * width))
    rows, columns = _edges_and_middle(height, tall), _edges_and_middle(width, wide)
    places = [lab[row, column].mean((0, 1)) for row in rows for column in columns]
    del places[4]  # the centre
    ring = np.ones((height, width), bool)
    ring[tall:-tall, wide:-wide] = False
    return np.concatenate([*places, mean_and_deviation(lab[ring])])


FEATURES = {"border": Feature(np.ndarray, lambda picture: border_colours(picture.lab))}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes that the border gives away: by its eight places, or by the ring as a whole.

    Source: eight pixels of the border predict the class in Noyan, "Uncovering Bias in the PlantVillage Dataset"
    (2022).
    """
    return predictable_by(
        NAME,
        images,
        each,
        features=(_places, _whole_ring),
        shown=lambda image: image["border"][_RING_MEAN],
        noun="border or background",
    )


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """The texture of the donor's border all around, and that of other classes' borders around the class's own."""

    def fill(roles: Roles) -> Edit:
        return Edit("surroundings")

    return [CueTest(name, suspicion.hits, fill, fill) for name in ("surroundings", "surroundings_taken")]


def _places(image: Features) -> Lab:
    border: Lab = image["border"]
    return border[_PLACES]


def _whole_ring(image: Features) -> Lab:
    border: Lab = image["border"]
    return border[_WHOLE_RING]


def _edges_and_middle(length: int, size: int) -> tuple[slice, slice, slice]:
    middle = (length - size) // 2
    return slice(0, size), slice(middle, middle + size), slice(length - size, length)
