"""Read the output folder of a scan back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cam_audit.errors import CamAuditError
from cam_audit.output import FINDINGS_FILE, RESULTS_FILE, RUN_FILE, TOOL
from cam_audit.records import ScanReport
from cam_audit.reports import csv
from cam_audit.reports import json as findings_json


def read_results(folder: Path, run: Mapping[str, Any] | None = None) -> ScanReport:
    """What the output folder of a finished scan holds; `run` is what its run.json will say, where it is yet to come.

    Raises CamAuditError where it is not one, its scan did not end, or a file of it is damaged.
    """
    run_file = folder / RUN_FILE
    file = run_file
    try:
        if run is None:
            run = json.loads(run_file.read_text(encoding="utf-8"))
        if not isinstance(run, dict) or run.get("tool") != TOOL:
            raise CamAuditError(f"{folder}: not the output folder of a cam-audit scan")
        if not run.get("finished"):
            raise CamAuditError(f"{folder}: the scan into this folder did not end; run it again")
        file = folder / FINDINGS_FILE
        findings, maps, confused, notes = findings_json.parse(file.read_text(encoding="utf-8"))
        file = folder / RESULTS_FILE
        with file.open(encoding="utf-8", newline="") as lines:
            images = tuple(csv.parse(lines))
    except FileNotFoundError:
        raise CamAuditError(
            f"{folder}: not the output folder of a cam-audit scan, there is no {file.name} in it; "
            f"`cam-audit scan DATASET -o {folder}` makes one"
        ) from None
    except OSError as error:
        raise CamAuditError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CamAuditError(f"{file}: damaged: {error}; scan again") from None
    known = frozenset(map(str, run.get("known", ())))
    return ScanReport(run, findings, maps, confused, notes, images, folder=str(folder), known=known)
