"""Where a control is made: the same edit at another place, away from what it is the control of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cam_audit.records import Box, shared_area

Mask = NDArray[np.bool_]


def elsewhere(box: Box) -> Box:
    """A box of the same size at another place: mirrored so that it overlaps the given one least.

    Example:
        >>> elsewhere((0.0, 0.0, 0.25, 0.25))
        (0.75, 0.0, 1.0, 0.25)
    """
    left, top, right, bottom = box
    mirrored = [
        (1 - right, top, 1 - left, bottom),
        (left, 1 - bottom, right, 1 - top),
        (1 - right, 1 - bottom, 1 - left, 1 - top),
        # what lies in the middle has no mirror image elsewhere
        (0.0, 0.0, right - left, bottom - top),
    ]
    return min(mirrored, key=lambda other: shared_area(box, other))


def elsewhere_mask(mask: Mask) -> Mask:
    """A mask of the same shape, mirrored so that it overlaps the given one least; bool (h, w)."""
    mirrored = [mask[:, ::-1], mask[::-1], mask[::-1, ::-1]]
    rows, columns = np.nonzero(mask)
    if rows.size:
        # what lies in the middle has no mirror image elsewhere
        mirrored.append(np.roll(mask, (-rows.min(), -columns.min()), (0, 1)))
    return min(mirrored, key=lambda other: int((mask & other).sum()))


def other_sides(widths: tuple[float, ...]) -> tuple[float, ...]:
    """Strips as wide at other edges: turned so that they overlap the given ones least.

    widths: of the strips at the left, top, right and bottom, as shares of the side that they take from.

    Example:
        >>> other_sides((0.1, 0.0, 0.1, 0.0)), other_sides((0.1, 0.2, 0.0, 0.0))
        ((0.0, 0.1, 0.0, 0.1), (0.0, 0.0, 0.1, 0.2))
    """
    turned = [widths[-turn:] + widths[:-turn] for turn in (2, 1, 3)]
    return min(turned, key=lambda other: sum(map(min, widths, other)))
