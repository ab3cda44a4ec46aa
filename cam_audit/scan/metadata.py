"""The table of --metadata: what is known of the images beside their pixels."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.findings.metadata import MetadataTable
from cam_audit.scan.annotations import at_paths, match
from cam_audit.text import visible

# What the column with the paths is called; where none is, it is the first.
PATH_COLUMNS = ("path", "filepath", "file", "filename", "image", "imageid", "imagename", "name")
_DELIMITERS = (",", ";", "\t")


def read_metadata(path: Path, names: Sequence[str]) -> MetadataTable:
    """The cells of the images `names`, from a CSV with a header: a path, and further columns.

    Comma, `;` or tab; UTF-8, or UTF-16 with its mark. A row is about the image at its path or, failing that, the one
    with the longest end of the path that only one image and one row have.

    Raises CamAuditError where the file can't be read, says nothing, contradicts itself, or is about other images.
    """
    head, rows = _table(path)
    titles = ["".join(filter(str.isalnum, cell)).casefold() for cell in head]
    at = next((titles.index(title) for title in PATH_COLUMNS if title in titles), 0)
    columns = [number for number, cell in enumerate(head) if number != at and cell]
    if not columns:
        raise CamAuditError(f"{path}: expected a header with path and further columns, and found {', '.join(head)}")
    twice = next((head[number] for number in columns if head.count(head[number]) > 1), None)
    if twice:
        raise CamAuditError(f"{path}: two columns are called {twice!r}")
    cells: dict[str, tuple[str, ...]] = {}
    lines: dict[str, int] = {}
    for line, row in rows:
        if len(row) <= at:
            raise CamAuditError(f"{path}, line {line}: expected {len(head)} cells and found {len(row)}")
        key = row[at].replace("\\", "/").removeprefix("./").strip("/")
        said = tuple(row[number] if number < len(row) else "" for number in columns)
        if cells.setdefault(key, said) != said:
            raise CamAuditError(f"{path}, lines {lines[key]} and {line}: both are about {key!r}, and they differ")
        lines.setdefault(key, line)
    found = {name: cells[key] for name, key in match(names, at_paths(cells))}
    if not found:
        example = names[0] if names else "class/image.jpg"
        raise CamAuditError(
            f"{path}: no row is about an image of the data set; rows begin with a path such as {example}"
        )
    return MetadataTable(tuple(head[number] for number in columns), found)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and the other rows that are not empty with the lines at which they end; cells can be printed."""
    try:
        data = path.read_bytes()
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
        first = next(iter(text.splitlines()), "")
        delimiter = max(_DELIMITERS, key=first.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        rows = [(reader.line_num, [visible(cell.strip()) for cell in row]) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CamAuditError(f"{path}: cannot be read as CSV: {error}") from None
    if len(rows) < 2:
        raise CamAuditError(f"{path}: holds no rows below a header; expected path and further columns such as site")
    return rows[0][1], rows[1:]
