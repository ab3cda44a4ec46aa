"""results.csv: one row an image."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from cam_audit.records import ImageResult, Record, SkippedImage

COLUMNS = [
    "path",
    "status",
    "error",
    "width",
    "height",
    "label",
    "top1_class",
    "top1_score",
    "top2_class",
    "top2_score",
    "top3_class",
    "top3_score",
    "label_score",
    "cam_class",
    "cam_peak_x",
    "cam_peak_y",
    "cam_border_share",
    "cam_area",
    "inside_share",
    "inside_area",
    "flags",
    "overlay",
]
TOP = 3
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def header() -> str:
    """The first line of results.csv."""
    return _line(COLUMNS)


def row(record: Record) -> str:
    """The line of one image, ended by a newline; cells that a spreadsheet would run as a formula get a `'` in front.

    Scores, shares and positions have 6 decimals; what is not defined for an image is empty.
    """
    source = record.source
    if isinstance(record, SkippedImage):
        cells = {"path": source.name, "status": "error", "error": record.reason, "label": source.label}
    else:
        cells = {"path": source.name, "status": "ok", "label": source.label, **_result_cells(record)}
    return _line([_inert(cells.get(column, "")) for column in COLUMNS])


def completed(rows: Iterable[str], flags: Iterable[Sequence[str]], overlays: Iterable[str | None]) -> Iterator[str]:
    """The lines that `row` made, each with its codes and its overlay, which are known only after the scan."""
    for cells, codes, overlay in zip(csv.reader(rows), flags, overlays, strict=True):
        cells[COLUMNS.index("flags")] = ";".join(codes)
        if overlay is not None:
            cells[COLUMNS.index("overlay")] = _inert(overlay)
        yield _line(cells)


def _result_cells(result: ImageResult) -> dict[str, str]:
    cells = {
        "width": str(result.width),
        "height": str(result.height),
        "label_score": _number(result.label_score),
        "cam_class": result.cam_class,
        "cam_peak_x": _number(result.cam.peak_x),
        "cam_peak_y": _number(result.cam.peak_y),
        "cam_border_share": _number(result.cam.border_share),
        "cam_area": _number(result.cam.area),
        "inside_share": _number(result.object.inside if result.object else None),
        "inside_area": _number(result.object.area if result.object else None),
        "flags": ";".join(result.flags),
        "overlay": result.overlay or "",
    }
    for rank, score in enumerate(result.scores[:TOP], 1):
        cells[f"top{rank}_class"] = score.class_name
        cells[f"top{rank}_score"] = _number(score.probability)
    return cells


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _inert(cell: str) -> str:
    # a file name that is not UTF-8 reaches us with surrogates, which UTF-8 can't hold
    cell = cell.encode("utf-8", "backslashreplace").decode("utf-8")
    return f"'{cell}" if cell.startswith(FORMULA_STARTS) else cell


def _line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    # before Python 3.13, only what is part of the line terminator is quoted
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"
