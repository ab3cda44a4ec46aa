"""Where onnxruntime runs a net: execution providers other than the CPU's, and the proof that they compute the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cam_audit.errors import CamAuditError, ModelError
from cam_audit.models import file_format
from cam_audit.models.protobuf import without_outputs
from cam_audit.models.session import RUNTIME_VERSION, open_session, run

CPU = "CPUExecutionProvider"
_ENDING = "ExecutionProvider"
# What a provider may differ by from the CPU, relative to the largest value of an output.
TOLERANCE = 1e-3
# Packages of PyPI that bring a provider, each in the place of `onnxruntime`.
PACKAGES = {
    "CUDAExecutionProvider": "onnxruntime-gpu",
    "TensorrtExecutionProvider": "onnxruntime-gpu",
    "OpenVINOExecutionProvider": "onnxruntime-openvino",
    "DmlExecutionProvider": "onnxruntime-directml",
    "QNNExecutionProvider": "onnxruntime-qnn",
    "MIGraphXExecutionProvider": "onnxruntime-migraphx",
    "CANNExecutionProvider": "onnxruntime-cann",
}

Array = NDArray[Any]


def full_names(names: Iterable[str]) -> tuple[str, ...]:
    """The providers that are meant, as onnxruntime calls them: "cuda" is "CUDAExecutionProvider".

    Raises CamAuditError for one that this onnxruntime does not have, with those that it has and the package to install.
    """
    available = ort.get_available_providers()
    return tuple(dict.fromkeys(_full_name(name, available) for name in names))


def _full_name(name: str, available: Sequence[str]) -> str:
    known: dict[str, str] = {_short(each): each for each in (*PACKAGES, *ort.get_all_providers(), *available)}
    full = known.get(_short(name))
    if full and full in available:
        return full
    has = ", ".join(each.removesuffix(_ENDING) for each in available)
    package = PACKAGES.get(full or "")
    way_out = f"; `pip uninstall onnxruntime` and `pip install {package}` bring it" if package else ""
    reason = "is not in" if full else "is no execution provider of"
    raise CamAuditError(f"--provider {name}: it {reason} this onnxruntime {RUNTIME_VERSION}, which has {has}{way_out}")


def _short(name: str) -> str:
    return name.casefold().removesuffix(_ENDING.casefold())


def session_on(
    path: Path, providers: Sequence[str], runs: Sequence[tuple[NDArray[np.uint8], Mapping[str, Array]]]
) -> tuple[ort.InferenceSession | None, str]:
    """A session of a CAM-ready file on providers, the first preferred, and what is to be said about it, "" for nothing.

    runs: RGB images uint8 (H, W, 3), and the file's outputs for them on the CPU. None: the providers can't run the
    net, and why. Only outputs that depend on the image are there: OpenVINO refuses others.

    Raises ModelError where the providers compute something else than the CPU.
    """
    others = [name for name in providers if name != CPU]
    words = " and ".join(name.removesuffix(_ENDING) for name in others)
    constants = [name for name in file_format.OUTPUTS if name not in file_format.OF_THE_IMAGE]
    model = without_outputs(path.read_bytes(), constants)
    note = ""
    try:
        try:
            session = open_session(model, others, on_cpu_too=False)
        except ModelError:
            session = open_session(model, others)
            note = f"{words} can't do all steps of the net; the others, perhaps all of them, run on the CPU"
        missing = [name for name in others if name not in session.get_providers()]
        if missing:
            raise ModelError(f"{missing[0]} did not start")
        found = [_outputs(session, rgb, expected) for rgb, expected in runs]
    except ModelError as error:
        return None, f"{words} can't run the net, so it runs on the CPU: {str(error).removeprefix('the net: ')}"
    for (_, expected), values in zip(runs, found, strict=True):
        for name, value in values.items():
            _check_same(value, expected[name], f"{path}: on {words}, the output {name!r}")
    return session, note


def _outputs(session: ort.InferenceSession, rgb: NDArray[np.uint8], expected: Mapping[str, Array]) -> dict[str, Array]:
    names = [name for name in expected if name in file_format.OF_THE_IMAGE]
    return run(session, {file_format.IMAGE: rgb[None]}, names)


def _check_same(value: Array, expected: Array, what: str) -> None:
    difference = float(np.abs(value - expected).max()) if value.shape == expected.shape else np.inf
    largest = float(np.abs(expected).max())
    if not difference <= TOLERANCE * largest:
        raise ModelError(
            f"{what} differs from the CPU's by {difference / max(largest, 1e-12):.1g} of the largest value, more than "
            f"{TOLERANCE:g}; leave out --provider"
        )
