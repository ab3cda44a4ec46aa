"""HEIC, the pictures of phones, by an extra."""

from __future__ import annotations

import io

import numpy as np

from cam_audit.errors import ImageError
from cam_audit.images.guards import DAMAGED, require_few_pixels
from cam_audit.images.rgb import RgbImage


def decode_heic(data: bytes) -> tuple[RgbImage, str]:
    """The primary picture of a HEIC file, upright, uint8 (H, W, 3), and that it is one.

    Raises ImageError where it is damaged, or pillow-heif is not installed, has too many pixels.
    """
    try:
        import pillow_heif
    except ImportError:
        raise ImageError("HEIC is read by an extra: pip install 'cam-audit[heic]'") from None
    try:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
        picture = file[file.primary_index]
        require_few_pixels(*picture.size)
        # libheif turns it upright
        return np.array(picture.to_pillow().convert("RGB")), "HEIC"
    except (ImageError, MemoryError):
        raise
    except Exception:
        # what libheif raises for damaged files is not documented
        raise ImageError(DAMAGED) from None
