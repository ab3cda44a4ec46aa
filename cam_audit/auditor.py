"""The audit: scan, find cues, measure whether the net looks at them and the prediction follows them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from cam_audit.annotations import Annotations
from cam_audit.causes import Cause, causes_of
from cam_audit.cores import available_cores
from cam_audit.cues import find_cues
from cam_audit.evidence import Laboratory
from cam_audit.findings import MAX_EXAMPLES, Annotated, finding_of, object_finding, order, outside_examples
from cam_audit.in_order import Each, in_order
from cam_audit.journal import Journal
from cam_audit.model import Model
from cam_audit.observation import MIN_IMAGES, Collector, Glimpse
from cam_audit.profile import Profile
from cam_audit.recognition import look_again
from cam_audit.records import (
    AuditReport,
    ClassMaps,
    ConfusedImage,
    Finding,
    ImageSource,
    Record,
    SkippedImage,
)
from cam_audit.scan import ScanSettings, needed_side, scan


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
    collector = Collector(model, sources, journal.observations if journal else None)
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
        if collector.sample and source.label and source.name not in collector.sample:
            glimpse = Glimpse(source, record.width, record.height, record.scores[0].class_index)
            glimpses.setdefault(source.label, []).append(glimpse)
        removals += record.object is not None
        if record.object and record.object.inside is not None and record.object.area < 1:
            annotated.setdefault(source.label, []).append((source, record.object))
    laboratory = Laboratory(model, collector, settings.size, needed_side(model, settings))
    each = partial(in_order, workers or available_cores())
    features = [observation.features for observation in collector.observations.values()]
    suspicions = find_cues(features, each)
    causes = causes_of([suspicion for suspicion in suspicions if suspicion.images >= MIN_IMAGES])
    findings, maps, passes = _cue_findings(laboratory, causes, flags, each)
    suspected = {cause.suspicion.label for cause in causes}
    rest = {label: own for label, own in glimpses.items() if label in suspected}
    passes += _flag_the_rest(laboratory, causes, rest, flags, each, on_look)
    findings += _object_findings(annotated)
    return AuditReport(
        findings=tuple(sorted(findings, key=order)),
        maps=maps,
        flags=flags,
        confused=tuple(confused),
        sampled=len(collector.observations),
        passes=passes + removals,
        notes=_notes(collector, len(sources), rest),
    )


def _cue_findings(
    laboratory: Laboratory, causes: Sequence[Cause], flags: dict[str, tuple[str, ...]], each: Each
) -> tuple[list[Finding], dict[str, ClassMaps], int]:
    """Findings about cues, their maps, and the passes spent; adds to `flags` the codes of the images they hit."""
    observations = laboratory.collector.observations
    findings: list[Finding] = []
    maps: dict[str, ClassMaps] = {}
    passes = 0
    for cause in causes:
        evidence = laboratory.examine(cause, each)
        passes += evidence.passes
        digests = _digests(observations[hit.name].source for hit in cause.hits[:MAX_EXAMPLES])
        finding = finding_of(cause, evidence, laboratory.model.class_names[evidence.class_index], digests)
        findings.append(finding)
        if evidence.maps:
            maps[finding.fingerprint] = evidence.maps
        for hit in cause.hits:
            _add_flag(flags, hit.name, evidence.changed.get(hit.name))
    return findings, maps, passes


def _flag_the_rest(
    laboratory: Laboratory,
    causes: Sequence[Cause],
    rest: Mapping[str, Sequence[Glimpse]],
    flags: dict[str, tuple[str, ...]],
    each: Each,
    on_look: Callable[[int, int], None] | None,
) -> int:
    """Add to `flags` the codes of the images of suspected classes that were not sampled; returns the passes spent."""
    total = sum(map(len, rest.values()))
    passes = 0
    for number, look in enumerate(look_again(laboratory, causes, rest, each), 1):
        passes += look.passes
        for follows in look.follows:
            _add_flag(flags, look.name, follows)
        if on_look:
            on_look(number, total)
    return passes


def _add_flag(flags: dict[str, tuple[str, ...]], name: str, follows: bool | None) -> None:
    """Add the code of an image that shows a cue to those that it has."""
    code = "CA101" if follows else "CA102"
    flags[name] = tuple(sorted({*flags.get(name, ()), code}))


def _object_findings(annotated: Mapping[str, Sequence[Annotated]]) -> list[Finding]:
    found = [object_finding(label, images, _digests(outside_examples(images))) for label, images in annotated.items()]
    return [finding for finding in found if finding]


def _notes(collector: Collector, images: int, rest: Mapping[str, Sequence[Glimpse]]) -> tuple[str, ...]:
    sizes = collector.folder_sizes
    if len(sizes) < 2:
        return ("cues are looked for by comparing class folders, and there are not two of them",)
    notes = []
    sampled = len(collector.observations)
    if 0 < sampled < images:
        notes.append(f"cues were looked for in {sampled:,} of {images:,} images, spread evenly over each class")
    if rest:
        classes = "class" if len(rest) == 1 else f"{len(rest)} classes"
        again = sum(map(len, rest.values()))
        notes.append(f"in the {classes} with a cue, the other {again:,} images were looked at for that cue alone")
    small = sum(size < MIN_IMAGES for size in sizes.values())
    if small:
        notes.append(f"{small} of {len(sizes)} classes have fewer than {MIN_IMAGES} images, too few to look for cues")
    return tuple(notes)


def _digests(sources: Iterable[ImageSource]) -> dict[str, str]:
    return {source.name: _digest(source.path) for source in sources}


def _digest(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return "unreadable"
