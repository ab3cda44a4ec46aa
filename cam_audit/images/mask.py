"""Read and decode masks: image files whose values tell object from background."""

from __future__ import annotations

import io
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from cam_audit.errors import ImageError
from cam_audit.images.being_decoded import decoding
from cam_audit.images.decode import read_bytes
from cam_audit.images.guards import DAMAGED, require_few_pixels, require_safe, too_large

# Pillow knows more formats; of those, some are never masks, and PostScript is a program that it would run.
MASK_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "SUN")


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
        require_few_pixels(picture.width, picture.height)
        pixels: NDArray[Any] = np.asarray(ImageOps.exif_transpose(picture))
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise too_large() from None
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
