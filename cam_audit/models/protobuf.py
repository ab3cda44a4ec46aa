"""The bytes of an ONNX file, field by field, without the package onnx.

They are protobuf's (protobuf.dev, "Encoding"), the messages those of onnx.proto.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterator

Bytes = bytes | mmap.mmap

VARINT, LENGTH = 0, 2
_FIXED = {1: 8, 5: 4}
# Fields of messages: Model.graph, Graph.output, ValueInfo.name.
_GRAPH, _OUTPUT, _NAME = 7, 12, 1


def fields(data: Bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of the message at data[at:end]: number, form, and where the content begins and ends.

    Raises ValueError for what is no message.
    """
    while at < end:
        tag, at = _varint(data, at)
        form = tag & 7
        start = at
        if form == VARINT:
            _, stop = _varint(data, at)
        elif form == LENGTH:
            size, start = _varint(data, at)
            stop = start + size
        elif form in _FIXED:
            stop = start + _FIXED[form]
        else:
            raise ValueError("it is of another kind, or damaged")
        if stop > end:
            raise ValueError("it ends too early, as after a download that was cut off")
        yield tag >> 3, form, start, stop
        at = stop


def without_outputs(model: bytes, names: Collection[str]) -> bytes:
    """An ONNX model whose graph does not give the outputs of these names; raises ValueError for what is no message."""
    left_out = {name.encode() for name in names}
    pieces = []
    copied = 0
    for number, form, start, stop in fields(model, 0, len(model)):
        if (number, form) == (_GRAPH, LENGTH):
            graph = _graph_without(model, start, stop, left_out)
            pieces += [_header(len(graph)), graph]
        else:
            pieces.append(model[copied:stop])
        copied = stop
    return b"".join(pieces)


def _graph_without(model: bytes, at: int, end: int, left_out: Collection[bytes]) -> bytes:
    pieces = []
    copied = at
    for number, form, start, stop in fields(model, at, end):
        if not ((number, form) == (_OUTPUT, LENGTH) and _name(model, start, stop) in left_out):
            pieces.append(model[copied:stop])
        copied = stop
    return b"".join(pieces)


def _name(model: bytes, at: int, end: int) -> bytes:
    """What a value of a graph is called."""
    return next((model[start:stop] for number, _, start, stop in fields(model, at, end) if number == _NAME), b"")


def _header(size: int) -> bytes:
    """The beginning of a field that is a graph of so many bytes."""
    written = bytearray([_GRAPH << 3 | LENGTH])
    while size >= 0x80:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*written, size))


def _varint(data: Bytes, at: int) -> tuple[int, int]:
    """A number, seven bits a byte, the least first, and where it ends."""
    number = 0
    for index, byte in enumerate(data[at : at + 10]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, at + index + 1
    raise ValueError("a number has no end")
