"""What a JPEG tells before its picture."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image, JpegImagePlugin

_EXIF = b"Exif\0\0"
_CAMERA_MODEL, _ASCII = 0x0110, 2


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """What a JPEG tells before its picture.

    `width`, `height`: in pixels, before EXIF orientation. `luminance`: the 64 steps of quantization table 0, in rows;
    None if no 8-bit one exists. `camera`: the camera model in EXIF data, printable; None if no model is named.
    """

    width: int
    height: int
    luminance: tuple[int, ...] | None
    camera: str | None


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
        camera=_camera_model(picture.info.get("exif", b"").removeprefix(_EXIF)),
    )


class _Jpeg(JpegImagePlugin.JpegImageFile):
    """A JPEG whose EXIF data Pillow does not read: it warns of odd ones, and no thread can silence that for itself."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()


def _camera_model(tiff: bytes) -> str | None:
    """The camera model in EXIF data; None if it is absent or cut off."""
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * entries, 12):
            tag, kind, count, offset = struct.unpack_from(order + "HHII", tiff, entry)
            if (tag, kind) == (_CAMERA_MODEL, _ASCII):
                # four bytes or fewer are in place of the offset
                text = tiff[offset : offset + count] if count > 4 else tiff[entry + 8 : entry + 8 + count]
                name = text.split(b"\0")[0].decode("ascii", "replace")
                # it ends up in messages: no line breaks, and nothing that steers a terminal
                return "".join(filter(str.isprintable, name)).strip() or None
    except struct.error:
        pass
    return None
