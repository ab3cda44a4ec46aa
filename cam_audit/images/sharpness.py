"""How sharp a picture is, and how blocky JPEG has made it, in numbers that compare pictures of any size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.images.resize import WORKING_SIDE
from cam_audit.images.rgb import RgbImage

# The standard deviation, in pixels, of the blur before sharpness is measured: finer detail depends on the decoder.
_FINEST = 0.7
# Curvature that no eye sees, and that rounding makes: a flat picture is neither sharp nor blurred.
_INVISIBLE = 0.3
# Steps across pixels, in grey levels, that rounding makes.
_ROUNDING = 0.1
# The side of JPEG's blocks in pixels.
BLOCK = 8
# Blocks of larger pictures have shrunk to less than three pixels where pictures are compared.
BLOCKY_SIDE = WORKING_SIDE * BLOCK // 3

Greys = NDArray[np.float32]


def grey_of(rgb: RgbImage) -> Greys:
    """Grey levels, 0..255: float32 (H, W)."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)


def magnitude(x: Greys, y: Greys) -> Greys:
    """The lengths of vectors: float32, of the shape of their parts.

    `cv2.magnitude` differs in the last digit with where an array lies in memory, so two runs would not be the same.
    """
    return np.sqrt(x * x + y * y)


def steps_of(greys: NDArray[np.uint8] | Greys) -> Greys:
    """How much grey levels change from pixel to pixel: float32 (H, W), in levels, by Sobel's operator."""
    return magnitude(*(cv2.Sobel(greys, cv2.CV_32F, x, 1 - x, scale=1 / 8) for x in (1, 0)))  # type: ignore[arg-type]


def sharpness(greys: Greys) -> float:
    """How fine the detail is, in octaves: less after a blur, whatever the contrast.

    greys: float32 (H, W), of a picture `at_working_side`. It is the curvature of the Laplacian over the Laplacian: both
    grow with contrast. Other measures of focus: Pertuz et al., "Analysis of focus measure operators for
    shape-from-focus" (2013).
    """
    curved = _laplacian(cv2.GaussianBlur(greys, (0, 0), _FINEST))  # type: ignore[arg-type]
    finer, fine = (_deviation(each) + _INVISIBLE for each in (_laplacian(curved), curved))
    return float(np.log2(finer / fine))


def blockiness(greys: Greys) -> float:
    """How much larger steps are across the borders of JPEG's blocks than elsewhere, in octaves.

    greys: float32 (H, W), as the picture was stored; 0 for one without a whole block. After Wang, Bovik and Evans,
    "Blind measurement of blocking artifacts in images" (2000).
    """
    if min(greys.shape) <= BLOCK:
        return 0.0
    across = np.abs(np.diff(greys, axis=1)).mean(0), np.abs(np.diff(greys, axis=0)).mean(1)
    borders = np.mean([steps[BLOCK - 1 :: BLOCK].mean() for steps in across])
    elsewhere = np.mean([steps[np.arange(len(steps)) % BLOCK != BLOCK - 1].mean() for steps in across])
    return float(np.log2((borders + _ROUNDING) / (elsewhere + _ROUNDING)))


def _laplacian(greys: Greys) -> Greys:
    return cv2.Laplacian(greys, cv2.CV_32F)  # type: ignore[return-value]


def _deviation(values: Greys) -> float:
    return float(cv2.meanStdDev(values)[1][0, 0])
