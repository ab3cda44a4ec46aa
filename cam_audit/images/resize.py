"""The sizes at which pictures enter a net, and how they get there."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.images.rgb import RgbImage

MAX_ASPECT = 4
# The long side, in pixels, of pictures in which keypoints are looked for and whose sharpness is measured.
WORKING_SIDE = 336


def network_size(width: int, height: int, shortest: int, cell: int) -> tuple[int, int]:
    """Width and height at which a picture enters the net.

    The shortest side becomes `shortest`, aspect kept; a picture of more than MAX_ASPECT to 1 is scaled until
    its long side is MAX_ASPECT x `shortest`, but no side falls below one `cell` of the map (pixels).
    """
    scale = min(shortest / min(width, height), MAX_ASPECT * shortest / max(width, height))
    return max(cell, round(width * scale)), max(cell, round(height * scale))


def resize(rgb: RgbImage, width: int, height: int) -> RgbImage:
    """Resize to exactly `width` x `height`: area mean where it shrinks, bicubic where it grows."""
    if (width, height) == (rgb.shape[1], rgb.shape[0]):
        return rgb
    shrinks = width < rgb.shape[1] or height < rgb.shape[0]
    return cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)  # type: ignore[return-value]


def at_working_side(rgb: RgbImage) -> RgbImage:
    """The picture with a long side of WORKING_SIDE, aspect kept."""
    height, width = rgb.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    return resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))


def resize_mask(mask: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Resize a mask of 0 and 1 to exactly `width` x `height`: 1 where at least half of a pixel is 1."""
    if (width, height) == (mask.shape[1], mask.shape[0]):
        return mask
    shrinks = width < mask.shape[1] or height < mask.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    grey = cv2.resize(mask * np.uint8(255), (width, height), interpolation=interpolation)
    return (grey > 127).astype(np.uint8)
