"""Draw class activation maps over images, and the titled panels that a scan writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import SHOWN_FROM
from cam_audit.images import RgbImage, resize
from cam_audit.records import Score

Map = NDArray[np.float32]


def cam_overlay(rgb: RgbImage, cam: Map) -> RgbImage:
    """The map in colour over the image's grey, at the image's size: uint8 (H, W, 3) RGB.

    rgb: uint8 (H, W, 3); cam: float (h, w), any range. The map is resized (bicubic), normalised to 0..1, set to
    0 under 0.2, coloured by jet times a linear ramp, added to the grey image at half brightness, and the sum
    normalised to 0..255. A flat map gives the grey image.

    Source: the overlay of "Investigate Network Predictions Using Class Activation Mapping" (MathWorks), which
    colours at 255 levels as this does.
    """
    height, width = rgb.shape[:2]
    grey = cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    heat = cv2.resize(np.ascontiguousarray(cam, np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    low, high, _, _ = cv2.minMaxLoc(heat)
    if not high - low > FLAT * max(abs(low), abs(high)) or not np.isfinite(high - low):
        return grey  # type: ignore[return-value]
    scale = 255 / (high - low)
    levels = cv2.convertScaleAbs(heat, alpha=scale, beta=-low * scale)
    coloured = cv2.applyColorMap(levels, _COLOURS)
    mixed = cv2.addWeighted(grey, 0.5, coloured, 1, 0, dtype=cv2.CV_16U)
    low, high, _, _ = cv2.minMaxLoc(mixed.reshape(height, width * 3))
    scale = 255 / max(high - low, 1)
    return cv2.convertScaleAbs(mixed, alpha=scale, beta=-low * scale)  # type: ignore[return-value]


# A map that varies by less than float32 can tell is flat: stretching it would show rounding as evidence.
FLAT = 1e-6


def jet(levels: int) -> NDArray[np.float64]:
    """The jet colour map, float (levels, 3) RGB in 0..1: a trapezium a channel, a quarter of the range apart."""
    x = np.linspace(0, 1, levels)[:, None]
    centres = np.array([[0.75, 0.5, 0.25]])
    return np.clip(1.5 - 4 * np.abs(x - centres), 0, 1)


def _colour_table() -> NDArray[np.uint8]:
    """What `cam_overlay` adds at each of 256 levels of the normalised map: uint8 (256, 1, 3) RGB."""
    ramp = np.linspace(0, 1, 256)
    table = jet(256) * np.where(ramp < SHOWN_FROM, 0, ramp)[:, None]
    return np.rint(table * 255).astype(np.uint8)[:, None]


_COLOURS = _colour_table()


@dataclass(frozen=True)
class Panel:
    """One picture of an overlay sheet with the words above it; without a map, the image as it is."""

    caption: str
    cam: Map | None = None


MARGIN = 8
CAPTION_HEIGHT = 22
LINE_HEIGHT = 24
TEXT_SIZE = 15
CAPTION_SIZE = 13
MIN_SHEET_WIDTH = 360
MIN_LONG_SIDE = 256
PAPER = (255, 255, 255)
INK = (33, 33, 33)
FAINT_INK = (110, 110, 110)
REGULAR, BOLD = 400, 700


def overlay_sheet(rgb: RgbImage, scores: Sequence[Score], panels: Sequence[Panel], long_side: int) -> RgbImage:
    """Panels side by side under a title with the top labels and scores: uint8 (H, W, 3) RGB.

    A panel's long side is at most `long_side` pixels and, so that its words can be read, at least MIN_LONG_SIDE.
    """
    height, width = rgb.shape[:2]
    scale = min(max(1.0, MIN_LONG_SIDE / max(height, width)), long_side / max(height, width))
    image = resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))
    height, width = image.shape[:2]
    column = max(width, min(MIN_LONG_SIDE, long_side) // 2)
    sheet_width = max(MIN_SHEET_WIDTH, len(panels) * (column + MARGIN) + MARGIN)
    top = MARGIN + LINE_HEIGHT * len(scores)
    sheet = np.full((top + CAPTION_HEIGHT + height + MARGIN, sheet_width, 3), PAPER, np.uint8)
    for rank, score in enumerate(scores):
        words = f"{score.probability:6.1%}  {score.class_name}"
        _write(sheet, words, MARGIN, MARGIN + LINE_HEIGHT * rank + 17, sheet_width - 2 * MARGIN, first=rank == 0)
    for index, panel in enumerate(panels):
        left = MARGIN + index * (column + MARGIN)
        _write(sheet, panel.caption, left, top + 15, column, size=CAPTION_SIZE, ink=FAINT_INK)
        picture = image if panel.cam is None else cam_overlay(image, panel.cam)
        sheet[top + CAPTION_HEIGHT : top + CAPTION_HEIGHT + height, left : left + width] = picture
    return sheet


def _write(
    sheet: RgbImage,
    words: str,
    left: int,
    baseline: int,
    room: int,
    *,
    first: bool = False,
    size: int = TEXT_SIZE,
    ink: tuple[int, int, int] = INK,
) -> None:
    """Write one line of text, cut with an ellipsis where it would be wider than `room` pixels."""
    font = cv2.FontFace("sans")
    weight = BOLD if first else REGULAR
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)

    def too_wide(candidate: str) -> bool:
        box = cv2.getTextSize((0, 0), candidate, (0, 0), font, size, weight)
        return bool(box[2] > room)

    if too_wide(text):
        while text and too_wide(text + "…"):
            text = text[:-1]
        text += "…"
    cv2.putText(sheet, text, (left, baseline), ink, font, size, weight)
