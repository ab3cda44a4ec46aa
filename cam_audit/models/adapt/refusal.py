"""Say why a network has no class activation map."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from cam_audit.errors import ModelError
from cam_audit.models.adapt.source import Graph, Layer, reduced_axes

MAX_POOLING = frozenset(("MaxPool", "GlobalMaxPool", "ReduceMax"))
FULLY_CONNECTED = frozenset(("Gemm", "MatMul"))


def refusal(graph: Graph, stop: onnx.NodeProto | None, classifier: Layer | None) -> ModelError:
    """Why there is no class activation map where `stop`, not global average pooling, feeds the classifier.

    `classifier` is None where nothing fully connected was found after `stop`; `stop` is None where the
    network's input comes straight in.
    """
    fed = f"the classifier {classifier}" if classifier else "the output"
    if stop is None:
        return ModelError(f"no spatial map: the image itself feeds {fed}")
    layer = Layer.of(stop)
    path = list(_path_up(graph, stop))
    pooling = path[-1] if _averages_the_map(graph, path[-1]) else None
    # A 1x1 convolution is fully connected where it reads what is pooled, but not where it reads a map.
    kinds = FULLY_CONNECTED | {"Conv"} if pooling else FULLY_CONNECTED
    dense = [Layer.of(node) for node in path if node.op_type in kinds and graph.is_constant(node.input[1])]
    attention = _attention(graph, stop)
    if attention and not pooling:
        return ModelError(f"a transformer, {attention} mixes positions and there is no spatial map to pool")
    layers = [*reversed(dense), classifier] if classifier else dense
    if len(layers) > 1:
        several = ", ".join(map(str, layers))
        return ModelError(
            f"several fully connected layers ({several}), for which no class activation map is defined; "
            "a net with global average pooling and one such layer has one"
        )
    if dense:
        return ModelError(f"{layer} stands between the classifier {dense[0]} and the output")
    if stop.op_type in MAX_POOLING:
        return ModelError(f"{layer} pools by the maximum; a class activation map needs global average pooling")
    if pooling:
        return ModelError(
            f"{layer} stands between the pooling {Layer.of(pooling)} and {fed}; a class activation map is "
            "defined only where nothing but reshaping does"
        )
    if stop.op_type == "ReduceMean":
        return ModelError(f"no spatial map: {layer} does not average over the two spatial axes")
    return ModelError(f"no global average pooling: {layer} feeds {fed}")


def _path_up(graph: Graph, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """From a node towards the image, along the first input that depends on it, to an average or a window."""
    found: onnx.NodeProto | None = node
    while found is not None:
        yield found
        if _averages_the_map(graph, found) or _has_window(graph, found):
            return
        fed = [name for name in found.input if not graph.is_constant(name)]
        found = graph.producers.get(fed[0]) if fed else None


def _averages_the_map(graph: Graph, node: onnx.NodeProto) -> bool:
    if node.op_type == "ReduceMean":
        return len(reduced_axes(graph, node)) == 2
    return node.op_type == "GlobalAveragePool"


def _has_window(graph: Graph, node: onnx.NodeProto) -> bool:
    """Whether a node is a convolution of more than single cells."""
    if node.op_type != "Conv":
        return False
    return not graph.is_constant(node.input[1]) or graph.constant(node.input[1]).shape[2:] != (1, 1)


def _attention(graph: Graph, node: onnx.NodeProto) -> Layer | None:
    """The last layer upstream in which positions are weighted by each other."""
    nodes, _ = graph.upstream(node.output)
    for found in reversed(nodes):
        between_positions = found.op_type == "MatMul" and not any(map(graph.is_constant, found.input))
        if between_positions or "Attention" in found.op_type:
            return Layer.of(found)
    return None
