"""Edges of thumbnails, whatever their contrast: what a picture shows and where, not how bright it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 112

# Grey levels a pixel at which an edge counts half: weaker ones are mostly noise, all stronger ones count alike.
_HALF_EDGE = 6

Greys = NDArray[np.uint8]
Pixels = NDArray[np.intp]

EVERYWHERE: Pixels = np.arange(SIDE * SIDE)


def edges(greys: Greys, pixels: Pixels = EVERYWHERE) -> NDArray[np.float32]:
    """The direction and clarity of the edge at some pixels: float32 (n, m, 2), u = g / (|g| + 6), length below 1.

    greys: uint8 (n, 112, 112); pixels: int (m,), row x 112 + column. g is the gradient by central differences,
    in grey levels a pixel.
    """
    wide = SIDE + 2
    padded = np.pad(greys, ((0, 0), (1, 1), (1, 1)), mode="edge").reshape(len(greys), -1).astype(np.float32)
    centre = (pixels // SIDE + 1) * wide + pixels % SIDE + 1
    across = (padded[:, centre + 1] - padded[:, centre - 1]) / 2
    down = (padded[:, centre + wide] - padded[:, centre - wide]) / 2
    del padded
    clarity = 1 / (np.sqrt(across * across + down * down) + _HALF_EDGE)
    # in place, as those of a class are megabytes, and pixel by pixel, as indexing by `centre` gave them
    found = np.empty((len(pixels), len(greys), 2), np.float32).transpose(1, 0, 2)
    np.multiply(across, clarity, out=found[..., 0])
    np.multiply(down, clarity, out=found[..., 1])
    return found
