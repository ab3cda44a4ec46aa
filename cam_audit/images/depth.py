"""Pixel values of more than 8 bits, signed ones and fractions become 8 bits, and it is said how.

What the file itself says of black and white holds; else it is decided once for a data set (`ranges`). A picture that
was stretched by its own values would be brighter than its neighbour, which is a cue that the files don't have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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
# Percentiles are taken of about so many values of a picture.
_COUNTED = 1 << 20


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values of pictures: the least, the greatest, and the percentiles STRETCHED, `low` and `high`."""

    least: float
    greatest: float
    low: float
    high: float


Ranges = Mapping[str, ValueRange]
"""The ranges of a data set's pictures, by the kind of their values (`16-bit signed values`)."""
RangeFor = Callable[[NDArray[Any]], ValueRange]
"""What tells the range for a picture's values: `range_of` themselves, `range_in` a data set, `up_to` what is stated."""


def to_8_bits(values: NDArray[Any], range_for: RangeFor | None = None) -> tuple[NDArray[np.uint8], str]:
    """Pixel values as uint8 of the same shape, and in words how they came to that, "" for 8 and full 16 bits.

    range_for: tells the range; without it, that is the picture's own. Whole numbers from 0 on are
    taken as those of the least of DEPTHS that holds the range, and keep their high byte. Fractions from 0 to 1, and to
    255, are taken as such. Of all else, negative numbers among it, the range from `low` to `high` is stretched. What
    lies outside becomes black or white.

    Raises ImageError where no value is a number.
    """
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False), ""
    kind = kind_of_values(values)
    of_kind = (range_for or range_of)(values)
    if values.dtype.kind != "f":
        depth = next((depth for depth in DEPTHS if of_kind.greatest < 1 << depth), None)
        if depth and of_kind.least >= 0 and (of_kind.greatest >= LEAST_FILLED * 256 or of_kind.greatest == 0):
            words = f"{kind} that fill {depth} bits" if depth < 8 * values.dtype.itemsize else ""
            return (values.clip(0, (1 << depth) - 1) >> (depth - 8)).astype(np.uint8), words
        return _scaled(values, of_kind.low, of_kind.high), f"{kind}, their range stretched"
    for most in (1, 255):
        if -most / 255 <= of_kind.least and LEAST_FILLED * most <= of_kind.greatest <= most * 256 / 255:
            return _scaled(values, 0, most), f"{kind} from 0 to {most}"
    return _scaled(values, of_kind.low, of_kind.high), f"{kind}, their range stretched"


def kind_of_values(values: NDArray[Any]) -> str:
    """What values are, in words; the key of Ranges."""
    what = {"f": "fractions", "i": "signed values"}.get(values.dtype.kind, "values")
    return f"{8 * values.dtype.itemsize}-bit {what}"


def range_of(values: NDArray[Any]) -> ValueRange:
    """The range of a picture's values; raises ImageError where none of them is a number."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()
    if not finite.size:
        raise ImageError(f"none of its {8 * values.dtype.itemsize}-bit values is a number")
    least, greatest = float(finite.min()), float(finite.max())
    low, high = np.percentile(finite[:: 1 + finite.size // _COUNTED].astype(np.float64), STRETCHED).tolist()
    return ValueRange(least, greatest, *((low, high) if low < high else (least, greatest)))


def range_in(ranges: Ranges, values: NDArray[Any]) -> ValueRange:
    """The range of a data set for values of this kind; their own where it has none."""
    return ranges.get(kind_of_values(values)) or range_of(values)


def up_to(greatest: int) -> RangeFor:
    """The range from 0 to what a file says is its white."""
    return lambda _: ValueRange(0, greatest, 0, greatest)


def united(ranges: Iterable[tuple[str, ValueRange]]) -> dict[str, ValueRange]:
    """The ranges, by their kind, that hold all of these."""
    of_kinds: dict[str, ValueRange] = {}
    for kind, one in ranges:
        other = of_kinds.get(kind, one)
        of_kinds[kind] = ValueRange(
            min(one.least, other.least),
            max(one.greatest, other.greatest),
            min(one.low, other.low),
            max(one.high, other.high),
        )
    return dict(sorted(of_kinds.items()))


def _scaled(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """The values from `low` to `high` as 0 to 255; what is no number becomes black."""
    numbers = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    shares: NDArray[np.uint8] = np.rint(((numbers - low) / ((high - low) or 1)).clip(0, 1) * 255).astype(np.uint8)
    return shares
