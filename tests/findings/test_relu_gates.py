"""Where a ReLU lets a class's score through, and that a score then comes apart exactly."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from pictures import encode
from split_up import taken_apart
from tiny_net import CELL, TinyNet, random_net

from cam_audit.findings.map_use import centred_weight
from cam_audit.findings.parts import factorise, merged
from cam_audit.findings.relu_gates import gate, packed_gates, split_weight
from cam_audit.findings.sample import Observation, observe
from cam_audit.models.model import Model, load_model
from cam_audit.records import ImageSource


def pictures(count: int, height: int = 24, width: int = 40) -> list[np.ndarray]:
    """Each of its cells is noise of another colour."""
    random = np.random.default_rng(0)
    colours = random.integers(0, 200, (count, height // CELL, width // CELL, 3))
    return [
        (np.kron(each, np.ones((CELL, CELL, 1))) + random.integers(0, 56, (height, width, 3))).astype(np.uint8)
        for each in colours
    ]


def half_open(net: TinyNet) -> TinyNet:
    """A net whose classes are let through in half of the cells of the pictures."""
    scores = np.concatenate([np.tensordot(net.linear, net.features(rgb), axes=1) for rgb in pictures(12)], axis=1)
    bias = -np.median(scores, axis=(1, 2)).astype(np.float32)
    return dataclasses.replace(net, in_each_cell=True, bias=bias)


NET = half_open(random_net(4))


def observed(model: Model, rgb: np.ndarray, *, for_parts: bool = True) -> Observation:
    source = ImageSource("/nowhere", "a/a.png", "a", 0)
    prediction = model.run(rgb, features=for_parts)
    collected = observe(model, source, rgb, encode(rgb), rgb.shape[1::-1], prediction, for_parts=for_parts)
    return collected.observations["a/a.png"]


def model_of(net: TinyNet, folder: Path) -> Model:
    return load_model(net.write(folder / "net.onnx"))


@pytest.mark.parametrize("rectified", [True, False])
def test_the_gate_of_a_class_is_open_where_its_activation_is_not_0(tmp_path: Path, rectified: bool) -> None:
    net = dataclasses.replace(NET, rectified=rectified)
    (rgb,) = pictures(1)
    observation = observed(model_of(net, tmp_path), rgb)
    assert observation.activations is not None
    assert observation.activations.dtype == np.float16
    np.testing.assert_allclose(observation.activations, net.features(rgb), rtol=1e-3, atol=1e-4)
    scores = np.einsum("kc,chw->khw", net.linear, net.features(rgb)) + net.bias[:, None, None]
    gates = np.array([gate(observation, class_index) for class_index in range(5)])
    assert (gates.dtype, gates.shape) == (bool, (5, 3, 5))
    np.testing.assert_array_equal(gates, scores > 0 if rectified else np.ones_like(scores, bool))
    assert 0.3 < gates.mean() < 0.7 or not rectified


@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (4, 4), (13, 18)])
def test_gates_are_a_bit_a_cell(grid: tuple[int, int]) -> None:
    activations = np.maximum(np.random.default_rng(1).normal(size=(7, *grid)), 0).astype(np.float32)
    packed = packed_gates(activations)
    assert packed.shape == (7, -(-grid[0] * grid[1] // 8))
    observation = dataclasses.replace(
        observed_of(activations.shape[1:]), gates=packed, activations=np.zeros((2, *grid), np.float16)
    )
    for class_index in range(7):
        np.testing.assert_array_equal(gate(observation, class_index), activations[class_index] > 0)


def observed_of(grid: tuple[int, ...]) -> Observation:
    source = ImageSource("/nowhere", "a/a.png", "a", 0)
    return Observation(source, None, np.zeros(7, np.float32), 0, np.zeros(grid, np.float32))  # type: ignore[arg-type]


def test_a_linear_layer_has_no_gates_and_its_weight_is_centred(model: Model) -> None:
    observation = observed(model, pictures(1)[0])
    assert observation.gates is None
    for class_index in range(4):
        assert gate(observation, class_index).all()
        assert gate(observation, class_index).shape == (3, 5)
        np.testing.assert_array_equal(split_weight(model, class_index), centred_weight(model, class_index))


def test_the_weight_of_a_convolution_is_taken_as_it_is(tmp_path: Path) -> None:
    net = model_of(NET, tmp_path)
    for class_index in range(5):
        np.testing.assert_array_equal(split_weight(net, class_index), NET.linear[class_index])


def test_of_images_that_are_not_taken_to_parts_no_gates_are_kept(tmp_path: Path) -> None:
    observation = observed(model_of(NET, tmp_path), pictures(1)[0], for_parts=False)
    assert (observation.activations, observation.gates) == (None, None)


@pytest.mark.parametrize("class_index", range(5))
def test_parts_add_what_the_logit_loses_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, class_index: int
) -> None:
    monkeypatch.setattr("cam_audit.findings.parts.LEAST_SHARE", 0.0)
    images = pictures(12)
    net = model_of(NET, tmp_path)
    observations = [observed(net, rgb) for rgb in images]
    activations = [observation.activations.astype(np.float32) for observation in observations]
    gates = [gate(observation, class_index) for observation in observations]
    everywhere = [np.ones((3, 5), bool)] * 12
    pieces, rest = taken_apart(
        activations, everywhere, split_weight(net, class_index), [np.zeros((6, 1), np.float32)], gates
    )

    weight, bias = NET.linear[class_index].astype(float), float(NET.bias[class_index])
    features = np.stack([NET.features(rgb).reshape(6, -1).T for rgb in images]).astype(float)
    open_gates = features @ weight + bias > 0

    def mean_logit(of: np.ndarray) -> float:
        return float((open_gates * (of @ weight + bias)).mean())

    assert mean_logit(features) == pytest.approx(
        np.mean([NET.forward(rgb)[0][class_index] for rgb in images]), rel=1e-4
    )
    presence, directions = merged(*factorise(np.concatenate([a.reshape(6, -1).T for a in activations])))
    lost = [
        mean_logit(features) - mean_logit(features - (presence[:, [j]] @ directions[[j]]).reshape(features.shape))
        for j in range(len(directions))
    ]
    left = mean_logit(features) - sum(lost) - float(open_gates.mean()) * bias
    total = sum(map(abs, lost)) + abs(left)
    expected = sorted((each / total for each in lost), key=lambda share: -abs(share))
    assert [piece.share for piece in pieces] == pytest.approx(expected, abs=2e-3)
    assert rest == pytest.approx(abs(left) / total, abs=2e-3)
    for piece in pieces:
        for of_map, open_gate in zip(piece.maps, open_gates, strict=True):
            assert not of_map.ravel()[~open_gate].any()
