"""`--output FORMAT=FILE`: render a scan's results in the formats that other programs and people read."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cam_audit.errors import CamAuditError
from cam_audit.reports import FORMATS

if TYPE_CHECKING:
    from cam_audit.records import ScanReport


WITH_PICTURES = {"html"}


@dataclass(frozen=True)
class Output:
    """A format and the file that it goes to; None is stdout."""

    format: str
    file: Path | None


def parse_outputs(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[Output, ...]:
    """Callback of the option: FORMAT=FILE, `-` for stdout; a format that there is not is refused with the nearest."""
    return tuple(map(_parsed, values))


def _parsed(value: str) -> Output:
    name, equals, file = value.partition("=")
    if name not in FORMATS:
        close = difflib.get_close_matches(name, FORMATS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(FORMATS)}"
        raise click.BadParameter(f"{name!r} is no format; {hint}")
    if not equals or not file:
        raise click.BadParameter(f"say where to: {name}=FILE, or {name}=- for stdout")
    return Output(name, None if file == "-" else Path(file))


def require_places(outputs: Sequence[Output]) -> None:
    """Raise CamAuditError, before hours of scanning, where a file can't be written or two want the same place."""
    places = [output.file for output in outputs]
    for place in places:
        if places.count(place) > 1:
            raise CamAuditError(f"--output: two formats can't both go to {place or 'stdout'}")
        if place is None:
            continue
        if place.is_dir():
            raise CamAuditError(f"--output: {place} is a folder; name a file in it")
        folder = place.parent
        if not folder.is_dir():
            raise CamAuditError(f"--output: there is no folder {folder}; make it with `mkdir -p {folder}`")
        if not os.access(folder, os.W_OK):
            raise CamAuditError(f"--output: the folder {folder} is not writable")


def write_outputs(report: ScanReport, outputs: Sequence[Output]) -> None:
    """Render the results of a scan in each format, to its file or to stdout."""
    from cam_audit.exhibits import with_pictures
    from cam_audit.output import replacing

    if any(output.format in WITH_PICTURES for output in outputs):
        report = with_pictures(report)
    for output in outputs:
        if output.file is None:
            click.echo(FORMATS[output.format](report), nl=False)
            continue
        seen_from_there = replace(report, folder=os.path.relpath(report.folder, output.file.parent))
        with replacing(output.file) as file:
            file.write(FORMATS[output.format](seen_from_there))


def write_report(folder: Path) -> Path:
    """Write report.html into the output folder of a finished scan; returns its path.

    Raises CamAuditError where the folder is not one, or the file can't be written.
    """
    from cam_audit.output import REPORT_FILE
    from cam_audit.results import read_results

    file = folder / REPORT_FILE
    write_outputs(read_results(folder), [Output("html", file)])
    return file


def to_stdout(outputs: Sequence[Output]) -> bool:
    """Whether stdout is taken by one of the formats, so that nothing else may go there."""
    return any(output.file is None for output in outputs)
