"""`cam-audit models` as a shell sees it."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from pictures import encode
from plain_nets import (
    CLASSES,
    Head,
    Net,
    expected_activations,
    features,
    flat_pool,
    gemm,
    picture,
    plain,
    pointwise,
)
from tiny_net import colour_net

import cam_audit
from cam_audit.cli.adapt import PRESET_NAMES
from cam_audit.cli.net import ZOO_NAMES
from cam_audit.images.decode import read_image
from cam_audit.models import zoo
from cam_audit.models.adapt import PRESETS, Preprocessing
from cam_audit.models.known import DEFAULT_NET, NETS
from cam_audit.models.model import load_model

Command = Callable[..., tuple[str, str]]
ROOT = Path(cam_audit.__file__).parents[1]


def flattened(net: Net, tensor: str) -> str:
    """A fully connected layer over all cells of 32x32 pixels, as AlexNet's and VGG's first."""
    cells = net.op("Flatten", net.op("AveragePool", tensor, kernel_shape=[4, 4], strides=[4, 4], name="grid"))
    return net.op("Gemm", cells, net.const(np.ones((6 * 16, CLASSES))), name="fc")


def flattened_twice(net: Net, tensor: str) -> str:
    """The same with another layer after it."""
    cells = net.op("Flatten", net.op("AveragePool", tensor, kernel_shape=[4, 4], strides=[4, 4], name="grid"))
    weight = np.random.default_rng(0).normal(size=(6 * 16, 4))
    hidden = net.op("Relu", net.op("Gemm", cells, net.const(weight)))
    return net.op("Gemm", hidden, net.const(np.ones((4, CLASSES))), name="fc")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder on a machine that has no net."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAM_AUDIT_MODELS", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, appauthor: str(tmp_path / "cache"))
    onnx.save(plain(lambda n, t: gemm(n, flat_pool(n, t))), tmp_path / "my plain.onnx")
    colour_net().write(tmp_path / "colour.onnx")
    return tmp_path


@pytest.fixture
def run(command: Command) -> Command:
    """Run `cam-audit models ...`."""
    return partial(command, "models")


def fields(output: str) -> dict[str, str]:
    """Name and text of each line."""
    return dict(re.split("  +", line, maxsplit=1) for line in output.splitlines())


def test_list_has_every_net_with_the_command_that_makes_it_or_its_file(run, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("cam_audit.models.efficientnet.PACKAGE", "package_that_is_not_there")
    header, *rows = run("list")[0].splitlines()
    assert [row.split()[0] for row in rows] == list(NETS)
    assert rows[0].split()[1:6] == ["69.9", "%", "46.8", "MB", "Apache-2.0"]
    column = header.index("FILE")
    assert rows[0][column:] == "cam-audit models pull resnet18"
    assert rows[list(NETS).index(DEFAULT_NET)][column:] == "pip install 'cam-audit[imagenet]'"
    (folder / "onnx_models").mkdir()
    (folder / "onnx_models" / "resnet18.onnx").write_bytes(bytes(2_000_000))
    header, first, *_ = run("list")[0].splitlines()
    assert first.split()[3] == "2.0"
    assert first[header.index("FILE") :] == str(Path("onnx_models", "resnet18.onnx"))


def test_check_tells_a_cam_ready_file_by_the_exit_code(run) -> None:
    assert run("check", "colour.onnx")[0] == "colour.onnx: CAM-ready, tiny with 4 classes\n"
    output, error = run("check", "gone.onnx", code=2)
    assert (output, error) == ("", "cam-audit: gone.onnx: no such model file\n")


def test_check_runs_the_file_on_the_provider_that_is_named_or_says_that_it_does_not(run) -> None:
    assert run("check", "colour.onnx", "--provider", "cpu")[0].endswith(", the same on cpu as on the CPU\n")
    error = run("check", "colour.onnx", "--provider", "openvin", code=2)[1]
    assert error.startswith("cam-audit: --provider openvin: it is no execution provider of this onnxruntime ")
    if "AzureExecutionProvider" in ort.get_available_providers():
        error = run("check", "colour.onnx", "--provider", "azure", code=2)[1]
        assert error.startswith("cam-audit: colour.onnx: Azure can't do all steps of the net; ")


def test_a_plain_classifier_gets_the_command_that_makes_it_cam_ready(run) -> None:
    error = run("check", "my plain.onnx", code=2)[1]
    assert error.count("\n") == 1
    command = shlex.split(error.split("`")[1])
    assert command[:3] == ["cam-audit", "models", "adapt"]
    run(*command[2:])
    run("check", "my plain.cam.onnx")


def test_a_net_that_is_not_onnx_gets_the_lines_that_export_it(run, folder: Path) -> None:
    """One line for the error, then code that is indented and can be run."""
    (folder / "my.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(10))
    for command in ("check", "adapt", "info"):
        message, *lines = run(command, "my.h5", code=2)[1].splitlines()
        assert message.startswith("cam-audit: my.h5: a net of Keras, not ONNX; export it as below, then run ")
        assert "`cam-audit models adapt my.onnx`" in message
        compile(textwrap.dedent("\n".join(lines)), "lines", "exec")
        assert all(line.startswith("    ") or not line for line in lines)
        assert "load_model('my.h5'" in "".join(lines)


def test_info_tells_what_a_file_is_made_of(run) -> None:
    run("adapt", "my plain.onnx", "-o", "net.onnx", "--preset", "caffe", "--input-size", "32")
    found = fields(run("info", "net.onnx")[0])
    model = load_model("net.onnx")
    assert found["sha256"] == model.sha256
    assert "1 Conv" in found["layers"]
    assert found["map"].startswith("6 channels of 16x16 cells at 32x32")
    assert found["preprocessing"] == "RGB 0..255 minus (123, 117, 104), divided by (1, 1, 1), channels then as BGR"
    assert found["classes"].startswith("5: class 0, class 1, ")
    assert "int8" not in found


def test_adapt_and_info_tell_how_many_channels_enter_the_last_convolution(run, folder: Path) -> None:
    net = Net()
    relu = net.op("Relu", pointwise(net, features(net)))
    onnx.save(net.model([flat_pool(net, relu)]), folder / "squeeze.onnx")
    told = "6 channels enter the last convolution, by which classes are taken to parts"
    assert fields(run("adapt", "squeeze.onnx", "-o", "net.onnx", "--preset", "unit")[0])["features"] == told
    assert fields(run("info", "net.onnx")[0])["features"] == told
    assert "features" not in fields(run("info", "colour.onnx")[0])


def test_info_of_a_file_that_adapt_did_not_make(run) -> None:
    found = fields(run("info", "colour.onnx")[0])
    assert found["preprocessing"] == "in the graph, not in the form that `adapt` gives it"
    assert found["input"] == "32x32, other sizes too"


def test_the_classes_of_one_file_are_labels_for_another(run, folder: Path) -> None:
    names = ("a,b", 'say "c"', "größe", "d", "e")
    (folder / "labels.csv").write_text(
        "index,wnid,name\n"
        + "".join(f'{i},n{i},"{name.replace(chr(34), chr(34) * 2)}"\n' for i, name in enumerate(names)),
        encoding="utf-8",
    )
    run("adapt", "my plain.onnx", "-o", "first.onnx", "--labels", "labels.csv", "--preset", "unit")
    table = run("info", "--classes", "first.onnx")[0]
    assert [tuple(row.values()) for row in csv.DictReader(io.StringIO(table))] == [
        (str(i), f"n{i}", name) for i, name in enumerate(names)
    ]
    (folder / "again.csv").write_text(table, encoding="utf-8")
    run("adapt", "my plain.onnx", "-o", "second.onnx", "--labels", "again.csv", "--preset", "unit")
    assert load_model("second.onnx").class_names == names
    assert load_model("second.onnx").class_ids == tuple(f"n{i}" for i in range(CLASSES))


@pytest.mark.parametrize(
    ("options", "preprocessing"),
    [
        ("--preset tf", Preprocessing(1.0, (127.5,) * 3, (127.5,) * 3)),
        (
            "--scale 1/255 --mean 0.1 0.2 0.3 --std 0.5 0.6 0.7",
            Preprocessing(1 / 255, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)),
        ),
        ("--mean 123 117 104 --bgr", Preprocessing(1.0, (123.0, 117.0, 104.0), (1.0,) * 3, bgr=True)),
        ("--preset inception", Preprocessing(1.0, (127.5,) * 3, (127.5,) * 3)),
        ("--preset clip", Preprocessing(1.0, (122.7709, 116.7460, 104.0937), (68.5005, 66.6322, 70.3232))),
        ("--preset raw", Preprocessing(1.0, (0.0,) * 3, (1.0,) * 3)),
        ("--scale 0.01", Preprocessing(0.01, (0.0,) * 3, (1.0,) * 3)),
        ("", Preprocessing(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
    ],
)
def test_adapt_builds_the_preprocessing_in(run, options: str, preprocessing: Preprocessing) -> None:
    output, error = run("adapt", "my plain.onnx", "-o", "net.onnx", *options.split())
    assert ("no --preset, so imagenet is taken" in error) == (not options)
    rgb = picture(40, 48)
    expected = expected_activations(rgb, preprocessing)
    np.testing.assert_allclose(
        load_model("net.onnx").run(rgb).activations, expected, rtol=1e-3, atol=1e-4 * expected.max()
    )
    printed = fields(output)
    assert printed["head"].startswith("'last_relu' (Relu), pooled by ")
    assert printed["input"] == "224x224, other sizes too"
    assert printed["classes"] == "5: unnamed, --labels names them"
    assert printed["wrote"] == "net.onnx"


def test_adapt_says_what_it_took_as_what(run, folder: Path) -> None:
    net = Net()
    grey = net.op("Expand", net.op("Div", "pixels", net.const([255.0]), name="rescale"), net.const([1, 3, 1, 1]))
    hidden = net.op(
        "Relu", net.op("Gemm", flat_pool(net, features(net, grey)), net.const(np.eye(6) - 0.5)), name="gate"
    )
    one, several = (
        net.op("Gemm", hidden, net.const(np.ones((6, k))), name=name) for k, name in ((1, "z"), (4, "kinds"))
    )
    onnx.save(net.model([one, several], shape=("N", 1, "H", "W")), folder / "two.onnx")
    assert "probably `--output-name kinds`" in run("adapt", "two.onnx", code=2)[1]
    output, error = run("adapt", "two.onnx", "--output-name", "z", "-o", "net.onnx")
    notes = error.splitlines()
    assert notes[0] == "note: one channel: grey, 0.299 R + 0.587 G + 0.114 B"
    assert notes[1].startswith("note: preprocessing is in the net: it takes 0..255, scaled by 'rescale' (Div)")
    assert notes[2].startswith("note: one score z: taken as the two classes")
    printed = fields(output)
    assert "exact for each image" in printed["map"]
    assert "of the largest logit" in printed["map"]
    assert "exact for each image" in fields(run("info", "net.onnx")[0])["map"]
    assert run("adapt", "two.onnx", "--output-name", "z", "--preset", "tf", code=2)[1].count("in the net already") == 1


@pytest.mark.parametrize(("head", "channels"), [(flattened, 5), (flattened_twice, 4)])
def test_adapt_takes_a_flattened_map_if_asked(run, folder: Path, head: Head, channels: int) -> None:
    onnx.save(plain(head), folder / "deep.onnx")
    printed = fields(run("adapt", "deep.onnx", "--input-size", "32", "--per-image", "--preset", "unit")[0])
    assert printed["map"].startswith(f"{channels} channels of 4x4 cells at 32x32; exact for each image")
    assert printed["input"].startswith("32x32 only; a scan squeezes every image to it: it has weights for each cell")


def test_adapt_names_its_file_after_the_source(run, folder: Path) -> None:
    run("adapt", "my plain.onnx", "--preset", "unit")
    assert load_model(folder / "my plain.cam.onnx").net == "my plain"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("adapt plain.onnx --preset tf --bgr", "--preset goes without --mean, --std, --scale and --bgr"),
        (
            "adapt plain.onnx --preset keras",
            "'keras' is not one of 'imagenet', 'caffe', 'tf', 'unit', 'inception', 'clip', 'raw'",
        ),
        ("adapt plain.onnx --scale 1/0", "'1/0' is no number"),
        ("adapt plain.onnx --scale 0", "scale and std must not be 0"),
        ("adapt plain.onnx --input-size 224x", "neither N nor HxW"),
        ("adapt plain.onnx --input-size 0", "neither N nor HxW"),
        ("adapt plain.onnx --labels gone.txt", "gone.txt: cannot be read"),
        ("adapt plain.onnx --labels two.txt", "2 labels for 5 classes"),
        ("adapt plain.onnx --labels page.html", "page.html: <html>: no name of a class; give one name a line"),
        ("adapt plain.onnx -o ./plain.onnx", "it would overwrite plain.onnx"),
        ("adapt gone.onnx", "gone.onnx: cannot be read: No such file or directory"),
        (
            "adapt deep.onnx --input-size 32",
            "deep.onnx: no global average pooling: 'grid' (AveragePool) feeds the classifier 'fc' (Gemm)",
        ),
        ("pull alexnet", "'alexnet' is not one of 'resnet18', 'squeezenet', 'googlenet', 'mobilenetv2'"),
        ("quantize colour.onnx", "Missing option '--photos'"),
        ("quantize colour.onnx --photos empty", "0 photos that can be read; quantising takes at least 12"),
        ("quantize colour.onnx --photos gone", "gone"),
        ("quantize colour.onnx --photos empty -o colour.onnx", "it would overwrite colour.onnx"),
        ("info plain.onnx", "cam-audit models adapt plain.onnx -o plain.cam.onnx"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(run, folder: Path, line: str, message: str) -> None:
    (folder / "my plain.onnx").rename(folder / "plain.onnx")
    onnx.save(plain(flattened), "deep.onnx")
    (folder / "two.txt").write_text("a\nb\n")
    (folder / "page.html").write_text("<html>\nsign in\n")
    (folder / "empty").mkdir()
    before = sorted(folder.rglob("*"))
    output, error = run(*line.split(), code=2)
    assert output == ""
    complaint = error.splitlines()[-1]
    assert complaint.startswith("cam-audit: ")
    assert message in complaint
    assert all(line.startswith("note: ") for line in error.splitlines()[:-1])
    assert sorted(folder.rglob("*")) == before


def test_quantize_prints_what_info_finds_in_the_file(run, folder: Path) -> None:
    (folder / "photos" / "inner").mkdir(parents=True)
    for index in range(15):
        (folder / "photos" / "inner" / f"{index}.png").write_bytes(encode(picture(32, 32, index)))
    printed = fields(run("quantize", "colour.onnx", "--photos", "photos")[0])
    stored = fields(run("info", "colour.int8.onnx")[0])
    assert printed["int8"] == "10 photos measured, calibrated on 5 others"
    for name in ("int8", "same top-1", "same map", "speed"):
        assert printed[name] == stored[name]


def test_pull_says_what_to_do_next_and_does_not_pull_twice(run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = folder / "cache" / "models" / "resnet18.onnx"

    def pulled(name: str, progress) -> Path:
        target.parent.mkdir(parents=True)
        progress(1000)
        return colour_net().write(target)

    monkeypatch.setattr(zoo, "pull", pulled)
    assert run("pull", "resnet18") == (f"{target}: ready, scan with --net resnet18\n", "")
    assert run("pull", "resnet18")[0] == f"{target} is there already; delete it to pull it again\n"


def test_the_choices_are_those_of_the_library() -> None:
    assert tuple(PRESETS) == PRESET_NAMES
    assert tuple(zoo.ZOO) == ZOO_NAMES


def run_without_onnx(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "onnx.py").write_text("raise ImportError('No module named onnx')")
    return subprocess.run(
        [sys.executable, "-m", "cam_audit", "models", *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["adapt", "my plain.onnx"],
        ["info", "colour.onnx"],
        ["pull", "resnet18"],
        ["quantize", "colour.onnx", "--photos", "."],
    ],
    ids=lambda arguments: arguments[0],
)
def test_without_onnx_one_line_says_what_to_install(folder: Path, arguments: list[str]) -> None:
    result = run_without_onnx(folder, *arguments)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "pip install 'cam-audit[models]'" in result.stderr


def test_list_and_check_need_no_onnx(folder: Path) -> None:
    for arguments in (["list"], ["check", "colour.onnx"], ["info", "--classes", "colour.onnx"]):
        result = run_without_onnx(folder, *arguments)
        assert result.returncode == 0, result.stderr


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "options", "background", "least", "most"),
    [
        ("googlenet_bvlc.onnx", "--mean 123 117 104 --bgr", [], 0.70, 0.86),
        ("mobilenetv2_tf.onnx", "--preset tf", ["background"], 0.80, 0.95),
    ],
)
def test_a_real_classifier_is_audited_after_one_command(
    run, folder: Path, shared: Path, file: str, options: str, background: list[str], least: float, most: float
) -> None:
    """Top-1 on the photos, whole images; ../shared/models/README.md has 73 % and 83 % for centre crops."""
    with (shared / "models" / "imagenet_classes.csv").open(encoding="utf-8") as classes:
        rows = [(row["wnid"], row["name"]) for row in csv.DictReader(classes)]
    labels = [("", name) for name in background] + rows
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([("index", "wnid", "name"), *((i, *row) for i, row in enumerate(labels))])
    run("adapt", str(shared / "models" / file), "-o", "net.onnx", "--labels", "labels.csv", *options.split())
    model = load_model("net.onnx")
    photos = sorted((shared / "photos" / "imagenet").rglob("*.JPEG"))[::3]
    right = 0
    for photo in photos:
        first = int(model.run(model.fit(read_image(photo)[0])).logits.argmax())
        right += bool(model.class_ids[first]) and photo.name.startswith(model.class_ids[first])
    assert least <= right / len(photos) <= most
