"""The whole of a scan: from a folder of images and a net to findings and an output folder. It prints nothing."""

from __future__ import annotations

import json
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from cam_audit.errors import CamAuditError, CutOffError
from cam_audit.findings.codes import severity_counts
from cam_audit.models.class_names import ClassNames
from cam_audit.models.known import DEFAULT_NET, find_net
from cam_audit.models.model import Model, load_model
from cam_audit.records import AuditResult, ImageResult, ImageRow, ImageSource, Record, ScanReport, SkippedImage
from cam_audit.reports import results_csv
from cam_audit.reports.folder import (
    OVERLAYS_FOLDER,
    is_finished,
    prepare_output,
    read_results,
    remove_others,
    writing_to,
)
from cam_audit.scan.audit import audit_images
from cam_audit.scan.dataset import require_folder, require_there, sources_of
from cam_audit.scan.image import TARGET_LABEL, TARGET_PREDICTED, ScanJob, ScanSettings, require_size
from cam_audit.scan.journal import Journal, is_unfinished, locked, remove_journal
from cam_audit.scan.observer import Observer
from cam_audit.scan.options import ALL, FLAGGED, Options, identity, provenance
from cam_audit.scan.output import draw_overlays, write_findings, write_report, write_results, write_run
from cam_audit.scan.report import AuditReport
from cam_audit.workers import available_cores

if TYPE_CHECKING:
    from cam_audit.reports.baseline import Baseline
    from cam_audit.scan.annotations import Annotations


def audit(
    dataset: str | Path,
    model: Model | str | Path = DEFAULT_NET,
    *,
    out: str | Path | None = None,
    target: str = TARGET_PREDICTED,
    top: int = 3,
    size: int | None = None,
    labels: str | Path | None = None,
    masks: str | Path | None = None,
    boxes: str | Path | None = None,
    overlays: str = ALL,
    overlay_size: int = 800,
    workers: int | None = None,
    limit: int | None = None,
    follow_links: bool = False,
    fail_on: str = "error",
    baseline: str | Path | None = None,
    resume: bool | None = None,
    observer: Observer | None = None,
) -> AuditReport:
    """Scan the images below a folder and find shortcuts: the whole of `cam-audit scan`, silent.

    dataset: a folder with a folder of images for each class; model: a `Model`, a CAM-ready ONNX file, or the name of a
    known net. out: the output folder; None writes nothing. The other options are those of the command line. resume:
    what becomes of a scan into `out` that was cut off: True goes on with it, False starts anew, None raises.
    observer: hears of progress, records and notes.

    Raises CamAuditError for what a user can mend: a data set or a model that can't be used, an option without meaning,
    an output that can't be written.

    Example:
        >>> import cam_audit
        >>> report = cam_audit.audit("photos", "demo-biased")
        >>> for finding in report.findings:
        ...     print(finding.severity, finding.code, finding.label)
        error CA203 cat
    """
    dataset = Path(dataset)
    require_folder(dataset)
    accepted = None
    if baseline is not None:
        from cam_audit.reports.baseline import read_baseline

        accepted = read_baseline(Path(baseline))
    net = model if isinstance(model, Model) else load_model(_file_of(model))
    options = Options(
        dataset=dataset,
        out=_path(out),
        settings=ScanSettings(_target(target, net), top, size, overlay_size),
        labels=_path(labels),
        masks=_path(masks),
        boxes=_path(boxes),
        overlays=overlays,
        workers=workers,
        limit=limit,
        follow_links=follow_links,
        fail_on=fail_on,
    )
    return run(options, net, accepted=accepted, resume=resume, observer=observer)


def run(
    options: Options,
    model: Model,
    *,
    accepted: Baseline | None = None,
    resume: bool | None = None,
    observer: Observer | None = None,
) -> AuditReport:
    """Scan and audit a data set; parameters, and what is raised, are those of `audit`.

    Raises CutOffError, too, where the scan is cut off after it has finished an image: it can be gone on with.
    """
    observer = observer or Observer()
    require_size(model, options.settings.size)
    begin = _Begin(datetime.now(timezone.utc), time.perf_counter())
    sources = sources_of(options, model, observer.on_note)
    job = ScanJob(model, options.settings, annotations=_annotations(options, sources))
    if options.out is None:
        return _run_in_memory(options, job, sources, accepted, observer, begin)
    with locked(options.out):
        _prepare(options.out, resume)
        journal = Journal(options.out, identity(options, model))
        try:
            if journal.images:
                observer.on_note(
                    f"going on with the scan in {options.out}, of which {journal.images:,} images are done"
                )
            report, unreported = _run_into_folder(
                options, options.out, job, sources, accepted, journal, observer, begin
            )
        except CamAuditError as error:
            if is_unfinished(options.out):
                raise CutOffError(str(error)) from None
            raise
        finally:
            journal.close()
        journal.discard()
    if unreported:
        command = shlex.join(["cam-audit", "report", str(options.out)])
        raise CamAuditError(f"{unreported}; all else is in place, and `{command}` writes the report again")
    return report


@dataclass(frozen=True)
class _Begin:
    """When a scan began, by the calendar and by the clock."""

    time: datetime
    clock: float

    def times(self) -> dict[str, Any]:
        """What run.json says of it."""
        seconds = round(time.perf_counter() - self.clock, 3)
        return {"started": self.time.isoformat(timespec="seconds"), "seconds": seconds}


def _prepare(out: Path, resume: bool | None) -> None:
    """Make the output folder ready; what was cut off there stays where the scan goes on with it."""
    cut_off = is_unfinished(out)
    if cut_off and resume is None:
        raise CamAuditError(
            f"{out}: holds a scan that was cut off; go on with it by --resume, or start anew with --fresh"
        )
    if not cut_off and resume and is_finished(out):
        raise CamAuditError(f"{out}: the scan in this folder is finished; leave out --resume to scan anew")
    going_on = cut_off and bool(resume)
    if not going_on:
        remove_journal(out)
    prepare_output(out, keep=going_on)


def _run_in_memory(
    options: Options,
    job: ScanJob,
    sources: Sequence[ImageSource],
    accepted: Baseline | None,
    observer: Observer,
    begin: _Begin,
) -> AuditReport:
    """Scan and audit without writing anything."""
    rows: list[ImageRow] = []
    result = _audited(options, job, sources, lambda record: rows.append(results_csv.image_row(record)), observer)
    images = tuple(replace(row, flags=result.flags.get(row.path, ())) for row in rows)
    details = _details(options, job.model, result, len(rows), sum(bool(row.error) for row in rows)) | begin.times()
    scanned = ScanReport(
        run=json.loads(json.dumps(details, default=str)),
        findings=result.findings,
        maps=frozenset(result.maps),
        confused=result.confused,
        notes=result.notes,
        images=images,
    )
    return _judged(scanned, accepted, options, job, sources, result)


def _run_into_folder(
    options: Options,
    out: Path,
    job: ScanJob,
    sources: Sequence[ImageSource],
    accepted: Baseline | None,
    journal: Journal,
    observer: Observer,
    begin: _Begin,
) -> tuple[AuditReport, CamAuditError | None]:
    """Scan, audit and write all files; returns the report, and why there is no report.html, if there is none."""
    images = errors = 0
    overlays: set[str] = set()
    with writing_to(out), _waiting_rows(out) as rows:

        def keep(record: Record) -> None:
            nonlocal images, errors
            images += 1
            errors += isinstance(record, SkippedImage)
            rows.write(results_csv.row(record))
            if journal.images and isinstance(record, ImageResult) and record.overlay:
                overlays.add(record.overlay)

        all_drawn = options.overlays == ALL
        result = _audited(options, replace(job, out=out if all_drawn else None), sources, keep, observer, journal)
        drawn: dict[str, str | None] = {}
        if options.overlays == FLAGGED:
            flagged = [source for source in sources if source.name in result.flags]
            drawn = draw_overlays(job, flagged, out, _workers(options), observer)
        # what can no longer be read shows no cue: were it all of the images, the findings would be wrong
        require_there(options.dataset)
        if journal.images:
            remove_others(out, OVERLAYS_FOLDER, overlays | {name for name in drawn.values() if name})
        rows.seek(0)
        flags = (result.flags.get(source.name, ()) for source in sources)
        write_results(out, results_csv.completed(rows, flags, (drawn.get(source.name) for source in sources)))
    write_findings(out, result, result.maps)
    observer.on_stage("report", 0)
    details = json.loads(json.dumps(_details(options, job.model, result, images, errors) | begin.times(), default=str))
    report = _judged(read_results(out, details), accepted, options, job, sources, result)
    unreported = write_report(report, out)
    write_run(out, report.run)
    return report, unreported


def _waiting_rows(out: Path) -> IO[str]:
    """Where rows wait for the flags that only the whole audit can tell."""
    return tempfile.TemporaryFile("w+", dir=out, encoding="utf-8", newline="")


def _audited(
    options: Options,
    job: ScanJob,
    sources: Sequence[ImageSource],
    keep: Callable[[Record], None],
    observer: Observer,
    journal: Journal | None = None,
) -> AuditResult:
    """Scan and audit; `keep` gets each record, then the observer does."""

    def on_record(record: Record) -> None:
        keep(record)
        if isinstance(record, SkippedImage):
            require_there(options.dataset)
        observer.on_record(record)

    def on_look(number: int, total: int) -> None:
        if number == 1:
            observer.on_stage("second look", total)
        observer.on_image()

    observer.on_stage("scan", len(sources))
    return audit_images(job, sources, _workers(options), journal=journal, on_record=on_record, on_look=on_look)


def _judged(
    scanned: ScanReport,
    accepted: Baseline | None,
    options: Options,
    job: ScanJob,
    sources: Sequence[ImageSource],
    result: AuditResult,
) -> AuditReport:
    """The report of a scan, held against a baseline, if there is one."""
    judgement = None
    if accepted:
        from cam_audit.reports.baseline import judge

        judgement = judge(accepted, scanned)
        known = [finding.fingerprint for finding in judgement.known]
        # for the formats, now and whenever they are rendered again
        scanned = replace(scanned, run={**scanned.run, "known": known}, known=frozenset(known))
    own = {field.name: getattr(scanned, field.name) for field in fields(scanned)}
    return AuditReport(**own, judgement=judgement, class_maps=result.maps, options=options, job=job, sources=sources)


def _details(options: Options, model: Model, result: AuditResult, images: int, errors: int) -> dict[str, object]:
    """What run.json says of a scan, but for its time."""
    return {
        **provenance(model),
        "finished": True,
        "images": images,
        "errors": errors,
        "sampled": result.sampled,
        "counterfactual_passes": result.passes,
        "findings": severity_counts(result.findings),
        "settings": asdict(options) | {"workers": _workers(options)},
    }


def _annotations(options: Options, sources: Sequence[ImageSource]) -> Annotations | None:
    if not (options.masks or options.boxes):
        return None
    from cam_audit.scan.annotations import load_annotations

    return load_annotations([source.name for source in sources], masks=options.masks, boxes=options.boxes)


def _workers(options: Options) -> int:
    return options.workers or available_cores()


def _target(word: str, model: Model) -> str | int:
    """Whose map is shown: one of the two words, or the index of the class that is named."""
    if word in (TARGET_PREDICTED, TARGET_LABEL):
        return word
    return ClassNames(model.class_names, model.class_ids).require(word, "--target")


def _file_of(model: str | Path) -> Path:
    """The file of a net: the one that is named, or that of a net known by name."""
    path = Path(model)
    return path if isinstance(model, Path) or path.suffix == ".onnx" else find_net(model)


def _path(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)
