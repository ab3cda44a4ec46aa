"""Plain ONNX classifiers with known weights, node by node, and what they compute, in numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from cam_audit.models.adapt import AdaptedModel, Preprocessing, adapt
from cam_audit.models.model import Model, load_model

CHANNELS, CLASSES, SIDE = 6, 5, 32
UNIT = Preprocessing(1 / 255, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))

_random = np.random.default_rng(1)
KERNEL = _random.normal(size=(CHANNELS, 3, 3, 3)).astype(np.float32)
WEIGHT = _random.normal(size=(CLASSES, CHANNELS)).astype(np.float32)
BIAS = _random.normal(size=CLASSES).astype(np.float32)


@dataclass
class Net:
    """A graph in the making: `op` adds a node, `const` an initializer; both return a tensor's name."""

    dtype: Any = np.float32
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initializers: list[onnx.TensorProto] = field(default_factory=list)

    def op(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def const(self, values: Any, dtype: Any = None) -> str:
        values = np.asarray(values)
        if values.dtype.kind == "f":
            values = values.astype(dtype or self.dtype)
        name = f"const_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(values, name))
        return name

    def model(
        self,
        outputs: Sequence[str],
        *,
        shape: Sequence[int | str] = ("N", 3, "H", "W"),
        image: str = "pixels",
        opset: int = 17,
        ir_version: int = 8,
    ) -> onnx.ModelProto:
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        graph = helper.make_graph(
            self.nodes,
            "plain",
            [helper.make_tensor_value_info(image, kind, shape)],
            [onnx.ValueInfoProto(name=name) for name in outputs],
            self.initializers,
        )
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


Head = Callable[[Net, str], str]


def features(net: Net, image: str = "pixels") -> str:
    """The body of every net here: Conv with stride 2, Relu."""
    conv = net.op("Conv", image, net.const(KERNEL), strides=[2, 2], pads=[1, 1, 1, 1])
    return net.op("Relu", conv, name="last_relu")


def plain(head: Head, *, dtype: Any = np.float32, **options: Any) -> onnx.ModelProto:
    """Features and a head; options are those of `Net.model`."""
    net = Net(dtype)
    return net.model([head(net, features(net, options.get("image", "pixels")))], **options)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "plain.onnx"
    onnx.save(model, path)
    return path


def adapted(model: onnx.ModelProto, folder: Path, **options: Any) -> tuple[AdaptedModel, Model]:
    """Save a plain model, adapt it, and load what that wrote; options are those of `adapt`."""
    given: dict[str, Any] = {"preprocessing": UNIT, "classes": None, "net": "test", "input_size": (SIDE, SIDE)}
    found = adapt(save(model, folder), folder / "out" / "cam.onnx", **given | options)
    return found, load_model(found.path)


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float = 1e-4) -> None:
    """Assert that numbers differ by less than a share of the largest that is expected, or of 1."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


def expected_activations(rgb: np.ndarray, preprocessing: Preprocessing = UNIT) -> np.ndarray:
    """What enters the pooling, (CHANNELS, h, w), for an RGB image uint8 (H, W, 3); float64."""
    channels = (rgb * preprocessing.scale - preprocessing.mean) / preprocessing.std
    planes = (channels[..., ::-1] if preprocessing.bgr else channels).transpose(2, 0, 1)
    padded = np.pad(planes, ((0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return np.maximum(np.einsum("chwij,kcij->khw", windows, KERNEL.astype(np.float64)), 0)


def picture(height: int = SIDE, width: int = SIDE, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def pool(net: Net, tensor: str) -> str:
    return net.op("GlobalAveragePool", tensor)


def flat_pool(net: Net, tensor: str) -> str:
    return net.op("Flatten", pool(net, tensor))


def gemm(net: Net, tensor: str) -> str:
    return net.op("Gemm", tensor, net.const(WEIGHT), net.const(BIAS), transB=1, name="fc")


def matmul(net: Net, tensor: str) -> str:
    return net.op("MatMul", tensor, net.const(WEIGHT.T))


def pointwise(net: Net, tensor: str) -> str:
    return net.op("Conv", tensor, net.const(WEIGHT[:, :, None, None]), net.const(BIAS))
