"""A class activation map in colour over its image."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import SHOWN_FROM, Map, is_flat
from cam_audit.images.rgb import RgbImage

JET = "jet"
# By name, as OpenCV numbers them. The jet of the published overlays is our own, as the corners of OpenCV's differ.
# All others only get lighter, so that their peak is the peak in grey, too, and for people who see few colours.
COLORMAPS: dict[str, int | None] = {
    JET: None,
    "inferno": cv2.COLORMAP_INFERNO,
    "magma": cv2.COLORMAP_MAGMA,
    "plasma": cv2.COLORMAP_PLASMA,
    "viridis": cv2.COLORMAP_VIRIDIS,
    "cividis": cv2.COLORMAP_CIVIDIS,
}


def cam_overlay(rgb: RgbImage, cam: Map, out: RgbImage | None = None, *, colormap: str = JET) -> RgbImage:
    """The map in colour over the image's grey, at the image's size: uint8 (H, W, 3) RGB, in `out` if given.

    rgb: uint8 (H, W, 3); cam: float (h, w), any range; colormap: one of COLORMAPS. The map is resized (bicubic),
    normalised to 0..1, set to 0 under 0.2, coloured by the colour map times a linear ramp, added to the grey image at
    half brightness, and the sum normalised to 0..255. A flat map gives the grey image.

    Source: the overlay of "Investigate Network Predictions Using Class Activation Mapping" (MathWorks), which
    colours by jet, at 255 levels as this does.

    Example:
        >>> picture = np.full((120, 160, 3), 128, np.uint8)
        >>> overlay = cam_overlay(picture, np.float32([[0, 1], [0, 0]]))
        >>> overlay.shape, overlay[5, 155].tolist()  # jet's dark red at the peak
        ((120, 160, 3), [153, 0, 0])
    """
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    heat = _bicubic(cam.shape[0], height) @ cam.astype(np.float32) @ _bicubic(cam.shape[1], width).T
    low, high, _, _ = cv2.minMaxLoc(heat)
    # an image of one pixel has a flat map of its own
    if is_flat(cam) or low == high:
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB, dst=out)  # type: ignore[return-value]
    scale = 255 / (high - low)
    levels = cv2.convertScaleAbs(heat, alpha=scale, beta=-low * scale)
    coloured = cv2.applyColorMap(levels, overlay_colours(colormap))
    half = cv2.cvtColor(cv2.convertScaleAbs(grey, alpha=0.5), cv2.COLOR_GRAY2RGB)
    mixed = np.add(half, coloured, dtype=np.uint16)
    low, high, _, _ = cv2.minMaxLoc(mixed.reshape(height, width * 3))
    scale = 255 / max(high - low, 1)
    return cv2.convertScaleAbs(mixed, dst=out, alpha=scale, beta=-low * scale)  # type: ignore[return-value]


@lru_cache(maxsize=64)
def _bicubic(cells: int, pixels: int) -> NDArray[np.float32]:
    """What each cell of a map gives to each pixel along one side: float32 (pixels, cells).

    Two products with such matrices are OpenCV's bicubic resizing of a small map, in a tenth of its time.
    """
    return cv2.resize(np.eye(cells, dtype=np.float32), (cells, pixels), interpolation=cv2.INTER_CUBIC)  # type: ignore[return-value]


def jet(levels: int) -> NDArray[np.float64]:
    """The jet colour map, float (levels, 3) RGB in 0..1: a trapezium a channel, a quarter of the range apart."""
    x = np.linspace(0, 1, levels)[:, None]
    centres = np.array([[0.75, 0.5, 0.25]])
    return np.asarray(np.clip(1.5 - 4 * np.abs(x - centres), 0, 1))


@lru_cache(maxsize=len(COLORMAPS))
def ramped(colormap: str) -> NDArray[np.uint8]:
    """A colour map times a linear ramp, so that it begins in black: uint8 (256, 1, 3) RGB.

    Example:
        >>> ramped("inferno")[[0, 255], 0].tolist()
        [[0, 0, 0], [252, 255, 164]]
    """
    levels = np.arange(256, dtype=np.uint8)[:, None]
    kind = COLORMAPS[colormap]
    colours = jet(256)[:, None] if kind is None else cv2.applyColorMap(levels, kind)[..., ::-1] / 255
    return np.rint(colours * np.linspace(0, 1, 256)[:, None, None] * 255).astype(np.uint8)


@lru_cache(maxsize=len(COLORMAPS))
def overlay_colours(colormap: str) -> NDArray[np.uint8]:
    """What an overlay adds to the grey image at each of 256 levels of the normalised map: uint8 (256, 1, 3) RGB."""
    return np.where(np.linspace(0, 1, 256)[:, None, None] < SHOWN_FROM, 0, ramped(colormap)).astype(np.uint8)
