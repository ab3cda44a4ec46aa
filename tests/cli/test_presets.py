"""`adapt --photos` finds the preset that a net was trained with, by labelled photos."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from pictures import encode
from plain_nets import Net

from cam_audit.models.adapt.contents import read_contents
from cam_audit.models.model import load_model

Command = Callable[..., tuple[str, str]]
CLASSES = ("dark", "light")


def threshold(level: float) -> onnx.ModelProto:
    """Light is what its input's mean is above `level`: only pixels that are preprocessed rightly tell."""
    net = Net()
    flat = net.op("Flatten", net.op("GlobalAveragePool", net.op("Identity", "pixels")))
    weight = np.float32([[-1, -1, -1], [1, 1, 1]]) / 3
    return net.model([net.op("Gemm", flat, net.const(weight), net.const(np.float32([level, -level])), transB=1)])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty photos of two classes: greys below and above 100."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES))
    for name, level in (("dark", 80), ("light", 120)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for index in range(20):
            rgb = np.full((32, 32, 3), level + index % 10, np.uint8)
            (tmp_path / "photos" / name / f"{index}.png").write_bytes(encode(rgb))
    return tmp_path


@pytest.fixture
def run(command: Command) -> Command:
    """Adapt net.onnx by the photos."""
    words = "models adapt net.onnx --photos photos --input-size 32 --labels labels.txt"
    return partial(command, *words.split())


@pytest.mark.parametrize(
    ("level", "preset", "means"),
    [
        # 105 of 255, as each preset has it; no other preset puts it between the two classes
        (105.0, "raw", 0.0),
        (105 - (123 + 117 + 104) / 3, "caffe", (123, 117, 104)),
    ],
)
def test_the_preset_is_taken_by_which_most_predictions_are_right(
    run: Command, folder: Path, level: float, preset: str, means: float | tuple[float, ...]
) -> None:
    onnx.save(threshold(level), folder / "net.onnx")
    output, error = run()
    table = dict(line.split("  prediction = folder in ") for line in output.splitlines() if "prediction =" in line)
    shares = {name.strip(): int(share.split(" of ")[0]) for name, share in table.items()}
    assert next(iter(shares)).split(" = ")[0] == preset
    assert shares == {name: 40 if name.split(" = ")[0] == preset else 20 for name in shares}
    assert {name for names in shares for name in names.split(" = ")} == {
        "imagenet", "caffe", "tf", "unit", "inception", "clip", "raw",
    }  # fmt: skip
    assert "no --preset" not in error
    found = read_contents(folder / "net.cam.onnx").preprocessing
    assert found is not None
    np.testing.assert_allclose(np.array(found.mean) / found.scale, means, atol=1e-3)
    model = load_model(folder / "net.cam.onnx")
    for index, grey in enumerate((80, 129)):
        assert model.run(np.full((32, 32, 3), grey, np.uint8)).logits.argmax() == index


def test_where_two_are_close_it_asks_or_refuses(run: Command, folder: Path) -> None:
    """Nothing is light for this net, whatever the preset."""
    onnx.save(threshold(1e6), folder / "net.onnx")
    error = run(code=2)[1]
    assert error.startswith("cam-audit: imagenet (20 of 40) and caffe (20 of 40) and ")
    assert error.endswith("are close; choose by --preset, or give more photos\n")
    assert not (folder / "net.cam.onnx").exists()
    run(typed="unit\n")
    found = read_contents(folder / "net.cam.onnx").preprocessing
    assert found is not None
    np.testing.assert_allclose(np.array(found.std) / found.scale, 255, rtol=1e-6)


def test_a_net_that_scales_its_own_input_needs_no_photos(run: Command, folder: Path) -> None:
    net = Net()
    scaled = net.op("Div", "pixels", net.const([255.0]), name="rescale")
    flat = net.op("Flatten", net.op("GlobalAveragePool", scaled))
    onnx.save(net.model([net.op("Gemm", flat, net.const(np.eye(3, 2)))]), folder / "net.onnx")
    output, error = run()
    assert "note: --photos is not needed: the net has its own preprocessing" in error
    assert "prediction = folder" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--preset", "tf"), "--photos finds the preset: leave out --preset"),
        (("--bgr",), "--photos finds the preset: leave out --preset"),
        (("--photos", "fotos"), "fotos: no such folder; did you mean photos?"),
        (("--labels", "others.txt"), "photos: no photo lies in a folder that is named like a class; --labels names"),
    ],
)
def test_a_mistake_is_one_line(run: Command, folder: Path, arguments: tuple[str, ...], message: str) -> None:
    onnx.save(threshold(105), folder / "net.onnx")
    (folder / "others.txt").write_text("a\nb\n")
    error = run(*arguments, code=2)[1]
    assert error.count("\n") == 1
    assert message in error
    assert not (folder / "net.cam.onnx").exists()
