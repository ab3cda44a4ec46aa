"""Find out what image a plain classifier takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from cam_audit.errors import ModelError
from cam_audit.models.adapt.preprocessing import Preprocessing
from cam_audit.models.adapt.source import Graph, attribute, tensors_read

TYPES: dict[int, type[np.generic]] = {
    TensorProto.FLOAT: np.float32,
    TensorProto.FLOAT16: np.float16,
    TensorProto.UINT8: np.uint8,
}
# ITU-R BT.601, as OpenCV and Pillow make grey of RGB.
GREY = np.array([0.299, 0.587, 0.114])
DEFAULT_SIDE = 224
SMALLEST_SIDE = 8
LARGEST_INPUT = 2**24


@dataclass(frozen=True)
class ImageInput:
    """The input of a plain classifier, 3 `channels` or 1, grey; `batch`, `height` and `width` are None where dynamic.

    `planes` is the tensor (N, C, H, W) that a `channels_last` net makes of its input, if that is all it does.
    """

    name: str
    element_type: int
    channels_last: bool
    batch: int | None
    height: int | None
    width: int | None
    planes: str | None = None
    channels: int = 3

    def size(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """(H, W) to use: the fixed one, else the wanted one, else 224 x 224.

        Raises ModelError where it is not one that a classifier has, such as the gigapixels of a hostile file.
        """
        height, width = wanted or (DEFAULT_SIDE, DEFAULT_SIDE)
        height, width = self.height or height, self.width or width
        if min(height, width) < SMALLEST_SIDE or (self.batch or 1) * height * width > LARGEST_INPUT:
            raise ModelError(f"an input of {self.batch or 1} x {width}x{height} pixels is not one of a classifier")
        return height, width

    def preprocess(self, rgb: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[Any]:
        """What the plain network takes for RGB images, uint8 (N, H, W, 3)."""
        values = preprocessing.apply(rgb)
        if self.channels == 1:
            values = (values @ (GREY[::-1] if preprocessing.bgr else GREY))[..., None]
        values = values.astype(TYPES[self.element_type])
        return values if self.channels_last else np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def find_image_input(graph: Graph) -> ImageInput:
    """The one image input of a graph.

    Raises ModelError where there is not exactly one, or it is not 4-D, of 3 channels or 1, and float or uint8.
    """
    if len(graph.inputs) != 1:
        names = ", ".join(repr(value.name) for value in graph.inputs)
        message = f"{len(graph.inputs)} inputs ({names}); adapt takes a classifier of one image"
        if any("normalization" in value.name and value.name.endswith(":0") for value in graph.inputs):
            # tf2onnx 1.17 makes inputs of the constants of Keras's Normalization, and their values are lost
            message += (
                "; the numbers of a Normalization layer of Keras are not in the file: export the net without that "
                "layer, and give them by --scale, --mean and --std"
            )
        raise ModelError(message)
    value = graph.inputs[0]
    tensor = value.type.tensor_type
    dims = [dim.dim_value if dim.dim_value > 0 else None for dim in tensor.shape.dim]
    shape = "(" + ", ".join(str(dim or "?") for dim in dims) + ")"
    channels = next((count for count in (3, 1) if len(dims) == 4 and count in (dims[1], dims[3])), None)
    if channels is None:
        raise ModelError(
            f"input {value.name!r} {shape} is not an image: (N, 3, H, W) or (N, H, W, 3) is needed, or 1 for 3"
        )
    if tensor.elem_type not in TYPES:
        raise ModelError(f"input {value.name!r} is neither float32, float16, bfloat16 nor uint8, which adapt takes")
    channels_last = dims[1] != channels
    batch = dims[0]
    height, width = dims[1:3] if channels_last else dims[2:4]
    planes = _planes(graph, value.name) if channels_last else None
    return ImageInput(value.name, tensor.elem_type, channels_last, batch, height, width, planes, channels)


def _planes(graph: Graph, name: str) -> str | None:
    readers = [node for node in graph.model.graph.node if name in tensors_read(node)]
    if [node.op_type for node in readers] != ["Transpose"]:
        return None
    return str(readers[0].output[0]) if list(attribute(readers[0], "perm", ())) == [0, 3, 1, 2] else None
