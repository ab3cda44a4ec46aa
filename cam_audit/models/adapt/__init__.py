"""Make any plain ONNX classifier CAM-ready; the only place that uses onnx."""

from cam_audit.errors import ModelError

try:
    import onnx  # noqa: F401
except ImportError:
    raise ModelError("the package onnx is missing; install it with: pip install 'cam-audit[models]'") from None

from cam_audit.models.adapt.make_cam_ready import AdaptedModel, adapt
from cam_audit.models.adapt.preprocessing import PRESETS, Preprocessing

__all__ = ["PRESETS", "AdaptedModel", "Preprocessing", "adapt"]
