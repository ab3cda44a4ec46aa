"""How much of a class activation map lies on the annotated object, and the picture without that object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import area_means
from cam_audit.images.rgb import RgbImage

# Standard deviation of the centre blob, as a fraction of each side.
CENTRE_SPREAD = 1 / 4
# A larger object leaves inpainting too little to continue from, and takes it too long.
INPAINT_BELOW = 0.15
# Fractions of the shorter side: how far past its mask an object is removed, as its edges give it away, and
# how wide the ring round it is whose mean replaces a large one.
MARGIN = 0.02
RING = 0.05
_INPAINT_RADIUS = 3

Mask = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Inside:
    """How much of a map lies on an object.

    `share`: share of the positive map inside the object, 0..1; None where nothing is positive.
    `area`: the object's share of the image, 0..1: the `share` of a map that is the same everywhere.
    `centre_share`: the `share` of a fixed blob in the image's centre, 0..1: what one scores without looking.
    """

    share: float | None
    area: float
    centre_share: float


def inside_share(cam: NDArray[np.float32], mask: Mask) -> Inside:
    """How much of the positive part of a raw map lies inside an object.

    cam: float (h, w); mask: (H, W), 1 inside and 0 outside, of any size: both cover the whole image. Each
    cell's value is spread evenly over the cell, so a cell counts by how much of it the mask covers. The
    centre blob is a Gaussian whose standard deviation is a quarter of each side.
    """
    inside = mask.astype(np.float64)
    coverage = area_means(mask.shape[0], cam.shape[0]) @ inside @ area_means(mask.shape[1], cam.shape[1]).T
    positive = np.maximum(cam, 0).astype(np.float64)
    total = positive.sum()
    return Inside(
        share=float((positive * coverage).sum() / total) if total > 0 else None,
        area=float(inside.mean()),
        centre_share=float(_centre_blob(mask.shape[0]) @ inside @ _centre_blob(mask.shape[1])),
    )


def remove_object(rgb: RgbImage, mask: Mask) -> RgbImage:
    """The picture without the object and a narrow margin round it: uint8 (H, W, 3) RGB.

    rgb: uint8 (H, W, 3); mask: uint8 (H, W), 1 inside. An object of less than INPAINT_BELOW of the picture is
    inpainted (Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004); a larger one
    is painted with the mean of a ring round it, or of the whole picture where nothing is left round it.
    """
    side = min(mask.shape)
    hole = _dilated(mask, MARGIN * side)
    if mask.mean() < INPAINT_BELOW:
        return cv2.inpaint(rgb, hole, _INPAINT_RADIUS, cv2.INPAINT_TELEA)  # type: ignore[return-value]
    ring = _dilated(hole, RING * side) > hole
    removed = rgb.copy()
    removed[hole > 0] = np.rint(rgb[ring if ring.any() else ...].reshape(-1, 3).mean(axis=0))
    return removed


def _centre_blob(pixels: int) -> NDArray[np.float64]:
    """A Gaussian round the middle of a side of `pixels`, float64 (pixels,) that sums to 1."""
    offset = (np.arange(pixels) + 0.5) / pixels - 0.5
    density = np.exp(-0.5 * (offset / CENTRE_SPREAD) ** 2)
    blob: NDArray[np.float64] = density / density.sum()
    return blob


def _dilated(mask: Mask, reach: float) -> Mask:
    """The mask grown by `reach` pixels, rounded up, in every direction."""
    size = 2 * int(np.ceil(reach)) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))  # type: ignore[return-value]
