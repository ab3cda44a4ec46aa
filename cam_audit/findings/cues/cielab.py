"""Colours in CIELAB, where distances are about as large as they look; and words for them."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.images.rgb import RgbImage

Lab = NDArray[np.float32]

# Upper end of the Lab hue angle, in degrees, that each word stands for; from there on it is red again.
_HUES = (
    (45, "red"),
    (78, "orange"),
    (112, "yellow"),
    (165, "green"),
    (225, "turquoise"),
    (308, "blue"),
    (345, "purple"),
)
_GREY_CHROMA = 8
_DARK, _LIGHT = 35, 75


def to_lab(rgb: RgbImage) -> Lab:
    """RGB uint8 (H, W, 3) as CIELAB (D65), float32 (H, W, 3): lightness 0..100, a and b within -110..110."""
    return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)  # type: ignore[return-value]


def to_rgb(lab: Lab) -> tuple[int, int, int]:
    """One Lab colour (3,) as RGB, 0..255 each."""
    rgb = cv2.cvtColor(np.asarray(lab, np.float32).reshape(1, 1, 3), cv2.COLOR_LAB2RGB).ravel()
    red, green, blue = np.clip(np.rint(rgb * 255), 0, 255).astype(int).tolist()
    return red, green, blue


def mean_and_deviation(pixels: Lab) -> Lab:
    """Mean and standard deviation over all pixels (..., 3): float32 (6,)."""
    # numpy takes thirty times as long over a last axis of three
    moments = cv2.meanStdDev(np.ascontiguousarray(pixels).reshape(1, -1, 3))
    return np.concatenate(moments).ravel().astype(np.float32)


def in_words(lab: Lab) -> str:
    """A Lab colour (3,) such as "dark red (RGB 103, 20, 24)"."""
    lightness, a, b = (float(value) for value in lab)
    shade = "dark " if lightness < _DARK else "light " if lightness > _LIGHT else ""
    if math.hypot(a, b) < _GREY_CHROMA:
        name = "grey"
    else:
        hue = math.degrees(math.atan2(b, a)) % 360
        name = next((word for end, word in _HUES if hue < end), "red")
    red, green, blue = to_rgb(lab)
    return f"{shade}{name} (RGB {red}, {green}, {blue})"
