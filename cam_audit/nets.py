"""Nets known by name: where their CAM-ready files are looked for, and the command that makes each."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from cam_audit.errors import ModelError

MODELS_VARIABLE = "CAM_AUDIT_MODELS"


@dataclass(frozen=True)
class Net:
    """A net known by name; `make` is the command that makes its file, "" where the package brings it."""

    name: str
    make: str


_EXPORT = "python scripts/export_onnx.py --net {}"
NETS = {
    net.name: net
    for net in (
        *(Net(name, _EXPORT.format(name)) for name in ("resnet18", "squeezenet", "googlenet", "mobilenetv2")),
        Net("demo-biased", ""),
        Net("demo-fixed", ""),
    )
}


def model_folders() -> list[Path]:
    """Folders in which nets are looked for, first one first."""
    chosen = os.environ.get(MODELS_VARIABLE)
    return [
        *([Path(chosen)] if chosen else []),
        Path("onnx_models"),
        Path(platformdirs.user_cache_dir("cam-audit", appauthor=False), "models"),
        Path(__file__).parent / "nets",
    ]


def find_net(name: str) -> Path:
    """The CAM-ready file of a net known by name, or of any NAME.onnx in one of the model folders.

    Raises ModelError with the command that makes it where there is none.
    """
    if Path(name).name == name:
        for folder in model_folders():
            path = folder / f"{name}.onnx"
            if os.path.isfile(path):
                return path
    if name in NETS:
        raise ModelError(f"the net {name} is not on this machine yet; make it with `{NETS[name].make}`")
    if name.endswith(".onnx") or os.sep in name:
        raise ModelError(f"--net takes a name; for a file of your own use --model {name}")
    close = difflib.get_close_matches(name, NETS, n=1)
    hint = f"did you mean {close[0]}?" if close else "for a file of your own use --model FILE"
    raise ModelError(f"no net is called {name!r}; known are {', '.join(NETS)}; {hint}")
