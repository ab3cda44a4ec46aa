"""Prove that a CAM-ready graph computes what its source computes."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from onnxruntime import InferenceSession

from cam_audit.errors import ModelError
from cam_audit.models import file_format
from cam_audit.models.adapt.build import InputShape
from cam_audit.models.adapt.head import Head
from cam_audit.models.adapt.image_input import ImageInput
from cam_audit.models.adapt.preprocessing import PRESETS, Preprocessing
from cam_audit.models.adapt.source import Graph, to_bytes
from cam_audit.models.session import open_session, run, run_once

Array = NDArray[Any]

IMAGES = 3

# Largest difference between the logits of source and result, relative to the largest logit. The head
# is computed in float32 where the source rounds to float16, or to 8 bits after every layer.
TOLERANCE = 1e-4
TOLERANCE_FLOAT16 = 1e-2
TOLERANCE_QUANTISED = 5e-2


@dataclass(frozen=True, eq=False)
class Runs:
    """Random images uint8 (M, H, W, 3) and the logits float32 (M, K) that the source gives them."""

    images: NDArray[np.uint8]
    logits: Array


@dataclass(frozen=True, eq=False)
class Reference:
    """What the source computes at the input size and, if it takes any, at two `others`; else `others` is empty.

    `rounding`: by how much its own logits change when its input changes by what rounding may change it.
    """

    runs: Runs
    others: tuple[Runs, ...]
    tolerance: float
    rounding: float

    @property
    def logits(self) -> Array:
        """Those at the input size, (M, K)."""
        return self.runs.logits


def find_output(graph: Graph, image: ImageInput, size: tuple[int, int], wanted: str | None = None) -> str:
    """The one output that has a score a class, found by running the source, or the `wanted` one.

    Raises ModelError if it cannot be run, has no such output, or has several and `wanted` names none of them.
    """
    rgb = np.zeros((image.batch or 1, *size, 3), np.uint8)
    blank = image.preprocess(rgb, PRESETS["raw"])
    outputs = run_once(to_bytes(graph.model), {image.name: blank})
    scores = [name for name, value in outputs.items() if _is_scores(value, len(blank))]
    shapes = ", ".join(f"{name!r} {np.shape(value)}" for name, value in outputs.items())
    if wanted is not None:
        if wanted not in scores:
            raise ModelError(f"{wanted!r} is no output of shape (N, K); there is {shapes}")
        return wanted
    if len(scores) == 1:
        return scores[0]
    if not scores:
        raise ModelError(f"not a classifier: one output of shape (N, K) is needed, there is {shapes}")
    feeding = {name for node in graph.upstream(scores)[0] for name in node.input}
    likely = max(scores, key=lambda name: (name not in feeding, outputs[name].size))
    raise ModelError(f"several outputs may be the scores, {shapes}: name one, probably `--output-name {likely}`")


def _is_scores(value: Any, batch: int) -> bool:
    """Whether an output is (N, K), but for further axes of length 1."""
    if not isinstance(value, np.ndarray) or value.ndim < 2 or value.shape[0] != batch:
        return False
    return bool(value.dtype.kind == "f") and sum(side > 1 for side in value.shape[1:]) <= 1


def run_reference(
    graph: Graph, image: ImageInput, head: Head, preprocessing: Preprocessing, size: tuple[int, int]
) -> Reference:
    """Run the source on random images, preprocessed in numpy; softmax is undone by reading what enters it."""
    session = open_session(graph.exposing([head.logits]))

    def run(size: tuple[int, int], rounded: bool = False) -> Runs:
        return _run(session, image, head, preprocessing, size, rounded)

    at_its_size = run(size)
    if not np.isfinite(at_its_size.logits).all():
        raise ModelError("the net gives scores that are not numbers")
    others: tuple[Runs, ...] = ()
    if image.height is None and image.width is None:
        with contextlib.suppress(ModelError):
            others = tuple(run(other) for other in other_sizes(size))
    rounding = float(np.abs(run(size, rounded=True).logits - at_its_size.logits).max())
    return Reference(at_its_size, others, _tolerance(graph), rounding)


def other_sizes(size: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """A wide and a tall size (H, W) at which a net that takes any is tried."""
    height, width = size
    return (height, width + width // 3), (height + height // 3, width)


def _run(
    session: InferenceSession,
    image: ImageInput,
    head: Head,
    preprocessing: Preprocessing,
    size: tuple[int, int],
    rounded: bool,
) -> Runs:
    batch = image.batch or 1
    count = batch * -(-IMAGES // batch)
    images = np.random.default_rng(0).integers(0, 256, (count, *size, 3), np.uint8)
    logits = []
    for start in range(0, count, batch):
        fed = image.preprocess(images[start : start + batch], preprocessing)
        values = run(session, {image.name: _rounded(fed) if rounded else fed}, [head.logits])[head.logits]
        found = values.reshape(batch, -1).astype(np.float32)
        logits.append(np.concatenate([np.zeros_like(found), found], axis=1) if head.single else found)
    return Runs(images, np.concatenate(logits))


def _rounded(fed: Array) -> Array:
    """An input whose numbers are changed, up or down, by the rounding error of the largest; integers have none."""
    if fed.dtype.kind != "f":
        return fed
    error = np.finfo(fed.dtype).eps * np.abs(fed).max()
    signs = np.random.default_rng(0).choice((-1, 1), fed.shape)
    return np.asarray(fed + error * signs, fed.dtype)


def _tolerance(graph: Graph) -> float:
    if any(node.op_type == "DequantizeLinear" for node in graph.model.graph.node):
        return TOLERANCE_QUANTISED
    if any(tensor.data_type == TensorProto.FLOAT16 for tensor in graph.initializers.values()):
        return TOLERANCE_FLOAT16
    return TOLERANCE


def check_against(reference: Reference, model: Path, accepts: InputShape) -> None:
    """Check that a CAM-ready file gives the reference's logits, at other sizes too if it accepts any.

    Raises ModelError where it does not.
    """
    session = open_session(model)
    _check_runs(session, reference.runs, accepts, reference)
    if accepts.size is None:
        for runs in reference.others:
            _check_runs(session, runs, accepts, reference)
        if not reference.others:
            _check_runs_anywhere(session, reference.runs, accepts)


def _check_runs(session: InferenceSession, runs: Runs, accepts: InputShape, reference: Reference) -> None:
    batch = accepts.batch or len(runs.images)
    starts = range(0, len(runs.images), batch)
    logits = np.concatenate([_logits(session, runs.images[start : start + batch]) for start in starts])
    if logits.shape != runs.logits.shape:
        raise ModelError(f"the logits are {logits.shape}, those of the source {runs.logits.shape}")
    allowed = reference.tolerance * float(np.abs(runs.logits).max())
    worst = float(np.abs(logits - runs.logits).max())
    if not worst <= allowed:
        height, width = runs.images.shape[1:3]
        message = (
            f"the logits differ from those of the source by {worst:.2g} at {width}x{height}, more than {allowed:.2g}"
        )
        if reference.rounding > allowed:
            message += (
                f"; the source magnifies errors of rounding: its own logits change by {reference.rounding:.2g} when "
                "its input changes by as little as rounding changes it"
            )
        raise ModelError(message)


def _check_runs_anywhere(session: InferenceSession, runs: Runs, accepts: InputShape) -> None:
    batch = accepts.batch or len(runs.images)
    for height, width in other_sizes(runs.images.shape[1:3]):
        oblong = np.zeros((batch, height, width, 3), np.uint8)
        if _logits(session, oblong).shape != (batch, runs.logits.shape[1]):
            raise ModelError(f"the graph does not keep images apart at {width}x{height}")


def _logits(session: InferenceSession, images: NDArray[np.uint8]) -> Array:
    return run(session, {file_format.IMAGE: images}, [file_format.LOGITS])[file_format.LOGITS]
