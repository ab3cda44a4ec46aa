"""One scan from a folder of images to an output folder, with progress; shared by the commands that scan."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING

from cam_audit.cli.outputs import write_report
from cam_audit.cli.process.allocation import release_freed_memory
from cam_audit.cli.process.exits import Interrupted
from cam_audit.cli.process.resuming import FRESH, RESUME, resuming_command
from cam_audit.cli.summary import Outcome, Tally, severity_counts
from cam_audit.cli.terminal import note, progress_bar, quiet_libraries
from cam_audit.errors import CamAuditError
from cam_audit.files import replacing, write_bytes
from cam_audit.images.png import encode_png
from cam_audit.models.model import Model
from cam_audit.overlay import class_map_sheet
from cam_audit.profile import Profile
from cam_audit.records import MAPS_FOLDER, AuditReport, ImageResult, ImageSource, Record, SkippedImage
from cam_audit.reports import findings_json as findings_json
from cam_audit.reports import results_csv
from cam_audit.reports.folder import (
    FINDINGS_FILE,
    OVERLAYS_FOLDER,
    RESULTS_FILE,
    RUN_FILE,
    is_finished,
    prepare_output,
    remove_others,
    writing_to,
)
from cam_audit.scan.audit import audit
from cam_audit.scan.dataset import require_there, sources_of
from cam_audit.scan.image import require_size, scan
from cam_audit.scan.journal import Journal, is_unfinished, locked, remove_journal
from cam_audit.scan.options import ALL, FLAGGED, Task, identity, provenance
from cam_audit.workers import available_cores

if TYPE_CHECKING:
    from cam_audit.scan.annotations import Annotations

# Seldom enough to cost nothing, often enough for nothing to pile up.
IMAGES_PER_RELEASE = 500


def run(task: Task, model: Model, earlier: str | None = None) -> Outcome:
    """Scan and audit a data set into its output folder, with a progress bar where stderr is a terminal.

    `earlier`: what becomes of a scan that was cut off in that folder: RESUME goes on with it, FRESH starts anew, and
    without either it is not touched. Raises CamAuditError for that, where there is no image, or where the output
    can't be written; Interrupted, with how to go on, where the user interrupts.
    """
    require_size(model, task.settings.size)
    started = datetime.now(timezone.utc)
    begin = time.perf_counter()
    profile = Profile() if task.profile else None
    sources = sources_of(task, model)
    annotations = _annotations(task, sources)
    with locked(task.out):
        cut_off = is_unfinished(task.out)
        if cut_off and earlier is None:
            raise CamAuditError(
                f"{task.out}: holds a scan that was cut off; go on with it by {RESUME}, or start anew with {FRESH}"
            )
        if not cut_off and earlier == RESUME and is_finished(task.out):
            raise CamAuditError(f"{task.out}: the scan in this folder is finished; leave out {RESUME} to scan anew")
        going_on = cut_off and earlier == RESUME
        if not going_on:
            remove_journal(task.out)
        prepare_output(task.out, keep=going_on)
        journal = Journal(task.out, identity(task, model))
        try:
            if journal.images:
                note(f"going on with the scan in {task.out}, of which {journal.images:,} images are done")
            tally, report = _scan_and_write(task, model, sources, annotations, journal, profile)
            _release_memory(len(sources), len(sources))
            seconds = time.perf_counter() - begin
            times = {"started": started.isoformat(timespec="seconds"), "seconds": round(seconds, 3)}
            unreported = _finish(task.out, _details(task, model, tally, report) | times)
        except KeyboardInterrupt as interruption:
            raise Interrupted(f"interrupted{_how_to_go_on(task.out)}") from interruption
        except CamAuditError as error:
            raise CamAuditError(f"{error}{_how_to_go_on(task.out)}") from None
        finally:
            journal.close()
        journal.discard()
    if unreported:
        command = shlex.join(["cam-audit", "report", str(task.out)])
        raise CamAuditError(f"{unreported}; all else is in place, and `{command}` writes the report again")
    return Outcome(task.out, tally, report, seconds, profile)


def _annotations(task: Task, sources: Sequence[ImageSource]) -> Annotations | None:
    if not (task.masks or task.boxes):
        return None
    from cam_audit.scan.annotations import load_annotations

    return load_annotations([source.name for source in sources], masks=task.masks, boxes=task.boxes)


def _finish(out: Path, details: Mapping[str, object]) -> CamAuditError | None:
    """Write the report, then run.json, which tells that all else is in place; returns why there is no report."""
    text = json.dumps(details, indent=2, default=str) + "\n"
    unreported = None
    try:
        write_report(out, json.loads(text))
    except CamAuditError as error:
        unreported = error
    with replacing(out / RUN_FILE) as file:
        file.write(text)
    return unreported


def _scan_and_write(
    task: Task,
    model: Model,
    sources: Sequence[ImageSource],
    annotations: Annotations | None,
    journal: Journal,
    profile: Profile | None,
) -> tuple[Tally, AuditReport]:
    """Scan, and write all files but report.html and run.json."""
    workers = task.workers or available_cores()
    tally = Tally()
    overlays: set[str] = set()
    with writing_to(task.out), _rows_of(task.out) as rows, quiet_libraries():
        with progress_bar(len(sources)) as progress:

            def on_record(record: Record) -> None:
                rows.write(results_csv.row(record))
                tally.add(record)
                if isinstance(record, SkippedImage):
                    require_there(task.dataset)
                if journal.images and isinstance(record, ImageResult) and record.overlay:
                    overlays.add(record.overlay)
                if progress:
                    progress.set_postfix(errors=tally.errors, refresh=False)
                    progress.update()
                _release_memory(tally.images, len(sources))

            def on_look(number: int, total: int) -> None:
                if not progress:
                    return
                if number == 1:
                    progress.set_description("second look")
                    progress.reset(total)
                progress.update()
                _release_memory(number, total)

            report = audit(
                model,
                sources,
                task.settings,
                overlays=task.out if task.overlays == ALL else None,
                workers=workers,
                annotations=annotations,
                journal=journal,
                profile=profile,
                on_record=on_record,
                on_look=on_look,
            )
        drawn = _draw_flagged(task, model, sources, report, workers, profile) if task.overlays == FLAGGED else {}
        # what can no longer be read shows no cue: were it all of the images, the findings would be wrong
        require_there(task.dataset)
        if journal.images:
            remove_others(task.out, OVERLAYS_FOLDER, overlays | {name for name in drawn.values() if name})
        rows.seek(0)
        with replacing(task.out / RESULTS_FILE) as table:
            table.write(results_csv.header())
            flags = (report.flags.get(source.name, ()) for source in sources)
            table.writelines(results_csv.completed(rows, flags, (drawn.get(source.name) for source in sources)))
    with replacing(task.out / FINDINGS_FILE) as file:
        file.writelines(findings_json.findings(report))
    _write_maps(task.out, report)
    return tally, report


def _how_to_go_on(out: Path) -> str:
    """The command that goes on with the scan, if it got as far as that; other commands than `scan` can't."""
    return f"; go on with {resuming_command()}" if sys.argv[1:2] == ["scan"] and is_unfinished(out) else ""


def _rows_of(out: Path) -> IO[str]:
    """Where rows wait for the flags that only the whole audit can tell."""
    return tempfile.TemporaryFile("w+", dir=out, encoding="utf-8", newline="")


def _draw_flagged(
    task: Task,
    model: Model,
    sources: Sequence[ImageSource],
    report: AuditReport,
    workers: int,
    profile: Profile | None,
) -> dict[str, str | None]:
    """Draw the overlays of flagged images, for which they are read once more; returns them by image name."""
    flagged = [source for source in sources if source.name in report.flags]
    records = scan(model, flagged, task.settings, overlays=task.out, workers=workers, profile=profile)
    drawn = {}
    for number, record in enumerate(records, 1):
        if isinstance(record, ImageResult):
            drawn[record.source.name] = record.overlay
        _release_memory(number, len(flagged))
    return drawn


def _release_memory(number: int, total: int) -> None:
    """To be called after each image of a stage: gives freed memory back now and then, and at the end of a long one."""
    if number % IMAGES_PER_RELEASE == 0 or number == total > IMAGES_PER_RELEASE:
        release_freed_memory()


def _write_maps(out: Path, report: AuditReport) -> None:
    remove_others(out, MAPS_FOLDER, {finding.maps_name for finding in report.findings})
    for finding in report.findings:
        maps = report.maps.get(finding.fingerprint)
        if maps:
            write_bytes(out / finding.maps_name, encode_png(class_map_sheet(finding, maps)))


def _details(task: Task, model: Model, tally: Tally, report: AuditReport) -> dict[str, object]:
    """What run.json says of a scan, but for its time."""
    return {
        **provenance(model),
        "finished": True,
        "images": tally.images,
        "errors": tally.errors,
        "sampled": report.sampled,
        "counterfactual_passes": report.passes,
        "findings": severity_counts(report),
        "settings": asdict(task) | {"workers": task.workers or available_cores()},
    }
