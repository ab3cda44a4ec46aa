"""results.csv, one row an image: its lines, made and read back; `scan/write_output.py` writes the file."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from cam_audit.records import ImageRow, Record, ScanReport, SkippedImage
from cam_audit.text import as_utf8

COLUMNS = [
    *("path", "status", "error", "width", "height", "label"),
    *("top1_class", "top1_score", "top2_class", "top2_score", "top3_class", "top3_score"),
    *("label_score", "cam_class", "cam_peak_x", "cam_peak_y", "cam_border_share", "cam_area"),
    *("inside_share", "inside_area", "flags", "overlay"),
    # new columns come last, so that programs that know the others still find them
    "surroundings_share",
    "split",
    "predicted",
    "even_share",
]
# Earlier files lack the last columns.
OLDEST = COLUMNS.index("surroundings_share")
TOP = 3
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
NUMBERS = (
    *("label_score", "cam_peak_x", "cam_peak_y", "cam_border_share", "cam_area", "inside_share", "inside_area"),
    *("surroundings_share", "even_share"),
)


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


def values(image: ImageRow) -> dict[str, Any]:
    """The cells of one image by column, as numbers and words; what is not defined for it is None."""
    cells = {
        "path": image.path,
        "status": "error" if image.error else "ok",
        "error": image.error or None,
        "width": image.width,
        "height": image.height,
        "label": image.label,
        "cam_class": image.cam_class or None,
        "flags": ";".join(image.flags) or None,
        "overlay": image.overlay or None,
        "split": image.split or None,
        "predicted": image.predicted or None,
        **{name: _float(getattr(image, name)) for name in NUMBERS},
    }
    for rank, (name, score) in enumerate(image.top, 1):
        cells |= {f"top{rank}_class": name, f"top{rank}_score": float(score)}
    return cells


def line(image: ImageRow) -> str:
    """The line of one image, ended by a newline; cells that a spreadsheet would run as a formula get a `'` in front.

    So does a cell that begins with `'`, so that nothing is lost. Scores, shares and positions have 6 decimals; what
    is not defined for an image is empty.
    """
    cells = values(image)
    return _line([inert(_text(cells.get(column))) for column in COLUMNS])


def image_row(record: Record) -> ImageRow:
    """What results.csv tells of a record."""
    source = record.source
    if isinstance(record, SkippedImage):
        return ImageRow(path=source.name, label=source.label, error=record.reason, split=source.split)
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
        split=source.split,
        predicted=";".join(record.predicted),
        even_share=record.even_share,
    )


def completed(
    rows: Iterable[str],
    flags: Iterable[Sequence[str]],
    surroundings: Iterable[float | None],
    overlays: Iterable[str | None],
) -> Iterator[str]:
    """The lines that `row` made, each with what is known only after the scan."""
    for cells, codes, share, overlay in zip(csv.reader(rows), flags, surroundings, overlays, strict=True):
        cells[COLUMNS.index("flags")] = ";".join(codes)
        cells[COLUMNS.index("surroundings_share")] = _text(share)
        if overlay is not None:
            cells[COLUMNS.index("overlay")] = inert(overlay)
        yield _line(cells)


def parse(lines: Iterable[str]) -> Iterator[ImageRow]:
    """The rows of a results.csv, from its lines; raises ValueError where it is not one."""
    rows = csv.reader(lines, strict=True)
    try:
        columns = next(rows, [])
        if columns not in [COLUMNS[:end] for end in range(OLDEST, len(COLUMNS) + 1)]:
            raise ValueError("the columns are not those of results.csv")
        missing = [""] * (len(COLUMNS) - len(columns))
        for cells in rows:
            if len(cells) != len(columns):
                raise ValueError(f"line {rows.line_num} has {len(cells)} cells, not {len(columns)}")
            yield _parsed([cell.removeprefix("'") for cell in cells] + missing)
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _parsed(cells: Sequence[str]) -> ImageRow:
    # by place and not by name: a large table is read several times over, in half the time
    (
        path, _, error, width, height, label, name1, score1, name2, score2, name3, score3, label_score,
        cam_class, peak_x, peak_y, border_share, area, inside_share, inside_area, flags, overlay, surroundings_share,
        split, predicted, even_share,
    ) = cells  # fmt: skip
    top = ((name1, score1), (name2, score2), (name3, score3))
    return ImageRow(
        path,
        # names that come again and again are kept once
        sys.intern(label),
        error,
        int(width) if width else None,
        int(height) if height else None,
        tuple([(sys.intern(name), float(score)) for name, score in top if score]),
        _float(label_score),
        sys.intern(cam_class),
        _float(peak_x),
        _float(peak_y),
        _float(border_share),
        _float(area),
        _float(inside_share),
        _float(inside_area),
        tuple(filter(None, flags.split(";"))),
        overlay,
        _float(surroundings_share),
        sys.intern(split),
        sys.intern(predicted),
        _float(even_share),
    )


def _float(value: str | float | None) -> float | None:
    return None if value is None or value == "" else float(value)


def _text(value: str | int | float | None) -> str:
    return "" if value is None else f"{value:.6f}" if isinstance(value, float) else str(value)


def inert(cell: str) -> str:
    """A cell as UTF-8, with a `'` in front where a spreadsheet would run it, or where it begins with one."""
    cell = as_utf8(cell)
    return f"'{cell}" if cell.startswith((*FORMULA_STARTS, "'")) else cell


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    # before Python 3.13, only what is part of the line terminator is quoted
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"
