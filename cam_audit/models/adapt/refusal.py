"""Say why a network has no map: its scores are no sum over cells, or a step can't be taken back to the cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cam_audit.errors import ModelError
from cam_audit.models.adapt.maps import wide_axes
from cam_audit.models.adapt.shapes import Shapes
from cam_audit.models.adapt.source import Graph, Layer

if TYPE_CHECKING:
    from cam_audit.models.adapt.reader import UnreadNodeError

FULLY_CONNECTED = frozenset(("Gemm", "MatMul"))
TAKES_SOME = frozenset(("Gather", "GatherElements", "GatherND", "Slice", "Split"))


def refusal(graph: Graph, shapes: Shapes, stop: UnreadNodeError) -> ModelError:
    """Why scores that were read back to `stop` have no map."""
    dense = [str(layer) for layer in _dense_after(graph, stop)]
    fed = f"the classifier {dense[-1]}" if dense else "the output"
    if stop.single is not None:
        return ModelError(f"the map that {Layer.of(stop.single)} averages is a single cell; give a larger input size")
    if stop.node is None:
        return ModelError(f"no spatial map: the image itself feeds {fed}")
    layer = Layer.of(stop.node)
    shape = shapes.get(stop.via.input[0], ()) if stop.via else ()
    cells = wide_axes(shape)
    if stop.via is None or len(cells) < 2:
        return ModelError(
            f"{layer} stands between the pooling and {fed}; `adapt` knows no way from what it makes back to the cells"
        )
    if len(shape) == 3 and len(cells) == 2 and stop.via.op_type in TAKES_SOME:
        return ModelError(
            f"a class token: {Layer.of(stop.via)} takes one of {shape[1]} tokens, and {fed} reads that alone, so the "
            "scores are no sum over the image's cells; a net that averages its tokens has a map (in timm: "
            "global_pool='avg', trained so)"
        )
    several = f"several fully connected layers ({', '.join(dense)})" if len(dense) > 1 else fed
    return ModelError(
        f"no global average pooling: {layer} feeds {several}, with weights of their own for each cell; the class "
        "activation map of the paper is not defined for that. `--per-image` takes such a net, with maps that are exact "
        "for each image but not that map"
    )


def _dense_after(graph: Graph, stop: UnreadNodeError) -> list[Layer]:
    """The fully connected layers from where reading stopped to the output."""
    reached = set(stop.via.output if stop.via else stop.node.output if stop.node else ())
    reached |= {value.name for value in graph.inputs} if stop.node is None else set()
    found = []
    for node in graph.model.graph.node:
        if not reached.isdisjoint(node.input):
            reached.update(node.output)
            constant_weight = len(node.input) > 1 and graph.is_constant(node.input[1])
            if node.op_type in FULLY_CONNECTED | {"Conv"} and constant_weight:
                found.append(Layer.of(node))
    return found
