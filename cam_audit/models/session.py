"""Sessions of onnxruntime: how a file is opened, and what a program may set for all of them."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnxruntime as ort
from numpy.typing import NDArray

from cam_audit.errors import ModelError
from cam_audit.models.external_data import has_external_data

MEMORY_SHARE = 0.75
# TF32 keeps three digits, too few for the proof that the CPU computes the same.
_SETTINGS = {"CUDAExecutionProvider": {"use_tf32": "0"}}

RUNTIME_VERSION: str = ort.__version__

Array = NDArray[Any]


def set_up_runtime() -> None:
    """Let all nets together take MEMORY_SHARE of the machine's memory, and onnxruntime log nothing.

    A small file may ask for any amount of memory. This concerns the whole process, so it is for programs, before they
    open a session.
    """
    ort.set_default_logger_severity(4)
    if not hasattr(os, "sysconf"):
        return
    limit = int(MEMORY_SHARE * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    # there may be one already
    with contextlib.suppress(Exception):
        ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": limit}))


def open_session(
    model: bytes | Path, providers: Sequence[str] = (), *, on_cpu_too: bool = True
) -> ort.InferenceSession:
    """A session on the CPU with one thread, or on execution providers, with what they can't do on the CPU.

    on_cpu_too: whether they may leave a step to the CPU. Raises ModelError for a file that onnxruntime can't load.
    """
    options = ort.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Parallelism comes from the workers, one image each: two single-threaded runs beat one of two threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # A memory pattern per picture size would be kept for each of the sizes of a data set.
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    # onnxruntime's own format is a memory image, which it hardly checks
    options.add_session_config_entry("session.load_model_format", "ONNX")
    if not on_cpu_too:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    names = [*providers, "CPUExecutionProvider"] if on_cpu_too else list(providers)
    settings = [_SETTINGS.get(each, {}) for each in names]
    name = "the net" if isinstance(model, bytes) else f"{model}"
    try:
        if has_external_data(model) if isinstance(model, bytes) else _names_other_files(model):
            raise ModelError(f"{name}: weights in other files are refused; `cam-audit models adapt` makes it one file")
        source = model if isinstance(model, bytes) else str(model)
        # without the fallback of the package, which prints what went wrong to stdout
        return ort.InferenceSession(source, options, names, settings, enable_fallback=0)
    except ModelError:
        raise
    except Exception as error:
        # onnxruntime raises a dozen types of its own, all of them for files that it can't use
        raise ModelError(f"{name}: not an ONNX file that onnxruntime can load: {first_line(error)}") from None


def run_once(
    model: bytes | Path, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None
) -> dict[str, Array]:
    """Run any ONNX file once; returns its outputs (or those named) by name.

    Raises ModelError where onnxruntime can't load or run it.
    """
    return run(open_session(model), inputs, outputs)


def run(
    session: ort.InferenceSession, inputs: Mapping[str, Array], outputs: Sequence[str] | None = None
) -> dict[str, Array]:
    """Run a session; returns its outputs (or those named) by name. Raises ModelError where it can't be run."""
    names = list(outputs) if outputs is not None else [output.name for output in session.get_outputs()]
    try:
        values = session.run(names, dict(inputs))
    except Exception as error:
        raise ModelError(f"the net cannot be run: {first_line(error)}") from None
    return dict(zip(names, values, strict=True))


def first_line(error: Exception) -> str:
    """What an error of onnxruntime says, cut to one line."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _names_other_files(path: Path) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return has_external_data(content)
