"""Read and decode image files; the only decoder of the project."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin

from cam_audit.errors import ImageError
from cam_audit.images.being_decoded import decoding
from cam_audit.images.depth import RangeFor, Ranges, ValueRange, kind_of_values, range_in, range_of, to_8_bits, up_to
from cam_audit.images.dicom import DICOM_SUFFIXES, decode_dicom
from cam_audit.images.guards import (
    DAMAGED,
    PNG_SIGNATURE,
    has_16_bits,
    require_few_pixels,
    require_safe,
    stated_maximum,
    still_png,
    too_large,
    why_unread,
)
from cam_audit.images.header import jpeg_header
from cam_audit.images.heic import decode_heic
from cam_audit.images.kinds import HEAD_BYTES, kind_of, suffix_of
from cam_audit.images.rgb import RgbImage
from cam_audit.images.tiff import CIELAB, TiffLayout, decode_lab, decode_numbers, tiff_layout, unread
from cam_audit.inside import AnyPath, NoFileError, OutsideError, open_file

MAX_FILE_BYTES = 1 << 30
PILLOW_VERSION: str = PIL.__version__


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded picture.

    `rgb`: uint8 (H, W, 3), perhaps reduced; `width`, `height`: of the full picture, upright. `reading`: how its values
    became 8-bit RGB where that is worth saying, "" for common pictures.
    """

    rgb: RgbImage
    width: int
    height: int
    reading: str = ""


def decode(
    data: bytes, *, needed: int | None = None, path: AnyPath = "", ranges: Ranges | None = None
) -> tuple[RgbImage, int, int]:
    """`decode_picture` without how it was read: (RGB uint8 (H, W, 3), full width, full height)."""
    picture = decode_picture(data, needed=needed, path=path, ranges=ranges)
    return picture.rgb, picture.width, picture.height


def decode_picture(
    data: bytes, *, needed: int | None = None, path: AnyPath = "", ranges: Ranges | None = None
) -> Decoded:
    """Decode an image file's bytes.

    EXIF orientation is applied, values that are not 8-bit become so by `depth.to_8_bits`, whose `ranges` are those of
    the data set (without them, the range is the picture's own), all colour spaces become RGB,
    alpha is dropped as training pipelines do; of an animation, the first frame. With `needed`, a JPEG may be decoded
    at a half, a quarter or an eighth as long as its longest side keeps at least `needed` pixels; the sizes
    beside it are those of the full picture all the same. `path`: where the bytes are from, for the
    `being_decoded`.

    Raises ImageError for what is no image, is damaged or truncated, is of a kind that is not read, has more pixels than
    $OPENCV_IO_MAX_IMAGE_PIXELS (cam-audit sets 2^30 / 6), or would take gigabytes or hours.
    """
    if not data:
        raise ImageError("the file is empty")
    with decoding(path, needed):
        return _decode(data, needed, str(path), partial(range_in, ranges or {}))


def ranges_of(data: bytes, path: AnyPath = "") -> list[tuple[str, ValueRange]]:
    """The kind and the range of a picture's values, where these decide how it becomes 8 bits; else nothing.

    Raises ImageError as `decode_picture` does.
    """
    found: list[tuple[str, ValueRange]] = []
    layout = tiff_layout(data)
    if layout.is_plain if layout else data.startswith(PNG_SIGNATURE) and not has_16_bits(data):
        return found

    def range_for(values: NDArray[Any]) -> ValueRange:
        found.append((kind_of_values(values), range_of(values)))
        return found[-1][1]

    with decoding(path):
        _decode(data, None, str(path), range_for)
    return found


def _decode(data: bytes, needed: int | None, path: str, range_for: RangeFor) -> Decoded:
    require_safe(data)
    kind = kind_of(data[:HEAD_BYTES])
    if kind == "JPEG XL":
        raise ImageError("JPEG XL is not read; convert it")
    if kind == "HEIC":
        return _upright_picture(*decode_heic(data))
    if kind == "DICOM" or suffix_of(path) in DICOM_SUFFIXES:
        return _upright_picture(*decode_dicom(data, range_for))
    layout = tiff_layout(data)
    if layout and not layout.is_plain:
        return _decode_other_tiff(data, layout, range_for)
    picture = _left_to_pillow(data)
    if picture:
        return _upright_picture(_decode_by_pillow(picture))
    if has_16_bits(data):
        values = _decode_by_opencv(bytes(_still(data)), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH)
        stated = stated_maximum(data)
        return _upright_picture(*to_8_bits(values, up_to(stated) if stated else range_for))
    try:
        return _decode_8_bits(data, needed)
    except ImageError as error:
        if layout and str(error) == DAMAGED:
            raise unread(layout) from None
        raise


def _upright_picture(rgb: RgbImage, reading: str = "") -> Decoded:
    return Decoded(rgb, rgb.shape[1], rgb.shape[0], reading)


def _decode_other_tiff(data: bytes, layout: TiffLayout, range_for: RangeFor) -> Decoded:
    """A TIFF whose pixels OpenCV would get wrong, or refuse without saying why."""
    require_few_pixels(layout.width, layout.height)
    if layout.has_numbers:
        # of 32 and 64 bits fewer, as they take more memory
        require_few_pixels(layout.width * max(1, layout.bits[0] // 16), layout.height)
        return _upright_picture(*decode_numbers(data, layout, range_for))
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
            raise too_large() from None
        raise ImageError("the image cannot be decoded") from None
    if image is None:
        raise ImageError(why_unread(data))
    return image


def _decode_8_bits(data: bytes, needed: int | None) -> Decoded:
    still = _still(data)
    header = jpeg_header(data) if needed else None
    full = (header.width, header.height) if header else None
    if full:
        require_few_pixels(*full)
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
    return Decoded(rgb, width, height)


def read_image(path: AnyPath, *, needed: int | None = None, ranges: Ranges | None = None) -> tuple[RgbImage, int, int]:
    """Read and `decode` an image file; raises ImageError with the reason where that fails."""
    return decode(read_bytes(path), needed=needed, path=path, ranges=ranges)


def read_bytes(path: AnyPath) -> bytes:
    """The bytes of an image file, as many as it has when it is opened.

    Raises ImageError where it can't be read, is larger than MAX_FILE_BYTES, or is a folder, a pipe or a device.
    """
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise ImageError(f"the file is larger than {MAX_FILE_BYTES:,} bytes")
            return file.read(size)
    except (NoFileError, OutsideError) as error:
        if os.path.isdir(path):
            _require_listing(path)
        raise ImageError(str(error.strerror)) from None
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror}") from None


def _require_listing(folder: AnyPath) -> None:
    """Raise ImageError, with why, for a folder that can't be looked into, as one among the images is."""
    try:
        os.scandir(folder).close()
    except OSError as error:
        raise ImageError(f"the folder cannot be read: {error.strerror}") from None


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
    require_few_pixels(picture.width, picture.height)
    try:
        return np.array(ImageOps.exif_transpose(picture).convert("RGB"))
    except MemoryError:
        raise
    except Image.DecompressionBombError:
        raise too_large() from None
    except Exception:
        # Pillow's plugins raise a dozen types for damaged files
        raise ImageError(DAMAGED) from None


def _reduction(full: tuple[int, int], needed: int) -> int:
    """The largest of 8, 4, 2 and 1 that leaves `needed` pixels and tells wide from tall as the full size does."""
    long, short = max(full), min(full)
    for factor in (8, 4, 2):
        if long // factor >= needed and (long == short or -(-long // factor) > -(-short // factor)):
            return factor
    return 1
