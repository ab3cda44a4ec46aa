"""A net's classes, found by what people call them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass, field

from cam_audit.errors import CamAuditError


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
