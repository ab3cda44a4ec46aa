"""`adapt` offers what enters the last convolution of nets without a linear layer, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from plain_nets import (
    BIAS,
    CHANNELS,
    CLASSES,
    KERNEL,
    SIDE,
    UNIT,
    WEIGHT,
    Net,
    expected_activations,
    features,
    flat_pool,
    picture,
    pointwise,
    save,
)

from cam_audit.models.adapt import AdaptedModel, adapt
from cam_audit.models.model import Model, load_model

Head = Callable[[Net, str], str]


def conv(net: Net, tensor: str, **attributes: object) -> str:
    return net.op("Conv", tensor, net.const(WEIGHT[:, :, None, None]), net.const(BIAS), name="conv10", **attributes)


def rectified(net: Net, tensor: str) -> str:
    return net.op("Relu", conv(net, tensor))


# What comes before the pooling, and whether a ReLU is in it.
HEADS: dict[str, tuple[Head, bool]] = {
    "Conv, Relu": (rectified, True),
    "Conv": (conv, False),
    "Conv with all its attributes": (
        lambda n, t: conv(n, t, strides=[1, 1], pads=[0, 0, 0, 0], dilations=[1, 1], group=1, kernel_shape=[1, 1]),
        False,
    ),
    "Dropout, Conv, Relu": (lambda n, t: rectified(n, n.op("Dropout", t)), True),
    "Dropout, Identity and Cast anywhere": (
        lambda n, t: n.op("Identity", n.op("Relu", n.op("Dropout", conv(n, n.op("Cast", t, to=TensorProto.FLOAT))))),
        True,
    ),
    "weight and bias from nodes": (
        lambda n, t: n.op(
            "Relu",
            n.op(
                "Conv",
                t,
                n.op("Unsqueeze", n.const(WEIGHT), n.const([2, 3])),
                n.op("Identity", n.const(BIAS)),
            ),
        ),
        True,
    ),
}
NONE: dict[str, Head] = {
    "a linear layer": lambda n, t: n.op("Gemm", flat_pool(n, rectified(n, t)), n.const(WEIGHT), n.const(BIAS[:1])),
    "3x3": lambda n, t: n.op("Relu", n.op("Conv", t, n.const(np.ones((CLASSES, CHANNELS, 3, 3)) / 54))),
    "stride": lambda n, t: conv(n, t, strides=[2, 2]),
    "padding": lambda n, t: n.op("Relu", conv(n, t, pads=[1, 1, 1, 1])),
    "groups": lambda n, t: n.op("Conv", t, n.const(WEIGHT[:4, :3, None, None]), group=2),
    "another ReLU": lambda n, t: n.op("Clip", conv(n, t), n.const(0.0), n.const(6.0)),
    "a batch norm": lambda n, t: n.op("BatchNormalization", conv(n, t), *(n.const(np.ones(CLASSES)) for _ in range(4))),
    "a weight of the image": lambda n, t: n.op(
        "Conv", t, n.op("Mul", n.const(WEIGHT[:, :, None, None]), n.op("ReduceMean", t, axes=[0, 1, 2, 3]))
    ),
    "no convolution": lambda n, t: n.op("MaxPool", t, kernel_shape=[2, 2]),
}


def adapted(net: Net, last: str, folder: Path, **options: object) -> tuple[AdaptedModel, Model]:
    source = save(net.model([last if options.get("whole") else flat_pool(net, last)], opset=13), folder)
    found = adapt(source, folder / "cam.onnx", preprocessing=UNIT, classes=None, net="test", input_size=(SIDE, SIDE))
    return found, load_model(found.path)


@pytest.mark.parametrize("name", HEADS)
def test_features_weight_and_bias_are_those_of_the_last_convolution(name: str, tmp_path: Path) -> None:
    head, has_relu = HEADS[name]
    net = Net()
    found, model = adapted(net, head(net, features(net)), tmp_path)
    assert (found.features, found.layers, found.channels) == (CHANNELS, (), CLASSES)
    np.testing.assert_array_equal(model.feature_weight, WEIGHT)
    np.testing.assert_array_equal(model.feature_bias, BIAS)
    for height, width in ((SIDE, SIDE), (SIDE, 2 * SIDE + 3)):
        rgb = picture(height, width)
        expected = expected_activations(rgb)
        scores = np.einsum("kc,chw->khw", WEIGHT, expected) + BIAS[:, None, None]
        assert scores.min() < 0 < scores.max()
        maps = np.maximum(scores, 0) if has_relu else scores
        prediction = model.run(rgb, features=True)
        for values, wanted in (
            (prediction.features, expected),
            (prediction.activations, maps),
            (prediction.logits, maps.mean(axis=(1, 2))),
        ):
            np.testing.assert_allclose(values, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("name", NONE)
def test_where_no_1x1_convolution_makes_the_scores_nothing_is_offered(name: str, tmp_path: Path) -> None:
    net = Net()
    last = NONE[name](net, features(net))
    found, model = adapted(net, last, tmp_path, whole=name == "a linear layer")
    assert found.features is None
    assert model.feature_weight is None
    assert model.separable == (name == "a linear layer")


def test_channels_last_nothing_is_offered(tmp_path: Path) -> None:
    net = Net()
    turned = net.op("Relu", net.op("Transpose", conv(net, features(net)), perm=[0, 2, 3, 1]))
    found, model = adapted(net, net.op("ReduceMean", turned, axes=[1, 2], keepdims=0), tmp_path, whole=True)
    assert (found.features, model.separable, found.classes) == (None, False, CLASSES)


def test_quantising_after_the_convolution_may_be_the_relu_so_nothing_is_offered(tmp_path: Path) -> None:
    """From 0 up in 8 bits: what is negative becomes 0."""
    net = Net()
    scale, zero = net.const(0.02), net.const(np.uint8(0))
    bounded = net.op("DequantizeLinear", net.op("QuantizeLinear", conv(net, features(net)), scale, zero), scale, zero)
    found, model = adapted(net, bounded, tmp_path)
    assert (found.features, model.separable) == (None, False)


def test_float16_gives_float32(tmp_path: Path) -> None:
    net = Net(np.float16)
    _, model = adapted(net, rectified(net, features(net)), tmp_path)
    rgb = picture()
    prediction = model.run(rgb, features=True)
    assert model.feature_weight is not None
    assert prediction.features is not None
    assert {model.feature_weight.dtype, prediction.features.dtype} == {np.dtype(np.float32)}
    expected = expected_activations(rgb)
    np.testing.assert_allclose(prediction.features, expected, rtol=0, atol=2e-2 * expected.max())


def test_the_weight_is_stored_once_and_a_source_may_use_the_names(tmp_path: Path) -> None:
    net = Net()
    same = net.op("Identity", features(net), name="feature_weight")
    relu = net.op("Relu", conv(net, net.op("Identity", same, name="features")), name="feature_bias")
    _, model = adapted(net, relu, tmp_path)
    assert model.separable
    written = onnx.load(model.path)
    onnx.checker.check_model(written, full_check=True)
    sizes = sorted(int(np.prod(tensor.dims)) for tensor in written.graph.initializer)
    assert sizes == sorted([3, 3, KERNEL.size, WEIGHT.size, BIAS.size])
    # OpenVINO refuses a stored tensor that is an output
    assert {tensor.name for tensor in written.graph.initializer}.isdisjoint(each.name for each in written.graph.output)
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in written.graph.output
    }
    assert shapes["features"] == ["N", CHANNELS, "h", "w"]
    assert (shapes["feature_weight"], shapes["feature_bias"]) == ([CLASSES, CHANNELS], [CLASSES])


def test_a_1x1_convolution_after_the_pooling_is_a_linear_layer(tmp_path: Path) -> None:
    net = Net()
    found, model = adapted(net, pointwise(net, net.op("GlobalAveragePool", features(net))), tmp_path, whole=True)
    assert (found.features, model.cam_weight is not None) == (None, True)
