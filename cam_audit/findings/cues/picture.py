"""An image in memory, as the features of it are computed, and what a feature is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import cv2
import numpy as np

from cam_audit.findings.cues.cielab import Lab, to_lab
from cam_audit.findings.cues.edges import SIDE
from cam_audit.images.copies import thumbnail_of
from cam_audit.images.resize import at_working_side, resize
from cam_audit.images.rgb import RgbImage

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


class Picture:
    """An image in memory, from which features are computed; each version of it is made when it is first asked for.

    rgb: uint8 (H, W, 3), the whole picture, reduced at most to a long side of WORKING_SIDE, or a function that
    decodes it; data: the file's bytes; size: the full width and height in pixels.
    """

    def __init__(self, rgb: RgbImage | Callable[[], RgbImage], data: bytes, size: tuple[int, int]) -> None:
        self._rgb = rgb
        self.data = data
        self.size = size

    @_computed
    def rgb(self) -> RgbImage:
        """The picture as it was given."""
        return self._rgb() if callable(self._rgb) else self._rgb

    @_computed
    def working(self) -> RgbImage:
        """With a long side of WORKING_SIDE."""
        return at_working_side(self.rgb)

    @_computed
    def small(self) -> RgbImage:
        """Uint8 (112, 112, 3), whatever the picture's shape."""
        return resize(self.working, SIDE, SIDE)

    @_computed
    def lab(self) -> Lab:
        """`small` in CIELAB: float32 (112, 112, 3)."""
        return to_lab(self.small)


@dataclass(frozen=True, slots=True)
class Feature:
    """What is kept of an image for finders: an array, a value that JSON holds, or a frozen dataclass of such fields.

    `type`: its type; `compute`: computes it of a picture, in any thread.
    """

    type: type
    compute: Callable[[Picture], Any]


# uint8 (24, 24, 3): the whole image in colour, by which copies are told
COLOUR_THUMBNAIL = Feature(np.ndarray, lambda picture: thumbnail_of(picture.small))

# uint8 (112, 112): the whole image in grey, whatever its shape
THUMBNAIL = Feature(np.ndarray, lambda picture: cv2.cvtColor(picture.small, cv2.COLOR_RGB2GRAY))
