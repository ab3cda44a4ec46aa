"""What a scan is to do, and what its results depend on."""

from __future__ import annotations

import hashlib
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cam_audit import __version__
from cam_audit.images.decode import PILLOW_VERSION
from cam_audit.images.png import ISAL_VERSION
from cam_audit.models.model import RUNTIME_VERSION, Model
from cam_audit.reports.folder import TOOL
from cam_audit.scan.image import ScanSettings

# Which overlays are drawn.
ALL, FLAGGED, NONE = "all", "flagged", "none"


@dataclass(frozen=True)
class Task:
    """What to scan, how, and what makes it fail; the library's own settings are in `settings`."""

    dataset: Path
    out: Path
    settings: ScanSettings = field(default_factory=ScanSettings)
    labels: Path | None = None
    masks: Path | None = None
    boxes: Path | None = None
    overlays: str = ALL
    workers: int | None = None
    limit: int | None = None
    follow_links: bool = False
    fail_on: str = "error"
    profile: bool = False


def identity(task: Task, model: Model) -> dict[str, object]:
    """All that decides what a scan finds in an image, by the names that a user knows."""
    options = asdict(task.settings) | {
        name: getattr(task, name) for name in ("overlays", "limit", "follow_links", "labels", "masks", "boxes")
    }
    programs = provenance(model)
    return {
        "cam-audit": programs["version"],
        **programs["versions"],
        "the model": model.sha256,
        "the data set": os.path.realpath(task.dataset),
        **{f"--{name.replace('_', '-')}": value for name, value in options.items()},
        "the content of --labels": _digest(task.labels),
    }


def _digest(file: Path | None) -> str | None:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file and file.is_file() else None


def provenance(model: Model) -> dict[str, Any]:
    """What run.json says of the programs and the model that made an output folder."""
    return {
        "tool": TOOL,
        "version": __version__,
        "schema_version": 1,
        "model": {
            "path": model.path,
            "net": model.net,
            "classes": len(model.class_names),
            "sha256": model.sha256,
            "licence": model.licence,
        },
        "versions": {
            "python": platform.python_version(),
            "onnxruntime": RUNTIME_VERSION,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
            "pillow": PILLOW_VERSION,
            "isal": ISAL_VERSION,
        },
    }
