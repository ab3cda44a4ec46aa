"""The audit: scan, find cues, measure whether the net looks at them and the prediction follows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cam_audit.findings.sample import MIN_IMAGES, Glimpse, choose_sample, folders_of
from cam_audit.models.model import Model
from cam_audit.profile import Profile
from cam_audit.records import AuditReport, ConfusedImage, ImageSource, Record, SkippedImage
from cam_audit.scan.image import ScanSettings, scan
from cam_audit.scan.journal import Journal
from cam_audit.workers import available_cores, in_order

if TYPE_CHECKING:
    from cam_audit.findings.examine import Examination
    from cam_audit.findings.finding import Annotated
    from cam_audit.findings.sample import Collector
    from cam_audit.scan.annotations import Annotations


def audit(
    model: Model,
    sources: Sequence[ImageSource],
    settings: ScanSettings | None = None,
    *,
    overlays: Path | None = None,
    workers: int | None = None,
    annotations: Annotations | None = None,
    journal: Journal | None = None,
    profile: Profile | None = None,
    on_record: Callable[[Record], None] | None = None,
    on_look: Callable[[int, int], None] | None = None,
) -> AuditReport:
    """Scan images and audit the classes that their folders form.

    `on_record` gets each record in order; `on_look`, when an image is looked at again for the cue of its class, how
    many were and will be.

    Parameters and errors are those of `cam_audit.scan.scan`.
    """
    settings = settings or ScanSettings()
    workers = workers or available_cores()
    folders = folders_of(sources)
    sample = choose_sample(folders)
    collector = None
    if sample:
        # pictures without classes, or a single one, need not wait for the finders of cues to be imported
        from cam_audit.findings.sample import Collector

        collector = Collector(model, sample, journal.observations if journal else None)
    flags: dict[str, tuple[str, ...]] = {}
    confused: list[ConfusedImage] = []
    annotated: dict[str, list[Annotated]] = {}
    glimpses: dict[str, list[Glimpse]] = {}
    removals = 0
    records = scan(
        model,
        sources,
        settings,
        overlays=overlays,
        workers=workers,
        collector=collector,
        annotations=annotations,
        journal=journal,
        profile=profile,
    )
    for record in records:
        if on_record:
            try:
                on_record(record)
            except Exception:
                # or images would go on being scanned after the caller has given up
                records.close()
                raise
        if isinstance(record, SkippedImage):
            continue
        source = record.source
        if record.flags:
            flags[source.name] = record.flags
        if record.disagreement:
            confused.append(ConfusedImage(source.name, source.label, record.scores[0].class_name, record.disagreement))
        if sample and source.label and source.name not in sample:
            glimpse = Glimpse(source, record.width, record.height, record.scores[0].class_index)
            glimpses.setdefault(source.label, []).append(glimpse)
        removals += record.object is not None
        if record.object and record.object.inside is not None and record.object.area < 1:
            annotated.setdefault(source.label, []).append((source, record.object))
    examination = None
    if collector or annotated:
        from cam_audit.findings.examine import examine

        each = partial(in_order, workers)
        examination = examine(model, settings, collector, annotated, glimpses, flags, each, on_look)
    return AuditReport(
        findings=examination.findings if examination else (),
        maps=examination.maps if examination else {},
        flags=flags,
        confused=tuple(confused),
        sampled=len(collector.observations) if collector else 0,
        passes=removals + (examination.passes if examination else 0),
        notes=_notes(folders, len(sources), collector, examination),
    )


def _notes(
    folders: Mapping[str, Sequence[str]], images: int, collector: Collector | None, examination: Examination | None
) -> tuple[str, ...]:
    if len(folders) < 2:
        return ("cues are looked for by comparing class folders, and there are not two of them",)
    notes = []
    sampled = len(collector.observations) if collector else 0
    if 0 < sampled < images:
        notes.append(f"cues were looked for in {sampled:,} of {images:,} images, spread evenly over each class")
    if examination and examination.rest:
        rest = examination.rest
        classes = "class" if len(rest) == 1 else f"{len(rest)} classes"
        again = sum(map(len, rest.values()))
        notes.append(f"in the {classes} with a cue, the other {again:,} images were looked at for that cue alone")
    small = sum(len(names) < MIN_IMAGES for names in folders.values())
    if small:
        notes.append(f"{small} of {len(folders)} classes have fewer than {MIN_IMAGES} images, too few to look for cues")
    return tuple(notes)
