"""Read and decode image files; the only decoder of the project."""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

from cam_audit.errors import ImageError
from cam_audit.images.crash_log import decoding
from cam_audit.images.depth import to_8_bits
from cam_audit.images.dicom import DICOM_SUFFIXES, decode_dicom
from cam_audit.images.guards import DAMAGED, PNG_SIGNATURE, has_16_bits, require_safe, still_png, why_unread
from cam_audit.images.header import jpeg_header
from cam_audit.images.heic import decode_heic
from cam_audit.images.kinds import HEAD_BYTES, kind_of, suffix_of
from cam_audit.images.rgb import RgbImage
from cam_audit.images.tiff import CIELAB, TiffLayout, decode_lab, decode_numbers, tiff_layout, unread

# Pillow knows more formats; of those, some are never masks, and PostScript is a program that it would run.
MASK_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "SUN")
MAX_FILE_BYTES = 1 << 30
PILLOW_VERSION: str = PIL.__version__


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture.

    `rgb`: uint8 (H, W, 3), perhaps reduced; `width`, `height`: of the full picture, upright. `reading`: how its values
    became 8-bit RGB where that is worth saying, "" for common pictures.
    """

    rgb: RgbImage
    width: int
    height: int
    reading: str = ""


def decode(data: bytes, *, needed: int | None = None, path: str | Path = "") -> tuple[RgbImage, int, int]:
    """`decode_picture` without how it was read: (RGB uint8 (H, W, 3), full width, full height)."""
    picture = decode_picture(data, needed=needed, path=path)
    return picture.rgb, picture.width, picture.height


def decode_picture(data: bytes, *, needed: int | None = None, path: str | Path = "") -> Picture:
    """Decode an image file's bytes.

    EXIF orientation is applied, values that are not 8-bit become so by `depth.to_8_bits`, all colour spaces become RGB,
    alpha is dropped as training pipelines do; of an animation, the first frame. With `needed`, a JPEG may be decoded
    at a half, a quarter or an eighth as long as its longest side keeps at least `needed` pixels; the sizes
    beside it are those of the full picture all the same. `path`: where the bytes are from, for the
    `crash_log`.

    Raises ImageError for what is no image, is damaged or truncated, is of a kind that is not read, has more pixels than
    $OPENCV_IO_MAX_IMAGE_PIXELS (cam-audit sets 2^30 / 6), or would take gigabytes or hours.
    """
    if not data:
        raise ImageError("the file is empty")
    with decoding(path, needed):
        return _decode(data, needed, str(path))


def _decode(data: bytes, needed: int | None, path: str) -> Picture:
    require_safe(data)
    kind = kind_of(data[:HEAD_BYTES])
    if kind == "JPEG XL":
        raise ImageError("JPEG XL is not read; convert it")
    if kind == "HEIC":
        return _upright_picture(*decode_heic(data, _require_few_pixels))
    if kind == "DICOM" or suffix_of(path) in DICOM_SUFFIXES:
        return _upright_picture(*decode_dicom(data, _require_few_pixels))
    layout = tiff_layout(data)
    if layout and not layout.is_plain:
        return _decode_other_tiff(data, layout)
    picture = _left_to_pillow(data)
    if picture:
        return _upright_picture(_decode_by_pillow(picture))
    if has_16_bits(data):
        values = _decode_by_opencv(bytes(_still(data)), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
        return _upright_picture(*to_8_bits(values))
    try:
        return _decode_8_bits(data, needed)
    except ImageError as error:
        if layout and str(error) == DAMAGED:
            raise unread(layout) from None
        raise


def _upright_picture(rgb: RgbImage, reading: str = "") -> Picture:
    return Picture(rgb, rgb.shape[1], rgb.shape[0], reading)


def _decode_other_tiff(data: bytes, layout: TiffLayout) -> Picture:
    """A TIFF whose pixels OpenCV would get wrong, or refuse without saying why."""
    _require_few_pixels(layout.width, layout.height)
    if layout.has_numbers:
        # of 32 and 64 bits fewer, as they take more memory
        _require_few_pixels(layout.width * max(1, layout.bits[0] // 16), layout.height)
        return _upright_picture(*decode_numbers(data, layout))
    if layout.photometric == CIELAB and layout.bits == (8, 8, 8) and not layout.planar:
        return _upright_picture(decode_lab(data, layout), "CIELab")
    if layout.is_for_pillow:
        try:
            return _upright_picture(_decode_by_pillow(TiffImagePlugin.TiffImageFile(io.BytesIO(data))))
        except (ImageError, MemoryError):
            raise
        except Exception:
            # Pillow's plugins raise a dozen types for damaged files
            raise unread(layout) from None
    raise unread(layout)


def _still(data: bytes) -> bytes | bytearray:
    return still_png(data) if data.startswith(PNG_SIGNATURE) else data


def _decode_by_opencv(data: bytes | bytearray, flags: int) -> NDArray[Any]:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):
            raise _too_large() from None
        raise ImageError("the image cannot be decoded") from None
    if image is None:
        raise ImageError(why_unread(data))
    return image


def _decode_8_bits(data: bytes, needed: int | None) -> Picture:
    still = _still(data)
    header = jpeg_header(data) if needed else None
    full = (header.width, header.height) if header else None
    if full:
        _require_few_pixels(*full)
    factor = _reduction(full, needed) if full and needed else 1
    flags = {
        1: cv2.IMREAD_COLOR_RGB,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }
    # OpenCV turns the picture upright by its EXIF orientation, as no flag forbids it
    image = _decode_by_opencv(still, flags[factor])
    if factor > 1:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    rgb: RgbImage = image
    height, width = rgb.shape[:2]
    if full and factor > 1:
        # EXIF may have turned the picture: the reduced one tells which of the two header sizes is its width
        width, height = full if (width > height) == (full[0] > full[1]) else full[::-1]
    return Picture(rgb, width, height)


def read_image(path: str | Path, *, needed: int | None = None) -> tuple[RgbImage, int, int]:
    """Read and `decode` an image file; raises ImageError with the reason where that fails."""
    return decode(read_bytes(path), needed=needed, path=path)


def read_mask(path: str | Path, value: int | None = None) -> NDArray[np.uint8]:
    """Read and `decode_mask` an image file; raises ImageError with the reason where that fails."""
    data = read_bytes(path)
    with decoding(path, is_mask=True):
        return decode_mask(data, value)


def decode_mask(data: bytes, value: int | None = None) -> NDArray[np.uint8]:
    """Decode a mask from an image file's bytes: uint8 (H, W), 1 where any channel is not 0, else 0.

    With `value`, 1 where all channels have it. Of a palette image the index counts, not the colour; EXIF orientation is
    applied. An alpha channel is the mask itself, from half on, unless it is the same throughout or there is a `value`.
    In a JPEG, whose compression leaves faint pixels round every edge, the object is what is brighter than half of
    its brightest pixel.

    Raises ImageError for what is no image of MASK_FORMATS, is damaged, or is too large, and for a `value` in a JPEG.
    """
    require_safe(data)
    try:
        picture = Image.open(io.BytesIO(data), formats=MASK_FORMATS)
        _require_few_pixels(picture.width, picture.height)
        pixels: NDArray[Any] = np.asarray(ImageOps.exif_transpose(picture))
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None
    return _object_in(np.atleast_3d(pixels), picture, value)


def _object_in(bands: NDArray[Any], picture: Image.Image, value: int | None) -> NDArray[np.uint8]:
    """The mask in a decoded picture's bands (H, W, n), as `decode_mask` has it."""
    if picture.getbands()[-1] in ("A", "a"):
        alpha, bands = bands[..., -1], bands[..., :-1]
        if value is None and alpha.min() < alpha.max():
            return np.asarray(alpha > alpha.max() // 2, np.uint8)
    if value is not None and picture.format == "JPEG":
        raise ImageError("a JPEG does not keep the values of a mask, so none of them can be told from others")
    if value is not None:
        return np.asarray(reduce(np.logical_and, (band == value for band in np.moveaxis(bands, 2, 0))), np.uint8)
    # by channels, as numpy is slow over an axis of three
    brightest = reduce(np.maximum, np.moveaxis(bands, 2, 0))
    background = brightest.max() // 2 if picture.format == "JPEG" else 0
    return np.asarray(brightest > background, np.uint8)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of an image file, as many as it has when it is opened.

    Raises ImageError where it can't be read, is larger than MAX_FILE_BYTES, or is a folder, a pipe or a device.
    """
    try:
        # before it is opened, as opening is what makes a device act, and again after, as it may have been replaced
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            _require_listing(path)
        _size_of(status)
        with open(path, "rb", opener=_open_without_waiting) as file:
            return file.read(_size_of(os.fstat(file.fileno())))
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror}") from None


def _require_listing(folder: str | Path) -> None:
    """Raise ImageError, with why, for a folder that can't be looked into, as one among the images is."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise ImageError(f"the folder cannot be read: {error.strerror}") from None


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe, for which one would wait until somebody writes, at once."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _size_of(status: os.stat_result) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a file but a folder, a pipe or a device")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(f"the file is larger than {MAX_FILE_BYTES:,} bytes")
    return status.st_size


def _left_to_pillow(data: bytes) -> ImageFile.ImageFile | None:
    """The picture, not decoded yet, where OpenCV would get it wrong; None for all others.

    OpenCV 5.0 does not turn AVIF upright, swaps red and blue in AVIF with alpha, and darkens TIFF by its alpha.
    """
    try:
        if kind_of(data[:HEAD_BYTES]) == "AVIF":
            from PIL import AvifImagePlugin

            return AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None
    try:
        if data[:2] in (b"II", b"MM"):
            tiff = TiffImagePlugin.TiffImageFile(io.BytesIO(data))
            return tiff if tiff.mode in ("RGBA", "RGBa", "LA", "PA") else None
    except Exception:
        # OpenCV reads kinds of TIFF that Pillow does not
        return None
    return None


def _decode_by_pillow(picture: ImageFile.ImageFile) -> RgbImage:
    _require_few_pixels(picture.width, picture.height)
    try:
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None


def _pixel_limit() -> int:
    return int(os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"])


def _require_few_pixels(width: int, height: int) -> None:
    if width * height > _pixel_limit():
        raise _too_large()


def _too_large() -> ImageError:
    return ImageError(f"the image is larger than {_pixel_limit():,} pixels")


def _reduction(full: tuple[int, int], needed: int) -> int:
    """The largest of 8, 4, 2 and 1 that leaves `needed` pixels and tells wide from tall as the full size does."""
    long, short = max(full), min(full)
    for factor in (8, 4, 2):
        if long // factor >= needed and (long == short or -(-long // factor) > -(-short // factor)):
            return factor
    return 1
