"""Pixel values of more than 8 bits, signed ones and fractions become 8 bits, and it is said how."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ImageError

# Files have 16 bits for what a camera or detector measured with fewer; 15 are those of signed numbers.
DEPTHS = (8, 10, 12, 14, 15, 16)
# Values that fill less of a range than this are not in that range: the picture would be nearly black.
LEAST_FILLED = 1 / 16
# Percentiles that become 0 and 255 where nothing tells the range: a single hot pixel would make all others black.
STRETCHED = (0.1, 99.9)


def to_8_bits(values: NDArray[Any]) -> tuple[NDArray[np.uint8], str]:
    """Pixel values as uint8 of the same shape, and in words how they came to that, "" for 8 and full 16 bits.

    Whole numbers from 0 on are taken as those of the least of DEPTHS that holds them, and keep their high byte.
    Fractions from 0 to 1, and to 255, are taken as such. Of all else, negative numbers among it, the range that is
    used is stretched, from the first to the second percentile of STRETCHED.

    Raises ImageError where no value is a number.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False), ""
    bits = 8 * values.dtype.itemsize
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        raise ImageError(f"none of its {bits}-bit values is a number")
    low, high = float(finite.min()), float(finite.max())
    if values.dtype.kind != "f":
        kind = f"{bits}-bit{' signed' if values.dtype.kind == 'i' else ''} values"
        depth = next((depth for depth in DEPTHS if high < 1 << depth), None)
        if depth and low >= 0 and (high >= LEAST_FILLED * 256 or high == 0):
            return (values >> (depth - 8)).astype(np.uint8), f"{kind} that fill {depth} bits" if depth < bits else ""
        return _stretched(values, finite, low, high), f"{kind}, their range stretched"
    for most, words in ((1, "0 to 1"), (255, "0 to 255")):
        if -most / 255 <= low and LEAST_FILLED * most <= high <= most * 256 / 255:
            scaled = np.nan_to_num(values, nan=0, posinf=most, neginf=0) * (255 / most)
            return np.rint(scaled).clip(0, 255).astype(np.uint8), f"{bits}-bit fractions from {words}"
    return _stretched(values, finite, low, high), f"{bits}-bit fractions, their range stretched"


def _stretched(values: NDArray[Any], finite: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """The values from `low` to `high`, or rather the percentiles between them that differ, as 0 to 255."""
    first, last = np.percentile(finite.astype(np.float64), STRETCHED)
    if first < last:
        low, high = first, last
    # what is no number becomes black
    share = (np.nan_to_num(values.astype(np.float64), nan=low) - low) / ((high - low) or 1)
    stretched: NDArray[np.uint8] = np.rint(share.clip(0, 1) * 255).astype(np.uint8)
    return stretched
