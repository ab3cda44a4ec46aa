"""A labels file to look over and use, where folders are not named as the net names its classes but nearly so."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cam_audit.models.class_names import ClassNames, fold
from cam_audit.reports.results_csv import inert

COLUMNS = ("folder", "class", "or")
# How much alike two names must be, 0..1 (difflib), where neither has the other's words.
ALIKE = 0.75
MAX_OTHERS = 3


@dataclass(frozen=True, slots=True)
class Proposal:
    """A class for a folder, "" if no name is near, and others that it could be."""

    folder: str
    name: str
    others: tuple[str, ...] = ()


def near_classes(folders: Iterable[str], classes: ClassNames) -> list[Proposal]:
    """For each folder, the class with the nearest name: one has the other's words, or both are spelt much alike."""
    words = {name: _words(name) for name in dict.fromkeys(classes.names)}
    by_spelling = {" ".join(of_class): name for name, of_class in words.items()}
    return [_nearest(folder, words, by_spelling) for folder in folders]


def counted_from_one(folders: Sequence[str], classes: ClassNames) -> list[Proposal]:
    """For folders called 1, 2, ..., the class if they count from 1, and beside it the class if they count from 0."""
    names = classes.names
    return [
        Proposal(
            folder,
            str(int(folder) - 1) if int(folder) <= len(names) else "",
            tuple(f"{folder} if counted from 0: {names[int(folder)]}" for _ in range(int(folder) < len(names))),
        )
        for folder in folders
    ]


def labels_file(proposals: Iterable[Proposal]) -> str:
    """The proposals as --labels takes them: folder, class, and a column for people with what else it could be."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((inert(each.folder), inert(each.name), inert("; ".join(each.others))) for each in proposals)
    return buffer.getvalue()


def _nearest(folder: str, words: Mapping[str, Sequence[str]], by_spelling: Mapping[str, str]) -> Proposal:
    own = _words(folder)
    spelt = " ".join(own)

    def likeness(name: str) -> float:
        return difflib.SequenceMatcher(None, spelt, " ".join(words[name])).ratio()

    near = [
        name
        for name, of_class in words.items()
        if own and of_class and (set(own) <= set(of_class) or set(of_class) <= set(own))
    ]
    if not near:
        close = difflib.get_close_matches(spelt, by_spelling, n=1 + MAX_OTHERS, cutoff=ALIKE)
        near = [by_spelling[each] for each in close]
    name, *others = sorted(near, key=lambda each: (-likeness(each), each)) or [""]
    return Proposal(folder, name, tuple(others[:MAX_OTHERS]))


def _words(name: str) -> list[str]:
    """The words of a name; numbers tell no class."""
    return [word for word in re.split(r"[^\w]+|_", fold(name)) if word and not word.isdigit()]
