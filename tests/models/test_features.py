"""Nets with a last convolution in the place of a linear layer may offer what enters it, which is proved."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from refused_files import refusal
from tiny_net import TinyNet, random_net

from cam_audit import load_model
from cam_audit.errors import ModelError

RANDOM = np.random.default_rng(0)
FEATURES = ("features", "feature_weight", "feature_bias")


def in_each_cell(*, rectified: bool = True, seed: int = 3) -> TinyNet:
    return dataclasses.replace(random_net(seed), in_each_cell=True, rectified=rectified)


@pytest.mark.parametrize("rectified", [True, False])
@pytest.mark.parametrize("size", [(32, 32), (32, 72), (40, 45)], ids=str)
def test_features_are_those_of_the_loops_over_cells(tmp_path: Path, rectified: bool, size: tuple[int, int]) -> None:
    net = in_each_cell(rectified=rectified)
    model = load_model(net.write(tmp_path / "net.onnx"))
    rgb = RANDOM.integers(0, 256, (*size, 3), np.uint8)
    logits, activations = net.forward(rgb)
    assert ((activations > 0).all(), (activations == 0).any()) == (False, rectified)
    prediction = model.run(rgb, features=True)
    np.testing.assert_allclose(prediction.features, net.features(rgb), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(prediction.activations, activations, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(prediction.logits, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(model.feature_weight, net.linear)
    np.testing.assert_array_equal(model.feature_bias, net.bias)
    assert (model.cam_weight, model.cam_bias, model.separable) == (None, None, True)


def test_they_are_fetched_only_when_asked_for(tmp_path: Path) -> None:
    model = load_model(in_each_cell().write(tmp_path / "net.onnx"))
    fetched: list[list[str]] = []

    class Watched:
        def run(self, names: list[str], inputs: dict) -> list:
            fetched.append(list(names))
            return model.session.run(names, inputs)

    watched = dataclasses.replace(model, session=Watched())
    rgb = RANDOM.integers(0, 256, (32, 32, 3), np.uint8)
    assert watched.run(rgb).features is None
    assert watched.run(rgb, features=True).features is not None
    assert fetched == [["logits", "activations"], ["logits", "activations", "features"]]


def test_a_net_that_does_not_offer_them_gives_none(nets: Path, tmp_path: Path) -> None:
    rgb = RANDOM.integers(0, 256, (32, 32, 3), np.uint8)
    old = without(*FEATURES)
    for path, separable in ((nets / "bare.onnx", False), (nets / "colour.onnx", True), (saved(old, tmp_path), False)):
        model = load_model(path)
        assert model.run(rgb, features=True).features is None
        assert (model.feature_weight, model.feature_bias, model.separable) == (None, None, separable)


def test_beside_a_linear_layer_they_are_not_looked_at(tmp_path: Path) -> None:
    proto = random_net().proto()
    proto.graph.node.append(helper.make_node("Identity", ["flat"], ["features"]))
    proto.graph.output.append(onnx.ValueInfoProto(name="features"))
    model = load_model(saved(proto, tmp_path))
    assert model.cam_weight is not None
    assert model.feature_weight is None


def saved(proto: onnx.ModelProto, folder: Path) -> Path:
    onnx.save(proto, str(folder / "net.onnx"))
    return folder / "net.onnx"


def without(*names: str) -> onnx.ModelProto:
    proto = in_each_cell().proto()
    kept = [value for value in proto.graph.output if value.name not in names]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    return proto


def other(name: str, values: np.ndarray) -> Callable[[onnx.ModelProto], None]:
    """Says something else than what the net computes with."""

    def spoil(proto: onnx.ModelProto) -> None:
        for node in proto.graph.node:
            node.input[:] = ["used" if each == name else each for each in node.input]
        for tensor in proto.graph.initializer:
            if tensor.name == name:
                tensor.name = "used"
        proto.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))

    return spoil


def other_features(kind: str, *more: str, **attributes: object) -> Callable[[onnx.ModelProto], None]:
    """Offers what a further node makes of the features."""

    def spoil(proto: onnx.ModelProto) -> None:
        for node in proto.graph.node:
            node.input[:] = ["true" if each == "features" else each for each in node.input]
            node.output[:] = ["true" if each == "features" else each for each in node.output]
        proto.graph.node.append(helper.make_node(kind, ["true", *more], ["features"], **attributes))

    return spoil


def of_the_first_size_only(proto: onnx.ModelProto) -> None:
    """Features that are right for one of the two check images: a product with 1 where there are 16 cells, else 0."""
    other_features("Mul", "right")(proto)
    proto.graph.initializer.append(numpy_helper.from_array(np.int64(16), "sixteen"))
    proto.graph.initializer.append(numpy_helper.from_array(np.int64([2, 3]), "axes"))
    last = proto.graph.node.pop()
    proto.graph.node.extend(
        [
            helper.make_node("Shape", ["true"], ["sides"], start=2),
            helper.make_node("ReduceProd", ["sides"], ["cells"], keepdims=0),
            helper.make_node("Equal", ["cells", "sixteen"], ["same"]),
            helper.make_node("Cast", ["same"], ["right"], to=onnx.TensorProto.FLOAT),
            last,
        ]
    )


SPOILT = {
    "another weight": (other("feature_weight", RANDOM.normal(size=(5, 6))), "misses the activations by"),
    "another bias": (other("feature_bias", np.full(5, 3)), "misses the activations by"),
    "a weight that is not a number": (other("feature_weight", np.full((5, 6), np.nan)), "misses the activations by"),
    "a bias that the ReLU hides": (other("feature_bias", np.full(5, -np.inf)), "misses the activations by inf"),
    "fewer classes": (other("feature_weight", np.ones((4, 6))), r"feature_weight (4, 6)"),
    "a weight as it is convolved": (other("feature_weight", np.ones((5, 6, 1, 1))), r"feature_weight (5, 6, 1, 1)"),
    "a bias of one number": (other("feature_bias", np.ones(1)), "feature_bias (1,) do not fit activations (5, 4, 4)"),
    "features that were averaged": (other_features("GlobalAveragePool"), "features (1, 6, 1, 1)"),
    "features that were flattened": (other_features("Flatten"), "features (1, 96)"),
    "features of another scale": (other_features("Neg"), "misses the activations by"),
    "features of one size": (of_the_first_size_only, "misses the activations by"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_features_that_do_not_make_the_activations_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    spoil, reason = SPOILT[name]
    proto = in_each_cell().proto()
    spoil(proto)
    message = refusal(saved(proto, tmp_path))
    assert ": not CAM-ready, " in message
    assert reason in message
    assert "`cam-audit models adapt`" in message


@pytest.mark.parametrize("name", FEATURES)
def test_some_of_the_outputs_without_the_others_are_refused(tmp_path: Path, name: str) -> None:
    message = refusal(saved(without(name), tmp_path))
    assert ": not CAM-ready, " in message
    assert f"but no output {name!r}" in message
    assert "`cam-audit models adapt`" in message


def test_features_that_change_their_shape_after_loading_fail_the_image(tmp_path: Path) -> None:
    model = load_model(in_each_cell().write(tmp_path / "net.onnx"))
    rgb = RANDOM.integers(0, 256, (32, 32, 3), np.uint8)

    @dataclasses.dataclass
    class Odd:
        change: Callable[[np.ndarray], np.ndarray]

        def run(self, names: list[str], inputs: dict) -> list:
            logits, activations, features = model.session.run(names, inputs)
            return [logits, activations, self.change(features)]

    for change in (lambda each: each[:, :5], lambda each: each[..., :3], lambda each: each * np.float32(np.nan)):
        with pytest.raises(ModelError, match="its features have another shape"):
            dataclasses.replace(model, session=Odd(change)).run(rgb, features=True)
