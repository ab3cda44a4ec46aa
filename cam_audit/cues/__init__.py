"""Finds what gives a class away, from pixels and files alone: one module a finder, all of one shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cam_audit.cues import border, colour, duplicates, files, template
from cam_audit.cues.features import image_features
from cam_audit.cues.records import Box, FileFacts, Hit, ImageFeatures, Suspicion

__all__ = ["FINDERS", "Box", "FileFacts", "Hit", "ImageFeatures", "Suspicion", "find_cues", "image_features"]

FINDERS: dict[str, Callable[[Sequence[ImageFeatures]], list[Suspicion]]] = {
    finder.NAME: finder.find for finder in (duplicates, template, border, colour, files)
}


def find_cues(images: Sequence[ImageFeatures]) -> list[Suspicion]:
    """What all finders suspect in the images of all classes, the largest share of a class first.

    The images may come in any order; with fewer than two classes nothing can be told from anything.
    """
    found = [suspicion for find in FINDERS.values() for suspicion in find(images)]
    return sorted(found, key=lambda each: (-each.score, each.label, list(FINDERS).index(each.finder)))
