"""The audit of a data set: scan its images, look for cues, measure whether the net uses them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cam_audit.findings.foreground import UNKNOWN
from cam_audit.findings.sample import (
    MAX_PART_CLASSES,
    MIN_IMAGES,
    Collected,
    Observation,
    Unsampled,
    cap_of,
    choose_parts,
    choose_sample,
    folders_of,
)
from cam_audit.models.known import how_to_make_again
from cam_audit.records import AuditResult, ConfusedImage, ImageSource, Record, SkippedImage
from cam_audit.reports.counterfactuals import shown_of
from cam_audit.scan.chunk import scan_chunks
from cam_audit.scan.image import ScanJob, needed_side
from cam_audit.text import count
from cam_audit.workers import in_order

if TYPE_CHECKING:
    from cam_audit.findings.decision import Annotated
    from cam_audit.findings.examine import Examination
    from cam_audit.scan.journal import Journal

# So many classes are named in a note.
MAX_NAMED = 5
# A class is compared with so many images of the others, of all together, or there is no all-clear.
MIN_OTHERS = 6


def audit_images(
    job: ScanJob,
    sources: Sequence[ImageSource],
    workers: int,
    *,
    journal: Journal | None = None,
    on_record: Callable[[Record], None] | None = None,
    on_look: Callable[[int, int], None] | None = None,
) -> AuditResult:
    """Scan images and audit the classes that their folders form.

    `on_record` gets each record, in the order of `sources`. `on_look`, when an image is looked at again for the cue of
    its class, gets how many were and will be. The rest, and the errors, are as in `scan.chunk.scan_chunks`.
    """
    folders = folders_of(sources)
    sample = choose_sample(folders)
    parts = choose_parts(folders, sample.names) if job.model.separable else frozenset()
    if sample.names:
        # Imported here because threads that import a package at the same time block each other, and only if there
        # are classes, because a scan without classes does not need the finders of cues.
        import cam_audit.findings.examine
        import cam_audit.findings.sample_store  # noqa: F401
        from cam_audit.findings.cues import finders

        finders()
    collected = Collected()
    flags: dict[str, tuple[str, ...]] = {}
    confused: list[ConfusedImage] = []
    annotated: dict[str, list[Annotated]] = {}
    unsampled: dict[str, list[Unsampled]] = {}
    removals = 0
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
            if record.flags:
                flags[source.name] = record.flags
            if record.disagreement:
                predicted = record.scores[0].class_name
                confused.append(ConfusedImage(source.name, source.label, predicted, record.disagreement))
            if sample.names and source.label and source.name not in sample.names:
                seen = Unsampled(source, record.width, record.height, record.scores[0].class_index)
                unsampled.setdefault(source.label, []).append(seen)
            removals += record.object is not None
            if record.object and record.object.inside is not None and record.object.area < 1:
                annotated.setdefault(source.label, []).append((source, record.object))
    examination = None
    left_out: list[Observation] = []
    copies: Counter[str] = Counter()
    if sample.names or annotated:
        from cam_audit.findings.distinct import leave_out_copies
        from cam_audit.findings.examine import examine

        shortest, needed = job.settings.size, needed_side(job.model, job.settings)
        each = partial(in_order, workers)
        left_out = leave_out_copies(
            job.model, collected, shortest=shortest, needed=needed, each=each, ranges=job.ranges
        )
        for copy in left_out:
            # what the cue of its class is flagged in, though it does not count
            file = copy.features["file"]
            seen = Unsampled(copy.source, file.width, file.height, copy.predicted)
            unsampled.setdefault(copy.source.label, []).append(seen)
        not_counted = sample.copies | {copy.source.name for copy in left_out}
        copies.update(source.label for source in sources if source.name in not_counted)
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
            each=each,
            copies=copies,
            on_look=on_look,
        )
        for name, codes in examination.flags.items():
            flags[name] = tuple(sorted({*flags.get(name, ()), *codes}))
    looked = Counter(observation.source.label for observation in collected.observations.values())
    enough = [label for label in sorted(folders) if looked[label] >= MIN_IMAGES]
    compared = sum(looked.total() - looked[label] >= MIN_OTHERS for label in enough)
    tried = examination.counterfactuals if examination else {}
    findings = examination.findings if examination else ()
    return AuditResult(
        findings=tuple(shown_of(finding, tried.get(finding.fingerprint, ())) for finding in findings),
        maps=examination.maps if examination else {},
        flags=flags,
        confused=tuple(confused),
        sampled=looked.total() if compared else 0,
        classes_sampled=compared,
        passes=removals + len(left_out) + (examination.passes if examination else 0),
        counterfactuals=tried,
        parts=examination.parts if examination else (),
        part_maps=examination.part_maps if examination else {},
        surroundings=examination.surroundings if examination else {},
        notes=(
            *_notes(folders, looked, compared, copies.total(), examination),
            *_notes_on_parts(job, sample.names, examination),
        ),
    )


def _notes(
    folders: Mapping[str, Sequence[ImageSource]],
    looked: Counter[str],
    compared: int,
    copies: int,
    examination: Examination | None,
) -> tuple[str, ...]:
    """What was not looked at, and why.

    looked: how many images of each folder were; compared: how many folders; copies: how many were left out as such.
    """
    if len(folders) < 2:
        return ("cues are looked for by comparing class folders, and there are not two of them",)
    notes = []
    images, sampled = sum(map(len, folders.values())), looked.total()
    if compared and sampled < images:
        notes.append(
            f"cues were looked for in {sampled:,} of {images:,} images: at most {cap_of(len(folders))} of a class, of "
            "those that can be read, and of copies of a picture one" + (f" ({copies:,} left out)" if copies else "")
        )
    if examination and examination.looked_again:
        again = examination.looked_again
        classes = "class" if len(again) == 1 else f"{len(again)} classes"
        total = sum(again.values())
        notes.append(f"in the {classes} with a cue, the other {total:,} images were looked at for that cue alone")
    small = [label for label in sorted(folders) if looked[label] < MIN_IMAGES]
    if small:
        named = ", ".join(f"{label!r}: {looked[label]} of {len(folders[label])}" for label in small[:MAX_NAMED])
        more = ", ..." if len(small) > MAX_NAMED else ""
        notes.append(
            f"no cue was looked for in {len(small)} of {len(folders)} classes, which have fewer than {MIN_IMAGES} "
            f"different images that can be read ({named}{more})"
        )
    if not compared and len(small) < len(folders):
        notes.append("that leaves too few images to compare the other class with")
    return tuple(notes)


def _notes_on_parts(job: ScanJob, sample: frozenset[str], examination: Examination | None) -> Iterator[str]:
    """What the parts of classes do not say, and what it would take."""
    if not sample:
        return
    if not job.model.separable:
        yield (
            "this net has no last linear layer, and its file does not offer what enters its last convolution, so its "
            "classes are not taken to parts, and framing (CA213) was not looked for; if that convolution is 1x1, make "
            "the file again, in float: "
            f"{how_to_make_again(job.model.net, job.model.path)}"
        )
        return
    sampled = Counter(name.partition("/")[0] for name in sample)
    large = sum(images >= MIN_IMAGES for images in sampled.values())
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
            "takes masks of all their images, or a foreground net other than the audited one (--foreground; "
            "`pip install 'cam-audit[imagenet]'` brings efficientnet-lite0)"
        )
    unknown = sorted({part.label for part in examination.parts if part.where == UNKNOWN} - set(untold))
    if unknown:
        yield (
            f"evidence in the surroundings (CA207) was not looked for in {_named(unknown)}, where the foreground net "
            "knows no object: look at their parts, or give --masks"
        )


def _named(labels: Sequence[str]) -> str:
    """How many classes there are, and what the first are called."""
    names = ", ".join(map(repr, labels[:MAX_NAMED])) + (", ..." if len(labels) > MAX_NAMED else "")
    return f"{count(len(labels), 'class', 'classes')} ({names})"
