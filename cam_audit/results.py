"""Read the output folder of a scan back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from cam_audit.errors import CamAuditError
from cam_audit.output import FINDINGS_FILE, RESULTS_FILE, RUN_FILE, TOOL
from cam_audit.records import ImageRow, ScanReport
from cam_audit.reports import csv
from cam_audit.reports import json as findings_json


def read_results(folder: Path, run: Mapping[str, Any] | None = None) -> ScanReport:
    """What the output folder of a finished scan holds; `run` is what its run.json will say, where it is yet to come.

    The images are not kept: results.csv is checked, and read again whenever they are gone through.

    Raises CamAuditError where it is not one, its scan did not end, or a file of it is damaged.
    """
    if run is None:
        with _reading(folder / RUN_FILE) as file:
            run = json.load(file)
    if not isinstance(run, dict) or run.get("tool") != TOOL:
        raise CamAuditError(f"{folder}: not the output folder of a cam-audit scan")
    if not run.get("finished"):
        raise CamAuditError(f"{folder}: the scan into this folder did not end; run it again")
    with _reading(folder / FINDINGS_FILE) as file:
        findings, maps, confused, notes = findings_json.parse(file.read())
    images = _Table(folder / RESULTS_FILE)
    known = frozenset(map(str, run.get("known", ())))
    return ScanReport(run, findings, maps, confused, notes, images, folder=str(folder), known=known)


class _Table:
    """The rows of a results.csv, read each time they are gone through.

    Raises CamAuditError, now or then, where the file is not there, can't be read or is damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._rows = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[ImageRow]:
        with _reading(self._file) as lines:
            yield from csv.parse(lines)


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[TextIO]:
    """A file of an output folder, open; raises CamAuditError where it is not there, can't be read or is damaged."""
    try:
        with file.open(encoding="utf-8", newline="") as text:
            yield text
    except FileNotFoundError:
        raise CamAuditError(
            f"{file.parent}: not the output folder of a cam-audit scan, there is no {file.name} in it; "
            f"`cam-audit scan DATASET -o {file.parent}` makes one"
        ) from None
    except OSError as error:
        raise CamAuditError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CamAuditError(f"{file}: damaged: {error}; scan again") from None
