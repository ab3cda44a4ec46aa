"""The outlines of annotated objects: boxes, polygons and run lengths, and the mask that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.images.resize import resize_mask
from cam_audit.records import Box

Mask = NDArray[np.uint8]
Points = NDArray[np.float32]
"""The corners of a polygon, float32 (n, 2): x and y as fractions of the image's width and height."""


@dataclass(frozen=True, slots=True, eq=False)
class RunLengths:
    """A mask as COCO's run lengths, uint32: how many pixels are 0, 1, 0, ..., by columns; its width and height."""

    lengths: NDArray[np.uint32]
    size: tuple[int, int]

    def mask(self, width: int, height: int) -> Mask:
        """The mask, uint8 (height, width)."""
        values = np.arange(len(self.lengths), dtype=np.uint32) % 2
        full = np.repeat(values.astype(np.uint8), self.lengths).reshape(self.size)
        return resize_mask(np.ascontiguousarray(full.T), width, height)


@dataclass(frozen=True, slots=True, eq=False)
class ImageObjects:
    """The objects of one image; together, they are what is annotated.

    `boxes`: float32 (n, 4), each a `Box`. `size`: the image's full width and height in pixels; None where the file does
    not tell. `in_pixels`: whether boxes and polygons are in pixels of that size, not fractions of it.
    """

    boxes: NDArray[np.float32]
    polygons: tuple[Points, ...]
    runs: tuple[RunLengths, ...]
    size: tuple[int, int] | None
    in_pixels: bool = False

    def __bool__(self) -> bool:
        return bool(len(self.boxes) or self.polygons or self.runs)

    def parts(self) -> tuple[bytes, ...]:
        """What tells these objects from others."""
        arrays = (self.boxes, *self.polygons, *(runs.lengths for runs in self.runs))
        return (str(self.size).encode(), *(array.tobytes() for array in arrays))

    def mask(self, width: int, height: int, full: tuple[int, int] | None = None) -> Mask:
        """All objects in one mask, uint8 (height, width). A box covers at least one pixel, and so does a polygon.

        full: width and height of the picture in its file, where this one is reduced.
        """
        scale = np.array((full or (width, height)) if self.in_pixels else (1, 1), np.float32)
        mask = np.zeros((height, width), np.uint8)
        for corners in self.boxes.reshape(-1, 2, 2) / scale:
            if is_in_picture(corners):
                (left, top), (right, bottom) = corners.clip(0, 1).tolist()
                mask[_pixels(top, bottom, height), _pixels(left, right, width)] = 1
        for points in self.polygons:
            if is_in_picture(points / scale):
                mask |= polygon_mask(points / scale, width, height)
        for runs in self.runs:
            mask |= runs.mask(width, height)
        return mask


def is_in_picture(points: NDArray[np.floating[Any]]) -> bool:
    """Whether anything of what these points span lies in the picture."""
    return bool((points.max(axis=0) > 0).all() and (points.min(axis=0) < 1).all())


def image_objects(
    shapes: Sequence[Box | Points | RunLengths], size: tuple[int, int] | None, *, in_pixels: bool = False
) -> ImageObjects:
    """The objects of an image whose shapes these are."""
    return ImageObjects(
        boxes=np.array([shape for shape in shapes if isinstance(shape, tuple)], np.float32).reshape(-1, 4),
        polygons=tuple(shape for shape in shapes if isinstance(shape, np.ndarray)),
        runs=tuple(shape for shape in shapes if isinstance(shape, RunLengths)),
        size=size,
        in_pixels=in_pixels,
    )


def polygon_mask(points: Points, width: int, height: int) -> Mask:
    """The pixels, uint8 (height, width), whose centres lie in a polygon; where it meets itself, by even and odd."""
    corners = points.astype(np.float64) * (width, height) - 0.5
    changes = np.zeros((height, width + 1), np.uint8)
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        low, high = np.ceil(np.clip(sorted((y, next_y)), 0, height)).astype(int)
        rows = np.arange(low, high)
        if rows.size:
            crossed = np.ceil(x + (rows - y) * ((next_x - x) / (next_y - y)))
            changes[rows, crossed.clip(0, width).astype(int)] ^= 1
    mask = np.bitwise_xor.accumulate(changes, axis=1)[:, :width]
    if not mask.any():
        (left, top), (right, bottom) = points.min(axis=0).clip(0, 1).tolist(), points.max(axis=0).clip(0, 1).tolist()
        mask[_pixels(top, bottom, height), _pixels(left, right, width)] = 1
    return np.ascontiguousarray(mask)


def _pixels(low: float, high: float, side: int) -> slice:
    """The pixels of a side between two fractions of it, at least one."""
    first = min(round(low * side), side - 1)
    return slice(first, max(round(high * side), first + 1))
