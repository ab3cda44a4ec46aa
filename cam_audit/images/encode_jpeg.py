"""Pictures as JPEG, and whether such a file is whole."""

from __future__ import annotations

import cv2
import numpy as np

from cam_audit.images.rgb import RgbImage


def encode_jpeg(rgb: RgbImage, quality: int) -> bytes:
    """An image, uint8 (H, W, 3), as the bytes of a JPEG of this quality, 0..100."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, quality))
    return data.tobytes()


def as_jpeg(rgb: RgbImage, quality: int) -> RgbImage:
    """An image as it looks after JPEG of this quality."""
    return cv2.imdecode(np.frombuffer(encode_jpeg(rgb, quality), np.uint8), cv2.IMREAD_COLOR_RGB)  # type: ignore[return-value]


def is_whole_jpeg(data: bytes) -> bool:
    """Whether a JPEG file goes from its first marker to its last; there are no checksums in it.

    Source: ITU-T T.81, annex B: SOI begins an image, EOI ends it.
    """
    return data.startswith(b"\xff\xd8") and data.endswith(b"\xff\xd9")
