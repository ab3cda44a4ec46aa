"""Whether an ONNX model draws on other files, read from its bytes.

A CAM-ready file does not, and onnxruntime up to 1.23, the last one for Python 3.10, opens whatever file a model
names.
"""

from __future__ import annotations

from cam_audit.models.protobuf import LENGTH, Bytes, fields

# The fields of each message in which there are further messages that lead to tensors.
_FIELDS = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {13: "ExternalData"},
}


def has_external_data(model: Bytes) -> bool:
    """Whether the values of a tensor are in another file; raises ValueError for what is no protobuf message."""
    waiting = [("Model", 0, len(model))]
    while waiting:
        message, at, end = waiting.pop()
        for number, form, start, stop in fields(model, at, end):
            inner = _FIELDS[message].get(number) if form == LENGTH else None
            if inner == "ExternalData":
                return True
            if inner:
                waiting.append((inner, start, stop))
    return False
