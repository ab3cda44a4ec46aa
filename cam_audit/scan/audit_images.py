"""The audit of a data set: scan its images, look for cues, measure whether the net uses them."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cam_audit.findings.chosen_codes import ALL_CODES
from cam_audit.findings.codes import IN_CLASSES, IN_SPLITS
from cam_audit.findings.foreground import UNKNOWN
from cam_audit.findings.intervals import share_interval
from cam_audit.findings.metadata import Metadata, MetadataTable
from cam_audit.findings.sample import (
    MAX_PART_CLASSES,
    MIN_IMAGES,
    Collected,
    Observation,
    Pictures,
    Unsampled,
    cap_of,
    choose_parts,
    choose_sample,
    classes_of,
)
from cam_audit.findings.wrong_labels import CODE as LIKELY_WRONG
from cam_audit.findings.wrong_labels import LabelScores
from cam_audit.models.known import how_to_make_again
from cam_audit.records import AuditResult, ConfusedImage, ImageSource, Record, SkippedImage
from cam_audit.reports.counterfactuals import shown_of
from cam_audit.scan.chunk import Workers, scan_chunks
from cam_audit.scan.coverage import Coverage, coverage_of
from cam_audit.scan.image import ScanJob, needed_side
from cam_audit.scan.labels import SEVERAL
from cam_audit.text import count, some

if TYPE_CHECKING:
    from cam_audit.findings.decision import Annotated
    from cam_audit.findings.examine import Examination
    from cam_audit.scan.journal import Journal

_log = logging.getLogger(__name__)

# The share of predictions that are the folder, below which the preprocessing may be wrong.
LEAST_AGREEMENT = 0.5


def audit_images(
    job: ScanJob,
    sources: Sequence[ImageSource],
    workers: Workers,
    *,
    journal: Journal | None = None,
    metadata: MetadataTable | None = None,
    wanted: frozenset[str] = ALL_CODES,
    on_record: Callable[[Record], None] | None = None,
    on_look: Callable[[int, int], None] | None = None,
) -> AuditResult:
    """Scan images and audit their classes.

    `metadata`: a table of what is known of the images; `wanted`: the codes to look for.

    `on_record` gets each record, in the order of `sources`. `on_look`, when an image is looked at again for the cue of
    its class, gets how many were and will be. The rest, and the errors, are as in `scan.chunk.scan_chunks`.
    """
    classes = classes_of(sources)
    sample = choose_sample(classes)
    parts = choose_parts(classes, sample.names) if job.model.separable else frozenset()
    if sample.names:
        # Imported here because threads that import a package at the same time block each other, and only if there
        # are classes, because a scan without classes does not need the finders of cues.
        import cam_audit.findings.examine
        import cam_audit.findings.sample_store  # noqa: F401
        from cam_audit.findings.cues import finders

        finders()
    collected = Collected()
    pictures = Pictures()
    label_scores = LabelScores()
    known = Metadata(metadata, sample.names)
    flags: dict[str, tuple[str, ...]] = {}
    confused: list[ConfusedImage] = []
    annotated: dict[str, list[Annotated]] = {}
    unsampled: dict[str, list[Unsampled]] = {}
    removals = labelled = several = 0
    results = scan_chunks(replace(job, sampled=sample.names, parts=parts), sources, workers, journal)
    for result in results:
        collected.merge(result.collected)
        for record in result.records:
            if on_record:
                try:
                    on_record(record)
                except Exception:
                    # or images would go on being scanned after the caller has given up
                    results.close()
                    raise
            if isinstance(record, SkippedImage):
                continue
            source = record.source
            pictures.add(source, record.picture_hash, record.agrees)
            label_scores.add(record)
            known.add(record)
            labelled += record.agrees is not None
            several += bool(source.several)
            if record.flags:
                flags[source.name] = record.flags
            if record.disagreement:
                predicted = SEVERAL.join(record.predicted) or record.scores[0].class_name
                confused.append(ConfusedImage(source.name, source.label, predicted, record.disagreement))
            removals += record.object is not None
            if source.several:
                continue
            if sample.names and source.label and source.name not in sample.names:
                seen = Unsampled(source, record.width, record.height, record.scores[0].class_index)
                unsampled.setdefault(source.label, []).append(seen)
            if record.object and record.object.inside is not None and record.object.area < 1:
                annotated.setdefault(source.label, []).append((source, record.object))
    _log.info("%d images scanned", len(sources))
    shortest, needed = job.settings.size, needed_side(job.model, job.settings)
    examination = None
    left_out: list[Observation] = []
    copies: Counter[str] = Counter()
    if sample.names or annotated:
        from cam_audit.findings.distinct import leave_out_copies
        from cam_audit.findings.examine import examine

        left_out = leave_out_copies(
            job.model, collected, shortest=shortest, needed=needed, passes=workers.passes, ranges=job.ranges
        )
        for copy in left_out:
            # what the cue of its class is flagged in, though it does not count
            file = copy.features["file"]
            seen = Unsampled(copy.source, file.width, file.height, copy.predicted)
            unsampled.setdefault(copy.source.label, []).append(seen)
        not_counted = sample.copies | {copy.source.name for copy in left_out}
        copies.update(source.label for source in sources if source.name in not_counted)
        _log.info("%d copies left out", len(not_counted))
        annotated = {
            label: [image for image in images if image[0].name not in not_counted]
            for label, images in annotated.items()
        }
        examination = examine(
            job.model,
            collected,
            annotated,
            unsampled,
            shortest=shortest,
            needed=needed,
            ranges=job.ranges,
            each=workers.each,
            passes=workers.passes,
            copies=copies,
            metadata=known,
            wanted=wanted,
            on_look=on_look,
        )
        for name, codes in examination.flags.items():
            flags[name] = tuple(sorted({*flags.get(name, ()), *codes}))
    findings = examination.findings if examination else ()
    notes: tuple[str, ...] = ()
    if wanted & {IN_CLASSES, IN_SPLITS} and len({(source.label, source.split) for source in sources}) > 1:
        from cam_audit.findings.decision import order
        from cam_audit.findings.twice import pictures_twice

        twice = pictures_twice(pictures, needed=needed, passes=workers.passes, ranges=job.ranges)
        pairs = [finding for finding in twice.findings if finding.code in wanted]
        findings, notes = tuple(sorted([*findings, *pairs], key=order)), twice.notes
        _log.info("the same pictures looked for in %d images", len(sources))
        for name, of_pairs in twice.flags.items():
            flags[name] = tuple(sorted({*flags.get(name, ()), *of_pairs}))
    wrong_labels = label_scores.likely_wrong() if LIKELY_WRONG in wanted else ()
    for image in wrong_labels:
        flags[image.path] = tuple(sorted({*flags.get(image.path, ()), LIKELY_WRONG}))
    of_several = {label for source in sources for label, _ in source.several}
    coverage = coverage_of(classes, collected.observations.values(), job.model.class_names, of_several, wanted)
    tried = examination.counterfactuals if examination else {}
    return AuditResult(
        findings=tuple(shown_of(finding, tried.get(finding.fingerprint, ())) for finding in findings),
        maps=examination.maps if examination else {},
        flags=_only(wanted, flags),
        confused=tuple(confused),
        sampled=coverage.images,
        classes_sampled=coverage.classes,
        uncovered=coverage.uncovered,
        passes=removals + len(left_out) + (examination.passes if examination else 0),
        counterfactuals=tried,
        parts=examination.parts if examination else (),
        part_maps=examination.part_maps if examination else {},
        surroundings=examination.surroundings if examination else {},
        wrong_labels=wrong_labels,
        groups=known.groups(),
        notes=(
            *_notes_on_several(several),
            *_notes(classes, coverage, copies.total(), examination),
            *_notes_on_parts(job, [source.label for source in sources if source.name in sample.names], examination),
            *notes,
            *known.notes(),
            *_notes_on_agreement(labelled, len(confused), sources),
        ),
    )


def _only(wanted: Collection[str], flags: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The flags of images, by name, that were asked for."""
    kept = {name: tuple(flag for flag in own if flag in wanted) for name, own in flags.items()}
    return {name: own for name, own in kept.items() if own}


def _notes(
    classes: Mapping[str, Sequence[ImageSource]],
    coverage: Coverage,
    copies: int,
    examination: Examination | None,
) -> tuple[str, ...]:
    """What was not looked at, and why; copies: how many images were left out as such."""
    notes = []
    images = sum(map(len, classes.values()))
    if coverage.classes and coverage.images < images:
        notes.append(
            f"cues were looked for in {coverage.images:,} of {images:,} images: at most {cap_of(len(classes))} of a "
            "class, of those that can be read, and of copies of a picture one"
            + (f" ({copies:,} left out)" if copies else "")
        )
    if examination and examination.looked_again:
        again = examination.looked_again
        noun = "class" if len(again) == 1 else f"{len(again)} classes"
        total = sum(again.values())
        notes.append(f"in the {noun} with a cue, the other {total:,} images were looked at for that cue alone")
    return (*notes, *coverage.notes)


def _notes_on_several(images: int) -> Iterator[str]:
    """Where images with several labels were not looked at."""
    if images:
        yield (
            f"{count(images, 'image')} with several labels: cues were looked for in the images of one label alone, as "
            "the others show what belongs to two classes"
        )


def _notes_on_agreement(labelled: int, wrong: int, sources: Sequence[ImageSource]) -> Iterator[str]:
    """Whether so few predictions are the folder that the net may get another input than it was trained with.

    That takes images enough that their interval is below one half, and two classes: one folder alone may be hard.
    """
    classes = {index for source in sources for index in source.classes}
    if len(classes) < 2 or not labelled or share_interval(labelled - wrong, labelled).high >= LEAST_AGREEMENT:
        return
    command = shlex.join(["cam-audit", "models", "adapt", "PLAIN.onnx", "--photos", sources[0].root])
    yield (
        f"the prediction is the folder in {labelled - wrong:,} of {labelled:,} images, fewer than half: the "
        f"preprocessing in the net's file may be another than it was trained with; `{command}` tries which fits"
    )


def _notes_on_parts(job: ScanJob, sampled: Sequence[str], examination: Examination | None) -> Iterator[str]:
    """What the parts of classes do not say, and what it would take; sampled: the labels of the sampled images."""
    if not sampled:
        return
    if not job.model.separable:
        yield (
            "this net has no last linear layer, and its file does not offer what enters its last convolution, so its "
            "classes are not taken to parts, and framing (CA213) was not looked for; if that convolution is 1x1, make "
            "the file again, in float: "
            f"{how_to_make_again(job.model.net, job.model.path)}"
        )
        return
    large = sum(images >= MIN_IMAGES for images in Counter(sampled).values())
    if large > MAX_PART_CLASSES:
        yield (
            f"{MAX_PART_CLASSES} of {large} classes were taken to parts, the first by name; in the others evidence in "
            "the surroundings (CA207) and framing (CA213) were not looked for"
        )
    if not examination or not examination.parts:
        if large:
            yield (
                "no class was taken to parts, so evidence in the surroundings (CA207) and framing (CA213) were not "
                f"looked for: that takes two of the net's classes with {MIN_IMAGES} images or more"
            )
        return
    untold = sorted({part.label for part in examination.parts if part.foreground_ratio is None})
    if untold:
        yield (
            f"evidence in the surroundings (CA207) and framing (CA213) were not looked for in {_named(untold)}: that "
            "takes masks of all their images, or a foreground net other than the audited one (--foreground NET; "
            "`cam-audit models list` says which there are)"
        )
    unknown = sorted({part.label for part in examination.parts if part.where == UNKNOWN} - set(untold))
    if unknown:
        yield (
            f"evidence in the surroundings (CA207) was not looked for in {_named(unknown)}, where the foreground net "
            "knows no object: look at their parts, or give --masks"
        )


def _named(labels: Sequence[str]) -> str:
    """How many classes there are, and what the first are called."""
    return f"{count(len(labels), 'class', 'classes')} ({some(list(map(repr, labels)))})"
