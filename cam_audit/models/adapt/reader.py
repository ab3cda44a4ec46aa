"""Read a head backwards, from the logits to what is pooled, node by node, as affine functions of atoms.

A node that is not linear becomes an atom of its own, whose form for one image is linear (`cells`). What does nothing
but move numbers is run on their indices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

from cam_audit.models.adapt import linear
from cam_audit.models.adapt.affine import (
    Affine,
    Array,
    Selection,
    Weight,
    added,
    broadcast,
    constant,
    moved,
    scaled,
    whole,
)
from cam_audit.models.adapt.atoms import (
    Atom,
    Average,
    AxisOrder,
    Flattened,
    Function,
    Map,
    Maximum,
    Product,
    Size,
    degree,
)
from cam_audit.models.adapt.maps import MAXIMA, POOLINGS, find_pooled, wide_axes
from cam_audit.models.adapt.shapes import Shapes
from cam_audit.models.adapt.source import Graph, Layer, attribute, reduced_axes
from cam_audit.models.session import run_once

PASSES_ON = frozenset(("Cast", "DequantizeLinear", "Dropout", "Identity", "QuantizeLinear"))
RESHAPES = frozenset(("Expand", "Flatten", "Reshape", "Squeeze", "Unsqueeze"))
# What changes neither which numbers there are nor, but for rounding, their values.
NEUTRAL = RESHAPES | PASSES_ON | {"Transpose"}
MOVES = RESHAPES | {"Concat", "Gather", "GatherElements", "Slice", "Split", "Transpose"}
FUNCTIONS = frozenset(
    "Abs Celu Clip Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Log Max Min Mish PRelu Pow Reciprocal Relu Selu "
    "Sigmoid Softplus Softsign Sqrt Swish Tanh ThresholdedRelu".split()
)
# What these make is never negative, so that a ReLU after it does nothing.
NOT_NEGATIVE = frozenset(("Relu", "Sigmoid", "HardSigmoid", "Softplus", "Exp", "Abs"))
LAYERS = FUNCTIONS - {"Erf", "Max", "Min", "Pow", "Sqrt"} | {
    "Gemm", "MatMul", "Conv", "BatchNormalization", "LayerNormalization", "LpNormalization", "Softmax",
}  # fmt: skip


class UnreadNodeError(Exception):
    """A node, None for the graph's input, that is neither pooling nor of a kind that a head may have after it.

    `via` is the node that reads it, if that moves numbers; `single` a pooling, on the way, of a single cell.
    """

    def __init__(self, node: onnx.NodeProto | None, via: onnx.NodeProto | None = None) -> None:
        super().__init__()
        self.node = node
        self.via = via
        self.single: onnx.NodeProto | None = None


@dataclass
class Reader:
    """Reads tensors of a source; `layers` are those that it passed.

    `flattens`: whether a map may be read cell by cell, where it is not pooled. `size` is the input's (H, W).
    """

    graph: Graph
    shapes: Shapes
    batch: int
    size: tuple[int, int]
    flattens: bool = False
    layers: list[Layer] = field(default_factory=list)
    _read: dict[str, Affine] = field(default_factory=dict)
    _by_one: dict[tuple[Atom, Affine, bool], Product] = field(default_factory=dict)

    def read(self, tensor: str) -> Affine:
        """A tensor as an affine function; raises UnreadNodeError where it is none, ModelError as `find_pooled`."""
        if tensor not in self._read:
            self._read[tensor] = self._made(tensor)
        return self._read[tensor]

    def _made(self, tensor: str) -> Affine:
        if self.graph.is_constant(tensor):
            return constant(self.graph.constant(tensor))
        node = self.graph.producers.get(tensor)
        if node is None or tensor not in self.shapes:
            raise UnreadNodeError(node)
        if node.op_type in MOVES and not all(map(self.graph.is_constant, node.input[1:])) and node.op_type != "Concat":
            raise UnreadNodeError(node)
        if node.op_type in PASSES_ON:
            return self.read(node.input[0])
        if node.op_type in MOVES:
            return self._moved(node, tensor)
        if node.op_type in POOLINGS:
            pooled = find_pooled(self.graph, self.shapes, node, self.size)
            if pooled is not None:
                x = whole(pooled.atom, self.shapes[tensor])
                return scaled(x, np.full(x.elements, pooled.factor))
        if any(
            len(wide_axes(self.shapes[name])) > 1
            for name in (tensor, *node.input)
            if name in self.shapes and not self.graph.is_constant(name)
        ):
            raise UnreadNodeError(node)
        made = self._computed(node, self.shapes[tensor])
        if made is None:
            raise UnreadNodeError(node)
        layer = Layer.of(node)
        if node.op_type in LAYERS and layer not in self.layers:
            self.layers.append(layer)
        return made

    def _moved(self, node: onnx.NodeProto, tensor: str) -> Affine:
        count = len(node.input) if node.op_type == "Concat" else 1
        try:
            parts = [self.read(name) for name in node.input[:count]]
        except UnreadNodeError as stop:
            shape = self.shapes.get(node.input[0], ())
            if count == 1 and self.flattens and len(shape) == 4 and len(wide_axes(shape)) == 3:
                cells = Map(node.input[0], AxisOrder.CHANNELS_FIRST, shape[2:4], shape[1])
                parts = [whole(Flattened(Layer.of(node), cells), shape)]
            else:
                stop.via = stop.via or node
                raise
        made = moved(parts, self._mover(node, tensor), self.batch)
        if made is None:
            raise UnreadNodeError(node)
        return made

    def _mover(self, node: onnx.NodeProto, tensor: str) -> Callable[..., Array]:
        shape = self.shapes[tensor]
        match node.op_type:
            case "Expand":
                return lambda x: np.broadcast_to(x, shape)
            case "Transpose":
                return lambda x: x.transpose(attribute(node, "perm", None) or range(x.ndim)[::-1])
            case "Concat":
                return lambda *parts: np.concatenate(parts, attribute(node, "axis", 0))
        if node.op_type in RESHAPES:
            return lambda x: x.reshape(shape)
        return lambda x: self._run(node, {node.input[0]: x}, tensor)

    def _run(self, node: onnx.NodeProto, values: dict[str, Array], output: str) -> Array:
        """What one node makes; the inputs that are not given are constants."""
        stored = [
            numpy_helper.from_array(self.graph.constant(name), name)
            for name in node.input
            if name and name not in values
        ]
        inputs = [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in values.items()
        ]
        graph = onnx.helper.make_graph([node], "node", inputs, [onnx.ValueInfoProto(name=output)], stored)
        return run_once(self.graph.derive(graph).SerializeToString(), values, [output])[output]

    def _computed(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> Affine | None:
        if node.op_type in FUNCTIONS:
            return self._function(node, shape)
        match node.op_type:
            case "Add" | "Sub" | "Sum" | "Mul" | "Div":
                return self._arithmetic(node, shape)
            case "MatMul" if self.graph.is_constant(node.input[0]):
                return None
        if node.op_type in POOLINGS | {"ReduceL2"}:
            return self._reduced(node, shape)
        x = self.read(node.input[0])
        match node.op_type:
            case "Gemm":
                return linear.gemm(self.graph, node, x, shape, self.batch)
            case "MatMul":
                return linear.matmul(self.graph, node, x, shape)
            case "Conv":
                return linear.conv(self.graph, node, x, shape, self.batch)
            case "BatchNormalization":
                return linear.batch_norm(self.graph, node, x)
            case "Neg":
                return scaled(x, np.full(x.elements, -1.0))
            case "LayerNormalization":
                return self._layer_norm(node, x)
            case "LpNormalization" if attribute(node, "p", 2) == 2:
                return self._multiplied(x, whole(Size(x, False, False, 0.0), (1,)), shape, divides=True)
        return None

    def _reduced(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> Affine | None:
        source = self.shapes[node.input[0]]
        axes = (
            range(2, len(source))
            if node.op_type.endswith("Pool")
            else [axis % len(source) for axis in reduced_axes(self.graph, node)]
        )
        wide = [axis for axis in axes if source[axis] > 1]
        try:
            x = self.read(node.input[0])
        except UnreadNodeError as stop:
            stop.single = stop.single or (None if wide else node)
            raise
        if not wide:
            return Affine(shape, x.terms, x.bias)
        mixes_images = 0 in wide and self.batch > 1
        if mixes_images or node.op_type in MAXIMA | {"AveragePool"}:
            return None
        if node.op_type == "ReduceL2":
            return whole(Size(x, False, False, 0.0), shape) if np.prod(shape) == shape[0] else None
        return linear.reduced(node, x, axes, shape, self.batch)

    def _arithmetic(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> Affine:
        a, *others = (self.read(name) for name in node.input)
        for b in others:
            a = self._combined(node, a, b, shape)
        return a

    def _combined(self, node: onnx.NodeProto, a: Affine, b: Affine, shape: tuple[int, ...]) -> Affine:
        multiplies, divides = node.op_type == "Mul", node.op_type == "Div"
        if multiplies and (
            not a.terms or (b.terms and (a.elements == 1 or (b.elements > 1 and degree(b) < degree(a))))
        ):
            a, b = b, a
        if (multiplies or divides) and b.terms:
            if not a.terms:
                a, b = broadcast(a, shape, self.batch), self._reciprocal(node, b)
                return scaled(broadcast(b, shape, self.batch), a.bias)
            return self._multiplied(a, b, shape, divides=divides)
        a, b = broadcast(a, shape, self.batch), broadcast(b, shape, self.batch)
        if multiplies or divides:
            return scaled(a, 1 / b.bias if divides else b.bias)
        return added(a, scaled(b, np.full(b.elements, -1.0)) if node.op_type == "Sub" else b)

    def _reciprocal(self, node: onnx.NodeProto, x: Affine) -> Affine:
        inverse = onnx.helper.make_node("Reciprocal", [node.input[1]], [node.output[0]], name=node.name)
        return whole(Function(inverse, x, 0, {}, None), x.shape)

    def _multiplied(self, a: Affine, b: Affine, shape: tuple[int, ...], *, divides: bool) -> Affine:
        """a * b or a / b. One number for all of a moves to what a is made of, so that a stays linear in it."""
        if b.elements == 1 and not a.bias.any():
            terms: dict[Atom, Weight] = {
                self._atom_by_one(atom, b, divides): weight for atom, weight in a.terms.items()
            }
            return broadcast(Affine(a.shape, terms, a.bias), shape, self.batch)
        a, b = broadcast(a, shape, self.batch), broadcast(b, shape, self.batch)
        return whole(Product(a, b, divides), shape)

    def _atom_by_one(self, atom: Atom, factor: Affine, divides: bool) -> Product:
        key = atom, factor, divides
        if key not in self._by_one:
            self._by_one[key] = Product(whole(atom, (1, atom.channels)), factor, divides)
        return self._by_one[key]

    def _layer_norm(self, node: onnx.NodeProto, x: Affine) -> Affine | None:
        scale = self.graph.constant(node.input[1]).astype(np.float64).reshape(-1)
        if len(scale) != x.elements:
            return None
        size = whole(Size(x, True, True, attribute(node, "epsilon", 1e-5)), (1,))
        normal = scaled(linear.centred(self._multiplied(x, size, x.shape, divides=True)), scale)
        if len(node.input) < 3 or not node.input[2]:
            return normal
        return Affine(x.shape, normal.terms, normal.bias + self.graph.constant(node.input[2]).reshape(-1))

    def _function(self, node: onnx.NodeProto, shape: tuple[int, ...]) -> Affine | None:
        varying = [index for index, name in enumerate(node.input) if name and not self.graph.is_constant(name)]
        if len(varying) != 1:
            return None
        position = varying[0]
        x = broadcast(self.read(node.input[position]), shape, self.batch)
        if node.op_type == "Relu" and self._is_not_negative(x):
            return x
        constants = {
            index: self._beside(self.graph.constant(name), shape)
            for index, name in enumerate(node.input)
            if name and index != position
        }
        zero = np.zeros((1, x.elements, 1, 1), np.float32)
        alone = onnx.NodeProto()
        alone.CopyFrom(node)
        alone.input[:] = [f"in{index}" if name else "" for index, name in enumerate(node.input)]
        fed = {f"in{index}": value for index, value in constants.items()} | {f"in{position}": zero}
        with np.errstate(all="ignore"):
            at_zero = self._run(alone, fed, node.output[0]).reshape(-1)
        finite = bool(np.isfinite(at_zero).all())
        return whole(Function(node, x, position, constants, at_zero if finite else None), shape)

    def _beside(self, value: Array, shape: tuple[int, ...]) -> Array:
        """A constant input of a function, as it goes with a tensor (N, D, 1, 1)."""
        value = value.astype(np.float32) if value.dtype.kind == "f" else value
        if value.size == 1:
            return value.reshape(())
        full = np.broadcast_to(value, shape)
        return (full if self.batch == 1 else full[0]).reshape(1, -1, 1, 1)

    def _is_not_negative(self, x: Affine) -> bool:
        for atom, weight in x.terms.items():
            if not isinstance(atom, Average | Maximum) or not isinstance(weight, Selection):
                return False
            node = self.graph.maker(atom.map.tensor, NEUTRAL)
            if node is None or node.op_type not in NOT_NEGATIVE or (weight.scale < 0).any():
                return False
        return bool((x.bias >= 0).all())
