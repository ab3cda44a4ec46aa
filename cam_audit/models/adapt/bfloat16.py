"""Widen bfloat16 to float32, which onnxruntime runs on the CPU: each number stays what it is."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from cam_audit.models.adapt.subgraphs import subgraphs


def widen(graph: onnx.GraphProto) -> None:
    """Change a graph, its branches and bodies in place: tensors, casts, and the types that are noted."""
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.BFLOAT16:
            value.type.tensor_type.elem_type = TensorProto.FLOAT
    for node in graph.node:
        for entry in node.attribute:
            if entry.HasField("t"):
                _widen_tensor(entry.t)
            if entry.name in ("to", "dtype", "output_dtype") and entry.i == TensorProto.BFLOAT16:
                entry.i = TensorProto.FLOAT
        for inner in subgraphs(node):
            widen(inner)


def _widen_tensor(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.BFLOAT16:
        wide = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
