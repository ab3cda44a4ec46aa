"""Picture files of every format, colour mode and layout that a scan reads, each with the picture in it."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from pictures import encode, gradient
from PIL import Image, ImageCms
from tiff_files import tiff

RGB = gradient()
IMAGE = Image.fromarray(RGB)
OPAQUE_LEFT = Image.fromarray(np.tile(np.linspace(255, 0, 96, dtype=np.uint8), (64, 1)))
RGBA = IMAGE.copy()
RGBA.putalpha(OPAQUE_LEFT)
RED_16 = Image.fromarray(RGB[..., 0].astype(np.uint16) * 256 + 200)
LOSSLESS = {"lossless": True, "exact": True}
LOSSY = 6


ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Where the seven passes of an interlaced PNG begin and how far apart their pixels are: x, y, step of x, step of y.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(header: tuple[int, ...], rows: list[NDArray[np.generic]]) -> bytes:
    """A PNG as Pillow can't write it. header: width, height, bits, colour type, and interlacing."""
    width, height, bits, colours, interlaced = header
    pixels = b"".join(b"\0" + row.tobytes() for row in rows)
    return PNG_SIGNATURE + b"".join(
        (
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlaced)),
            png_chunk(b"IDAT", zlib.compress(pixels)),
            png_chunk(b"IEND", b""),
        )
    )


def png_rgb16(rgb: NDArray[np.uint8]) -> bytes:
    """16 bits a channel; the low bytes are noise that must not matter."""
    return _png((rgb.shape[1], rgb.shape[0], 16, 2, 0), list((rgb.astype(int) * 256 + 255).astype(">u2")))


def png_interlaced(rgb: NDArray[np.uint8]) -> bytes:
    rows = [row for x, y, step_x, step_y in ADAM7 for row in rgb[y::step_y, x::step_x]]
    return _png((rgb.shape[1], rgb.shape[0], 8, 2, 1), rows)


def tiff_tiled(rgb: NDArray[np.uint8], side: int = 32) -> bytes:
    """Uncompressed tiles, big-endian; Pillow writes strips only. Both sides of the picture are multiples of `side`."""
    height, width = rgb.shape[:2]
    tiles = [rgb[y : y + side, x : x + side].tobytes() for y in range(0, height, side) for x in range(0, width, side)]
    count, size = len(tiles), side * side * 3
    entries = 10
    places = 8 + 2 + 12 * entries + 4
    first = places + 6 + 8 * count
    tags = [
        (256, 3, 1, width << 16),
        (257, 3, 1, height << 16),
        (258, 3, 3, places),
        (259, 3, 1, 1 << 16),
        (262, 3, 1, 2 << 16),
        (277, 3, 1, 3 << 16),
        (322, 3, 1, side << 16),
        (323, 3, 1, side << 16),
        (324, 4, count, places + 6),
        (325, 4, count, places + 6 + 4 * count),
    ]
    directory = struct.pack(">H", entries) + b"".join(struct.pack(">HHII", *tag) for tag in tags) + bytes(4)
    offsets = struct.pack(f">{count}I", *(first + size * index for index in range(count)))
    lengths = struct.pack(f">{count}I", *[size] * count)
    return (
        b"MM\0*" + struct.pack(">I", 8) + directory + struct.pack(">3H", 8, 8, 8) + offsets + lengths + b"".join(tiles)
    )


def sun_raster(rgb: NDArray[np.uint8]) -> bytes:
    header = struct.pack(">8I", 0x59A66A95, rgb.shape[1], rgb.shape[0], 24, rgb.size, 1, 0, 0)
    return header + rgb[..., ::-1].tobytes()


def shown(mode: str) -> NDArray[np.uint8]:
    return np.asarray(IMAGE.convert(mode).convert("RGB"))


GREY_16 = np.repeat(RGB[..., :1], 3, axis=2)

# name -> (file, the picture in it, how far a lossy format may be off)
FORMATS = {
    "jpeg": (encode(RGB, "JPEG", quality=95), RGB, LOSSY),
    "jpeg progressive": (encode(RGB, "JPEG", quality=95, progressive=True), RGB, LOSSY),
    "jpeg grey": (encode(IMAGE.convert("L"), "JPEG", quality=95), shown("L"), LOSSY),
    "jpeg cmyk": (encode(IMAGE.convert("CMYK"), "JPEG", quality=95), RGB, LOSSY),
    "jpeg icc": (encode(RGB, "JPEG", quality=95, icc_profile=ICC), RGB, LOSSY),
    "jpeg restart": (encode(RGB, "JPEG", quality=95, restart_marker_rows=1), RGB, LOSSY),
    "png": (encode(RGB), RGB, 0),
    "png icc": (encode(RGB, icc_profile=ICC), RGB, 0),
    "png grey": (encode(IMAGE.convert("L")), shown("L"), 0),
    "png grey alpha": (encode(RGBA.convert("LA")), shown("L"), 0),
    "png 1 bit": (encode(IMAGE.convert("1")), shown("1"), 0),
    "png palette": (encode(IMAGE.convert("P")), shown("P"), 0),
    "png palette transparent": (encode(IMAGE.convert("P"), transparency=0), shown("P"), 0),
    "png rgba": (encode(RGBA), RGB, 0),
    "png 16 bit": (encode(RED_16), GREY_16, 0),
    "png rgb 16 bit": (png_rgb16(RGB), RGB, 0),
    "png interlaced": (png_interlaced(RGB), RGB, 0),
    "png frames": (encode(RGB, save_all=True, append_images=[Image.fromarray(255 - RGB)]), RGB, 0),
    "webp": (encode(RGB, "WEBP", lossless=True), RGB, 0),
    "webp lossy": (encode(RGB, "WEBP", quality=95), RGB, LOSSY),
    "webp rgba": (encode(RGBA, "WEBP", **LOSSLESS), RGB, 0),
    "webp frames": (encode(RGB, "WEBP", **LOSSLESS, save_all=True, append_images=[RGBA]), RGB, 0),
    "tiff": (encode(RGB, "TIFF"), RGB, 0),
    "tiff deflate": (encode(RGB, "TIFF", compression="tiff_deflate"), RGB, 0),
    "tiff lzw": (encode(RGB, "TIFF", compression="tiff_lzw"), RGB, 0),
    "tiff packbits": (encode(RGB, "TIFF", compression="packbits"), RGB, 0),
    "tiff jpeg": (encode(RGB, "TIFF", compression="jpeg", quality=95), RGB, LOSSY),
    "tiff tiled": (tiff_tiled(RGB), RGB, 0),
    "tiff grey": (encode(IMAGE.convert("L"), "TIFF"), shown("L"), 0),
    "tiff 1 bit": (encode(IMAGE.convert("1"), "TIFF", compression="group4"), shown("1"), 0),
    "tiff palette": (encode(IMAGE.convert("P"), "TIFF"), shown("P"), 0),
    "tiff cmyk": (encode(IMAGE.convert("CMYK"), "TIFF"), RGB, 2),
    "tiff 16 bit": (encode(RED_16, "TIFF"), GREY_16, 0),
    "tiff rgb 16 bit": (tiff(RGB.astype("u2") * 257, 2), RGB, 0),
    "tiff 12 bit": (tiff(RGB.astype("u2") * 16, 2, bits=12, order=">"), RGB, 0),
    "tiff float": (tiff(RGB.astype("f4") / 255, 2), RGB, 0),
    "tiff double": (tiff(RGB / 255, 2), RGB, 0),
    "tiff 32 bit": (tiff(RGB.astype("i4"), 2), RGB, 0),
    "tiff 4 bit": (tiff(RGB[..., 0] // 16, 1, bits=4), np.repeat(RGB[..., :1] // 16 * 17, 3, axis=2), 0),
    "tiff cmyk 16 bit": (tiff(255 - np.dstack([RGB.astype("u2"), RGB[..., 0] * 0 + 255]) << 8, 5), RGB, 2),
    "tiff rgba": (encode(RGBA, "TIFF"), RGB, 0),
    "tiff pages": (encode(RGB, "TIFF", save_all=True, append_images=[Image.fromarray(255 - RGB)]), RGB, 0),
    "gif": (encode(IMAGE.convert("P"), "GIF"), shown("P"), 0),
    "gif frames": (
        encode(IMAGE.convert("P"), "GIF", save_all=True, append_images=[OPAQUE_LEFT]),
        shown("P"),
        0,
    ),
    "bmp": (encode(RGB, "BMP"), RGB, 0),
    "bmp palette": (encode(IMAGE.convert("P"), "BMP"), shown("P"), 0),
    "avif": (encode(RGB, "AVIF", quality=95), RGB, LOSSY),
    "avif rgba": (encode(RGBA, "AVIF", quality=95), RGB, LOSSY),
    "avif frames": (encode(RGB, "AVIF", quality=95, save_all=True, append_images=[OPAQUE_LEFT]), RGB, LOSSY),
    "jpeg 2000": (encode(RGB, "JPEG2000"), RGB, 0),
    "jpeg 2000 codestream": (encode(RGB, "JPEG2000", no_jp2=True), RGB, 0),
    "ppm": (encode(RGB, "PPM"), RGB, 0),
    "pgm": (encode(IMAGE.convert("L"), "PPM"), shown("L"), 0),
    "pbm": (encode(IMAGE.convert("1"), "PPM"), shown("1"), 0),
    "sun raster": (sun_raster(RGB), RGB, 0),
}
