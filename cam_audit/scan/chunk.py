"""A chunk of a data set, scanned by one worker: a thread here, a process elsewhere. And all chunks, in order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from cam_audit.findings.sample import Collected
from cam_audit.folders import replace_in
from cam_audit.images.depth import Ranges
from cam_audit.models.model import Model
from cam_audit.records import ImageResult, ImageSource, Record
from cam_audit.scan.image import ScanJob, ScanSettings, require_size, scan_image
from cam_audit.scan.journal import stamp_of
from cam_audit.workers import Each, available_cores, in_order

if TYPE_CHECKING:
    from cam_audit.scan.annotations import Annotations
    from cam_audit.scan.journal import Journal


@dataclass(frozen=True, eq=False)
class ChunkResult:
    """One record an image, in the order of the chunk, and what was collected of the sampled ones among them."""

    records: tuple[Record, ...]
    collected: Collected


def one_by_one(job: ScanJob, sources: Iterable[ImageSource]) -> list[ChunkResult]:
    """Scan images one after the other, in chunks of one."""
    return [scan_chunk(job, [source]) for source in sources]


@dataclass(frozen=True)
class Workers:
    """Who scans the images and runs the passes of the audit: threads of this process, or processes elsewhere.

    `threads`: how many threads hand out work; each gives `images` images at a time to `scan`, which does what
    `one_by_one` does. `each`: a `map` over data in memory, by several cores. `passes`: a `map` for functions that read
    images and run the net.
    """

    threads: int
    each: Each
    passes: Each
    scan: Callable[[ScanJob, Sequence[ImageSource]], Sequence[ChunkResult]] = one_by_one
    images: int = 1


def threads(number: int) -> Workers:
    """Workers that are threads of this process."""
    return Workers(number, partial(in_order, number), partial(in_order, number))


def scan_chunk(job: ScanJob, sources: Iterable[ImageSource]) -> ChunkResult:
    """Scan images one after the other; their overlays, if any, are written below `job.out`.

    Raises CamAuditError where an overlay can't be written.
    """
    records: list[Record] = []
    collected = Collected()
    for source in sources:
        scanned = scan_image(job, source)
        if job.out and scanned.overlay and isinstance(scanned.record, ImageResult) and scanned.record.overlay:
            replace_in(job.out, scanned.record.overlay, scanned.overlay)
        if scanned.collected:
            collected.merge(scanned.collected)
        records.append(scanned.record)
    return ChunkResult(tuple(records), collected)


def scan_chunks(
    job: ScanJob, sources: Iterable[ImageSource], workers: Workers, journal: Journal | None = None
) -> Generator[ChunkResult]:
    """Scan all images; each result is that of one image, and the order that of the images, for any workers.

    With a `journal`, images that it has are not done again, and those that are done are added to it.
    """
    finish = partial(_finish, job, workers.scan, journal)
    for results in in_order(workers.threads, finish, _chunks(sources, workers.images)):
        yield from results


def _chunks(sources: Iterable[ImageSource], images: int) -> Iterator[list[ImageSource]]:
    remaining = iter(sources)
    while chunk := list(islice(remaining, images)):
        yield chunk


def _finish(
    job: ScanJob,
    scan: Callable[[ScanJob, Sequence[ImageSource]], Sequence[ChunkResult]],
    journal: Journal | None,
    chunk: Sequence[ImageSource],
) -> Sequence[ChunkResult]:
    if journal is None:
        return scan(job, chunk)
    marks = [job.annotations.mark(source.name) if job.annotations else "" for source in chunk]
    known = [_known(job, journal, source, mark) for source, mark in zip(chunk, marks, strict=True)]
    unknown = [(source, mark) for source, mark, result in zip(chunk, marks, known, strict=True) if result is None]
    # before the images are read, so that a change while they are read does not go unnoticed
    stamps = [stamp_of(source.path, mark) for source, mark in unknown]
    done = scan(job, [source for source, _ in unknown]) if unknown else ()
    for result, stamp in zip(done, stamps, strict=True):
        (record,) = result.records
        if stamp and isinstance(record, ImageResult):
            journal.add(record, result.collected, stamp)
    remaining = iter(done)
    return [result or next(remaining) for result in known]


def _known(job: ScanJob, journal: Journal, source: ImageSource, mark: str) -> ChunkResult | None:
    """What the journal has of an image, if it has all that is needed."""
    sampled = source.name in job.sampled
    parts = source.name in job.parts
    finished = journal.finished(source, overlay=job.out is not None, sampled=sampled, parts=parts, annotation=mark)
    return ChunkResult(finished[:1], finished[1]) if finished else None


def scan(
    model: Model,
    sources: Iterable[ImageSource],
    settings: ScanSettings | None = None,
    *,
    overlays: Path | None = None,
    workers: int | None = None,
    annotations: Annotations | None = None,
    ranges: Ranges | None = None,
) -> Generator[Record]:
    """Scan images; yields one record an image, in the order of `sources`, whatever the number of workers.

    With `overlays`, a PNG an image is written to that folder's `overlays/`. `annotations` say where the objects are.
    `ranges`: those of the data set's pixel values (`images.ranges.find_ranges`); without them, a picture that is not
    8-bit is scaled by its own values, and differs from what `cam_audit.audit` sees.

    An image that can't be read or run yields a SkippedImage with the reason.

    Raises CamAuditError where an overlay can't be written or `settings.size` does not suit the net.

    Example:
        >>> import cam_audit
        >>> from cam_audit.records import ImageSource
        >>> model = cam_audit.load_model("demo-biased.onnx")
        >>> sources = [ImageSource("photos", "cat/cat_000.jpg", "cat", 1)]
        >>> for record in scan(model, sources):
        ...     print(record.source.name, record.scores[0].class_name)
        cat/cat_000.jpg cat
    """
    settings = settings or ScanSettings()
    require_size(model, settings.size)
    job = ScanJob(model, settings, overlays, annotations=annotations, ranges=ranges or {})
    for result in scan_chunks(job, sources, threads(workers or available_cores())):
        yield from result.records
