"""Find preprocessing that a net does itself, so that none is put on top."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto

from cam_audit.models.adapt.affine import Array
from cam_audit.models.adapt.image_input import ImageInput
from cam_audit.models.adapt.preprocessing import PRESETS, Preprocessing
from cam_audit.models.adapt.source import Graph, Layer, attribute, tensors_read

KEEPS = frozenset(("Cast", "Identity", "Transpose"))
# A mean or deviation above this is of pixels 0..255, not of 0..1.
LEAST_OF_BYTES = 20.0


def find_within(graph: Graph, image: ImageInput) -> tuple[Preprocessing, list[Layer]] | None:
    """What a net that scales its own input takes, 0..255 or 0..1, and the layers that do it; None for other nets.

    It looks for constants that the input is multiplied by and added to before anything else. They count if they are
    those of pixels: a deviation below 1 and a mean within 0..1, or either of 20 and more. A uint8 input is 0..255.
    """
    factor, offset = np.ones(1), np.zeros(1)
    layers = []
    tensor = image.name
    while True:
        readers = [node for node in graph.model.graph.node if tensor in tensors_read(node)]
        if len(readers) != 1:
            break
        node = readers[0]
        if node.op_type not in KEEPS:
            step = _step(graph, node, tensor)
            if step is None:
                break
            factor, offset = factor * step[0], offset * step[0] + step[1]
            layers.append(Layer.of(node))
        tensor = node.output[0]
    if image.element_type == TensorProto.UINT8:
        return PRESETS["raw"], layers
    if not layers or (factor == 0).any():
        return None
    mean, deviation = -offset / factor, 1 / np.abs(factor)
    if max(mean.max(), deviation.max()) >= LEAST_OF_BYTES:
        return PRESETS["raw"], layers
    if deviation.max() < 1 and mean.min() >= 0 and mean.max() <= 1:
        return PRESETS["unit"], layers
    return None


def _step(graph: Graph, node: onnx.NodeProto, tensor: str) -> tuple[Array, Array] | None:
    """Factor and offset of a node with constants that are the same in each cell; None where it is of another kind."""
    constants = [name for name in node.input if name and name != tensor]
    if not all(map(graph.is_constant, constants)) or list(node.input).count(tensor) != 1:
        return None
    values = [graph.constant(name).astype(np.float64).reshape(-1) for name in constants]
    if any(value.size not in (1, 3) for value in values):
        return None
    match node.op_type:
        case "Mul":
            return values[0], np.zeros(1)
        case "Add":
            return np.ones(1), values[0]
        case "Sub":
            return (np.ones(1), -values[0]) if node.input[0] == tensor else (-np.ones(1), values[0])
        case "Div" if node.input[0] == tensor:
            return 1 / values[0], np.zeros(1)
        case "BatchNormalization":
            scale, shift, mean, variance = values
            factor = scale / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
            return factor, shift - mean * factor
    return None
