"""results.csv: one row an image."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cam_audit.records import ImageRow, Record, ScanReport, SkippedImage
from cam_audit.reports.text import as_utf8

COLUMNS = [
    *("path", "status", "error", "width", "height", "label"),
    *("top1_class", "top1_score", "top2_class", "top2_score", "top3_class", "top3_score"),
    *("label_score", "cam_class", "cam_peak_x", "cam_peak_y", "cam_border_share", "cam_area"),
    *("inside_share", "inside_area", "flags", "overlay"),
]
TOP = 3
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBERS = (*("label_score", "cam_peak_x", "cam_peak_y", "cam_border_share", "cam_area", "inside_share", "inside_area"),)


def render(report: ScanReport) -> Iterator[str]:
    """The lines of results.csv."""
    yield header()
    yield from map(line, report.images)


def header() -> str:
    """The first line of results.csv."""
    return _line(COLUMNS)


def row(record: Record) -> str:
    """The line of one image: see `line`."""
    return line(image_row(record))


def line(image: ImageRow) -> str:
    """The line of one image, ended by a newline; cells that a spreadsheet would run as a formula get a `'` in front.

    So does a cell that begins with `'`, so that nothing is lost. Scores, shares and positions have 6 decimals; what
    is not defined for an image is empty.
    """
    cells = {
        "path": image.path,
        "status": "error" if image.error else "ok",
        "error": image.error,
        "width": "" if image.width is None else str(image.width),
        "height": "" if image.height is None else str(image.height),
        "label": image.label,
        "cam_class": image.cam_class,
        "flags": ";".join(image.flags),
        "overlay": image.overlay,
        **{name: _number(getattr(image, name)) for name in NUMBERS},
    }
    for rank, (name, score) in enumerate(image.top, 1):
        cells |= {f"top{rank}_class": name, f"top{rank}_score": _number(score)}
    return _line([_inert(cells.get(column, "")) for column in COLUMNS])


def image_row(record: Record) -> ImageRow:
    """What results.csv tells of a record."""
    source = record.source
    if isinstance(record, SkippedImage):
        return ImageRow(path=source.name, label=source.label, error=record.reason)
    return ImageRow(
        path=source.name,
        label=source.label,
        width=record.width,
        height=record.height,
        top=tuple((score.class_name, score.probability) for score in record.scores[:TOP]),
        label_score=record.label_score,
        cam_class=record.cam_class,
        cam_peak_x=record.cam.peak_x,
        cam_peak_y=record.cam.peak_y,
        cam_border_share=record.cam.border_share,
        cam_area=record.cam.area,
        inside_share=record.object.inside if record.object else None,
        inside_area=record.object.area if record.object else None,
        flags=record.flags,
        overlay=record.overlay or "",
    )


def completed(rows: Iterable[str], flags: Iterable[Sequence[str]], overlays: Iterable[str | None]) -> Iterator[str]:
    """The lines that `row` made, each with its codes and its overlay, which are known only after the scan."""
    for cells, codes, overlay in zip(csv.reader(rows), flags, overlays, strict=True):
        cells[COLUMNS.index("flags")] = ";".join(codes)
        if overlay is not None:
            cells[COLUMNS.index("overlay")] = _inert(overlay)
        yield _line(cells)


def parse(lines: Iterable[str]) -> Iterator[ImageRow]:
    """The rows of a results.csv, from its lines; raises ValueError where it is not one."""
    reader = csv.DictReader(lines, strict=True)
    if reader.fieldnames != COLUMNS:
        raise ValueError("the columns are not those of results.csv")
    try:
        for cells in reader:
            yield _parsed({column: (cell or "").removeprefix("'") for column, cell in cells.items()})
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _parsed(cells: Mapping[str, str]) -> ImageRow:
    ranks = [rank for rank in range(1, TOP + 1) if cells[f"top{rank}_score"]]
    numbers = {name: float(cells[name]) if cells[name] else None for name in NUMBERS}
    return ImageRow(
        path=cells["path"],
        # names that come again and again are kept once
        label=sys.intern(cells["label"]),
        error=cells["error"],
        width=int(cells["width"]) if cells["width"] else None,
        height=int(cells["height"]) if cells["height"] else None,
        top=tuple((sys.intern(cells[f"top{rank}_class"]), float(cells[f"top{rank}_score"])) for rank in ranks),
        cam_class=sys.intern(cells["cam_class"]),
        flags=tuple(filter(None, cells["flags"].split(";"))),
        overlay=cells["overlay"],
        **numbers,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _inert(cell: str) -> str:
    cell = as_utf8(cell)
    return f"'{cell}" if cell.startswith((*FORMULA_STARTS, "'")) else cell


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    # before Python 3.13, only what is part of the line terminator is quoted
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"
