"""What a scan is to do, and what its results depend on."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cam_audit.errors import CamAuditError
from cam_audit.files import sha256_of
from cam_audit.findings.chosen_codes import chosen_codes
from cam_audit.findings.codes import FAILING
from cam_audit.images.decode import PILLOW_VERSION
from cam_audit.images.depth import Ranges
from cam_audit.images.png import ISAL_VERSION
from cam_audit.models.model import Model
from cam_audit.models.session import RUNTIME_VERSION
from cam_audit.overlay import COLORMAPS
from cam_audit.reports import schema
from cam_audit.reports.output_folder import OVERLAY_FORMATS
from cam_audit.reports.schema import TOOL
from cam_audit.scan.image import ScanSettings
from cam_audit.version import __version__

# The least and the most that an option may be, as on the command line.
RANGES = {
    "top": (1, 10),
    "size": (16, 4096),
    "overlay_size": (64, 4096),
    "workers": (1, 256),
    "limit": (1, sys.maxsize),
    "class_level": (1, 64),
    "mask_value": (0, 65535),
}
# Which overlays are drawn.
ALL, FLAGGED, NONE = "all", "flagged", "none"
# The foreground net: the one that is there, or none (NONE); else a name.
AUTO = "auto"


@dataclass(frozen=True)
class Options:
    """What to scan, how, and what makes it fail; `out`: the output folder, None to write nothing.

    `settings` is how each image is scanned. The rest is named as on the command line. Raises CamAuditError for a value
    that an option can't have.
    """

    dataset: Path
    out: Path | None = None
    settings: ScanSettings = field(default_factory=ScanSettings)
    labels: Path | None = None
    class_level: int | None = None
    label_pattern: str | None = None
    split: str = ALL
    metadata: Path | None = None
    masks: Path | None = None
    mask_value: int | None = None
    boxes: Path | None = None
    category: tuple[str, ...] = ()
    overlays: str = ALL
    workers: int | None = None
    limit: int | None = None
    follow_links: bool = False
    exclude: tuple[str, ...] = ()
    foreground: str = AUTO
    fail_on: str = "error"
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    ray: str | None = None

    def __post_init__(self) -> None:
        for owner, name, known in (
            (self, "overlays", (ALL, FLAGGED, NONE)),
            (self, "fail_on", tuple(FAILING)),
            (self.settings, "colormap", tuple(COLORMAPS)),
            (self.settings, "overlay_format", tuple(OVERLAY_FORMATS)),
        ):
            value = getattr(owner, name)
            if value not in known:
                raise CamAuditError(f"{name} can't be {value!r}; it is one of {', '.join(known)}")
        for name in ("exclude", "category", "select", "ignore", "provider"):
            value = getattr(self, name)
            if not all(isinstance(word, str) and word for word in value):
                raise CamAuditError(f"{name} can't be {value!r}; it is a list of words")
        for name in ("split", "label_pattern", "ray"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value):
                raise CamAuditError(f"{name} can't be {value!r}; it is a word")
        for name, (least, most) in RANGES.items():
            value = getattr(self if hasattr(self, name) else self.settings, name)
            if value is None and name not in ("top", "overlay_size"):
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
                upto = f"from {least} to {most:,}" if most < sys.maxsize else f"of {least} or more"
                raise CamAuditError(f"{name} can't be {value!r}; it is a whole number {upto}")
        # raises for a word that names no code
        _ = self.codes

    @property
    def codes(self) -> frozenset[str]:
        """The codes to look for."""
        return chosen_codes(self.select, self.ignore)


def identity(
    options: Options, model: Model, foreground: Model | None = None, ranges: Ranges | None = None
) -> dict[str, object]:
    """All that decides what a scan finds in an image, by the names that a user knows.

    foreground: the net that tells object from surroundings, if any; ranges: of the data set's pixel values.
    """
    values = asdict(options.settings) | {
        name: getattr(options, name)
        for name in (
            *("overlays", "limit", "follow_links", "exclude", "foreground", "labels", "metadata"),
            *("class_level", "label_pattern", "split"),
            *("masks", "mask_value", "boxes", "category"),
        )
    }
    programs = provenance(model)
    return {
        "cam-audit": programs["version"],
        **programs["versions"],
        "the model": model.sha256,
        "the foreground net": foreground.sha256 if foreground else None,
        "--provider": model.providers,
        "the data set": os.path.realpath(options.dataset),
        **{f"--{name.replace('_', '-')}": value for name, value in values.items()},
        "--select and --ignore": sorted(options.codes),
        "the range of pixel values": {kind: asdict(of_kind) for kind, of_kind in (ranges or {}).items()},
        "the content of --labels": _digest(options.labels),
        "the content of --metadata": _digest(options.metadata),
    }


def _digest(file: Path | None) -> str | None:
    return sha256_of(file) if file and file.is_file() else None


def provenance(model: Model) -> dict[str, Any]:
    """What run.json says of the programs and the model that made an output folder."""
    return {
        "tool": TOOL,
        "version": __version__,
        "schema_version": schema.RUN,
        "model": {
            "path": model.path,
            "net": model.net,
            "classes": len(model.class_names),
            "sha256": model.sha256,
            "licence": model.licence,
        },
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """The versions of the programs under this one that results depend on."""
    return {
        "python": platform.python_version(),
        "onnxruntime": RUNTIME_VERSION,
        "opencv": cv2.__version__,
        "numpy": np.__version__,
        "pillow": PILLOW_VERSION,
        "isal": ISAL_VERSION,
    }
