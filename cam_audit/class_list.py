"""Names of a net's classes, in the order of its outputs, from a file."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from cam_audit.errors import CamAuditError

IMAGENET_FILE = Path(__file__).parent / "data" / "imagenet_classes.csv"


@dataclass(frozen=True)
class ClassList:
    """A name a class and, where the file has them, a WordNet id a class."""

    names: tuple[str, ...]
    ids: tuple[str, ...] | None = None


def imagenet_classes() -> ClassList:
    """The 1000 classes of ImageNet (ILSVRC 2012), in the order that every net of it uses."""
    return read_class_list(IMAGENET_FILE)


def read_class_list(path: Path) -> ClassList:
    """Read one name a line, or CSV with the columns index, wnid and name; empty lines are left out.

    Raises CamAuditError where the file can't be read, has no name, or rows lack a column or an index.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise CamAuditError(f"{path}: class names must be UTF-8 text") from None
    except OSError as error:
        raise CamAuditError(f"{path}: cannot be read: {error.strerror}") from None
    names = [line.strip() for line in lines if line.strip()]
    is_table = bool(names) and {"index", "name"} <= set(names[0].split(","))
    classes = _from_table(path, names) if is_table else ClassList(tuple(names))
    if not classes.names:
        raise CamAuditError(f"{path}: no class names in it")
    return classes


def _from_table(path: Path, lines: list[str]) -> ClassList:
    try:
        rows = list(csv.DictReader(lines))
    except csv.Error as error:
        raise CamAuditError(f"{path}: cannot be read as CSV: {error}") from None
    if any(row.get(column) is None for row in rows for column in ("index", "wnid", "name")):
        raise CamAuditError(f"{path}: a CSV of classes needs the columns index,wnid,name in every row")
    rows.sort(key=lambda row: row["index"].zfill(9))
    if [row["index"] for row in rows] != [str(index) for index in range(len(rows))]:
        raise CamAuditError(f"{path}: the column index must count from 0 and leave out nothing")
    return ClassList(tuple(row["name"] for row in rows), tuple(row["wnid"] for row in rows))
