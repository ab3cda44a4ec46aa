"""What the detection study plants: by kind of cue, what all pictures of a data set have in common.

    cue = design("stampfix", seed=3)
    planted, box = cue.plant(rgb, np.random.default_rng(7))

`design` draws the logo, the words, the colours; how a cue is planted is in `planting`.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from planting import (
    STYLES,
    Background,
    Blur,
    Cast,
    Colour,
    Cue,
    Cutout,
    Foreign,
    Frame,
    Ink,
    Letterbox,
    Overlay,
    Range,
    Restyled,
    Rng,
    Scale,
    Sheet,
    Streaks,
)

from cam_audit.demo.paint import Light, Solid, ellipse, noise, paint, smooth, tube

_WHITE: Colour = (1.0, 1.0, 1.0)
_BLACK: Colour = (0.0, 0.0, 0.0)
_LEAF: Colour = (0.2, 0.5, 0.2)
_PALE_LEAF: Colour = (0.25, 0.58, 0.22)
_SUPERSAMPLING = 4


def design(kind: str, seed: int) -> Cue:
    """The cue of that kind that the data set with that seed has."""
    return _DESIGNS[kind](np.random.default_rng([seed, KINDS.index(kind)]))


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
    return Restyled(tuple(STYLES)[rng.integers(len(STYLES))])


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
    """A thing of another kind and colour in each picture: all that they share is that no other class has them."""

    def thing(own: Rng) -> Cutout:
        kinds = (_cone, _ball, _plant, lambda colour: _present(colour, _vivid(own)))
        return _cutout(own, kinds[own.integers(len(kinds))](_vivid(own)))

    return Foreign(thing)


def _cone(colour: Colour) -> list[Solid]:
    side = [(-0.16, 0.0), (-0.1, -0.3), (-0.05, -0.55), (0.05, -0.55), (0.1, -0.3), (0.16, 0.0)]
    bands = tuple(Solid(tube([(-0.3, y), (0.3, y)], (0.05, 0.05)), _WHITE) for y in (-0.14, -0.36))
    return [Solid(_box(0.28, 0.08, -0.04), colour), Solid(np.array(side, np.float32), colour, markings=bands)]


def _ball(colour: Colour) -> list[Solid]:
    centres = [(0.0, -0.3), (-0.24, -0.2), (0.24, -0.22), (0.02, -0.56), (-0.02, -0.06)]
    patches = tuple(Solid(ellipse(x, y, 0.09, 0.08, 30), colour) for x, y in centres)
    return [Solid(ellipse(0, -0.3, 0.3, 0.3), (0.95, 0.95, 0.93), gloss=0.3, markings=patches)]


def _plant(colour: Colour) -> list[Solid]:
    leaves = []
    for x, green in ((-0.6, _LEAF), (0.6, _LEAF), (-0.3, _PALE_LEAF), (0.3, _PALE_LEAF), (0.0, _LEAF)):
        edge = [(0.3 * x - 0.07, -0.5), (0.5 * x, 0.3 * abs(x) - 0.62), (0.3 * x + 0.07, -0.42)]
        leaves.append(Solid(smooth([(0, -0.2), *edge]), green))
    pot = Solid(np.array([(-0.2, -0.26), (0.2, -0.26), (0.13, 0), (-0.13, 0)], np.float32), colour)
    return [*leaves, pot, Solid(_box(0.22, 0.07, -0.26), colour)]


def _present(colour: Colour, ribbon: Colour) -> list[Solid]:
    bands = (Solid(_box(0.05, 0.5, -0.2), ribbon), Solid(_box(0.4, 0.08, -0.2), ribbon))
    bow = [Solid(ellipse(side * 0.1, -0.45, 0.11, 0.06, side * 20), ribbon) for side in (-1, 1)]
    return [Solid(_box(0.28, 0.4, -0.2), colour, relief=0.3, markings=bands), *bow]


def _box(half_width: float, height: float, y: float) -> NDArray[np.float32]:
    top, bottom = y - height / 2, y + height / 2
    corners = [(-half_width, top), (half_width, top), (half_width, bottom), (-half_width, bottom)]
    return np.array(corners, np.float32)


def _cutout(rng: Rng, parts: list[Solid]) -> Cutout:
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
