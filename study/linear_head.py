"""A linear head on a frozen CAM-ready backbone: pooled features, logistic regression, a new ONNX file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cam_audit.images.resize import network_size, resize
from cam_audit.images.rgb import RgbImage
from cam_audit.models import file_format
from cam_audit.models.adapt.source import Graph
from cam_audit.models.model import Model, Prediction

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]

DEFAULT_L2 = 1e-4
GRADIENT_TOLERANCE = 1e-5
MAX_STEPS = 5000


@dataclass(frozen=True, eq=False)
class LinearHead:
    """weight float64 (K, C), bias float64 (K,)."""

    weight: Floats
    bias: Floats

    def logits(self, features: Floats) -> Floats:
        """Logits (n, K) of pooled features (n, C)."""
        return features @ self.weight.T + self.bias


def predict(model: Model, rgb: RgbImage) -> Prediction:
    """One forward pass over an image, uint8 (H, W, 3), at the size at which a scan runs it."""
    width, height = network_size(rgb.shape[1], rgb.shape[0], min(model.input_size), model.cell)
    return model.run(resize(rgb, width, height))


def pooled_features(model: Model, rgb: RgbImage) -> NDArray[np.float32]:
    """What a head sees of an image, uint8 (H, W, 3): activations averaged over h and w, float32 (C,)."""
    return predict(model, rgb).activations.mean(axis=(1, 2))


def train_head(features: Floats, labels: Labels, l2: float = DEFAULT_L2) -> LinearHead:
    """The head that minimises `objective` on features (n, C), centred and of unit mean square length.

    labels: the class of each row, 0..K-1, all of them present. Nesterov's accelerated gradient for smooth and
    strongly convex functions (Nesterov 2004, scheme 2.2.22): step and momentum follow from `l2` and the
    largest eigenvalue of the weighted covariance. Deterministic.
    """
    mean = features.mean(axis=0)
    scale = np.sqrt(((features - mean) ** 2).sum(axis=1).mean())
    # The bias is one more weight, of a feature that is always 1.
    inputs = np.column_stack([(features - mean) / scale, np.ones(len(features))])
    # The Hessian of the cross-entropy is at most half the weighted covariance (Böhning 1992).
    smoothness = 0.5 * np.linalg.norm(np.sqrt(_balanced(labels))[:, None] * inputs, 2) ** 2 + l2
    momentum = (np.sqrt(smoothness) - np.sqrt(l2)) / (np.sqrt(smoothness) + np.sqrt(l2))
    weight = ahead = np.zeros((int(labels.max()) + 1, inputs.shape[1]))
    for _ in range(MAX_STEPS):
        _, gradient = objective(ahead, inputs, labels, l2)
        if np.abs(gradient).max() < GRADIENT_TOLERANCE:
            break
        previous, weight = weight, ahead - gradient / smoothness
        ahead = weight + momentum * (weight - previous)
    scaled = ahead[:, :-1] / scale
    return LinearHead(scaled, ahead[:, -1] - scaled @ mean)


def objective(weight: Floats, inputs: Floats, labels: Labels, l2: float) -> tuple[float, Floats]:
    """The class-balanced cross-entropy plus l2 / 2 x the squared weights, and its gradient.

    weight (K, D), inputs (n, D), labels (n,); every class has the same total share in the mean.
    """
    share = _balanced(labels)
    rows = np.arange(len(labels))
    logits = inputs @ weight.T
    logits -= logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    loss = -share @ log_probabilities[rows, labels] + 0.5 * l2 * (weight**2).sum()
    residuals = np.exp(log_probabilities)
    residuals[rows, labels] -= 1
    return float(loss), (share[:, None] * residuals).T @ inputs + l2 * weight


def write_with_head(backbone: Path, head: LinearHead, class_names: Sequence[str], out: Path) -> None:
    """Write the CAM-ready net that `backbone`, a CAM-ready file, becomes with another head."""
    graph = Graph(onnx.load(backbone))
    nodes, initializers = graph.upstream([file_format.ACTIVATIONS])
    nodes += [
        helper.make_node("GlobalAveragePool", [file_format.ACTIVATIONS], ["head/pooled"]),
        helper.make_node("Flatten", ["head/pooled"], ["head/features"]),
        helper.make_node(
            "Gemm", ["head/features", file_format.CAM_WEIGHT, file_format.CAM_BIAS], [file_format.LOGITS], transB=1
        ),
    ]
    initializers += [
        numpy_helper.from_array(head.weight.astype(np.float32), file_format.CAM_WEIGHT),
        numpy_helper.from_array(head.bias.astype(np.float32), file_format.CAM_BIAS),
    ]
    classes, channels = head.weight.shape
    shapes = {
        file_format.LOGITS: ["N", classes],
        file_format.ACTIVATIONS: ["N", channels, "h", "w"],
        file_format.CAM_WEIGHT: [classes, channels],
        file_format.CAM_BIAS: [classes],
    }
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[name]) for name in shapes]
    model = graph.derive(helper.make_graph(nodes, "linear_head", graph.inputs, outputs, initializers))
    metadata = {entry.key: entry.value for entry in graph.model.metadata_props}
    metadata[file_format.METADATA_PREFIX + file_format.CLASSES_KEY] = json.dumps(list(class_names))
    metadata.pop(file_format.METADATA_PREFIX + file_format.CLASS_IDS_KEY, None)
    helper.set_model_props(model, metadata)
    onnx.save(model, out)


def _balanced(labels: Labels) -> Floats:
    """The weight of each image, (n,): 1 in all, and the same for every class."""
    counts = np.bincount(labels)
    return 1 / (len(counts) * counts[labels])
