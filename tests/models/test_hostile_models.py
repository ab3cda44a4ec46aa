"""Nets made to hurt are refused in one line: no other file is read, no memory is filled, nothing unknown is run."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from commands import ROOT, run
from onnx import TensorProto, helper, numpy_helper
from pictures import encode
from refused_files import refusal
from tiny_net import COLOURS, colour_net

from cam_audit import load_model
from cam_audit.errors import ModelError
from cam_audit.models.adapt.contents import read_contents
from cam_audit.models.external_data import has_external_data
from cam_audit.models.session import MEMORY_SHARE

Edit = Callable[[onnx.ModelProto], None]


def edited(edit: Edit, path: Path) -> Path:
    proto = colour_net().proto()
    edit(proto)
    path.write_bytes(proto.SerializeToString())
    return path


def external(location: str) -> onnx.TensorProto:
    """The convolution's weights, in another file."""
    tensor = numpy_helper.from_array(colour_net().conv, "conv")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def in_an_initializer(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    proto.graph.initializer[0].CopyFrom(tensor)


def in_a_constant(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    del proto.graph.initializer[0]
    proto.graph.node.insert(0, helper.make_node("Constant", [], ["conv"], value=tensor))


def in_a_branch(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    del proto.graph.initializer[0]
    branch = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["branch"])],
        "branch",
        [],
        [helper.make_tensor_value_info("branch", TensorProto.FLOAT, None)],
    )
    tensor.name = "inner"
    branch.initializer.append(tensor)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    proto.graph.node.insert(0, helper.make_node("If", ["yes"], ["conv"], then_branch=branch, else_branch=branch))


def in_a_function(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    del proto.graph.initializer[0]
    body = [helper.make_node("Constant", [], ["weights"], value=tensor)]
    function = helper.make_function("own", "Weights", [], ["weights"], body, [helper.make_opsetid("", 17)])
    proto.functions.append(function)
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.graph.node.insert(0, helper.make_node("Weights", [], ["conv"], domain="own"))


def in_a_sparse_tensor(proto: onnx.ModelProto, tensor: onnx.TensorProto) -> None:
    proto.graph.sparse_initializer.add().values.CopyFrom(tensor)


PLACES = (in_an_initializer, in_a_constant, in_a_branch, in_a_function, in_a_sparse_tensor)


@pytest.fixture
def never_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime, which opens the files that a net names, is not given the net at all."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("onnxruntime was given the net")

    monkeypatch.setattr(ort, "InferenceSession", refuse)


@pytest.mark.usefixtures("never_loaded")
@pytest.mark.parametrize(
    "location", ["weights", "../secret", "../../../../../../etc/passwd", "{}/secret", "link", "up/secret"]
)
@pytest.mark.parametrize("place", PLACES)
def test_weights_in_other_files_are_refused_wherever_they_are(
    place: Callable[[onnx.ModelProto, onnx.TensorProto], None], location: str, tmp_path: Path
) -> None:
    folder = tmp_path / "nets"
    folder.mkdir()
    for name in ("secret", "nets/weights"):
        (tmp_path / name).write_bytes(colour_net().conv.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    path = edited(lambda proto: place(proto, external(location.format(tmp_path))), folder / "net.onnx")
    assert "weights in other files are refused; `cam-audit models adapt` makes it one file" in refusal(path)


def tensors_of(message: object) -> Iterator[onnx.TensorProto]:
    """Every tensor anywhere in a message, by protobuf's own reflection."""
    if isinstance(message, onnx.TensorProto):
        yield message
    for field, value in message.ListFields():  # type: ignore[attr-defined]
        if field.type == field.TYPE_MESSAGE:
            for inner in value if hasattr(value, "add") else [value]:
                yield from tensors_of(inner)


def test_external_data_is_found_as_protobuf_finds_it() -> None:
    """Mutated nets that protobuf still reads, some of them with external data."""
    sources = [colour_net().proto().SerializeToString()]
    for place in PLACES:
        proto = colour_net().proto()
        place(proto, external("x"))
        sources.append(proto.SerializeToString())
    compared = {True: 0, False: 0}
    for seed in range(20_000):
        random = np.random.default_rng(seed)
        data = bytearray(sources[seed % len(sources)])
        weights = colour_net().conv.tobytes()
        start = data.find(weights)
        at = int(random.integers(len(data)))
        if start <= at < start + len(weights):
            continue
        data[at] = int(random.integers(256))
        try:
            expected = any(tensor.external_data for tensor in tensors_of(onnx.ModelProto.FromString(bytes(data))))
        except Exception:
            continue
        try:
            found = has_external_data(bytes(data))
        except ValueError:
            # groups, which protobuf skips and no ONNX file has
            continue
        assert found == expected, seed
        compared[found] += 1
    assert min(compared.values()) > 500


def test_bytes_that_are_no_protobuf_are_a_value_error_and_never_anything_else() -> None:
    random = np.random.default_rng(0)
    for length in (*range(1, 60), 5000):
        for _ in range(20):
            data = random.bytes(length)
            with contextlib.suppress(ValueError):
                has_external_data(data)


def unknown_operator(proto: onnx.ModelProto) -> None:
    proto.graph.node[4].op_type, proto.graph.node[4].domain = "Run", "somebody.else"
    proto.opset_import.append(helper.make_opsetid("somebody.else", 1))


def dimensions(*sides: int) -> Edit:
    def edit(proto: onnx.ModelProto) -> None:
        proto.graph.initializer[0].dims[:] = sides

    return edit


def huge_input(proto: onnx.ModelProto) -> None:
    for dimension in proto.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = 1 << 40


def metadata(key: str, text: str) -> Edit:
    def edit(proto: onnx.ModelProto) -> None:
        (entry,) = (entry for entry in proto.metadata_props if entry.key == f"cam_audit.{key}")
        entry.value = text

    return edit


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (unknown_operator, "somebody.else"),
        (dimensions(1 << 40, 3, 8, 8), "can load"),
        (dimensions(1 << 62, 4, 8, 8), "can load"),
        (dimensions(-1, 3, 8, 8), "can load"),
        (huge_input, "cannot be run at 32x32"),
        (metadata("classes", "[" * 100_000), "cam_audit.classes is not JSON"),
        (metadata("classes", "[" * 100_000 + "]" * 100_000), "cam_audit.classes is not JSON"),
        (metadata("classes", json.dumps([["red"], "green", "blue", "other"])), "classes is not a list of names"),
        (metadata("classes", json.dumps(["x"] * 1_000_000)), "1000000 class names for 4 classes"),
        (metadata("classes", json.dumps(["a", "b", "c", "x" * 131_073])), "has a name of 131,073 letters"),
        (metadata("input_size", "[" + "9" * 10_000 + ", 32]"), "cam_audit.input_size is not JSON"),
        (metadata("input_size", "[NaN, Infinity]"), "cam_audit.input_size is not [H, W]"),
    ],
)
def test_odd_contents_are_refused_in_one_line(edit: Edit, reason: str, tmp_path: Path) -> None:
    assert reason in refusal(edited(edit, tmp_path / "net.onnx"))


@pytest.mark.parametrize("old", [b'"green"', b"cam_audit.net", b"CC0-1.0", b"activations", b"height"])
def test_a_name_that_is_not_utf8_is_refused_in_one_line(old: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    data = colour_net().proto().SerializeToString()
    assert old in data
    path.write_bytes(data.replace(old, old[:-3] + b"\xff" + old[-2:]))
    assert refusal(path)


def test_a_file_cut_or_changed_anywhere_loads_or_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    whole = colour_net().proto().SerializeToString()
    for seed in range(300):
        random = np.random.default_rng(seed)
        data = bytearray(whole[: random.integers(len(whole))] if seed % 3 == 0 else whole)
        for at in random.integers(len(data), size=3 if data else 0):
            data[at] = int(random.integers(256))
        path.write_bytes(data)
        with contextlib.suppress(ModelError):
            load_model(path)
            read_contents(path)


def test_outputs_that_a_scan_does_not_ask_for_are_not_computed(tmp_path: Path) -> None:
    def ten_thousand(proto: onnx.ModelProto) -> None:
        for index in range(10_000):
            proto.graph.node.append(helper.make_node("Identity", ["logits"], [f"more{index}"]))
            proto.graph.output.append(helper.make_tensor_value_info(f"more{index}", TensorProto.FLOAT, None))

    assert load_model(edited(ten_thousand, tmp_path / "net.onnx")).class_names == COLOURS


def test_onnxruntimes_own_format_which_it_hardly_checks_is_refused(tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "net.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    ort.InferenceSession(colour_net().proto().SerializeToString(), options, providers=["CPUExecutionProvider"])
    (tmp_path / "net.ort").rename(tmp_path / "net.onnx")
    assert "not an ONNX file" in refusal(tmp_path / "net.onnx")


def asks_for(operator: str, count: int) -> Edit:
    """A small file that asks for `count` numbers of 4 bytes, and again as often until they are 64 times as many."""

    def edit(proto: onnx.ModelProto) -> None:
        proto.graph.initializer.append(numpy_helper.from_array(np.array([count]), "count"))
        proto.graph.initializer.append(numpy_helper.from_array(np.float32([1]), "one"))
        for index in range(64):
            inputs = ["count"] if operator == "ConstantOfShape" else ["one", "count"]
            proto.graph.node.insert(index, helper.make_node(operator, inputs, [f"much{index}"]))
        much = [f"much{index}" for index in range(64)]
        proto.graph.node.insert(64, helper.make_node("Sum", much, ["all"]))
        proto.graph.node.insert(65, helper.make_node("ReduceMax", ["all"], ["most"], keepdims=0))
        proto.graph.node[-1].output[0] = "scores"
        proto.graph.node.append(helper.make_node("Add", ["scores", "most"], ["logits"]))

    return edit


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand", "Tile"])
@pytest.mark.parametrize("share", [0.9, 1000])
@pytest.mark.skipif(
    tuple(map(int, ort.__version__.split(".")[:2])) < (1, 28), reason="onnxruntime folds constants outside the limit"
)
def test_a_net_may_not_take_more_than_its_share_of_the_memory(operator: str, share: float, tmp_path: Path) -> None:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert MEMORY_SHARE < 0.9
    # one piece of the smaller one is less than there is, so that the system by itself would give it
    path = edited(asks_for(operator, int(share * memory / 4)), tmp_path / "net.onnx")
    code = (
        "import re, sys, cam_audit\n"
        "from pathlib import Path\n"
        "from cam_audit.models.session import set_up_runtime\n"
        "set_up_runtime()\n"
        "try: cam_audit.load_model(sys.argv[1])\n"
        "except cam_audit.ModelError as error: print(error)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text()).group(1))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(path)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout
    message, kilobytes = answer.splitlines()
    assert message.startswith(f"{path}: the net cannot be run at 32x32")
    assert int(kilobytes) < 500_000


@pytest.mark.parametrize("note", ["[" * 100_000, "{}", "7", '{"measured_photos": "many"}', "no JSON"])
def test_a_damaged_note_about_quantisation_is_told(folder: Path, note: str) -> None:
    net = colour_net(metadata={"quantisation": note})
    net.write(folder / "net.onnx")
    assert "the note about it in the file is damaged" in run(folder, "models", "info", "net.onnx").stdout


@pytest.mark.parametrize(
    "values", [np.zeros(3), np.float32([np.nan, 1, 1]), np.ones(7), np.ones((1, 3, 1, 1)) * 1e-320]
)
def test_odd_constants_of_the_preprocessing_are_not_taken_for_it(values: np.ndarray, tmp_path: Path) -> None:
    def edit(proto: onnx.ModelProto) -> None:
        for name in ("cam_audit/factor", "cam_audit/offset"):
            proto.graph.initializer.append(numpy_helper.from_array(values, name))

    assert read_contents(edited(edit, tmp_path / "net.onnx")).preprocessing is None


def sequence(proto: onnx.ModelProto) -> None:
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.append(helper.make_node("SequenceConstruct", ["scores"], ["logits"]))
    output = helper.make_tensor_sequence_value_info("logits", TensorProto.FLOAT, None)
    proto.graph.output[0].CopyFrom(output)


def integers(proto: onnx.ModelProto) -> None:
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.append(helper.make_node("Cast", ["scores"], ["logits"], to=TensorProto.INT64))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.INT64, None))


def nothing(proto: onnx.ModelProto) -> None:
    """No image in the batch comes out."""
    proto.graph.initializer.append(numpy_helper.from_array(np.array([0]), "zero"))
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.append(helper.make_node("Slice", ["scores", "zero", "zero"], ["logits"]))


def weights_not_numbers(proto: onnx.ModelProto) -> None:
    """The score is computed from a copy that is right."""
    right = numpy_helper.to_array(proto.graph.initializer[2])
    proto.graph.initializer.append(numpy_helper.from_array(right, "right"))
    proto.graph.node[-1].input[1] = "right"
    proto.graph.initializer[2].CopyFrom(numpy_helper.from_array(np.full_like(right, np.nan), "cam_weight"))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (sequence, "its output 'logits' is not float32 numbers"),
        (integers, "its output 'logits' is not float32 numbers"),
        (nothing, "its output 'logits' is not float32 numbers"),
        (weights_not_numbers, "scores, weights or activations that are not numbers"),
    ],
)
def test_outputs_that_are_no_numbers_are_refused(edit: Edit, reason: str, tmp_path: Path) -> None:
    assert reason in refusal(edited(edit, tmp_path / "net.onnx"))


def more_scores_for_bright_images(proto: onnx.ModelProto) -> None:
    """As many times the scores as the brightest pixel is above 254, which no image of the check is."""
    one = numpy_helper.from_array(np.array([1]), "rows")
    proto.graph.initializer.extend([one, numpy_helper.from_array(np.array([0, 1, 2, 3]), "all")])
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(254.5), "bright"))
    proto.graph.node[-1].output[0] = "scores"
    proto.graph.node.extend(
        [
            helper.make_node("ReduceMin", ["float"], ["darkest"], keepdims=0),
            helper.make_node("Greater", ["darkest", "bright"], ["is_bright"]),
            helper.make_node("Cast", ["is_bright"], ["extra"], to=TensorProto.INT64),
            helper.make_node("Add", ["extra", "rows"], ["times"]),
            helper.make_node("Concat", ["rows", "times"], ["repeats"], axis=0),
            helper.make_node("Tile", ["scores", "repeats"], ["logits"]),
        ]
    )


def test_a_net_that_answers_some_images_in_another_shape_leaves_an_error_for_each(folder: Path) -> None:
    edited(more_scores_for_bright_images, folder / "net.onnx")
    (folder / "photos" / "red" / "white.png").write_bytes(encode(np.full((32, 32, 3), 255, np.uint8)))
    result = run(folder, "scan", "photos", "--model", "net.onnx", code=3)
    assert "7 images, 1 error" in result.stdout
    assert "its outputs have other shapes than when it was loaded" in result.stdout


@pytest.mark.parametrize("command", ["scan photos --model net.onnx", "models check net.onnx", "models info net.onnx"])
@pytest.mark.parametrize("edit", [unknown_operator, metadata("classes", "[" * 100_000)])
def test_every_command_says_so_in_one_line(folder: Path, command: str, edit: Edit) -> None:
    edited(edit, folder / "net.onnx")
    result = run(folder, *command.split(), code=2)
    assert result.stderr.count("\n") == 1
    assert not (folder / "cam-audit-out").exists()
