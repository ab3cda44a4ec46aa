"""What a network expects of its input, as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ModelError

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """network input = (rgb * scale - mean) / std, rgb in 0..255; then the channels reversed if `bgr`.

    `mean` and `std` are in RGB order and in units of rgb * scale, whether or not the network takes BGR.
    Raises ModelError where a number is not finite, or scale or std is zero.
    """

    scale: float
    mean: Channels
    std: Channels
    bgr: bool = False

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.scale, *self.mean, *self.std))):
            raise ModelError(f"preprocessing {self}: every number must be finite")
        if self.scale == 0 or 0 in self.std:
            raise ModelError(f"preprocessing {self}: scale and std must not be 0")

    def affine(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Factor (3,) and offset (3,), in the network's channel order: input = channels * factor + offset."""
        factor = self.scale / np.array(self.std)
        offset = -np.array(self.mean) / np.array(self.std)
        return (factor[::-1], offset[::-1]) if self.bgr else (factor, offset)

    def apply(self, rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
        """What the network takes for RGB images, uint8 (..., 3); the last axis stays the channels."""
        factor, offset = self.affine()
        return (rgb[..., ::-1] if self.bgr else rgb) * factor + offset


PRESETS = {
    "imagenet": Preprocessing(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": Preprocessing(1.0, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0), bgr=True),
    "tf": Preprocessing(1.0, (127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
    "unit": Preprocessing(1 / 255, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "inception": Preprocessing(1 / 255, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    # as in OpenAI's repository CLIP, clip/clip.py
    "clip": Preprocessing(1 / 255, (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "raw": Preprocessing(1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}
