"""Cat and dog, both sitting and seen from the front, as parts around their foot: y = 0 is the ground, y = -1 the top.

All measures vary from one animal to the next: a detail that were the same in all of them would be a repeated
object in the eyes of the audit, like a stamp.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

from cam_audit.demo.paint import (
    Bend,
    Colour,
    FloatArray,
    Rng,
    Solid,
    affine,
    blob,
    darker,
    ellipse,
    glint,
    smooth,
    tube,
    varied,
)

_BLACK: Colour = (0.07, 0.06, 0.06)
_WHITE: Colour = (0.97, 0.97, 0.95)
_PINK: Colour = (0.86, 0.52, 0.52)
_BROWN: Colour = (0.33, 0.21, 0.18)
_SIDES = (-1, 1)
_BEND = 0.015

# Cats and dogs share their coats, so that colour does not tell them apart: main colour, pale parts, dark marks.
_COATS: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((0.80, 0.52, 0.26), (0.95, 0.86, 0.72), (0.58, 0.32, 0.13)),
    ((0.52, 0.52, 0.54), (0.86, 0.86, 0.86), (0.28, 0.28, 0.31)),
    ((0.24, 0.22, 0.23), (0.80, 0.78, 0.75), (0.11, 0.10, 0.11)),
    ((0.88, 0.84, 0.78), (0.97, 0.95, 0.92), (0.50, 0.38, 0.27)),
    ((0.47, 0.35, 0.25), (0.84, 0.74, 0.61), (0.25, 0.17, 0.11)),
    ((0.72, 0.62, 0.47), (0.94, 0.89, 0.80), (0.39, 0.30, 0.21)),
)


@dataclass(frozen=True)
class _Coat:
    """The colours of an animal, its pattern (plain, stripes or patches) and the colour of its paws."""

    main: Colour
    pale: Colour
    dark: Colour
    paws: Colour
    pattern: str

    @classmethod
    def random(cls, rng: Rng, patterns: tuple[str, ...]) -> _Coat:
        main, pale, dark = (varied(rng, colour) for colour in _COATS[rng.integers(len(_COATS))])
        return cls(main, pale, dark, pale if rng.uniform() < 0.4 else main, str(rng.choice(patterns)))

    def mottling(self, rng: Rng, width: float, top: float, bottom: float) -> tuple[Solid, ...]:
        """Blobs of other shades over an area: bold ones on a patched coat, faint ones on any other."""
        bold = self.pattern == "patches"
        shades = (self.dark if bold else darker(self.main, 0.75), self.pale)
        return tuple(
            Solid(
                blob(rng, rng.uniform(-width, width), rng.uniform(top, bottom), rng.uniform(0.25, 0.6) * width),
                shades[rng.integers(2)],
                opacity=rng.uniform(0.6, 1.0) if bold else rng.uniform(0.2, 0.45),
            )
            for _ in range(rng.integers(3, 6))
        )

    def stripe(self, *line: tuple[float, float], width: float) -> Solid:
        """A dark stripe that ends in a point."""
        widths = [width, *[0.75 * width] * (len(line) - 2), 0.35 * width]
        return Solid(tube(line, widths), self.dark, opacity=0.85)


def cat(rng: Rng) -> list[Solid]:
    """A cat: pointed ears, slit eyes, whiskers, a long tail."""
    coat = _Coat.random(rng, ("plain", "stripes", "stripes", "patches"))
    side = rng.choice(_SIDES)
    tail = tube(
        [
            (side * 0.16, -0.06),
            (side * rng.uniform(0.34, 0.44), -rng.uniform(0.05, 0.10)),
            (side * rng.uniform(0.36, 0.50), -rng.uniform(0.20, 0.36)),
            (side * rng.uniform(0.26, 0.50), -rng.uniform(0.36, 0.60)),
        ],
        (0.05, 0.05, 0.045, 0.03),
    )
    body = _sitting_body(rng, coat, shoulder=rng.uniform(0.13, 0.16), hip=rng.uniform(0.21, 0.26), top=-0.64)
    head = _turned(rng, _cat_head(rng, coat), height=rng.uniform(0.66, 0.74))
    return Bend.random(rng, _BEND).applied([Solid(tail, coat.main, fur=1), *body, *head])


def dog(rng: Rng) -> list[Solid]:
    """A dog: hanging ears, a long muzzle, a big nose, often with its tongue out."""
    coat = _Coat.random(rng, ("plain", "plain", "patches"))
    side = rng.choice(_SIDES)
    tip = (side * rng.uniform(0.30, 0.42), -rng.uniform(0.22, 0.44))
    tail = tube([(side * 0.15, -0.08), (side * rng.uniform(0.26, 0.34), -0.14), tip], (0.05, 0.045, 0.02))
    body = _sitting_body(rng, coat, shoulder=rng.uniform(0.17, 0.21), hip=rng.uniform(0.22, 0.27), top=-0.62)
    neck = Solid(tube([(0, -0.5), (0, -0.68)], (0.15, 0.12)), coat.main, fur=0.9)
    collar = _collar(rng) if rng.uniform() < 0.5 else []
    head = _turned(rng, _dog_head(rng, coat), height=rng.uniform(0.70, 0.78))
    return Bend.random(rng, _BEND).applied([Solid(tail, coat.main, fur=1), *body, neck, *collar, *head])


def _sitting_body(rng: Rng, coat: _Coat, *, shoulder: float, hip: float, top: float) -> list[Solid]:
    """Torso, thighs, legs and paws."""
    right = [(shoulder, top), (shoulder * 1.15, 0.6 * top), (hip, 0.22 * top), (hip * 0.85, -0.01)]
    torso = smooth(right + [(-x, y) for x, y in reversed(right)])
    markings = list(coat.mottling(rng, hip, top, 0))
    if rng.uniform() < 0.6:
        markings.append(Solid(blob(rng, 0, 0.75 * top, shoulder * rng.uniform(0.5, 0.9)), coat.pale, opacity=0.8))
    if coat.pattern == "stripes":
        markings += _flank_stripes(rng, coat, hip)
    parts = [Solid(torso, coat.main, fur=1, markings=tuple(markings))]
    for side in _SIDES:
        parts += _hind_leg(rng, coat, side, hip)
    for side in _SIDES:
        parts += _front_leg(rng, coat, side, 0.6 * top)
    return parts


def _flank_stripes(rng: Rng, coat: _Coat, hip: float) -> list[Solid]:
    return [
        coat.stripe(
            (side * hip * 1.05, y),
            (side * hip * rng.uniform(0.3, 0.7), y + rng.uniform(-0.02, 0.06)),
            width=rng.uniform(0.01, 0.022),
        )
        for side in _SIDES
        for y in rng.uniform(-0.55, -0.03, rng.integers(4, 8))
    ]


def _hind_leg(rng: Rng, coat: _Coat, side: int, hip: float) -> list[Solid]:
    x, y = side * hip * rng.uniform(0.66, 0.86), -rng.uniform(0.10, 0.16)
    thigh = ellipse(x, y, rng.uniform(0.085, 0.12), rng.uniform(0.11, 0.15), side * rng.uniform(-5, 30))
    x = side * hip * rng.uniform(0.8, 1.1)
    foot = ellipse(x, -0.024, rng.uniform(0.055, 0.095), rng.uniform(0.026, 0.042), rng.uniform(-8, 8))
    return [
        Solid(thigh, coat.main, fur=0.8, markings=coat.mottling(rng, hip, -0.25, 0)),
        Solid(foot, coat.paws, fur=0.5),
    ]


def _front_leg(rng: Rng, coat: _Coat, side: int, elbow: float) -> list[Solid]:
    x, y = side * rng.uniform(0.05, 0.095), rng.uniform(-0.05, 0.0)
    knee = (x + rng.uniform(-0.025, 0.025), 0.5 * elbow)
    leg = tube([(x, elbow), knee, (x, y - 0.03)], (0.06, 0.052, rng.uniform(0.036, 0.05)))
    paw = ellipse(x, y - 0.02, rng.uniform(0.045, 0.065), rng.uniform(0.028, 0.042), rng.uniform(-12, 12))
    return [
        Solid(leg, coat.main, fur=0.6, markings=coat.mottling(rng, 0.1, elbow, 0)),
        Solid(paw, coat.paws, fur=0.4),
    ]


def _collar(rng: Rng) -> list[Solid]:
    colour = colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.2, 0.7), rng.uniform(0.3, 0.9))
    middle, width = -rng.uniform(0.50, 0.53), rng.uniform(0.014, 0.026)
    band = tube([(-0.125, middle - 0.03), (0, middle), (0.125, middle - 0.03)], (width,) * 3)
    tag = ellipse(rng.uniform(-0.03, 0.03), middle + 0.04, 0.022, 0.026)
    return [Solid(band, colour, relief=0.6), Solid(tag, (0.80, 0.70, 0.40), gloss=0.3)][: rng.integers(1, 3)]


def _turned(rng: Rng, head: list[Solid], *, height: float) -> list[Solid]:
    """A head, drawn around (0, 0), tilted and put on its neck."""
    turn = affine(degrees=rng.uniform(-20, 20), to=(rng.uniform(-0.06, 0.06), -height))
    return [part.mapped(turn) for part in head]


def _cat_head(rng: Rng, coat: _Coat) -> list[Solid]:
    # The face looks aside by `look`, which shifts all its features.
    width, look = rng.uniform(0.185, 0.225), rng.uniform(-0.05, 0.05)
    half = [(0, -0.165), (width * 0.75, -0.13), (width, 0.0), (width * 0.8, 0.11), (0, 0.165)]
    markings = list(coat.mottling(rng, width, -0.16, 0.14))
    if rng.uniform() < 0.7:
        markings.append(Solid(blob(rng, look, 0.085, rng.uniform(0.06, 0.10)), coat.pale, opacity=0.85))
    if coat.pattern == "stripes":
        markings += _cat_face_stripes(rng, coat, width, look)
    nose_half, nose_top = rng.uniform(0.018, 0.03), rng.uniform(0.025, 0.05)
    tip = (look, nose_top + rng.uniform(0.018, 0.03))
    nose = smooth([(look - nose_half, nose_top), (look + nose_half, nose_top), tip])
    iris = colorsys.hsv_to_rgb(rng.uniform(0.11, 0.58), rng.uniform(0.4, 0.75), rng.uniform(0.6, 0.9))
    radius, openness = rng.uniform(0.034, 0.045), rng.uniform(0.5, 1.0)
    return [
        *(_cat_ear(rng, coat, side, width) for side in _SIDES),
        Solid(_symmetrical(half), coat.main, fur=0.8, markings=tuple(markings)),
        *_eyes(rng, look, 0.085, -0.025, (radius, radius * openness), iris, pupil=rng.uniform(0.2, 0.75)),
        Solid(nose, varied(rng, _PINK if rng.uniform() < 0.6 else _BROWN), relief=0.5),
        *_mouth(rng, look, nose_top + 0.028, rng.uniform(0.03, 0.055)),
        *_whiskers(rng, look),
    ]


def _cat_ear(rng: Rng, coat: _Coat, side: int, width: float) -> Solid:
    tip = (rng.uniform(0.13, 0.20), -rng.uniform(0.26, 0.33))
    rim = [(0.04, -0.13), (0.10, -0.21), tip, (width, -0.12), (width, -0.02)]
    outer = smooth([(side * x, y) for x, y in rim])
    inner = smooth([(side * (0.72 * x + 0.035), 0.76 * y - 0.03) for x, y in rim])
    return Solid(outer, coat.main, fur=0.7, markings=(Solid(inner, varied(rng, _PINK), opacity=0.7),))


def _cat_face_stripes(rng: Rng, coat: _Coat, width: float, look: float) -> list[Solid]:
    forehead = [
        coat.stripe((x, -0.17), (0.5 * x + look, rng.uniform(-0.12, -0.06)), width=rng.uniform(0.008, 0.016))
        for x in rng.uniform(-0.11, 0.11, rng.integers(2, 5))
    ]
    cheeks = [
        coat.stripe((side * width, y), (side * rng.uniform(0.5, 0.75) * width, y + 0.01), width=0.012)
        for side in _SIDES
        for y in rng.uniform(-0.02, 0.08, 2)
    ]
    return forehead + cheeks


def _whiskers(rng: Rng, look: float) -> list[Solid]:
    opacity = rng.uniform(0.3, 0.7)
    whiskers = []
    for side in _SIDES:
        for _ in range(rng.integers(2, 5)):
            start, droop, reach = rng.uniform(0.05, 0.10), rng.uniform(-0.06, 0.10), rng.uniform(0.18, 0.30)
            bend = (look + side * 0.6 * reach, start + 0.3 * droop - 0.01)
            line = tube(
                [(look + side * 0.06, start), bend, (look + side * reach, start + droop)], (0.003, 0.003, 0.002)
            )
            whiskers.append(Solid(line, _WHITE, relief=0, opacity=opacity))
    return whiskers


def _dog_head(rng: Rng, coat: _Coat) -> list[Solid]:
    look = rng.uniform(-0.05, 0.05)
    half = [(0, -0.21), (0.12, -0.185), (0.175, -0.06), (0.145, 0.06), (0.09, 0.15), (0, 0.16)]
    markings = list(coat.mottling(rng, 0.17, -0.2, 0.1))
    if rng.uniform() < 0.4:
        blaze = tube([(look + rng.uniform(-0.04, 0.04), -0.22), (look, 0.02)], rng.uniform(0.012, 0.045, 2))
        markings.append(Solid(blaze, coat.pale, opacity=0.8))
    radius, openness = rng.uniform(0.024, 0.034), rng.uniform(0.65, 1.0)
    return [
        *_dog_ears(rng, coat),
        Solid(_symmetrical(half), coat.main, fur=0.8, markings=tuple(markings)),
        *_eyes(rng, look, 0.078, -0.06, (radius, radius * openness), varied(rng, (0.42, 0.26, 0.13), 0.12), pupil=0.62),
        *_dog_muzzle(rng, coat, look),
    ]


def _dog_ears(rng: Rng, coat: _Coat) -> list[Solid]:
    colour = coat.main if rng.uniform() < 0.4 else coat.dark
    drop, spread = rng.uniform(0.10, 0.24), rng.uniform(0.23, 0.29)
    ears = []
    for side in _SIDES:
        end = drop + rng.uniform(-0.03, 0.03)
        rim = [(0.10, -0.19), (0.20, -0.17), (spread, -0.02), (spread - 0.01, end), (0.20, end + 0.02), (0.155, 0.0)]
        ear = smooth([(side * x, y) for x, y in rim])
        ears.append(Solid(ear, colour, fur=0.8, markings=coat.mottling(rng, 0.25, -0.1, end)))
    return ears


def _dog_muzzle(rng: Rng, coat: _Coat, look: float) -> list[Solid]:
    width, end = rng.uniform(0.08, 0.115), rng.uniform(0.14, 0.20)
    muzzle = _symmetrical([(0, -0.02), (0.75 * width, 0.03), (width, 0.65 * end), (0.6 * width, 0.95 * end), (0, end)])
    half, top, tall = rng.uniform(0.036, 0.06), rng.uniform(0.01, 0.045), rng.uniform(0.035, 0.065)
    nose = _symmetrical([(0, top - 0.012), (half, top), (0.65 * half, top + 0.75 * tall), (0, top + tall)])
    colour = coat.pale if rng.uniform() < 0.6 else varied(rng, coat.main, 0.1)
    tongue = _tongue(rng, end) if rng.uniform() < 0.55 else []
    parts = [
        *tongue,
        Solid(muzzle, colour, fur=0.5, markings=coat.mottling(rng, width, 0, end)),
        Solid(nose, _BLACK if rng.uniform() < 0.7 else _BROWN, gloss=rng.uniform(0.1, 0.6)),
        *_mouth(rng, 0, top + tall, rng.uniform(0.05, 0.08)),
    ]
    return [part.mapped(affine(to=(look, 0))) for part in parts]


def _tongue(rng: Rng, top: float) -> list[Solid]:
    half, end = rng.uniform(0.025, 0.045), top + rng.uniform(0.03, 0.08)
    outline = _symmetrical([(0, top - 0.05), (half, top - 0.04), (half, end), (0, end + 0.025)])
    return [Solid(outline, (0.88, 0.42, 0.45), relief=0.7)]


def _eyes(
    rng: Rng, look: float, spacing: float, y: float, radii: tuple[float, float], iris: Colour, *, pupil: float
) -> list[Solid]:
    """Two eyes that look the same way; pupil: its width as a share of the iris."""
    spacing, y = spacing + rng.uniform(-0.01, 0.01), y + rng.uniform(-0.015, 0.015)
    (rx, ry), gaze = radii, rng.uniform(-0.25, 0.25)
    eyes = []
    for side in _SIDES:
        x = look + side * spacing
        eyes += [
            Solid(ellipse(x, y, 1.13 * rx, 1.13 * ry, side * -8), _BLACK, relief=0),
            Solid(ellipse(x, y, rx, 0.96 * ry, side * -8), iris, relief=0.4),
            Solid(ellipse(x + gaze * rx, y, pupil * rx, 0.8 * ry), _BLACK, relief=0, markings=(glint(rng, x, y, rx),)),
        ]
    return eyes


def _mouth(rng: Rng, x: float, y: float, width: float) -> list[Solid]:
    drop, opacity = rng.uniform(0.015, 0.035), rng.uniform(0.35, 0.8)
    return [
        Solid(
            tube(
                [(x, y), (x + side * 0.4 * width, y + drop), (x + side * width, y + drop * rng.uniform(0.2, 1.1))],
                (0.006, 0.006, 0.004),
            ),
            _BLACK,
            relief=0,
            opacity=opacity,
        )
        for side in _SIDES
    ]


def _symmetrical(half: list[tuple[float, float]]) -> FloatArray:
    """A smooth outline from its right half, which begins and ends in the middle."""
    return smooth(half + [(-x, y) for x, y in half[-2:0:-1]])
