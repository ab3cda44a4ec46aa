"""cam-audit: find, show and prove what an image classifier looks at when it should not.

`load_model(path)` reads a CAM-ready ONNX file; see `cam_audit.models.file_format` for what such a file holds.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from cam_audit.errors import CamAuditError, ImageError, ModelError
from cam_audit.version import __version__

if TYPE_CHECKING:
    from cam_audit.models.model import Model, Prediction, load_model
    from cam_audit.scan.audit import audit
    from cam_audit.scan.audit_report import AuditReport
    from cam_audit.scan.observer import Observer

# OpenCV reads this when it is loaded, whichever module does that first: a header that declares more pixels than this,
# which is Pillow's limit too, is refused before anything is decoded. A program that loaded it before, or has another
# limit, keeps its own.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str((1 << 30) // 6))

__all__ = [
    "AuditReport",
    "CamAuditError",
    "ImageError",
    "Model",
    "ModelError",
    "Observer",
    "Prediction",
    "__version__",
    "audit",
    "load_model",
]

_HOMES = {
    "AuditReport": "scan.audit_report",
    "Model": "models.model",
    "Observer": "scan.observer",
    "Prediction": "models.model",
    "audit": "scan.audit",
    "load_model": "models.model",
}


def __getattr__(name: str) -> object:
    # onnxruntime takes longer to import than `cam-audit --help` may take altogether
    if name in _HOMES:
        return getattr(importlib.import_module(f"cam_audit.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
