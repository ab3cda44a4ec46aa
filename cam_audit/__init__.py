"""cam-audit: find, show and prove what an image classifier looks at when it should not.

`load_model(path)` reads a CAM-ready ONNX file; see `cam_audit.contract` for what such a file holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cam_audit.errors import CamAuditError, ImageError, ModelError

if TYPE_CHECKING:
    from cam_audit.model import Model, Prediction, load_model

__version__ = "0.1.0"
__all__ = ["CamAuditError", "ImageError", "Model", "ModelError", "Prediction", "__version__", "load_model"]


def __getattr__(name: str) -> object:
    # onnxruntime takes longer to import than `cam-audit --help` may take altogether
    if name in {"Model", "Prediction", "load_model"}:
        from cam_audit import model

        return getattr(model, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
