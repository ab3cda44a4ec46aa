"""What `adapt` refuses: one line with the reason and the layer's name, and nothing written."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from plain_nets import (
    CHANNELS,
    CLASSES,
    SIDE,
    UNIT,
    WEIGHT,
    Head,
    Net,
    features,
    flat_pool,
    gemm,
    matmul,
    plain,
    pointwise,
    pool,
    save,
)

from cam_audit.errors import ModelError
from cam_audit.models.adapt import Preprocessing, adapt
from cam_audit.models.adapt.proof import Reference, run_reference

SQUARE = np.eye(CHANNELS)
CELLS = (SIDE // 2) ** 2


def dense(net: Net, tensor: str, name: str) -> str:
    return net.op("Gemm", tensor, net.const(SQUARE), name=name)


def classifier_of_cells(net: Net, tensor: str) -> str:
    weight = net.const(np.ones((CHANNELS * CELLS, CLASSES)))
    return net.op("Gemm", net.op("Flatten", tensor, name="flatten"), weight, name="fc")


def max_and_average(net: Net, tensor: str) -> str:
    both = net.op("Concat", pool(net, tensor), net.op("GlobalMaxPool", tensor), axis=1, name="both")
    return net.op("Gemm", net.op("Flatten", both), net.const(np.ones((2 * CHANNELS, CLASSES))), name="fc")


def attention(net: Net, tensor: str) -> str:
    """Tokens (N, h * w, C), mixed by each other."""
    tokens = net.op("Transpose", net.op("Reshape", tensor, net.const([0, CHANNELS, -1])), perm=[0, 2, 1])
    scores = net.op("MatMul", tokens, net.op("Transpose", tokens, perm=[0, 2, 1]), name="scores")
    mixed = net.op("MatMul", net.op("Softmax", scores, axis=-1), tokens, name="mixed")
    return net.op("LayerNormalization", mixed, net.const(np.ones(CHANNELS)), name="norm")


def vision_transformer(net: Net, tensor: str) -> str:
    hidden = net.op("Relu", net.op("MatMul", attention(net, tensor), net.const(SQUARE), name="mlp"))
    return gemm(net, net.op("Gather", hidden, net.const(0), axis=1))


def two_class_tokens(net: Net, tensor: str) -> str:
    """The mean of two heads that read a token each: CrossViT's kind."""
    token = net.op("Gather", attention(net, tensor), net.const(0), axis=1)
    scores = [net.op("Unsqueeze", matmul(net, token), net.const([0])) for _ in range(2)]
    return net.op("ReduceMean", net.op("Concat", *scores, axis=0), axes=[0], keepdims=0)


def softmax_between(net: Net, tensor: str) -> str:
    return gemm(net, net.op("Softmax", dense(net, flat_pool(net, tensor), "hidden"), axis=1, name="shares"))


def two_sizes(net: Net, tensor: str) -> str:
    half = net.op("MaxPool", tensor, kernel_shape=[2, 2], strides=[2, 2])
    return gemm(net, net.op("Add", flat_pool(net, tensor), flat_pool(net, half)))


HEADS: dict[str, tuple[Head, str]] = {
    "three on a flattened map": (
        lambda n, t: gemm(
            n,
            n.op(
                "Relu",
                dense(
                    n,
                    n.op(
                        "Gemm",
                        n.op("Flatten", n.op("MaxPool", t, kernel_shape=[2, 2], strides=[2, 2], name="last")),
                        n.const(np.ones((CHANNELS * CELLS // 4, CHANNELS))),
                        name="first",
                    ),
                    "second",
                ),
            ),
        ),
        r"'last' \(MaxPool\) feeds several fully connected layers "
        r"\('first' \(Gemm\), 'second' \(Gemm\), 'fc' \(Gemm\)\).*`--per-image`",
    ),
    "softmax between": (softmax_between, r"'shares' \(Softmax\) stands between the pooling and the classifier 'fc'"),
    "windows instead of the whole map": (
        lambda n, t: n.op(
            "Gemm",
            n.op("Flatten", n.op("AveragePool", t, kernel_shape=[8, 8], strides=[8, 8], name="windows")),
            n.const(np.ones((CHANNELS * 4, CLASSES))),
            name="fc",
        ),
        r"'windows' \(AveragePool\) feeds the classifier 'fc' \(Gemm\), with weights of their own for each cell",
    ),
    "a window over a part of the map": (
        lambda n, t: gemm(n, n.op("Flatten", n.op("AveragePool", t, kernel_shape=[9, 9], strides=[8, 8], name="part"))),
        r"'part' \(AveragePool\) pools 9x9 cells of a map of 16x16: not global pooling",
    ),
    "flattened map": (
        classifier_of_cells,
        r"no global average pooling: 'last_relu' \(Relu\) feeds the classifier",
    ),
    "weight on the left": (
        lambda n, t: n.op(
            "Transpose", n.op("MatMul", n.const(WEIGHT), n.op("Transpose", flat_pool(n, t)), name="left")
        ),
        r"'left' \(MatMul\) stands between",
    ),
    "transposed input": (
        lambda n, t: n.op("Gemm", n.op("Transpose", flat_pool(n, t)), n.const(WEIGHT.T), transA=1, name="fc"),
        r"'fc' \(Gemm\) stands between",
    ),
    "average over one axis": (
        lambda n, t: n.op(
            "Gemm",
            n.op("Flatten", n.op("ReduceMean", t, axes=[2], name="rows")),
            n.const(np.ones((CHANNELS * SIDE // 2, CLASSES))),
            name="fc",
        ),
        r"'rows' \(ReduceMean\) .*the classifier 'fc'",
    ),
    "maps of two sizes": (two_sizes, "its scores are made of maps of 8x8 and 16x16 cells, which are no one map"),
    "class token of a transformer": (
        vision_transformer,
        r"a class token: 'Gather_\d+' \(Gather\) takes one of 256 tokens.*global_pool='avg'",
    ),
    "class tokens of two heads": (
        two_class_tokens,
        r"a class token: 'Gather_\d+' \(Gather\) takes one of 256 tokens.*global_pool='avg'",
    ),
    "map of one cell": (
        lambda n, t: gemm(
            n, flat_pool(n, n.op("Conv", t, n.const(np.ones((CHANNELS, CHANNELS, 16, 16))), name="small"))
        ),
        "is a single cell; give a larger input size",
    ),
    "map as output": (lambda n, t: t, r"not a classifier: .* there is 'last_relu' \(1, 6, 16, 16\)"),
}


def two_outputs() -> onnx.ModelProto:
    net = Net()
    flat = flat_pool(net, features(net))
    return net.model([gemm(net, flat), matmul(net, flat)])


def detector() -> onnx.ModelProto:
    net = Net()
    boxes = net.op("Transpose", net.op("Reshape", features(net), net.const([0, CHANNELS, -1])), perm=[0, 2, 1])
    return net.model([boxes])


def whole_numbers() -> onnx.ModelProto:
    model = plain(lambda n, t: gemm(n, flat_pool(n, t)))
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT32
    return model


def two_inputs() -> onnx.ModelProto:
    model = plain(lambda n, t: n.op("Mul", gemm(n, flat_pool(n, t)), "mask"))
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, [1, 1]))
    return model


def lost_normalization() -> onnx.ModelProto:
    """As tf2onnx 1.17 writes Keras's Normalization: the mean is an input, without its value."""
    lost = "net_1/normalization_1/Sub/y:0"
    net = Net()
    model = net.model([gemm(net, flat_pool(net, features(net, net.op("Sub", "pixels", lost))))])
    model.graph.input.append(helper.make_tensor_value_info(lost, TensorProto.FLOAT, [1, 3, 1, 1]))
    return model


def cam_ready() -> onnx.ModelProto:
    model = plain(lambda n, t: gemm(n, flat_pool(n, t)))
    helper.set_model_props(model, {"cam_audit.version": "1"})
    return model


MODELS: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "two outputs": (two_outputs, r"several outputs .*'fc' \(1, 5\), .* probably `--output-name fc`"),
    "boxes": (detector, r"not a classifier: .* \(1, 256, 6\)"),
    "two channels": (
        lambda: plain(lambda n, t: gemm(n, flat_pool(n, t)), shape=["N", 2, 28, 28]),
        r"input 'pixels' \(\?, 2, 28, 28\) is not an image",
    ),
    "vectors": (lambda: plain(flat_pool, shape=["N", 3]), r"input 'pixels' \(\?, 3\) is not an image"),
    "whole numbers": (whole_numbers, "input 'pixels' is neither float32, float16, bfloat16 nor uint8"),
    "a normalization whose numbers are lost": (
        lost_normalization,
        "2 inputs .* give them by --scale, --mean and --std",
    ),
    "two inputs": (two_inputs, r"2 inputs \('pixels', 'mask'\)"),
    "an image of 100 megapixels": (
        lambda: plain(flat_pool, shape=["N", 3, 100_000, 1000]),
        "an input of 1 x 1000x100000 pixels is not one of a classifier",
    ),
    "opset 6": (lambda: plain(flat_pool, opset=6), "opset 6, adapt takes 7 and up"),
    "CAM-ready": (cam_ready, "CAM-ready already"),
    "no nodes": (lambda: Net().model(["pixels"]), "not an ONNX file, or one with an empty graph"),
    "an unknown operator": (
        lambda: plain(lambda n, t: n.op("Zoom", t)),
        "the net cannot|onnxruntime can load",
    ),
}


def refused(source: Path, match: str, **options: object) -> None:
    """Assert that adapt says why in one line that begins with the file's name, and leaves nothing behind."""
    folder = source.parent / "out"
    given: dict = {
        "preprocessing": UNIT,
        "classes": None,
        "net": "test",
        "input_size": (SIDE, SIDE),
    } | options
    with pytest.raises(ModelError, match=match) as raised:
        adapt(source, folder / "cam.onnx", **given)
    message = str(raised.value)
    assert message.startswith(f"{source}: ")
    assert "\n" not in message
    assert not folder.exists() or not list(folder.iterdir())


@pytest.mark.parametrize("name", HEADS)
def test_heads(name: str, tmp_path: Path) -> None:
    head, match = HEADS[name]
    refused(save(plain(head), tmp_path), match)


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str, tmp_path: Path) -> None:
    make, match = MODELS[name]
    refused(save(make(), tmp_path), match)


GOOD = plain(lambda n, t: n.op("Flatten", pointwise(n, pool(n, t))))


def test_a_net_that_magnifies_rounding(tmp_path: Path) -> None:
    """The sine of millions: a change of the last digit of a pixel is a change of the whole score."""
    net = Net()
    waves = net.op("Sin", net.op("Mul", features(net), net.const(3e7)))
    source = save(net.model([gemm(net, flat_pool(net, waves))]), tmp_path)
    refused(source, r"differ from .* at 32x32, more than .*; the source magnifies errors of rounding: its own logits")


def test_logits_that_differ_for_another_reason_than_rounding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*arguments: Any) -> Reference:
        reference = run_reference(*arguments)
        return replace(reference, runs=replace(reference.runs, logits=reference.logits + 1))

    monkeypatch.setattr("cam_audit.models.adapt.make_cam_ready.run_reference", wrong)
    refused(save(GOOD, tmp_path), r"differ from those of the source by 1 at 32x32, more than \S+$")


def test_labels(tmp_path: Path) -> None:
    source = save(GOOD, tmp_path)
    refused(source, "4 labels for 5 classes", classes=list("abcd"))
    refused(source, "6 class ids for 5 classes", classes=list("abcde"), class_ids=list("abcdef"))


@pytest.mark.parametrize("location", ["../data", "sub/../../data", "ABSOLUTE"])
def test_external_data_outside_the_folder(location: str, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(10_000))
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "sub").mkdir()
    source = tmp_path / "inside" / "plain.onnx"
    model = onnx.ModelProto()
    model.CopyFrom(GOOD)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location.replace("ABSOLUTE", str(tmp_path / "data")))
    source.write_bytes(model.SerializeToString())
    refused(source, "is outside the model's folder")
    tensor.external_data[0].value = "absent"
    source.write_bytes(model.SerializeToString())
    refused(source, "external data cannot be read")


def test_external_data_of_a_function_outside_the_folder(tmp_path: Path) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(GOOD)
    (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == GOOD.graph.node[0].input[1])
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../data")
    body = [helper.make_node("Constant", [], ["weights"], value=tensor)]
    model.functions.append(helper.make_function("own", "Weights", [], ["weights"], body, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("own", 1))
    model.graph.node.insert(0, helper.make_node("Weights", [], [tensor.name], domain="own"))
    model.graph.initializer.remove(tensor)
    (tmp_path / "inside").mkdir()
    refused(save(model, tmp_path / "inside"), "is outside the model's folder")


def test_damaged_files(tmp_path: Path) -> None:
    whole = GOOD.SerializeToString()
    random = np.random.default_rng(0)
    source = tmp_path / "damaged.onnx"
    cut_short = [whole[:length] for length in range(5, len(whole), 40)]
    for data in [b"", b"\x00", b"not a model", random.bytes(1000), *cut_short]:
        source.write_bytes(data)
        refused(source, "ONNX file")


def test_changed_bytes(tmp_path: Path) -> None:
    """A file with a few changed bytes is adapted or refused, never anything else."""
    whole = GOOD.SerializeToString()
    source = tmp_path / "changed.onnx"
    for seed in range(100):
        random = np.random.default_rng(seed)
        data = np.frombuffer(whole, np.uint8).copy()
        data[random.integers(0, len(data), 3)] = random.integers(0, 256, 3)
        source.write_bytes(data.tobytes())
        with contextlib.suppress(ModelError):
            adapt(source, tmp_path / "cam.onnx", preprocessing=UNIT, classes=None, net="t", input_size=(32, 32))


def test_input_size(tmp_path: Path) -> None:
    source = save(GOOD, tmp_path)
    refused(source, "an input of 1 x 4x224 pixels is not one of a classifier", input_size=(224, 4))
    refused(source, "an input of 1 x 9000x9000 pixels", input_size=(9000, 9000))


def test_files_and_folders(tmp_path: Path) -> None:
    refused(tmp_path / "absent.onnx", "No such file")
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "cannot be read: Is a directory")
    source = save(GOOD, tmp_path)
    (tmp_path / "taken").write_text("a file where a folder is needed")
    with pytest.raises(ModelError, match="cannot write"):
        adapt(source, tmp_path / "taken" / "cam.onnx", preprocessing=UNIT, classes=None, net="test")
    before = source.read_bytes()
    with pytest.raises(ModelError, match="is the source itself"):
        adapt(source, source, preprocessing=UNIT, classes=None, net="test")
    assert source.read_bytes() == before


def test_without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("cam_audit.models.adapt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModelError, match=r"pip install 'cam-audit\[models\]'"):
        importlib.import_module("cam_audit.models.adapt")


@pytest.mark.parametrize("numbers", [(0.0, 1.0), (1.0, 0.0), (float("nan"), 1.0)])
def test_preprocessing(numbers: tuple[float, float]) -> None:
    scale, std = numbers
    with pytest.raises(ModelError, match="preprocessing"):
        Preprocessing(scale, (0.0, 0.0, 0.0), (std, 1.0, 1.0))
