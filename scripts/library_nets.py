"""Any classifier of torchvision or timm by its name there, with published or your own weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torchvision_nets import check_fits, check_installed, first_line, read_state, torchvision_package

from cam_audit.errors import ModelError
from cam_audit.files import sha256_of

if TYPE_CHECKING:
    import torch

    from cam_audit.models.adapt import Preprocessing

TORCHVISION, TIMM = "torchvision", "timm"
LICENCES = {TORCHVISION: "BSD-3-Clause (torchvision)"}


@dataclass(frozen=True)
class LibraryNet:
    """A net in evaluation mode, its input (H, W) in pixels and its preprocessing, and where its weights come from.

    `names`: of its classes, where the published weights say them. `sha256`: of the file of weights, None of published
    ones.
    """

    module: torch.nn.Module
    classes: int
    input_size: tuple[int, int]
    preprocessing: Preprocessing
    names: tuple[str, ...] | None
    licence: str
    sha256: str | None


def load_library_net(library: str, name: str, weights: Path | None) -> LibraryNet:
    """Build a net with the weights of a file, or with the published ones, which are downloaded.

    Raises ModelError where a package is missing, the library has no such net, the download fails, or the weights are
    not those of the net.
    """
    check_installed()
    return _from_timm(name, weights) if library == TIMM else _from_torchvision(name, weights)


def _from_torchvision(name: str, weights: Path | None) -> LibraryNet:
    models = torchvision_package().models
    if name not in models.list_models(models):
        raise ModelError(f"torchvision has no classifier {name!r}; torchvision.models.list_models() lists them")
    if name == "googlenet":
        raise ModelError("googlenet's weights may need another input; --net googlenet sees to that")
    published = models.get_model_weights(name).DEFAULT
    recipe = published.transforms()
    # its way to begin training takes a minute
    options = {"init_weights": False} if name == "inception_v3" else {}

    def build(classes: int) -> Any:
        return models.get_model(name, weights=None, num_classes=classes, **options)

    module = (
        _filled(name, weights, build)
        if weights
        else _published(name, lambda: models.get_model(name, weights=published))
    )
    return LibraryNet(
        module.eval(),
        _classes(module, recipe.crop_size[0]),
        (recipe.crop_size[0],) * 2,
        _preprocessing(recipe.mean, recipe.std),
        None if weights else tuple(published.meta["categories"]),
        "unknown" if weights else LICENCES[TORCHVISION],
        sha256_of(weights) if weights else None,
    )


def _from_timm(name: str, weights: Path | None) -> LibraryNet:
    if importlib.util.find_spec("timm") is None:
        raise ModelError("no package timm; install it with: pip install timm")
    # timm draws on it, and it may not fit the torch that is installed
    torchvision_package()
    import timm  # type: ignore[import-not-found,unused-ignore]

    if not timm.is_model(name.partition(".")[0]):
        raise ModelError(f"timm has no net {name!r}; timm.list_models() lists them")

    def build(classes: int) -> Any:
        return timm.create_model(name, num_classes=classes)

    module = (
        _filled(name, weights, build) if weights else _published(name, lambda: timm.create_model(name, pretrained=True))
    )
    recipe = timm.data.resolve_model_data_config(module)
    if recipe["input_size"][0] != 3:
        raise ModelError(f"{name} takes images of {recipe['input_size'][0]} channels, not of three")
    return LibraryNet(
        module.eval(),
        module.num_classes,
        recipe["input_size"][1:],
        _preprocessing(recipe["mean"], recipe["std"]),
        None,
        "unknown" if weights else f"{module.pretrained_cfg.get('license') or 'unknown'} (timm)",
        sha256_of(weights) if weights else None,
    )


def _published(name: str, build: Callable[[], Any]) -> Any:
    try:
        return build()
    except Exception as error:
        # whatever the hub, the network, and timm for a net without weights raise
        raise ModelError(
            f"cannot get the published weights of {name} ({first_line(error)}); check the network, or give a file with "
            "--weights"
        ) from None


def _filled(name: str, weights: Path, build: Callable[[int], Any]) -> Any:
    """A net with the weights of a file, and as many classes as these have."""
    import torch

    state = read_state(weights)
    with torch.device("meta"):
        two, three = (build(classes).state_dict() for classes in (2, 3))
    # what has another shape for another number of classes, and has it in the file
    sizes = [
        state[key].shape[axis]
        for key in two
        if key in state
        for axis, (size, other) in enumerate(zip(two[key].shape, three[key].shape, strict=True))
        if (size, other) == (2, 3) and axis < state[key].ndim
    ]
    module = build(sizes[0] if sizes else 1000)
    check_fits(weights, name, module, state)
    # it has the versions of the modules, which some read, and a plain dict has not
    filled = module.state_dict()
    filled.update(state)
    module.load_state_dict(filled)
    return module


def _classes(module: torch.nn.Module, side: int) -> int:
    import torch

    with torch.inference_mode():
        return int(module.eval()(torch.zeros(1, 3, side, side)).shape[1])


def _preprocessing(mean: Any, std: Any) -> Preprocessing:
    from cam_audit.models.adapt import Preprocessing

    return Preprocessing(1 / 255, tuple(mean), tuple(std))  # type: ignore[arg-type]
