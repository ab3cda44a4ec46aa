"""What a JPEG tells before its picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, JpegImagePlugin


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG tells before its picture.

    `width`, `height`: in pixels, before EXIF orientation. `luminance`: the 64 steps of quantization table 0, in rows;
    None if no 8-bit one exists.
    """

    width: int
    height: int
    luminance: tuple[int, ...] | None


def jpeg_header(data: bytes) -> JpegHeader | None:
    """The header of a JPEG file; None for anything else, and where it is damaged. Never warns."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        # not by Image.open, which warns of big pictures on stderr
        picture = _Jpeg(io.BytesIO(data))
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files; OpenCV will say what is wrong with it
        return None
    table = picture.quantization.get(0)
    return JpegHeader(
        *picture.size,
        luminance=tuple(table) if table and max(table) < 256 else None,
    )


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose EXIF data Pillow does not read: it warns of odd ones, and no thread can silence that for itself."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()
