"""What a command sets for the libraries under it: threads, logs, memory; a user's own setting wins."""

from __future__ import annotations

import subprocess
import sys

import pytest
from commands import environment

PRINT = "print(cv2.getNumThreads(), os.environ['OPENBLAS_NUM_THREADS'], os.environ['ORT_DISABLE_TELEMETRY'])"
PROGRAM = f"""
import os
from cam_audit.cli.process.libraries import set_environment, set_up_libraries
set_environment()
set_up_libraries(2)
import cv2, numpy
{PRINT}
cv2.imdecode(numpy.frombuffer(bytes([137, 80, 78, 71, 13, 10, 26, 10, 1, 2, 3]), numpy.uint8), 1)
"""


@pytest.mark.parametrize(("mine", "threads"), [({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")])
def test_the_cores_are_left_to_the_workers_and_opencv_says_nothing(mine: dict[str, str], threads: str) -> None:
    unset = ("OPENBLAS_NUM_THREADS", "ORT_DISABLE_TELEMETRY", "OPENCV_LOG_LEVEL")
    variables = {name: value for name, value in environment().items() if name not in unset} | mine
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    assert (ran.stdout.split(), ran.stderr) == (["1", threads, "1"], "")
