"""Say why a network has no class activation map."""

from __future__ import annotations

import onnx

from cam_audit.errors import ModelError
from cam_audit.graph.source import Graph


def refusal(graph: Graph, node: onnx.NodeProto | None, classifier: str | None) -> ModelError:
    return ModelError(f"no global average pooling: {node.op_type if node else None} {classifier}")
