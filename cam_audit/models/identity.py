"""Prove of a file's outputs for one image that they obey the contract: numbers that fit, and the map's identity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ModelError
from cam_audit.models import file_format
from cam_audit.models.file_metadata import HOW_TO_MAKE_ONE

# float16 and int8 files keep fewer digits than the float32 nets that the identity holds for to 1e-5
IDENTITY_TOLERANCE = 1e-3

Array = NDArray[Any]


def check_identity(values: Mapping[str, Array], cam_weight: Array | None, cam_bias: Array | None, path: Path) -> None:
    """Prove that the mean of each class's map plus the bias is the logit; raises ModelError if it is not.

    values: a file's outputs for one image; cam_weight (K, C) and cam_bias (K,): None where activations[k] is the map
    of class k.
    """
    for name, value in values.items():
        # an output may be a list or a dict too
        if not isinstance(value, np.ndarray) or value.dtype != np.float32 or not value.size:
            raise ModelError(f"{path}: not CAM-ready, its output {name!r} is not float32 numbers; {HOW_TO_MAKE_ONE}")
    if values[file_format.LOGITS].ndim != 2 or values[file_format.ACTIVATIONS].ndim != 4:
        raise ModelError(f"{path}: not CAM-ready, its outputs are not (N, K) and (N, C, h, w); {HOW_TO_MAKE_ONE}")
    logits = values[file_format.LOGITS][0]
    means = values[file_format.ACTIVATIONS][0].mean(axis=(1, 2), dtype=np.float64)
    if cam_weight is None or cam_bias is None:
        expected = means
    elif cam_weight.shape != (logits.size, means.size) or cam_bias.shape != logits.shape:
        raise ModelError(f"{path}: not CAM-ready, cam_weight is {cam_weight.shape} for {logits.size} classes")
    else:
        with np.errstate(all="ignore"):
            expected = cam_weight @ means + cam_bias
    if expected.shape != logits.shape:
        raise ModelError(f"{path}: not CAM-ready, {means.size} maps for {logits.size} classes; {HOW_TO_MAKE_ONE}")
    if not all(np.isfinite(values).all() for values in (logits, means, expected)):
        raise ModelError(f"{path}: the net gives scores, weights or activations that are not numbers")
    worst = float(np.abs(expected - logits).max() / max(1.0, float(np.abs(logits).max())))
    if worst > IDENTITY_TOLERANCE:
        raise ModelError(
            f"{path}: not CAM-ready, the mean of the map plus the bias misses the logit by {worst:.2g} (relative): "
            "the activations are not what the last linear layer averages; "
            f"{HOW_TO_MAKE_ONE}"
        )


def check_features(values: Mapping[str, Array], path: Path) -> None:
    """Prove that the last convolution makes the activations of the features; raises ModelError where it does not."""
    activations = values[file_format.ACTIVATIONS][0]
    features, weight, bias = (values[name] for name in file_format.FEATURE_OUTPUTS)
    classes, *grid = activations.shape
    shapes = (1, *weight.shape[1:], *grid), (classes, *weight.shape[1:]), (classes,)
    if weight.ndim != 2 or (features.shape, weight.shape, bias.shape) != shapes:
        raise ModelError(
            f"{path}: not CAM-ready, features {features.shape}, feature_weight {weight.shape} and feature_bias "
            f"{bias.shape} do not fit activations {activations.shape}; {HOW_TO_MAKE_ONE}"
        )
    with np.errstate(all="ignore"):
        convolved = np.tensordot(weight, features[0], axes=1) + bias[:, None, None]
        misses = [float(np.abs(made - activations).max()) for made in (np.maximum(convolved, 0), convolved)]
    # a ReLU would hide what is infinitely negative
    worst = min(misses) / max(1.0, float(np.abs(activations).max())) if np.isfinite(convolved).all() else math.inf
    if worst > IDENTITY_TOLERANCE:
        raise ModelError(
            f"{path}: not CAM-ready, feature_weight and feature_bias make of its features what misses the activations "
            f"by {worst:.2g} (relative); {HOW_TO_MAKE_ONE}, or leave these three outputs out"
        )
