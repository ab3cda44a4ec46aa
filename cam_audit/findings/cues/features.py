"""What the finders ask of one image: each feature computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.cues import border, colour, files, matches
from cam_audit.findings.cues.cielab import Lab, to_lab
from cam_audit.findings.cues.edges import SIDE
from cam_audit.findings.cues.records import FileFacts, ImageFeatures, Keypoints
from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage

# The long side, in pixels, of the image in which keypoints are looked for.
WORKING_SIDE = 336

Value = TypeVar("Value")


class _computed(Generic[Value]):
    """A property that is computed once: functools.cached_property without its lock.

    In Python 3.10 and 3.11 that lock is one for all instances, so that threads with an image each wait for each other.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute = compute

    def __get__(self, instance: Any, owner: type) -> Value:
        value: Value = self._compute(instance)
        # where it is found before this is asked again
        instance.__dict__[self._compute.__name__] = value
        return value


class LazyFeatures:
    """The `Features` of an image that is in memory.

    rgb: uint8 (H, W, 3), the whole picture, reduced at most to a long side of WORKING_SIDE, or a function that
    decodes it; data: the file's bytes; width, height: the full size in pixels.
    """

    def __init__(
        self, rgb: RgbImage | Callable[[], RgbImage], data: bytes, *, name: str, width: int, height: int
    ) -> None:
        self.name = name
        self._rgb = rgb
        self._data = data
        self._size = (width, height)

    @_computed
    def rgb(self) -> RgbImage:
        return self._rgb() if callable(self._rgb) else self._rgb

    @_computed
    def file(self) -> FileFacts:
        return files.file_facts(self._data, *self._size)

    @_computed
    def keypoints(self) -> Keypoints:
        return matches.find_keypoints(cv2.cvtColor(self._working, cv2.COLOR_RGB2GRAY))  # type: ignore[arg-type]

    @_computed
    def thumbnail(self) -> NDArray[np.uint8]:
        return cv2.cvtColor(self._small, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]

    @_computed
    def border(self) -> NDArray[np.float32]:
        return border.border_colours(self._lab)

    @_computed
    def colour(self) -> NDArray[np.float32]:
        return colour.colour_moments(self._lab)

    @_computed
    def _working(self) -> RgbImage:
        scale = WORKING_SIDE / max(self.rgb.shape[:2])
        return resize(self.rgb, max(1, round(self.rgb.shape[1] * scale)), max(1, round(self.rgb.shape[0] * scale)))

    @_computed
    def _small(self) -> RgbImage:
        return resize(self._working, SIDE, SIDE)

    @_computed
    def _lab(self) -> Lab:
        return to_lab(self._small)


def image_features(rgb: RgbImage, data: bytes, *, name: str, label: str, width: int, height: int) -> ImageFeatures:
    """All features of an image, to be kept; see `LazyFeatures`. Safe to call from several threads."""
    image = LazyFeatures(rgb, data, name=name, width=width, height=height)
    return ImageFeatures(name, label, image.file, image.keypoints, image.thumbnail, image.border, image.colour)
