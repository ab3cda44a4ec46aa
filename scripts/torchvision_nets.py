"""torchvision's nets that have a class activation map, with published or your own weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cam_audit.errors import ModelError
from cam_audit.files import sha256_of

if TYPE_CHECKING:
    import torch

INSTALL = "install what an export needs with: pip install 'cam-audit[export]'"
PACKAGES = ("torch", "torchvision", "onnx", "onnxscript")

HOW_TO_SAVE = "save one with torch.save(model.state_dict(), FILE)"


@dataclass(frozen=True)
class Architecture:
    """A net's name in torchvision, and the parameter whose first axis is the number of classes."""

    builder: str
    last_weight: str


NETS = {
    "squeezenet": Architecture("squeezenet1_1", "classifier.1.weight"),
    "googlenet": Architecture("googlenet", "fc.weight"),
    "resnet18": Architecture("resnet18", "fc.weight"),
    "mobilenetv2": Architecture("mobilenet_v2", "classifier.1.weight"),
}
SEVERAL_FULLY_CONNECTED = ("alexnet", "vgg16", "vgg19")

# GoogLeNet's auxiliary classifiers serve while it is trained only.
AUXILIARY = ("aux1.", "aux2.")
BATCH_NORM_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class LoadedNet:
    """A torchvision net in evaluation mode, and where its weights come from.

    `published` says that the file is torchvision's own; `notes` is what its user should know, in words.
    """

    module: torch.nn.Module
    classes: int
    sha256: str
    published: bool
    notes: tuple[str, ...]


def check_installed() -> None:
    """Check that an export's packages are there; raises ModelError with the command that installs them."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(f"no package {', '.join(missing)}; {INSTALL}")


def load_net(name: str, weights: Path | None, *, transform_input: bool = False) -> LoadedNet:
    """Build a net of NETS with the weights of a file, or with torchvision's published ones.

    `transform_input` puts GoogLeNet's change of channels in front, which nets need that were fine-tuned from
    the published weights; for the published file itself it is always there.

    Raises ModelError where torch is missing, the download fails, or the weights are not those of the net.
    """
    check_installed()
    torchvision = torchvision_package()
    url = torchvision.models.get_model_weights(NETS[name].builder).IMAGENET1K_V1.url
    path = weights or _downloaded(url)
    state = read_state(path)
    sha256 = sha256_of(path)
    published = sha256.startswith(_hash_prefix(url))
    notes = []
    last = state.get(NETS[name].last_weight)
    classes = len(last) if last is not None and last.ndim else 1000
    module = _build(NETS[name].builder, classes, transform_input or published)
    if not check_fits(path, name, module, state):
        notes.append(f"{path} has no batch norm statistics: mean 0 and variance 1 are used")
    if name == "googlenet" and not published and not transform_input:
        notes.append(
            "the net is taken as trained from scratch; if it was fine-tuned from torchvision's published "
            "weights, add --transform-input"
        )
    module.load_state_dict(state, strict=False)
    return LoadedNet(module.eval(), classes, sha256, published, tuple(notes))


def torchvision_package() -> Any:
    """The package; raises ModelError where it does not fit the torch that is installed."""
    try:
        import torchvision  # type: ignore[import-untyped]
    except (ImportError, RuntimeError) as error:
        raise ModelError(f"torchvision does not fit the installed torch ({first_line(error)}); {INSTALL}") from None
    return torchvision


def first_line(error: Exception) -> str:
    """What an error says, cut to one line."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__


def _build(builder: str, classes: int, transform_input: bool = False) -> torch.nn.Module:
    options: dict[str, Any] = {}
    if builder == "googlenet":
        options = {"aux_logits": False, "init_weights": False, "transform_input": transform_input}
    module: torch.nn.Module = torchvision_package().models.get_model(
        builder, weights=None, num_classes=classes, **options
    )
    return module


def _downloaded(url: str) -> Path:
    """torchvision's file in torch's cache, fetched if it is not there."""
    import torch

    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.exists():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=_hash_prefix(url))
        except (OSError, RuntimeError) as error:
            raise ModelError(
                f"cannot download {url} ({error}); check the network, or give a file with --weights"
            ) from None
    return path


def _hash_prefix(url: str) -> str:
    """The first digits of a published file's SHA-256, which its name ends with: resnet18-f37072fd.pth."""
    return url.rpartition("-")[2].removesuffix(".pth")


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The parameters in a file, in float32, without the prefixes and wrappers of training code."""
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file  # type: ignore[import-not-found,unused-ignore]

            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    except Exception as error:
        # whatever zipfile, pickle and torch's own unpickler raise
        raise ModelError(
            f"{path}: not a state dict that is safe to load ({first_line(error)}); {HOW_TO_SAVE}"
        ) from None
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelError(f"{path}: not a state dict; {HOW_TO_SAVE}")
    parameters = {str(key).removeprefix("module."): value for key, value in content.items()}
    return {
        key: value.float() if value.is_floating_point() else value
        for key, value in parameters.items()
        if not key.startswith(AUXILIARY)
    }


def check_fits(path: Path, name: str, module: torch.nn.Module, state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the state is complete, or else lacks the statistics of batch norm only.

    Raises ModelError where it lacks anything else, or has something else.
    """
    expected = module.state_dict()
    missing = [key for key in expected if key not in state]
    wrong = [key for key in missing if not key.endswith(BATCH_NORM_STATISTICS)]
    unknown = [key for key in state if key not in expected]
    if wrong or unknown:
        problem = f"lacks {wrong[0]!r}" if wrong else f"has the unknown {unknown[0]!r}"
        looks_like = _resembled(state)
        hint = f"; it looks like {looks_like}" if looks_like else ""
        raise ModelError(f"{path}: not the weights of {name}, it {problem}{hint}")
    for key, value in state.items():
        if value.shape != expected[key].shape:
            shapes = f"{tuple(value.shape)} instead of {tuple(expected[key].shape)}"
            raise ModelError(f"{path}: not the weights of {name}, {key!r} is {shapes}")
    return not missing


def _resembled(state: Mapping[str, torch.Tensor]) -> str | None:
    """The known net that a state dict has all learned parameters of."""
    import torch

    for name in (*NETS, *SEVERAL_FULLY_CONNECTED):
        with torch.device("meta"):
            module = _build(NETS[name].builder if name in NETS else name, 1000)
        if {key for key, _ in module.named_parameters()} <= set(state):
            return name
    return None
