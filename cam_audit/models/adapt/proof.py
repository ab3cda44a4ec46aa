"""Prove that a CAM-ready graph computes what its source computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from cam_audit.errors import ModelError
from cam_audit.models import file_format
from cam_audit.models.adapt.build import InputShape
from cam_audit.models.adapt.head import Head, check_map
from cam_audit.models.adapt.image_input import ImageInput
from cam_audit.models.adapt.preprocessing import Preprocessing
from cam_audit.models.adapt.source import Graph, to_bytes
from cam_audit.models.session import run_once

Array = NDArray[Any]

IMAGES = 3

# Largest difference between the logits of source and result, relative to the largest logit. The head
# is computed in float32 where the source rounds to float16, or to 8 bits after every layer.
TOLERANCE = 1e-4
TOLERANCE_FLOAT16 = 1e-2
TOLERANCE_QUANTISED = 5e-2


@dataclass(frozen=True, eq=False)
class Reference:
    """What the source computes: random images uint8 (M, H, W, 3) and their logits float32 (M, K)."""

    images: NDArray[np.uint8]
    logits: Array
    tolerance: float


def find_output(graph: Graph, image: ImageInput, size: tuple[int, int]) -> str:
    """The one output that has a score a class, found by running the source.

    Raises ModelError where it cannot be run, or there is no such output, or several.
    """
    rgb = np.zeros((image.batch or 1, *size, 3), np.uint8)
    blank = image.preprocess(rgb, Preprocessing(1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    outputs = run_once(to_bytes(graph.model), {image.name: blank})
    scores = [name for name, value in outputs.items() if _is_scores(value, len(blank))]
    if len(scores) == 1:
        if outputs[scores[0]].size == len(blank):
            raise ModelError(f"output {scores[0]!r} has a single score; export the net with one output a class")
        return scores[0]
    shapes = ", ".join(f"{name!r} {np.shape(value)}" for name, value in outputs.items())
    raise ModelError(f"not a classifier: one output of shape (N, K) is needed, there is {shapes}")


def _is_scores(value: Any, batch: int) -> bool:
    """Whether an output is (N, K), but for further axes of length 1."""
    if not isinstance(value, np.ndarray) or value.ndim < 2 or value.shape[0] != batch:
        return False
    return bool(value.dtype.kind == "f") and sum(side > 1 for side in value.shape[1:]) <= 1


def run_reference(
    graph: Graph, image: ImageInput, head: Head, preprocessing: Preprocessing, size: tuple[int, int]
) -> Reference:
    """Run the source on random images, preprocessed in numpy; softmax is undone by reading what enters it."""
    batch = image.batch or 1
    count = batch * -(-IMAGES // batch)
    images = np.random.default_rng(0).integers(0, 256, (count, *size, 3), np.uint8)
    source = graph.exposing([head.logits, head.activations])
    logits = []
    for start in range(0, count, batch):
        fed = image.preprocess(images[start : start + batch], preprocessing)
        values = run_once(source, {image.name: fed}, [head.logits, head.activations])
        logits.append(values[head.logits].reshape(batch, -1).astype(np.float32))
    if not np.isfinite(logits).all():
        raise ModelError("the net gives scores that are not numbers")
    maps = values[head.activations]
    check_map(head, maps.shape)
    return Reference(images, np.concatenate(logits), _tolerance(graph))


def _tolerance(graph: Graph) -> float:
    if any(node.op_type == "DequantizeLinear" for node in graph.model.graph.node):
        return TOLERANCE_QUANTISED
    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in graph.initializers.values()):
        return TOLERANCE_FLOAT16
    return TOLERANCE


def check_against(reference: Reference, model: Path, accepts: InputShape) -> None:
    """Check that a CAM-ready file gives the reference's logits, and runs at the sizes it accepts.

    Raises ModelError where it does not.
    """
    batch = accepts.batch or len(reference.images)
    runs = range(0, len(reference.images), batch)
    logits = np.concatenate([_logits(model, reference.images[start : start + batch]) for start in runs])
    if logits.shape != reference.logits.shape:
        raise ModelError(f"the logits are {logits.shape}, those of the source {reference.logits.shape}")
    allowed = reference.tolerance * float(np.abs(reference.logits).max())
    worst = float(np.abs(logits - reference.logits).max())
    if not worst <= allowed:
        raise ModelError(f"the logits differ from those of the source by {worst:.2g}, more than {allowed:.2g}")
    if accepts.size is None:
        height, width = reference.images.shape[1:3]
        for size in ((height, width + width // 3), (height + height // 3, width)):
            oblong = np.zeros((batch, *size, 3), np.uint8)
            if _logits(model, oblong).shape != (batch, reference.logits.shape[1]):
                raise ModelError(f"the graph does not keep images apart at {size[1]}x{size[0]}")


def _logits(model: Path, images: NDArray[np.uint8]) -> Array:
    return run_once(model, {file_format.IMAGE: images}, [file_format.LOGITS])[file_format.LOGITS]
