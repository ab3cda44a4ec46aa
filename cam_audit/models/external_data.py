"""Whether an ONNX model draws on other files, read from its bytes.

A CAM-ready file does not, and onnxruntime up to 1.23, the last one for Python 3.10, opens whatever file a model
names. The bytes are protobuf's (protobuf.dev, "Encoding"), the messages those of onnx.proto.
"""

from __future__ import annotations

import mmap

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
_VARINT, _LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}


def has_external_data(model: bytes | mmap.mmap) -> bool:
    """Whether the values of a tensor are in another file; raises ValueError for what is no protobuf message."""
    waiting = [("Model", 0, len(model))]
    while waiting:
        message, at, end = waiting.pop()
        while at < end:
            tag, at = _varint(model, at)
            field, form = tag >> 3, tag & 7
            if form == _VARINT:
                _, at = _varint(model, at)
                continue
            if form == _LENGTH:
                size, at = _varint(model, at)
                inner = _FIELDS[message].get(field)
                if inner == "ExternalData":
                    return True
                if inner:
                    waiting.append((inner, at, at + size))
            elif form in _FIXED:
                size = _FIXED[form]
            else:
                raise ValueError(f"no field has the form {form}")
            at += size
            if at > end:
                raise ValueError("a field is longer than its message")
    return False


def _varint(data: bytes | mmap.mmap, at: int) -> tuple[int, int]:
    """A number, seven bits a byte, the least first, and where it ends."""
    number = 0
    for index, byte in enumerate(data[at : at + 10]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise ValueError("a number has no end")
