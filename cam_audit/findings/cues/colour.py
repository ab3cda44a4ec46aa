"""Finds colour casts: the colour of the whole image predicts the class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cam_audit.findings.counterfactual import CueTest, Roles
from cam_audit.findings.cues.cielab import Lab, mean_and_deviation, to_rgb
from cam_audit.findings.cues.colour_probe import predictable_by
from cam_audit.findings.cues.picture import Feature
from cam_audit.findings.cues.records import Features, Groups, ImageFeatures, Suspicion, means_of
from cam_audit.findings.edits import Factors
from cam_audit.records import Edit
from cam_audit.workers import Each, one_by_one

NAME = "colour"

# Grey levels that are added to both means of a cast.
_DARK = 8
# Units of Lab that rounding makes of grey.
_COLOURLESS = 0.5

# A cast moves the mean; the deviation mostly tells contents apart.
_WEIGHTS = np.repeat(np.array([1, 0.5], np.float32), 3)


def colour_moments(lab: Lab) -> Lab:
    """Mean and half the standard deviation of the whole image: float32 (6,); lab: float32 (H, W, 3)."""
    return mean_and_deviation(lab) * _WEIGHTS


FEATURES = {"colour": Feature(np.ndarray, lambda picture: colour_moments(picture.lab))}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes that the colour of the whole image gives away.

    Where no image has any, it is brightness and contrast that differ, which are not of colour but of `statistics`.
    """
    if not any(_has_colour(image["colour"]) for image in images):
        return []
    return predictable_by(
        NAME,
        images,
        each,
        features=(_whole,),
        shown=lambda image: image["colour"][:3],
        noun="overall colour",
    )


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """The cast of the class, by which its colours differ from those of the others: given, and taken away.

    The control is the cast of a third class.
    """
    shown = {hit.name for hit in suspicion.hits}
    own = [image for image in groups[suspicion.label] if image.name in shown]
    cast = cast_of({**groups, suspicion.label: own})

    def give(roles: Roles) -> Edit:
        return Edit("cast", factors=cast(suspicion.label))

    def give_another(roles: Roles) -> Edit:
        return Edit("cast", factors=cast(roles.other.label))

    def take(roles: Roles) -> Edit:
        return Edit("cast", factors=_inverse(cast(suspicion.label)))

    def take_another(roles: Roles) -> Edit:
        return Edit("cast", factors=_inverse(cast(roles.other.label)))

    return [
        CueTest("cast", suspicion.hits, give, give_another),
        CueTest("cast_taken", suspicion.hits, take, take_another),
    ]


def cast_of(groups: Groups) -> Callable[[str], Factors]:
    """What tells by what a class's mean red, green and blue differ from those of the other classes, as factors."""
    means = means_of(groups, lambda image: image["colour"][:3])

    def cast(label: str) -> Factors:
        # a channel near black must not blow up
        own, others = means(label)
        red, green, blue = (np.array(to_rgb(own)) + _DARK) / (np.array(to_rgb(others)) + _DARK)
        return float(red), float(green), float(blue)

    return cast


def _inverse(factors: Factors) -> Factors:
    red, green, blue = factors
    return 1 / red, 1 / green, 1 / blue


def _has_colour(moments: Lab) -> bool:
    """Whether there is any; moments: float32 (6,), as from `colour_moments`."""
    return bool(np.abs(moments[[1, 2, 4, 5]]).max() > _COLOURLESS)


def _whole(image: Features) -> Lab:
    colour: Lab = image["colour"]
    return colour
