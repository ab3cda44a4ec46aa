"""Find the head of a classifier: average pooling, at most one fully connected layer, a softmax to cut off.

Where no fully connected layer follows, the last convolution takes its place, in each cell: SqueezeNet.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from cam_audit.errors import ModelError
from cam_audit.models.adapt.refusal import refusal
from cam_audit.models.adapt.source import Graph, Layer, attribute, reduced_axes

Array = NDArray[Any]

# What may stand between the layers of a head: it leaves the numbers as they are, but for rounding.
RESHAPES = frozenset(("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))
PASSES_ON = frozenset(("Cast", "DequantizeLinear", "Dropout", "Identity", "QuantizeLinear"))
NEUTRAL = RESHAPES | PASSES_ON
# Of these, what keeps every number in its place, and does not bound it as quantising does.
KEEPS = frozenset(("Cast", "Dropout", "Identity"))
CUT = frozenset(("Softmax", "LogSoftmax", "Sigmoid"))


@dataclass(frozen=True, eq=False)
class Linear:
    """A fully connected layer: weight float32 (K, C), bias float32 (K,), and the tensor that it reads."""

    layer: Layer
    weight: Array
    bias: Array
    reads: str


@dataclass(frozen=True)
class Pooling:
    """An average over the map; `kernel` (h, w) is the size that the map must have, None for any."""

    layer: Layer
    reads: str
    channels_last: bool = False
    kernel: tuple[int, ...] | None = None


@dataclass(frozen=True)
class LastConvolution:
    """The 1x1 convolution whose output is pooled, `rectified` where a ReLU comes between; `reads` is (N, C', h, w)."""

    linear: Linear
    rectified: bool

    @property
    def reads(self) -> str:
        """The tensor that enters it."""
        return self.linear.reads


@dataclass(frozen=True, eq=False)
class Head:
    """The head of a classifier.

    `logits` is the tensor before the cut activation; `activations` the tensor that enters the pooling,
    (N, h, w, C) if `channels_last`, and `activation_layer` the layer that makes it. `convolution`: what makes the
    scores in each cell, where there is no `classifier`; None where that is no 1x1 convolution.
    """

    logits: str
    activations: str
    channels_last: bool
    activation_layer: Layer
    pooling: Pooling
    classifier: Linear | None
    convolution: LastConvolution | None
    cut: Layer | None


def find_head(graph: Graph, output: str) -> Head:
    """Find the head that computes a graph output (N, K).

    Raises ModelError with the reason and the layer's name where no class activation map is defined.
    """
    cut = None
    logits = output
    node = _behind_neutral(graph, output)
    if node is not None and node.op_type in CUT:
        cut = Layer.of(node)
        logits = node.input[0]
        node = _behind_neutral(graph, logits)
    classifier = None if node is None else _linear(graph, node)
    if classifier is not None:
        node = _behind_neutral(graph, classifier.reads)
    pooling = None if node is None else _pooling(graph, node)
    if pooling is None:
        raise refusal(graph, node, classifier.layer if classifier else None)
    activations, channels_last = pooling.reads, pooling.channels_last
    before = graph.producers.get(activations)
    if channels_last and before is not None and _transposes_to_channels_last(before):
        activations, channels_last = before.input[0], False
    made_by = _behind_neutral(graph, activations)
    activation_layer = Layer(activations, "input") if made_by is None else Layer.of(made_by)
    convolution = None if classifier or channels_last else _last_convolution(graph, activations)
    return Head(logits, activations, channels_last, activation_layer, pooling, classifier, convolution, cut)


def check_map(head: Head, shape: tuple[int, ...]) -> None:
    """Check that what is pooled, of this shape at the input size, is a map and is averaged whole.

    Raises ModelError where it is not.
    """
    layer = head.pooling.layer
    if len(shape) != 4:
        raise ModelError(f"no spatial map: {layer} averages an array of shape {shape}")
    channels, height, width = (shape[axis] for axis in ((3, 1, 2) if head.channels_last else (1, 2, 3)))
    if head.pooling.kernel not in (None, (height, width)):
        kernel = "x".join(map(str, head.pooling.kernel or ()))
        raise ModelError(
            f"{layer} averages {kernel} cells of a map of {height}x{width}: not global pooling, unless the "
            "net was made for another input size; give that"
        )
    if height * width == 1:
        raise ModelError(f"the map that {layer} averages is a single cell; give a larger input size")
    if head.classifier and head.classifier.weight.shape[1] != channels:
        wanted = head.classifier.weight.shape[1]
        raise ModelError(f"{head.classifier.layer} reads {wanted} numbers, but {layer} gives {channels}")


def _behind_neutral(graph: Graph, tensor: str) -> onnx.NodeProto | None:
    """The node that makes a tensor's numbers; None where they are the graph's own input."""
    return _behind(graph, tensor, NEUTRAL)


def _behind(graph: Graph, tensor: str, passed: Collection[str]) -> onnx.NodeProto | None:
    """The node that makes a tensor, but for those of the `passed` kinds; None where it is the graph's own input."""
    node = graph.producers.get(tensor)
    while node is not None and node.op_type in passed:
        node = graph.producers.get(node.input[0])
    return node


def _last_convolution(graph: Graph, activations: str) -> LastConvolution | None:
    """The 1x1 convolution that makes the activations by itself or with a ReLU."""
    node = _behind(graph, activations, KEEPS)
    rectified = node is not None and node.op_type == "Relu"
    if node is not None and rectified:
        node = _behind(graph, node.input[0], KEEPS)
    if node is None or node.op_type != "Conv" or any(stride != 1 for stride in attribute(node, "strides", ())):
        return None
    linear = _pointwise_conv(graph, node)
    return None if linear is None else LastConvolution(linear, rectified)


def _linear(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    match node.op_type:
        case "Gemm":
            return _gemm(graph, node)
        case "MatMul":
            return _matmul(graph, node)
        case "Conv":
            return _pointwise_conv(graph, node)
        case "Add":
            return _biased(graph, node)
    return None


def _gemm(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    if not graph.is_constant(node.input[1]):
        return None
    if attribute(node, "transA", 0):
        raise ModelError(f"{Layer.of(node)} transposes its input (transA): not a classifier's layer")
    weight = graph.constant(node.input[1]) * attribute(node, "alpha", 1.0)
    bias = _optional(graph, node, 2) * attribute(node, "beta", 1.0)
    return _linear_of(node, weight if attribute(node, "transB", 0) else weight.T, bias)


def _matmul(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    if graph.is_constant(node.input[0]):
        raise ModelError(f"{Layer.of(node)} has its weight on the left: not a classifier's layer")
    if not graph.is_constant(node.input[1]):
        return None
    weight = graph.constant(node.input[1])
    return _linear_of(node, weight.T, np.zeros(1)) if weight.ndim == 2 else None


def _pointwise_conv(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    if not graph.is_constant(node.input[1]):
        return None
    weight = graph.constant(node.input[1])
    if weight.shape[2:] != (1, 1) or attribute(node, "group", 1) != 1 or any(attribute(node, "pads", ())):
        return None
    return _linear_of(node, weight[:, :, 0, 0], _optional(graph, node, 2))


def _biased(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    """The layer whose output an Add gives a bias."""
    constant, *others = sorted(node.input, key=graph.is_constant, reverse=True)
    inner = _behind_neutral(graph, others[0])
    if inner is None or inner.op_type == "Add" or not graph.is_constant(constant):
        return None
    linear = _linear(graph, inner)
    return linear and _linear_of(inner, linear.weight, linear.bias + graph.constant(constant).reshape(-1))


def _optional(graph: Graph, node: onnx.NodeProto, index: int) -> Array:
    """A constant input that may be left out; zero then."""
    return graph.constant(node.input[index]) if len(node.input) > index and node.input[index] else np.zeros(1)


def _linear_of(node: onnx.NodeProto, weight: Array, bias: Array) -> Linear | None:
    """The layer of a node, whose input comes first; None where the bias is not one number a class."""
    if bias.size not in (1, len(weight)):
        return None
    full_bias = np.broadcast_to(bias.reshape(-1), len(weight))
    return Linear(
        Layer.of(node),
        np.ascontiguousarray(weight, np.float32),
        np.ascontiguousarray(full_bias, np.float32),
        node.input[0],
    )


def _pooling(graph: Graph, node: onnx.NodeProto) -> Pooling | None:
    layer = Layer.of(node)
    match node.op_type:
        case "GlobalAveragePool":
            return Pooling(layer, node.input[0])
        case "AveragePool":
            if not any(attribute(node, "pads", ())):
                return Pooling(layer, node.input[0], kernel=tuple(attribute(node, "kernel_shape", ())))
        case "ReduceMean":
            # -2 and -1 are the axes 2 and 3 of a map, which `check_map` makes sure that it is
            axes = sorted(axis % 4 for axis in reduced_axes(graph, node))
            if axes in ([1, 2], [2, 3]):
                return Pooling(layer, node.input[0], channels_last=axes == [1, 2])
    return None


def _transposes_to_channels_last(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and list(attribute(node, "perm", ())) == [0, 2, 3, 1]
