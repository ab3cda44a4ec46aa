"""A head's numbers as affine functions of what is pooled, in float64, element by element.

A tensor between pooling and logits has few numbers, so that whatever a node does to them, mixing, scaling or moving,
is done here to the rows of a matrix. Layers that follow each other thereby become one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cam_audit.models.adapt.atoms import Atom

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Selection:
    """A weight with one number a row at most: element i is `scale[i]` times channel `rows[i]` of `channels`."""

    rows: NDArray[np.intp]
    scale: Array
    channels: int

    @property
    def in_place(self) -> bool:
        """Whether element i reads channel i, for all channels."""
        return len(self.rows) == self.channels and bool((self.rows == np.arange(self.channels)).all())


Weight = Array | Selection


@dataclass(frozen=True, eq=False)
class Affine:
    """A tensor of `shape`, the batch first: the D elements of an image are the sum of weight @ atom, plus `bias` (D,).

    `terms` has a weight (D, C) for each atom of C channels; a constant has none.
    """

    shape: tuple[int, ...]
    terms: dict[Atom, Weight]
    bias: Array

    @property
    def elements(self) -> int:
        """How many numbers an image has, D."""
        return len(self.bias)


def constant(value: Array) -> Affine:
    """What is the same for every image."""
    return Affine(value.shape, {}, value.astype(np.float64).reshape(-1))


def whole(atom: Atom, shape: tuple[int, ...]) -> Affine:
    """The channels of an atom, as they are."""
    rows = np.arange(atom.channels)
    return Affine(shape, {atom: Selection(rows, np.ones(len(rows)), len(rows))}, np.zeros(len(rows)))


def moved(parts: Sequence[Affine], move: Callable[..., Array], batch: int) -> Affine | None:
    """What `move` makes of some tensors by moving elements only; None where it mixes the images of a batch.

    `move` is run on the elements' indices to see where each one goes.
    """
    starts = np.cumsum([0, *(part.elements * batch for part in parts)])
    numbers = [
        (start + np.arange(np.prod(part.shape, dtype=int))).reshape(part.shape)
        for part, start in zip(parts, starts, strict=False)
    ]
    made = np.asarray(move(*numbers))
    picked = (made if batch == 1 else made[0]).reshape(-1).astype(np.intp)
    joined = _joined(parts)
    own = np.full(starts[-1], -1)
    at = 0
    for part, start in zip(parts, starts, strict=False):
        own[start : start + part.elements] = at + np.arange(part.elements)
        at += part.elements
    rows = own[picked]
    if (rows < 0).any():
        return None
    return _taken(joined, rows, made.shape)


def broadcast(x: Affine, shape: tuple[int, ...], batch: int) -> Affine:
    """A tensor repeated to a shape, as numpy does it."""
    elements = np.arange(x.elements)
    own = (1, *x.shape[1:]) if x.terms and batch > 1 else x.shape
    rows = np.broadcast_to(elements.reshape(own), shape)
    return _taken(x, (rows if batch == 1 else rows[0]).reshape(-1), shape)


def scaled(x: Affine, factor: Array) -> Affine:
    """Each element times a number of its own, (D,)."""
    return Affine(x.shape, {atom: _scaled(weight, factor) for atom, weight in x.terms.items()}, x.bias * factor)


def added(a: Affine, b: Affine) -> Affine:
    """The sum of two tensors of one shape."""
    terms = dict(a.terms)
    for atom, weight in b.terms.items():
        terms[atom] = _added(terms[atom], weight) if atom in terms else weight
    return Affine(a.shape, terms, a.bias + b.bias)


def mixed(x: Affine, matrix: Array, shape: tuple[int, ...]) -> Affine:
    """matrix (K, D) @ x."""
    terms: dict[Atom, Weight] = {atom: _product(matrix, weight) for atom, weight in x.terms.items()}
    return Affine(shape, terms, matrix @ x.bias)


def dense(weight: Weight) -> Array:
    """A weight as a matrix (D, C)."""
    if not isinstance(weight, Selection):
        return weight
    matrix = np.zeros((len(weight.rows), weight.channels))
    matrix[np.arange(len(weight.rows)), weight.rows] = weight.scale
    return matrix


def _joined(parts: Sequence[Affine]) -> Affine:
    """The elements of some tensors one after the other."""
    if len(parts) == 1:
        return parts[0]
    atoms = {atom: None for part in parts for atom in part.terms}
    terms: dict[Atom, Weight] = {}
    for atom in atoms:
        weights = [
            part.terms[atom]
            if atom in part.terms
            else Selection(np.zeros(part.elements, np.intp), np.zeros(part.elements), atom.channels)
            for part in parts
        ]
        terms[atom] = _stacked(weights)
    bias = np.concatenate([part.bias for part in parts])
    return Affine(bias.shape, terms, bias)


def _stacked(weights: Iterable[Weight]) -> Weight:
    weights = list(weights)
    selections = [weight for weight in weights if isinstance(weight, Selection)]
    if len(selections) == len(weights):
        rows, scale = (np.concatenate([getattr(each, name) for each in selections]) for name in ("rows", "scale"))
        return Selection(rows, scale, selections[0].channels)
    return np.concatenate([dense(weight) for weight in weights])


def _taken(x: Affine, rows: NDArray[np.intp], shape: tuple[int, ...]) -> Affine:
    terms: dict[Atom, Weight] = {
        atom: Selection(weight.rows[rows], weight.scale[rows], weight.channels)
        if isinstance(weight, Selection)
        else weight[rows]
        for atom, weight in x.terms.items()
    }
    return Affine(shape, terms, x.bias[rows])


def _scaled(weight: Weight, factor: Array) -> Weight:
    if isinstance(weight, Selection):
        return Selection(weight.rows, weight.scale * factor, weight.channels)
    return weight * factor[:, None]


def _added(a: Weight, b: Weight) -> Weight:
    if isinstance(a, Selection) and isinstance(b, Selection) and (a.rows == b.rows).all():
        return Selection(a.rows, a.scale + b.scale, a.channels)
    return dense(a) + dense(b)


def _product(matrix: Array, weight: Weight) -> Array:
    if not isinstance(weight, Selection):
        return matrix @ weight
    if weight.in_place:
        return matrix * weight.scale
    result = np.zeros((len(matrix), weight.channels))
    np.add.at(result.T, weight.rows, (matrix * weight.scale).T)
    return result
