"""A scan with all its options: from a folder of images and a net to findings and an output folder."""

from __future__ import annotations

import contextlib
import json
import logging
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from cam_audit.errors import CamAuditError, CutOffError
from cam_audit.findings.codes import CODES, severity_counts
from cam_audit.findings.metadata import MetadataTable
from cam_audit.folders import Folder, FolderGoneError, unnamed_in
from cam_audit.images.find import ImageList
from cam_audit.images.ranges import find_ranges
from cam_audit.models.model import Model
from cam_audit.records import AuditResult, ImageResult, ImageSource, Record, SkippedImage
from cam_audit.reports import results_csv
from cam_audit.reports.output_folder import (
    FINDINGS_FILE,
    OVERLAYS_FOLDER,
    REPORT_FILE,
    RESULTS_FILE,
    held,
    list_pictures,
    overlay_name,
    read_results,
    remove_others,
    require_ours,
    writing_to,
)
from cam_audit.reports.scan_report import ScanReport
from cam_audit.scan.audit_images import audit_images
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.chunk import Workers, threads
from cam_audit.scan.dataset import Chosen, images_of, require_there, skipped, sources_of
from cam_audit.scan.disk_space import require_space
from cam_audit.scan.foreground_net import foreground_of
from cam_audit.scan.image import ScanJob, require_size
from cam_audit.scan.journal import Journal, is_unfinished, locked
from cam_audit.scan.metadata import read_metadata
from cam_audit.scan.observer import Observer
from cam_audit.scan.options import ALL, FLAGGED, NONE, Options, identity, provenance
from cam_audit.scan.prepare import prepare
from cam_audit.scan.tally import Tally
from cam_audit.scan.write_output import (
    draw_overlays,
    write_findings,
    write_proposals,
    write_report,
    write_results,
    write_run,
)
from cam_audit.text import printable
from cam_audit.workers import available_cores

if TYPE_CHECKING:
    from cam_audit.reports.baseline import Baseline
    from cam_audit.scan.annotations import Annotations

_log = logging.getLogger(__name__)


def run(
    options: Options,
    model: Model,
    *,
    accepted: Baseline | None = None,
    resume: bool | None = None,
    observer: Observer | None = None,
) -> AuditReport:
    """Scan and audit a data set; `accepted`: the baseline. The rest, and the errors, are as in `audit`.

    Raises CutOffError, too, if the scan is cut off after it has finished an image: --resume can continue it.
    """
    observer = observer or Observer()
    require_size(model, options.settings.size)
    time_begun, clock_begun = datetime.now(timezone.utc), time.perf_counter()

    def note(words: str) -> None:
        # names of folders are hostile text
        observer.on_note(printable(words))

    if model.fallback:
        note(model.fallback)
    _log.info(
        "net %s from %s, %d classes, by %s", model.net, model.path, len(model.class_names), _named(model.providers)
    )
    found = images_of(options, note)
    chosen = sources_of(options, model, found, note)
    sources = chosen.sources
    _log.info("%d images to scan in %s", len(sources), options.dataset)
    job = ScanJob(
        model,
        options.settings,
        annotations=_annotations(options, sources),
        foreground=foreground_of(options, model, sources, note),
        ranges=find_ranges([source.path for source in sources], options.workers or available_cores()),
    )
    _log.info("values of pixels looked at; a foreground net: %s", job.foreground.net if job.foreground else "none")
    table = read_metadata(options.metadata, [source.name for source in sources]) if options.metadata else None
    this = _Run(options, job, table, found, chosen, observer, accepted, time_begun, clock_begun)
    if options.out is None:
        with _connected(options), this.workers(None) as workers:
            return this.in_memory(workers)
    require_ours(options.out)
    if options.overlays == ALL:
        require_space(job, sources, options.out)
    with _connected(options), locked(options.out, note), held(options.out) as out:
        prepare(out, options.dataset, model.sha256, resume)
        write_proposals(out, chosen.proposals)
        if options.overlays == ALL:
            # those that are drawn when the flags are known are listed then
            list_pictures(
                out, (overlay_name(source.name, options.settings.overlay_format) for source in chosen.sources)
            )
        journal = Journal(out, identity(options, model, job.foreground, job.ranges))
        try:
            if journal.images:
                observer.on_note(f"going on with the scan in {out}, of which {journal.images:,} images are done")
            with this.workers(out) as workers:
                report, unreported = this.into_folder(out, journal, workers)
        except FolderGoneError as error:
            raise CamAuditError(f"{error}; bring it back and go on with --resume, or start anew with --fresh") from None
        except CamAuditError as error:
            if is_unfinished(out):
                raise CutOffError(str(error)) from None
            raise
        finally:
            journal.close()
        journal.discard()
    if unreported:
        command = shlex.join(["cam-audit", "report", str(options.out)])
        raise CamAuditError(f"{unreported}; everything else is in place, and `{command}` writes the report again")
    return report


def _connected(options: Options) -> contextlib.AbstractContextManager[None]:
    """A connection to Ray, before anything is removed for a scan that could not begin, where it is asked for."""
    if options.ray is None:
        return contextlib.nullcontext()
    from cam_audit.scan.ray_connection import connected

    return connected(options.ray, options.workers)


@dataclass(frozen=True)
class _Run:
    """One scan of a data set: its images, how they are scanned, its observer, and when it began."""

    options: Options
    job: ScanJob
    metadata: MetadataTable | None
    found: ImageList
    chosen: Chosen
    observer: Observer
    accepted: Baseline | None
    time_begun: datetime
    clock_begun: float

    @property
    def sources(self) -> Sequence[ImageSource]:
        """The images to scan."""
        return self.chosen.sources

    @contextlib.contextmanager
    def workers(self, out: Folder | None) -> Iterator[Workers]:
        """Who scans: threads or, where it is asked for, tasks of Ray, to which this process is connected."""
        options = self.options
        if options.ray is None:
            yield threads(self._threads)
            return
        from cam_audit.scan.ray_workers import ray_workers

        drawn_there = out if options.overlays != NONE else None
        with ray_workers(drawn_there, len(self.sources), options.workers, self.observer.on_note) as workers:
            yield workers

    def in_memory(self, workers: Workers) -> AuditReport:
        """Scan and audit without writing anything."""
        lines: list[str] = []
        result, tally = self._audited(self.job, workers, lambda record: lines.append(results_csv.row(record)))
        # as they would come back from results.csv, so that it makes no difference whether they did
        completed = _completed(lines, result, self.sources, {})
        rows = tuple(results_csv.parse([results_csv.header(), *completed]))
        return self._judged(
            ScanReport(
                run=self._details(result, tally),
                findings=result.findings,
                maps=frozenset(result.maps),
                confused=result.confused,
                notes=result.notes,
                images=rows,
                parts=result.parts,
                wrong_labels=result.wrong_labels,
                groups=result.groups,
            ),
            result,
        )

    def into_folder(self, out: Folder, journal: Journal, workers: Workers) -> tuple[AuditReport, CamAuditError | None]:
        """Scan, audit and write all files; returns the report, and the reason if report.html could not be written."""
        options, sources = self.options, self.sources
        overlays: set[str] = set()
        with writing_to(out), unnamed_in(out) as rows:

            def keep(record: Record) -> None:
                rows.write(results_csv.row(record))
                if journal.images and isinstance(record, ImageResult) and record.overlay:
                    overlays.add(record.overlay)

            result, tally = self._audited(
                replace(self.job, out=out if options.overlays == ALL else None), workers, keep, journal
            )
            drawn: dict[str, str | None] = {}
            if options.overlays == FLAGGED:
                flagged = [source for source in sources if source.name in result.flags]
                drawn = draw_overlays(self.job, flagged, out, workers, self.observer)
            # images that can no longer be read show no cue; if the whole data set has gone, the findings are wrong
            require_there(options.dataset)
            if journal.images:
                remove_others(out, OVERLAYS_FOLDER, overlays | {name for name in drawn.values() if name})
            rows.seek(0)
            write_results(out, _completed(rows, result, sources, drawn))
        _log.info("wrote %s", out / RESULTS_FILE)
        root = sources[0].folder
        write_findings(out, result, result.maps, result.counterfactuals, result.part_maps, self.job, root)
        _log.info("wrote %s and pictures", out / FINDINGS_FILE)
        self.observer.on_stage("report", 0)
        # by its whole path, as the caller may go to another folder
        report = self._judged(read_results(out.place, self._details(result, tally)), result)
        unreported = write_report(report, out)
        write_run(out, report.run)
        _log.info("wrote %s", out / REPORT_FILE)
        return report, unreported

    @property
    def _threads(self) -> int:
        return self.options.workers or available_cores()

    def _audited(
        self, job: ScanJob, workers: Workers, keep: Callable[[Record], None], journal: Journal | None = None
    ) -> tuple[AuditResult, Tally]:
        """Scan and audit; `keep` gets each record, then the observer does."""
        tally = Tally()

        def on_record(record: Record) -> None:
            keep(record)
            tally.add(record)
            if isinstance(record, SkippedImage):
                require_there(self.options.dataset)
            self.observer.on_record(record)

        def on_look(number: int, total: int) -> None:
            if number == 1:
                self.observer.on_stage("second look", total)
            self.observer.on_image()

        self.observer.on_stage("scan", len(self.sources))
        result = audit_images(
            job,
            self.sources,
            workers,
            journal=journal,
            metadata=self.metadata,
            wanted=self.options.codes,
            on_record=on_record,
            on_look=on_look,
        )
        return replace(result, notes=(*result.notes, *tally.notes(job.annotations))), tally

    def _details(self, result: AuditResult, tally: Tally) -> dict[str, Any]:
        """What run.json says of the scan, as JSON has it."""
        foreground = self.job.foreground
        details = {
            **provenance(self.job.model),
            "finished": True,
            "images": tally.images,
            "errors": tally.errors,
            "splits": tally.splits,
            "several_labels": sum(bool(source.several) for source in self.sources),
            "class_folders": all(source.name.startswith(f"{source.label}/") for source in self.sources if source.label),
            "readings": dict(tally.readings),
            "value_ranges": {kind: asdict(of_kind) for kind, of_kind in self.job.ranges.items()},
            "annotations": tally.annotations(self.job.annotations),
            "skipped": skipped(self.found, self.chosen),
            "proposed_labels": bool(self.chosen.proposals),
            "sampled": result.sampled,
            "classes_sampled": result.classes_sampled,
            "uncovered": dict(result.uncovered),
            "left_out": [code for code in CODES if code not in self.options.codes],
            "foreground": {"net": foreground.net, "sha256": foreground.sha256} if foreground else None,
            "counterfactual_passes": result.passes,
            "findings": severity_counts(result.findings),
            "settings": asdict(self.options) | {"workers": self._threads},
            "started": self.time_begun.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self.clock_begun, 3),
        }
        as_json: dict[str, Any] = json.loads(json.dumps(details, default=str))
        return as_json

    def _judged(self, scanned: ScanReport, result: AuditResult) -> AuditReport:
        """The report of the scan, compared with the baseline, if there is one."""
        judgement = None
        if self.accepted:
            from cam_audit.reports.baseline import judge

            judgement = judge(self.accepted, scanned, result.part_maps)
            known = [finding.fingerprint for finding in judgement.known]
            marks = judgement.part_marks
            # for the formats, now and whenever they are rendered again
            run = {**scanned.run, "known": known, "part_marks": marks}
            scanned = replace(scanned, run=run, known=frozenset(known), part_marks=marks)
        return AuditReport(
            **{field.name: getattr(scanned, field.name) for field in fields(scanned)},
            judgement=judgement,
            class_maps=result.maps,
            edited_images=result.counterfactuals,
            part_maps=result.part_maps,
            options=self.options,
            job=self.job,
            sources=self.sources,
        )


def _named(providers: Sequence[str]) -> str:
    return ", ".join(providers) or "the CPU"


def _completed(
    rows: Iterable[str], result: AuditResult, sources: Sequence[ImageSource], overlays: Mapping[str, str | None]
) -> Iterator[str]:
    """The rows of the images with what the audit found."""
    names = [source.name for source in sources]
    return results_csv.completed(
        rows,
        (result.flags.get(name, ()) for name in names),
        map(result.surroundings.get, names),
        map(overlays.get, names),
    )


def _annotations(options: Options, sources: Sequence[ImageSource]) -> Annotations | None:
    if not (options.masks or options.boxes or options.category or options.mask_value is not None):
        return None
    from cam_audit.scan.annotations import load_annotations

    return load_annotations(
        [source.name for source in sources],
        masks=options.masks,
        mask_value=options.mask_value,
        boxes=options.boxes,
        categories=options.category,
    )
