"""What was collected of a sampled image, in a file, for a scan that goes on where it was cut off."""

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
from cam_audit.findings.map_use import ActivationSum
from cam_audit.findings.sample import Collected, Observation
from cam_audit.records import ImageSource

Array = NDArray[Any]


def save(path: Path, collected: Collected) -> None:
    """Write what was collected of one image, arrays as they are; raises CamAuditError where it can't be written."""
    (observation,) = collected.observations.values()
    assert collected.total.steps is not None
    features, keypoints = observation.features, observation.features.keypoints
    facts = {
        "name": features.name,
        "label": features.label,
        "file": dataclasses.asdict(features.file),
        "size": keypoints.size,
        "measured": observation.measured,
        "margin": observation.margin,
    }
    arrays: dict[str, Any] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        "logits": observation.logits,
        "own_map": observation.own_map,
        "steps": _narrow(collected.total.steps),
        **{f"features_{name}": array for name, array in _arrays(features).items()},
        **{f"keypoints_{name}": array for name, array in _arrays(keypoints).items()},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def load(path: Path, source: ImageSource) -> Collected | None:
    """What `save` wrote of an image, to the last bit; None where the file is missing, damaged or of another image."""
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
        if features.name != source.name:
            return None
        collected = Collected()
        collected.observations[source.name] = Observation(
            source, features, arrays["logits"], facts["measured"], facts["margin"], arrays["own_map"]
        )
        collected.total = ActivationSum(1, arrays["steps"].astype(np.int64))
        return collected
    except Exception:
        # zipfile, zlib and numpy raise a dozen types for damaged files; whichever it is, the image is done again
        return None


def _narrow(steps: NDArray[np.int64]) -> NDArray[np.int32] | NDArray[np.int64]:
    """The same numbers in half the bytes, where they fit."""
    narrow = steps.astype(np.int32)
    return narrow if np.array_equal(narrow, steps) else steps


def _arrays(record: ImageFeatures | Keypoints) -> dict[str, Array]:
    values = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def _under(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
