"""Read tensors from a file in torch's legacy format, without torch and without running what the file says.

The format (torch/serialization.py, `_legacy_save`; the default before torch 1.6) is a row of pickles: a magic
number, the protocol's version, facts about the system, the object itself, in which a tensor names its storage
by a persistent id, and the storages' keys. Then comes, for each key, the number of elements (int64) and the
elements. A pickle may call any function that it names: here it may name nothing but tensors and their dict.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ModelError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001
COUNT_BYTES = 8

Array = NDArray[Any]


@dataclass(frozen=True)
class _Storage:
    key: str
    element: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor before its storage is read; offset and stride count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self, elements: memoryview) -> Array:
        """The tensor as a view of its storage; numpy raises ValueError where that is too short for it."""
        size = self.storage.element.itemsize
        strides = [step * size for step in self.stride]
        return np.ndarray(self.shape, self.storage.element, elements, self.offset * size, strides)


def read_tensors(data: bytes) -> dict[str, Array]:
    """The tensors of a state dict, by name, float32 or int64, read-only views of `data`, the file's bytes.

    Raises ModelError where the bytes are not in the legacy format, or hold anything but named tensors.
    """
    stream = io.BytesIO(data)
    try:
        if (_load(stream), _load(stream)) != (MAGIC_NUMBER, PROTOCOL_VERSION):
            raise ModelError("not a file in torch's legacy format")
        _load(stream)
        tensors = _load(stream)
        if not isinstance(tensors, dict) or not all(isinstance(value, _Tensor) for value in tensors.values()):
            raise ModelError("not a dict of tensors")
        storages = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
        elements = {key: _read_elements(stream, storages[key]) for key in _load(stream)}
        return {name: tensor.array(elements[tensor.storage.key]) for name, tensor in tensors.items()}
    except ModelError:
        raise
    except Exception as error:
        # a damaged pickle raises whatever the operation does that it was damaged into
        raise ModelError(f"damaged, or not a file in torch's legacy format ({error})") from None


def _read_elements(stream: io.BytesIO, storage: _Storage) -> memoryview:
    if int.from_bytes(stream.read(COUNT_BYTES), "little") != storage.count:
        raise ValueError("a storage is not as long as its tensors say")
    return memoryview(stream.read(storage.count * storage.element.itemsize))


def _load(stream: io.BytesIO) -> Any:
    return _TensorUnpickler(stream).load()


def _rebuild_tensor(
    storage: _Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *training: object
) -> _Tensor:
    """Stands in for torch's function of that name; `training` is whether a gradient is kept, and hooks."""
    return _Tensor(storage, offset, shape, stride)


ADMITTED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
}


class _TensorUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise ModelError(f"holds {module}.{name}, which is no tensor; refused")
        return ADMITTED[module, name]

    def persistent_load(self, reference: Any) -> _Storage:
        _, element, key, _, count, _ = reference
        return _Storage(key, element, count)
