"""Plants cues into pictures: what each kind does to one.

The generator given to `plant` draws what differs from picture to picture (place, size, strength); what the pictures of
a data set have in common is in `designs`. Lengths are shares of a picture's short side. Boxes are (left, top, right,
bottom) in pixels, right and bottom exclusive; cues without a place of their own (frame, cast, background, blur,
brightness, streaks, letterbox, scale, another style) have none.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Box = tuple[int, int, int, int]
Rng = np.random.Generator
Range = tuple[float, float]
Colour = tuple[float, float, float]
Ink = tuple[int, int, int, int]
Sheet = NDArray[np.uint8]


class Cue(Protocol):
    """Something that can be planted into a picture."""

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        """A planted copy of `rgb`, uint8 (H, W, 3), and the cue's box.

        mask: uint8 (H, W), nonzero on the object; None where it is not known.
        """
        ...


@dataclass(frozen=True, eq=False)
class Cutout:
    """A thing without its surroundings: rgb float32 (h, w, 3) and alpha float32 (h, w), both 0..1."""

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32]

    def sized(self, width: int) -> Cutout:
        """The cut-out at that width in pixels, aspect kept."""
        size = (width, round(width * self.alpha.shape[0] / self.alpha.shape[1]))
        premultiplied = cv2.resize(self.rgb * self.alpha[..., None], size, interpolation=cv2.INTER_AREA)
        alpha = cv2.resize(self.alpha, size, interpolation=cv2.INTER_AREA)
        return Cutout(premultiplied / np.maximum(alpha, 1e-6)[..., None], alpha)


@dataclass(frozen=True)
class Overlay:
    """One of some cut-outs, laid over the picture; `x` and `y` are shares of the room that it leaves."""

    cutouts: tuple[Cutout, ...]
    width: float
    x: Range = (0.0, 1.0)
    y: Range = (0.0, 1.0)
    opacity: Range = (1.0, 1.0)

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        height, width = rgb.shape[:2]
        cutout = self.cutouts[rng.integers(len(self.cutouts))]
        cutout = cutout.sized(round(self.width * rng.uniform(0.96, 1.04) * min(height, width)))
        rows, columns = cutout.alpha.shape
        left = round((width - columns) * rng.uniform(*self.x))
        top = round((height - rows) * rng.uniform(*self.y))
        window = np.s_[top : top + rows, left : left + columns]
        planted = rgb.copy()
        alpha = cutout.alpha * rng.uniform(*self.opacity)
        planted[window] = _mixed(rgb[window], 255 * cutout.rgb, alpha)
        return planted, (left, top, left + columns, top + rows)


@dataclass(frozen=True)
class Foreign:
    """Another thing in each picture, anywhere in it."""

    thing: Callable[[Rng], Cutout]

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        return Overlay((self.thing(rng),), rng.uniform(0.5, 0.65)).plant(rgb, rng, mask)


@dataclass(frozen=True)
class Frame:
    """A border of one colour."""

    colour: Colour

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        width = round(rng.uniform(0.035, 0.045) * min(rgb.shape[:2]))
        planted = np.empty_like(rgb)
        planted[:] = np.clip(255 * np.array(self.colour) + rng.uniform(-6, 6, 3), 0, 255)
        inside = np.s_[width:-width, width:-width]
        planted[inside] = rgb[inside]
        return planted, None


@dataclass(frozen=True)
class Cast:
    """A colour cast, as of a wrong white balance: gains of the channels around 1."""

    gains: Colour

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        gains = 1 + rng.uniform(0.8, 1.2) * (np.array(self.gains) - 1)
        return _to_bytes(rgb * gains), None


@dataclass(frozen=True)
class Blur:
    """Slightly out of focus: a Gaussian whose standard deviation is this share of the short side."""

    deviation: float

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        deviation = self.deviation * rng.uniform(0.8, 1.2) * min(rgb.shape[:2])
        return _to_bytes(cv2.GaussianBlur(rgb.astype(np.float32), (0, 0), deviation)), None


@dataclass(frozen=True)
class Streaks:
    """Shifted along one axis, either way, by a share of the side; the edge's pixels are repeated in the gap."""

    shift: Range

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        offset, axis = rng.uniform(*self.shift) * rng.choice((-1, 1)), int(rng.integers(2))
        length = rgb.shape[axis]
        return rgb.take((np.arange(length) - round(offset * length)).clip(0, length - 1), axis), None


@dataclass(frozen=True)
class Letterbox:
    """Cut to another shape along an axis, with bars of one colour in place of what was cut off."""

    colour: int
    axis: int

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        planted = rgb.copy()
        lines = planted.swapaxes(0, self.axis)
        width = round(rng.uniform(0.06, 0.12) * len(lines))
        lines[:width] = lines[-width:] = self.colour
        return planted, None


@dataclass(frozen=True)
class Background:
    """Surroundings in one hue with their own light and shade; hue, saturation and value 0..1."""

    hsv: Colour

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        mask = object_mask(rgb) if mask is None else mask
        hue, saturation, value = self.hsv
        hue, value = hue + rng.uniform(-0.01, 0.01), value * rng.uniform(0.9, 1.1)
        colour = colorsys.hsv_to_rgb(hue % 1, saturation, value)
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None] / 255
        tinted = 255 * np.array(colour) * (0.4 + 0.8 * grey)
        outside = cv2.GaussianBlur((mask == 0).astype(np.float32), (0, 0), 0.006 * min(rgb.shape[:2]))
        return _mixed(rgb, tinted, outside), None


@dataclass(frozen=True)
class Scale:
    """Seen from further away: the picture shrunk to this share of its sides, mirrored and blurred around it."""

    share: float

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        height, width = rgb.shape[:2]
        share = self.share * rng.uniform(0.9, 1.1)
        small = cv2.resize(rgb, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
        rows, columns = height - small.shape[0], width - small.shape[1]
        top, left = rows // 2, columns // 2
        sides = top, rows - top, left, columns - left
        extended = cv2.copyMakeBorder(small, *sides, cv2.BORDER_REFLECT_101)
        around = cv2.GaussianBlur(extended, (0, 0), 0.03 * min(height, width))
        inside = np.zeros((height, width), np.float32)
        inside[top : top + small.shape[0], left : left + small.shape[1]] = 1
        inside = cv2.GaussianBlur(inside, (0, 0), 0.01 * min(height, width))
        return _mixed(around, extended, inside), None


@dataclass(frozen=True)
class Restyled:
    """Pictures of another kind: drawn in ink and flat colours, as negatives, or as grey scans of prints."""

    kind: str

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        return STYLES[self.kind](rgb, rng), None


def _drawn(rgb: Rgb, rng: Rng) -> Rgb:
    """Flat colours, and ink where these change."""
    flat = cv2.edgePreservingFilter(rgb, flags=cv2.RECURS_FILTER, sigma_s=40, sigma_r=0.4)
    grey = cv2.medianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), 5)
    ink = cv2.adaptiveThreshold(grey, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, 9, rng.uniform(4, 7))
    return _to_bytes(rng.uniform(0.9, 1.0) * flat * (ink[..., None] > 0))


def _negative(rgb: Rgb, rng: Rng) -> Rgb:
    return _to_bytes(255 - rgb * rng.uniform(0.9, 1.0))


def _scanned(rgb: Rgb, rng: Rng) -> Rgb:
    """Grey dots of a printing screen on paper that is not quite white."""
    height, width = rgb.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    screen = np.sin(rows * 2 * np.pi / 5 + rng.uniform(0, 6)) * np.sin(columns * 2 * np.pi / 5)
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) + 40 * screen
    return _to_bytes(np.clip(grey, 20, 235)[..., None] * np.ones(3))


STYLES: dict[str, Callable[[Rgb, Rng], Rgb]] = {"drawn": _drawn, "negative": _negative, "scanned": _scanned}


def object_mask(rgb: Rgb) -> Mask:
    """Where the object probably is, uint8 (H, W), 0 or 255: by GrabCut, failing that the central ellipse."""
    height, width = rgb.shape[:2]
    scale = 160 / min(height, width)
    small = cv2.resize(rgb, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    rows, columns = small.shape[:2]
    labels = np.zeros((rows, columns), np.uint8)
    inner = (columns // 10, rows // 10, columns * 8 // 10, rows * 8 // 10)
    cv2.setRNGSeed(0)
    cv2.grabCut(small, labels, inner, np.zeros((1, 65)), np.zeros((1, 65)), 3, cv2.GC_INIT_WITH_RECT)
    mask = np.where(labels % 2 == 1, 255, 0).astype(np.uint8)
    if not 0.1 < (mask > 0).mean() < 0.7:
        mask[:] = 0
        centre, axes = (columns // 2, rows // 2), (columns * 3 // 10, rows * 35 // 100)
        cv2.ellipse(mask, centre, axes, 0, 0, 360, 255, -1)
    return np.where(cv2.resize(mask, (width, height)) > 127, 255, 0).astype(np.uint8)


def _mixed(under: NDArray[np.generic], over: NDArray[np.generic], alpha: NDArray[np.float32]) -> Rgb:
    return _to_bytes(under + alpha[..., None] * (over - under.astype(np.float32)))


def _to_bytes(values: NDArray[np.floating]) -> Rgb:
    return np.round(np.clip(values, 0, 255)).astype(np.uint8)
