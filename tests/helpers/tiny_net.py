"""A net small enough to compute by hand: convolution, ReLU, global average pooling, linear layer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CELL = 8
INPUT_SIZE = 32
COLOURS = ("red", "green", "blue", "other")
COLOUR_IDS = ("n00000001", "n00000002", "n00000003", "n00000004")

Array = NDArray[np.float32]


@dataclass(frozen=True)
class TinyNet:
    """conv: float32 (C, 3, CELL, CELL), its stride CELL, on RGB in 0..1; linear: (K, C) or None.

    `in_each_cell`: as in SqueezeNet, it is a 1x1 convolution before the pooling; `rectified`: with a ReLU.
    """

    conv: Array
    linear: Array | None
    bias: Array
    classes: tuple[str, ...]
    ids: tuple[str, ...] = ()
    fixed_size: tuple[int, int] | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    in_each_cell: bool = False
    rectified: bool = True

    def features(self, rgb: NDArray[np.uint8]) -> Array:
        """What the convolution with its ReLU makes of uint8 (H, W, 3), (C, h, w), by loops over the cells."""
        rows, columns = rgb.shape[0] // CELL, rgb.shape[1] // CELL
        activations = np.zeros((len(self.conv), rows, columns))
        for row in range(rows):
            for column in range(columns):
                cell = rgb[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL].transpose(2, 0, 1) / 255
                for channel, kernel in enumerate(self.conv):
                    activations[channel, row, column] = max(0.0, (cell * kernel).sum())
        return activations.astype(np.float32)

    def forward(self, rgb: NDArray[np.uint8]) -> tuple[Array, Array]:
        """Logits (K,) and activations (C, h, w) for uint8 (H, W, 3)."""
        activations = self.features(rgb)
        if self.in_each_cell and self.linear is not None:
            activations = np.einsum("kc,chw->khw", self.linear, activations) + self.bias[:, None, None]
            if self.rectified:
                activations = np.where(activations > 0, activations, 0)
        pooled = activations.astype(np.float64).mean(axis=(1, 2))
        logits = pooled if self.linear is None or self.in_each_cell else self.linear @ pooled + self.bias
        return logits.astype(np.float32), activations.astype(np.float32)

    def proto(self) -> onnx.ModelProto:
        """The CAM-ready model; tests that need a wrong one edit it."""
        height, width = self.fixed_size or ("height", "width")
        weights = {"conv": self.conv, "scale": np.float32([1 / 255])}
        nodes = [
            helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["float", "scale"], ["scaled"]),
            helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "conv"], ["convolved"], strides=[CELL, CELL]),
            helper.make_node("Relu", ["convolved"], ["features" if self.in_each_cell else "activations"]),
            helper.make_node("GlobalAveragePool", ["activations"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat" if self._has_linear_layer else "logits"]),
        ]
        outputs = ["logits", "activations"]
        if self._has_linear_layer:
            weights |= {"cam_weight": self.linear, "cam_bias": self.bias}
            nodes.append(helper.make_node("Gemm", ["flat", "cam_weight", "cam_bias"], ["logits"], transB=1))
            outputs += ["cam_weight", "cam_bias"]
        if self.in_each_cell:
            weights |= {"last": self.linear[:, :, None, None], "feature_weight": self.linear, "feature_bias": self.bias}
            scores = "scores" if self.rectified else "activations"
            nodes.insert(5, helper.make_node("Conv", ["features", "last", "feature_bias"], [scores]))
            if self.rectified:
                nodes.insert(6, helper.make_node("Relu", [scores], ["activations"]))
            outputs += ["features", "feature_weight", "feature_bias"]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", height, width, 3])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(values, name) for name, values in weights.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {f"cam_audit.{key}": value for key, value in self.all_metadata().items()})
        return model

    @property
    def _has_linear_layer(self) -> bool:
        return self.linear is not None and not self.in_each_cell

    def all_metadata(self) -> dict[str, str]:
        return {
            "version": "1",
            "net": "tiny",
            "classes": json.dumps(self.classes),
            **({"class_ids": json.dumps(self.ids)} if self.ids else {}),
            "input_size": json.dumps(self.fixed_size or (INPUT_SIZE, INPUT_SIZE)),
            "activation_layer": "relu",
            "source_sha256": "0" * 64,
            "licence": "CC0-1.0",
            **self.metadata,
        }

    def write(self, path: Path) -> Path:
        onnx.save(self.proto(), str(path))
        return path


def colour_net(**changes: object) -> TinyNet:
    """Channel c is how much a cell is red, green or blue rather than grey, 0..1; logit c is 8 x its mean.

    Grey is 0 in every channel, and `other` has the constant logit 0.5.
    """
    conv = np.zeros((3, 3, CELL, CELL), np.float32)
    for colour in range(3):
        conv[colour] = -0.5 / CELL**2
        conv[colour, colour] = 1 / CELL**2
    linear = np.zeros((4, 3), np.float32)
    linear[:3] = 8 * np.eye(3)
    settings = {"classes": COLOURS, "ids": COLOUR_IDS, "bias": np.float32([0, 0, 0, 0.5]), **changes}
    return TinyNet(conv, linear, **settings)  # type: ignore[arg-type]


def random_net(seed: int = 0, *, channels: int = 6, classes: int = 5, linear: bool = True) -> TinyNet:
    random = np.random.default_rng(seed)
    conv = random.normal(0, 0.2, (channels, 3, CELL, CELL)).astype(np.float32)
    if not linear:
        names = tuple(f"class {index}" for index in range(channels))
        return TinyNet(conv, None, np.zeros(channels, np.float32), names)
    weight, bias = random.normal(size=(classes, channels)), random.normal(size=classes)
    return TinyNet(
        conv,
        weight.astype(np.float32),
        bias.astype(np.float32),
        tuple(f"class {index}" for index in range(classes)),
    )
