"""Round things of random colours, which belong to no class.

They are made by rule from a number, so that an edit that pastes one can be made again anywhere.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

OBJECTS = 36
SIDE = 160
# From broad areas of colour to spots: so many colours along a side.
_COARSEST, _FINEST = 2, 9
# The edge is softened by a blur of so many pixels.
_SOFT = 1.0

Floats = NDArray[np.float32]


@cache
def made(number: int) -> tuple[Floats, Floats]:
    """The object of that number, below OBJECTS: its colours, float32 (SIDE, SIDE, 3), 0..255, and where it is, 0..1."""
    drawn = np.random.default_rng(number)
    colours = drawn.integers(_COARSEST, _FINEST, endpoint=True)
    grid = drawn.uniform(0, 255, (colours, colours, 3)).astype(np.float32)
    picture = np.clip(cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0, 255)
    where = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(where, (SIDE // 2, SIDE // 2), SIDE // 2 - 4, 1, -1)
    return np.asarray(picture, np.float32), np.asarray(cv2.GaussianBlur(where, (0, 0), _SOFT), np.float32)
