"""Find the head of a classifier: what is pooled, and what follows it, a softmax at the end cut off.

All linear layers after the last nonlinear step become one; the steps before it are done to each cell (`cells`). Where
nothing but pooling is there, the last convolution takes its place, in each cell: SqueezeNet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ModelError
from cam_audit.models.adapt.affine import Affine, Selection, dense
from cam_audit.models.adapt.atoms import Atom, Average, AxisOrder, Flattened, Map, Product
from cam_audit.models.adapt.reader import NEUTRAL, Reader, UnreadNodeError
from cam_audit.models.adapt.refusal import refusal
from cam_audit.models.adapt.shapes import Shapes
from cam_audit.models.adapt.source import KEEPS_NUMBERS, Graph, Layer, attribute

Array = NDArray[Any]

CUT = frozenset(("Softmax", "LogSoftmax", "Sigmoid"))


@dataclass(frozen=True)
class LastConvolution:
    """The 1x1 convolution (K, C') and (K,) whose output is pooled, `rectified` where a ReLU comes between.

    `reads` is the tensor (N, C', h, w) that enters it.
    """

    reads: str
    weight: Array
    bias: Array
    rectified: bool


@dataclass(frozen=True, eq=False)
class Head:
    """The head of a classifier.

    `logits` is the tensor before the cut activation, and `scores` it, as an affine function of atoms: (K,). `single`:
    whether the source has one score z, of which [0, z] is made. `maps` are pooled by `poolings`; `layers`
    follow, and `activation_layer` makes the map. `convolution`: what makes the scores in each cell, where nothing
    follows the pooling; None where that is no 1x1 convolution.
    """

    logits: str
    scores: Affine
    single: bool
    maps: tuple[Map, ...]
    poolings: tuple[Layer, ...]
    layers: tuple[Layer, ...]
    activation_layer: Layer
    convolution: LastConvolution | None
    cut: Layer | None

    @property
    def exact(self) -> bool:
        """Whether the scores are linear in the averages over the cells, as in the paper, whatever the image."""
        return all(type(atom) is Average for atom in self.scores.terms)

    @property
    def several(self) -> bool:
        """Whether several classes may be true of an image, as each has a sigmoid of its own."""
        return self.cut is not None and self.cut.kind == "Sigmoid" and not self.single

    @property
    def by_place(self) -> bool:
        """Whether the scores read a map's cells by weights of their own, so that each class has a map of its own."""
        return any(isinstance(atom, Flattened) for atom in self.scores.terms)

    @property
    def flattened(self) -> bool:
        """Whether the cells of a map are read by weights of their own, at the end or before other layers."""
        return any(isinstance(leaf, Flattened) for leaf in _pooled(self.scores))

    @property
    def weight(self) -> Array | None:
        """The last linear layer (K, C), over the channels of all atoms; None where the map of a class is a channel."""
        if self.by_place or _is_pooling_alone(self.scores):
            return None
        return np.concatenate([dense(term) for term in self.scores.terms.values()], axis=1)


def find_head(
    graph: Graph, output: str, shapes: Shapes, *, batch: int, size: tuple[int, int], per_image: bool = False
) -> Head:
    """Find the head that computes a graph output (N, K), of these shapes for an input of `size` (H, W).

    per_image: whether maps are also made where a flattened map, not its average, is classified.

    Raises ModelError with the reason and the layer's name where the scores are no sum over the cells of a map.
    """
    cut = None
    logits = output
    node = graph.maker(output, NEUTRAL)
    if node is not None and node.op_type in CUT:
        cut = Layer.of(node)
        logits = node.input[0]
    reader = Reader(graph, shapes, batch, size, flattens=per_image)
    try:
        scores = reader.read(logits)
    except UnreadNodeError as stop:
        raise refusal(graph, shapes, stop) from None
    leaves = list(dict.fromkeys(_pooled(scores)))
    if not leaves:
        raise ModelError("its scores are the same for every image")
    grids = {leaf.map.grid for leaf in leaves}
    if len(grids) > 1:
        sizes = " and ".join(f"{height}x{width}" for height, width in sorted(grids))
        raise ModelError(f"its scores are made of maps of {sizes} cells, which are no one map")
    first = leaves[0].map
    height, width = first.grid
    if height * width == 1:
        raise ModelError(f"the map that {leaves[0].layer} pools is a single cell; give a larger input size")
    single = scores.elements == 1
    if single:
        scores = _two_of_one(scores)
    made_by = graph.maker(first.tensor, NEUTRAL)
    return Head(
        logits=logits,
        scores=scores,
        single=single,
        maps=tuple(dict.fromkeys(leaf.map for leaf in leaves)),
        poolings=tuple(dict.fromkeys(leaf.layer for leaf in leaves)),
        layers=tuple(reader.layers),
        activation_layer=Layer(first.tensor, "input") if made_by is None else Layer.of(made_by),
        convolution=_last_convolution(graph, first) if _is_pooling_alone(scores) else None,
        cut=cut,
    )


def _two_of_one(score: Affine) -> Affine:
    """[0, z]: softmax of it is the sigmoid of z."""
    terms = {
        atom: np.concatenate([np.zeros((1, atom.channels)), dense(weight)]) for atom, weight in score.terms.items()
    }
    return Affine((*score.shape[:1], 2), dict(terms), np.array([0.0, score.bias[0]]))


def _pooled(x: Affine) -> Iterator[Average | Flattened]:
    """The maps that a tensor is made of, at the end of whatever steps."""
    for atom in x.terms:
        yield from _pooled_by(atom)


def _pooled_by(atom: Atom) -> Iterator[Average | Flattened]:
    match atom:
        case Average() | Flattened():
            yield atom
        case Product():
            yield from _pooled(atom.carried)
            yield from _pooled(atom.factor)
        case _:
            yield from _pooled(atom.x)


def _is_pooling_alone(scores: Affine) -> bool:
    (weight, *others), (atom, *_) = scores.terms.values(), scores.terms
    return (
        not others
        and type(atom) is Average
        and isinstance(weight, Selection)
        and weight.in_place
        and bool((weight.scale == 1).all())
        and not scores.bias.any()
    )


def _last_convolution(graph: Graph, pooled: Map) -> LastConvolution | None:
    """The 1x1 convolution that makes a map by itself or with a ReLU."""
    if pooled.layout != AxisOrder.CHANNELS_FIRST:
        return None
    node = graph.maker(pooled.tensor, KEEPS_NUMBERS)
    rectified = node is not None and node.op_type == "Relu"
    if node is not None and rectified:
        node = graph.maker(node.input[0], KEEPS_NUMBERS)
    if node is None or node.op_type != "Conv" or not graph.is_constant(node.input[1]):
        return None
    weight = graph.constant(node.input[1]).astype(np.float32)
    moves = any(stride != 1 for stride in attribute(node, "strides", ())) or any(attribute(node, "pads", ()))
    if weight.shape[2:] != (1, 1) or attribute(node, "group", 1) != 1 or moves:
        return None
    bias = graph.constant(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(len(weight))
    return LastConvolution(node.input[0], weight[:, :, 0, 0], bias.astype(np.float32), rectified)
