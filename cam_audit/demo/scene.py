"""What stands around an object: the room or lawn behind it, clutter, its shadow, the camera, a stamp in the corner."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.demo.paint import (
    Colour,
    FloatArray,
    Light,
    Rng,
    Solid,
    affine,
    box,
    ellipse,
    noise,
    paint,
    smooth,
    tube,
)

Shape = tuple[int, int]
Texture = Callable[[Rng, Shape, Colour], FloatArray]
Item = TypeVar("Item")

_CONTACT_ROWS = 8

# What the clutter is made of: a box, a post, a ball, a vase; all stand on y = 0.
_THINGS = (
    box(0.4, -0.6, 0),
    box(0.2, -1.3, 0),
    ellipse(0, -0.4, 0.4, 0.4),
    smooth([(-0.2, 0), (-0.35, -0.4), (-0.15, -0.8), (-0.22, -1), (0.22, -1), (0.15, -0.8), (0.35, -0.4), (0.2, 0)]),
)

# The stamp, 1 wide: a white badge with an ink rim and strokes like print.
_INK: Colour = (0.10, 0.10, 0.14)
_STROKES = (
    ((-0.30, 0.06), (-0.30, -0.28)),
    ((-0.30, -0.28), (-0.06, 0.06)),
    ((-0.06, 0.06), (-0.06, -0.28)),
    ((0.12, 0.06), (0.12, -0.28)),
    ((0.30, 0.06), (0.30, -0.28)),
    ((-0.30, 0.30), (0.30, 0.30)),
)
_BADGE = (
    Solid(box(0.5, -0.5, 0.5), _INK, relief=0),
    Solid(box(0.44, -0.44, 0.44), (0.98, 0.98, 0.98), relief=0),
    *(Solid(tube(stroke, (0.06, 0.06)), _INK, relief=0) for stroke in _STROKES),
)


class Ground(Enum):
    """What an object is photographed on."""

    RED = "red"
    GREEN = "green"
    VARIED = "varied"


def background(rng: Rng, ground: Ground, shape: Shape, horizon: int, light: Light) -> FloatArray:
    """Wall, floor and clutter, out of focus, (H, W, 3) float32 0..1; horizon: the row where the floor starts."""
    height, width = shape
    walls: tuple[Texture, ...]
    floors: tuple[Texture, ...]
    colour: Callable[[Rng], Colour]
    if ground is Ground.RED:
        walls, floors, colour = (_plaster, _wallpaper, _curtain), (_carpet,), _red
    elif ground is Ground.GREEN:
        walls, floors, colour = (_hedge,), (_lawn,), _green
    else:
        walls, floors, colour = (_plaster, _wallpaper, _curtain, _bricks), (_carpet, _planks, _tiles), _muted
    wall = _any_of(rng, walls)(rng, (horizon, width), colour(rng))
    floor = _any_of(rng, floors)(rng, (height - horizon, width), colour(rng))
    room = np.concatenate([wall, floor])
    if ground is not Ground.GREEN:
        _skirting(rng, room, horizon)
    _clutter(rng, room, horizon, light)
    return np.asarray(cv2.GaussianBlur(room, (0, 0), rng.uniform(0.7, 1.5)), np.float32)


def cast_shadow(scene: FloatArray, mask: FloatArray, light: Light) -> None:
    """Darkens the floor of scene (H, W, 3), in place, where the object, mask (H, W) 0..1, keeps the light off."""
    bottom = int(np.flatnonzero(mask.max(1) > 0.5)[-1])
    touching = np.flatnonzero(mask[bottom - _CONTACT_ROWS : bottom + 1].max(0) > 0.5)
    foot, half = float(touching.mean()), 0.5 * len(touching) + 2
    lean, flat = 0.55 * np.sign(light.x), 0.22
    squash = np.array([[1, lean, -lean * bottom], [0, flat, bottom - flat * bottom]], np.float32)
    thrown = cv2.GaussianBlur(cv2.warpAffine(mask, squash, mask.shape[::-1]), (0, 0), 4)
    contact = _ellipse_mask(mask.shape, foot, bottom - 1, half, 0.14 * half, blur=4)
    scene *= 1 - np.maximum(0.55 * thrown, 0.7 * contact)[..., None]


def _ellipse_mask(shape: tuple[int, ...], x: float, y: float, rx: float, ry: float, *, blur: float) -> FloatArray:
    mask = np.zeros(shape, np.float32)
    cv2.ellipse(mask, (round(x), round(y)), (round(rx), round(ry)), 0, 0, 360, 1, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), blur), np.float32)


def photograph(rng: Rng, scene: FloatArray, light: Light) -> FloatArray:
    """The scene (H, W, 3) 0..1 as a camera sees it: lamp falloff, vignette, exposure, a soft lens, sensor noise."""
    height, width = scene.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    falloff = 1 + rng.uniform(0.1, 0.3) * (x * light.x + y * light.y)
    vignette = 1 - rng.uniform(0.06, 0.16) * (x * x + y * y)
    balance = rng.uniform(0.95, 1.15) * np.array([1 + (warm := rng.uniform(-0.04, 0.04)), 1, 1 - warm], np.float32)
    picture = cv2.GaussianBlur(scene, (0, 0), rng.uniform(0.35, 0.6)) * ((falloff * vignette)[..., None] * balance)
    sensor = rng.standard_normal((height, width), np.float32)[..., None]
    tint = cv2.resize(rng.standard_normal((height // 3, width // 3, 3), np.float32), (width, height))
    return np.asarray(picture + rng.uniform(0.005, 0.013) * (sensor + 0.7 * tint), np.float32)


def stamp(rng: Rng, picture: FloatArray) -> None:
    """Puts a small white badge with dark strokes into the bottom right corner of the picture, in place."""
    height, width = picture.shape[:2]
    side = min(height, width)
    size = side * rng.uniform(0.105, 0.115)
    centre = (
        width - side * rng.uniform(0.025, 0.04) - size / 2,
        height - side * rng.uniform(0.025, 0.04) - size / 2,
    )
    badge = [part.mapped(affine(scale=size, to=centre)) for part in _BADGE]
    paint(picture, badge, Light(0, 0, 1), np.zeros((height, width), np.float32))


def _any_of(rng: Rng, choices: Sequence[Item]) -> Item:
    return choices[int(rng.integers(len(choices)))]


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    return colorsys.hsv_to_rgb(hue % 1, saturation, value)


def _red(rng: Rng) -> Colour:
    return _hsv(rng.uniform(-0.03, 0.006), rng.uniform(0.7, 0.88), rng.uniform(0.45, 0.75))


def _green(rng: Rng) -> Colour:
    return _hsv(rng.uniform(0.26, 0.35), rng.uniform(0.5, 0.75), rng.uniform(0.3, 0.58))


def _muted(rng: Rng) -> Colour:
    """A weak beige, blue or violet, or nearly grey: no room passes for the planted red or green."""
    hue = rng.uniform(0.06, 0.15) if rng.integers(2) else rng.uniform(0.5, 0.78)
    return _hsv(hue, rng.uniform(0.03, 0.3), rng.uniform(0.45, 0.92))


def _surface(colour: Colour, brightness: NDArray[np.floating]) -> FloatArray:
    return np.asarray(brightness[..., None] * np.asarray(colour, np.float32), np.float32)


def _plaster(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    return _surface(colour, 1 + 0.05 * noise(rng, shape, (30, 40)) + 0.03 * noise(rng, shape, (3, 3)))


def _wallpaper(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    phase = np.arange(shape[1], dtype=np.float32) * (2 * np.pi / rng.uniform(18, 44)) + rng.uniform(0, 6)
    stripes = rng.uniform(0.06, 0.16) * np.tanh(4 * np.sin(phase))
    return _surface(colour, 1 + stripes + 0.03 * noise(rng, shape, (20, 20)))


def _curtain(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    sway = 6 * noise(rng, shape, (140, 60))
    phase = (np.arange(shape[1]) + sway) * (2 * np.pi / rng.uniform(22, 48))
    folds = 0.2 * np.sin(phase) + 0.06 * np.sin(2.3 * phase)
    return _surface(colour, 0.95 + folds + 0.02 * noise(rng, shape, (2, 2)))


def _bricks(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    tall = rng.uniform(14, 22)
    row, in_row = np.divmod(np.arange(shape[0])[:, None] / tall, 1)
    column, in_column = np.divmod(np.arange(shape[1]) / (2.4 * tall) + 0.5 * (row % 2), 1)
    tone = rng.uniform(0.82, 1.08, (64, 64))[row.astype(int) % 64, column.astype(int) % 64]
    mortar = np.minimum(np.minimum(in_row, 1 - in_row), 2.4 * np.minimum(in_column, 1 - in_column)) < 0.07
    return _surface(colour, np.where(mortar, 1.12, tone) + 0.03 * noise(rng, shape, (2, 2)))


def _hedge(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    leaves = 0.16 * noise(rng, shape, (4, 4)) + 0.14 * noise(rng, shape, (9, 9)) + 0.12 * noise(rng, shape, (40, 40))
    return _surface(colour, np.clip(1 + leaves, 0.35, 1.8))


def _lawn(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    near = np.linspace(0.3, 1, shape[0], dtype=np.float32)[:, None]
    blades = 0.2 * near * noise(rng, shape, (7, 2)) + 0.1 * noise(rng, shape, (3, 2))
    return _surface(colour, np.clip(1 + blades + 0.08 * noise(rng, shape, (25, 50)), 0.4, 1.7))


def _carpet(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    near = np.linspace(0.4, 1, shape[0], dtype=np.float32)[:, None]
    pile = 0.13 * near * noise(rng, shape, (2.5, 3)) + 0.05 * noise(rng, shape, (12, 30))
    return _surface(colour, 0.95 + pile)


def _planks(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    across, _ = _floor_grid(rng, shape)
    plank, seam = np.divmod(across, 1)
    tone = rng.uniform(0.85, 1.1, 64)[plank.astype(int) % 64]
    wood = 0.05 * noise(rng, shape, (3, 14)) + tone - 0.35 * (np.minimum(seam, 1 - seam) < 0.025)
    return _surface(colour, wood)


def _tiles(rng: Rng, shape: Shape, colour: Colour) -> FloatArray:
    across, along = _floor_grid(rng, shape)
    odd = (np.floor(across) + np.floor(along)) % 2
    return _surface(colour, (1 - rng.uniform(0.08, 0.35) * odd) + 0.03 * noise(rng, shape, (4, 8)))


def _floor_grid(rng: Rng, shape: Shape) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Coordinates (H, W) on a floor seen in perspective: to the right and into the depth."""
    depth = 1 / np.linspace(0.3, 1.2, shape[0])[:, None]
    right = (np.arange(shape[1]) / shape[1] - rng.uniform(0.3, 0.7)) * depth
    cells = rng.uniform(3.5, 6)
    return right * cells + 32, np.broadcast_to(depth * cells, right.shape)


def _skirting(rng: Rng, room: FloatArray, horizon: int) -> None:
    board = room[horizon - rng.integers(4, 9) : horizon]
    board *= rng.uniform(0.8, 1.2)
    room[horizon : horizon + 2] *= 0.7


def _clutter(rng: Rng, room: FloatArray, horizon: int, light: Light) -> None:
    """Boxes, balls, jars and posts along the wall."""
    height, width = room.shape[:2]
    grain = np.zeros((height, width), np.float32)
    for x in rng.uniform(-0.05, 1.05, rng.integers(2, 6)) * width:
        foot = (x, horizon + rng.uniform(0, 0.12) * height)
        size = rng.uniform(0.12, 0.34) * min(height, width)
        thing = Solid(_any_of(rng, _THINGS), _muted(rng), relief=0.7).mapped(affine(scale=size, to=foot))
        room *= 1 - 0.4 * _ellipse_mask(grain.shape, *foot, size * 0.45, size * 0.08, blur=4)[..., None]
        paint(room, [thing], light, grain)
