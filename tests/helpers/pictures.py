"""Hand-drawn pictures, and Pillow as the independent judge of what an image file shows."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Rgb = NDArray[np.uint8]
RED, GREEN, BLUE, GREY = (220, 10, 10), (10, 220, 10), (10, 10, 220), (128, 128, 128)


def gradient(width: int = 96, height: int = 64) -> Rgb:
    """Red grows to the right and green downwards, so that no flip, turn or channel order goes unnoticed."""
    rgb = np.full((height, width, 3), 40, np.uint8)
    rgb[..., 0] = np.linspace(20, 235, width)
    rgb[..., 1] = np.linspace(20, 235, height)[:, None]
    return rgb


def square(
    colour: tuple[int, int, int], left: int, top: int, side: int = 16, *, width: int = 32, height: int = 32
) -> Rgb:
    """A coloured square on grey."""
    rgb = np.full((height, width, 3), GREY, np.uint8)
    rgb[top : top + side, left : left + side] = colour
    return rgb


def encode(picture: Rgb | Image.Image, file_format: str = "PNG", *, orientation: int = 1, **options: object) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def seen_by_pillow(data: bytes) -> Rgb:
    """The picture as Pillow shows it, upright."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
