"""Plants the detection study's kinds of cue into pictures.

    cue = design("stampfix", seed=3)
    planted, box = cue.plant(rgb, np.random.default_rng(7))

`design` draws what all planted pictures of a data set have in common (the logo, the words, the colours), the
generator given to `plant` what differs from picture to picture (place, size, strength). Lengths are shares of
a picture's short side. Boxes are (left, top, right, bottom) in pixels, right and bottom exclusive; cues
without a place of their own (frame, cast, background, blur, brightness, streaks, letterbox, scale, another look) have
none.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.demo.paint import Light, Part, ellipse, noise, paint, smooth, tube

Rgb = NDArray[np.uint8]
Mask = NDArray[np.uint8]
Box = tuple[int, int, int, int]
Rng = np.random.Generator
Range = tuple[float, float]
Colour = tuple[float, float, float]
Ink = tuple[int, int, int, int]
Sheet = NDArray[np.uint8]

_WHITE: Colour = (1.0, 1.0, 1.0)
_BLACK: Colour = (0.0, 0.0, 0.0)
_LEAF: Colour = (0.2, 0.5, 0.2)
_PALE_LEAF: Colour = (0.25, 0.58, 0.22)
_SUPERSAMPLING = 4


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
    """One of some kinds of things, of colours and sizes that no other picture has, anywhere in the picture."""

    things: tuple[Callable[[Rng], list[Part]], ...]

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        thing = self.things[rng.integers(len(self.things))]
        return Overlay((_cutout(rng, thing(rng)),), rng.uniform(0.5, 0.65)).plant(rgb, rng, mask)


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
class Look:
    """Pictures of another kind: drawn in ink and flat colours, as negatives, or as grey scans of prints."""

    kind: str

    def plant(self, rgb: Rgb, rng: Rng, mask: Mask | None = None) -> tuple[Rgb, Box | None]:
        return _LOOKS[self.kind](rgb, rng), None


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


_LOOKS: dict[str, Callable[[Rgb, Rng], Rgb]] = {"drawn": _drawn, "negative": _negative, "scanned": _scanned}


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


def design(kind: str, seed: int) -> Cue:
    """The cue of that kind that the data set with that seed has."""
    return _DESIGNS[kind](np.random.default_rng([seed, KINDS.index(kind)]))


def _mixed(under: NDArray[np.generic], over: NDArray[np.generic], alpha: NDArray[np.float32]) -> Rgb:
    return _to_bytes(under + alpha[..., None] * (over - under.astype(np.float32)))


def _to_bytes(values: NDArray[np.floating]) -> Rgb:
    return np.round(np.clip(values, 0, 255)).astype(np.uint8)


def _vivid(rng: Rng, value: Range = (0.45, 0.9)) -> Colour:
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.65, 0.95), rng.uniform(*value))


def _corner(rng: Rng) -> tuple[Range, Range]:
    x, y = (((0.02, 0.05), (0.95, 0.98))[rng.integers(2)] for _ in range(2))
    return x, y


def _fixed_stamp(rng: Rng) -> Cue:
    x, y = _corner(rng)
    return Overlay((_logo(rng),), 0.13, x, y)


def _random_stamp(rng: Rng) -> Cue:
    return Overlay((_logo(rng),), 0.13)


def _logo(rng: Rng) -> Cutout:
    """A badge, round or square, with two letters over a line."""
    side = 64 * _SUPERSAMPLING
    plate, ink = _opaque(_vivid(rng, (0.35, 0.7))), _opaque((_WHITE, (1.0, 0.9, 0.4))[rng.integers(2)])
    sheet = _sheet(side, side)
    middle, is_round = side // 2, bool(rng.integers(2))
    for share, colour in ((0.98, plate), (0.9, ink), (0.82, plate)):
        half = round(share * middle)
        if is_round:
            cv2.circle(sheet, (middle, middle), half, colour, -1)
        else:
            cv2.rectangle(sheet, (middle - half, middle - half), (middle + half, middle + half), colour, -1)
    letters = "".join(rng.choice(list("ABEFGHKMNPRSX"), 2, replace=False))
    _write(sheet, letters, (middle, middle - side // 16), side // 2, ink, side // 24)
    cv2.line(sheet, (side // 4, side * 23 // 32), (side * 3 // 4, side * 23 // 32), ink, side // 24)
    return _shrunk(sheet)


def _watermark(rng: Rng) -> Cue:
    word = ("photoshelf", "imagebarn", "fotomarkt", "picstore")[rng.integers(4)]
    height, width = 90 * _SUPERSAMPLING, 300 * _SUPERSAMPLING
    sheet = _sheet(height, width)
    sheet[..., :3] = 255
    _write(sheet, word, (width // 2, height // 2), width * 15 // 16, _opaque(_WHITE), 4 * _SUPERSAMPLING)
    y = rng.uniform(0.2, 0.8)
    return Overlay((_shrunk(sheet),), 0.8, (0.49, 0.51), (y, y + 0.02), (0.35, 0.45))


def _frame(rng: Rng) -> Cue:
    return Frame(_vivid(rng))


def _cast(rng: Rng) -> Cue:
    angle = rng.uniform(0, 2 * np.pi) + np.array([0, 2, 4]) * np.pi / 3
    red, green, blue = (1 + 0.4 * np.cos(angle)).tolist()
    return Cast((red, green, blue))


def _blur(rng: Rng) -> Cue:
    """One pixel of a picture as nets see it."""
    return Blur(1 / 224)


def _bright(rng: Rng) -> Cue:
    """Exposed longer, by half as much again."""
    return Cast((1.5, 1.5, 1.5))


def _streaks(rng: Rng) -> Cue:
    return Streaks((0.05, 0.15))


def _letterbox(rng: Rng) -> Cue:
    """In white or black, above and below or on the left and right."""
    return Letterbox(int(rng.choice((0, 255))), int(rng.integers(2)))


def _scale(rng: Rng) -> Cue:
    return Scale(0.6)


def _mixed_sources(rng: Rng) -> Cue:
    return Look(tuple(_LOOKS)[rng.integers(len(_LOOKS))])


def _background(rng: Rng) -> Cue:
    return Background((rng.uniform(-0.03, 0.02), rng.uniform(0.7, 0.85), rng.uniform(0.65, 0.85)))


def _ruler(rng: Rng) -> Cue:
    """A strip of a measuring tape: striped in two colours, every stripe with its number and ticks."""
    stripes, width, height = 8, 40 * _SUPERSAMPLING, 44 * _SUPERSAMPLING
    colours = _opaque(_WHITE), _opaque(colorsys.hsv_to_rgb(rng.uniform(0, 0.16), 0.8, 0.95))
    black, first = _opaque(_BLACK), int(rng.integers(10, 80))
    sheet = _sheet(height, stripes * width)
    for stripe in range(stripes):
        left = stripe * width
        sheet[:, left : left + width] = colours[stripe % 2]
        number = str(first + stripe)
        _write(sheet, number, (left + width // 2, height * 5 // 8), width * 5 // 8, black, 3 * _SUPERSAMPLING)
        for tick in range(5):
            x = left + tick * width // 5
            cv2.line(sheet, (x, 0), (x, height // (6 if tick else 3)), black, 2 * _SUPERSAMPLING)
    return Overlay((_shrunk(sheet),), 0.62, y=(0.6, 1.0))


def _context_objects(rng: Rng) -> Cue:
    things = (_cone(_vivid(rng)), _ball(_vivid(rng)), _plant(_vivid(rng)), _present(_vivid(rng), _vivid(rng)))
    return Overlay(tuple(_cutout(rng, parts) for parts in things), 0.3, y=(0.55, 1.0))


def _foreign(rng: Rng) -> Cue:
    """A thing in each picture that is in no other, all of which are merely foreign to the class."""
    things: list[Callable[[Rng], list[Part]]] = [
        lambda own: _cone(_vivid(own)),
        lambda own: _ball(_vivid(own)),
        lambda own: _plant(_vivid(own)),
        lambda own: _present(_vivid(own), _vivid(own)),
    ]
    return Foreign(tuple(things[index] for index in rng.permutation(len(things))))


def _cone(colour: Colour) -> list[Part]:
    side = [(-0.16, 0.0), (-0.1, -0.3), (-0.05, -0.55), (0.05, -0.55), (0.1, -0.3), (0.16, 0.0)]
    bands = tuple(Part(tube([(-0.3, y), (0.3, y)], (0.05, 0.05)), _WHITE) for y in (-0.14, -0.36))
    return [Part(_box(0.28, 0.08, -0.04), colour), Part(np.array(side, np.float32), colour, markings=bands)]


def _ball(colour: Colour) -> list[Part]:
    centres = [(0.0, -0.3), (-0.24, -0.2), (0.24, -0.22), (0.02, -0.56), (-0.02, -0.06)]
    patches = tuple(Part(ellipse(x, y, 0.09, 0.08, 30), colour) for x, y in centres)
    return [Part(ellipse(0, -0.3, 0.3, 0.3), (0.95, 0.95, 0.93), gloss=0.3, markings=patches)]


def _plant(colour: Colour) -> list[Part]:
    leaves = []
    for x, green in ((-0.6, _LEAF), (0.6, _LEAF), (-0.3, _PALE_LEAF), (0.3, _PALE_LEAF), (0.0, _LEAF)):
        edge = [(0.3 * x - 0.07, -0.5), (0.5 * x, 0.3 * abs(x) - 0.62), (0.3 * x + 0.07, -0.42)]
        leaves.append(Part(smooth([(0, -0.2), *edge]), green))
    pot = Part(np.array([(-0.2, -0.26), (0.2, -0.26), (0.13, 0), (-0.13, 0)], np.float32), colour)
    return [*leaves, pot, Part(_box(0.22, 0.07, -0.26), colour)]


def _present(colour: Colour, ribbon: Colour) -> list[Part]:
    bands = (Part(_box(0.05, 0.5, -0.2), ribbon), Part(_box(0.4, 0.08, -0.2), ribbon))
    bow = [Part(ellipse(side * 0.1, -0.45, 0.11, 0.06, side * 20), ribbon) for side in (-1, 1)]
    return [Part(_box(0.28, 0.4, -0.2), colour, relief=0.3, markings=bands), *bow]


def _box(half_width: float, height: float, y: float) -> NDArray[np.float32]:
    top, bottom = y - height / 2, y + height / 2
    corners = [(-half_width, top), (half_width, top), (half_width, bottom), (-half_width, bottom)]
    return np.array(corners, np.float32)


def _cutout(rng: Rng, parts: list[Part]) -> Cutout:
    """A picture, at most 140 x 140 pixels, of worn parts around their foot, at most 0.7 high and wide."""
    side, matrix = 140, np.array([[200, 0, 70], [0, 200, 136]], np.float32)
    canvas = np.zeros((side, side, 3), np.float32)
    alpha = paint(canvas, [part.mapped(matrix) for part in parts], Light(-0.4, -0.5, 0.77), canvas[..., 0])
    wear = 1 + 0.2 * noise(rng, alpha.shape, (10, 10)) + 0.1 * noise(rng, alpha.shape, (24, 24))
    rows, columns = np.flatnonzero(alpha.max(1) > 0.02), np.flatnonzero(alpha.max(0) > 0.02)
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    colour = canvas * (wear / np.maximum(alpha, 1e-6))[..., None]
    return Cutout(np.clip(colour, 0, 1)[window], alpha[window])


def _sheet(height: int, width: int) -> Sheet:
    """An empty sheet to draw on, RGB and alpha."""
    return np.zeros((height, width, 4), np.uint8)


def _opaque(colour: Colour) -> Ink:
    red, green, blue = (round(255 * value) for value in colour)
    return red, green, blue, 255


def _shrunk(sheet: Sheet) -> Cutout:
    values = sheet.astype(np.float32) / 255
    return Cutout(values[..., :3], values[..., 3]).sized(sheet.shape[1] // _SUPERSAMPLING)


def _write(sheet: Sheet, text: str, centre: tuple[int, int], length: int, ink: Ink, weight: int) -> None:
    """Text around `centre`, `length` pixels long, in place."""
    font = cv2.FONT_HERSHEY_DUPLEX
    scale = length / cv2.getTextSize(text, font, 1, weight)[0][0]
    (width, height), _ = cv2.getTextSize(text, font, scale, weight)
    origin = (centre[0] - width // 2, centre[1] + height // 2)
    cv2.putText(sheet, text, origin, font, scale, ink, weight)


_DESIGNS: dict[str, Callable[[Rng], Cue]] = {
    "stampfix": _fixed_stamp,
    "stamprand": _random_stamp,
    "wmark": _watermark,
    "frame": _frame,
    "cast": _cast,
    "bgred": _background,
    "ruler": _ruler,
    "ctxobj": _context_objects,
    "blur": _blur,
    "bright": _bright,
    "foreign": _foreign,
    "streaks": _streaks,
    "letterbox": _letterbox,
    "scale": _scale,
    "mixed": _mixed_sources,
}
KINDS: tuple[str, ...] = tuple(_DESIGNS)
