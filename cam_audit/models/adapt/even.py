"""How much of a score belongs to no cell, if a net's map is made for each image: a CAM-ready file's output `even`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ModelError
from cam_audit.models import file_format
from cam_audit.models.model import Model
from cam_audit.models.session import run


def even_activations(model: Model, rgb: NDArray[np.uint8]) -> NDArray[Any]:
    """The part of the activations that is the same in each cell, float32 (C,), for an RGB image uint8 (H, W, 3).

    Raises ModelError where the file has no such output, as one with an exact map, or it is not numbers.
    """
    activations: NDArray[Any] = run(model.session, {file_format.IMAGE: rgb[None]}, [file_format.EVEN])[file_format.EVEN]
    if not np.isfinite(activations).all():
        raise ModelError("its output 'even' is not numbers")
    return activations[0]  # type: ignore[no-any-return]


def even_logits(model: Model, rgb: NDArray[np.uint8]) -> NDArray[Any]:
    """What biases and gates give to all cells of a class's map alike, without `cam_bias`; parts of the logits (K,)."""
    activations = even_activations(model, rgb)
    return activations if model.cam_weight is None else model.cam_weight @ activations


def even_share(model: Model, images: Iterable[NDArray[np.uint8]]) -> float:
    """Of the largest logit, what no cell accounts for (`Model.even_share`): the mean over images, uint8 (H, W, 3)."""
    shares = []
    for rgb in images:
        prediction = model.run(rgb, even=True)
        shares.append(model.even_share(prediction, int(prediction.logits.argmax())) or 0.0)
    return float(np.mean(shares))
