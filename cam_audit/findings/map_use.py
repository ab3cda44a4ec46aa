"""Use: how much of a class's score comes from the cells of a cue, against the other classes' images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import BORDER, Map, area_means, cover
from cam_audit.models.model import Model
from cam_audit.records import Box

# Activations are summed as integers of this many steps a unit, so that any order of images gives the same sum.
STEPS = 1 << 16


def on_grid(maps: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.float32]:
    """Maps (..., h, w) resampled to `grid` (h, w) by area means; the mean over the map stays what it was."""
    if maps.shape[-2:] == grid:
        return maps
    rows, columns = (area_means(*sides).astype(np.float32) for sides in zip(maps.shape[-2:], grid, strict=True))
    return np.asarray(rows @ maps @ columns.T, np.float32)


def box_cover(box: Box, grid: tuple[int, int]) -> Map:
    """How much of each cell a box covers: float32 (h, w), 0..1."""
    left, top, right, bottom = box
    return np.outer(cover(grid[0], top, bottom), cover(grid[1], left, right)).astype(np.float32)


def border_cover(grid: tuple[int, int]) -> Map:
    """How much of each cell lies in the outer eighth of a side: float32 (h, w), 0..1."""
    return 1 - box_cover((BORDER, BORDER, 1 - BORDER, 1 - BORDER), grid)


class ActivationSum:
    """The sum of activations over images, (C, h, w) on one grid.

    It is all that the reference of every class needs, as the map is linear in the activations:
    W_k . (S_all - S_k) / n (detection study, "Use"). Two sums merge, in any order, with the same result.
    `steps`: the sum in integers of 1 / STEPS, int64 (C, h, w); None before anything was added.
    """

    def __init__(self, images: int = 0, steps: NDArray[np.int64] | None = None) -> None:
        self.images = images
        self.steps = steps

    def add(self, activations: NDArray[np.float32]) -> None:
        """Add one image's activations, float32 (C, h, w)."""
        self.merge(ActivationSum(1, np.rint(activations * STEPS).astype(np.int64)))

    def take_away(self, activations: NDArray[np.float32]) -> None:
        """Take away one image's activations, float32 (C, h, w), that were added."""
        self.merge(ActivationSum(-1, -np.rint(activations * STEPS).astype(np.int64)))

    def merge(self, other: ActivationSum) -> None:
        """Add another sum, on the same grid."""
        self.images += other.images
        if other.steps is None:
            return
        # the first one is copied, as it would change with this sum
        self.steps = other.steps.copy() if self.steps is None else np.add(self.steps, other.steps, out=self.steps)

    def value(self) -> NDArray[np.float64]:
        """The sum so far, float64 (C, h, w); raises ValueError where nothing was added."""
        if self.steps is None:
            raise ValueError("no activations were added")
        return self.steps / STEPS


def centred_weight(model: Model, class_index: int) -> NDArray[np.float32]:
    """W_k minus the mean over classes, float32 (C,): what speaks for class k and not for every class."""
    if model.cam_weight is None:
        weight = np.full(len(model.class_names), -1 / len(model.class_names), np.float32)
        weight[class_index] += 1
        return weight
    return np.asarray(model.cam_weight[class_index] - model.mean_weight)


def centred_map(weight: NDArray[np.float32], activations: NDArray[np.float32]) -> Map:
    """The class's map with what all classes share taken away: float32 (h, w)."""
    return np.asarray(np.tensordot(weight, activations, axes=1), np.float32)


def reference_map(
    total: ActivationSum, weight: NDArray[np.float32], own_maps: Sequence[Map]
) -> NDArray[np.float64] | None:
    """The mean centred map of class k over the images that are not of class k; None where there are none."""
    others = total.images - len(own_maps)
    if others <= 0:
        return None
    summed = np.tensordot(weight.astype(np.float64), total.value(), axes=1)
    own = np.sum(own_maps, axis=0, dtype=np.float64) if own_maps else 0.0
    return np.asarray((summed - own) / others)


def use_of(own_map: Map, reference: NDArray[np.float64], cover: Map, scale: float) -> float:
    """What the cue's cells add to the class's logit beyond the other classes' images, in correct margins.

    Z(u) = own_map(u) - reference(u); use = sum of Z over the cue's cells / (h w S), with S = `scale`, the median
    correct margin; `cover` says how much of each cell belongs to the cue.
    """
    return float(((own_map - reference) * cover).sum() / (cover.size * scale))


def margin_of(logits: NDArray[np.float32], class_index: int) -> float:
    """The logit of a class minus the largest other one; logits: float32 (K,)."""
    others = np.delete(logits, class_index)
    return float(logits[class_index] - others.max()) if others.size else 0.0
