"""The five things that the demo draws, each as parts around its foot: y = 0 is the ground, y = -1 about its top."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cam_audit.drawing.paint import Colour, FloatArray, Part, affine, ellipse, smooth, tube

_DARK: Colour = (0.07, 0.06, 0.06)
_WHITE: Colour = (0.97, 0.97, 0.95)
_PINK: Colour = (0.86, 0.52, 0.52)

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
    main: Colour
    pale: Colour
    dark: Colour
    pattern: str

    @classmethod
    def random(cls, rng: np.random.Generator, patterns: tuple[str, ...]) -> _Coat:
        main, pale, dark = (_varied(rng, colour) for colour in _COATS[rng.integers(len(_COATS))])
        return cls(main, pale, dark, str(rng.choice(patterns)))


def _varied(rng: np.random.Generator, colour: Colour, amount: float = 0.05) -> Colour:
    r, g, b = np.clip(np.array(colour) + rng.uniform(-amount, amount), 0.02, 0.98)
    return float(r), float(g), float(b)


def _glaze(rng: np.random.Generator) -> Colour:
    """A colour of any hue, from pastel to strong."""
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.05, 0.65), rng.uniform(0.45, 0.92))


def cat(rng: np.random.Generator) -> list[Part]:
    """A sitting cat, seen from the front: pointed ears, slit eyes, whiskers, a long tail."""
    coat = _Coat.random(rng, ("plain", "stripes", "stripes", "patches"))
    side = rng.choice([-1, 1])
    tail = tube(
        [
            (side * 0.16, -0.06),
            (side * rng.uniform(0.36, 0.44), -0.08),
            (side * rng.uniform(0.38, 0.50), -rng.uniform(0.22, 0.36)),
            (side * rng.uniform(0.30, 0.46), -rng.uniform(0.42, 0.58)),
        ],
        (0.05, 0.05, 0.045, 0.03),
    )
    body = _sitting_body(rng, coat, shoulder=rng.uniform(0.13, 0.16), hip=rng.uniform(0.21, 0.26), top=-0.64)
    turn = affine(degrees=rng.uniform(-14, 14), to=(rng.uniform(-0.05, 0.05), -0.70))
    head = [part.mapped(turn) for part in _cat_head(rng, coat)]
    return [Part(tail, coat.main, fur=1), *body, *head]


def _cat_head(rng: np.random.Generator, coat: _Coat) -> list[Part]:
    width, look = rng.uniform(0.19, 0.225), rng.uniform(-0.035, 0.035)
    ears = []
    for side in (-1, 1):
        tip = (side * rng.uniform(0.15, 0.19), -rng.uniform(0.27, 0.33))
        outer = [(side * 0.04, -0.13), (side * 0.10, -0.21), tip, (side * width, -0.12), (side * width, -0.02)]
        inner = smooth([(0.72 * x + side * 0.035, 0.76 * y - 0.03) for x, y in outer])
        ears.append(Part(smooth(outer), coat.main, fur=0.7, markings=(Part(inner, _PINK, opacity=0.7),)))
    face = [(0, -0.165), (width * 0.75, -0.13), (width, 0.0), (width * 0.8, 0.11), (0, 0.165)]
    skull = smooth(face + [(-x, y) for x, y in face[-2:0:-1]])
    markings = [Part(ellipse(look, 0.085, 0.10, 0.07), coat.pale, opacity=0.85)]
    if coat.pattern == "stripes":
        markings += [Part(tube([(x, -0.17), (0.6 * x + look, -0.08)], (0.014, 0.006)), coat.dark) for x in (-0.07, 0, 0.07)]
        markings += [
            Part(tube([(s * width, y), (s * 0.62 * width, y + 0.01)], (0.012, 0.004)), coat.dark)
            for s in (-1, 1) for y in (0.0, 0.045)
        ]
    iris = colorsys.hsv_to_rgb(rng.uniform(0.11, 0.36), rng.uniform(0.55, 0.8), rng.uniform(0.7, 0.9))
    eyes = [
        eye
        for s in (-1, 1)
        for eye in _eye(look + s * 0.085, -0.025, rng.uniform(0.040, 0.047), iris, pupil=(rng.uniform(0.25, 0.5), 0.85))
    ]
    nose = Part(smooth([(look - 0.026, 0.04), (look + 0.026, 0.04), (look, 0.068)]), _PINK, relief=0.5)
    mouth = [
        Part(tube([(look, 0.068), (look + s * 0.02, 0.095), (look + s * 0.05, 0.088)], (0.006, 0.006, 0.004)), _DARK, relief=0, opacity=0.75)
        for s in (-1, 1)
    ]
    whiskers = [
        Part(tube([(look + s * 0.06, 0.07 + dy), (look + s * 0.17, 0.055 + 2 * dy), (look + s * 0.28, 0.07 + 4 * dy)], (0.004, 0.004, 0.002)), _WHITE, relief=0, opacity=0.8)
        for s in (-1, 1) for dy in (-0.014, 0.004, 0.022)
    ]
    return [*ears, Part(skull, coat.main, fur=0.8, markings=tuple(markings)), *eyes, nose, *mouth, *whiskers]


def _eye(x: float, y: float, radius: float, iris: Colour, pupil: tuple[float, float]) -> list[Part]:
    return [
        Part(ellipse(x, y, radius * 1.12, radius * 1.05), _DARK, relief=0),
        Part(ellipse(x, y, radius, radius * 0.9), iris, relief=0.4),
        Part(ellipse(x, y, radius * pupil[0], radius * pupil[1]), _DARK, relief=0),
        Part(ellipse(x - radius * 0.3, y - radius * 0.35, radius * 0.22, radius * 0.22), _WHITE, relief=0),
    ]


def _sitting_body(
    rng: np.random.Generator, coat: _Coat, *, shoulder: float, hip: float, top: float
) -> list[Part]:
    """Torso, thighs, legs and paws of an animal that sits and faces the viewer."""
    right = [(shoulder, top), (shoulder * 1.15, 0.6 * top), (hip, 0.22 * top), (hip * 0.85, -0.01)]
    torso = smooth(right + [(-x, y) for x, y in reversed(right)])
    markings = [Part(ellipse(0, 0.62 * top, shoulder * 0.6, -0.34 * top), coat.pale, opacity=0.8)]
    if coat.pattern == "stripes":
        markings += [
            Part(tube([(s * hip * 1.05, y), (s * hip * 0.55, y + 0.03)], (0.02, 0.006)), coat.dark, opacity=0.8)
            for s in (-1, 1) for y in np.arange(-0.52, -0.05, rng.uniform(0.08, 0.11))
        ]
    if coat.pattern == "patches":
        markings += _patches(rng, coat.dark, (hip, -top))
    stance = rng.uniform(0.06, 0.085)
    thighs = [Part(ellipse(s * hip * 0.78, -0.13, 0.105, 0.135, s * 12), coat.main, fur=0.8) for s in (-1, 1)]
    feet = [Part(ellipse(s * hip * 0.95, -0.022, 0.08, 0.034), coat.pale, fur=0.5) for s in (-1, 1)]
    legs = [Part(tube([(s * stance, 0.6 * top), (s * stance, -0.04)], (0.06, 0.044)), coat.main, fur=0.6) for s in (-1, 1)]
    paws = [Part(ellipse(s * stance, -0.02, 0.056, 0.036), coat.pale, fur=0.4) for s in (-1, 1)]
    return [Part(torso, coat.main, fur=1, markings=tuple(markings)), *thighs, *feet, *legs, *paws]


def _patches(rng: np.random.Generator, colour: Colour, extent: tuple[float, float]) -> list[Part]:
    return [
        Part(
            ellipse(rng.uniform(-1, 1) * extent[0], -rng.uniform(0, 1) * extent[1], rng.uniform(0.05, 0.11), rng.uniform(0.05, 0.13), rng.uniform(0, 90)),
            colour,
        )
        for _ in range(rng.integers(3, 6))
    ]


def dog(rng: np.random.Generator) -> list[Part]:
    """A sitting dog, seen from the front: hanging ears, a long muzzle, a big nose, mostly with its tongue out."""
    coat = _Coat.random(rng, ("plain", "plain", "patches"))
    side = rng.choice([-1, 1])
    tip = (side * rng.uniform(0.34, 0.42), -rng.uniform(0.26, 0.42))
    tail = tube([(side * 0.15, -0.08), (side * 0.30, -0.14), tip], (0.05, 0.045, 0.02))
    body = _sitting_body(rng, coat, shoulder=rng.uniform(0.17, 0.21), hip=rng.uniform(0.22, 0.27), top=-0.62)
    neck = Part(tube([(0, -0.5), (0, -0.68)], (0.15, 0.12)), coat.main, fur=0.9)
    collar = Part(tube([(-0.125, -0.545), (0, -0.515), (0.125, -0.545)], (0.022,) * 3), _glaze(rng), relief=0.6)
    tag = Part(ellipse(0, -0.475, 0.026, 0.026), (0.85, 0.75, 0.4), gloss=0.5)
    turn = affine(degrees=rng.uniform(-14, 14), to=(rng.uniform(-0.05, 0.05), -0.74))
    head = [part.mapped(turn) for part in _dog_head(rng, coat)]
    wears_collar = rng.uniform() < 0.6
    return [Part(tail, coat.main, fur=1), *body, neck, *([collar, tag] if wears_collar else []), *head]


def _dog_head(rng: np.random.Generator, coat: _Coat) -> list[Part]:
    look, drop = rng.uniform(-0.03, 0.03), rng.uniform(0.12, 0.22)
    ear_colour = coat.main if rng.uniform() < 0.3 else coat.dark
    ears = [
        Part(smooth([(s * 0.10, -0.19), (s * 0.20, -0.17), (s * 0.275, -0.02), (s * 0.265, drop), (s * 0.20, drop + 0.02), (s * 0.155, 0.0)]), ear_colour, fur=0.8)
        for s in (-1, 1)
    ]
    half = [(0, -0.21), (0.12, -0.185), (0.175, -0.06), (0.145, 0.06), (0.09, 0.15)]
    skull = smooth([*half, *[(-x, y) for x, y in half[:0:-1]]])
    markings = [Part(ellipse(look, -0.10, 0.03, 0.13), coat.pale, opacity=0.7)]
    if coat.pattern == "patches":
        markings.append(Part(ellipse(rng.choice([-1, 1]) * 0.09, -0.06, 0.075, 0.09), coat.dark))
    eyes = [
        eye
        for s in (-1, 1)
        for eye in _eye(look + s * 0.078, -0.055, rng.uniform(0.027, 0.033), (0.45, 0.28, 0.13), pupil=(0.6, 0.6))
    ]
    muzzle = Part(smooth([(look, -0.02), (look + 0.075, 0.03), (look + 0.10, 0.11), (look + 0.06, 0.17), (look, 0.18), (look - 0.06, 0.17), (look - 0.10, 0.11), (look - 0.075, 0.03)]), coat.pale, fur=0.5)
    nose = Part(smooth([(look - 0.055, 0.035), (look, 0.02), (look + 0.055, 0.035), (look + 0.035, 0.08), (look, 0.092), (look - 0.035, 0.08)]), _DARK, gloss=0.6)
    lip = [
        Part(tube([(look, 0.09), (look + s * 0.015, 0.13), (look + s * 0.065, 0.125)], (0.007, 0.007, 0.005)), _DARK, relief=0, opacity=0.8)
        for s in (-1, 1)
    ]
    tongue = Part(smooth([(look - 0.035, 0.135), (look + 0.035, 0.135), (look + 0.035, 0.22), (look, 0.245), (look - 0.035, 0.22)]), (0.88, 0.42, 0.45), relief=0.7)
    pants = rng.uniform() < 0.65
    return [*ears, Part(skull, coat.main, fur=0.8, markings=tuple(markings)), *eyes, *([tongue] if pants else []), muzzle, nose, *lip]


def bird(rng: np.random.Generator) -> list[Part]:
    """A small bird standing in profile, looking to the right."""
    back, breast, wing = _glaze(rng), _glaze(rng), _glaze(rng)
    lift = rng.uniform(-0.06, 0.06)
    tail = tube([(-0.22, -0.42), (-0.50, -0.36 - 2 * lift), (-0.72, -0.34 - 4 * lift)], (0.10, 0.06, 0.05))
    body = smooth([(-0.36, -0.42), (-0.16, -0.62), (0.10, -0.78), (0.34, -0.62), (0.34, -0.38), (0.12, -0.20), (-0.16, -0.24)])
    belly = Part(ellipse(0.24, -0.34, 0.26, 0.20, -35), breast, opacity=0.9)
    head_x, head_y = 0.22 + rng.uniform(-0.03, 0.04), -0.80 + rng.uniform(-0.03, 0.03)
    size = rng.uniform(0.165, 0.19)
    cap = Part(ellipse(head_x, head_y - 0.08, size, 0.10), wing, opacity=0.85 * (rng.uniform() < 0.5))
    beak_colour = _varied(rng, (0.85, 0.60, 0.20) if rng.uniform() < 0.6 else (0.25, 0.23, 0.22))
    reach = rng.uniform(0.12, 0.19)
    beak = smooth([(head_x + size * 0.8, head_y - 0.05), (head_x + size + reach * 0.5, head_y - 0.01), (head_x + size + reach, head_y + 0.04), (head_x + size * 0.75, head_y + 0.065)])
    feathers = [
        Part(tube([(-0.02 - 0.05 * k, -0.50 + 0.05 * k), (-0.46 + 0.05 * k, -0.40 + 0.06 * k)], (0.018, 0.008)), _darker(wing), opacity=0.8)
        for k in range(3)
    ]
    folded = smooth([(0.16, -0.58), (0.12, -0.40), (-0.10, -0.28), (-0.50, -0.34), (-0.26, -0.52), (0.0, -0.64)])
    legs = [
        part
        for x in (-0.02, 0.12)
        for part in (
            Part(tube([(x, -0.24), (x + 0.02, -0.01)], (0.016, 0.014)), beak_colour),
            Part(tube([(x - 0.07, 0.0), (x + 0.03, -0.012), (x + 0.12, 0.0)], (0.012, 0.016, 0.010)), beak_colour),
        )
    ]
    eye = _eye(head_x + 0.055, head_y - 0.02, rng.uniform(0.032, 0.04), (0.25, 0.16, 0.08), pupil=(0.7, 0.7))
    return [
        Part(tail, _darker(wing), fur=0.4), *legs,
        Part(body, back, fur=0.5, markings=(belly,)), Part(beak, beak_colour),
        Part(ellipse(head_x, head_y, size, size * 0.95), back, fur=0.4, markings=(cap,)),
        Part(folded, wing, fur=0.3, relief=0.8, markings=tuple(feathers)), *eye,
    ]


def _darker(colour: Colour, factor: float = 0.6) -> Colour:
    r, g, b = colour
    return r * factor, g * factor, b * factor


def jug(rng: np.random.Generator) -> list[Part]:
    """A glazed jug, seen from slightly above: a belly, a neck, a lip on the left and the handle on the right."""
    glaze, rim, belly = _glaze(rng), rng.uniform(0.22, 0.28), rng.uniform(0.29, 0.36)
    neck, foot = rim * rng.uniform(0.82, 0.95), belly * rng.uniform(0.68, 0.85)
    ry, lip = rim * rng.uniform(0.18, 0.28), rim + rng.uniform(0.08, 0.14)
    reach = rng.uniform(0.16, 0.22)
    handle = tube(
        [(0.9 * neck, -0.80), (belly + reach, -0.74), (belly + reach, -0.40), (0.9 * belly, -0.28)],
        (0.045, 0.045, 0.045, 0.042),
    )
    side = [(neck, -0.68), (0.9 * belly, -0.48), (belly, -0.28), (0.92 * belly, -0.12), (foot, 0.0)]
    body = smooth([(rim, -0.88), *side, (0.0, 0.6 * ry), *[(-x, y) for x, y in reversed(side)], (-rim, -0.84), (-lip, -0.91)])
    opening = [(rim, -0.88), (0.0, -0.88 + ry), (-rim, -0.85), (-lip, -0.91), (-0.8 * rim, -0.94), (0.0, -0.88 - ry)]
    return [
        Part(handle, glaze, gloss=0.5),
        Part(body, glaze, gloss=0.4, markings=_decoration(rng)),
        Part(smooth(opening), glaze, relief=0.3),
        Part(smooth([(0.9 * x, 0.85 * (y + 0.88) - 0.875) for x, y in opening]), _darker(glaze, 0.5), relief=0),
        Part(ellipse(0, -0.86, 0.78 * rim, 0.6 * ry), _drink(rng), relief=0),
    ]


def mug(rng: np.random.Generator) -> list[Part]:
    """A glazed mug, seen from slightly above, with its handle on the right."""
    glaze, width, foot = _glaze(rng), rng.uniform(0.30, 0.38), rng.uniform(0.24, 0.34)
    rim = width * rng.uniform(0.18, 0.28)
    reach = rng.uniform(0.20, 0.27)
    handle = tube(
        [(width * 0.9, -0.74), (width + reach, -0.70), (width + reach, -0.34), (foot * 0.95, -0.24)],
        (0.05, 0.048, 0.048, 0.045),
    )
    return [
        Part(handle, glaze, gloss=0.5),
        Part(_beaker(width, foot, rim), glaze, gloss=0.4, markings=_decoration(rng)),
        Part(ellipse(0, -0.86, width, rim), glaze, relief=0.3),
        Part(ellipse(0, -0.85, width * 0.9, rim * 0.86), _darker(glaze, 0.5), relief=0),
        Part(ellipse(0, -0.825, width * 0.82, rim * 0.62), _drink(rng), relief=0),
    ]


def _drink(rng: np.random.Generator) -> Colour:
    coffee, tea, milk = (0.24, 0.14, 0.08), (0.62, 0.32, 0.10), (0.93, 0.90, 0.84)
    return (coffee, tea, milk)[rng.integers(3)]


def _beaker(width: float, foot: float, rim: float) -> FloatArray:
    """Outline of a mug without its handle: straight sides and a foot as round as the rim."""
    ry = rim * foot / width
    base = ellipse(0, -ry, foot, ry)
    return np.concatenate([[(width, -0.86)], base[base[:, 1] >= -ry], [(-width, -0.86)]]).astype(np.float32)


def _decoration(rng: np.random.Generator) -> tuple[Part, ...]:
    """What is painted on a pot: nothing, bands or dots."""
    colour, kind = _glaze(rng), rng.choice(["plain", "bands", "dots"])
    if kind == "bands":
        return tuple(
            Part(tube([(-0.6, y), (0, y + 0.05), (0.6, y)], (rng.uniform(0.02, 0.06),) * 3), colour)
            for y in -rng.uniform(0.15, 0.65, 2)
        )
    if kind == "dots":
        return tuple(Part(ellipse(rng.uniform(-0.4, 0.4), y, 0.04, 0.04), colour) for y in -rng.uniform(0.05, 0.65, 14))
    return ()


OBJECTS: dict[str, Callable[[np.random.Generator], list[Part]]] = {
    "bird": bird,
    "cat": cat,
    "dog": dog,
    "jug": jug,
    "mug": mug,
}
