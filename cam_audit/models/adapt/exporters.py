"""What other exporters write about a net into its metadata: the names of its classes and its input size."""

from __future__ import annotations

import json

import onnx

from cam_audit.models.class_list import parse_class_list

# ultralytics: a dict of index and name, and [H, W]
NAMES_KEYS = ("names", "id2label", "classes", "labels")
SIZE_KEYS = ("imgsz", "input_size")


def names_within(model: onnx.ModelProto) -> tuple[str, tuple[str, ...]] | None:
    """The metadata key that has class names, and the names; None where no key has."""
    for entry in model.metadata_props:
        if entry.key in NAMES_KEYS:
            try:
                return entry.key, parse_class_list(entry.value).names
            except ValueError:
                continue
    return None


def size_within(model: onnx.ModelProto) -> tuple[int, int] | None:
    """The input size (H, W) in pixels that the metadata have; None where they have none."""
    for entry in model.metadata_props:
        if entry.key in SIZE_KEYS:
            try:
                sides = json.loads(entry.value)
            except (ValueError, RecursionError):
                continue
            sides = [sides, sides] if type(sides) is int else sides
            if isinstance(sides, list) and len(sides) == 2 and all(type(side) is int and side > 0 for side in sides):
                return sides[0], sides[1]
    return None
