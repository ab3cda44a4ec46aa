"""The audit: scan, find cues, measure whether the net looks at them and the prediction follows them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cam_audit.annotations import Annotations
from cam_audit.causes import causes_of
from cam_audit.cues import find_cues
from cam_audit.evidence import Laboratory
from cam_audit.findings import MAX_EXAMPLES, finding_of, object_finding, order, outside_examples
from cam_audit.model import Model
from cam_audit.observation import MIN_IMAGES, Collector
from cam_audit.records import (
    AuditReport,
    ClassMaps,
    ConfusedImage,
    Finding,
    ImageResult,
    ImageSource,
    Record,
    SkippedImage,
)
from cam_audit.scan import ScanSettings, available_cores, scan


def audit(
    model: Model,
    sources: Sequence[ImageSource],
    settings: ScanSettings | None = None,
    *,
    overlays: Path | None = None,
    workers: int | None = None,
    annotations: Annotations | None = None,
    on_record: Callable[[Record], None] | None = None,
) -> AuditReport:
    """Scan images and audit the classes that their folders form; `on_record` gets each record in order.

    Parameters and errors are those of `cam_audit.scan.scan`.
    """
    settings = settings or ScanSettings()
    collector = Collector(model, sources)
    flags: dict[str, set[str]] = {}
    confused: list[ConfusedImage] = []
    annotated: dict[str, list[ImageResult]] = {}
    removals = 0
    for record in scan(
        model,
        sources,
        settings,
        overlays=overlays,
        workers=workers,
        collector=collector,
        annotations=annotations,
    ):
        if on_record:
            on_record(record)
        if isinstance(record, SkippedImage):
            continue
        source = record.source
        if record.flags:
            flags[source.name] = set(record.flags)
        if record.disagreement:
            confused.append(ConfusedImage(source.name, source.label, record.scores[0].class_name, record.disagreement))
        removals += record.object is not None
        if record.object and record.object.inside is not None and record.object.area < 1:
            annotated.setdefault(source.label, []).append(record)
    laboratory = Laboratory(model, collector, settings.size)
    findings, maps, passes = _cue_findings(laboratory, flags, workers or available_cores())
    findings += _object_findings(annotated)
    return AuditReport(
        findings=tuple(sorted(findings, key=order)),
        maps=maps,
        flags={name: tuple(sorted(codes)) for name, codes in flags.items()},
        confused=tuple(confused),
        sampled=len(collector.observations),
        passes=passes + removals,
        notes=_notes(collector, len(sources)),
    )


def _cue_findings(
    laboratory: Laboratory, flags: dict[str, set[str]], workers: int
) -> tuple[list[Finding], dict[str, ClassMaps], int]:
    """Findings about cues, their maps, and the passes spent; adds to `flags` the codes of the images they hit."""
    observations = laboratory.collector.observations
    suspicions = find_cues([observation.features for observation in observations.values()])
    findings: list[Finding] = []
    maps: dict[str, ClassMaps] = {}
    passes = 0
    causes = causes_of([suspicion for suspicion in suspicions if suspicion.images >= MIN_IMAGES])
    with ThreadPoolExecutor(workers) as pool:
        examined = list(pool.map(laboratory.examine, causes))
    for cause, evidence in zip(causes, examined, strict=True):
        passes += evidence.passes
        digests = _digests(observations[hit.name].source for hit in cause.hits[:MAX_EXAMPLES])
        finding = finding_of(cause, evidence, laboratory.model.class_names[evidence.class_index], digests)
        findings.append(finding)
        if evidence.maps:
            maps[finding.fingerprint] = evidence.maps
        for hit in cause.hits:
            flags.setdefault(hit.name, set()).add("CA101" if evidence.changed.get(hit.name) else "CA102")
    return findings, maps, passes


def _object_findings(annotated: Mapping[str, Sequence[ImageResult]]) -> list[Finding]:
    found = [
        object_finding(label, results, _digests(result.source for result in outside_examples(results)))
        for label, results in annotated.items()
    ]
    return [finding for finding in found if finding]


def _notes(collector: Collector, images: int) -> tuple[str, ...]:
    sizes = collector.folder_sizes
    if len(sizes) < 2:
        return ("cues are looked for by comparing class folders, and there are not two of them",)
    notes = []
    sampled = len(collector.observations)
    if 0 < sampled < images:
        notes.append(f"cues were looked for in {sampled:,} of {images:,} images, spread evenly over each class")
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
