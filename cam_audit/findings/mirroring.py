"""Which pixels fill a picture that is continued: its border, or a stretch of it, mirrored again and again."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# The border band that fills surroundings, as a share of the short side.
BAND = 0.12


def mirrored_places(length: int, low: int, high: int) -> NDArray[np.intp]:
    """For each place along a side, the place in low..high that it mirrors, again and again: int (length,)."""
    return low + _folded(np.arange(length) - low, high - low)


def continued_places(length: int, inner: int, low: int) -> NDArray[np.intp]:
    """For each place along a side, the place in a picture of `inner` that begins at `low`: int (length,).

    Beyond its ends its border band is mirrored, again and again.
    """
    band = min(inner, max(2, round(inner * BAND)))
    places = np.arange(length) - low
    before, after = _folded(places, band), inner - 1 - _folded(inner - 1 - places, band)
    return np.asarray(np.where(places < 0, before, np.where(places >= inner, after, places)))


# most pictures of a data set are of a few sizes
@lru_cache(maxsize=16)
def border_places(height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The row and column of a picture's border band that fill each of its pixels: int (height, width) each.

    A pixel takes the one as deep in the band at its nearest side. Deeper than the band is wide, the band is mirrored,
    again and again.
    """
    band = max(2, round(min(height, width) * BAND))
    rows, columns = np.mgrid[:height, :width]
    to_sides = np.stack([rows, height - 1 - rows, columns, width - 1 - columns])
    side = to_sides.argmin(0)
    depth = _folded(to_sides.min(0), band)
    from_rows = np.select([side == 0, side == 1], [depth, height - 1 - depth], rows)
    from_columns = np.select([side == 2, side == 3], [depth, width - 1 - depth], columns)
    # a picture may be narrower than the band is deep
    return from_rows.clip(0, height - 1), from_columns.clip(0, width - 1)


def _folded(places: NDArray[np.intp], span: int) -> NDArray[np.intp]:
    """Places on 0..span-1 and mirrored beyond, again and again."""
    steps = places % (2 * span)
    return np.minimum(steps, 2 * span - 1 - steps)
