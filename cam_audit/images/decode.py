"""Read and decode image files; the only decoder of the project."""

from __future__ import annotations

import io
import os
import stat
from functools import reduce
from pathlib import Path

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from cam_audit.errors import ImageError
from cam_audit.images.crash_log import decoding
from cam_audit.images.guards import DAMAGED, PNG_SIGNATURE, require_safe, still_png
from cam_audit.images.header import jpeg_header
from cam_audit.images.rgb import RgbImage

# Pillow knows more formats; of those, some are never masks, and PostScript is a program that it would run.
MASK_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "SUN")
MAX_FILE_BYTES = 1 << 30
PILLOW_VERSION: str = PIL.__version__


def decode(data: bytes, *, needed: int | None = None, path: str | Path = "") -> tuple[RgbImage, int, int]:
    """Decode an image file's bytes; returns (RGB uint8 (H, W, 3), full width, full height).

    EXIF orientation is applied, 16 bits become 8 by their high byte, CMYK, grey and palette become RGB, alpha
    is dropped as training pipelines do; of an animation, the first frame. With `needed`, a JPEG may be decoded
    at a half, a quarter or an eighth as long as its longest side keeps at least `needed` pixels; the sizes
    returned beside it are those of the full picture all the same. `path`: where the bytes are from, for the
    `crash_log`.

    Raises ImageError for what is no image, is damaged or truncated, has more pixels than
    $OPENCV_IO_MAX_IMAGE_PIXELS (cam-audit sets 2^30 / 6), or would take gigabytes or hours.
    """
    if not data:
        raise ImageError("the file is empty")
    with decoding(path, needed):
        return _decode(data, needed)


def _decode(data: bytes, needed: int | None) -> tuple[RgbImage, int, int]:
    require_safe(data)
    picture = _left_to_pillow(data)
    if picture:
        upright = _decode_by_pillow(picture)
        return upright, upright.shape[1], upright.shape[0]
    still = still_png(data) if data.startswith(PNG_SIGNATURE) else data
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
    try:
        image = cv2.imdecode(np.frombuffer(still, np.uint8), flags[factor])
    except cv2.error as error:
        if "MAX_IMAGE" in str(error):
            raise _too_large() from None
        raise ImageError("the image cannot be decoded") from None
    if image is None:
        raise ImageError(DAMAGED)
    if factor > 1:
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    rgb: RgbImage = image  # type: ignore[assignment]
    height, width = rgb.shape[:2]
    if full and factor > 1:
        # EXIF may have turned the picture: the reduced one tells which of the two header sizes is its width
        width, height = full if (width > height) == (full[0] > full[1]) else full[::-1]
    return rgb, width, height


def read_image(path: str | Path, *, needed: int | None = None) -> tuple[RgbImage, int, int]:
    """Read and `decode` an image file; raises ImageError with the reason where that fails."""
    return decode(read_bytes(path), needed=needed, path=path)


def read_mask(path: str | Path) -> NDArray[np.uint8]:
    """Read and `decode_mask` an image file; raises ImageError with the reason where that fails."""
    data = read_bytes(path)
    with decoding(path, is_mask=True):
        return decode_mask(data)


def decode_mask(data: bytes) -> NDArray[np.uint8]:
    """Decode a mask from an image file's bytes: uint8 (H, W), 1 where any channel is not 0, else 0.

    Of a palette image the index counts, not the colour; alpha is dropped; EXIF orientation is applied. In a
    JPEG, whose compression leaves faint pixels round every edge, the object is what is brighter than half of
    its brightest pixel.

    Raises ImageError for what is no image of MASK_FORMATS, is damaged, or is too large.
    """
    require_safe(data)
    try:
        picture = Image.open(io.BytesIO(data), formats=MASK_FORMATS)
        _require_few_pixels(picture.width, picture.height)
        pixels = np.asarray(ImageOps.exif_transpose(picture))
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None
    if picture.getbands()[-1] in ("A", "a"):
        pixels = pixels[..., :-1]
    # by channels, as numpy is slow over an axis of three
    brightest = pixels if pixels.ndim == 2 else reduce(np.maximum, np.moveaxis(pixels, 2, 0))
    background = brightest.max() // 2 if picture.format == "JPEG" else 0
    return (brightest > background).astype(np.uint8)


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
        if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
            from PIL import AvifImagePlugin

            return AvifImagePlugin.AvifImageFile(io.BytesIO(data))
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None
    try:
        if data[:2] in (b"II", b"MM"):
            from PIL import TiffImagePlugin

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
