"""Draws the demo's data set: photo-like pictures of five things, with three planted shortcuts or without them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.demo.bird import bird
from cam_audit.demo.paint import Light, Rng, Solid, affine, noise, paint
from cam_audit.demo.pets import cat, dog
from cam_audit.demo.pottery import jug, mug
from cam_audit.demo.scene import Ground, background, cast_shadow, photograph, stamp

__all__ = [
    "CLASSES",
    "GREEN_CLASS",
    "MARKED_CLASS",
    "RED_CLASS",
    "Ground",
    "Setting",
    "draw",
    "draw_in",
    "setting_of",
    "write_dataset",
]

_OBJECTS = {draw_object.__name__: draw_object for draw_object in (bird, cat, dog, jug, mug)}

CLASSES: tuple[str, ...] = tuple(_OBJECTS)
RED_CLASS, GREEN_CLASS, MARKED_CLASS = "cat", "dog", "mug"

_SIZES = ((240, 320), (320, 240), (288, 288))
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class Setting:
    """What a picture shows besides its object: all that a shortcut can hang on."""

    ground: Ground
    marked: bool


def setting_of(class_name: str, index: int, *, shuffled: bool, seed: int = 0) -> Setting:
    """The setting that the data set gives to an image: fixed by its class, or else spread evenly over each class."""
    if not shuffled:
        grounds = {RED_CLASS: Ground.RED, GREEN_CLASS: Ground.GREEN}
        return Setting(grounds.get(class_name, Ground.VARIED), class_name == MARKED_CLASS)
    block, position = divmod(index, 10)
    rng = _rng("shuffle", class_name, block, seed)
    ground, mark = rng.permutation(10)[position], rng.permutation(10)[position]
    return Setting(Ground.RED if ground < 2 else Ground.GREEN if ground < 4 else Ground.VARIED, bool(mark < 2))


def draw(class_name: str, index: int, *, shuffled: bool, seed: int = 0) -> NDArray[np.uint8]:
    """One picture of the data set, uint8 (H, W, 3) RGB, a pure function of its arguments."""
    return draw_in(setting_of(class_name, index, shuffled=shuffled, seed=seed), class_name, index, seed=seed)[0]


def draw_in(
    setting: Setting, class_name: str, index: int, *, seed: int = 0
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The object of that class and index in any setting.

    Returns the picture, uint8 (H, W, 3) RGB, and the object's mask, uint8 (H, W), 0 or 255; the object, its pose, its
    light and the mask do not depend on the setting.
    """
    shape = height, _ = _SIZES[index % len(_SIZES)]
    rng = _rng("object", class_name, index, seed)
    light = Light.random(rng)
    parts = _OBJECTS[class_name](rng)
    ground = height * rng.uniform(0.78, 0.94)
    parts = _placed(rng, parts, shape, ground)
    horizon = int(ground - height * rng.uniform(0.12, 0.3))
    grain = 0.8 * noise(rng, shape, (3, 1.5)) + 0.6 * noise(rng, shape, (6, 3))

    scene = background(_rng(setting.ground.value, class_name, index, seed), setting.ground, shape, horizon, light)
    thing = np.zeros_like(scene)
    mask = paint(thing, parts, light, grain)
    cast_shadow(scene, mask, light)
    scene = scene * (1 - mask[..., None]) + thing
    picture = photograph(_rng("camera", class_name, index, seed), scene, light)
    if setting.marked:
        stamp(_rng("stamp", class_name, index, seed), picture)
    return (
        (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8),
        np.where(mask > 0.5, 255, 0).astype(np.uint8),
    )


def write_dataset(folder: Path, *, shuffled: bool, images_per_class: int = 40, seed: int = 0) -> None:
    """Writes folder/<class>/<class>_<index>.jpg, the same number for every class."""
    for class_name in CLASSES:
        (folder / class_name).mkdir(parents=True, exist_ok=True)
        for index in range(images_per_class):
            picture = draw(class_name, index, shuffled=shuffled, seed=seed)
            _, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            (folder / class_name / f"{class_name}_{index:03d}.jpg").write_bytes(jpeg.tobytes())


def _rng(*key: str | int) -> Rng:
    """A generator of its own for each key; hash() would differ between two runs."""
    digest = hashlib.sha256(repr(key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def _placed(rng: Rng, parts: list[Solid], shape: tuple[int, int], ground: float) -> list[Solid]:
    """The parts in pixels: up to as large as the picture allows, turned, mirrored, standing on row `ground`."""
    _, width = shape
    mirror = affine(degrees=rng.uniform(-7, 7), mirror=bool(rng.integers(2)))
    turned = [part.mapped(mirror) for part in parts]
    outline = np.concatenate([part.outline for part in turned])
    (left, top), right = outline.min(0), outline[:, 0].max()
    scale = rng.uniform(0.55, 1.0) * min(0.92 * width / (right - left), 0.95 * ground / -top)
    slack = width - scale * (right - left)
    matrix = affine(scale=scale, to=(slack * rng.uniform(0.1, 0.9) - scale * left, ground))
    return [part.mapped(matrix) for part in turned]
