"""The pictures that a report shows as proof, taken from the overlays, maps and images of a finished scan."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2

from cam_audit.errors import ImageError
from cam_audit.images import RgbImage, read_image, resize
from cam_audit.overlay import class_map_layout, overlay_layout
from cam_audit.png import png_size
from cam_audit.records import Example, ExamplePicture, Exhibit, Finding, ImageRow, ScanReport, SheetLayout

LONG_SIDE = 320
JPEG_QUALITY = 82
# So many examples in all, about 20 KB each, and of one finding; the worst findings have theirs first.
MAX_EXAMPLES = 200
MAX_OF_FINDING = 6
# More images than these make a page that no browser opens at once: 7 MB of it.
MAX_LISTED = 20_000
# The image and one map, or two or three where prediction, folder and the class asked for differ.
OVERLAY_PANELS = (2, 3, 4)


def with_pictures(report: ScanReport) -> ScanReport:
    """The report with the pictures of its findings, and with where the overlays of its images have theirs.

    A picture that is missing or damaged is left out; an example without an overlay has its image alone, if that is
    still where it was scanned.
    """
    listed = _listed(report)
    sheets = {row.path: layout for row in listed if (layout := _overlay_layout(report, row))}
    rows = {row.path: row for row in listed}
    of_each = max(1, min(MAX_OF_FINDING, MAX_EXAMPLES // max(1, len(report.findings))))
    exhibits = {}
    for number, finding in enumerate(report.findings):
        examples = finding.examples[:of_each] if number < MAX_EXAMPLES else ()
        exhibits[finding.fingerprint] = Exhibit(
            tuple(_example_pictures(report, examples, rows, sheets)),
            tuple(_map_pictures(report, finding)) if number < MAX_EXAMPLES else (),
        )
    return dataclasses.replace(report, exhibits=exhibits, listed=listed, sheets=sheets)


def _listed(report: ScanReport) -> tuple[ImageRow, ...]:
    """At most MAX_LISTED of the images, in their order: examples, then what is flagged or unread, then all evenly."""
    if len(report.images) <= MAX_LISTED:
        return report.images
    examples = {example.path for finding in report.findings for example in finding.examples}
    ranks: tuple[list[int], list[int], list[int]] = ([], [], [])
    for index, row in enumerate(report.images):
        ranks[0 if row.path in examples else 1 if row.flags or row.error else 2].append(index)
    chosen: list[int] = []
    for rank in ranks:
        room = min(MAX_LISTED - len(chosen), len(rank))
        chosen += [rank[index * len(rank) // room] for index in range(room)]
    return tuple(report.images[index] for index in sorted(chosen))


def _overlay_layout(report: ScanReport, row: ImageRow) -> SheetLayout | None:
    """The layout of an image's overlay, as its settings and its size have it; None where it is not there."""
    if not row.overlay or not row.width or not row.height:
        return None
    size = png_size(Path(report.folder, row.overlay))
    if size is None:
        return None
    try:
        settings = report.run["settings"]["settings"]
        scores = min(settings["top"], report.run["model"].get("classes", settings["top"]))
        long_side = settings["overlay_size"]
    except (KeyError, TypeError, AttributeError):
        return None
    for panels in OVERLAY_PANELS:
        layout = overlay_layout(row.width, row.height, scores, panels, long_side)
        # a photo that was decoded at a fraction of its size may be a pixel off
        if abs(layout.sheet_width - size[0]) <= panels and abs(layout.sheet_height - size[1]) <= 1:
            return dataclasses.replace(layout, sheet_width=size[0], sheet_height=size[1])
    return None


def _example_pictures(
    report: ScanReport,
    examples: tuple[Example, ...],
    rows: Mapping[str, ImageRow],
    sheets: Mapping[str, SheetLayout],
) -> Iterator[ExamplePicture]:
    for example in examples:
        row, layout = rows.get(example.path), sheets.get(example.path)
        try:
            if row and layout:
                panels = _panels(read_image(Path(report.folder, row.overlay))[0], layout)
                image, overlay, *_ = map(_small, panels)
            else:
                image = _small(read_image(_original(report, example.path), needed=LONG_SIDE)[0])
                overlay = None
            height, width = image.shape[:2]
            yield ExamplePicture(example, width, height, _jpeg(image), None if overlay is None else _jpeg(overlay))
        except ImageError:
            continue


def _map_pictures(report: ScanReport, finding: Finding) -> Iterator[bytes]:
    if finding.fingerprint not in report.maps:
        return
    try:
        sheet = read_image(Path(report.folder, finding.maps_name))[0]
    except ImageError:
        return
    yield from map(_jpeg, _panels(sheet, class_map_layout(sheet.shape[1], sheet.shape[0])))


def _original(report: ScanReport, name: str) -> Path:
    dataset = Path(report.run.get("settings", {}).get("dataset", ""))
    return dataset if dataset.is_file() else dataset / name


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
    _, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
    return data.tobytes()
