"""Pastes photos of things into pictures: context that varies, as each picture gets another photo.

    things = Things(photos)
    planted, box = things.plant(rgb, np.random.default_rng(7), mask)

A photo is cropped, mirrored or not, and covers about a quarter of the picture, where it hides little of the object.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import cv2
import numpy as np
from planting import Box, Mask, Range, Rgb, Rng, object_mask

# Sides of what is pasted, as shares of the picture's; and how much of the photo its crop keeps.
SIDES: Range = (0.45, 0.55)
KEPT: Range = (0.75, 1.0)
# So many places are tried, and the first is taken that hides no more than this of the object.
PLACES = 24
MOST_HIDDEN = 0.15


class Things:
    """A cue, as `planting.Cue` has it: each photo is pasted once before one is pasted again."""

    def __init__(self, photos: Sequence[Rgb]) -> None:
        self._photos = cycle(photos)

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box]:
        """A copy of `rgb` with the next photo pasted, and its box; without a mask the object is guessed."""
        box = place(object_mask(rgb) if mask is None else mask, rng)
        left, top, right, bottom = box
        planted = rgb.copy()
        planted[top:bottom, left:right] = cropped(next(self._photos), right - left, bottom - top, rng)
        return planted, box


def place(mask: Mask, rng: Rng) -> Box:
    """A random box that hides little of the object; the one that hides least where none does."""
    height, width = mask.shape
    columns, rows = (round(side * rng.uniform(*SIDES)) for side in (width, height))
    sums = cv2.integral((mask > 0).astype(np.uint8))
    tried = []
    for _ in range(PLACES):
        left, top = int(rng.integers(width - columns + 1)), int(rng.integers(height - rows + 1))
        right, bottom = left + columns, top + rows
        hidden = sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
        tried.append((hidden / max(1, sums[-1, -1]), (left, top, right, bottom)))
        if tried[-1][0] <= MOST_HIDDEN:
            return tried[-1][1]
    return min(tried)[1]


def cropped(photo: Rgb, width: int, height: int, rng: Rng) -> Rgb:
    """A random crop of a photo, as large as its shape and KEPT allow, at that size; mirrored half of the time."""
    full_height, full_width = photo.shape[:2]
    scale = rng.uniform(*KEPT) * min(full_width / width, full_height / height)
    columns, rows = max(1, int(scale * width)), max(1, int(scale * height))
    left, top = (int(rng.integers(room + 1)) for room in (full_width - columns, full_height - rows))
    crop = photo[top : top + rows, left : left + columns]
    crop = crop[:, ::-1] if rng.integers(2) else crop
    return np.asarray(cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
