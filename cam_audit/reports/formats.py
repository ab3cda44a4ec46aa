"""The formats of `--output`.

Each renders a report as the pieces of a text, one after another, so that no document of a large scan is ever in memory.
A new format is a module here, a line in `_MODULES`, and a file in `tests/reports/golden/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib import import_module
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cam_audit.reports.scan_report import ScanReport

# By format, the module that renders it, which only those who ask for the format wait for.
_MODULES = {
    "csv": "results_csv",
    "json": "findings_json",
    **{name: name for name in ("html", "junit", "sarif", "github", "gitlab", "markdown")},
}


def _render(module: str, report: ScanReport) -> Iterator[str]:
    pieces: Iterator[str] = import_module(f"{__package__}.{module}").render(report)
    return pieces


FORMATS: dict[str, Callable[[ScanReport], Iterator[str]]] = {
    name: partial(_render, module) for name, module in _MODULES.items()
}
# Formats that are no text and go to a file alone: the module that writes each.
BINARY = ("parquet",)
# A folder, which a scan alone can write, as it runs the net again.
FIFTYONE = "fiftyone"
# Formats that show pictures.
WITH_PICTURES = {"html"}


def write_binary(report: ScanReport, name: str, file: Path) -> None:
    """Write a report in a format that is no text; raises CamAuditError where a package is missing."""
    import_module(f"{__package__}.{name}").write(report, file)


def render(report: ScanReport, name: str, place: Path) -> Iterator[str]:
    """The pieces of a report in a format, with its pictures, as it will be read in the folder `place`."""
    if name in WITH_PICTURES:
        from cam_audit.reports.pictures import with_pictures

        report = with_pictures(report)
    return FORMATS[name](replace(report, folder=relpath(report.folder, place)))
