"""What a head's numbers are made of: pooled maps, and what a head makes of them that is not linear."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
import onnx
from numpy.typing import NDArray

from cam_audit.models.adapt.affine import Affine
from cam_audit.models.adapt.source import Layer


class AxisOrder(Enum):
    """The order of a map's axes; cells is height and width in one, row by row."""

    CHANNELS_FIRST = "N, C, h, w"
    CHANNELS_LAST = "N, h, w, C"
    CELLS_FIRST = "N, cells, C"
    CELLS_LAST = "N, C, cells"


@dataclass(frozen=True)
class Map:
    """A tensor of the source that has cells: `grid` (h, w) at the input size, C `channels`."""

    tensor: str
    layout: AxisOrder
    grid: tuple[int, int]
    channels: int

    @property
    def has_tokens(self) -> bool:
        """Whether its cells are in one row, so that only their number tells the grid."""
        return self.layout in (AxisOrder.CELLS_FIRST, AxisOrder.CELLS_LAST)


@dataclass(frozen=True)
class Average:
    """The average of a map over its cells."""

    layer: Layer = field(compare=False)
    map: Map

    @property
    def channels(self) -> int:
        """C of the map."""
        return self.map.channels


@dataclass(frozen=True)
class Maximum(Average):
    """The maximum of a map over its cells."""


@dataclass(frozen=True)
class Flattened:
    """All cells of a map, (N, C, h, w), each read by weights of its own."""

    layer: Layer = field(compare=False)
    map: Map

    @property
    def channels(self) -> int:
        """C x h x w."""
        return self.map.channels * self.map.grid[0] * self.map.grid[1]


@dataclass(frozen=True, eq=False)
class Function:
    """A node's function of each element of `x`, its input `position`; the others are `constants`, by position.

    `at_zero` (D,) is what it makes of zero, None where that is no number.
    """

    node: onnx.NodeProto
    x: Affine
    position: int
    constants: dict[int, NDArray[np.float32]]
    at_zero: NDArray[np.float32] | None

    @property
    def channels(self) -> int:
        """As many as `x` has."""
        return self.x.elements


@dataclass(frozen=True, eq=False)
class Product:
    """`carried` times, or divided by, `factor`: two tensors of as many elements, or a factor of one element."""

    carried: Affine
    factor: Affine
    divides: bool

    @property
    def channels(self) -> int:
        """As many as `carried` has."""
        return self.carried.elements


@dataclass(frozen=True, eq=False)
class Size:
    """One number: the root of the sum (or mean) of squares of `x`, after its mean is subtracted if `centred`."""

    x: Affine
    centred: bool
    mean: bool
    epsilon: float

    channels = 1


Atom = Average | Flattened | Function | Product | Size


def degree(x: Affine) -> int:
    """How many nonlinear steps, one upon another, a tensor is from what is pooled."""
    return max((_degree(atom) for atom in x.terms), default=0)


def _degree(atom: Atom) -> int:
    match atom:
        case Function() | Size():
            return 1 + degree(atom.x)
        case Product():
            return 1 + degree(atom.carried)
    return 0
