"""Object or surroundings, told by masks or by a net that has nothing to do with the audited one.

The sum of an ImageNet net's activations over channels is larger on objects than around them. Measured with
EfficientNet-Lite0 on 80 photos of horses with masks: the area under the ROC curve of its cells, those that are three
quarters horse against those that are a quarter or less, is .96.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.findings.map_use import on_grid
from cam_audit.findings.parts import Pieces
from cam_audit.images.rgb import RgbImage
from cam_audit.models.model import Model

OBJECT, SURROUNDINGS, UNKNOWN = PLACES = ("object", "surroundings", "unknown")

# A part lies in the surroundings if it is on the foreground so much less than the class's part that is there most, or
# less than if it were anywhere. Where not even that one is on it so much more than anywhere, the net has no opinion.
LESS = 0.55
OPINION = 1.4


def foreground_map(model: Model, rgb: RgbImage, grid: tuple[int, int]) -> Map:
    """How much of an object there is in each cell of a grid (h, w): float32, mean 1; rgb: the whole picture."""
    activations = model.run(model.fit(rgb)).activations
    return _of_mean_1(on_grid(activations.sum(0), grid))


def mask_map(mask: NDArray[np.uint8], grid: tuple[int, int]) -> Map:
    """How much of an annotated object there is in each cell of a grid (h, w): float32, mean 1.

    mask: uint8 (H, W), of the whole picture, not 0 on the object.
    """
    return _of_mean_1(on_grid((mask != 0).astype(np.float32), grid))


def ratio(piece: Pieces, foregrounds: Sequence[Map]) -> float:
    """How much more a part is on the foreground than if it were anywhere: 1 is no more; weighted by presence."""
    weights = piece.presence + 1e-12
    ratios = [
        float((of_map * foreground).sum() / max(float(of_map.sum()), 1e-9) / max(float(foreground.mean()), 1e-9))
        for of_map, foreground in zip(piece.maps, foregrounds, strict=True)
    ]
    return float(np.average(ratios, weights=weights))


def _of_mean_1(values: Map) -> Map:
    return np.asarray(values / max(float(values.mean()), 1e-9), np.float32)


def where(ratios: Sequence[float]) -> list[str]:
    """Where each of a class's parts lies, by its ratio against that of the others."""
    most = max(ratios, default=0.0)
    if most < OPINION:
        return [UNKNOWN] * len(ratios)
    return [SURROUNDINGS if each < max(1.0, LESS * most) else OBJECT for each in ratios]
