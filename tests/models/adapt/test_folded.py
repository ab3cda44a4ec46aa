"""Heads of several linear steps, and maps in whatever layout, that have the paper's map exactly, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from plain_nets import (
    BIAS,
    CHANNELS,
    CLASSES,
    KERNEL,
    SIDE,
    UNIT,
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

from cam_audit.errors import ModelError
from cam_audit.models.adapt import Preprocessing

_random = np.random.default_rng(11)
SQUARE = _random.normal(size=(CHANNELS, CHANNELS))
SCALE, SHIFT, MEAN = (_random.normal(size=CHANNELS) for _ in range(3))
VARIANCE = _random.uniform(0.5, 2, CHANNELS)
ORDER = _random.permutation(CHANNELS)
CELLS = SIDE // 2


def batch_norm(net: Net, tensor: str) -> str:
    values = [net.const(each) for each in (SCALE, SHIFT, MEAN, VARIANCE)]
    return net.op("BatchNormalization", tensor, *values, epsilon=1e-3)


def shuffled(net: Net, tensor: str) -> str:
    groups = net.op("Reshape", flat_pool(net, tensor), net.const([-1, 2, CHANNELS // 2]))
    return gemm(net, net.op("Flatten", net.op("Transpose", groups, perm=[0, 2, 1])))


def window(net: Net, tensor: str) -> str:
    weight = np.zeros((CLASSES, CHANNELS, 3, 3))
    weight[:, :, 1, 1] = WEIGHT
    weight[:, :, 0, 0] = 99
    return net.op("Flatten", net.op("Conv", pool(net, tensor), net.const(weight), net.const(BIAS), pads=[1] * 4))


def rows_then_columns(keepdims: int) -> Head:
    def head(net: Net, tensor: str) -> str:
        rows = net.op("ReduceMean", tensor, axes=[3], keepdims=keepdims)
        return gemm(net, net.op("Flatten", net.op("ReduceMean", rows, axes=[2], keepdims=keepdims)))

    return head


def padded_window(count_include_pad: int) -> Head:
    """A window of 18x18 over a map of 16x16, with a padding of 1: what is padded counts, or does not."""
    return lambda n, t: gemm(
        n,
        n.op(
            "Flatten",
            n.op("AveragePool", t, kernel_shape=[CELLS + 2] * 2, pads=[1] * 4, count_include_pad=count_include_pad),
        ),
    )


def sum_over_count(net: Net, tensor: str) -> str:
    return gemm(net, net.op("Div", net.op("ReduceSum", tensor, net.const([2, 3]), keepdims=0), net.const(CELLS**2.0)))


def stacked(net: Net, *scores: str) -> str:
    """The mean of the scores of several heads, one upon another along a new first axis."""
    upon = net.op("Concat", *(net.op("Unsqueeze", each, net.const([0])) for each in scores), axis=0)
    return net.op("ReduceMean", upon, axes=[0], keepdims=0)


def two_heads(net: Net, tensor: str) -> str:
    pooled = flat_pool(net, tensor)
    return stacked(net, gemm(net, pooled), net.op("Gemm", pooled, net.const(SQUARE[:, :CLASSES])))


# The logits are matrix @ averages + constant.
HEADS: dict[str, tuple[Head, np.ndarray, np.ndarray]] = {
    "BatchNorm, Gemm": (
        lambda n, t: gemm(n, batch_norm(n, flat_pool(n, t))),
        WEIGHT * (SCALE / np.sqrt(VARIANCE + 1e-3)),
        WEIGHT @ (SHIFT - MEAN * SCALE / np.sqrt(VARIANCE + 1e-3)) + BIAS,
    ),
    "Gemm, Gemm": (
        lambda n, t: gemm(n, n.op("Gemm", flat_pool(n, t), n.const(SQUARE), n.const(SHIFT), transB=1)),
        WEIGHT @ SQUARE,
        WEIGHT @ SHIFT + BIAS,
    ),
    "Gemm over a temperature": (lambda n, t: n.op("Div", gemm(n, flat_pool(n, t)), n.const(2.0)), WEIGHT / 2, BIAS / 2),
    "ReLU where nothing is negative": (lambda n, t: gemm(n, n.op("Relu", flat_pool(n, t))), WEIGHT, BIAS),
    "Gather of all, in order": (
        lambda n, t: gemm(n, n.op("Gather", flat_pool(n, t), n.const(np.arange(CHANNELS)), axis=1)), WEIGHT, BIAS
    ),
    "Gather in another order": (
        lambda n, t: gemm(n, n.op("Gather", flat_pool(n, t), n.const(ORDER), axis=1)),
        WEIGHT[:, np.argsort(ORDER)],
        BIAS,
    ),
    "channels shuffled": (
        shuffled, WEIGHT.reshape(CLASSES, CHANNELS // 2, 2).transpose(0, 2, 1).reshape(CLASSES, CHANNELS), BIAS
    ),
    "a part of the channels": (
        lambda n, t: n.op(
            "MatMul",
            n.op("Slice", flat_pool(n, t), n.const([1]), n.const([4]), n.const([1])),
            n.const(WEIGHT[:, 1:4].T),
        ),
        WEIGHT * ([0, 1, 1, 1, 0, 0]),
        np.zeros(CLASSES),
    ),
    "two layers added": (
        lambda n, t: n.op(
            "Sub", gemm(n, flat_pool(n, t)), n.op("MatMul", flat_pool(n, t), n.const(SQUARE[:, :CLASSES]))
        ),
        WEIGHT - SQUARE[:, :CLASSES].T,
        BIAS,
    ),
    "mean of two heads": (two_heads, (WEIGHT + SQUARE[:, :CLASSES].T) / 2, BIAS / 2),
    "3x3 Conv of the padded average": (window, WEIGHT, BIAS),
    "mean of mean": (rows_then_columns(0), WEIGHT, BIAS),
    "mean of mean, axes kept": (rows_then_columns(1), WEIGHT, BIAS),
    "flattened, then mean": (
        lambda n, t: gemm(n, n.op("ReduceMean", n.op("Reshape", t, n.const([0, 0, -1])), axes=[2], keepdims=0)),
        WEIGHT,
        BIAS,
    ),
    "average twice": (lambda n, t: gemm(n, n.op("Flatten", pool(n, pool(n, t)))), WEIGHT, BIAS),
    "window larger than the map": (padded_window(0), WEIGHT, BIAS),
    "window larger than the map, padding counted": (padded_window(1), WEIGHT * (CELLS / (CELLS + 2)) ** 2, BIAS),
    "sum over the number of cells": (sum_over_count, WEIGHT, BIAS),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_linear_steps_become_one(name: str, tmp_path: Path) -> None:
    head, matrix, constant = HEADS[name]
    found, model = adapted(plain(head), tmp_path)
    assert (found.exact, model.map_kind, found.even_share) == (True, "exact", 0.0)
    cells = expected_activations(picture())
    assert_close(model.run(picture()).activations, cells)
    assert model.cam_weight is not None
    assert_close(model.cam_weight, matrix)
    assert_close(model.run(picture()).logits, matrix @ cells.mean(axis=(1, 2)) + constant)


def cells_first(net: Net, tensor: str) -> str:
    return net.op("Transpose", net.op("Reshape", tensor, net.const([0, CHANNELS, -1])), perm=[0, 2, 1])


TOKENS: dict[str, Head] = {
    "cells, channels": lambda n, t: gemm(n, n.op("ReduceMean", n.op("Relu", cells_first(n, t)), axes=[1], keepdims=0)),
    "channels, cells": lambda n, t: gemm(
        n, n.op("ReduceMean", n.op("Relu", n.op("Transpose", cells_first(n, t), perm=[0, 2, 1])), axes=[2], keepdims=0)
    ),
    "channels, cells, pooled": lambda n, t: gemm(
        n, n.op("Flatten", pool(n, n.op("Relu", n.op("Transpose", cells_first(n, t), perm=[0, 2, 1]))))
    ),
    "after a class token": lambda n, t: gemm(
        n,
        n.op(
            "ReduceMean",
            n.op(
                "Slice",
                n.op("Relu", n.op("Concat", n.const(np.ones((1, 1, CHANNELS))), cells_first(n, t), axis=1)),
                n.const([1]), n.const([2**31]), n.const([1]),
            ),
            axes=[1],
            keepdims=0,
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOKENS)
def test_tokens_become_a_map_in_their_order(name: str, tmp_path: Path) -> None:
    size = (SIDE, 2 * SIDE)
    found, model = adapted(plain(TOKENS[name], shape=(1, 3, *size)), tmp_path, input_size=None)
    assert (found.exact, found.map_size, found.dynamic_size) == (True, (SIDE // 2, SIDE), False)
    assert "its cells are in one row" in found.why_fixed
    assert_close(model.run(picture(*size)).activations, expected_activations(picture(*size)))


def test_tokens_that_are_reshaped_at_the_end_are_the_map_before_it(tmp_path: Path) -> None:
    found, model = adapted(
        plain(lambda n, t: gemm(n, n.op("ReduceMean", cells_first(n, t), axes=[1], keepdims=0))), tmp_path
    )
    assert found.dynamic_size
    assert_close(model.run(picture(40, 66)).activations, expected_activations(picture(40, 66)))


def test_tokens_of_no_grid_are_refused(tmp_path: Path) -> None:
    def head(net: Net, tensor: str) -> str:
        more = net.op("Concat", net.const(np.ones((1, 1, CHANNELS))), cells_first(net, tensor), axis=1)
        return gemm(net, net.op("ReduceMean", net.op("Relu", more), axes=[1], keepdims=0))

    with pytest.raises(ModelError, match="the 257 cells that are pooled at 32x32 are no grid"):
        adapted(plain(head), tmp_path)


@pytest.mark.parametrize("ending", ["", "Sigmoid"])
def test_one_score_becomes_two_classes(ending: str, tmp_path: Path) -> None:
    def head(net: Net, tensor: str) -> str:
        score = net.op("Gemm", flat_pool(net, tensor), net.const(WEIGHT[:1]), net.const(BIAS[:1]), transB=1)
        return net.op(ending, score) if ending else score

    found, model = adapted(plain(head), tmp_path, classes=["sound", "ill"])
    cells = expected_activations(picture())
    prediction = model.run(picture())
    assert model.class_names == ("sound", "ill")
    assert_close(prediction.logits, np.array([0.0, WEIGHT[0] @ cells.mean(axis=(1, 2)) + BIAS[0]]))
    assert not model.cam(prediction, 0).any()
    assert_close(model.cam(prediction, 1), np.einsum("c,chw->hw", WEIGHT[0], cells))
    assert any(note.startswith("one score z") for note in found.notes)


def test_the_named_output_is_taken(tmp_path: Path) -> None:
    net = Net()
    flat = flat_pool(net, features(net))
    both = net.model([net.op("Gemm", flat, net.const(np.ones((CHANNELS, 2))), name="age"), gemm(net, flat)])
    assert adapted(both, tmp_path, output="age")[1].run(picture()).logits.shape == (2,)
    assert adapted(both, tmp_path, output="fc")[1].run(picture()).logits.shape == (CLASSES,)
    with pytest.raises(ModelError, match="'sex' is no output"):
        adapted(both, tmp_path, output="sex")


Within = Callable[[Net], str]


def normalised(net: Net) -> str:
    """/ 255, minus a mean, over a deviation, channels last."""
    unit = net.op("Mul", "pixels", net.const(1 / 255))
    centred = net.op("Sub", unit, net.const([[[[0.1, 0.2, 0.3]]]]))
    return net.op("Transpose", net.op("Div", centred, net.const([0.5, 0.6, 0.7])), perm=[0, 3, 1, 2])


def of_unit(net: Net) -> str:
    centred = net.op("Sub", "pixels", net.const(np.array([0.1, 0.2, 0.3])[:, None, None]))
    return net.op("Div", centred, net.const(np.array([0.5, 0.6, 0.7])[:, None, None]))


@pytest.mark.parametrize(
    ("within", "shape", "takes"),
    [(normalised, ("N", "H", "W", 3), "0..255"), (of_unit, ("N", 3, "H", "W"), "0..1")],
)
def test_preprocessing_within_the_net_is_found(
    within: Within, shape: tuple[str | int, ...], takes: str, tmp_path: Path
) -> None:
    net = Net()
    model = net.model([gemm(net, flat_pool(net, features(net, within(net))))], shape=shape)
    found, loaded = adapted(model, tmp_path, preprocessing=None)
    assert found.preprocessed_within
    assert any(f"it takes {takes}" in note for note in found.notes)
    assert_close(loaded.run(picture()).activations, expected_activations(picture(), UNIT))
    with pytest.raises(ModelError, match="preprocessing is in the net already"):
        adapted(model, tmp_path, preprocessing=UNIT)


def test_a_first_batch_norm_of_numbers_that_are_scaled_already_is_none(tmp_path: Path) -> None:
    net = Net()
    values = [net.const(each) for each in ([1.1] * 3, [0.1] * 3, [0.05] * 3, [1.2] * 3)]
    normal = net.op("BatchNormalization", "pixels", *values)
    model = net.model([gemm(net, flat_pool(net, features(net, normal)))])
    found, _ = adapted(model, tmp_path, preprocessing=None)
    assert not found.preprocessed_within
    assert found.preprocessing.mean == (0.485, 0.456, 0.406)


def test_bytes(tmp_path: Path) -> None:
    from onnx import TensorProto

    net = Net()
    model = net.model([gemm(net, flat_pool(net, features(net, net.op("Cast", "pixels", to=TensorProto.FLOAT))))])
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    _, loaded = adapted(model, tmp_path, preprocessing=None)
    raw = Preprocessing(1.0, (0.0,) * 3, (1.0,) * 3)
    assert_close(loaded.run(picture()).activations, expected_activations(picture(), raw))


def test_bfloat16(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    model = plain(lambda n, t: gemm(n, flat_pool(n, t)))
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(helper.make_tensor(tensor.name, TensorProto.BFLOAT16, values.shape, values.ravel()))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    _, loaded = adapted(model, tmp_path)
    assert loaded.cam_weight is not None
    # 8 bits of precision, and the same numbers that are stored
    np.testing.assert_allclose(loaded.cam_weight, WEIGHT, rtol=2**-8)
    assert (loaded.cam_weight.view(np.uint32) & 0xFFFF == 0).all()


@pytest.mark.parametrize("channels_last", [True, False])
def test_grey(channels_last: bool, tmp_path: Path) -> None:
    net = Net()
    image = net.op("Transpose", "pixels", perm=[0, 3, 1, 2]) if channels_last else "pixels"
    kernel = KERNEL.sum(axis=1, keepdims=True)
    relu = net.op("Relu", net.op("Conv", image, net.const(kernel), strides=[2, 2], pads=[1] * 4))
    shape = ("N", "H", "W", 1) if channels_last else ("N", 1, "H", "W")
    preprocessing = Preprocessing(1 / 255, (0.1,) * 3, (0.5,) * 3)
    _, model = adapted(net.model([gemm(net, flat_pool(net, relu))], shape=shape), tmp_path, preprocessing=preprocessing)
    rgb = picture()
    grey = np.repeat((rgb @ [0.299, 0.587, 0.114])[..., None], 3, axis=2)
    assert_close(model.run(rgb).activations, expected_activations(grey, preprocessing))


def test_an_input_that_nothing_reads_is_left_out(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    model = plain(lambda n, t: gemm(n, flat_pool(n, t)))
    model.graph.input.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, [1]))
    _, loaded = adapted(model, tmp_path)
    assert_close(loaded.run(picture()).activations, expected_activations(picture()))
