"""Make the CAM-ready graph: preprocessing, the network's body as it is, and a head built anew.

The head is not patched but rebuilt, as GlobalAveragePool, Flatten and Gemm in float32, after what `cells` does to
each cell where the source's head is not linear. That makes one shape of every classifier: fixed windows and
reshapes, float16, quantisation and 1x1 convolutions in the head are gone, and the weight is stored once, for both
the Gemm and the output. All operators used here are the same from opset 7 on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cam_audit.models import file_format
from cam_audit.models.adapt.cells import CellNodes
from cam_audit.models.adapt.head import Head, LastConvolution
from cam_audit.models.adapt.image_input import GREY, ImageInput
from cam_audit.models.adapt.preprocessing import Preprocessing
from cam_audit.models.adapt.source import Graph
from cam_audit.models.adapt.subgraphs import subgraphs

# Names of the contract that a source may use for something else, and what such a tensor is called then.
RENAMED = {name: f"net/{name}" for name in (file_format.IMAGE, *file_format.OUTPUTS)}


@dataclass(frozen=True)
class InputShape:
    """What the image input accepts: a batch of N images of (H, W) pixels; None is dynamic."""

    batch: int | None
    size: tuple[int, int] | None


@dataclass(frozen=True)
class GraphPart:
    """A piece of a graph: nodes in order, and the initializers that they read."""

    nodes: list[onnx.NodeProto]
    initializers: list[onnx.TensorProto]


def build(
    graph: Graph,
    image: ImageInput,
    head: Head,
    preprocessing: Preprocessing,
    accepts: InputShape,
    metadata: Mapping[str, str],
) -> onnx.ModelProto:
    """The CAM-ready model of a source graph; `metadata` has the contract's keys without their prefix."""
    parts = [
        _preprocessing(image, preprocessing),
        _body(graph, image, head),
        _activations(head) if head.convolution is None else _convolution(head.convolution),
        _head(head),
    ]
    made = helper.make_graph(
        nodes=[node for part in parts for node in part.nodes],
        name=metadata[file_format.NET_KEY],
        inputs=[_image_value(accepts)],
        outputs=_output_values(head),
        initializer=[tensor for part in parts for tensor in part.initializers],
    )
    model = graph.derive(made)
    helper.set_model_props(model, {file_format.METADATA_PREFIX + key: text for key, text in metadata.items()})
    return model


def _preprocessing(image: ImageInput, preprocessing: Preprocessing) -> GraphPart:
    factor, offset = (values.astype(np.float32).reshape(1, 3, 1, 1) for values in preprocessing.affine())
    constants = [_stored("cam_audit/factor", factor), _stored("cam_audit/offset", offset)]
    # Layout and channel order come first, while a value is still one byte, and planes are scaled ten times as
    # fast as pixels.
    nodes = [helper.make_node("Transpose", [file_format.IMAGE], ["cam_audit/rgb"], perm=[0, 3, 1, 2])]
    planes = "cam_audit/rgb"
    if preprocessing.bgr:
        constants.append(_stored("cam_audit/bgr", np.array([2, 1, 0])))
        nodes.append(helper.make_node("Gather", [planes, "cam_audit/bgr"], ["cam_audit/reversed"], axis=1))
        planes = "cam_audit/reversed"
    reads_pixels = image.channels_last and image.planes is None
    body_input = _named(image.planes or image.name)
    last = "cam_audit/planes" if reads_pixels else body_input
    nodes += [
        helper.make_node("Cast", [planes], ["cam_audit/float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["cam_audit/float", "cam_audit/factor"], ["cam_audit/scaled"]),
        helper.make_node("Add", ["cam_audit/scaled", "cam_audit/offset"], ["cam_audit/shifted"]),
    ]
    planes = "cam_audit/shifted"
    if image.channels == 1:
        grey = GREY[::-1] if preprocessing.bgr else GREY
        constants.append(_stored("cam_audit/grey", grey.astype(np.float32).reshape(1, 3, 1, 1)))
        nodes.append(helper.make_node("Conv", [planes, "cam_audit/grey"], ["cam_audit/one_plane"]))
        planes = "cam_audit/one_plane"
    nodes.append(helper.make_node("Cast", [planes], [last], to=image.element_type))
    if reads_pixels:
        nodes.append(helper.make_node("Transpose", [last], [body_input], perm=[0, 2, 3, 1]))
    return GraphPart(nodes, constants)


def _body(graph: Graph, image: ImageInput, head: Head) -> GraphPart:
    ends = [head.convolution.reads] if head.convolution else [each.tensor for each in head.maps]
    nodes, initializers = graph.upstream(ends)
    return GraphPart(
        [_renamed(node) for node in nodes if image.planes not in node.output],
        [_renamed_tensor(tensor) for tensor in initializers],
    )


def _activations(head: Head) -> GraphPart:
    """What the last linear layer averages and, where that is made for each image, what all of its cells have alike."""
    cells = CellNodes(_named)
    if head.by_place:
        activations, even = cells.affine(head.scores, cells.cells), cells.affine(head.scores, cells.even)
        assert activations is not None
    else:
        activations = cells.joined([cells.cells(atom) for atom in head.scores.terms])
        even = None if head.exact else cells.all_even(list(head.scores.terms))
    cells.rename(activations, file_format.ACTIVATIONS)
    if not head.exact:
        if even is None:
            even = cells.op(
                "Mul", cells.op("GlobalAveragePool", file_format.ACTIVATIONS), cells.store(np.zeros((1, 1, 1, 1)))
            )
        cells.nodes.append(helper.make_node("Flatten", [even], [file_format.EVEN]))
    return GraphPart(cells.nodes, cells.initializers)


def _convolution(last: LastConvolution) -> GraphPart:
    """From the features to the activations; its weight, stored once as the convolution reads it, is an output, too."""
    weight, bias = last.weight[:, :, None, None], last.bias
    scores = "cam_audit/scores" if last.rectified else file_format.ACTIVATIONS
    nodes = [
        helper.make_node("Cast", [_named(last.reads)], [file_format.FEATURES], to=TensorProto.FLOAT),
        helper.make_node("Conv", [file_format.FEATURES, "cam_audit/weight", "cam_audit/bias"], [scores]),
        # by nodes of their own, as OpenVINO refuses a stored tensor that is an output itself
        helper.make_node("Flatten", ["cam_audit/weight"], [file_format.FEATURE_WEIGHT]),
        helper.make_node("Identity", ["cam_audit/bias"], [file_format.FEATURE_BIAS]),
    ]
    if last.rectified:
        nodes.append(helper.make_node("Relu", [scores], [file_format.ACTIVATIONS]))
    return GraphPart(nodes, [_stored("cam_audit/weight", weight), _stored("cam_audit/bias", bias)])


def _head(head: Head) -> GraphPart:
    pooled = helper.make_node("GlobalAveragePool", [file_format.ACTIVATIONS], ["cam_audit/pooled"])
    weight = head.weight
    if weight is None:
        return GraphPart([pooled, helper.make_node("Flatten", ["cam_audit/pooled"], [file_format.LOGITS])], [])
    flat = helper.make_node("Flatten", ["cam_audit/pooled"], ["cam_audit/features"])
    inputs = ["cam_audit/features", file_format.CAM_WEIGHT, file_format.CAM_BIAS]
    gemm = helper.make_node("Gemm", inputs, [file_format.LOGITS], transB=1)
    stored = {file_format.CAM_WEIGHT: weight, file_format.CAM_BIAS: head.scores.bias}
    return GraphPart(
        [pooled, flat, gemm], [_stored(name, values.astype(np.float32)) for name, values in stored.items()]
    )


def _image_value(accepts: InputShape) -> onnx.ValueInfoProto:
    height, width = accepts.size or ("H", "W")
    shape = [accepts.batch or "N", height, width, 3]
    return helper.make_tensor_value_info(file_format.IMAGE, TensorProto.UINT8, shape)


def _output_values(head: Head) -> list[onnx.ValueInfoProto]:
    weight, convolution = head.weight, head.convolution
    classes, channels = ("K", "K") if weight is None else weight.shape
    shapes: dict[str, list[str | int]] = {
        file_format.LOGITS: ["N", classes],
        file_format.ACTIVATIONS: ["N", channels, "h", "w"],
    }
    if weight is not None:
        shapes |= {file_format.CAM_WEIGHT: [classes, channels], file_format.CAM_BIAS: [classes]}
    if not head.exact:
        shapes[file_format.EVEN] = ["N", channels]
    if convolution:
        count, features = convolution.weight.shape
        shapes |= {
            file_format.FEATURES: ["N", features, "h", "w"],
            file_format.FEATURE_WEIGHT: [count, features],
            file_format.FEATURE_BIAS: [count],
        }
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def _named(tensor: str) -> str:
    """What a tensor of the source is called."""
    return RENAMED.get(tensor, tensor)


def _stored(name: str, values: NDArray[np.generic]) -> onnx.TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(values), name)


def _renamed(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    # torch's exporter notes stack traces here, with the paths of the machine it ran on
    copy.ClearField("metadata_props")
    copy.ClearField("doc_string")
    _rename(copy)
    return copy


def _rename(node: onnx.NodeProto) -> None:
    for names in (node.input, node.output):
        for index, name in enumerate(names):
            names[index] = _named(name)
    for inner in subgraphs(node):
        for inner_node in inner.node:
            _rename(inner_node)
        for value in (*inner.input, *inner.output, *inner.initializer):
            value.name = _named(value.name)


def _renamed_tensor(tensor: onnx.TensorProto) -> onnx.TensorProto:
    if tensor.name not in RENAMED:
        return tensor
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    copy.name = RENAMED[tensor.name]
    return copy
