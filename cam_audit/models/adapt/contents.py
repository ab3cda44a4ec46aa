"""What a CAM-ready file is made of, for people to read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from cam_audit.models.adapt.preprocessing import Preprocessing
from cam_audit.models.adapt.quantisable import FACTOR, OFFSET
from cam_audit.models.file_format import METADATA_PREFIX


@dataclass(frozen=True)
class Contents:
    """How often each operator occurs, how many numbers are stored, the metadata without its prefix.

    `preprocessing` is None where the graph does not have it in the form that `adapt` gives it.
    """

    operators: Counter[str]
    parameters: int
    metadata: Mapping[str, str]
    preprocessing: Preprocessing | None


def read_contents(path: Path) -> Contents:
    """Read the contents of a file that `load_model` takes."""
    model = onnx.load(path, load_external_data=False)
    return Contents(
        operators=Counter(node.op_type for node in model.graph.node),
        parameters=sum(math.prod(tensor.dims) for tensor in model.graph.initializer),
        metadata={entry.key.removeprefix(METADATA_PREFIX): entry.value for entry in model.metadata_props},
        preprocessing=_preprocessing(model.graph),
    )


def _preprocessing(graph: onnx.GraphProto) -> Preprocessing | None:
    """What `build` put in front of the network, for pixels of 0..255 whatever scale was given."""
    constants = {tensor.name: tensor for tensor in graph.initializer if tensor.name.startswith("cam_audit/")}
    if not {FACTOR, OFFSET} <= set(constants):
        return None
    factor, offset = (numpy_helper.to_array(constants[name]).reshape(-1).astype(float) for name in (FACTOR, OFFSET))
    bgr = "cam_audit/bgr" in constants
    channels = [2, 1, 0] if bgr else [0, 1, 2]
    if factor.size != 3 or offset.size != 3:
        return None
    with np.errstate(all="ignore"):
        mean, std = (-offset / factor)[channels].tolist(), (1 / factor)[channels].tolist()
    if not np.isfinite([*mean, *std]).all():
        return None
    return Preprocessing(1.0, (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), bgr)
