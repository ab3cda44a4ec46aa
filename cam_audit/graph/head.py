"""Find the head of a classifier: global average pooling, at most one fully connected layer, the cut activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from cam_audit.errors import ModelError
from cam_audit.graph.refusal import refusal
from cam_audit.graph.source import Graph, attribute

Array = NDArray[Any]

# These change the shape or the type of their input at most, never which number belongs to which channel.
NEUTRAL = frozenset(
    ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Dropout", "Identity", "Cast")
    + ("QuantizeLinear", "DequantizeLinear")
)
CUT = frozenset(("Softmax", "LogSoftmax", "Sigmoid"))


@dataclass(frozen=True)
class Layer:
    """A node as people know it."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.name!r} ({self.kind})"

    @classmethod
    def of(cls, node: onnx.NodeProto) -> Layer:
        """The layer of a node; nodes without a name go by their first output's."""
        return cls(node.name or node.output[0], node.op_type)


@dataclass(frozen=True, eq=False)
class Linear:
    """A fully connected layer: weight float32 (K, C), bias float32 (K,), and the tensor that it reads."""

    layer: Layer
    weight: Array
    bias: Array
    reads: str


@dataclass(frozen=True)
class Pooling:
    """An average over the map; `kernel` (h, w) is what the map must measure, None where any size is covered."""

    layer: Layer
    reads: str
    channels_last: bool = False
    kernel: tuple[int, int] | None = None


@dataclass(frozen=True, eq=False)
class Head:
    """The head of a classifier.

    `logits` is the tensor before the cut activation; `activations` the tensor that enters the pooling,
    (N, h, w, C) if `channels_last`, and `activation_layer` the layer that makes it.
    """

    logits: str
    activations: str
    channels_last: bool
    activation_layer: Layer
    pooling: Pooling
    classifier: Linear | None
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
        raise refusal(graph, node, classifier.layer.name if classifier else None)
    activations, channels_last = pooling.reads, pooling.channels_last
    before = graph.producers.get(activations)
    if channels_last and before is not None and _transposes_to_channels_last(before):
        activations, channels_last = before.input[0], False
    made_by = _behind_neutral(graph, activations)
    activation_layer = Layer(activations, "input") if made_by is None else Layer.of(made_by)
    return Head(logits, activations, channels_last, activation_layer, pooling, classifier, cut)


def _behind_neutral(graph: Graph, tensor: str) -> onnx.NodeProto | None:
    """The node that makes a tensor's numbers; None where they are the graph's own input."""
    node = graph.producers.get(tensor)
    while node is not None and node.op_type in NEUTRAL:
        node = graph.producers.get(node.input[0])
    return node


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
    weight = graph.constant(node.input[1]).astype(np.float32) * np.float32(attribute(node, "alpha", 1.0))
    bias = None
    if len(node.input) > 2 and node.input[2]:
        bias = graph.constant(node.input[2]).astype(np.float32) * np.float32(attribute(node, "beta", 1.0))
    return _made(node, weight if attribute(node, "transB", 0) else weight.T, bias, node.input[0])


def _matmul(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    if graph.is_constant(node.input[0]):
        raise ModelError(f"{Layer.of(node)} has its weight on the left: not a classifier's layer")
    if not graph.is_constant(node.input[1]):
        return None
    weight = graph.constant(node.input[1]).astype(np.float32)
    return _made(node, weight.T, None, node.input[0]) if weight.ndim == 2 else None


def _pointwise_conv(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    if not graph.is_constant(node.input[1]):
        return None
    weight = graph.constant(node.input[1]).astype(np.float32)
    if weight.shape[2:] != (1, 1) or attribute(node, "group", 1) != 1 or any(attribute(node, "pads", ())):
        return None
    bias = graph.constant(node.input[2]).astype(np.float32) if len(node.input) > 2 and node.input[2] else None
    return _made(node, weight[:, :, 0, 0], bias, node.input[0])


def _biased(graph: Graph, node: onnx.NodeProto) -> Linear | None:
    constants = [name for name in node.input if graph.is_constant(name)]
    fed = [name for name in node.input if not graph.is_constant(name)]
    inner = _behind_neutral(graph, fed[0]) if len(constants) == len(fed) == 1 else None
    linear = None if inner is None or inner.op_type == "Add" else _linear(graph, inner)
    if inner is None or linear is None:
        return None
    bias = graph.constant(constants[0]).astype(np.float32).reshape(-1)
    if bias.size not in (1, linear.bias.size):
        return None
    return _made(inner, linear.weight, linear.bias + bias, linear.reads)


def _made(node: onnx.NodeProto, weight: Array, bias: Array | None, reads: str) -> Linear:
    full_bias = np.zeros(len(weight), np.float32)
    if bias is not None:
        full_bias += bias.reshape(-1)
    return Linear(Layer.of(node), np.ascontiguousarray(weight), full_bias, reads)


def _pooling(graph: Graph, node: onnx.NodeProto) -> Pooling | None:
    layer, reads = Layer.of(node), node.input[0]
    match node.op_type:
        case "GlobalAveragePool":
            return Pooling(layer, reads)
        case "AveragePool" if not any(attribute(node, "pads", ())):
            height, width = attribute(node, "kernel_shape", (0, 0))
            return Pooling(layer, reads, kernel=(height, width))
        case "ReduceMean":
            axes = attribute(node, "axes", ())
            if len(node.input) > 1 and node.input[1]:
                axes = graph.constant(node.input[1]).tolist()
            spatial = sorted(axis % 4 for axis in axes)
            if spatial == [2, 3]:
                return Pooling(layer, reads)
            if spatial == [1, 2]:
                return Pooling(layer, reads, channels_last=True)
    return None


def _transposes_to_channels_last(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and list(attribute(node, "perm", ())) == [0, 2, 3, 1]
