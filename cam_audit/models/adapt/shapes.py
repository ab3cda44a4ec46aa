"""The shapes that a graph's tensors have for an input of one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import onnx
from numpy.typing import NDArray

from cam_audit.models.adapt.source import Graph, to_bytes
from cam_audit.models.session import run_once

# What gives no tensor has no shape.
NOT_TENSORS = ("Sequence", "SplitToSequence", "Optional", "If", "Loop", "Scan")

Shapes = Mapping[str, tuple[int, ...]]


def run_shapes(graph: Graph, inputs: Mapping[str, NDArray[Any]]) -> Shapes:
    """Run the source once for the shape of each tensor, itself not kept, so that memory stays that of a plain run.

    Raises ModelError where it cannot be run.
    """
    model = onnx.ModelProto()
    model.CopyFrom(graph.model)
    names = [
        name
        for node in graph.model.graph.node
        if not node.op_type.startswith(NOT_TENSORS)
        for name in node.output
        if name
    ]
    asked = {f"cam_audit/shape/{name}": name for name in [*inputs, *names]}
    del model.graph.output[:]
    for shape, name in asked.items():
        model.graph.node.append(onnx.helper.make_node("Shape", [name], [shape]))
        model.graph.output.append(onnx.helper.make_tensor_value_info(shape, onnx.TensorProto.INT64, None))
    values = run_once(to_bytes(model), inputs)
    return {asked[shape]: tuple(int(side) for side in value) for shape, value in values.items()}
