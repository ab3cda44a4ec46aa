"""Nets that are not ONNX yet: told by their first bytes, and exported by the lines that the error gives."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from commands import ROOT
from onnx import helper
from torch_packages import torchvision_or_skip

from cam_audit.errors import ModelError, NotOnnxError
from cam_audit.models import export_help
from cam_audit.models.adapt import adapt
from cam_audit.models.export_help import Format, not_onnx
from cam_audit.models.model import load_model


def archive(*names: str, pickled: bytes = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.") -> Callable[[Path], None]:
    """A zip file with these files in it; those that are pickles have a pickle's bytes."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, pickled if name.endswith(".pkl") else "")

    return write


def of_bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def safetensors(path: Path) -> None:
    header = json.dumps({"fc.bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def hugging_face(path: Path) -> None:
    path.mkdir()
    safetensors(path / "model.safetensors")
    (path / "config.json").write_text("{}")


def saved_model(path: Path) -> None:
    path.mkdir()
    (path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x00")


WHOLE = b"\x80\x02ctorchvision.models.resnet\nResNet\nctorch.nn.modules.conv\nConv2d\n."
FILES: dict[str, tuple[Format, Callable[[Path], None]]] = {
    "weights.pth": (export_help.WEIGHTS, archive("weights/data.pkl", "weights/version", "weights/data/0")),
    "old.pth": (
        export_help.WEIGHTS,
        of_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n."),
    ),
    "whole.pt": (export_help.WHOLE_NET, archive("whole/data.pkl", "whole/version", pickled=WHOLE)),
    "script.pt": (
        export_help.TORCHSCRIPT,
        archive("script/data.pkl", "script/code/__torch__.py", "script/constants.pkl"),
    ),
    "program.pt2": (export_help.EXPORTED_PROGRAM, archive("program/archive_format", "program/models/model.json")),
    "best.pt": (
        export_help.ULTRALYTICS,
        archive("best/data.pkl", pickled=b"\x80\x02cultralytics.nn.tasks\nClassificationModel\n."),
    ),
    "export.pkl": (export_help.FASTAI, archive("export/data.pkl", pickled=b"\x80\x02cfastai.learner\nLearner\n.")),
    "my.safetensors": (export_help.SAFETENSORS, safetensors),
    "folder": (export_help.HUGGING_FACE, hugging_face),
    "my.keras": (export_help.KERAS, archive("metadata.json", "config.json", "model.weights.h5")),
    "my.h5": (export_help.KERAS, of_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))),
    "saved": (export_help.TENSORFLOW, saved_model),
    "my.tflite": (export_help.TENSORFLOW_LITE, of_bytes(struct.pack("<I", 28) + b"TFL3" + bytes(100))),
}


@pytest.mark.parametrize("name", FILES)
def test_a_net_of_another_format_is_told_by_its_bytes_whatever_its_name(tmp_path: Path, name: str) -> None:
    expected, write = FILES[name]
    path = tmp_path / "net.onnx"
    write(path)
    for use in (load_model, lambda path: adapt(path, tmp_path / "cam.onnx", preprocessing=None, classes=None, net="x")):
        with pytest.raises(NotOnnxError) as caught:
            use(path)
        assert caught.value.message.startswith(f"{path}: {expected.words}, not ONNX; export it as below, then run ")
        assert caught.value.code == expected.lines_for(str(path), "net.onnx")
        assert str(caught.value) == f"{caught.value.message}\n\n{caught.value.code}"


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_of_a_file_in_a_folder_of_transformers_the_folder_is_named(tmp_path: Path, name: str) -> None:
    hugging_face(tmp_path / "vit")
    error = not_onnx(tmp_path / "vit" / name)
    assert (error is None) == (name == "config.json")
    if error:
        assert f"from_pretrained({str(tmp_path / 'vit')!r})" in error.code
        assert '"vit.onnx"' in error.code.replace("'", '"')


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"PK\x03\x04 cut off",
        b"{}",
        b"\x00" * 100,
        pickle.dumps({"a": 1}),
        "größe".encode(),
        struct.pack("<Q", 1 << 40) + b"{",
        helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString(),
    ],
)
def test_what_is_none_of_these_is_refused_as_before(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    assert not_onnx(path) is None
    with pytest.raises(ModelError) as caught:
        load_model(path)
    assert not isinstance(caught.value, NotOnnxError)
    assert not_onnx(tmp_path / "gone.pth") is None


def test_a_name_in_the_lines_stays_a_name() -> None:
    hostile = "a'); import os; os.system('x')\n.pt"
    for each in export_help.FORMATS:
        lines = each.lines_for(hostile, "net.onnx")
        if not each.in_a_shell:
            compile(lines, "lines", "exec")
            assert repr(hostile) in lines


def test_the_lines_stand_in_the_documentation() -> None:
    page = (ROOT / "docs" / "nets.md").read_text(encoding="utf-8").replace("'", '"')
    for each in export_help.FORMATS:
        for name in (
            "my.pth",
            "my.pt",
            "my.pt2",
            "my.safetensors",
            "my",
            "best.pt",
            "export.pkl",
            "my.keras",
            "my.tflite",
        ):
            onnx_name = f"{name.partition('.')[0]}.onnx"
            lines = each.lines_for(name, onnx_name).replace("'", '"')
            if f"\n{lines}```" in page:
                break
        else:
            pytest.fail(f"the lines for {each.words} are not in docs/nets.md")


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("kind", ["weights", "checkpoint", "whole", "script", "program"])
def test_what_torch_saves_is_recognised_and_its_lines_export_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Run as they stand, for a net of torchvision; the logits are torch's."""
    import torch

    torchvision = torchvision_or_skip()
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    net = torchvision.models.resnet18(num_classes=10).eval()
    pixels = torch.rand(1, 3, 224, 224)
    save = {
        "weights": (export_help.WEIGHTS, lambda: torch.save(net.state_dict(), "my.net")),
        "checkpoint": (export_help.WEIGHTS, lambda: torch.save({"state_dict": net.state_dict(), "epoch": 3}, "my.net")),
        "whole": (export_help.WHOLE_NET, lambda: torch.save(net, "my.net")),
        "script": (export_help.TORCHSCRIPT, lambda: torch.jit.trace(net, pixels).save("my.net")),
        "program": (
            export_help.EXPORTED_PROGRAM,
            lambda: torch.export.save(torch.export.export(net, (pixels,)), "my.pt2"),
        ),
    }
    expected, write = save[kind]
    write()
    path = Path("my.pt2" if kind == "program" else "my.net")
    error = not_onnx(path)
    assert error is not None
    assert error.code == expected.lines_for(str(path), "my.onnx")
    exec(error.code, {})
    onnx.checker.check_model("my.onnx")
    adapted = adapt(Path("my.onnx"), Path("my.cam.onnx"), preprocessing=None, classes=None, net="my")
    model = load_model(adapted.path)
    rgb = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    entering = torch.from_numpy(adapted.preprocessing.apply(rgb).transpose(2, 0, 1)[None].astype(np.float32))
    with torch.inference_mode():
        logits = net(entering).numpy()[0]
    np.testing.assert_allclose(model.run(rgb).logits, logits, atol=1e-4 * np.abs(logits).max())
