"""A bird as parts around its foot: y = 0 is the ground, y = -1 about its top."""

from __future__ import annotations

import colorsys

from cam_audit.demo.paint import Bend, Colour, Rng, Solid, blob, darker, ellipse, glint, smooth, tube, varied

_BLACK: Colour = (0.07, 0.06, 0.06)
_ORANGE: Colour = (0.85, 0.60, 0.20)
_HORN: Colour = (0.25, 0.23, 0.22)


def bird(rng: Rng) -> list[Solid]:
    """A small bird standing in profile, looking to the right."""
    back, breast, wing = (_plumage(rng) for _ in range(3))
    beak = varied(rng, _ORANGE if rng.uniform() < 0.6 else _HORN)
    plump, lift = rng.uniform(-0.04, 0.04), rng.uniform(-0.10, 0.16)
    body = smooth(
        [
            (-0.36, -0.42),
            (-0.16, -0.62),
            (0.10, -0.78),
            (0.34, -0.62),
            (0.34 + plump, -0.38),
            (0.12, -0.20 + plump),
            (-0.16, -0.24),
        ]
    )
    belly = Solid(blob(rng, 0.22, -0.34, rng.uniform(0.16, 0.26)), breast, opacity=0.9)
    end = (-rng.uniform(0.60, 0.76), -0.36 - lift)
    tail = tube([(-0.22, -0.42), (-0.48, -0.38 - 0.5 * lift), end], (0.10, 0.06, rng.uniform(0.03, 0.06)))
    parts = [
        Solid(tail, darker(wing, 0.6), fur=0.4),
        *_legs(rng, darker(beak, 0.85)),
        Solid(body, back, fur=0.5, markings=(belly,)),
        *_head(rng, back, wing, beak),
        _wing(rng, wing),
    ]
    return Bend.random(rng, 0.015).applied(parts)


def _plumage(rng: Rng) -> Colour:
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.05, 0.65), rng.uniform(0.45, 0.92))


def _legs(rng: Rng, colour: Colour) -> list[Solid]:
    legs = []
    for x in (rng.uniform(-0.06, 0.0), rng.uniform(0.08, 0.16)):
        foot = x + rng.uniform(-0.05, 0.05)
        toes = [(foot - rng.uniform(0.03, 0.08), 0.0), (foot, -0.012), (foot + rng.uniform(0.06, 0.13), 0.0)]
        legs.append(Solid(tube([(x, -0.26), (foot, -0.01)], (0.016, 0.012)), colour))
        legs.append(Solid(tube(toes, (0.01, 0.015, 0.01)), colour))
    return legs


def _head(rng: Rng, colour: Colour, cap_colour: Colour, beak_colour: Colour) -> list[Solid]:
    x, y = 0.22 + rng.uniform(-0.03, 0.04), -0.80 + rng.uniform(-0.03, 0.03)
    size, length = rng.uniform(0.155, 0.19), rng.uniform(0.10, 0.20)
    beak = [
        (x + 0.8 * size, y - 0.05),
        (x + size + 0.5 * length, y - 0.01),
        (x + size + length, y + rng.uniform(-0.01, 0.05)),
        (x + 0.75 * size, y + 0.065),
    ]
    cap = Solid(blob(rng, x, y - 0.1, rng.uniform(0.08, 0.16)), cap_colour, opacity=rng.uniform(0.0, 0.9))
    eye_x, eye_y, eye = x + rng.uniform(0.03, 0.08), y - rng.uniform(0.0, 0.05), rng.uniform(0.026, 0.038)
    return [
        Solid(smooth(beak), beak_colour),
        Solid(ellipse(x, y, size, size * 0.95), colour, fur=0.4, markings=(cap,)),
        Solid(ellipse(eye_x, eye_y, eye * 1.3, eye * 1.2), darker(colour, rng.uniform(0.5, 1.1)), relief=0),
        Solid(ellipse(eye_x, eye_y, eye, eye), _BLACK, relief=0, markings=(glint(rng, eye_x, eye_y, eye),)),
    ]


def _wing(rng: Rng, colour: Colour) -> Solid:
    tip = (-rng.uniform(0.40, 0.54), -rng.uniform(0.30, 0.38))
    outline = smooth([(0.16, -0.58), (0.12, -0.40), (-0.10, -0.28), tip, (-0.26, -0.52), (0.0, -0.64)])
    feathers = []
    for y in rng.uniform(-0.56, -0.34, rng.integers(2, 6)):
        start, end = (rng.uniform(-0.16, 0.06), y), (rng.uniform(-0.46, -0.26), y + rng.uniform(0.0, 0.14))
        shaft = tube([start, end], (rng.uniform(0.008, 0.02), 0.006))
        feathers.append(Solid(shaft, darker(colour, rng.uniform(0.5, 0.8)), opacity=0.8))
    return Solid(outline, colour, fur=0.3, relief=0.8, markings=tuple(feathers))
