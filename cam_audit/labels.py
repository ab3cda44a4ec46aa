"""Which class of the net a folder of a data set stands for."""

from __future__ import annotations

import csv
import difflib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.records import ImageSource


@dataclass(frozen=True)
class ClassNames:
    """The classes of a net, found by name (case, `_` and `-` folded), WordNet id or index, in that order."""

    names: tuple[str, ...]
    ids: tuple[str, ...]
    _folded: dict[str, list[int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded: dict[str, list[int]] = {}
        for index, name in enumerate(self.names):
            folded.setdefault(_fold(name), []).append(index)
        object.__setattr__(self, "_folded", folded)

    def find(self, word: str) -> int | None:
        """The index of the class that `word` names, or None, also where several classes share the name.

        Of classes whose names differ only in what is folded, the exact word names one.
        """
        same = self._folded.get(_fold(word), [])
        for candidates in ([index for index in same if self.names[index] == word], same):
            if len(candidates) == 1:
                return candidates[0]
        if word and word in self.ids:
            return self.ids.index(word)
        # Python refuses to read numbers of thousands of digits
        if word.isascii() and word.isdigit() and len(word) < 10 and int(word) < len(self.names):
            return int(word)
        return None

    def nearest(self, word: str) -> str | None:
        """The class whose name is most like `word`, for messages about a typo."""
        close = difflib.get_close_matches(_fold(word), self._folded, n=1)
        return self.names[self._folded[close[0]][0]] if close else None

    def require(self, word: str, where: str) -> int:
        """`find`, but raises CamAuditError, naming `where` the word stood, for a word that names no class."""
        index = self.find(word)
        if index is None:
            if same := self._folded.get(_fold(word)):
                which = " or ".join(map(str, same))
                raise CamAuditError(
                    f"{where}: {len(same)} classes are called {word!r:.90}; name one by its index: {which}"
                )
            nearest = self.nearest(word)
            hint = f"; did you mean {nearest!r}?" if nearest else "; `cam-audit models info --classes FILE` lists them"
            raise CamAuditError(f"{where}: the net has no class {word!r:.90}{hint}")
        return index


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().casefold()


def read_label_map(path: Path, classes: ClassNames) -> dict[str, int]:
    """Read a CSV of `folder,class` rows (with or without that header) into folder -> class index.

    Raises CamAuditError where the file can't be read or a row names no class of the net.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CamAuditError(f"{path}: cannot be read as CSV: {error}") from None
    if rows and [cell.strip().lower() for cell in rows[0][1]] == ["folder", "class"]:
        rows = rows[1:]
    mapping: dict[str, int] = {}
    for line, row in rows:
        if len(row) != 2:
            raise CamAuditError(f"{path}, line {line}: expected folder,class and found {len(row)} cells")
        mapping[row[0].strip("/")] = classes.require(row[1].strip(), f"{path}, line {line}")
    return mapping


def label_images(
    root: Path, names: Iterable[str], classes: ClassNames, label_map: Mapping[str, int]
) -> list[ImageSource]:
    """Image sources for `names` below `root`, each labelled by its first folder; `label_map` goes before names."""
    base = str(root if root.is_dir() else root.parent)
    known: dict[str, int | None] = {"": None}
    sources = []
    for name in names:
        # one string a class, however many images it has
        label = sys.intern(name.partition("/")[0] if "/" in name else "")
        if label not in known:
            known[label] = label_map[label] if label in label_map else classes.find(label)
        sources.append(ImageSource(base, name, label, known[label]))
    return sources
