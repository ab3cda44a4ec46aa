"""What the linear nodes of a head do to a tensor of few numbers; each gives None where it does more than that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from cam_audit.models.adapt.affine import Affine, Array, added, broadcast, constant, mixed, scaled
from cam_audit.models.adapt.source import Graph, attribute


def gemm(graph: Graph, node: onnx.NodeProto, x: Affine, shape: tuple[int, ...], batch: int) -> Affine | None:
    """alpha * x @ weight + beta * bias."""
    if attribute(node, "transA", 0) or not graph.is_constant(node.input[1]):
        return None
    weight = _value(graph, node, 1)
    matrix = weight if attribute(node, "transB", 0) else weight.T
    return _biased(
        graph, node, mixed(x, matrix * attribute(node, "alpha", 1.0), shape), attribute(node, "beta", 1.0), batch
    )


def matmul(graph: Graph, node: onnx.NodeProto, x: Affine, shape: tuple[int, ...]) -> Affine | None:
    """x @ weight (C, K), along the last axis."""
    if not graph.is_constant(node.input[1]):
        return None
    weight = _value(graph, node, 1)
    if weight.ndim != 2 or len(weight) != x.elements:
        return None
    return mixed(x, weight.T, shape)


def conv(graph: Graph, node: onnx.NodeProto, x: Affine, shape: tuple[int, ...], batch: int) -> Affine | None:
    """A convolution of a single cell: of its window, only the tap over the cell counts."""
    if not graph.is_constant(node.input[1]):
        return None
    weight = _value(graph, node, 1)
    taps = _taps(node, weight.shape[2:])
    if taps is None:
        return None
    groups = attribute(node, "group", 1)
    tap = weight.reshape(*weight.shape[:2], -1)[:, :, np.ravel_multi_index(taps, weight.shape[2:])]
    matrix = np.zeros((len(tap), x.elements))
    if matrix.shape[1] != groups * tap.shape[1]:
        return None
    for group, rows in enumerate(np.split(np.arange(len(tap)), groups)):
        matrix[rows, group * tap.shape[1] : (group + 1) * tap.shape[1]] = tap[rows]
    made = mixed(x, matrix, shape)
    if len(node.input) > 2 and node.input[2]:
        return Affine(shape, made.terms, made.bias + _value(graph, node, 2))
    return made


def batch_norm(graph: Graph, node: onnx.NodeProto, x: Affine) -> Affine | None:
    """(x - mean) / root of variance * scale + shift, a channel each."""
    scale, shift, mean, variance = (_value(graph, node, index) for index in range(1, 5))
    if len(scale) != x.elements:
        return None
    factor = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    return Affine(x.shape, scaled(x, factor).terms, (x.bias - mean) * factor + shift)


def reduced(node: onnx.NodeProto, x: Affine, axes: Sequence[int], shape: tuple[int, ...], batch: int) -> Affine:
    """The mean or sum over some axes."""
    own = x.shape if batch == 1 else (1, *x.shape[1:])
    kept = [1 if axis in axes else side for axis, side in enumerate(own)]
    count = int(np.prod(kept))
    goes_to = np.broadcast_to(np.arange(count).reshape(kept), own).reshape(-1)
    matrix = np.zeros((count, x.elements))
    matrix[goes_to, np.arange(x.elements)] = 1.0 if node.op_type == "ReduceSum" else count / x.elements
    return mixed(x, matrix, shape)


def centred(x: Affine) -> Affine:
    """Each element minus the mean of all."""
    return mixed(x, np.eye(x.elements) - 1.0 / x.elements, x.shape)


def _taps(node: onnx.NodeProto, window: tuple[int, ...]) -> list[int] | None:
    """Which number of a window lies over the single cell, by axis; None where none does."""
    padding = attribute(node, "auto_pad", b"NOTSET")
    if padding == b"SAME_UPPER":
        return [(side - 1) // 2 for side in window]
    if padding == b"SAME_LOWER":
        return [side // 2 for side in window]
    pads = list(attribute(node, "pads", ())) or [0] * len(window)
    steps = list(attribute(node, "dilations", ())) or [1] * len(window)
    taps = [pad // step for pad, step in zip(pads, steps, strict=False)]
    fits = all(tap * step == pad for tap, step, pad in zip(taps, steps, pads, strict=False))
    return taps if fits and all(tap < side for tap, side in zip(taps, window, strict=True)) else None


def _biased(graph: Graph, node: onnx.NodeProto, made: Affine, beta: float, batch: int) -> Affine | None:
    if len(node.input) < 3 or not node.input[2]:
        return made
    if not graph.is_constant(node.input[2]):
        return None
    return added(made, broadcast(constant(_value(graph, node, 2) * beta), made.shape, batch))


def _value(graph: Graph, node: onnx.NodeProto, index: int) -> Array:
    return graph.constant(node.input[index]).astype(np.float64)
