"""`adapt` on every form of classifier head that it takes, against numpy."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
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
    expected_activations,
    features,
    flat_pool,
    gemm,
    matmul,
    picture,
    plain,
    pointwise,
    pool,
    save,
)

from cam_audit.errors import ModelError
from cam_audit.models import file_format
from cam_audit.models.adapt import PRESETS, Preprocessing, adapt
from cam_audit.models.model import Model, load_model

HEADS: dict[str, Head] = {
    "Gemm, transB": lambda n, t: gemm(n, flat_pool(n, t)),
    "Gemm, weight as it is": lambda n, t: n.op("Gemm", flat_pool(n, t), n.const(WEIGHT.T), n.const(BIAS)),
    "Gemm, alpha and beta": lambda n, t: n.op(
        "Gemm", flat_pool(n, t), n.const(WEIGHT / 2), n.const(BIAS / 4), transB=1, alpha=2.0, beta=4.0
    ),
    "MatMul, Add": lambda n, t: n.op("Add", matmul(n, flat_pool(n, t)), n.const(BIAS)),
    "Gemm with half of the bias, Add": lambda n, t: n.op(
        "Add", n.op("Gemm", flat_pool(n, t), n.const(WEIGHT.T), n.const(BIAS / 2)), n.const(BIAS / 2)
    ),
    "Add with the bias on the left": lambda n, t: n.op("Add", n.const([BIAS]), matmul(n, flat_pool(n, t))),
    "1x1 Conv, Flatten": lambda n, t: n.op("Flatten", pointwise(n, pool(n, t))),
    "1x1 Conv, left 4-D": lambda n, t: pointwise(n, pool(n, t)),
    "1x1 Conv, Add, Squeeze": lambda n, t: n.op(
        "Squeeze",
        n.op("Add", n.op("Conv", pool(n, t), n.const(WEIGHT[:, :, None, None])), n.const(BIAS[:, None, None])),
        n.const([2, 3]),
    ),
    "Squeeze": lambda n, t: gemm(n, n.op("Squeeze", pool(n, t), n.const([2, 3]))),
    "Dropout, Identity, Cast": lambda n, t: gemm(
        n, n.op("Cast", n.op("Identity", n.op("Dropout", flat_pool(n, t))), to=TensorProto.FLOAT)
    ),
    "Reshape of a single image": lambda n, t: gemm(n, n.op("Reshape", pool(n, t), n.const([1, CHANNELS]))),
    "Unsqueeze, 1x1 Conv": lambda n, t: pointwise(n, n.op("Unsqueeze", flat_pool(n, t), n.const([2, 3]))),
    "Transpose, Flatten": lambda n, t: gemm(n, n.op("Flatten", n.op("Transpose", pool(n, t), perm=[0, 2, 3, 1]))),
    "ReduceMean, kept": lambda n, t: gemm(n, n.op("Flatten", n.op("ReduceMean", t, axes=[2, 3], keepdims=1))),
    "ReduceMean, dropped": lambda n, t: gemm(n, n.op("ReduceMean", t, axes=[-1, -2], keepdims=0)),
    "ReduceMean, axes as input": lambda n, t: gemm(n, n.op("ReduceMean", t, n.const([-2, -1]), keepdims=0)),
    "AveragePool of the whole map": lambda n, t: gemm(
        n, n.op("Flatten", n.op("AveragePool", t, kernel_shape=[SIDE // 2, SIDE // 2]))
    ),
    "map turned channels last": lambda n, t: gemm(
        n, n.op("ReduceMean", n.op("Transpose", t, perm=[0, 2, 3, 1]), axes=[1, 2], keepdims=0)
    ),
    "map made channels last": lambda n, t: gemm(
        n,
        n.op("ReduceMean", n.op("Relu", n.op("Transpose", t, perm=[0, 2, 3, 1])), axes=[1, 2], keepdims=0),
    ),
    "Softmax": lambda n, t: n.op("Softmax", gemm(n, flat_pool(n, t)), axis=1),
    "LogSoftmax, Reshape": lambda n, t: n.op(
        "Reshape", n.op("LogSoftmax", gemm(n, flat_pool(n, t)), axis=1), n.const([1, CLASSES])
    ),
    "Sigmoid": lambda n, t: n.op("Sigmoid", gemm(n, flat_pool(n, t))),
}
WITHOUT_BIAS: dict[str, Head] = {
    "Gemm": lambda n, t: n.op("Gemm", flat_pool(n, t), n.const(WEIGHT), transB=1),
    "MatMul": lambda n, t: matmul(n, flat_pool(n, t)),
    "MatMul by a computed weight": lambda n, t: n.op(
        "MatMul", flat_pool(n, t), n.op("Transpose", n.const(WEIGHT), perm=[1, 0])
    ),
    "1x1 Conv": lambda n, t: n.op("Conv", pool(n, t), n.const(WEIGHT[:, :, None, None])),
}
WITHOUT_CLASSIFIER: dict[str, Head] = {
    "Flatten": flat_pool,
    "4-D": pool,
    "Softmax": lambda n, t: n.op("Softmax", flat_pool(n, t), axis=1),
}


def assert_equals_numpy(
    model: Model,
    *,
    weight: np.ndarray | None = WEIGHT,
    bias: np.ndarray | float = BIAS,
    preprocessing: Preprocessing = UNIT,
    tolerance: float = 1e-4,
) -> None:
    """Activations, maps and logits of square, wide and tall images, where the net takes these."""
    sizes = [(SIDE, SIDE)] if model.fixed_size else [(SIDE, SIDE), (SIDE, 2 * SIDE + 3), (3 * SIDE + 1, SIDE)]
    for height, width in sizes:
        rgb = picture(height, width)
        prediction = model.run(rgb)
        activations = expected_activations(rgb, preprocessing)
        maps = activations if weight is None else np.einsum("kc,chw->khw", weight, activations)
        found = [model.cam(prediction, index) for index in range(len(maps))]
        assert_close(prediction.activations, activations, tolerance)
        assert_close(np.array(found), maps, tolerance)
        assert_close(prediction.logits, maps.mean(axis=(1, 2)) + bias, tolerance)


def assert_close(found: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    """Equal to a share of the largest expected value."""
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("name", HEADS)
def test_heads(name: str, tmp_path: Path) -> None:
    found, model = adapted(plain(HEADS[name], opset=18 if "as input" in name else 13), tmp_path)
    assert_equals_numpy(model)
    assert (found.dynamic_size, found.dynamic_batch) == (True, True)
    assert (found.channels, found.classes, found.map_size) == (CHANNELS, CLASSES, (SIDE // 2, SIDE // 2))
    assert found.layers
    assert (found.cut or "").partition("(")[2] in ("", f"{name.partition(',')[0]})")
    assert found.activation_layer.startswith("'Relu" if "made" in name else "'last_relu'")


@pytest.mark.parametrize("name", WITHOUT_BIAS)
def test_heads_without_bias(name: str, tmp_path: Path) -> None:
    _, model = adapted(plain(WITHOUT_BIAS[name], opset=13), tmp_path)
    assert_equals_numpy(model, bias=0.0)
    assert model.cam_bias is not None
    assert not model.cam_bias.any()


@pytest.mark.parametrize("name", WITHOUT_CLASSIFIER)
def test_heads_without_classifier(name: str, tmp_path: Path) -> None:
    found, model = adapted(plain(WITHOUT_CLASSIFIER[name], opset=13), tmp_path)
    assert_equals_numpy(model, weight=None, bias=0.0)
    assert model.cam_weight is None
    assert not found.layers
    assert found.head.startswith("'last_relu' (Relu), pooled by ")


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 18, 21])
def test_operator_sets(opset: int, tmp_path: Path) -> None:
    _, model = adapted(plain(HEADS["Softmax"], opset=opset), tmp_path)
    assert_equals_numpy(model)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shape", [("N", 3, "H", "W"), ("N", "H", "W", 3), (1, SIDE, SIDE, 3)])
@pytest.mark.parametrize("between", ["", "Identity"])
def test_preprocessing(preset: str, shape: tuple[int | str, ...], between: str, tmp_path: Path) -> None:
    net = Net()
    image = net.op(between, "pixels") if between else "pixels"
    if shape[1] != 3:
        image = net.op("Transpose", image, perm=[0, 3, 1, 2])
    source = net.model([gemm(net, flat_pool(net, features(net, image)))], shape=shape)
    _, model = adapted(source, tmp_path, preprocessing=PRESETS[preset])
    assert_equals_numpy(model, preprocessing=PRESETS[preset])
    # what was turned to planes before it was scaled is not turned back and forth again
    transposes = [node for node in onnx.load(model.path).graph.node if node.op_type == "Transpose"]
    assert len(transposes) == (3 if between and shape[1] != 3 else 1)


@pytest.mark.parametrize(
    ("rgb", "preset", "expected"),
    [
        ((255, 0, 0), "unit", (1, 0, 0)),
        ((255, 0, 0), "tf", (1, -1, -1)),
        ((124, 116, 104), "imagenet", (0.0056, -0.0049, 0.0082)),
        ((223, 117, 114), "caffe", (10, 0, 100)),
    ],
)
def test_presets_by_hand(rgb: tuple[int, ...], preset: str, expected: tuple[float, ...]) -> None:
    assert PRESETS[preset].apply(np.uint8(rgb)) == pytest.approx(expected, abs=1e-3)


def test_float16(tmp_path: Path) -> None:
    _, model = adapted(plain(HEADS["Softmax"], dtype=np.float16), tmp_path)
    assert_equals_numpy(model, tolerance=2e-2)
    assert model.cam_weight is not None
    assert model.cam_weight.dtype == np.float32


@pytest.mark.parametrize("per_channel", [True, False])
def test_quantised(per_channel: bool, tmp_path: Path) -> None:
    from onnxruntime import quantization

    class Photos(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.pixels = (UNIT.apply(picture(seed=seed)).transpose(2, 0, 1) for seed in range(8))

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(({"pixels": np.float32(pixels[None])} for pixels in self.pixels), None)

    float_model, quantised = save(plain(HEADS["Softmax"]), tmp_path), tmp_path / "int8.onnx"
    quantization.quantize_static(float_model, quantised, Photos(), per_channel=per_channel)
    _, model = adapted(onnx.load(quantised), tmp_path)
    assert_equals_numpy(model, tolerance=0.1)


@pytest.mark.parametrize("batch", [1, 4])
def test_fixed_size_made_dynamic(batch: int, tmp_path: Path) -> None:
    """A graph of so many images of one size takes any number of any size, where only the head depends on it."""
    net = Net()
    flat = net.op("Reshape", pool(net, features(net)), net.const([batch, CHANNELS]))
    found, model = adapted(net.model([gemm(net, flat)], shape=[batch, 3, SIDE, SIDE]), tmp_path)
    assert_equals_numpy(model)
    assert (found.dynamic_size, found.dynamic_batch) == (True, True)


@pytest.mark.parametrize("batch", [1, -1])
def test_fixed_size_kept(batch: int, tmp_path: Path) -> None:
    """A Reshape inside fixes the size, and the batch where it names it."""
    net = Net()
    cells = SIDE // 2
    flat = net.op("Reshape", features(net), net.const([batch, CHANNELS, cells**2]))
    back = net.op("Reshape", flat, net.const([batch, CHANNELS, cells, cells]))
    fixed = net.model([gemm(net, flat_pool(net, back))], shape=[1, 3, SIDE, SIDE])
    found, model = adapted(fixed, tmp_path, input_size=None)
    assert_equals_numpy(model)
    assert (found.dynamic_size, found.dynamic_batch) == (False, batch == -1)
    assert (model.fixed_size, model.input_size) == (True, (SIDE, SIDE))
    with pytest.raises(ModelError, match="fixed at 32x32 and cannot be 64x48"):
        adapted(fixed, tmp_path, input_size=(48, 64))


def test_names_of_the_contract_in_use(tmp_path: Path) -> None:
    net = Net()
    relu = net.op("Relu", features(net, file_format.IMAGE), name=file_format.LOGITS)
    twice = net.op("Relu", relu, name=file_format.ACTIVATIONS)
    again = net.op("Relu", twice, name=file_format.CAM_WEIGHT)
    _, model = adapted(net.model([gemm(net, flat_pool(net, again))], image=file_format.IMAGE), tmp_path)
    assert_equals_numpy(model)


def test_subgraph_that_captures_a_renamed_tensor(tmp_path: Path) -> None:
    net = Net()
    relu = net.op("Relu", features(net), name=file_format.LOGITS)
    value = onnx.ValueInfoProto(name="branch")
    branch = helper.make_graph([helper.make_node("Identity", [relu], ["branch"])], "branch", [], [value])
    same = net.op("If", net.const(np.array(True)), then_branch=branch, else_branch=branch)
    _, model = adapted(net.model([gemm(net, flat_pool(net, same))]), tmp_path)
    assert_equals_numpy(model)


def test_nodes_out_of_order(tmp_path: Path) -> None:
    unsorted = plain(HEADS["Softmax"])
    nodes = list(unsorted.graph.node)
    del unsorted.graph.node[:]
    unsorted.graph.node.extend(reversed(nodes))
    _, model = adapted(unsorted, tmp_path)
    assert_equals_numpy(model)


def test_initializers_listed_as_inputs(tmp_path: Path) -> None:
    old = plain(HEADS["Gemm, transB"], opset=8, ir_version=3)
    for tensor in old.graph.initializer:
        old.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    _, model = adapted(old, tmp_path)
    assert_equals_numpy(model)


def test_local_functions(tmp_path: Path) -> None:
    net = Net()
    opsets = [helper.make_opsetid("", 17)]
    rectify = helper.make_function("local", "Rectify", ["x"], ["y"], [helper.make_node("Relu", ["x"], ["y"])], opsets)
    same = net.op("Rectify", features(net), domain="local")
    with_function = net.model([gemm(net, flat_pool(net, same))])
    with_function.functions.append(rectify)
    with_function.opset_import.append(helper.make_opsetid("local", 1))
    _, model = adapted(with_function, tmp_path)
    assert_equals_numpy(model)


def test_external_data(tmp_path: Path) -> None:
    source = tmp_path / "external.onnx"
    onnx.save(plain(HEADS["Softmax"]), source, save_as_external_data=True, location="data", size_threshold=0)
    adapt(source, tmp_path / "cam.onnx", preprocessing=UNIT, classes=None, net="test", input_size=(SIDE, SIDE))
    (tmp_path / "data").unlink()
    assert_equals_numpy(load_model(tmp_path / "cam.onnx"))


def test_metadata(tmp_path: Path) -> None:
    ids = [f"n{index}" for index in range(CLASSES)]
    names = ["crane", "tench", "crane", "maillot", "ёж"]
    options = {"classes": names, "class_ids": ids, "licence": "Apache-2.0", "net": "mine"}
    _, model = adapted(plain(HEADS["Softmax"]), tmp_path, **options)
    assert model.class_names == ("crane (n0)", "tench", "crane (n2)", "maillot", "ёж")
    assert model.class_ids == tuple(ids)
    assert (model.net, model.licence, model.activation_layer) == ("mine", "Apache-2.0", "last_relu")
    stored = {entry.key: entry.value for entry in onnx.load(model.path).metadata_props}
    assert stored["cam_audit.source_sha256"] == hashlib.sha256((tmp_path / "plain.onnx").read_bytes()).hexdigest()
    assert json.loads(stored["cam_audit.input_size"]) == [SIDE, SIDE]
    _, unnamed = adapted(plain(HEADS["Softmax"]), tmp_path)
    assert unnamed.class_names[:2] == ("class 0", "class 1")


def test_nothing_else_is_stored(tmp_path: Path) -> None:
    """No second copy of a weight, no trace of the machine, and a format that onnxruntime 1.20 reads."""
    net = Net()
    output = gemm(net, flat_pool(net, features(net)))
    net.nodes[0].metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/home/somebody/secret.py")
    net.nodes[0].doc_string = "/home/somebody/secret.py"
    _, model = adapted(net.model([output], ir_version=11, opset=20), tmp_path)
    written = onnx.load(model.path)
    onnx.checker.check_model(written, full_check=True)
    sizes = sorted(np.prod(tensor.dims, dtype=int) for tensor in written.graph.initializer)
    assert sizes == sorted([3, 3, KERNEL.size, WEIGHT.size, BIAS.size])
    assert b"somebody" not in model.path.read_bytes()
    assert written.ir_version == 10
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*written.graph.input, *written.graph.output)
    }
    assert shapes == {
        "image": ["N", "H", "W", 3],
        "logits": ["N", CLASSES],
        "activations": ["N", CHANNELS, "h", "w"],
        "cam_weight": [CLASSES, CHANNELS],
        "cam_bias": [CLASSES],
    }


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "preprocessing", "background", "at_least"),
    [
        (
            "googlenet_bvlc.onnx",
            Preprocessing(1.0, (123.0, 117.0, 104.0), (1.0, 1.0, 1.0), bgr=True),
            0,
            0.73,
        ),
        ("mobilenetv2_tf.onnx", PRESETS["tf"], 1, 0.83),
    ],
)
def test_real_nets(
    file: str, preprocessing: Preprocessing, background: int, at_least: float, shared: Path, tmp_path: Path
) -> None:
    """Top-1 on whole photos is in the range of what centre crops of other photos gave."""
    with (shared / "models" / "imagenet_classes.csv").open(encoding="utf-8") as file_object:
        ids = [""] * background + [row["wnid"] for row in csv.DictReader(file_object)]
    adapt(shared / "models" / file, tmp_path / file, preprocessing=preprocessing, classes=ids, net="real")
    model = load_model(tmp_path / file)
    assert not model.fixed_size
    photos = sorted((shared / "photos" / "imagenet").glob("*/*.JPEG"))[::3]
    hits = [ids[int(model.run(shortest_side(photo, 224)).logits.argmax())] == photo.stem for photo in photos]
    assert np.mean(hits) == pytest.approx(at_least + 0.07, abs=0.07)


def shortest_side(photo: Path, side: int) -> np.ndarray:
    bgr = cv2.imread(str(photo))
    height, width = bgr.shape[:2]
    scale = side / min(height, width)
    size = (max(side, round(width * scale)), max(side, round(height * scale)))
    return np.ascontiguousarray(cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)[..., ::-1])


@pytest.mark.parametrize(("last", "scores"), [("Sigmoid", "sigmoid"), ("Softmax", "softmax"), (None, "softmax")])
def test_a_net_that_ends_in_a_sigmoid_keeps_sigmoid_scores(tmp_path: Path, last: str | None, scores: str) -> None:
    def head(net: Net, tensor: str) -> str:
        logits = gemm(net, flat_pool(net, tensor))
        return net.op(last, logits) if last else logits

    source = save(plain(head), tmp_path)
    adapted = adapt(source, tmp_path / "net.onnx", preprocessing=UNIT, classes=None, net="x", input_size=(SIDE, SIDE))
    model = load_model(adapted.path)
    assert model.scores == scores
    assert any("all above .5 are predictions" in note for note in adapted.notes) == (last == "Sigmoid")
    if last:
        rgb = picture()
        session = onnxruntime.InferenceSession(str(source), providers=["CPUExecutionProvider"])
        entering = UNIT.apply(rgb).transpose(2, 0, 1)[None].astype(np.float32)
        expected = session.run(None, {"pixels": entering})[0][0]
        np.testing.assert_allclose(model.probabilities(model.run(rgb).logits), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("metadata", "names", "size"),
    [
        ({"names": str(dict(enumerate("vwxyz"))), "imgsz": "[48, 64]"}, tuple("vwxyz"), (48, 64)),
        ({"imgsz": "96"}, None, (96, 96)),
        ({"names": "{0: 'a'}", "imgsz": "[0, 64]"}, None, (224, 224)),
        ({"names": "anything", "imgsz": "{"}, None, (224, 224)),
    ],
)
def test_names_and_size_that_other_exporters_wrote_are_read(
    tmp_path: Path, metadata: dict[str, str], names: tuple[str, ...] | None, size: tuple[int, int]
) -> None:
    net = plain(lambda n, t: gemm(n, flat_pool(n, t)))
    helper.set_model_props(net, metadata)
    found = adapt(save(net, tmp_path), tmp_path / "net.onnx", preprocessing=UNIT, classes=None, net="x")
    model = load_model(found.path)
    assert model.class_names == found.class_names == (names or tuple(f"class {index}" for index in range(CLASSES)))
    assert (found.named, model.input_size) == (names is not None, size)
    assert any("metadata 'names'" in note for note in found.notes) == (names is not None)
    given = adapt(tmp_path / "plain.onnx", tmp_path / "given.onnx", preprocessing=UNIT, classes="abcde", net="x")
    assert given.class_names == tuple("abcde")
