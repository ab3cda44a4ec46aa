"""The features that the finders ask of one image: all of them, or each when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cam_audit.findings.cues import finders
from cam_audit.findings.cues.picture import COLOUR_THUMBNAIL, Feature, Picture
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.images.rgb import RgbImage


def all_features() -> dict[str, Feature]:
    """Every feature that a finder asks for, by name, and the one by which copies are left out before that."""
    of_finders = {name: feature for finder in finders().values() for name, feature in finder.FEATURES.items()}
    return {"colour_thumbnail": COLOUR_THUMBNAIL, **of_finders}


class LazyFeatures:
    """The `Features` of an image that is in memory; the parameters are those of `Picture`."""

    def __init__(
        self, rgb: RgbImage | Callable[[], RgbImage], data: bytes, *, name: str, width: int, height: int
    ) -> None:
        self.name = name
        self.picture = Picture(rgb, data, (width, height))
        self._values: dict[str, Any] = {}

    def __getitem__(self, feature: str) -> Any:
        if feature not in self._values:
            self._values[feature] = all_features()[feature].compute(self.picture)
        return self._values[feature]


def image_features(rgb: RgbImage, data: bytes, *, name: str, label: str, width: int, height: int) -> ImageFeatures:
    """All features of an image, to be kept; the parameters are those of `Picture`. Safe to call in several threads."""
    picture = Picture(rgb, data, (width, height))
    return ImageFeatures(name, label, {key: feature.compute(picture) for key, feature in all_features().items()})
