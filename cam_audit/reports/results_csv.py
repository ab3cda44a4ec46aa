"""results.csv, one row an image: its lines, made and read back; `scan/write_output.py` writes the file."""

from __future__ import annotations

import csv
import io
import math
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from cam_audit.findings.codes import CODES
from cam_audit.records import Record, SkippedImage
from cam_audit.reports.fields import quoted
from cam_audit.reports.scan_report import ImageRow, ScanReport
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
# No format has larger pictures.
MAX_SIDE = 2**31
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
        **{name: None if (value := getattr(image, name)) is None else float(value) for name in NUMBERS},
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
            cells = [cell.removeprefix("'") for cell in cells] + missing
            try:
                yield _parsed(cells)
            except ValueError as error:
                column = next(
                    (f"{name}: " for name, cell in zip(COLUMNS, cells, strict=True) if _is_wrong(name, cell)), ""
                )
                raise ValueError(f"line {rows.line_num}: {column}{error}") from None
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from None


def _parsed(cells: Sequence[str]) -> ImageRow:
    # by place and not by name: a large table is read several times over, in half the time
    (
        path, _, error, width, height, label, name1, score1, name2, score2, name3, score3, label_score,
        cam_class, peak_x, peak_y, border_share, area, inside_share, inside_area, flags, overlay, surroundings_share,
        split, predicted, even_share,
    ) = cells  # fmt: skip
    top = []
    for name, score in ((name1, score1), (name2, score2), (name3, score3)):
        # names that come again and again are kept once
        if (probability := _share(score)) is not None:
            top.append((sys.intern(name), probability))
    if not (error or top):
        raise ValueError("there is neither a score nor an error")
    return ImageRow(
        path,
        sys.intern(label),
        error,
        _side(width),
        _side(height),
        tuple(top),
        _share(label_score),
        sys.intern(cam_class),
        _share(peak_x),
        _share(peak_y),
        _share(border_share),
        _share(area),
        _share(inside_share),
        _share(inside_area),
        _flags(flags),
        overlay,
        _share(surroundings_share),
        sys.intern(split),
        sys.intern(predicted),
        _number(even_share),
    )


def _is_wrong(column: str, cell: str) -> bool:
    """Whether a cell is why its row is refused."""
    try:
        _READERS.get(column, _share)(cell)
    except ValueError:
        return True
    return False


def _number(cell: str) -> float | None:
    """A finite number; None where the cell is empty."""
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"must be a number, not {quoted(cell)}")
    return value


def _share(cell: str) -> float | None:
    """A share or a score, 0..1; None where the cell is empty."""
    value = _number(cell)
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f"must be a number from 0 to 1, not {quoted(cell)}")
    return value


def _side(cell: str) -> int | None:
    """A width or height in pixels; None where the cell is empty."""
    if not cell:
        return None
    # int() takes other digits and underscores, and refuses thousands of digits in words of its own
    value = int(cell) if re.fullmatch("[0-9]{1,9}", cell) else 0
    if not 0 < value <= MAX_SIDE:
        raise ValueError(f"must be a whole number of pixels from 1 to {MAX_SIDE:,}, not {quoted(cell)}")
    return value


# most images have the same few
@lru_cache(maxsize=1024)
def _flags(cell: str) -> tuple[str, ...]:
    codes = tuple(filter(None, cell.split(";")))
    unknown = next((code for code in codes if code not in CODES), None)
    if unknown is not None:
        raise ValueError(f"{quoted(unknown)} is no code of this version of cam-audit")
    return codes


# What reads the cells of a column; all others hold shares.
_READERS: dict[str, Callable[[str], object]] = {
    "width": _side,
    "height": _side,
    "flags": _flags,
    "even_share": _number,
    **dict.fromkeys(("path", "status", "error", "label", "cam_class", "overlay", "split", "predicted"), str),
    **{f"top{rank}_class": str for rank in range(1, TOP + 1)},
}


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
