"""The file of --labels: rows that say which class a folder or an image is, in the forms in which people have them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassNames, is_number
from cam_audit.scan.image_paths import match, normal
from cam_audit.scan.layout import split_of
from cam_audit.scan.table import Line, read_table

# What columns are called, the likeliest first; compared without case, space, `-` and `_`.
PATH_COLUMNS = (
    *("path", "filepath", "imagepath", "file", "filename", "image", "imagename", "imageid", "img", "imgpath", "id"),
    *("name", "folder", "directory"),
)
CLASS_COLUMNS = (
    *(
        "class",
        "label",
        "classes",
        "labels",
        "classname",
        "labelname",
        "category",
        "diagnosis",
        "dx",
        "breed",
        "species",
        "target",
        "y",
    ),
)
# What stands between several classes of an image.
SEVERAL = ";"
SPLIT_COLUMNS = ("split", "subset", "set", "partition", "fold")


@dataclass(frozen=True, slots=True)
class Row:
    """What a row says: the word for the class, the net's class of that, and the split, "" for none; and its line.

    `more`: the same of the other classes, where it gives several.
    """

    word: str
    index: int
    split: str
    line: int
    more: tuple[tuple[str, int], ...] = ()

    @property
    def words(self) -> str:
        """The words for its classes, `;` between."""
        return SEVERAL.join(word for word, _ in self.classes)

    @property
    def classes(self) -> tuple[tuple[str, int], ...]:
        """All words for classes, each with the net's class."""
        return ((self.word, self.index), *self.more)


@dataclass(frozen=True)
class _Columns:
    """Where path, class and split stand in a row; `one_hot`: the columns that are classes, with their names."""

    path: int = 0
    label: int = 1
    split: int | None = None
    one_hot: Mapping[int, str] | None = None

    def words(self, cells: Sequence[str], classes: ClassNames) -> list[str]:
        """The classes that a row names, `;` between them, unless that is in the name of a class."""
        if self.one_hot is not None:
            return [word for column, word in self.one_hot.items() if _is_one(cells[column : column + 1])]
        cell = cells[self.label] if self.label < len(cells) else ""
        words = [cell] if classes.find(cell) is not None else cell.split(SEVERAL)
        return [word.strip() for word in words if word.strip()]


def read_labels(path: Path, classes: ClassNames) -> dict[str, Row]:
    """Read rows `folder,class` or `path,class`, or a list of paths with indices, by `normal` folder or path.

    Comma, `;` or tab, UTF-8 or UTF-16; a header may name other columns, among them the split, or a column for each
    class with a 1. A row may give several classes, `;` between. Rows without a class are left out.

    Raises CamAuditError where the file can't be read or has no row, a row names no class of the net, or two rows give
    one path two classes.
    """
    rows: dict[str, Row] = {}
    columns, lines = _columns(read_table(path), classes)
    for line, cells in lines:
        if len(cells) < 2:
            raise CamAuditError(f"{path}, line {line}: expected folder,class or path,class and found one cell")
        words = columns.words(cells, classes)
        if not words:
            continue
        split = cells[columns.split] if columns.split is not None and columns.split < len(cells) else ""
        found = {classes.require(word, f"{path}, line {line}"): word for word in reversed(words)}
        (index, word), *more = sorted(found.items())
        row = Row(word, index, split_of(split) or split, line, tuple((other, of) for of, other in more))
        key = normal(cells[columns.path])
        before = rows.setdefault(key, row)
        if [index for _, index in before.classes] != [index for _, index in row.classes]:
            raise CamAuditError(
                f"{path}, lines {before.line} and {line}: {key!r:.90} is {before.words!r:.90} and {row.words!r:.90}; "
                f"if it is both, write one row with a {SEVERAL} between the classes"
            )
    if not rows:
        raise CamAuditError(f"{path}: no row names a class; expected folder,class or path,class")
    return rows


def rows_of_images(names: Sequence[str], rows: Mapping[str, Row]) -> dict[str, Row]:
    """The rows that name images, by the image."""
    return {name: rows[path] for name, path in match(names, {path: path for path in rows}).items()}


def row_of_folder(name: str, word: str, rows: Mapping[str, Row]) -> Row | None:
    """The row of the deepest folder that holds an image, or of the folder that is its class, by its name alone."""
    folders = normal(name).split("/")[:-1]
    for depth in range(len(folders), 0, -1):
        row = rows.get("/".join(folders[:depth]))
        if row:
            return row
    return rows.get(normal(word)) if word else None


def _columns(table: list[Line], classes: ClassNames) -> tuple[_Columns, list[Line]]:
    """Where the columns are, as the header says, if there is one, and the other rows."""
    if not table or len(table[0][1]) < 2:
        return _Columns(), table
    head, rest = table[0][1], table[1:]
    titles = [re.sub(r"[\s_-]", "", cell).casefold() for cell in head]
    paths, labels, splits = (
        [titles.index(title) for title in known if title in titles]
        for known in (PATH_COLUMNS, CLASS_COLUMNS, SPLIT_COLUMNS)
    )
    is_header = bool(paths) and (bool(labels) or paths[0] == 0) and classes.find(head[1]) is None
    one_hot = {column: cell for column, cell in enumerate(head) if column and classes.find_name(cell) is not None}
    if paths and not labels and len(one_hot) > 1:
        return _Columns(paths[0], split=splits[0] if splits else None, one_hot=one_hot), rest
    if not is_header:
        return _Columns(), table
    first = rest[0][1] if rest else []
    # of several columns that may be the class, the one whose first value is one
    known = [column for column in labels if column < len(first) and classes.find(first[column]) is not None]
    label = next(iter((*known, *labels)), 1 if paths[0] == 0 else 0)
    return _Columns(paths[0], label, splits[0] if splits else None), rest


def _is_one(cells: Sequence[str]) -> bool:
    try:
        return bool(cells) and float(cells[0]) == 1
    except ValueError:
        return False


def numbers_among(words: Iterable[str], classes: ClassNames) -> list[str]:
    """The words that can only be the number of a class, in the order of the numbers."""
    return sorted((word for word in words if is_number(word) and classes.find_name(word) is None), key=int)
