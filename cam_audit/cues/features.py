"""What the finders keep of one image, computed once where it is decoded."""

from __future__ import annotations

import cv2

from cam_audit.cues import border, colour, duplicates, files
from cam_audit.cues.edges import SIDE
from cam_audit.cues.lab import to_lab
from cam_audit.cues.records import ImageFeatures
from cam_audit.images import RgbImage, resize

# The long side, in pixels, of the image in which keypoints are looked for.
WORKING_SIDE = 336


def image_features(rgb: RgbImage, data: bytes, *, name: str, label: str, width: int, height: int) -> ImageFeatures:
    """What the finders need of an image.

    rgb: uint8 (H, W, 3), the whole picture, reduced at most to a long side of WORKING_SIDE; data: the file's
    bytes; width, height: the full size in pixels. Safe to call from several threads.
    """
    scale = WORKING_SIDE / max(rgb.shape[:2])
    working = resize(rgb, max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
    thumbnail = resize(working, SIDE, SIDE)
    lab = to_lab(thumbnail)
    return ImageFeatures(
        name=name,
        label=label,
        file=files.describe(data, width, height),
        keypoints=duplicates.describe(cv2.cvtColor(working, cv2.COLOR_RGB2GRAY)),  # type: ignore[arg-type]
        thumbnail=cv2.cvtColor(thumbnail, cv2.COLOR_RGB2GRAY),  # type: ignore[arg-type]
        border=border.describe(lab),
        colour=colour.describe(lab),
    )
