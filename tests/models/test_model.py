"""A CAM-ready file runs as its weights say; anything else is refused in one line that names the file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from pictures import BLUE, GREEN, RED, gradient, square
from refused_files import refusal
from tiny_net import CELL, COLOUR_IDS, COLOURS, TinyNet, colour_net, random_net

from cam_audit import load_model
from cam_audit.errors import ModelError
from cam_audit.models.session import run_once

RANDOM = np.random.default_rng(0)
SIZES = [(32, 32), (32, 72), (96, 32), (CELL, CELL), (40, 45)]


@pytest.mark.parametrize("linear", [True, False], ids=["linear", "no linear layer"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_run_equals_the_loops_over_cells(tmp_path: Path, linear: bool, size: tuple[int, int]) -> None:
    net = random_net(7, linear=linear)
    rgb = RANDOM.integers(0, 256, (*size, 3), np.uint8)
    logits, activations = net.forward(rgb)
    model = load_model(net.write(tmp_path / "net.onnx"))
    prediction = model.run(rgb)
    np.testing.assert_allclose(prediction.logits, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(prediction.activations, activations, rtol=1e-4, atol=1e-5)
    for k in range(len(logits)):
        mean = model.cam(prediction, k).mean() + (0 if model.cam_bias is None else model.cam_bias[k])
        assert mean == pytest.approx(logits[k], rel=1e-4, abs=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_run_equals_torch_on_the_same_weights(tmp_path: Path, size: tuple[int, int]) -> None:
    import torch

    net = random_net(11, channels=16, classes=9)
    rgb = RANDOM.integers(0, 256, (*size, 3), np.uint8)
    planes = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    activations = torch.conv2d(planes, torch.from_numpy(net.conv), stride=CELL).relu()
    weight, bias = torch.from_numpy(net.linear), torch.from_numpy(net.bias)
    logits = torch.nn.functional.linear(activations.mean(dim=(2, 3)), weight, bias)
    cams = torch.einsum("kc,nchw->nkhw", weight, activations)
    model = load_model(net.write(tmp_path / "net.onnx"))
    prediction = model.run(rgb)
    np.testing.assert_allclose(prediction.logits, logits[0], rtol=1e-4, atol=1e-5)
    for k in range(9):
        np.testing.assert_allclose(model.cam(prediction, k), cams[0, k], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("index", "colour"), [(0, RED), (1, GREEN), (2, BLUE)])
def test_a_square_of_a_colour_scores_by_its_area_and_its_map_lies_on_it(model, index: int, colour) -> None:
    prediction = model.run(square(colour, 16, 8, 16, width=64, height=32))
    purity = (max(colour) - min(colour)) / 255
    # 4 of the 32 cells
    assert prediction.logits[index] == pytest.approx(8 * purity * 4 / 32, rel=1e-4)
    expected = np.zeros((4, 8))
    expected[1:3, 2:4] = 8 * purity
    np.testing.assert_allclose(model.cam(prediction, index), expected, rtol=1e-4, atol=1e-5)


def test_what_a_file_says_about_its_net_is_read(nets: Path) -> None:
    model = load_model(nets / "colour.onnx")
    assert (model.class_names, model.class_ids) == (COLOURS, COLOUR_IDS)
    assert (model.net, model.activation_layer, model.licence) == ("tiny", "relu", "CC0-1.0")
    assert (model.input_size, model.cell, model.fixed_size) == ((32, 32), CELL, False)
    assert model.sha256 == hashlib.sha256((nets / "colour.onnx").read_bytes()).hexdigest()
    np.testing.assert_array_equal(model.cam_weight, colour_net().linear)
    np.testing.assert_array_equal(model.cam_bias, colour_net().bias)


def test_a_net_without_linear_layer_has_no_weights_and_ids_may_be_absent(nets: Path) -> None:
    model = load_model(str(nets / "bare.onnx"))
    assert (model.cam_weight, model.cam_bias) == (None, None)
    assert model.class_ids == ("",) * 6


def test_a_net_of_one_size_says_so(nets: Path, tmp_path: Path) -> None:
    assert load_model(nets / "fixed.onnx").fixed_size
    oblong = load_model(colour_net(fixed_size=(32, 48)).write(tmp_path / "oblong.onnx"))
    assert (oblong.fixed_size, oblong.input_size) == (True, (32, 48))


def test_the_mean_weight_is_what_all_classes_share(nets: Path) -> None:
    linear = random_net().linear
    np.testing.assert_allclose(load_model(nets / "random.onnx").mean_weight, linear.mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(load_model(nets / "bare.onnx").mean_weight, np.zeros(6))


def test_threads_may_share_a_model(model) -> None:
    pictures = [gradient(32 + 8 * index, 64) for index in range(8)]
    alone = [model.run(picture).logits for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: model.run(picture).logits, pictures * 5))
    for index, logits in enumerate(together):
        np.testing.assert_array_equal(logits, alone[index % 8])


def pre_relu(proto: onnx.ModelProto) -> None:
    """What is exposed is the convolution before the ReLU."""
    convolution, relu, pool = proto.graph.node[3:6]
    convolution.output[0], relu.input[0], relu.output[0], pool.input[0] = (
        "activations",
        "activations",
        "a",
        "a",
    )


def second_linear_layer(proto: onnx.ModelProto) -> None:
    """As in AlexNet and VGG: linear, ReLU, linear; what is exposed is the last of them."""
    hidden = RANDOM.normal(size=(3, 3)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(hidden, "hidden"))
    proto.graph.node[-1].input[0] = "second"
    last = proto.graph.node.pop()
    proto.graph.node.extend(
        [
            helper.make_node("Gemm", ["flat", "hidden"], ["first"]),
            helper.make_node("Relu", ["first"], ["second"]),
            last,
        ]
    )


def softmax_at_the_end(proto: onnx.ModelProto) -> None:
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.append(helper.make_node("Softmax", ["scores"], ["logits"]))


def pooled_by_maximum(proto: onnx.ModelProto) -> None:
    proto.graph.node[5].op_type = "GlobalMaxPool"


def float_input(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT


def other_input_name(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "pixels"


def second_input(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.UINT8, [1]))


def weight_of_other_shape(proto: onnx.ModelProto) -> None:
    (used,) = (tensor for tensor in proto.graph.initializer if tensor.name == "cam_weight")
    used.name = proto.graph.node[-1].input[1] = "used"
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((4, 5), np.float32), "cam_weight"))


def wrong_bias(proto: onnx.ModelProto) -> None:
    proto.graph.output.pop()


def no_weight(proto: onnx.ModelProto) -> None:
    del proto.graph.output[2:]


def infinite_logits(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[3].CopyFrom(numpy_helper.from_array(np.float32([0, 0, 0, np.inf]), "cam_bias"))


def activations_not_a_number(proto: onnx.ModelProto) -> None:
    proto.graph.node[4].output[0] = proto.graph.node[5].input[0] = "kept"
    proto.graph.node.append(helper.make_node("Div", ["kept", "kept"], ["activations"]))


def one_value_out(proto: onnx.ModelProto) -> None:
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.append(helper.make_node("ReduceSum", ["scores"], ["logits"], keepdims=0))


def only_square(proto: onnx.ModelProto) -> None:
    """A pooling window of a fixed size: other picture sizes leave more than one value a channel."""
    proto.graph.node[5].op_type = "AveragePool"
    proto.graph.node[5].attribute.append(helper.make_attribute("kernel_shape", [4, 4]))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (pre_relu, "not CAM-ready, the mean of the map plus the bias misses the logit"),
        (second_linear_layer, "misses the logit by .* not what the last linear layer averages"),
        (softmax_at_the_end, "misses the logit"),
        (pooled_by_maximum, "misses the logit"),
        (wrong_bias, "misses the logit"),
        (activations_not_a_number, "activations that are not numbers"),
        (float_input, "no uint8 input 'image'"),
        (other_input_name, "no uint8 input 'image'"),
        (second_input, "no uint8 input 'image'"),
        (weight_of_other_shape, r"cam_weight is \(4, 5\) for 4 classes"),
        (no_weight, "3 maps for 4 classes"),
        (infinite_logits, "not numbers"),
        (one_value_out, "outputs are not"),
        (only_square, "cannot be run at 64x64"),
    ],
)
def test_a_net_that_does_not_obey_the_identity_is_refused(
    tmp_path: Path, spoil: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    proto = colour_net().proto()
    spoil(proto)
    onnx.save(proto, str(tmp_path / "net.onnx"))
    assert re.search(reason, refusal(tmp_path / "net.onnx"))


@pytest.mark.parametrize("output", ["logits", "activations"])
def test_a_missing_output_is_named_with_what_to_do(tmp_path: Path, output: str) -> None:
    proto = colour_net().proto()
    kept = [value for value in proto.graph.output if value.name != output]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    onnx.save(proto, str(tmp_path / "net.onnx"))
    message = refusal(tmp_path / "net.onnx")
    assert f"no output '{output}'" in message
    assert "cam-audit models adapt" in message


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"classes": None}, "lacks cam_audit.classes"),
        ({"classes": "red, green"}, "cam_audit.classes is not JSON"),
        ({"classes": '{"red": 0}'}, "cam_audit.classes is not a list of names"),
        ({"classes": "[1, 2, 3, 4]"}, "cam_audit.classes is not a list of names"),
        ({"classes": '["red", "green"]'}, "2 class names for 4 classes"),
        ({"class_ids": '["n1"]'}, "1 class ids for 4 classes"),
        ({"class_ids": "7"}, "cam_audit.class_ids is not a list of names"),
        ({"input_size": None}, "lacks cam_audit.input_size"),
        ({"input_size": "[224]"}, "cam_audit.input_size is not"),
        ({"input_size": "[224.0, 224.0]"}, "cam_audit.input_size is not"),
        ({"input_size": "[true, true]"}, "cam_audit.input_size is not"),
        ({"input_size": "[0, 224]"}, "cam_audit.input_size is not"),
        ({"input_size": "[224, 1000000]"}, "cam_audit.input_size is not"),
        ({"input_size": "null"}, "cam_audit.input_size is not"),
        ({"net": None}, "lacks cam_audit.net"),
        ({"activation_layer": None}, "lacks cam_audit.activation_layer"),
        ({"licence": None}, "lacks cam_audit.licence"),
    ],
    ids=json.dumps,
)
def test_metadata_that_is_absent_or_wrong_is_named(
    tmp_path: Path, metadata: dict[str, str | None], reason: str
) -> None:
    proto = colour_net().proto()
    for key, value in metadata.items():
        kept = [prop for prop in proto.metadata_props if prop.key != f"cam_audit.{key}"]
        del proto.metadata_props[:]
        proto.metadata_props.extend(kept)
        if value is not None:
            proto.metadata_props.add(key=f"cam_audit.{key}", value=value)
    onnx.save(proto, str(tmp_path / "net.onnx"))
    assert reason in refusal(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "no such model file"),
        (b"", "not an ONNX file that onnxruntime can load"),
        (RANDOM.bytes(5000), "not an ONNX file that onnxruntime can load"),
        (b"PK\x03\x04" + bytes(100), "not an ONNX file that onnxruntime can load"),
    ],
    ids=["missing", "empty", "random", "zip"],
)
def test_what_is_no_onnx_file_is_refused(tmp_path: Path, data: bytes | None, reason: str) -> None:
    path = tmp_path / "net.onnx"
    if data is not None:
        path.write_bytes(data)
    assert reason in refusal(path)


def test_half_a_file_a_folder_and_an_impossible_name_are_refused(nets: Path, tmp_path: Path) -> None:
    data = (nets / "colour.onnx").read_bytes()
    (tmp_path / "half.onnx").write_bytes(data[: len(data) // 2])
    assert "not an ONNX file" in refusal(tmp_path / "half.onnx")
    assert "no such model file" in refusal(tmp_path)
    assert "no such model file" in refusal(tmp_path / ("n" * 300))


def test_a_file_of_any_name_loads(nets: Path, tmp_path: Path) -> None:
    path = tmp_path / "мой net's\n.onnx"
    shutil.copy(nets / "colour.onnx", path)
    assert load_model(path).class_names == COLOURS


def test_any_net_runs_once_from_bytes_or_file(nets: Path) -> None:
    net: TinyNet = colour_net()
    rgb = gradient(32, 32)
    logits, activations = net.forward(rgb)
    from_file = run_once(nets / "colour.onnx", {"image": rgb[None]})
    assert list(from_file) == ["logits", "activations", "cam_weight", "cam_bias"]
    np.testing.assert_allclose(from_file["activations"][0], activations, rtol=1e-4, atol=1e-5)
    from_bytes = run_once(net.proto().SerializeToString(), {"image": rgb[None]}, ["logits"])
    assert list(from_bytes) == ["logits"]
    np.testing.assert_allclose(from_bytes["logits"][0], logits, rtol=1e-4)
    with pytest.raises(ModelError, match="cannot be run"):
        run_once(nets / "colour.onnx", {"image": rgb})
    with pytest.raises(ModelError, match="not an ONNX file"):
        run_once(b"nonsense", {})


@pytest.mark.parametrize("kind", [None, "softmax", "sigmoid"])
def test_the_metadata_say_what_makes_probabilities_of_the_logits(tmp_path: Path, kind: str | None) -> None:
    net = colour_net()
    net = dataclasses.replace(net, metadata=net.metadata | ({"scores": kind} if kind else {}))
    model = load_model(net.write(tmp_path / "net.onnx"))
    logits = np.float32([-800, -1, 0, 3])
    powers = [math.exp(z) for z in (-800, -1, 0, 3)]
    expected = [p / (1 + p) for p in powers] if kind == "sigmoid" else [p / sum(powers) for p in powers]
    np.testing.assert_allclose(model.probabilities(logits), expected, rtol=1e-12)
    predicted = [model.predicts(np.float32([-1, 0.1, 0, 3]), index) for index in range(4)]
    assert predicted == [False, kind == "sigmoid", False, True]
    assert model.predicted(np.float32([-1, 0.1, 0, 3])) == ((3, 1) if kind == "sigmoid" else (3,))
    assert model.deciding(np.float32([-1, 0.1, 0, 3]), (0, 1)) == (0 if kind == "sigmoid" else 1)


def test_scores_of_another_kind_are_refused(tmp_path: Path) -> None:
    net = colour_net()
    path = dataclasses.replace(net, metadata=net.metadata | {"scores": "margin"}).write(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match=r"its metadata cam_audit\.scores is 'margin'; there is softmax and sigmoid"):
        load_model(path)
