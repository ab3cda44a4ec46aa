"""Finds what gives a class away, from pixels and files alone: one module a finder, all of one shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cam_audit.findings.cues import border, colour, duplicates, files, template
from cam_audit.findings.cues.features import LazyFeatures, image_features
from cam_audit.findings.cues.records import FileFacts, Hit, ImageFeatures, Suspicion
from cam_audit.workers import Each, one_by_one

__all__ = [
    "FINDERS",
    "FileFacts",
    "Hit",
    "ImageFeatures",
    "LazyFeatures",
    "Suspicion",
    "find_cues",
    "image_features",
]


class Finder(Protocol):
    """The shape of all finders; `each` is `map`, or one that works on several classes at a time."""

    def __call__(self, images: Sequence[ImageFeatures], each: Each = ...) -> list[Suspicion]: ...


FINDERS: dict[str, Finder] = {finder.NAME: finder.find for finder in (duplicates, template, border, colour, files)}


def find_cues(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """What all finders suspect in the images of all classes, the largest share of a class first.

    The images may come in any order; with fewer than two classes nothing can be told from anything.
    """
    found = [suspicion for find in FINDERS.values() for suspicion in find(images, each)]
    return sorted(found, key=lambda each: (-each.score, each.label, list(FINDERS).index(each.finder)))
