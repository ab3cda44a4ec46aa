"""The table of --metadata: what is known of the images beside their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.findings.metadata import MetadataTable
from cam_audit.scan.image_paths import match, normal
from cam_audit.scan.table import read_table
from cam_audit.text import visible

# What the column with the paths is called; if no column is, it is the first.
PATH_COLUMNS = ("path", "filepath", "file", "filename", "image", "imageid", "imagename", "name")


def read_metadata(path: Path, names: Sequence[str]) -> MetadataTable:
    """The cells of the images `names`, from a CSV with a header: a path, and further columns.

    A row is about the image at its path or, failing that, the one with the longest end of the path that only one image
    and one row have.

    Raises CamAuditError if the file can't be read, says nothing, contradicts itself, or is about other images.
    """
    table = [(line, [visible(cell) for cell in row]) for line, row in read_table(path)]
    if len(table) < 2:
        raise CamAuditError(f"{path}: holds no rows below a header; expected path and further columns such as site")
    head, rows = table[0][1], table[1:]
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
        key = normal(row[at])
        said = tuple(row[number] if number < len(row) else "" for number in columns)
        if cells.setdefault(key, said) != said:
            raise CamAuditError(f"{path}, lines {lines[key]} and {line}: both are about {key!r}, and they differ")
        lines.setdefault(key, line)
    found = {name: cells[key] for name, key in match(names, {key: key for key in cells}).items()}
    if not found:
        example = names[0] if names else "class/image.jpg"
        raise CamAuditError(
            f"{path}: no row is about an image of the data set; rows begin with a path such as {example}"
        )
    return MetadataTable(tuple(head[number] for number in columns), found)
