"""What a TIFF says of its pixels, and those of them that neither OpenCV nor Pillow turn into the right picture."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps, TiffImagePlugin

from cam_audit.errors import ImageError
from cam_audit.images.depth import RangeFor, to_8_bits
from cam_audit.images.rgb import RgbImage

# Tags of TIFF 6.0, section 8 and 18 to 23, and of later supplements.
_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _SAMPLES, _PLANAR, _EXTRA, _FORMAT = (*(256, 257, 258, 262, 277, 284, 338, 339),)
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
_PHOTOMETRICS = {
    **{WHITE_IS_ZERO: "grey (white is 0)", BLACK_IS_ZERO: "grey", RGB: "RGB", PALETTE: "palette", 4: "transparency"},
    **{CMYK: "CMYK", YCBCR: "YCbCr", CIELAB: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "colour filter array"},
    **{32844: "LogL", 32845: "LogLuv", 34892: "linear raw"},
}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_FORMATS = {_UNSIGNED: "", _SIGNED: "signed ", _FLOAT: "float ", 4: "", 5: "complex ", 6: "complex float "}
# Formats of a tag's numbers, as `struct` has them, by the number of the format: those that the tags above have.
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_PREMULTIPLIED = 1
_MOST_NUMBERS = 64
# CIE 15: the white point D50, and from XYZ under it to linear sRGB (Bradford), as in ICC.1:2022.
_D50 = (0.9642, 1.0, 0.8249)
_TO_SRGB = np.array(
    [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540], [0.0719453, -0.2289914, 1.4052427]]
)


@dataclass(frozen=True, slots=True)
class TiffLayout:
    """What the first page of a TIFF says of its pixels, by the numbers of the specification."""

    width: int
    height: int
    bits: tuple[int, ...]
    sample_format: int
    photometric: int
    samples: int
    planar: bool
    extra: tuple[int, ...]

    @property
    def kind(self) -> str:
        """What it is in words: `16-bit signed RGB`."""
        bits = "+".join(map(str, dict.fromkeys(self.bits)))
        known = _PHOTOMETRICS.get(self.photometric, f"photometric {self.photometric}")
        channels = f" of {self.samples} channels" if self.samples > 1 else ""
        alpha = ", premultiplied" if _PREMULTIPLIED in self.extra else ""
        planes = " in separate planes" if self.planar else ""
        return f"{bits}-bit {_FORMATS.get(self.sample_format, '')}{known}{channels}{planes}{alpha}"

    @property
    def is_plain(self) -> bool:
        """Whether it has the 8 bits, or the 1 of black and white, that decoders are made for."""
        whole = self.sample_format in (_UNSIGNED, 4)
        known = (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR)
        return whole and set(self.bits) in ({1}, {8}) and self.photometric in known

    @property
    def has_numbers(self) -> bool:
        """Whether each pixel is a grey or an RGB of numbers of another kind than plain ones."""
        depths = {_UNSIGNED: (10, 12, 14, 16, 32, 64), _SIGNED: (16, 32, 64), _FLOAT: (32, 64)}
        colours = (self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and self.samples == 1) or (
            self.photometric == RGB and self.samples in (3, 4) and not self.planar and _PREMULTIPLIED not in self.extra
        )
        return colours and len(set(self.bits)) == 1 and self.bits[0] in depths.get(self.sample_format, ())

    @property
    def is_for_pillow(self) -> bool:
        """Whether Pillow alone reads it rightly: grey and palettes of 2 and 4 bits, CMYK of 16."""
        few = set(self.bits) in ({2}, {4}) and self.samples == 1
        return (few and self.photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO, PALETTE)) or (
            set(self.bits) == {16} and self.photometric == CMYK and self.samples == 4 and not self.planar
        )


def tiff_layout(data: bytes) -> TiffLayout | None:
    """The layout of a TIFF's first page; None for anything else, and where its directory is damaged."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return None
    try:
        tags = _tags(data, order)
    except struct.error:
        return None
    width, height = tags.get(_WIDTH, ()), tags.get(_HEIGHT, ())
    if not (width and height):
        return None

    def first(tag: int, default: int) -> int:
        return (tags.get(tag) or (default,))[0]

    return TiffLayout(
        width=width[0],
        height=height[0],
        bits=tags.get(_BITS) or (1,),
        sample_format=first(_FORMAT, _UNSIGNED),
        photometric=first(_PHOTOMETRIC, BLACK_IS_ZERO),
        samples=first(_SAMPLES, 1),
        planar=first(_PLANAR, 1) == 2 and first(_SAMPLES, 1) > 1,
        extra=tags.get(_EXTRA, ()),
    )


def decode_numbers(data: bytes, layout: TiffLayout, range_for: RangeFor) -> tuple[RgbImage, str]:
    """The picture in a TIFF that `has_numbers`, upright, and how its numbers became 8 bits.

    Raises ImageError, with its kind, where it can't be decoded.
    """
    try:
        # as they are stored, but upright: where OpenCV 5.0 is to convert such numbers, it fails or gives any picture
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    # numbers of 10, 12 and 14 bits come as 16, scaled up
    bits = 1 << (layout.bits[0] - 1).bit_length()
    kind = {_SIGNED: "i", _FLOAT: "f"}.get(layout.sample_format, "u")
    if values is None or (8 * values.dtype.itemsize, values.dtype.kind) != (bits, kind):
        raise unread(layout)
    pixels: NDArray[Any] = values if values.ndim == 2 else values[..., 2::-1]
    if layout.bits[0] in (10, 12, 14):
        grey_or_rgb, words = (pixels >> 8).astype(np.uint8), f"{layout.bits[0]}-bit values"
    else:
        grey_or_rgb, words = to_8_bits(pixels, range_for)
    if layout.photometric == WHITE_IS_ZERO:
        grey_or_rgb = 255 - grey_or_rgb
    rgb = grey_or_rgb if grey_or_rgb.ndim == 3 else np.repeat(grey_or_rgb[..., None], 3, axis=2)
    return np.ascontiguousarray(rgb), words


def decode_lab(data: bytes, layout: TiffLayout) -> RgbImage:
    """The picture in a TIFF of 8-bit CIELab under D50, as sRGB, upright.

    Raises ImageError, with its kind, where it can't be decoded. Source: TIFF 6.0, section 23; CIE 15:2004, section 8.
    """
    try:
        lab = np.asarray(ImageOps.exif_transpose(TiffImagePlugin.TiffImageFile(io.BytesIO(data))))
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise unread(layout) from None
    rgb = np.empty(lab.shape, np.uint8)
    # by rows, as there are eight bytes of everything a pixel
    for row, out in zip(lab, rgb, strict=True):
        lightness = (row[:, 0] * (100 / 255) + 16) / 116
        a, b = (row[:, channel].view(np.int8).astype(np.float64) for channel in (1, 2))
        cubes = np.stack([lightness + a / 500, lightness, lightness - b / 200], axis=-1)
        xyz = np.where(cubes > 6 / 29, cubes**3, 3 * (6 / 29) ** 2 * (cubes - 4 / 29)) * _D50
        linear = (xyz @ _TO_SRGB.T).clip(0, 1)
        out[:] = np.rint(255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055))
    return rgb


def unread(layout: TiffLayout) -> ImageError:
    """The error for a TIFF that can't be decoded, which names what it is."""
    return ImageError(f"a TIFF of {layout.kind}, which is not read, or it is damaged or truncated")


def _tags(data: bytes, order: str) -> dict[int, tuple[int, ...]]:
    """The numbers of the tags in the first directory of a TIFF or BigTIFF; raises struct.error where it is cut off."""
    big = data[2:4] in (b"+\0", b"\0+")
    word, count_of, size = ("Q", "Q", 20) if big else ("I", "H", 12)
    (start,) = struct.unpack_from(order + word, data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + count_of, data, start)
    tags = {}
    at = start + struct.calcsize(count_of)
    for entry in range(at, at + size * min(entries, 4096), size):
        tag, kind, count = struct.unpack_from(f"{order}HH{word}", data, entry)
        if kind not in _NUMBERS or not 0 < count <= _MOST_NUMBERS:
            continue
        numbers = f"{order}{count}{_NUMBERS[kind]}"
        place = entry + size - struct.calcsize(word)
        if struct.calcsize(numbers) > struct.calcsize(word):
            (place,) = struct.unpack_from(order + word, data, place)
        tags[tag] = struct.unpack_from(numbers, data, place)
    return tags
