"""The names of a net's classes: read from a file, and found by what people call them."""

from __future__ import annotations

import csv
import difflib
import re
import unicodedata
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class ClassNames:
    """The classes of a net, found by name (see `fold`), WordNet id or index, in that order."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    _folded: dict[str, list[int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded: dict[str, list[int]] = {}
        for index, name in enumerate(self.names):
            folded.setdefault(fold(name), []).append(index)
        object.__setattr__(self, "_folded", folded)

    def find(self, word: str) -> int | None:
        """The index of the class that `word` names, or None, also where several classes share the name.

        Of classes whose names differ only in what is folded, the exact word names one.
        """
        index = self.find_name(word)
        if index is None and is_number(word) and int(word) < len(self.names):
            return int(word)
        return index

    def find_name(self, word: str) -> int | None:
        """`find`, but by name and WordNet id alone."""
        same = self._folded.get(fold(word), [])
        for candidates in ([index for index in same if self.names[index] == word], same):
            if len(candidates) == 1:
                return candidates[0]
        return self.ids.index(word) if word and word in self.ids else None

    def nearest(self, word: str) -> str | None:
        """The class whose name is most like `word`, for messages about a typo."""
        close = difflib.get_close_matches(fold(word), self._folded, n=1)
        return self.names[self._folded[close[0]][0]] if close else None

    def require(self, word: str, where: str) -> int:
        """`find`, but raises CamAuditError, naming `where` the word stood, for a word that names no class."""
        index = self.find(word)
        if index is None:
            if same := self._folded.get(fold(word)):
                which = " or ".join(map(str, same))
                raise CamAuditError(
                    f"{where}: {len(same)} classes are called {word!r:.90}; name one by its index: {which}"
                )
            nearest = self.nearest(word)
            hint = f"; did you mean {nearest!r}?" if nearest else "; `cam-audit models info --classes FILE` lists them"
            raise CamAuditError(f"{where}: the net has no class {word!r:.90}{hint}")
        return index


def fold(name: str) -> str:
    """What names that people take for the same have in common: case, Unicode normal form, `_`, `-` and space folded."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"[\s_-]+", " ", plain).strip()


def is_number(word: str) -> bool:
    """Whether a word may be the index of a class."""
    # Python refuses to read numbers of thousands of digits
    return word.isascii() and word.isdigit() and len(word) < 10
