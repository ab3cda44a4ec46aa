"""Heads that are linear only for a given image, against numpy: each cell's part with the gates held as they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from plain_nets import (
    BIAS,
    CHANNELS,
    CLASSES,
    SIDE,
    WEIGHT,
    Head,
    Net,
    adapted,
    assert_close,
    expected_activations,
    features,
    flat_pool,
    gemm,
    picture,
    plain,
    pool,
)

from cam_audit.models.adapt.even import even_logits
from cam_audit.models.model import Model

_random = np.random.default_rng(7)
HIDDEN = 4
FIRST, FIRST_BIAS = _random.normal(size=(HIDDEN, CHANNELS)), _random.normal(size=HIDDEN)
LAST, LAST_BIAS = _random.normal(size=(CLASSES, HIDDEN)), _random.normal(size=CLASSES)
SCALE, SHIFT = _random.uniform(0.5, 2, CHANNELS), _random.normal(size=CHANNELS)

Array = np.ndarray
# What a head does to an image whose pooled numbers are p: logits = M p + c, with M and c of that image.
Held = Callable[[Array], tuple[Array, Array]]


def mlp(function: Callable[[Net, str], str]) -> Head:
    """Pooled, Linear, a function, Linear."""

    def head(net: Net, tensor: str) -> str:
        hidden = net.op("Gemm", flat_pool(net, tensor), net.const(FIRST), net.const(FIRST_BIAS), transB=1)
        return net.op("Gemm", function(net, hidden), net.const(LAST), net.const(LAST_BIAS), transB=1)

    return head


def gated(gate: Callable[[Array], Array], at_zero: float = 0.0) -> Held:
    """The function is gate(x) * x + at_zero."""

    def held(pooled: Array) -> tuple[Array, Array]:
        open_by = LAST * gate(FIRST @ pooled + FIRST_BIAS)
        return open_by @ FIRST, open_by @ FIRST_BIAS + LAST.sum(1) * at_zero + LAST_BIAS

    return held


def normal_cdf(x: Array) -> Array:
    return np.array([(1 + math.erf(each / 2**0.5)) / 2 for each in x])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def layer_norm(net: Net, tensor: str) -> str:
    kept = net.op("LayerNormalization", flat_pool(net, tensor), net.const(SCALE), net.const(SHIFT), epsilon=1e-3)
    return gemm(net, kept)


def layer_norm_in_steps(net: Net, tensor: str) -> str:
    x = flat_pool(net, tensor)
    centred = net.op("Sub", x, net.op("ReduceMean", x, axes=[-1]))
    variance = net.op("ReduceMean", net.op("Pow", centred, net.const(2.0)), axes=[-1])
    normal = net.op("Div", centred, net.op("Sqrt", net.op("Add", variance, net.const(1e-3))))
    return gemm(net, net.op("Add", net.op("Mul", normal, net.const(SCALE)), net.const(SHIFT)))


def held_layer_norm(pooled: Array) -> tuple[Array, Array]:
    centring = np.eye(CHANNELS) - 1 / CHANNELS
    return (WEIGHT * SCALE) @ centring / np.sqrt(pooled.var() + 1e-3), WEIGHT @ SHIFT + BIAS


def unit_vectors(net: Net, tensor: str) -> str:
    x = flat_pool(net, tensor)
    length = net.op("Max", net.op("ReduceL2", x, axes=[1]), net.const(1e-12))
    return net.op("MatMul", net.op("Div", x, net.op("Expand", length, net.op("Shape", x))), net.const(WEIGHT.T))


def gelu(net: Net, x: str) -> str:
    curve = net.op("Add", net.op("Erf", net.op("Div", x, net.const(2**0.5))), net.const(1.0))
    return net.op("Mul", net.op("Mul", x, curve), net.const(0.5))


def squeeze_and_excite(net: Net, tensor: str) -> str:
    x = flat_pool(net, tensor)
    gate = net.op("Sigmoid", net.op("MatMul", x, net.const(np.eye(CHANNELS) / 2)))
    return gemm(net, net.op("Mul", gate, x))


HEADS: dict[str, tuple[Head, Held]] = {
    "ReLU": (mlp(lambda n, x: n.op("Relu", x)), gated(lambda x: x > 0)),
    "LeakyReLU": (mlp(lambda n, x: n.op("LeakyRelu", x, alpha=0.1)), gated(lambda x: np.where(x > 0, 1, 0.1))),
    "PReLU": (
        mlp(lambda n, x: n.op("PRelu", x, n.const([0.1, 0.2, 0.3, 0.4]))),
        gated(lambda x: np.where(x > 0, 1, [0.1, 0.2, 0.3, 0.4])),
    ),
    "ReLU6": (mlp(lambda n, x: n.op("Clip", x, n.const(0.0), n.const(6.0))), gated(lambda x: np.clip(x, 0, 6) / x)),
    "GELU by erf": (mlp(gelu), gated(normal_cdf)),
    "SiLU": (mlp(lambda n, x: n.op("Mul", x, n.op("Sigmoid", x))), gated(sigmoid)),
    "HardSwish": (mlp(lambda n, x: n.op("HardSwish", x)), gated(lambda x: np.clip(x / 6 + 0.5, 0, 1))),
    "HardSwish in steps": (
        mlp(
            lambda n, x: n.op(
                "Div",
                n.op("Mul", x, n.op("Clip", n.op("Add", x, n.const(3.0)), n.const(0.0), n.const(6.0))),
                n.const(6.0),
            )
        ),
        gated(lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    ),
    "Tanh": (mlp(lambda n, x: n.op("Tanh", x)), gated(lambda x: np.tanh(x) / x)),
    "Sigmoid": (mlp(lambda n, x: n.op("Sigmoid", x)), gated(lambda x: (sigmoid(x) - 0.5) / x, at_zero=0.5)),
    "LayerNorm": (layer_norm, held_layer_norm),
    "LayerNorm in steps": (layer_norm_in_steps, held_layer_norm),
    "unit vectors": (unit_vectors, lambda p: (WEIGHT / np.linalg.norm(p), np.zeros(CLASSES))),
    "squeeze and excite": (squeeze_and_excite, lambda p: (WEIGHT * sigmoid(p / 2), BIAS)),
}


def maps_of(model: Model, rgb: Array) -> tuple[Array, Array, Array]:
    """Logits (K,); the map of each class with its bias, (K, h, w); of that, what all cells have alike, (K,)."""
    prediction = model.run(rgb)
    bias = np.zeros(len(model.class_names)) if model.cam_bias is None else model.cam_bias
    classes = range(len(bias))
    maps = np.array([model.cam(prediction, k) + bias[k] for k in classes])
    return prediction.logits, maps, even_logits(model, rgb) + bias


@pytest.mark.parametrize("name", HEADS)
def test_each_cell_has_its_part_with_the_gates_held(name: str, tmp_path: Path) -> None:
    head, held = HEADS[name]
    found, model = adapted(plain(head), tmp_path)
    assert (found.exact, model.map_kind, found.dynamic_size) == (False, "per-image", True)
    for height, width, seed in ((SIDE, SIDE, 1), (SIDE + 7, 2 * SIDE, 2)):
        rgb = picture(height, width, seed)
        cells = expected_activations(rgb)
        matrix, constant = held(cells.mean(axis=(1, 2)))
        logits, maps, even = maps_of(model, rgb)
        assert_close(maps, np.einsum("kc,chw->khw", matrix, cells) + constant[:, None, None])
        assert_close(even, constant)
        assert_close(logits, maps.mean(axis=(1, 2)))
        prediction = model.run(rgb, even=True)
        for k in range(CLASSES):
            own = np.abs(np.einsum("c,chw->hw", matrix[k], cells)).mean()
            alike = abs(constant[k])
            assert model.even_share(prediction, k) == pytest.approx(alike / (alike + own), abs=1e-4)
        assert model.even_share(model.run(rgb), 0) is None


def test_a_gate_that_is_closed_lets_nothing_through_even_at_zero(tmp_path: Path) -> None:
    """Where the input of a function is zero there is nothing to divide by."""
    net = Net()
    nothing = net.op("Mul", flat_pool(net, features(net)), net.const(np.r_[0.0, np.ones(CHANNELS - 1)]))
    _, model = adapted(net.model([gemm(net, net.op("Tanh", nothing))]), tmp_path)
    activations = model.run(picture()).activations
    assert not activations[0].any()
    assert activations[1].any()


def test_the_share_that_no_cell_accounts_for(tmp_path: Path) -> None:
    """A head that adds 100 to the first class before its ReLU: hardly anything of that logit is any cell's own."""
    first, last = np.eye(CHANNELS)[:CLASSES], np.eye(CLASSES)
    bias = np.r_[100.0, np.zeros(CLASSES - 1)]

    def head(net: Net, tensor: str, bias: Array) -> str:
        hidden = net.op("Gemm", flat_pool(net, tensor), net.const(first), net.const(bias), transB=1)
        return net.op("MatMul", net.op("Relu", hidden), net.const(last))

    much, _ = adapted(plain(lambda n, t: head(n, t, bias)), tmp_path)
    none, _ = adapted(plain(lambda n, t: head(n, t, 0 * bias)), tmp_path)
    assert much.even_share > 0.9
    assert none.even_share < 1e-6


def both_poolings(net: Net, tensor: str) -> str:
    pooled = net.op("Concat", net.op("GlobalMaxPool", tensor), pool(net, tensor), axis=1)
    return net.op("MatMul", net.op("Flatten", pooled), net.const(np.concatenate([WEIGHT, -WEIGHT], axis=1).T))


MAXIMA: dict[str, Head] = {
    "GlobalMaxPool": lambda n, t: n.op("MatMul", n.op("Flatten", n.op("GlobalMaxPool", t)), n.const(WEIGHT.T)),
    "ReduceMax": lambda n, t: n.op("MatMul", n.op("ReduceMax", t, axes=[2, 3], keepdims=0), n.const(WEIGHT.T)),
    "MaxPool of the whole map": lambda n, t: n.op(
        "MatMul", n.op("Flatten", n.op("MaxPool", t, kernel_shape=[SIDE // 2] * 2)), n.const(WEIGHT.T)
    ),
    "and the average": both_poolings,
}


@pytest.mark.parametrize("name", MAXIMA)
def test_a_maximum_goes_to_the_cells_that_have_it(name: str, tmp_path: Path) -> None:
    found, model = adapted(plain(MAXIMA[name]), tmp_path)
    assert not found.exact
    rgb = picture(seed=3)
    cells = expected_activations(rgb)
    maximum = cells.max(axis=(1, 2), keepdims=True)
    own = np.isclose(cells, maximum, rtol=1e-6)
    parts = maximum * own / own.mean(axis=(1, 2), keepdims=True)
    if "average" in name:
        parts = parts - cells
    assert_close(maps_of(model, rgb)[1], np.einsum("kc,chw->khw", WEIGHT, parts))


def test_generalised_mean(tmp_path: Path) -> None:
    def head(net: Net, tensor: str) -> str:
        powers = net.op("Pow", net.op("Clip", tensor, net.const(1e-6)), net.const(3.0))
        root = net.op("Div", net.const([1.0]), net.const([3.0]))
        return gemm(net, net.op("Flatten", net.op("Pow", pool(net, powers), root)))

    _, model = adapted(plain(head), tmp_path)
    powers = np.maximum(expected_activations(picture()), 1e-6) ** 3
    mean = powers.mean(axis=(1, 2), keepdims=True)
    expected = np.einsum("kc,chw->khw", WEIGHT, powers / mean * mean ** (1 / 3)) + BIAS[:, None, None]
    assert_close(maps_of(model, picture())[1], expected)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_flattened_map_has_weights_for_each_cell(layers: int, tmp_path: Path) -> None:
    """AlexNet's and VGG's kind: brute force, by setting all cells but one to zero with the gates held."""
    rows, columns = SIDE // 2, SIDE
    weight = np.random.default_rng(4).normal(size=(HIDDEN, CHANNELS, rows, columns)) / (rows * columns)

    def head(net: Net, tensor: str) -> str:
        flat = net.op("Flatten", tensor)
        hidden = net.op("Gemm", flat, net.const(weight.reshape(HIDDEN, -1)), net.const(FIRST_BIAS), transB=1)
        if layers == 1:
            return hidden
        return net.op("Gemm", net.op("Relu", hidden), net.const(LAST), net.const(LAST_BIAS), transB=1)

    size = (SIDE, 2 * SIDE)
    found, model = adapted(plain(head, shape=(1, 3, *size)), tmp_path, input_size=None, per_image=True)
    assert (found.exact, found.dynamic_size, found.map_size) == (False, False, (rows, columns))
    cells = expected_activations(picture(*size))
    hidden = np.einsum("dchw,chw->d", weight, cells) + FIRST_BIAS
    expected = np.empty((HIDDEN if layers == 1 else CLASSES, rows, columns))
    for row in range(rows):
        for column in range(columns):
            alone = np.zeros_like(cells)
            alone[:, row, column] = cells[:, row, column]
            own = np.einsum("dchw,chw->d", weight, alone) * rows * columns + FIRST_BIAS
            expected[:, row, column] = own if layers == 1 else LAST @ (own * (hidden > 0)) + LAST_BIAS
    logits, maps, _ = maps_of(model, picture(*size))
    assert_close(maps, expected)
    assert_close(logits, hidden if layers == 1 else LAST @ np.maximum(hidden, 0) + LAST_BIAS)
