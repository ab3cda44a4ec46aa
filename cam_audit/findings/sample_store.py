"""What was collected of a sampled image, in a file, for a scan that goes on where it was cut off."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.cues.features import all_features
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.map_use import ActivationSum
from cam_audit.findings.sample import Collected, Observation, draw_key
from cam_audit.records import ImageSource

# Before the name of a feature that is an array.
PREFIX = "features."
# What is kept of images whose class is taken to parts, by the names of an observation.
FOR_PARTS = ("activations", "kept", "foreground", "gates")


def to_bytes(collected: Collected) -> bytes:
    """A file of what was collected of one image, arrays as they are."""
    (observation,) = collected.observations.values()
    assert collected.total.steps is not None
    features = observation.features
    parts = _parts(features.values)
    kept_as_arrays = {key: part for key, part in parts.items() if isinstance(part, np.ndarray)}
    facts = {
        "name": features.name,
        "label": features.label,
        "features": {key: part for key, part in parts.items() if key not in kept_as_arrays},
        "map_class": observation.map_class,
        "masked": observation.masked,
        "lead": observation.lead,
    }
    arrays: dict[str, Any] = {
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
        "own_map": observation.own_map,
        "steps": _narrow(collected.total.steps),
        **{name: kept for name in ("logits", *FOR_PARTS) if (kept := getattr(observation, name)) is not None},
        **{PREFIX + key: array for key, array in kept_as_arrays.items()},
    }
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def from_bytes(data: bytes, source: ImageSource) -> Collected | None:
    """What `to_bytes` made of an image, to the last bit; None where the file is damaged or of another image."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            # a stranger's could unpack to any size
            if sum(item.file_size for item in file.zip.infolist()) > len(data):
                return None
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays["facts"].tobytes())
        kept_as_arrays = {key.removeprefix(PREFIX): array for key, array in arrays.items() if key.startswith(PREFIX)}
        values = _features({**facts["features"], **kept_as_arrays})
        features = ImageFeatures(facts["name"], facts["label"], values, draw_key(source))
        if features.name != source.name:
            return None
        collected = Collected()
        collected.observations[source.name] = Observation(
            source,
            features,
            arrays.get("logits"),
            facts["map_class"],
            arrays["own_map"],
            **{name: arrays.get(name) for name in FOR_PARTS},
            masked=facts["masked"],
            lead=tuple(facts["lead"]) if facts["lead"] else None,
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


def _parts(features: Mapping[str, Any]) -> dict[str, Any]:
    """Features by name, those that are dataclasses field by field: arrays, and what JSON holds."""
    parts: dict[str, Any] = {}
    for name, value in features.items():
        if dataclasses.is_dataclass(value):
            parts |= {f"{name}.{field.name}": getattr(value, field.name) for field in dataclasses.fields(value)}
        else:
            parts[name] = value
    return parts


def _features(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The features that came apart so; raises KeyError where a part is missing of those that the finders ask for."""
    # JSON has no tuples
    parts = {key: tuple(part) if isinstance(part, list) else part for key, part in parts.items()}
    features = {}
    for name, feature in all_features().items():
        if dataclasses.is_dataclass(feature.type):
            fields = {field.name: parts[f"{name}.{field.name}"] for field in dataclasses.fields(feature.type)}
            features[name] = feature.type(**fields)
        else:
            features[name] = parts[name]
    return features
