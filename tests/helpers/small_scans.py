"""Scans of a few drawn images in the current folder: as a process, which may be ended, or here, which is faster."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, run
from data_sets import draw, net, stamp_in_the_corner

from cam_audit.cli.progress import Progress
from cam_audit.errors import CamAuditError
from cam_audit.findings.sample import Collected
from cam_audit.records import ImageResult
from cam_audit.scan.audit import audit
from cam_audit.scan.journal import Journal, Stamp

SCAN = ("scan", "photos", "--model", "cheat.onnx", "--fail-on", "never", "-o", "out")


def prepare(folder: Path) -> Path:
    """Write the images and the net, and what a scan that is left alone finds, to `undisturbed`."""
    draw(folder / "photos", stamp_in_the_corner, (14, 14, 14))
    net(red=100, ant=0).write(folder / "cheat.onnx")
    run(folder, *SCAN[:-1], "undisturbed")
    return folder


def start(*options: str, before: tuple[str, ...] = (), **how: object) -> subprocess.Popen[str]:
    """`cam-audit scan`; `before`: what goes before it on the command line."""
    command = [*before, sys.executable, "-m", "cam_audit", *SCAN, *options]
    return subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True, **how)


def scan(
    resume: bool | None = None, *, dataset: str | Path = "photos", out: str | Path = "out", **options: object
) -> None:
    """The same in this process."""
    audit(
        dataset,
        "cheat.onnx",
        out=out,
        resume=resume,
        observer=Progress(),
        **{"workers": 2, "fail_on": "never", **options},
    )  # type: ignore[arg-type]


def cut_off_scan(*, images: int = 10, out: str = "out", **options: object) -> None:
    """The same, ended by an error when so many images are finished."""
    add, added = Journal.add, []

    def add_some(journal: Journal, result: ImageResult, collected: Collected, stamp: Stamp) -> None:
        if len(added) == images:
            raise CamAuditError("cut off")
        add(journal, result, collected, stamp)
        added.append(result)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "add", add_some)
        with pytest.raises(CamAuditError, match="cut off"):
            scan(out=out, **{"workers": 1, **options})
