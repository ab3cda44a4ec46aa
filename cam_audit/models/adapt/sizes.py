"""Tell whether a net computes the same thing at other sizes than the one it was exported at.

A source of a fixed size runs at no other, and one that runs may have paddings, windows or masks in it that are those of
its first size. So each node that reads what grows with the image must be of a kind that does the same at any size: it
looks at a window, at a cell, or at all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from cam_audit.errors import ModelError
from cam_audit.models.adapt.head import Head
from cam_audit.models.adapt.image_input import TYPES, ImageInput
from cam_audit.models.adapt.proof import other_sizes
from cam_audit.models.adapt.shapes import Shapes, run_shapes
from cam_audit.models.adapt.source import Graph, Layer, attribute, reduced_axes

WINDOWS = frozenset(("AveragePool", "Conv", "LpPool", "MaxPool"))
AVERAGES = frozenset(("GlobalAveragePool", "GlobalMaxPool", "ReduceL2", "ReduceMax", "ReduceMean"))
CELLS = frozenset(
    "Abs Add BatchNormalization Cast Celu Clip Concat DepthToSpace DequantizeLinear Div Dropout Elu Erf Exp Gather "
    "Gelu HardSigmoid HardSwish Identity LayerNormalization LeakyRelu Log MatMul Max Mean Min Mish Mul Neg PRelu Pow "
    "QuantizeLinear Reciprocal Relu Selu Sigmoid Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub "
    "Sum Swish Tanh Transpose Unsqueeze".split()
)


def why_size_matters(graph: Graph, image: ImageInput, head: Head, size: tuple[int, int]) -> str:
    """Why the net may compute something else at another size than `size` (H, W); "" where it does the same."""
    if head.flattened:
        return "it has weights for each cell"
    if any(each.has_tokens for each in head.maps):
        return "its cells are in one row, whose length alone tells the grid"
    freed = onnx.ModelProto()
    freed.CopyFrom(graph.model)
    for value in freed.graph.input:
        if value.name == image.name:
            for axis in (1, 2) if image.channels_last else (2, 3):
                value.type.tensor_type.shape.dim[axis].Clear()
    del freed.graph.value_info[:]
    found = []
    ends = [each.tensor for each in head.maps]
    body = Graph(_only(freed, graph, ends))
    for height, width in (size, *other_sizes(size)):
        sides = (height, width, image.channels) if image.channels_last else (image.channels, height, width)
        try:
            found.append(
                run_shapes(body, {image.name: np.zeros((image.batch or 1, *sides), TYPES[image.element_type])})
            )
        except ModelError:
            return f"its graph does not run at {width}x{height}"
    for node in body.model.graph.node:
        grows = [name for name in node.input if name in found[0] and len({shapes[name] for shapes in found}) > 1]
        if grows and not _does_the_same(graph, node, grows, found):
            return f"what {Layer.of(node)} does depends on the size"
    return ""


def _only(freed: onnx.ModelProto, graph: Graph, ends: list[str]) -> onnx.ModelProto:
    """The body of a model: what its maps are made by."""
    nodes, initializers = graph.upstream(ends)
    body = onnx.helper.make_graph(
        nodes, "body", list(freed.graph.input), [onnx.ValueInfoProto(name=name) for name in ends], initializers
    )
    return graph.derive(body)


def _does_the_same(graph: Graph, node: onnx.NodeProto, grows: list[str], found: Sequence[Shapes]) -> bool:
    made = [shapes[node.output[0]] for shapes in found]
    if node.op_type in WINDOWS:
        # padding that differs between the two ends of a side was made for that side's length
        pads = list(attribute(node, "pads", ()))
        return pads[: len(pads) // 2] == pads[len(pads) // 2 :]
    if node.op_type in AVERAGES:
        shape = found[0][node.input[0]]
        axes = [axis % len(shape) for axis in reduced_axes(graph, node)] or list(range(2, len(shape)))
        growing = [axis for axis in range(len(shape)) if len({shapes[node.input[0]][axis] for shapes in found}) > 1]
        return set(growing) <= set(axes) or not set(growing) & set(axes)
    if node.op_type == "Shape":
        # what is computed of the size by the graph itself is computed again
        return True
    if node.op_type == "Reshape":
        return _keeps_what_grows(node, found)
    if node.op_type == "Pad":
        return _pads_both_ends(graph, node)
    return node.op_type in CELLS and len(set(made)) > 1


def _keeps_what_grows(node: onnx.NodeProto, found: Sequence[Shapes]) -> bool:
    """Whether a reshape leaves the cells in one block, as rows and columns or in a row; windows cut it up."""
    before, after = (_block(name, found) for name in (node.input[0], node.output[0]))
    return before is not None and before == after


def _block(tensor: str, found: Sequence[Shapes]) -> tuple[tuple[int, ...], ...] | None:
    """How many cells there are at each size, and how many numbers follow a cell; None where they are not together."""
    sides = [shapes[tensor] for shapes in found]
    growing = [axis for axis in range(len(sides[0])) if len({shape[axis] for shape in sides}) > 1]
    if not growing or growing != list(range(growing[0], growing[-1] + 1)):
        return None
    start, end = growing[0], growing[-1] + 1
    return tuple(int(np.prod(shape[start:end])) for shape in sides), tuple(int(np.prod(shape[end:])) for shape in sides)


def _pads_both_ends(graph: Graph, node: onnx.NodeProto) -> bool:
    if len(node.input) < 2:
        pads = list(attribute(node, "pads", ()))
    elif graph.is_constant(node.input[1]):
        pads = graph.constant(node.input[1]).tolist()
    else:
        return True
    return bool(pads[: len(pads) // 2] == pads[len(pads) // 2 :])
