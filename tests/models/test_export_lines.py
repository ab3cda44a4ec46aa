"""The lines that export a net of another framework, run as they stand, each where its framework is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from cam_audit.models import export_help
from cam_audit.models.adapt import adapt
from cam_audit.models.export_help import Format, not_onnx
from cam_audit.models.model import load_model

pytestmark = pytest.mark.slow

CLASSES = 10

# From pixels (1, H, W, 3), as they enter the net, to logits.
Logits = Callable[[np.ndarray], Any]


def of_torch(net: Any) -> Logits:
    import torch

    def logits(pixels: np.ndarray) -> Any:
        with torch.inference_mode():
            return net.eval()(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))

    return logits


def timm_weights() -> Logits:
    timm, files = pytest.importorskip("timm"), pytest.importorskip("safetensors.torch")
    net = timm.create_model("resnet18", num_classes=CLASSES)
    files.save_file(net.state_dict(), "my.safetensors")
    return of_torch(net)


def transformers_folder() -> Logits:
    transformers = pytest.importorskip("transformers")
    config = transformers.ConvNextConfig(num_labels=CLASSES, hidden_sizes=[16, 24, 32, 48], depths=[1, 1, 1, 1])
    net = transformers.ConvNextForImageClassification(config)
    net.save_pretrained("my")
    return lambda pixels: of_torch(net)(pixels).logits


def ultralytics_net() -> Logits:
    ultralytics = pytest.importorskip("ultralytics")
    ultralytics.YOLO("yolov8n-cls.yaml").save("best.pt")
    # as it was saved, in float16
    net = ultralytics.YOLO("best.pt").model.float()
    # it gives probabilities and logits
    return lambda pixels: of_torch(net)(pixels)[1]


def fastai_learner() -> Logits:
    vision = pytest.importorskip("fastai.vision.all")
    torchvision = pytest.importorskip("torchvision")
    for number in range(8):
        picture = Path("photos", "cat" if number % 2 else "dog", f"{number}.png")
        picture.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(picture), np.random.default_rng(number).integers(0, 256, (64, 64, 3), np.uint8))
    loaders = vision.ImageDataLoaders.from_folder(
        "photos", valid_pct=0.5, seed=1, item_tfms=vision.Resize(64), bs=2, num_workers=0
    )
    learner = vision.vision_learner(loaders, torchvision.models.resnet18, pretrained=False)
    # a relative name would be one in the folder of the photos
    learner.export(Path("export.pkl").absolute())
    return of_torch(learner.model)


def keras_net() -> Any:
    keras = pytest.importorskip("keras")
    pytest.importorskip("tf2onnx")
    keras.utils.set_random_seed(0)
    image = x = keras.Input((64, 64, 3))
    for width in (16, 32):
        x = keras.layers.Conv2D(width, 3, 2, padding="same", activation="relu")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(CLASSES)(x))


def keras_file(name: str) -> Callable[[], Logits]:
    def write() -> Logits:
        net = keras_net()
        net.save(name)
        return net

    return write


def saved_model() -> Logits:
    net = keras_net()
    net.export("my", verbose=False)
    return net


def tensorflow_lite() -> Logits:
    net = keras_net()
    tensorflow = pytest.importorskip("tensorflow")
    Path("my.tflite").write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(net).convert())
    return net


FILES: dict[str, tuple[Format, Callable[[], Logits]]] = {
    "my.safetensors": (export_help.SAFETENSORS, timm_weights),
    "my": (export_help.HUGGING_FACE, transformers_folder),
    "best.pt": (export_help.ULTRALYTICS, ultralytics_net),
    "export.pkl": (export_help.FASTAI, fastai_learner),
    "my.keras": (export_help.KERAS, keras_file("my.keras")),
    "my.h5": (export_help.KERAS, keras_file("my.h5")),
    "my (SavedModel)": (export_help.TENSORFLOW, saved_model),
    "my.tflite": (export_help.TENSORFLOW_LITE, tensorflow_lite),
}


@pytest.mark.parametrize("name", FILES)
def test_lines_export_the_net(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is recognised, its lines export it, and what adapt makes of that has the framework's logits."""
    monkeypatch.chdir(tmp_path)
    expected, write = FILES[name]
    framework = write()
    error = not_onnx(Path(name.partition(" ")[0]))
    assert error is not None
    onnx = f"{Path(name.partition(' ')[0]).stem}.onnx"
    assert error.code == expected.lines_for(name.partition(" ")[0], onnx)
    command = ["sh", "-c", error.code] if expected.in_a_shell else [sys.executable, "-c", error.code]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ended = subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, timeout=1800)
    assert ended.returncode == 0, ended.stderr
    adapted = adapt(Path(onnx), Path("cam.onnx"), preprocessing=None, classes=None, net="my")
    model = load_model(adapted.path)
    rgb = np.random.default_rng(0).integers(0, 256, (*model.input_size, 3), np.uint8)
    logits = np.asarray(framework(adapted.preprocessing.apply(rgb)[None].astype(np.float32)))[0]
    np.testing.assert_allclose(model.run(rgb).logits, logits, rtol=0, atol=1e-4 * np.abs(logits).max())
