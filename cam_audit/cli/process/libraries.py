"""What a program may set for the libraries under it, and a library that is imported by others may not."""

from __future__ import annotations

import logging
import os

from cam_audit.cli.process.allocation import keep_freed_memory


def set_environment() -> None:
    """Set the variables that libraries read when they are loaded, unless the user has set them."""
    # OpenBLAS: threads of its own would spin beside the workers
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # OpenCV: what it says of damaged files would break a progress bar
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    # and FFmpeg, to which it passes this on, would tell stderr of every damaged frame of a stream
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # onnxruntime 1.32 would keep an identifier of the machine in the user's cache folder and report to its makers
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # and a cluster of Ray that is started for a scan to its
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")


def set_up_libraries(workers: int) -> None:
    """Load OpenCV and onnxruntime, and prepare them and the C library for so many workers with an image each."""
    keep_freed_memory(workers)
    # the quantiser logs for its developers, to a root logger that prints unless it has a handler
    logging.getLogger().addHandler(logging.NullHandler())
    import cv2

    from cam_audit.models.session import set_up_runtime

    # threads of its own on top of the workers would fight for the cores
    cv2.setNumThreads(1)
    set_up_runtime()
