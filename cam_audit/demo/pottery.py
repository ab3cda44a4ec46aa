"""Jug and mug, each as parts around its foot: y = 0 is the ground, y = -0.9 about its rim.

The two share their glazes, decorations, drinks and handles, and differ in their shape alone.
"""

from __future__ import annotations

import colorsys

import numpy as np

from cam_audit.demo.paint import Bend, Colour, FloatArray, Rng, Solid, blob, darker, ellipse, smooth, tube


def jug(rng: Rng) -> list[Solid]:
    """A glazed jug, seen from slightly above: a belly, a neck, a lip on the left and the handle on the right."""
    glaze, rim, belly = _glaze(rng), rng.uniform(0.21, 0.28), rng.uniform(0.28, 0.37)
    neck, foot = rim * rng.uniform(0.80, 0.98), belly * rng.uniform(0.65, 0.88)
    ry, lip = rim * rng.uniform(0.16, 0.30), rim + rng.uniform(0.07, 0.15)
    waist = rng.uniform(0.58, 0.72)
    side = [(neck, -waist), (0.9 * belly, 0.25 - waist), (belly, -0.28), (0.92 * belly, -0.12), (foot, 0.0)]
    lip_y = -rng.uniform(0.88, 0.95)
    body = smooth(
        [(rim, -0.88), *side, (0.0, 0.6 * ry), *[(-x, y) for x, y in reversed(side)], (-rim, -0.84), (-lip, lip_y)]
    )
    opening = [(rim, -0.88), (0.0, -0.88 + ry), (-rim, -0.85), (-lip, lip_y), (-0.8 * rim, -0.94), (0.0, -0.88 - ry)]
    hollow = [(0.9 * x, 0.85 * (y + 0.88) - 0.875) for x, y in opening]
    return Bend.random(rng, 0.009).applied(
        [
            _handle(rng, glaze, upper=(0.85 * neck, -0.80), lower=(0.9 * belly, -0.28), out=belly),
            Solid(body, glaze, gloss=0.4, markings=_decoration(rng, glaze)),
            Solid(smooth(opening), glaze, relief=0.3),
            Solid(smooth(hollow), darker(glaze, 0.5), relief=0, markings=(_drink(rng, 0.8 * rim, ry),)),
        ]
    )


def mug(rng: Rng) -> list[Solid]:
    """A glazed mug, seen from slightly above, with its handle on the right."""
    glaze, rim, foot = _glaze(rng), rng.uniform(0.29, 0.38), rng.uniform(0.24, 0.36)
    ry = rim * rng.uniform(0.16, 0.30)
    base = ellipse(0, -ry * foot / rim, foot, ry * foot / rim)
    body = np.concatenate([[(rim, -0.86)], base[base[:, 1] >= -ry * foot / rim], [(-rim, -0.86)]]).astype(np.float32)
    hollow = ellipse(0, -0.85, rim * 0.9, ry * 0.86)
    return Bend.random(rng, 0.009).applied(
        [
            _handle(rng, glaze, upper=(0.9 * rim, -0.74), lower=(0.92 * foot, -0.24), out=rim),
            Solid(body, glaze, gloss=0.4, markings=_decoration(rng, glaze)),
            Solid(ellipse(0, -0.86, rim, ry), glaze, relief=0.3),
            Solid(hollow, darker(glaze, 0.5), relief=0, markings=(_drink(rng, 0.85 * rim, ry),)),
        ]
    )


def _glaze(rng: Rng) -> Colour:
    """A colour of any hue, from pastel to strong."""
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.05, 0.65), rng.uniform(0.45, 0.92))


def _handle(rng: Rng, glaze: Colour, *, upper: tuple[float, float], lower: tuple[float, float], out: float) -> Solid:
    """A handle on the right, from `upper` to `lower`, some way beyond x = out."""
    reach, width, sag = out + rng.uniform(0.15, 0.27), rng.uniform(0.036, 0.054), rng.uniform(-0.04, 0.06)
    high, low = upper[1] + rng.uniform(-0.06, 0.08), lower[1] - rng.uniform(0.04, 0.16)
    bow = [upper, (reach, high + sag), (reach - rng.uniform(-0.03, 0.07), low + sag), lower]
    return Solid(tube(bow, (width, width, width, 0.9 * width)), glaze, gloss=0.5)


def _drink(rng: Rng, width: float, depth: float) -> Solid:
    coffee, tea, milk = (0.24, 0.14, 0.08), (0.62, 0.32, 0.10), (0.93, 0.90, 0.84)
    level = rng.uniform(-0.86, -0.78)
    return Solid(ellipse(0, level, width, rng.uniform(0.6, 0.9) * depth), (coffee, tea, milk)[rng.integers(3)])


def _decoration(rng: Rng, glaze: Colour) -> tuple[Solid, ...]:
    """What is painted on a pot: bands, spots or nothing, over clouds in the glaze."""
    colour, kind = _glaze(rng), rng.choice(["plain", "bands", "spots"])
    clouds = [Solid(_spot(rng, 0.08, 0.25), darker(glaze, shade), opacity=0.4) for shade in rng.uniform(0.7, 1.2, 5)]
    if kind == "bands":
        return (*clouds, *(Solid(_band(rng), colour, opacity=0.85) for _ in range(rng.integers(1, 4))))
    if kind == "spots":
        return (*clouds, *(Solid(_spot(rng, 0.025, 0.06), colour) for _ in range(13)))
    return tuple(clouds)


def _spot(rng: Rng, smallest: float, largest: float) -> FloatArray:
    return blob(rng, rng.uniform(-0.4, 0.4), -rng.uniform(0, 0.75), rng.uniform(smallest, largest))


def _band(rng: Rng) -> FloatArray:
    y, slant, sag = -rng.uniform(0.1, 0.68), rng.uniform(-0.05, 0.05), rng.uniform(0.02, 0.07)
    return tube([(-0.6, y - slant), (0, y + sag), (0.6, y + slant)], (rng.uniform(0.012, 0.06),) * 3)
