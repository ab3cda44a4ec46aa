"""Nets known by name: where their CAM-ready files are looked for, and the commands that make each."""

from __future__ import annotations

import difflib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from cam_audit.errors import CannotWriteError, ModelError
from cam_audit.models import efficientnet

MODELS_VARIABLE = "CAM_AUDIT_MODELS"
DEFAULT_NET = efficientnet.NET


@dataclass(frozen=True)
class Net:
    """A net known by name.

    `ways`: commands that make its file, best first; none where the package brings it. `top1`: published accuracy
    on ImageNet in percent, `megabytes` and `licence`, all of what the first way makes; None where unknown.
    """

    name: str
    ways: tuple[str, ...]
    top1: float | None
    megabytes: float | None
    licence: str


def _pulled(name: str, top1: float, megabytes: float, licence: str) -> Net:
    ways = f"cam-audit models pull {name}", f"python scripts/export_onnx.py --net {name}"
    return Net(name, ways, top1, megabytes, licence)


# Top-1 and licence: the model cards of the ONNX Model Zoo (validated/vision/classification/*/README.md), whose
# files `pull` brings, and for EfficientNet-Lite0 tensorflow/tpu, models/official/efficientnet/lite/README.md.
# torchvision's weights, which the script exports, have 69.76, 58.18, 69.78 and 71.88 (IMAGENET1K_V1).
NETS = {
    net.name: net
    for net in (
        _pulled("resnet18", 69.93, 46.8, "Apache-2.0"),
        _pulled("squeezenet", 56.34, 5.0, "Apache-2.0"),
        _pulled("googlenet", 68.7, 28.0, "BSD-3-Clause"),
        _pulled("mobilenetv2", 70.94, 14.2, "Apache-2.0"),
        Net(DEFAULT_NET, ("pip install 'cam-audit[imagenet]'",), 75.1, 18.6, efficientnet.LICENCE),
        Net("demo-biased", (), None, None, "Apache-2.0"),
        Net("demo-fixed", (), None, None, "Apache-2.0"),
    )
}


def cache_folder() -> Path:
    """The user's folder for files that were pulled or built; whoever writes there makes it."""
    return Path(platformdirs.user_cache_dir("cam-audit", appauthor=False), "models")


def model_folders() -> list[Path]:
    """Folders in which nets are looked for, first one first."""
    chosen = os.environ.get(MODELS_VARIABLE)
    return [
        *([Path(chosen)] if chosen else []),
        Path("onnx_models"),
        cache_folder(),
        Path(__file__).parents[1] / "demo",
    ]


def locate(name: str) -> Path | None:
    """NAME.onnx in the first model folder that has it, or None."""
    if Path(name).name != name:
        return None
    return next((path for folder in model_folders() if os.path.isfile(path := folder / f"{name}.onnx")), None)


def find_net(name: str) -> Path:
    """The CAM-ready file of a net known by name, or of any NAME.onnx in one of the model folders.

    EfficientNet-Lite0 is built the first time, which takes seconds, where the package with its weights is installed:
    into the folder that the user chose or the cache folder.

    Raises ModelError with the commands that make it where there is none, CannotWriteError where it can't be written.
    """
    path = locate(name)
    if path is not None:
        return path
    if name == efficientnet.NET and (weights := efficientnet.find_weights()):
        chosen = os.environ.get(MODELS_VARIABLE)
        target = (Path(chosen) if chosen else cache_folder()) / f"{name}.onnx"
        try:
            efficientnet.build(weights, target)
        except CannotWriteError as error:
            raise CannotWriteError(
                f"{error}; name a folder of nets that can be written by the variable {MODELS_VARIABLE}"
            ) from None
        return target
    if name in NETS:
        raise ModelError(f"the net {name} is not on this machine yet; {_how_to_get(NETS[name])}")
    if name.endswith(".onnx") or os.sep in name:
        raise ModelError(f"--net takes a name; for a file of your own use --model {name}")
    close = difflib.get_close_matches(name, NETS, n=1)
    hint = f"did you mean {close[0]}?" if close else "for a file of your own use --model FILE"
    raise ModelError(f"no net is called {name!r}; known are {', '.join(NETS)}; {hint}")


def whereabouts(net: Net) -> str:
    """Where a net's file is, or how it comes: for a table."""
    path = locate(net.name)
    if path is None and net.name == efficientnet.NET and efficientnet.find_weights():
        return "built when it is first used"
    return str(path or next(iter(net.ways), "missing; install cam-audit again"))


def how_to_make_again(name: str, path: Path) -> str:
    """The commands that make the file of a net anew, for what older versions of the program did not put into it."""
    adapted = shlex.join(["cam-audit", "models", "adapt", "PLAIN.onnx", "-o", path.name])
    ways = NETS[name].ways if name in NETS else ()
    return " or ".join(f"`{way}`" for way in ways or (adapted,))


def _how_to_get(net: Net) -> str:
    """The way out where a net's file is absent; for the default net, also to another one."""
    if not net.ways:
        return "it comes with cam-audit: install cam-audit again"
    ways = " or ".join(f"`{way}`" for way in net.ways)
    if net.name != DEFAULT_NET:
        return f"make it with {ways}"
    others = " or ".join(f"`{way}`" for way in NETS["resnet18"].ways)
    return f"bring it with {ways}, or make another one, for --net resnet18, with {others}"
