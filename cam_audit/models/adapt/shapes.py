"""The shapes that a graph's tensors have for an input of one size, and what a graph computes of shapes alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cam_audit.models.adapt.source import Graph, tensors_read, to_bytes
from cam_audit.models.session import run_once

# What gives no tensor has no shape.
NOT_TENSORS = ("Sequence", "SplitToSequence", "Optional")
OF_SHAPES = frozenset(("Shape", "Size"))
PREFIX = "cam_audit/shape/"

Shapes = Mapping[str, tuple[int, ...]]


def run_shapes(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> Shapes:
    """Run the source once for the shape of each tensor, itself not kept, so that memory stays that of a plain run.

    Raises ModelError where it cannot be run.
    """
    return _run(graph, inputs, [])[0]


def at_one_size(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> tuple[Graph, Shapes]:
    """The graph with what it computes of shapes alone as constants, as they are for these inputs, and all shapes.

    Raises ModelError where it cannot be run.
    """
    derived = _derived_from_shapes(graph)
    shapes, values = _run(graph, inputs, derived)
    if not derived:
        return graph, shapes
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    kept = [node for node in model.graph.node if not set(filter(None, node.output)) <= values.keys()]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    return Graph(model), shapes


def _run(graph: Graph, inputs: Mapping[str, NDArray[Any]], wanted: list[str]) -> tuple[Shapes, dict[str, NDArray[Any]]]:
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    names = [name for node in graph.model.graph.node if _gives_tensors(node) for name in node.output if name]
    del model.graph.output[:]
    for name in [*inputs, *names]:
        model.graph.node.append(helper.make_node("Shape", [name], [PREFIX + name]))
        model.graph.output.append(helper.make_tensor_value_info(PREFIX + name, TensorProto.INT64, None))
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    found = run_once(to_bytes(model), inputs)
    values = {name: found.pop(name) for name in wanted}
    return {name.removeprefix(PREFIX): tuple(map(int, shape)) for name, shape in found.items()}, values


def _derived_from_shapes(graph: Graph) -> list[str]:
    """The tensors that depend on the input by the shapes of tensors alone."""
    derived: set[str] = set()
    for node in graph.model.graph.node:
        read = {name for name in tensors_read(node) if name and not graph.is_constant(name)}
        if _gives_tensors(node) and read and (node.op_type in OF_SHAPES or read <= derived):
            derived.update(filter(None, node.output))
    return sorted(derived)


def _gives_tensors(node: onnx.NodeProto) -> bool:
    return not node.op_type.startswith(NOT_TENSORS)
