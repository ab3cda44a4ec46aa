"""What decoders must not be given: small files that crash OpenCV, or that take it gigabytes or hours."""

from __future__ import annotations

import os
import re

from cam_audit.errors import ImageError

DAMAGED = "not an image that can be read, or damaged or truncated"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG2000 = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")
# The greatest value comes third, after width and height; comments may stand between.
_DEEP_PNM = re.compile(
    rb"P[2356]\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*0*(25[6-9]|2[6-9]\d|[3-9]\d\d|\d{4,})\s"
)
# The marker of a frame, its length, and how many bits a sample has.
_JPEG_PRECISION = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7]..(.)", re.DOTALL)
_ANIMATION = frozenset((b"acTL", b"fcTL", b"fdAT"))
# Progressive files have about ten.
MAX_JPEG_SCANS = 100
# What ends a stretch of pixels or comes before one; only the end of the picture, D9, has no length after it.
_JPEG_MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")
# Radiance, PFM and PAM, which OpenCV would read too: they hold more than 8 bits, or colours in any order.
_NOT_READ = (b"#?", b"PF", b"Pf", b"P7")
# A colour picture has three, and alpha may be a fourth.
MAX_JPEG2000_COMPONENTS = 4
# The marker SIZ, with its length and, after eight numbers of four bytes, how many components there are.
_JPEG2000_SIZE = re.compile(rb"\xff\x51(?=(..).{34}(..))", re.DOTALL)


def require_safe(data: bytes) -> None:
    """Raise ImageError for what a scan does not read, and for what would take a decoder gigabytes or hours."""
    if data.startswith(_NOT_READ):
        raise ImageError("not an image of a format that is read")
    if data.startswith(b"\xff\xd8"):
        _require_few_scans(data)
    elif data.startswith(_JPEG2000):
        _require_few_components(data)


def _pixel_limit() -> int:
    return int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"])


def require_few_pixels(width: int, height: int) -> None:
    """Raise ImageError for a picture of more pixels than $OPENCV_IO_MAX_IMAGE_PIXELS."""
    if width * height > _pixel_limit():
        raise too_large()


def too_large() -> ImageError:
    """The error for such a picture."""
    return ImageError(f"the image is larger than {_pixel_limit():,} pixels")


def stated_maximum(data: bytes) -> int | None:
    """The value that is white, where a PNM says so; the greatest of 16 bits is written whatever the values are."""
    pnm = _DEEP_PNM.match(data)
    return int(pnm[1]) if pnm and int(pnm[1]) < 65535 else None


def has_16_bits(data: bytes) -> bool:
    """Whether a picture may hold more than 8 bits a channel: a PNG of 16, a JPEG 2000, or a PNM that says so."""
    if data.startswith(PNG_SIGNATURE):
        return data[24:25] == b"\x10"
    return data.startswith(_JPEG2000) or bool(_DEEP_PNM.match(data))


def why_unread(data: bytes | bytearray) -> str:
    """Why OpenCV has not decoded a file, as far as that can be told."""
    precision = _JPEG_PRECISION.search(data) if data.startswith(b"\xff\xd8") else None
    if precision and precision[1] != b"\x08":
        return f"a JPEG of {precision[1][0]} bits, which is not read"
    return DAMAGED


def still_png(data: bytes) -> bytearray:
    """A PNG without its animation, for OpenCV 5.0 crashes where a frame is damaged.

    Raises ImageError for a chunk longer than the file: OpenCV takes as much memory as a chunk says it is long.
    """
    still, at, kind = bytearray(PNG_SIGNATURE), len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + length + 12
        if end > len(data):
            raise ImageError(DAMAGED)
        if kind not in _ANIMATION:
            still += data[at:end]
        at = end
    return still


def _require_few_scans(data: bytes) -> None:
    """Refuse a JPEG that passes over its picture again and again: a small file could, for hours."""
    if data.count(b"\xff\xda") <= MAX_JPEG_SCANS:
        return
    scans, at = 0, 2
    while marker := _JPEG_MARKER.search(data, at):
        kind, at = data[marker.start() + 1], marker.end()
        if kind == 0xD9:
            break
        scans += kind == 0xDA
        at += int.from_bytes(data[at : at + 2], "big")
    if scans > MAX_JPEG_SCANS:
        raise ImageError(f"the JPEG has more than {MAX_JPEG_SCANS} scans")


def _require_few_components(data: bytes) -> None:
    """Refuse a JPEG 2000 of many components: OpenJPEG 2.5 takes a kilobyte for each in each of up to 65,535 tiles."""
    for marker in _JPEG2000_SIZE.finditer(data):
        length, components = (int.from_bytes(number, "big") for number in marker.groups())
        if components > MAX_JPEG2000_COMPONENTS and length == 38 + 3 * components:
            raise ImageError(f"the JPEG 2000 has more than {MAX_JPEG2000_COMPONENTS} components")
