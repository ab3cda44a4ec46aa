"""How the folders and file names of a data set tell the class and the split of an image."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cam_audit.errors import CamAuditError
from cam_audit.models.class_names import ClassNames

# What folders of parts of a data set are called, in any case, and what each part is called here.
SPLITS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    "test": "test",
}
# In a pattern of file names: the class, and anything else.
CLASS, ANYTHING = "{class}", "{}"


@dataclass(frozen=True, slots=True)
class Place:
    """What the name of an image tells: the `word` for its class, "" for none; its split; and as in `ImageSource`."""

    word: str
    split: str
    level: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where classes and splits stand in the names of a data set's images.

    `splits`: the first folders that are splits. `class_level`: which folder is the class, counted from 1; None for the
    first that is no split. `pattern`: what tells the class of a file name in the place of folders, if anything.
    """

    splits: frozenset[str] = frozenset()
    class_level: int | None = None
    pattern: re.Pattern[str] | None = None

    def place(self, name: str) -> Place:
        """What a name tells; `name`: the path of an image below the data set, with `/` between folders."""
        folders = name.split("/")[:-1]
        split = split_of(folders[0]) if folders and folders[0] in self.splits else ""
        if self.pattern:
            found = self.pattern.fullmatch(name)
            return Place(found[1] if found else "", split, 0)
        level = self.level_of(folders)
        if self.class_level and not split:
            split = next(filter(None, map(split_of, folders[: level - 1])), "")
        return Place(folders[level - 1], split, level) if len(folders) >= level else Place("", split, 0)

    def level_of(self, folders: Sequence[str]) -> int:
        """Which of the folders that an image lies in is its class, counted from 1."""
        return self.class_level or (2 if folders and folders[0] in self.splits else 1)


def split_of(word: str) -> str:
    """The split that a word names: train, val or test; "" for none."""
    return SPLITS.get(word.casefold(), "")


def layout_of(
    names: Sequence[str],
    classes: ClassNames,
    *,
    class_level: int | None = None,
    pattern: str | None = None,
) -> Layout:
    """The layout of a data set, by the names of its images; raises CamAuditError for a pattern without a class."""
    splits = frozenset[str]() if class_level == 1 else _splits(names, classes)
    return Layout(splits, class_level, _compiled(pattern) if pattern else None)


def _splits(names: Sequence[str], classes: ClassNames) -> frozenset[str]:
    """The first folders that are splits and not classes, by what the others are and by what is in them."""
    first = {name.partition("/")[0] for name in names if "/" in name}
    called = {folder for folder in first if split_of(folder)}
    below = {parts[1] for parts in (name.split("/", 2) for name in names) if len(parts) == 3 and parts[0] in called}
    are_classes = any(classes.find(folder) is not None for folder in called)
    if first - called:
        # a class may be called `test`, beside another: what lies below it tells
        are_splits = not are_classes and any(classes.find_name(folder) is not None for folder in below)
    else:
        are_splits = bool(below) or not are_classes
    return frozenset(called if are_splits else ())


def deeper_level(names: Iterable[str], layout: Layout, classes: ClassNames) -> tuple[int, list[str]] | None:
    """The first level below that of the layout whose folders are named like the net's classes, and these folders.

    At least two classes are there, and half of the folders. Numbers are no names: folders of any level have them.
    """
    words: dict[int, set[str]] = {}
    for name in names:
        folders = name.split("/")[:-1]
        own = layout.level_of(folders)
        for level, folder in enumerate(folders[own:], own + 1):
            words.setdefault(level, set()).add(folder)
    for level, of_level in sorted(words.items()):
        matched = [folder for folder in sorted(of_level) if classes.find_name(folder) is not None]
        if len({classes.find_name(folder) for folder in matched}) > 1 and 2 * len(matched) >= len(of_level):
            return level, matched
    return None


def _compiled(pattern: str) -> re.Pattern[str]:
    """A pattern of file names, as `{class}.{}.jpg`; with a `/` in it, of paths below the data set."""
    parts = re.split(r"(\{[^{}]*\})", pattern)
    if parts.count(CLASS) != 1:
        raise CamAuditError(
            f"--label-pattern {pattern}: takes {CLASS} once, for the class, as '{CLASS}.{ANYTHING}.jpg'"
        )
    unknown = [part for part in parts[1::2] if part not in (CLASS, ANYTHING)]
    if unknown:
        raise CamAuditError(f"--label-pattern {pattern}: {unknown[0]} means nothing; {ANYTHING} is anything")
    signs = {CLASS: "([^/]+)", ANYTHING: "[^/]*"}
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    # suffixes are written in either case
    return re.compile(
        anywhere + "".join(signs.get(part) or re.escape(part) for part in parts), re.IGNORECASE | re.DOTALL
    )
