"""The head's gradient, optimum and file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from linear_head import LinearHead, objective, pooled_features, train_head, write_with_head

from cam_audit.models.model import load_model


def blobs(counts: tuple[int, ...], channels: int = 6, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian blobs, one a class, of unequal size."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(len(counts), channels))
    labels = np.repeat(np.arange(len(counts)), counts)
    return centres[labels] + spread * rng.normal(size=(len(labels), channels)), labels


def test_the_gradient_agrees_with_finite_differences() -> None:
    rng = np.random.default_rng(1)
    inputs, labels = blobs((4, 9, 2))
    weight = rng.normal(size=(3, 6))
    _, gradient = objective(weight, inputs, labels, 0.1)
    for index in np.ndindex(weight.shape):
        step = np.zeros_like(weight)
        step[index] = 1e-6
        above, below = (objective(weight + sign * step, inputs, labels, 0.1)[0] for sign in (1, -1))
        assert gradient[index] == pytest.approx((above - below) / 2e-6, abs=1e-7)


def test_the_objective_at_zero_is_the_log_of_the_number_of_classes() -> None:
    inputs, labels = blobs((50, 3, 3))
    loss, _ = objective(np.zeros((3, 6)), inputs, labels, 1.0)
    assert loss == pytest.approx(np.log(3))


def test_classes_weigh_the_same_however_many_images_they_have() -> None:
    inputs, labels = blobs((5, 5))
    few = objective(np.ones((2, 6)) * [[1], [-1]], inputs, labels, 0.1)
    repeated = np.concatenate([inputs[:5]] * 7 + [inputs[5:]])
    many = objective(np.ones((2, 6)) * [[1], [-1]], repeated, np.repeat([0, 1], [35, 5]), 0.1)
    assert many[0] == pytest.approx(few[0])
    np.testing.assert_allclose(many[1], few[1])


def test_one_channel_and_two_points_reach_the_closed_form() -> None:
    """Two points at -1 and 1: after scaling the weights are -w and w, where 1 / (1 + exp(2 w)) = l2 w."""
    l2 = 0.01
    head = train_head(np.array([[2.0], [6.0]]), np.array([0, 1]), l2)
    w = head.weight[1, 0] * 2
    assert 1 / (1 + np.exp(2 * w)) == pytest.approx(l2 * w, abs=1e-4)
    np.testing.assert_allclose(head.weight[0], -head.weight[1], atol=1e-9)
    np.testing.assert_allclose(head.logits(np.array([[4.0]])), 0, atol=1e-9)


def test_training_separates_what_is_separable() -> None:
    features, labels = blobs((30, 10, 5, 20))
    head = train_head(features, labels)
    assert (head.logits(features).argmax(axis=1) == labels).all()


def test_features_may_be_shifted_and_scaled() -> None:
    features, labels = blobs((30, 10, 5), spread=1.0)
    head, moved = train_head(features, labels), train_head(1000 * features + 300, labels)
    np.testing.assert_allclose(moved.logits(1000 * features + 300), head.logits(features), atol=1e-6)


@pytest.mark.parametrize("backbone", ["colour", "random", "bare", "fixed"])
def test_the_file_is_cam_ready_and_has_the_head(nets: Path, tmp_path: Path, backbone: str) -> None:
    source = load_model(nets / f"{backbone}.onnx")
    rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    features = pooled_features(source, rgb)
    rng = np.random.default_rng(1)
    head = LinearHead(rng.normal(size=(7, features.size)), rng.normal(size=7))
    write_with_head(source.path, head, tuple("abcdefg"), tmp_path / "new.onnx")

    model = load_model(tmp_path / "new.onnx")

    prediction = model.run(rgb)
    assert model.class_names == tuple("abcdefg")
    assert model.class_ids == ("",) * 7
    assert model.input_size == source.input_size
    np.testing.assert_allclose(prediction.logits, head.logits(features[None])[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(prediction.activations, source.run(rgb).activations)
    maps = np.stack([model.cam(prediction, k) for k in range(7)])
    np.testing.assert_allclose(maps.mean(axis=(1, 2)) + head.bias, prediction.logits, rtol=1e-4, atol=1e-4)


def test_features_are_pooled_at_the_size_that_a_scan_gives_the_net(nets: Path) -> None:
    model = load_model(nets / "random.onnx")
    rgb = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    small = rgb.reshape(32, 2, 64, 2, 3).mean(axis=(1, 3))
    expected = model.run(np.round(small).astype(np.uint8)).activations.mean(axis=(1, 2))
    np.testing.assert_allclose(pooled_features(model, rgb), expected, atol=0.02)
