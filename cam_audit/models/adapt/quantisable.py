"""Which part of a CAM-ready graph is quantised, and the note about it in the file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnx.version_converter
from onnx import helper, numpy_helper

from cam_audit.errors import ModelError
from cam_audit.models.adapt.source import tensors_read, to_bytes
from cam_audit.models.file_format import FEATURE_OUTPUTS, METADATA_PREFIX

# The preprocessing's tensors as `build` calls them, and those that a batch norm reads besides.
FACTOR, OFFSET = "cam_audit/factor", "cam_audit/offset"
MEAN, VARIANCE = "cam_audit/mean", "cam_audit/variance"
PLANES = [1, 3, 1, 1]
# Convolutions that `build` and `cells` put in: grey of three planes, and what is done to each cell of the map.
KEPT_FLOAT = ("cam_audit/one_plane", "cam_audit/cells/")
# What keeps the resolution that 8 bits have.
SIMPLE = frozenset(("Relu", "Clip", "MaxPool", "Add", "Concat"))
LEAST_OPSET = 13


def write_without_features(path: Path, target: Path) -> None:
    """Write a copy without the outputs that only parts need; what makes them alone goes when it is optimised."""
    model = onnx.load(path, load_external_data=False)
    kept = [value for value in model.graph.output if value.name not in FEATURE_OUTPUTS]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    target.write_bytes(to_bytes(model))


def read_quantisable(path: Path) -> onnx.ModelProto:
    """Read a model as the quantiser wants it: of opset 13 or later, which has a scale a channel, and every node with
    a name, by which it goes; also with its preprocessing in one pass.
    """
    model = onnx.load(path, load_external_data=False)
    if any(entry.domain in ("", "ai.onnx") and entry.version < LEAST_OPSET for entry in model.opset_import):
        model = onnx.version_converter.convert_version(model, LEAST_OPSET)
    _fuse_preprocessing(model.graph)
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return model


def _fuse_preprocessing(graph: onnx.GraphProto) -> None:
    """Put one BatchNormalization in the place of the preprocessing's Mul and Add, where channels come first.

    Int8 convolutions make onnxruntime move the channels to the end, where multiplying by three numbers is slow:
    it would take a fifth of the time of a small net.
    """
    reading = {name: node for node in graph.node for name in node.input if name in (FACTOR, OFFSET)}
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer if tensor.name in (FACTOR, OFFSET)}
    if set(reading) != {FACTOR, OFFSET} or shapes != {FACTOR: PLANES, OFFSET: PLANES}:
        return
    multiply, add = reading[FACTOR], reading[OFFSET]
    for tensor in graph.initializer:
        if tensor.name in shapes:
            tensor.dims[:] = [3]
    graph.initializer.extend(
        numpy_helper.from_array(values, name)
        for name, values in ((MEAN, np.zeros(3, np.float32)), (VARIANCE, np.ones(3, np.float32)))
    )
    normalise = helper.make_node(
        "BatchNormalization", [multiply.input[0], FACTOR, OFFSET, MEAN, VARIANCE], add.output, epsilon=0.0
    )
    multiply.CopyFrom(normalise)
    graph.node.remove(add)


def body(model: onnx.ModelProto) -> list[str]:
    """The names of the convolutions, and of what merely selects or adds up numbers between two of them.

    What stays float: the preprocessing, the steps that `cells` does for each image, what makes the activations of the
    last convolutions' output, the classifier, and operators such as Pow that 8 bits are too few for, with what reads
    them. So the map keeps its resolution, and its mean is the logit as exactly as before.

    Raises ModelError where the graph has no convolution or is quantised already.
    """
    nodes = model.graph.node
    if any(node.op_type == "QuantizeLinear" for node in nodes):
        raise ModelError("it is quantised already")
    ahead: set[str] = set()
    for node in reversed(nodes):
        if node.op_type == "Conv" or not ahead.isdisjoint(node.output):
            ahead |= tensors_read(node)
    # an optional input that is left out is called ""
    constants = {"", *(tensor.name for tensor in model.graph.initializer)}
    quantised: set[str] = set()
    names = []
    for node in nodes:
        if node.output[0].startswith(KEPT_FLOAT):
            continue
        simple = node.op_type in SIMPLE and quantised.issuperset(tensors_read(node) - constants)
        if node.op_type == "Conv" or (simple and not ahead.isdisjoint(node.output)):
            quantised.update(node.output)
            names.append(node.name)
    if not names:
        raise ModelError("it has no convolution, and nothing else is worth quantising")
    return names


def write_with_metadata(model: Path, target: Path, metadata: Mapping[str, str]) -> None:
    """Write a copy of a model whose metadata under our prefix are `metadata`, keys without the prefix."""
    noted = onnx.load(model, load_external_data=False)
    helper.set_model_props(noted, {METADATA_PREFIX + key: text for key, text in metadata.items()})
    target.write_bytes(to_bytes(noted))
