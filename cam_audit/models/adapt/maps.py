"""Find what a pooling node pools: a map of cells, in whatever layout, and whether all of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from cam_audit.errors import ModelError
from cam_audit.models.adapt.affine import Array
from cam_audit.models.adapt.atoms import Average, AxisOrder, Map, Maximum
from cam_audit.models.adapt.shapes import Shapes
from cam_audit.models.adapt.source import KEEPS_NUMBERS, Graph, Layer, attribute, reduced_axes

WINDOWED = frozenset(("AveragePool", "MaxPool"))
MAXIMA = frozenset(("GlobalMaxPool", "ReduceMax", "MaxPool"))
POOLINGS = frozenset(("GlobalAveragePool", "ReduceMean", "ReduceSum")) | WINDOWED | MAXIMA
MOVES = frozenset(("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"))


@dataclass(frozen=True)
class Pooled:
    """What a pooling node makes: the average or maximum of a map, times `factor`."""

    atom: Average
    factor: float


def wide_axes(shape: tuple[int, ...]) -> list[int]:
    """The axes, but for the batch's, along which there is more than one number."""
    return [axis for axis, side in enumerate(shape) if axis and side > 1]


def find_pooled(graph: Graph, shapes: Shapes, node: onnx.NodeProto, size: tuple[int, int]) -> Pooled | None:
    """What a node of POOLINGS pools for an input of `size` (H, W); None where that is no map.

    Raises ModelError where it is a map, but not pooled whole, or one whose cells are not in the image's grid.
    """
    tensor = node.input[0]
    shape, made = shapes[tensor], shapes[node.output[0]]
    if node.op_type in WINDOWED:
        if len(shape) < 3 or any(side > 1 for side in made[2:]):
            return None
        axes = list(range(2, len(shape)))
        _check_window(graph, node, shape[2:])
    elif node.op_type.startswith("Global"):
        axes = list(range(2, len(shape)))
    else:
        axes = sorted(axis % len(shape) for axis in reduced_axes(graph, node))
    if len(wide_axes(shape)) < 2:
        return None
    layer = Layer.of(node)
    found = _map_of(graph, shapes, tensor, axes, size, averages=node.op_type not in MAXIMA)
    if found is None:
        return None
    cells = int(np.prod([shape[axis] for axis in axes]))
    if node.op_type in MAXIMA:
        return Pooled(Maximum(layer, found), 1.0)
    if node.op_type == "ReduceSum":
        return Pooled(Average(layer, found), float(cells))
    if node.op_type == "AveragePool" and attribute(node, "count_include_pad", 0):
        return Pooled(Average(layer, found), _share_of_window(node, cells))
    return Pooled(Average(layer, found), 1.0)


def _check_window(graph: Graph, node: onnx.NodeProto, sides: tuple[int, ...]) -> None:
    kernel = list(attribute(node, "kernel_shape", ()))
    pads = list(attribute(node, "pads", ())) or [0] * 2 * len(kernel)
    if all(window - pad >= side for window, pad, side in zip(kernel, pads, sides, strict=False)):
        return
    raise ModelError(
        f"{Layer.of(node)} pools {'x'.join(map(str, kernel))} cells of a map of {'x'.join(map(str, sides))}: not "
        "global pooling, unless the net was made for another input size; give that"
    )


def _share_of_window(node: onnx.NodeProto, cells: int) -> float:
    return cells / float(np.prod(attribute(node, "kernel_shape", ())))


def _map_of(
    graph: Graph, shapes: Shapes, tensor: str, axes: list[int], size: tuple[int, int], *, averages: bool
) -> Map | None:
    """The map of which a tensor's `axes` are the cells."""
    shape = shapes[tensor]
    before = graph.maker(tensor, KEEPS_NUMBERS)
    if averages and before is not None and before.op_type == "ReduceMean":
        # the mean of means of as many is their mean
        inner = sorted(axis % len(shapes[before.input[0]]) for axis in reduced_axes(graph, before))
        kept = [axis for axis in range(len(shapes[before.input[0]])) if axis not in inner]
        outer = axes if attribute(before, "keepdims", 1) else [kept[axis] for axis in axes]
        return _map_of(graph, shapes, before.input[0], sorted({*inner, *outer}), size, averages=True)
    match len(shape), axes:
        case 4, [2, 3]:
            return Map(tensor, AxisOrder.CHANNELS_FIRST, shape[2:4], shape[1])  # type: ignore[arg-type]
        case 4, [1, 2]:
            if before is not None and _turns_to_channels_last(before):
                return Map(before.input[0], AxisOrder.CHANNELS_FIRST, shape[1:3], shape[3])  # type: ignore[arg-type]
            return Map(tensor, AxisOrder.CHANNELS_LAST, shape[1:3], shape[3])  # type: ignore[arg-type]
        case 3, [1] | [2]:
            return _unrolled(graph, shapes, tensor, axes[0]) or _tokens(tensor, shape, axes[0], size)
    return None


def _unrolled(graph: Graph, shapes: Shapes, tensor: str, axis: int) -> Map | None:
    """The map that was reshaped to a row of cells, in order."""
    shape = shapes[tensor]
    elements = np.arange(np.prod(shape))
    channels, cells = (shape[2], shape[1]) if axis == 1 else (shape[1], shape[2])
    moves: list[onnx.NodeProto] = []
    node = graph.maker(tensor, KEEPS_NUMBERS)
    while node is not None and node.op_type in MOVES:
        moves.insert(0, node)
        source = shapes[node.input[0]]
        if len(source) == 4:
            found = elements.reshape(source)
            for move in moves:
                found = _move(move, found, shapes)
            row = found if axis == 2 else found.transpose(0, 2, 1)
            if source[1] == channels and (row.reshape(-1) == elements).all():
                return Map(node.input[0], AxisOrder.CHANNELS_FIRST, source[2:4], channels)
            last = elements.reshape(-1, cells, channels).transpose(0, 2, 1)
            if source[3] == channels and (row == last).all():
                return Map(node.input[0], AxisOrder.CHANNELS_LAST, source[1:3], channels)
        node = graph.maker(node.input[0], KEEPS_NUMBERS)
    return None


def _tokens(tensor: str, shape: tuple[int, ...], axis: int, size: tuple[int, int]) -> Map:
    """Cells that were in a row all along: as many columns to a row as the image has."""
    cells = shape[axis]
    rows = round((cells * size[0] / size[1]) ** 0.5)
    if rows == 0 or cells % rows or cells // rows * size[0] != rows * size[1]:
        raise ModelError(
            f"the {cells} cells that are pooled at {size[1]}x{size[0]} are no grid of that shape, so it can't be told "
            "which cell is where"
        )
    layout = AxisOrder.CELLS_FIRST if axis == 1 else AxisOrder.CELLS_LAST
    return Map(tensor, layout, (rows, cells // rows), shape[3 - axis])


def _move(node: onnx.NodeProto, values: Array, shapes: Shapes) -> Array:
    if node.op_type == "Transpose":
        return values.transpose(attribute(node, "perm", None) or range(values.ndim)[::-1])
    return values.reshape(shapes[node.output[0]])


def _turns_to_channels_last(node: onnx.NodeProto) -> bool:
    return node.op_type == "Transpose" and list(attribute(node, "perm", ())) == [0, 2, 3, 1]
