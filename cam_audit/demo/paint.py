"""Paints shaded, textured solids from plain outlines, so that a drawing passes for a photo at a glance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Colour = tuple[float, float, float]
FloatArray = NDArray[np.float32]
Window = tuple[slice, slice]
Points = Sequence[tuple[float, float]] | NDArray[np.floating]

_SUPERSAMPLING = 4
_SUBPIXEL_BITS = 4
_AMBIENT = 0.56
_SHININESS = 40


@dataclass(frozen=True)
class Solid:
    """One solid of an object.

    outline (n, 2) float32: closed, x to the right and y down, in any unit; colour: RGB 0..1;
    relief 0 (flat paint) .. 1 (round); gloss, fur and opacity 0..1; markings: parts painted onto this
    one's surface, so they end at its outline and take its shading.
    """

    outline: FloatArray
    colour: Colour
    relief: float = 1.0
    gloss: float = 0.0
    fur: float = 0.0
    opacity: float = 1.0
    markings: tuple[Solid, ...] = ()

    def mapped(self, matrix: FloatArray) -> Solid:
        """The part under an affine map, matrix (2, 3)."""
        outline = self.outline @ matrix[:, :2].T + matrix[:, 2]
        return replace(self, outline=outline, markings=tuple(m.mapped(matrix) for m in self.markings))


@dataclass(frozen=True)
class Bend:
    """A smooth random displacement of the plane, a sum of n waves, which makes no two things alike.

    waves (2, n): wave numbers; phases (n,); shifts (n, 2): how far each wave moves a point.
    """

    waves: FloatArray
    phases: FloatArray
    shifts: FloatArray

    @classmethod
    def random(cls, rng: Rng, amount: float) -> Bend:
        """Five waves, 0.25 to 0.9 long; amount: how far one that is 0.4 long moves points, in the same unit."""
        length = rng.uniform(0.25, 0.9, 5).astype(np.float32)
        waves, shifts = (np.array([np.cos(a), np.sin(a)], np.float32) for a in rng.uniform(0, 2 * np.pi, (2, 5)))
        phases = rng.uniform(0, 2 * np.pi, 5).astype(np.float32)
        return cls(waves * (2 * np.pi / length), phases, (shifts * (amount / 0.4 * length)).T)

    def applied(self, parts: Iterable[Solid]) -> list[Solid]:
        """The parts, displaced."""
        return [
            replace(part, outline=self._moved(part.outline), markings=tuple(self.applied(part.markings)))
            for part in parts
        ]

    def _moved(self, points: FloatArray) -> FloatArray:
        return np.asarray(points + np.sin(points @ self.waves + self.phases) @ self.shifts, np.float32)


@dataclass(frozen=True)
class Light:
    """Where the light comes from: a unit vector, x right, y down, z towards the viewer."""

    x: float
    y: float
    z: float

    @classmethod
    def random(cls, rng: Rng) -> Light:
        """A lamp or window above, to the left or to the right."""
        vector = np.array([rng.choice([-1, 1]) * rng.uniform(0.25, 0.65), -rng.uniform(0.4, 0.7), 0.75])
        x, y, z = vector / np.linalg.norm(vector)
        return cls(float(x), float(y), float(z))


def affine(
    *, scale: float = 1.0, degrees: float = 0.0, mirror: bool = False, to: tuple[float, float] = (0.0, 0.0)
) -> FloatArray:
    """Matrix (2, 3) that mirrors in x, then scales, turns clockwise and moves the origin to `to`."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    flip = -1.0 if mirror else 1.0
    return np.array([[scale * cos * flip, -scale * sin, to[0]], [scale * sin * flip, scale * cos, to[1]]], np.float32)


def box(half: float, top: float, bottom: float) -> FloatArray:
    """Outline (4, 2) of an upright box around x = 0."""
    return np.array([(-half, top), (half, top), (half, bottom), (-half, bottom)], np.float32)


def ellipse(x: float, y: float, rx: float, ry: float, degrees: float = 0.0) -> FloatArray:
    """Outline (48, 2) of an ellipse."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    points = np.stack([rx * np.cos(angle), ry * np.sin(angle)], axis=1).astype(np.float32)
    matrix = affine(degrees=degrees, to=(x, y))
    return points @ matrix[:, :2].T + matrix[:, 2]


def smooth(points: Points) -> FloatArray:
    """Closed Catmull-Rom curve (8 n, 2) through n points."""
    p1 = np.asarray(points, np.float32)
    return _catmull_rom(np.roll(p1, 1, 0), p1, np.roll(p1, -1, 0), np.roll(p1, -2, 0))


def blob(rng: Rng, x: float, y: float, radius: float) -> FloatArray:
    """An irregular round outline (56, 2)."""
    angles = np.linspace(0, 2 * np.pi, 7, endpoint=False) + rng.uniform(0, 0.8)
    radii = radius * rng.uniform(0.6, 1.3, 7)
    return smooth(np.stack([x + radii * np.cos(angles), y + radii * np.sin(angles)], axis=1))


def tube(points: Points, widths: Sequence[float] | NDArray[np.floating]) -> FloatArray:
    """Outline of a bent tube along n points, with a half width for each, and round ends."""
    nodes = np.column_stack([np.asarray(points, np.float32), np.asarray(widths, np.float32)])
    before, after = 2 * nodes[:1] - nodes[1:2], 2 * nodes[-1:] - nodes[-2:-1]
    padded = np.concatenate([before, nodes, after])
    curve = _catmull_rom(padded[:-3], padded[1:-2], padded[2:-1], padded[3:])
    line = np.concatenate([curve, nodes[-1:]])
    centre, width = line[:, :2], line[:, 2:]
    along = np.gradient(centre, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    side = along[:, ::-1] * np.array([-1, 1], np.float32)
    angle = np.linspace(0, np.pi, 9, dtype=np.float32)[1:-1, None]
    end = centre[-1] + width[-1] * (np.cos(angle) * side[-1] + np.sin(angle) * along[-1])
    start = centre[0] - width[0] * (np.cos(angle) * side[0] + np.sin(angle) * along[0])
    return np.concatenate([centre + width * side, end, (centre - width * side)[::-1], start])


def _catmull_rom(p0: FloatArray, p1: FloatArray, p2: FloatArray, p3: FloatArray) -> FloatArray:
    t = np.linspace(0, 1, 8, endpoint=False, dtype=np.float32)[None, :, None]
    p0, p1, p2, p3 = p0[:, None], p1[:, None], p2[:, None], p3[:, None]
    curve = p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return np.asarray(curve, np.float32).reshape(-1, p1.shape[-1])


def glint(rng: Rng, x: float, y: float, radius: float) -> Solid:
    """The light that shines in an eye of that centre and radius."""
    size = radius * rng.uniform(0.12, 0.3)
    place = (x + radius * rng.uniform(-0.4, 0.4), y - radius * rng.uniform(0.1, 0.4))
    return Solid(ellipse(*place, size, size), (0.97, 0.97, 0.95), relief=0)


def varied(rng: Rng, colour: Colour, amount: float = 0.05) -> Colour:
    """The colour, somewhat lighter or darker."""
    r, g, b = np.clip(np.array(colour) + rng.uniform(-amount, amount), 0.02, 0.98)
    return float(r), float(g), float(b)


def darker(colour: Colour, factor: float) -> Colour:
    """The colour times a factor."""
    r, g, b = colour
    return r * factor, g * factor, b * factor


def noise(rng: Rng, shape: tuple[int, int], cell: tuple[float, float]) -> FloatArray:
    """Smooth noise (H, W) float32 of about unit deviation; cell: height and width of a grain in pixels."""
    grid = [max(2, round(side / grain) + 1) for side, grain in zip(shape, cell, strict=True)]
    coarse = rng.standard_normal(grid, np.float32)
    return np.asarray(cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def paint(canvas: FloatArray, parts: Iterable[Solid], light: Light, grain: FloatArray) -> FloatArray:
    """Paints parts, back to front, onto canvas (H, W, 3) float32 0..1 in place.

    grain (H, W): noise that gives fur its strands. Returns what the parts cover, (H, W) float32 0..1; painted onto
    black, the canvas is then the parts' colour premultiplied by it.
    """
    height, width = canvas.shape[:2]
    covered = np.zeros((height, width), np.float32)
    everywhere = (slice(0, height), slice(0, width))
    for part in parts:
        window = _window(part.outline, everywhere, margin=6)
        if window is None:
            continue
        surface, under, strands = canvas[window], covered[window], grain[window]
        mask = _mask(part.outline, window)
        if part.fur:
            mask = _ragged(mask, strands, part.fur)
        alpha = mask * part.opacity
        if part.relief:
            surface *= 1 - 0.4 * (_occlusion(mask, light) * under)[..., None]
        surface += alpha[..., None] * (_lit(part, mask, window, light, strands) - surface)
        under += alpha * (1 - under)
    return covered


def _window(outline: FloatArray, within: Window, *, margin: int) -> Window | None:
    """Rows and columns of the outline's box and a margin around it, so far as they lie within another window."""
    left, top = np.floor(outline.min(0)).astype(int) - margin
    right, bottom = np.ceil(outline.max(0)).astype(int) + margin
    rows = slice(max(top, within[0].start), min(bottom, within[0].stop))
    columns = slice(max(left, within[1].start), min(right, within[1].stop))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None


def _mask(outline: FloatArray, window: Window) -> FloatArray:
    rows, columns = window
    size = (columns.stop - columns.start, rows.stop - rows.start)
    fine = np.zeros((size[1] * _SUPERSAMPLING, size[0] * _SUPERSAMPLING), np.uint8)
    local = (outline - [columns.start, rows.start]) * _SUPERSAMPLING * (1 << _SUBPIXEL_BITS)
    cv2.fillPoly(fine, [np.round(local).astype(np.int32)], 255, shift=_SUBPIXEL_BITS)
    return np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)


def _ragged(mask: FloatArray, strands: FloatArray, fur: float) -> FloatArray:
    """The mask with strands standing out from its edge."""
    soft = cv2.GaussianBlur(mask, (0, 0), 2.0)
    # Strands matter at the edge only: they leave neither holes inside nor flakes outside.
    edge = 4 * soft * (1 - soft)
    return np.asarray(np.clip((soft - 0.5 + 0.3 * fur * edge * np.clip(strands, -2, 2)) * 3 + 0.5, 0, 1), np.float32)


def _occlusion(mask: FloatArray, light: Light) -> FloatArray:
    """The soft shadow that a part throws on what lies right behind it."""
    shift = affine(to=(-5 * light.x, -5 * light.y))
    moved = cv2.warpAffine(mask, shift, mask.shape[::-1])
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 2.5), np.float32)


def _lit(part: Solid, mask: FloatArray, window: Window, light: Light, strands: FloatArray) -> FloatArray:
    albedo = _albedo(part, window)
    if part.fur:
        albedo *= 1 + 0.13 * part.fur * strands[..., None]
    if not part.relief:
        return albedo
    lambert, facing = _shading(mask, light)
    shade = 1 + part.relief * (_AMBIENT + (1 - _AMBIENT) * lambert / light.z - 1)
    lit = albedo * shade[..., None]
    return lit + part.gloss * (facing**_SHININESS)[..., None] if part.gloss else lit


def _albedo(part: Solid, window: Window) -> FloatArray:
    """The part's own colours, (H, W, 3): its main one and its markings."""
    rows, columns = window
    albedo = np.empty((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)
    albedo[:] = part.colour
    for marking in part.markings:
        own = _window(marking.outline, window, margin=1)
        if own is not None:
            alpha = _mask(marking.outline, own) * marking.opacity
            local = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(own, window, strict=True))
            albedo[local] += alpha[..., None] * (np.asarray(marking.colour, np.float32) - albedo[local])
    return albedo


def _shading(mask: FloatArray, light: Light) -> tuple[FloatArray, FloatArray]:
    """How the mask, blown up like a balloon, faces the light, and the middle between light and viewer: (H, W), 0..1."""
    depth = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    radius = max(float(depth.max()), 1.0)
    height = cv2.GaussianBlur(np.sqrt(depth * (2 * radius - depth)), (0, 0), max(0.25 * radius, 0.8))
    dx = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125)
    length = np.sqrt(dx * dx + dy * dy + 1)
    sideways = dx * light.x + dy * light.y
    lambert = np.maximum(light.z - sideways, 0) / length
    facing = np.maximum(light.z + 1 - sideways, 0) / (length * math.sqrt(2 + 2 * light.z))
    return np.asarray(lambert, np.float32), np.asarray(facing, np.float32)
