"""`--output FORMAT=FILE`: render a scan's results in the formats that other programs and people read."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cam_audit.cli.terminal import which_there_are
from cam_audit.errors import CamAuditError
from cam_audit.reports.formats import BINARY, FIFTYONE, FORMATS, render, write_binary

if TYPE_CHECKING:
    from cam_audit.reports.scan_report import ScanReport

# What GitHub Actions shows on a job's page, where this variable names its file.
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True)
class Output:
    """A format and the file that it goes to; None is stdout."""

    format: str
    file: Path | None


def output_option(formats: Iterable[str], help: str) -> Callable[[Decorated], Decorated]:
    """The option `--output FORMAT=FILE`, `-` for stdout; an unknown format is refused, and the nearest is named."""
    known = tuple(formats)

    def parse(_: click.Context, __: click.Parameter, values: Sequence[str]) -> tuple[Output, ...]:
        return tuple(_parsed(value, known) for value in values)

    return click.option("--output", "outputs", multiple=True, callback=parse, metavar="FORMAT=FILE", help=help)


def _parsed(value: str, formats: Sequence[str]) -> Output:
    name, equals, file = value.partition("=")
    if name not in formats:
        raise click.BadParameter(f"{name!r} is no format; {which_there_are(name, formats)}")
    if not equals or not file:
        raise click.BadParameter(f"say where to: {name}=FILE, or {name}=- for stdout")
    if file == "-" and name in (*BINARY, FIFTYONE):
        raise click.BadParameter(f"{name} is no text, so it can't go to stdout: {name}=FILE")
    return Output(name, None if file == "-" else Path(file))


def require_places(outputs: Sequence[Output], out: Path | None = None) -> None:
    """Raise CamAuditError, before hours of scanning, where a file can't be written or two want the same place.

    `out`: the output folder, if a scan makes one.
    """
    # where file systems tell no capitals from small letters, two names may be one
    places = [output.file and str(place_of(output.file)).casefold() for output in outputs]
    for place, output in zip(places, outputs, strict=True):
        if places.count(place) > 1:
            raise CamAuditError(f"--output: two formats can't both go to {output.file or 'stdout'}")
        if output.file and output.format == FIFTYONE:
            from cam_audit.scan.fiftyone import require_new

            require_new(output.file)
        elif output.file:
            require_place(output.file, out, is_report=output.format == "html")


def require_place(file: Path, out: Path | None, *, is_report: bool = False, option: str = "--output") -> None:
    """Raise CamAuditError where the file of an option can't be written, is none, or is a scan's own.

    `out`: the output folder, if a scan makes one. `is_report`: whether it may be its report.html.
    """
    from cam_audit.reports.output_folder import is_own_file

    place = place_of(file)
    try:
        mode = os.stat(place).st_mode
    except FileNotFoundError:
        mode = stat.S_IFREG
    except OSError as error:
        raise CamAuditError(f"{option}: cannot write {file}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise CamAuditError(f"{option}: {file} is a folder; name a file in it")
    if not stat.S_ISREG(mode):
        raise CamAuditError(f"{option}: {file} is a pipe or a device; name a file")
    if is_own_file(place, out, is_report=is_report):
        raise CamAuditError(f"{option}: {file} is a file of the scan's own; name another")
    folder = file.parent
    if out and place.parent == Path(os.path.realpath(out)):
        return
    if not folder.is_dir():
        raise CamAuditError(f"{option}: there is no folder {folder}; make it with `mkdir -p {folder}`")
    if not os.access(folder, os.W_OK):
        raise CamAuditError(f"{option}: the folder {folder} is not writable")


def place_of(file: Path) -> Path:
    """Where a file is, by the folders that it is really in; if it is a link, it is the link that is replaced."""
    return Path(os.path.realpath(file.parent), file.name)


def write_outputs(report: ScanReport, outputs: Sequence[Output]) -> None:
    """Render the results of a scan in each format, to its file or to stdout; `github` also to the step's summary."""
    for output in outputs:
        if output.format == FIFTYONE and output.file:
            _write_fiftyone(report, output.file)
            continue
        if output.format in BINARY and output.file:
            write_binary(report, output.format, output.file)
            continue
        place = output.file.parent if output.file else Path()
        write(output, render(report, output.format, place))
    if any(output.format == "github" for output in outputs):
        _append_step_summary(report)


def _write_fiftyone(report: ScanReport, folder: Path) -> None:
    from cam_audit.scan.audit_report import AuditReport
    from cam_audit.scan.fiftyone import write_dataset

    if not isinstance(report, AuditReport):
        raise CamAuditError(f"{folder}: only a scan that runs the net can draw heatmaps; add --fresh")
    write_dataset(folder, report)


def write(output: Output, pieces: Iterable[str]) -> None:
    """Put the pieces of a text where the option says; a file is there whole or not at all."""
    from cam_audit.files import replacing

    if output.file is None:
        sys.stdout.writelines(pieces)
        sys.stdout.flush()
        return
    with replacing(output.file) as file:
        file.writelines(pieces)


def _append_step_summary(report: ScanReport) -> None:
    place = os.environ.get(STEP_SUMMARY)
    if not place:
        return
    try:
        with open(place, "a", encoding="utf-8", newline="") as file:
            file.writelines([*FORMATS["markdown"](report), "\n"])
    except OSError as error:
        raise CamAuditError(f"{STEP_SUMMARY}: cannot write {place}: {error.strerror}") from None


def to_stdout(outputs: Sequence[Output]) -> bool:
    """Whether stdout is taken by one of the formats, so that nothing else may go there."""
    return any(output.file is None for output in outputs)
