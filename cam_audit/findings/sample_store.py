"""What a scan took from a sampled image, in a file, for a scan that goes on where it was cut off."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.files import write_bytes
from cam_audit.findings.cues.records import FileFacts, ImageFeatures, Keypoints

Array = NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Features, logits float32 (K,) and, on the common grid, activations float32 (C, h, w) of one image."""

    features: ImageFeatures
    logits: NDArray[np.float32]
    activations: NDArray[np.float32]


def save(path: Path, taken: Taken) -> None:
    """Write what was taken, arrays as they are; raises CamAuditError where it can't be written."""
    features, keypoints = taken.features, taken.features.keypoints
    facts = {
        "name": features.name,
        "label": features.label,
        "file": dataclasses.asdict(features.file),
        "size": keypoints.size,
    }
    arrays: dict[str, Any] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        "logits": taken.logits,
        "activations": taken.activations,
        **{f"features_{name}": array for name, array in _arrays(features).items()},
        **{f"keypoints_{name}": array for name, array in _arrays(keypoints).items()},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def load(path: Path) -> Taken | None:
    """What `save` wrote, to the last bit; None where the file is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays["facts"].tobytes())
        keypoints = Keypoints(size=tuple(facts["size"]), **_under("keypoints_", arrays))
        features = ImageFeatures(
            name=facts["name"],
            label=facts["label"],
            file=FileFacts(**facts["file"]),
            keypoints=keypoints,
            **_under("features_", arrays),
        )
        return Taken(features, arrays["logits"], arrays["activations"])
    except Exception:
        # zipfile, zlib and numpy raise a dozen types for damaged files; whichever it is, the image is done again
        return None


def _arrays(record: ImageFeatures | Keypoints) -> dict[str, Array]:
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _under(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
