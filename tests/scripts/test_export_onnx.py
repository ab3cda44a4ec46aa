"""The export of torchvision's nets, against torch; and `adapt` on what torch's own exporters write."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import sys
import urllib.error
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from torch_packages import torchvision_or_skip

from cam_audit.models.adapt import PRESETS, adapt
from cam_audit.models.model import Model, load_model

pytestmark = pytest.mark.torch

ROOT = Path(__file__).resolve().parents[2]
CLASSES = 7
# Where torch keeps what is pooled, and the weight and bias that follow; SqueezeNet's map needs none.
MODULES = {
    "squeezenet": ("classifier.2", None),
    "googlenet": ("inception5b", "fc"),
    "resnet18": ("layer4", "fc"),
    "mobilenetv2": ("features", "classifier.1"),
}


@pytest.fixture(scope="module")
def torchvision() -> ModuleType:
    return torchvision_or_skip()


@pytest.fixture(scope="module")
def scripts(torchvision: ModuleType) -> Iterator[tuple[ModuleType, ModuleType]]:
    """The modules export_onnx and torchvision_nets."""
    sys.path.insert(0, str(ROOT / "scripts"))
    yield importlib.import_module("export_onnx"), importlib.import_module("torchvision_nets")
    sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture(scope="module")
def nets(torchvision: ModuleType) -> dict[str, Any]:
    """Random nets of all four architectures whose signal neither dies nor explodes on the way."""
    import torch

    torch.manual_seed(0)
    made = {
        "squeezenet": torchvision.models.squeezenet1_1(num_classes=CLASSES),
        "googlenet": torchvision.models.googlenet(num_classes=CLASSES, aux_logits=True, init_weights=False),
        "resnet18": torchvision.models.resnet18(num_classes=CLASSES),
        "mobilenetv2": torchvision.models.mobilenet_v2(num_classes=CLASSES),
    }
    for net in made.values():
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = None
        with torch.no_grad():
            net.train()(torch.randn(4, 3, 224, 224))
        net.eval()
    return made


@pytest.fixture(scope="module")
def weights(nets: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of their state dicts, NAME.pth."""
    import torch

    folder = tmp_path_factory.mktemp("weights")
    for name, net in nets.items():
        torch.save(net.state_dict(), folder / f"{name}.pth")
    return folder


def export(scripts: tuple[ModuleType, ModuleType], *arguments: str | Path) -> Result:
    return CliRunner().invoke(scripts[0].main, list(map(str, arguments)))


def assert_equals_torch(model: Model, module: Any, net: str, tolerance: float = 1e-4) -> None:
    """Logits and every class's map, on square, wide and tall images, computed in torch from its weights."""
    import torch

    features, classifier = MODULES[net]
    kept: list[Any] = []
    handle = module.get_submodule(features).register_forward_hook(lambda *call: kept.append(call[2]))
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    sizes = [(224, 224)] if model.fixed_size else [(224, 224), (224, 298), (320, 224)]
    for size in sizes:
        rgb = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
        with torch.inference_mode():
            logits = module(((torch.from_numpy(rgb) / 255 - mean) / std).permute(2, 0, 1)[None])[0].numpy()
            maps = kept.pop()[0]
            if classifier:
                maps = torch.einsum("kc,chw->khw", module.get_submodule(classifier).weight, maps)
        prediction = model.run(rgb)
        np.testing.assert_allclose(prediction.logits, logits, rtol=0, atol=tolerance * np.abs(logits).max())
        cams = np.array([model.cam(prediction, index) for index in range(len(logits))])
        np.testing.assert_allclose(cams, maps.numpy(), rtol=0, atol=tolerance * float(maps.abs().max()))
        assert float(maps.std()) > 1e-3 * float(maps.abs().max())
    handle.remove()


@pytest.mark.slow
@pytest.mark.parametrize("net", MODULES)
def test_own_weights(net: str, scripts: Any, nets: dict[str, Any], weights: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join([*"abcdef", "ёж"]), encoding="utf-8")
    file = weights / f"{net}.pth"
    result = export(scripts, "--net", net, "--weights", file, "--labels", labels, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / f"{net}.onnx")
    assert_equals_torch(model, nets[net], net)
    assert model.class_names == (*"abcdef", "ёж")
    assert model.separable
    assert (model.net, model.input_size, model.fixed_size) == (net, (224, 224), False)
    assert result.output.count("equal torch's") == 3
    assert {path.name for path in tmp_path.iterdir()} == {"labels.txt", f"{net}.onnx"}
    stored = {entry.key: entry.value for entry in onnx.load(model.path).metadata_props}
    assert stored["cam_audit.source_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert str(ROOT).encode() not in model.path.read_bytes()


def test_what_enters_the_last_convolution_of_squeezenet(
    scripts: Any, nets: dict[str, Any], weights: Path, tmp_path: Path
) -> None:
    import torch

    result = export(scripts, "--net", "squeezenet", "--weights", weights / "squeezenet.pth", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / "squeezenet.onnx")
    module = nets["squeezenet"]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    rgb = np.random.default_rng(2).integers(0, 256, (224, 298, 3), np.uint8)
    with torch.inference_mode():
        features = module.features(((torch.from_numpy(rgb) / 255 - mean) / std).permute(2, 0, 1)[None])[0].numpy()
    found = model.run(rgb, features=True).features
    np.testing.assert_allclose(found, features, rtol=0, atol=1e-4 * features.max())
    last = module.classifier[1]
    np.testing.assert_array_equal(model.feature_weight, last.weight.detach()[:, :, 0, 0])
    np.testing.assert_array_equal(model.feature_bias, last.bias.detach())


def stirred(net: Any, size: int) -> Any:
    """A net of random weights whose batch norms have seen noise, so that its scores depend on the image."""
    import torch

    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        net.train()(torch.randn(4, 3, size, size))
    return net.eval()


def assert_logits_are(
    model: Model, module: Any, mean: tuple[float, ...], std: tuple[float, ...], size: tuple[int, int]
) -> None:
    """Logits for a random image against torch's; size: (H, W)."""
    import torch

    rgb = np.random.default_rng(3).integers(0, 256, (*size, 3), np.uint8)
    pixels = ((torch.from_numpy(rgb) / 255 - torch.tensor(mean)) / torch.tensor(std)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = module(pixels.float())[0].numpy()
    np.testing.assert_allclose(model.run(rgb).logits, logits, rtol=0, atol=1e-4 * np.abs(logits).max())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "size", "stir"),
    [("mnasnet0_5", 224, True), ("efficientnet_b1", 240, False), ("shufflenet_v2_x0_5", 224, True)],
)
def test_any_net_of_torchvision(
    scripts: Any, torchvision: ModuleType, tmp_path: Path, name: str, size: int, stir: bool
) -> None:
    """At the size of its published weights, which of EfficientNet-B1 are 240 pixels, and free of it.

    B1 keeps the batch norms that it begins with: so deep, with those of four images it magnifies errors of rounding.
    """
    import torch

    torch.manual_seed(0)
    net = torchvision.models.get_model(name, num_classes=CLASSES).eval()
    if stir:
        net = stirred(net, 96)
    torch.save(net.state_dict(), tmp_path / "own.pth")
    result = export(scripts, "--torchvision", name, "--weights", tmp_path / "own.pth", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / "out" / f"{name}.onnx")
    assert (model.net, model.input_size, len(model.class_names)) == (name, (size, size), CLASSES)
    assert (model.map_kind, model.fixed_size, model.licence) == ("exact", False, "unknown")
    for image in ((size, size), (size, size + 60)):
        assert_logits_are(model, net, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), image)


def test_published_weights_of_torchvision_bring_their_names(
    scripts: Any, torchvision: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    torch.manual_seed(0)
    net = stirred(torchvision.models.mnasnet0_5(), 96)
    monkeypatch.setattr(
        type(torchvision.models.MNASNet0_5_Weights.DEFAULT), "get_state_dict", lambda *_, **__: net.state_dict()
    )
    result = export(scripts, "--torchvision", "mnasnet0_5", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / "mnasnet0_5.onnx")
    assert (model.class_names[:2], model.licence) == (("tench", "goldfish"), "BSD-3-Clause (torchvision)")
    assert_logits_are(model, net, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (224, 224))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "fixed"), [("mobilenetv3_small_050", "per-image", False), ("levit_128s", "exact", True)]
)
def test_any_net_of_timm(scripts: Any, tmp_path: Path, name: str, kind: str, fixed: bool) -> None:
    timm = pytest.importorskip("timm")
    import torch

    torch.manual_seed(0)
    net = stirred(timm.create_model(name, num_classes=CLASSES), 224)
    torch.save(net.state_dict(), tmp_path / "own.pth")
    result = export(scripts, "--timm", name, "--weights", tmp_path / "own.pth", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert ("takes no other size" in result.output, "exact for each image" in result.output) == (fixed, kind != "exact")
    model = load_model(tmp_path / f"{name}.onnx")
    assert (model.net, model.map_kind, model.fixed_size, len(model.class_names)) == (name, kind, fixed, CLASSES)
    assert_logits_are(model, net, net.pretrained_cfg["mean"], net.pretrained_cfg["std"], (224, 224))


def test_nets_of_timm_that_are_refused(scripts: Any, tmp_path: Path) -> None:
    timm = pytest.importorskip("timm")
    import torch

    net = timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES)
    torch.save(net.state_dict(), tmp_path / "own.pth")
    out = tmp_path / "out"
    failed(scripts, out, "timm has no net 'resnet1'", "--timm", "resnet1")
    arguments = ("--timm", "resnet18", "--weights", tmp_path / "own.pth")
    failed(scripts, out, "not the weights of resnet18, it lacks 'conv1.weight'", *arguments)
    result = export(scripts, "--timm", "vit_tiny_patch16_224", "--weights", tmp_path / "own.pth", "--out", out)
    assert result.exit_code == 2
    assert "a class token" in result.stderr


@pytest.mark.parametrize("net", MODULES)
def test_old_exporter(net: str, nets: dict[str, Any], tmp_path: Path) -> None:
    """One image of one size, as the old exporter makes of a net; adapt frees both."""
    import torch

    example = torch.zeros(1, 3, 224, 224)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(nets[net], (example,), tmp_path / "old.onnx", dynamo=False, opset_version=13)
    options = {"preprocessing": PRESETS["imagenet"], "classes": None, "net": net}
    found = adapt(tmp_path / "old.onnx", tmp_path / "cam.onnx", **options)
    assert (found.dynamic_size, found.dynamic_batch) == (True, True)
    assert_equals_torch(load_model(found.path), nets[net], net)


@pytest.mark.slow
def test_published_weights(
    scripts: Any,
    torchvision: ModuleType,
    nets: dict[str, Any],
    weights: Path,
    tmp_path: Path,
    monkeypatch: Any,
) -> None:
    """Without --weights torch downloads; the published GoogLeNet turns its input to Inception's range."""
    import torch

    sha256 = hashlib.sha256((weights / "googlenet.pth").read_bytes()).hexdigest()
    url = f"https://example.org/googlenet-{sha256[:8]}.pth"
    fetched = []

    def download(source: str, target: str, **_: object) -> None:
        fetched.append(source)
        shutil.copy(weights / "googlenet.pth", target)

    published = torchvision.models.GoogLeNet_Weights.IMAGENET1K_V1
    monkeypatch.setattr(published, "_value_", type(published.value)(url, published.transforms, published.meta))
    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    result = export(scripts, "--net", "googlenet", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert fetched == [url]
    model = load_model(tmp_path / "googlenet.onnx")
    assert "BSD-3-Clause" in model.licence
    monkeypatch.setattr(nets["googlenet"], "transform_input", True)
    assert_equals_torch(model, nets["googlenet"], "googlenet")


def test_state_dicts_as_training_code_leaves_them(
    scripts: Any, nets: dict[str, Any], weights: Path, tmp_path: Path
) -> None:
    import torch

    state = nets["resnet18"].state_dict()
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": value.half() for key, value in state.items()}}
    bare = {key: value for key, value in state.items() if "running" not in key and "num_batches" not in key}
    for content, note in ((wrapped, ()), ({"model": state}, ()), (bare, ("no batch norm statistics",))):
        torch.save(content, tmp_path / "net.pth")
        loaded = scripts[1].load_net("resnet18", tmp_path / "net.pth")
        assert loaded.classes == CLASSES
        assert torch.allclose(loaded.module.fc.weight, state["fc.weight"], atol=1e-3)
        assert [part in text for part, text in zip(note, loaded.notes, strict=True)] == [True] * len(note)
    auxiliary = scripts[1].load_net("googlenet", weights / "googlenet.pth", transform_input=True)
    assert auxiliary.module.transform_input
    assert not auxiliary.notes


def failed(scripts: Any, out: Path, match: str, *arguments: str | Path) -> None:
    """Assert one line on stderr, exit 2, and nothing written."""
    result = export(scripts, *arguments, "--out", out)
    assert result.exit_code == 2
    assert result.stdout == ""
    message = [line for line in result.stderr.splitlines() if not line.startswith(("Usage:", "Try ")) and line]
    assert len(message) == 1
    assert match in message[0]
    assert not out.exists()


@pytest.mark.parametrize("net", ["alexnet", "vgg16", "vgg19"])
def test_nets_without_a_map(net: str, scripts: Any, tmp_path: Path) -> None:
    failed(scripts, tmp_path / "out", "several fully connected layers", "--net", net)


def test_usage(scripts: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    failed(scripts, out, "give one of --net, --torchvision, --timm and --all")
    failed(scripts, out, "give one of --net, --torchvision", "--net", "resnet18", "--timm", "resnet18")
    failed(scripts, out, "go with the name of a net", "--all", "--weights", "x.pth")
    failed(scripts, out, "no classifier 'resnet1'", "--torchvision", "resnet1")
    failed(scripts, out, "--net googlenet sees to that", "--torchvision", "googlenet")
    failed(scripts, out, "unknown net 'resnet1'", "--net", "resnet1")


def test_wrong_weights(scripts: Any, nets: dict[str, Any], weights: Path, tmp_path: Path) -> None:
    import torch

    file, out = tmp_path / "net.pth", tmp_path / "out"
    state = nets["resnet18"].state_dict()
    cases: list[tuple[object, str]] = [
        (nets["squeezenet"].state_dict(), "it looks like squeezenet"),
        (
            {key: value for key, value in state.items() if key != "layer1.0.conv1.weight"},
            "lacks 'layer1.0.conv1.w",
        ),
        (state | {"extra": torch.zeros(1)}, "has the unknown 'extra'"),
        (state | {"conv1.weight": torch.zeros(64, 1, 7, 7)}, "'conv1.weight' is (64, 1, 7, 7)"),
        ([1, 2], "not a state dict"),
        (nets["resnet18"], "not a state dict"),
    ]
    for content, match in cases:
        torch.save(content, file)
        failed(scripts, out, match, "--net", "resnet18", "--weights", file)
    file.write_bytes(b"not a pickle")
    failed(scripts, out, "not a state dict", "--net", "resnet18", "--weights", file)
    failed(scripts, out, "No such file", "--net", "resnet18", "--weights", tmp_path / "absent.pth")


class Attack:
    """What a pickle may hold: a call to make when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_that_would_run_code_are_refused_and_it_is_not_run(legacy: bool, scripts: Any, tmp_path: Path) -> None:
    import torch

    file, trace = tmp_path / "net.pth", tmp_path / "trace"
    torch.save({"conv1.weight": Attack(trace)}, file, _use_new_zipfile_serialization=not legacy)
    failed(scripts, tmp_path / "out", "safe to load", "--net", "resnet18", "--weights", file)
    assert not trace.exists()


def test_wrong_labels(scripts: Any, weights: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    arguments = ["--net", "squeezenet", "--weights", weights / "squeezenet.pth", "--labels", labels]
    failed(scripts, tmp_path / "out", "cannot be read", *arguments)
    labels.write_text("name,index\ntench,zero\n")
    failed(scripts, tmp_path / "out", "must count from 0", *arguments)
    labels.write_text("index,wnid,name\n1,n2,b\n0,n1,a\n")
    failed(scripts, tmp_path / "out", "2 labels for 7 classes", *arguments)


def test_no_network(scripts: Any, tmp_path: Path, monkeypatch: Any) -> None:
    import torch

    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    failed(scripts, tmp_path / "out", "--weights", "--net", "resnet18")


@pytest.mark.parametrize("package", ["torch", "torchvision", "onnx", "onnxscript"])
def test_missing_packages(package: str, scripts: Any, weights: Path, tmp_path: Path, monkeypatch: Any) -> None:
    for name in [name for name in sys.modules if name.startswith("cam_audit.models.adapt")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    arguments = ["--net", "squeezenet", "--weights", weights / "squeezenet.pth"]
    failed(scripts, tmp_path / "out", "pip install 'cam-audit[export]'", *arguments)


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.parametrize(("net", "file"), [("resnet18", "resnet18.pth"), ("squeezenet", "squeezenet1_1.pth")])
def test_real_weights(net: str, file: str, scripts: Any, shared: Path, tmp_path: Path) -> None:
    result = export(scripts, "--net", net, "--weights", shared / "models" / file, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    model = load_model(tmp_path / f"{net}.onnx")
    assert_equals_torch(model, scripts[1].load_net(net, shared / "models" / file).module, net)
    assert (model.class_names[0], model.class_ids[0]) == ("tench", "n01440764")
    assert len(set(model.class_names)) == 1000
    assert json.loads(onnx.load(model.path).metadata_props[3].value) == [224, 224]
