"""Recognise a net that is not ONNX yet by its first bytes, and tell the lines that export it.

Nothing in such a file is run: a pickle is searched for the names of packages, not loaded.
"""

from __future__ import annotations

import shlex
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from cam_audit.errors import NotOnnxError

ZIP = b"PK\x03\x04"
HDF5 = b"\x89HDF\r\n\x1a\n"
PICKLES = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))
TFLITE = b"TFL3"
# Field 1, the version 1, then field 2, a graph: of ONNX, field 1 is the version of its format, which is 3 or more.
SAVED_MODEL = b"\x08\x01\x12"
SAVED_MODEL_FILE = "saved_model.pb"
# A pickle names the classes of a net near its beginning.
SEARCHED_BYTES = 1 << 20

_EXPORT = "torch.onnx.export(net.eval(), (torch.zeros(1, 3, 224, 224),), {onnx})"


@dataclass(frozen=True)
class Format:
    """A format of nets: what a file is, and the lines of Python, or of a shell, by which {file} becomes {onnx}."""

    words: str
    lines: str
    in_a_shell: bool = False

    def lines_for(self, file: str, onnx: str) -> str:
        """The lines for a file or folder."""
        quote = shlex.quote if self.in_a_shell else repr
        return self.lines.format(file=quote(file), onnx=quote(onnx))


WEIGHTS = Format(
    "weights of PyTorch, which need the net that they belong to",
    f"""\
import torch, torchvision

net = torchvision.models.resnet18(num_classes=10)  # as you trained it; or timm.create_model("resnet18", num_classes=10)
weights = torch.load({{file}}, map_location="cpu")
net.load_state_dict(weights.get("state_dict", weights))
{_EXPORT}
""",
)
WHOLE_NET = Format(
    "a whole net of PyTorch",
    f"""\
import torch

net = torch.load({{file}}, map_location="cpu", weights_only=False)  # runs what the file says: only if you trust it
{_EXPORT}
""",
)
TORCHSCRIPT = Format(
    "a net of TorchScript",
    f"""\
import torch

net = torch.jit.load({{file}}, map_location="cpu")
{_EXPORT[:-1]}, dynamo=False)
""",
)
EXPORTED_PROGRAM = Format(
    "an exported program of PyTorch",
    """\
import torch

torch.onnx.export(torch.export.load({file}), f={onnx}, dynamo=True)
""",
)
SAFETENSORS = Format(
    "weights in safetensors, which need the net that they belong to",
    f"""\
import timm, torch

net = timm.create_model("resnet18", num_classes=10, checkpoint_path={{file}})  # as you trained it
{_EXPORT}
""",
)
HUGGING_FACE = Format(
    "a net of Hugging Face transformers",
    f"""\
import torch
from transformers import AutoModelForImageClassification

net = AutoModelForImageClassification.from_pretrained({{file}})
{_EXPORT}
""",
)
ULTRALYTICS = Format(
    "a net of ultralytics",
    """\
from ultralytics import YOLO

YOLO({file}).export(format="onnx")
""",
)
FASTAI = Format(
    "a learner of fastai",
    f"""\
import torch
from fastai.vision.all import load_learner

net = load_learner({{file}}).model  # runs what the file says: only if you trust it
{_EXPORT}
""",
)
KERAS = Format(
    "a net of Keras",
    """\
import keras

net = keras.saving.load_model({file}, compile=False)
net(keras.ops.zeros([1, *(side or 224 for side in net.input_shape[1:])]))  # Keras wants it called before
net.export({onnx}, format="onnx")  # needs tf2onnx with TensorFlow
""",
)
TENSORFLOW = Format(
    "a SavedModel of TensorFlow",
    "python -m tf2onnx.convert --saved-model {file} --output {onnx} --opset 17\n",
    in_a_shell=True,
)
TENSORFLOW_LITE = Format(
    "a net of TensorFlow Lite",
    "python -m tf2onnx.convert --tflite {file} --output {onnx} --opset 17\n",
    in_a_shell=True,
)
FORMATS = (
    WEIGHTS, WHOLE_NET, TORCHSCRIPT, EXPORTED_PROGRAM, SAFETENSORS, HUGGING_FACE, ULTRALYTICS, FASTAI, KERAS,
    TENSORFLOW, TENSORFLOW_LITE,
)  # fmt: skip


def not_onnx(path: Path) -> NotOnnxError | None:
    """The error that says in which format a file or folder is, and how to export it; None if the format is not known.

    Example:
        >>> from pathlib import Path
        >>> from cam_audit.models.export_help import HDF5, not_onnx
        >>> _ = Path("my.keras").write_bytes(HDF5)
        >>> not_onnx(Path("my.keras")).message
        'my.keras: a net of Keras, not ONNX; export it as below, then run `cam-audit models adapt my.onnx`'
    """
    found = _format_of(path)
    if found is None:
        return None
    # transformers and TensorFlow read the folder, not a file in it
    named = path.parent if found in (HUGGING_FACE, TENSORFLOW) and not path.is_dir() else path
    onnx = f"{named.absolute().stem}.onnx"
    command = shlex.join(["cam-audit", "models", "adapt", onnx])
    message = f"{path}: {found.words}, not ONNX; export it as below, then run `{command}`"
    return NotOnnxError(message, found.lines_for(str(named), onnx))


def _format_of(path: Path) -> Format | None:
    try:
        if path.is_dir():
            if (path / SAVED_MODEL_FILE).is_file():
                return TENSORFLOW
            return HUGGING_FACE if (path / "config.json").is_file() else None
        with path.open("rb") as file:
            start = file.read(SEARCHED_BYTES)
        if start.startswith(ZIP):
            return _in_archive(path)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError):
        return None
    if start.startswith(HDF5):
        return KERAS
    if start.startswith(PICKLES):
        return _of_pickle(start)
    if start[4:8] == TFLITE:
        return TENSORFLOW_LITE
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size:
        return HUGGING_FACE if path.with_name("config.json").is_file() else SAFETENSORS
    return TENSORFLOW if start.startswith(SAVED_MODEL) else None


def _in_archive(path: Path) -> Format | None:
    """What a zip archive holds, by the names in it."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        ends = {name.rpartition("/")[2]: name for name in names}
        if "model.weights.h5" in ends:
            return KERAS
        if "archive_format" in ends or "serialized_exported_program.json" in ends:
            return EXPORTED_PROGRAM
        if "data.pkl" not in ends:
            return None
        if "constants.pkl" in ends and any("/code/" in name for name in names):
            return TORCHSCRIPT
        with archive.open(ends["data.pkl"]) as file:
            return _of_pickle(file.read(SEARCHED_BYTES))


def _of_pickle(content: bytes) -> Format | None:
    if b"ultralytics" in content:
        return ULTRALYTICS
    if b"fastai" in content:
        return FASTAI
    if b"torch.nn.modules" in content:
        return WHOLE_NET
    return WEIGHTS if b"torch" in content else None
