"""Class activation maps and their statistics in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.records import MapStatistics

BORDER = 1 / 8
SHOWN_FROM = 0.2
# A map that varies by less than float32 can tell is flat: stretching it would show rounding as evidence.
FLAT = 1e-6

Map = NDArray[np.float32]


def class_activation_map(
    activations: NDArray[np.float32], cam_weight: NDArray[np.float32] | None, class_index: int
) -> NDArray[np.float32]:
    """The raw map of one class: CAM_k = sum_c cam_weight[k, c] * activations[c] (Zhou et al. 2016).

    activations: float32 (C, h, w); cam_weight: float32 (K, C), or None where activations[k] is the map of
    class k already. Returns float32 (h, w) in units of the logit: its mean plus the bias is logit k.

    Raises IndexError where the net has no such class.

    Example:
        >>> activations = np.float32([[[1, 2], [3, 4]], [[1, 0], [0, 1]]])
        >>> class_activation_map(activations, np.float32([[1, 10]]), 0).tolist()
        [[11.0, 2.0], [3.0, 14.0]]
    """
    if cam_weight is None:
        return np.asarray(activations[class_index])
    cam: NDArray[np.float32] = np.tensordot(cam_weight[class_index], activations, axes=1)
    return cam


def is_flat(cam: Map) -> bool:
    """Whether a map has nothing to show: all its cells are the same, or some are not finite."""
    low, high = float(cam.min()), float(cam.max())
    return not (np.isfinite(high - low) and high - low > FLAT * max(abs(low), abs(high)))


def normalised(cam: Map) -> Map:
    """The map scaled to 0..1, for display; zeros where it is flat."""
    if is_flat(cam):
        return np.zeros_like(cam)
    low, high = cam.min(), cam.max()
    return (cam - low) / (high - low)  # type: ignore[no-any-return]


def peak(cam: Map) -> tuple[float, float]:
    """The centre of the highest cell, (x, y) as fractions of width and height."""
    height, width = cam.shape
    row, column = divmod(int(cam.argmax()), width)
    return (column + 0.5) / width, (row + 0.5) / height


def map_statistics(cam: NDArray[np.float32]) -> MapStatistics:
    """Peak, border share and area of a raw map, float (h, w); see `MapStatistics` for what they mean."""
    height, width = cam.shape
    peak_x, peak_y = peak(cam)
    positive = np.maximum(cam, 0).astype(np.float64)
    total = positive.sum()
    inner = cover(height, BORDER, 1 - BORDER) @ positive @ cover(width, BORDER, 1 - BORDER)
    return MapStatistics(
        peak_x=peak_x,
        peak_y=peak_y,
        border_share=max(0.0, float(1 - inner / total)) if total > 0 else None,
        area=float((normalised(cam) >= SHOWN_FROM).mean()),
    )


def cover(cells: int, low: float, high: float) -> NDArray[np.float64]:
    """How much of each of `cells` equal cells along a side lies between two fractions of it: float64 (cells,), 0..1."""
    return _overlaps(np.linspace(0, 1, cells + 1), np.array([low, high]))[:, 0] * cells


def area_means(cells: int, onto: int) -> NDArray[np.float64]:
    """The matrix, float64 (onto, cells), that takes `cells` equal cells along a side to area means over `onto` cells.

    Pixels are cells too: with it a mask becomes the share of each cell that it covers.
    """
    # counted in cells: in fractions, edges that coincide would differ by rounding
    return _overlaps(np.arange(onto + 1) * cells / onto, np.arange(cells + 1)) * onto / cells


def _overlaps(edges: NDArray[np.float64], others: NDArray[Any]) -> NDArray[np.float64]:
    """The length that each cell between two `edges` (n,) shares with each between two `others` (m,): (n - 1, m - 1)."""
    shared = np.minimum(edges[1:, None], others[1:]) - np.maximum(edges[:-1, None], others[:-1])
    return np.asarray(np.maximum(shared, 0))
