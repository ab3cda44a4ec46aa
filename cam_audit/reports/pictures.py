"""The pictures that a report shows as proof, taken from the overlays, maps and images of a finished scan."""

from __future__ import annotations

import dataclasses
import itertools
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cam_audit.errors import ImageError
from cam_audit.folders import is_behind_link, open_in, read_in
from cam_audit.images.decode import MAX_FILE_BYTES, decode
from cam_audit.images.encode_jpeg import encode_jpeg
from cam_audit.images.header import jpeg_header
from cam_audit.images.png import png_size
from cam_audit.images.resize import resize
from cam_audit.images.rgb import RgbImage
from cam_audit.records import Example, Finding, ShownCounterfactual
from cam_audit.reports.photos import MAX_WRONG_LABELS, PHOTOS_FILE, OtherPhotoError, Photos, folder_of_photos
from cam_audit.reports.scan_report import ExamplePicture, FindingPictures, ImageRow, ImageRows, ScanReport
from cam_audit.sheets import SheetLayout, class_map_layout, overlay_layout
from cam_audit.text import count, some

LONG_SIDE = 320
JPEG_QUALITY = 82
# So many examples in all, about 20 KB each, and of one finding; the worst findings have theirs first.
MAX_EXAMPLES = 200
MAX_OF_FINDING = 6
# So many counterfactuals in all, about 30 KB each; a finding has six at most.
MAX_COUNTERFACTUALS = 120
# More images than these make a page that no browser opens at once: 7 MB of it.
MAX_LISTED = 20_000
# So much of an overlay's file has its size in it.
HEADER_BYTES = 2048
# The image and one map, or two or three where prediction, folder and the class asked for differ.
OVERLAY_PANELS = (2, 3, 4)


def with_pictures(report: ScanReport) -> ScanReport:
    """The report with the pictures of its findings, and with where the overlays of its images have theirs.

    A picture that is missing or damaged is left out; an example without an overlay has its image alone, if that is
    still where it was scanned. A note says which photos are not shown because they are others now.

    Raises CamAuditError where the list of the photos is damaged.
    """
    listed = _listed(report)
    layout_of = _layouts(report)
    of_each = max(1, min(MAX_OF_FINDING, MAX_EXAMPLES // max(1, len(report.findings))))
    tried_of_each = max(1, MAX_COUNTERFACTUALS // max(1, len(report.findings)))
    told = report.findings[:MAX_EXAMPLES]

    def examples_of(finding: Finding) -> Sequence[Example]:
        # both pictures of a pair, which have no map beside them
        return finding.examples[: 2 * of_each if finding.pairs else of_each]

    wanted = {example.path for finding in told for example in examples_of(finding)}
    wanted |= {image.path for image in report.wrong_labels[:MAX_WRONG_LABELS]}
    sheets: dict[str, SheetLayout] = {}
    rows: dict[str, tuple[int, ImageRow]] = {}
    for number, row in enumerate(listed):
        layout = layout_of(row)
        if layout:
            sheets[row.path] = layout
        if row.path in wanted:
            rows[row.path] = number, row
    photos, others = Photos.of(report), set[str]()

    def pictures_of(examples: Sequence[Example]) -> Iterator[ExamplePicture]:
        for example in examples:
            number, row = rows.get(example.path, (-1, None))
            try:
                image, overlay = _image_and_overlay(report, photos, example, row, sheets.get(example.path))
            except OtherPhotoError:
                others.add(example.path)
            except ImageError:
                continue
            else:
                height, width = image.shape[:2]
                drawn = None if overlay is None else _jpeg(overlay)
                yield ExamplePicture(example, width, height, _jpeg(image), drawn, row, number)

    pictures = {
        finding.fingerprint: FindingPictures(
            tuple(pictures_of(examples_of(finding))),
            tuple(_map_pictures(report, finding)),
            dict(_counterfactual_pictures(report, finding.counterfactuals[:tried_of_each])),
        )
        for finding in told
    }
    suspected = tuple(pictures_of([Example(image.path) for image in report.wrong_labels[:MAX_WRONG_LABELS]]))
    behind = _behind_links(report)
    return dataclasses.replace(
        report,
        parts=tuple(part for part in report.parts if part.sheet not in behind),
        notes=(*report.notes, *_notes(report, behind, others)),
        pictures=pictures,
        listed=listed,
        sheets=sheets,
        label_pictures=suspected,
    )


@dataclass(frozen=True)
class _Chosen:
    """Those of the rows whose byte in `chosen` is not 0."""

    rows: ImageRows
    chosen: bytes

    def __len__(self) -> int:
        return sum(self.chosen)

    def __iter__(self) -> Iterator[ImageRow]:
        return itertools.compress(self.rows, self.chosen)


def _listed(report: ScanReport) -> ImageRows:
    """At most MAX_LISTED of the images, in their order: examples, then what is flagged or unread, then all evenly."""
    if len(report.images) <= MAX_LISTED:
        return report.images
    examples = {example.path for finding in report.findings for example in finding.examples}
    ranks = (array("Q"), array("Q"), array("Q"))
    for index, row in enumerate(report.images):
        ranks[0 if row.path in examples else 1 if row.flags or row.error else 2].append(index)
    chosen = bytearray(len(report.images))
    left = MAX_LISTED
    for rank in ranks:
        room = min(left, len(rank))
        for index in range(room):
            chosen[rank[index * len(rank) // room]] = 1
        left -= room
    return _Chosen(report.images, bytes(chosen))


def _layouts(report: ScanReport) -> Callable[[ImageRow], SheetLayout | None]:
    """What tells the layout of an image's overlay, as its settings and its size have it; None where it is not there."""
    try:
        settings = report.run["settings"]["settings"]
        scores = min(settings["top"], report.run["model"].get("classes", settings["top"]))
        long_side = settings["overlay_size"]
    except (KeyError, TypeError, AttributeError):
        return lambda row: None

    out = Path(report.folder)

    # most images of a data set are of a few sizes
    @lru_cache(maxsize=1024)
    def fitting(width: int, height: int, size: tuple[int, int]) -> SheetLayout | None:
        for panels in OVERLAY_PANELS:
            layout = overlay_layout(width, height, scores, panels, long_side)
            # a photo that was decoded at a fraction of its size may be a pixel off
            if abs(layout.sheet_width - size[0]) <= panels and abs(layout.sheet_height - size[1]) <= 1:
                return dataclasses.replace(layout, sheet_width=size[0], sheet_height=size[1])
        return None

    def layout_of(row: ImageRow) -> SheetLayout | None:
        if not row.overlay or not row.width or not row.height:
            return None
        try:
            with open_in(out, row.overlay, buffering=0) as file:
                start = file.read(HEADER_BYTES)
        except OSError:
            return None
        jpeg = jpeg_header(start)
        size = (jpeg.width, jpeg.height) if jpeg else png_size(start)
        return size and fitting(row.width, row.height, size)

    return layout_of


def _image_and_overlay(
    report: ScanReport, photos: Photos, example: Example, row: ImageRow | None, layout: SheetLayout | None
) -> tuple[RgbImage, RgbImage | None]:
    """What an example shows; raises ImageError where that can't be read."""
    if row and layout:
        image, overlay, *_ = map(_small, _panels(_read(report, row.overlay), layout))
        return image, overlay
    return _small(photos.read(example.path, LONG_SIDE)), None


def _notes(report: ScanReport, behind: Collection[str], others: Collection[str]) -> Iterator[str]:
    """Which pictures are left out, and why."""
    if behind:
        where = report.folder or "this folder"
        yield f"{count(len(behind), 'picture')} of {where}: left out, as a link leads there ({some(sorted(behind))})"
    if others:
        yield (
            f"{count(len(others), 'photo')} in {folder_of_photos(report)}: left out, as {PHOTOS_FILE} does not have "
            f"their hashes: they have changed since the scan, or are others ({some(sorted(others))})"
        )


def _map_pictures(report: ScanReport, finding: Finding) -> Iterator[bytes]:
    if finding.fingerprint not in report.maps:
        return
    try:
        sheet = _read(report, finding.maps_name)
    except ImageError:
        return
    yield from map(_jpeg, _panels(sheet, class_map_layout(sheet.shape[1], sheet.shape[0])))


def _counterfactual_pictures(
    report: ScanReport, counterfactuals: Sequence[ShownCounterfactual]
) -> Iterator[tuple[str, bytes]]:
    """Each picture that was kept, by its path; one that has gone is left out."""
    for shown in counterfactuals:
        for file in shown.files:
            try:
                yield file, _jpeg(_small(_read(report, file)))
            except ImageError:
                continue


def _read(report: ScanReport, name: str) -> RgbImage:
    """A picture of the output folder; raises ImageError where it can't be read, or a link leads to it."""
    out = Path(report.folder)
    try:
        data = read_in(out, name, MAX_FILE_BYTES)
    except OSError as error:
        raise ImageError(f"{name}: {error.strerror}") from None
    return decode(data, path=out / name)[0]


def _behind_links(report: ScanReport) -> set[str]:
    """The pictures of the output folder that the page would show, but a link leads to."""
    names = {part.sheet for part in report.parts}
    names |= {finding.maps_name for finding in report.findings if finding.fingerprint in report.maps}
    names |= {file for finding in report.findings for shown in finding.counterfactuals for file in shown.files}
    return {name for name in names if is_behind_link(Path(report.folder), name)}


def _panels(sheet: RgbImage, layout: SheetLayout) -> list[RgbImage]:
    rows = slice(layout.top, layout.top + layout.height)
    panels = [sheet[rows, left : left + layout.width] for left in layout.lefts]
    if not all(panel.size for panel in panels):
        raise ImageError("not a sheet of panels")
    return panels


def _small(rgb: RgbImage) -> RgbImage:
    """The picture, at most LONG_SIDE pixels long."""
    height, width = rgb.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    return resize(rgb, max(1, round(width * scale)), max(1, round(height * scale)))


def _jpeg(rgb: RgbImage) -> bytes:
    return encode_jpeg(rgb, JPEG_QUALITY)
