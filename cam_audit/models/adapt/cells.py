"""Give each cell of the map its part of what a head makes of the pooled numbers, by nodes of a graph.

All tensors here are float32 (N, D, h, w), or (N, D, 1, 1) where they are pooled. A linear step is done to each cell. A
function f of a pooled number x is a gate for a given image: each cell is multiplied by (f(x) - f(0)) / x, and what is
left of f(x) goes to all cells evenly. A maximum goes to the cells that have it. So the average over the cells is what
the source computes, step by step, which is proved where the file is made and where it is loaded.

`even` is the part that all cells get alike, (N, D, 1, 1): of biases and gates, which say nothing of any place. All
operators used here are the same from opset 7 on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cam_audit.models.adapt.affine import Affine, Selection, dense
from cam_audit.models.adapt.atoms import Atom, Average, AxisOrder, Flattened, Function, Map, Maximum, Product, Size

Of = Callable[[Atom], str | None]


@dataclass
class CellNodes:
    """Makes nodes; `named` gives the name that a tensor of the source has in the graph."""

    named: Callable[[str], str]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)
    _made: dict[tuple[object, ...], str | None] = field(default_factory=dict)

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns its output."""
        output = f"cam_audit/cells/{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def store(self, values: NDArray[Any], key: object = None) -> str:
        """Add an initializer, once for a `key`; returns its name."""
        if key is None:
            return self._stored(values)
        return self._once(("stored", key), lambda: self._stored(values))  # type: ignore[return-value]

    def _stored(self, values: NDArray[Any]) -> str:
        name = f"cam_audit/stored/{len(self.initializers)}"
        values = values.astype(np.float32) if values.dtype.kind == "f" else values
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def map(self, source: Map) -> str:
        """A map of the source, channels first."""
        return self._once(("map", source.tensor), lambda: self._map(source))  # type: ignore[return-value]

    def cells(self, atom: Atom) -> str:
        """The part of each cell, (N, C, h, w)."""
        return self._once(("cells", atom), lambda: self._cells(atom))  # type: ignore[return-value]

    def pooled(self, atom: Atom) -> str:
        """The average over the cells, (N, C, 1, 1), computed as the source does."""
        return self._once(("pooled", atom), lambda: self._pooled(atom))  # type: ignore[return-value]

    def even(self, atom: Atom) -> str | None:
        """What all cells have alike; None where that is nothing."""
        return self._once(("even", atom), lambda: self._even(atom))

    def affine(self, x: Affine, of: Of) -> str | None:
        """A tensor made of its atoms, as `of` gives these; None where there is nothing."""
        return self._once((x, of), lambda: self._affine(x, of))

    def joined(self, tensors: list[str]) -> str:
        """Tensors (N, ., h, w) one after the other, along the channels."""
        return tensors[0] if len(tensors) == 1 else self.op("Concat", *tensors, axis=1)

    def all_even(self, atoms: list[Atom]) -> str | None:
        """What all cells of some atoms have alike, joined; None where that is nothing."""
        evens = [self.even(atom) for atom in atoms]
        if not any(evens):
            return None
        nothing = [self.store(np.zeros((1, atom.channels, 1, 1))) for atom in atoms]
        filled = [
            even or self.op("Mul", self.pooled(atom), zero)
            for even, atom, zero in zip(evens, atoms, nothing, strict=True)
        ]
        return self.joined(filled)

    def rename(self, tensor: str, output: str) -> None:
        """Give a tensor that was made here the name of an output."""
        self.nodes.append(helper.make_node("Identity", [tensor], [output]))

    def _once(self, key: tuple[object, ...], make: Callable[[], str | None]) -> str | None:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def _map(self, source: Map) -> str:
        tensor = self.named(source.tensor)
        if source.layout == AxisOrder.CHANNELS_LAST:
            tensor = self.op("Transpose", tensor, perm=[0, 3, 1, 2])
        if source.layout == AxisOrder.CELLS_FIRST:
            tensor = self.op("Transpose", tensor, perm=[0, 2, 1])
        if source.has_tokens:
            tensor = self.op("Reshape", tensor, self.store(np.array([0, source.channels, *source.grid])))
        return self.op("Cast", tensor, to=TensorProto.FLOAT)

    def _cells(self, atom: Atom) -> str:
        match atom:
            case Maximum():
                return self._where_maximal(self.map(atom.map))
            case Average() | Flattened():
                return self.map(atom.map)
            case Function():
                gated = self.op("Mul", self._need(atom.x, self.cells), self._gate(atom))
                return self.op("Add", gated, self._rest(atom))
            case Product():
                return self._times(atom, self._need(atom.carried, self.cells))
        return self.pooled(atom)

    def _pooled(self, atom: Atom) -> str:
        match atom:
            case Maximum():
                return self.op("GlobalMaxPool", self.map(atom.map))
            case Average():
                return self.op("GlobalAveragePool", self.map(atom.map))
            case Function():
                return self._value(atom)
            case Product():
                return self._times(atom, self._need(atom.carried, self.pooled))
            case Size():
                return self._size(atom)
        raise AssertionError(atom)

    def _even(self, atom: Atom) -> str | None:
        match atom:
            case Function():
                inner = self.affine(atom.x, self.even)
                rest = self._rest(atom)
                return rest if inner is None else self.op("Add", self.op("Mul", inner, self._gate(atom)), rest)
            case Product():
                inner = self.affine(atom.carried, self.even)
                return None if inner is None else self._times(atom, inner)
            case Size():
                return self.pooled(atom)
        return None

    def _affine(self, x: Affine, of: Of) -> str | None:
        total: str | None = None
        for atom, weight in x.terms.items():
            if isinstance(atom, Flattened):
                part = None if of == self.even else self._by_place(x, atom)
                part = self.op("GlobalAveragePool", part) if part and of == self.pooled else part
            else:
                part = of(atom)
                part = part and self._weighted(part, (x, atom), weight)
            if part is not None:
                total = part if total is None else self.op("Add", total, part)
        if not x.bias.any():
            return total
        bias = self.store(x.bias.reshape(1, -1, 1, 1), (x, "bias"))
        return bias if total is None else self.op("Add", total, bias)

    def _weighted(self, part: str, key: object, weight: Any) -> str:
        if isinstance(weight, Selection) and weight.in_place:
            if (weight.scale == 1).all():
                return part
            return self.op("Mul", part, self.store(weight.scale.reshape(1, -1, 1, 1), key))
        return self.op("Conv", part, self.store(dense(weight)[:, :, None, None], key))

    def _by_place(self, x: Affine, atom: Flattened) -> str:
        """Each cell by its own weights, times the number of cells, so that the average is the sum."""
        rows, columns = atom.map.grid
        weight = dense(x.terms[atom]).reshape(-1, atom.map.channels, rows, columns) * (rows * columns)
        stored = self.store(weight.transpose(2, 3, 1, 0), (x, atom))
        cells = self.op("Transpose", self.map(atom.map), perm=[2, 3, 0, 1])
        return self.op("Transpose", self.op("MatMul", cells, stored), perm=[2, 3, 0, 1])

    def _need(self, x: Affine, of: Of) -> str:
        made = self.affine(x, of)
        return self.store(np.zeros((1, x.elements, 1, 1))) if made is None else made

    def _value(self, atom: Function) -> str:
        return self._once(("value", atom), lambda: self._evaluated(atom))  # type: ignore[return-value]

    def _evaluated(self, atom: Function) -> str:
        inputs = [""] * len(atom.node.input)
        inputs[atom.position] = self._need(atom.x, self.pooled)
        for index, value in atom.constants.items():
            inputs[index] = self.store(value)
        output = self.op(atom.node.op_type, *inputs)
        self.nodes[-1].attribute.extend(atom.node.attribute)
        return output

    def _gate(self, atom: Function) -> str:
        """(f(x) - f(0)) / x, (N, D, 1, 1); zero where x is, or where f(0) is no number."""
        return self._once(("gate", atom), lambda: self._ratio(atom))  # type: ignore[return-value]

    def _ratio(self, atom: Function) -> str:
        if atom.at_zero is None:
            return self.store(np.zeros((1, 1, 1, 1)))
        x = self._need(atom.x, self.pooled)
        gain = self._value(atom)
        if atom.at_zero.any():
            gain = self.op("Sub", gain, self.store(atom.at_zero.reshape(1, -1, 1, 1)))
        some, none = self._told_apart(x)
        return self.op("Div", self.op("Mul", gain, some), self.op("Add", x, none))

    def _rest(self, atom: Function) -> str:
        """f(x) - gate * x."""
        return self._once(("rest", atom), lambda: self._remainder(atom))  # type: ignore[return-value]

    def _remainder(self, atom: Function) -> str:
        x = self._need(atom.x, self.pooled)
        return self.op("Sub", self._value(atom), self.op("Mul", x, self._gate(atom)))

    def _told_apart(self, x: str) -> tuple[str, str]:
        """1 where x is not zero, and 1 where it is; casts, as operators that compare floats are newer."""
        some = self.op("Cast", x, to=TensorProto.BOOL)
        none = self.op("Not", some)
        return self.op("Cast", some, to=TensorProto.FLOAT), self.op("Cast", none, to=TensorProto.FLOAT)

    def _where_maximal(self, cells: str) -> str:
        """The maximum, shared by the cells that have it."""
        maximum = self.op("GlobalMaxPool", cells)
        _, has = self._told_apart(self.op("Sub", cells, maximum))
        return self.op("Mul", has, self.op("Div", maximum, self.op("GlobalAveragePool", has)))

    def _times(self, atom: Product, carried: str) -> str:
        return self.op("Div" if atom.divides else "Mul", carried, self._need(atom.factor, self.pooled))

    def _size(self, atom: Size) -> str:
        x = self._need(atom.x, self.pooled)
        mean = np.full((1, atom.x.elements, 1, 1), 1.0 / atom.x.elements)
        if atom.centred:
            x = self.op("Sub", x, self.op("Conv", x, self.store(mean)))
        weight = mean if atom.mean else np.ones_like(mean)
        squares = self.op("Conv", self.op("Mul", x, x), self.store(weight))
        if atom.epsilon:
            squares = self.op("Add", squares, self.store(np.full((1, 1, 1, 1), atom.epsilon)))
        return self.op("Sqrt", squares)
