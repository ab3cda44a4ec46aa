"""Read a plain ONNX file, which may be hostile, and index its graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner
from numpy.typing import NDArray
from onnx import external_data_helper, numpy_helper

from cam_audit.errors import ModelError
from cam_audit.models.adapt.bfloat16 import widen
from cam_audit.models.adapt.subgraphs import subgraphs
from cam_audit.models.export_help import not_onnx
from cam_audit.models.file_format import METADATA_PREFIX
from cam_audit.models.session import run_once

Array = NDArray[Any]

OLDEST_OPSET = 7
# Nodes whose output has the numbers of their input, each in its place and not bounded as by quantising.
KEEPS_NUMBERS = frozenset(("Cast", "Dropout", "Identity"))
TORCH_SCOPES = "pkg.torch.onnx.name_scopes"


def read_source(path: Path) -> Graph:
    """Read an ONNX file with its external data, local functions inlined.

    Raises ModelError where the file is missing, damaged, of another format, CAM-ready already, older than opset 7, or
    names external data outside its own folder.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise not_onnx(path) or ModelError(f"cannot be read: {error.strerror or error}") from None
    except Exception:
        # protobuf's errors, of a package that is not ours to depend on
        raise not_onnx(path) or ModelError("not an ONNX file, or a damaged one") from None
    if not model.graph.node:
        raise not_onnx(path) or ModelError("not an ONNX file, or one with an empty graph")
    if any(entry.key.startswith(METADATA_PREFIX) for entry in model.metadata_props):
        raise ModelError("CAM-ready already, scan with it as it is")
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if opset < OLDEST_OPSET:
        raise ModelError(f"opset {opset}, adapt takes {OLDEST_OPSET} and up; export the model again with a newer one")
    if model.functions:
        try:
            model = onnx.inliner.inline_local_functions(model)
        except Exception as error:
            raise ModelError(f"its local functions cannot be inlined: {str(error).splitlines()[0]}") from None
    # after inlining, as functions have data of their own
    _load_external_data(model, path.parent)
    _sort_nodes(model.graph)
    _drop_unread_inputs(model.graph)
    widen(model.graph)
    return Graph(model)


@dataclass(frozen=True, eq=False)
class Graph:
    """A model's top-level graph, indexed by tensor name."""

    model: onnx.ModelProto

    @cached_property
    def initializers(self) -> dict[str, onnx.TensorProto]:
        """Stored tensors by name."""
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        """What a caller must feed: old exporters list the initializers as inputs too."""
        return [value for value in self.model.graph.input if value.name not in self.initializers]

    @cached_property
    def producers(self) -> dict[str, onnx.NodeProto]:
        """The node that makes each tensor."""
        return {name: node for node in self.model.graph.node for name in node.output if name}

    def maker(self, tensor: str, passed: Collection[str]) -> onnx.NodeProto | None:
        """The node that makes a tensor, or what it is made of by nodes of the `passed` kinds; None for an input."""
        node = self.producers.get(tensor)
        while node is not None and node.op_type in passed:
            node = self.producers.get(node.input[0])
        return node

    @cached_property
    def _fed(self) -> set[str]:
        """Names of tensors that depend on the graph's inputs."""
        fed = {value.name for value in self.inputs}
        for node in self.model.graph.node:
            if not fed.isdisjoint(tensors_read(node)):
                fed.update(node.output)
        return fed

    def is_constant(self, tensor: str) -> bool:
        """Whether a tensor is the same for every input."""
        return tensor not in self._fed

    def constant(self, tensor: str) -> Array:
        """The value of a constant tensor, whatever nodes (dequantising, transposing) it goes through."""
        if tensor in self.initializers:
            return numpy_helper.to_array(self.initializers[tensor])
        nodes, initializers = self.upstream([tensor])
        graph = onnx.helper.make_graph(nodes, "constant", [], [onnx.ValueInfoProto(name=tensor)], initializers)
        return run_once(self.derive(graph).SerializeToString(), {})[tensor]

    def upstream(self, tensors: Iterable[str]) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
        """The nodes, in the graph's order, and the initializers that some tensors are computed from."""
        needed = set(tensors)
        nodes = []
        for node in reversed(self.model.graph.node):
            if not needed.isdisjoint(node.output):
                nodes.append(node)
                needed.update(tensors_read(node))
        return nodes[::-1], [tensor for name, tensor in self.initializers.items() if name in needed]

    def derive(self, graph: onnx.GraphProto) -> onnx.ModelProto:
        """A model of the same operator sets around another graph."""
        # onnxruntime 1.20 reads IR 10 at most; from IR 4 on initializers need not be inputs.
        ir_version = min(max(self.model.ir_version, 4), 10)
        return onnx.helper.make_model(
            graph, opset_imports=self.model.opset_import, ir_version=ir_version, producer_name="cam-audit"
        )

    def exposing(self, tensors: Iterable[str]) -> bytes:
        """The model as bytes, with inner tensors as further outputs."""
        exposed = onnx.ModelProto()
        exposed.CopyFrom(self.model)
        present = {value.name for value in exposed.graph.output}
        exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors if name not in present)
        return to_bytes(exposed)


@dataclass(frozen=True)
class Layer:
    """A node as people know it, such as 'layer4.1.relu' (Relu)."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.name!r} ({self.kind})"

    @classmethod
    def of(cls, node: onnx.NodeProto) -> Layer:
        """The layer of a node: torch's module, the node's own name, or its output's, whichever there is."""
        return cls(_torch_module(node) or node.name or node.output[0], node.op_type)


def _torch_module(node: onnx.NodeProto) -> str:
    """The module that torch's exporter made a node from; it lists scopes as "['', 'layer4', 'relu_16']"."""
    listed = next((entry.value for entry in node.metadata_props if entry.key == TORCH_SCOPES), "")
    scopes = listed.strip("[]").split(", ")
    return scopes[-2].strip("'") if len(scopes) > 1 else ""


def to_bytes(model: onnx.ModelProto) -> bytes:
    """The model as the bytes of a file; raises ModelError where it is larger than one file can be."""
    try:
        data: bytes = model.SerializeToString()
    except ValueError:
        raise ModelError("larger than 2 GB, which is more than one ONNX file can hold") from None
    return data


def tensors_read(node: onnx.NodeProto) -> set[str]:
    """Names of tensors that a node reads, those that its subgraphs capture included."""
    names = set(node.input)
    for graph in subgraphs(node):
        for inner in graph.node:
            names |= tensors_read(inner)
        names.update(value.name for value in graph.output)
    return names


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """The value of a node's attribute."""
    for entry in node.attribute:
        if entry.name == name:
            return onnx.helper.get_attribute_value(entry)
    return default


def reduced_axes(graph: Graph, node: onnx.NodeProto) -> list[int]:
    """The axes of a Reduce node, given as an attribute or, in newer operator sets, as an input."""
    if len(node.input) > 1 and node.input[1] and graph.is_constant(node.input[1]):
        return [int(axis) for axis in graph.constant(node.input[1]).ravel()]
    return list(attribute(node, "axes", ()))


def _sort_nodes(graph: onnx.GraphProto) -> None:
    """Put nodes after those that they read from, which some converters do not and onnxruntime forgives."""
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    reads = {
        index: {makers[name] for name in tensors_read(node) if name in makers} for index, node in enumerate(graph.node)
    }
    nodes = list(graph.node)
    try:
        order = list(TopologicalSorter(reads).static_order())
    except CycleError:
        raise ModelError("damaged, its layers feed each other in a circle") from None
    del graph.node[:]
    graph.node.extend(nodes[index] for index in order)


def _drop_unread_inputs(graph: onnx.GraphProto) -> None:
    """Take away inputs that no node reads, which exporters leave where they folded what read them."""
    read = {name for node in graph.node for name in tensors_read(node)} | {value.name for value in graph.output}
    kept = [value for value in graph.input if value.name in read]
    del graph.input[:]
    graph.input.extend(kept)


def _load_external_data(model: onnx.ModelProto, folder: Path) -> None:
    folder = folder.resolve()
    for tensor in _tensors(model.graph):
        if external_data_helper.uses_external_data(tensor):
            location = external_data_helper.ExternalDataInfo(tensor).location
            if not (folder / location).resolve().is_relative_to(folder):
                raise ModelError(f"external data {location!r} is outside the model's folder; refused")
    try:
        external_data_helper.load_external_data_for_model(model, str(folder))
    except Exception as error:
        # onnx raises OSError, ValueError and ValidationError here
        raise ModelError(f"external data cannot be read: {str(error).splitlines()[0]}") from None


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for entry in node.attribute:
            if entry.HasField("t"):
                yield entry.t
            yield from entry.tensors
        for inner in subgraphs(node):
            yield from _tensors(inner)
