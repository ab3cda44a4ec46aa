"""Whether a part keeps its place beside the others: what does not belong to the object wanders.

A net that knows objects calls a pasted dog an object, wherever it lies. A head keeps its place beside a body, whichever
way it looks; a dog in the corner does not keep its place beside a horse. What this is worth was measured
(docs/findings.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.parts import Floats, Pieces

# A part that wanders so far, as a share of the picture's sides, deserves a look.
FAR = 0.15
_TINY = 1e-9


def wanderings(pieces: Sequence[Pieces]) -> list[float]:
    """How far each part of a class wanders from the others that speak for it, see `wander`."""
    whole = [
        sum(max(piece.worth, 0.0) * of_map for piece, of_map in zip(pieces, of_image, strict=True))
        for of_image in zip(*(piece.maps for piece in pieces), strict=True)
    ]
    return [
        wander(
            [of_map for of_map, shows in zip(piece.maps, piece.shown, strict=True) if shows],
            [
                np.asarray(of_whole - max(piece.worth, 0.0) * of_map, np.float32)
                for of_map, of_whole, shows in zip(piece.maps, whole, piece.shown, strict=True)
                if shows
            ],
        )
        for piece in pieces
    ]


def wander(own: Sequence[Floats], rest: Sequence[Floats]) -> float:
    """How much the place of a part beside the rest of the score varies, as a share of the picture's sides, 0 or more.

    It is the standard deviation, weighted by how much of the part an image has, of how far its centre lies from that of
    the rest: left and right alike, and above or below. own, rest: maps float32 (h, w) of each image, 0 or more.
    """
    if not own:
        return 0.0
    beside = np.stack([centre(of_part) - centre(of_rest) for of_part, of_rest in zip(own, rest, strict=True)])
    beside[:, 0] = np.abs(beside[:, 0])
    weights = np.array([of_part.mean() for of_part in own], np.float64) + _TINY
    mean = np.average(beside, axis=0, weights=weights)
    return float(np.sqrt(np.average(((beside - mean) ** 2).sum(1), weights=weights)))


def centre(of_map: Floats) -> NDArray[np.float64]:
    """The centre of mass, (x, y) as shares of width and height; the middle of an empty map."""
    height, width = of_map.shape
    total = float(of_map.sum())
    if total <= _TINY:
        return np.array([0.5, 0.5])
    x, y = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    return np.array([float(of_map.sum(0) @ x), float(of_map.sum(1) @ y)]) / total
