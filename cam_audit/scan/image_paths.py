"""Which image of a data set a path in a table or an annotation file is about."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence


def normal(path: str) -> str:
    """A path as paths and images are compared by it."""
    return unicodedata.normalize("NFC", path.replace("\\", "/")).removeprefix("./").strip("/")


def without_suffix(path: str) -> str:
    """A path without its suffix."""
    return os.path.splitext(path)[0]


def by_path(files: Iterable[str]) -> dict[str, str]:
    """Files by the paths at which an image may find them: their own, and theirs without the suffix."""
    found: dict[str, str] = {}
    for file in files:
        path = normal(file)
        found[path] = file
        found.setdefault(without_suffix(path), file)
    return found


def at_path(name: str, paths: Mapping[str, str]) -> str | None:
    """What an image finds at its path, with its suffix or without; `paths`: by `normal` path."""
    path = normal(name)
    return paths.get(path) or paths.get(without_suffix(path))


def match(names: Sequence[str], paths: Mapping[str, str]) -> dict[str, str]:
    """What each image finds at its path or, failing that, by the longest end that only one image and one path have.

    `paths`: what there is to find, by `normal` path. Images that find nothing are left out.
    """
    found = {name: there for name in names if (there := at_path(name, paths)) is not None}
    rest = [name for name in names if name not in found]
    if not rest:
        return found
    ending: dict[str, set[str]] = {}
    for path, there in paths.items():
        for end in _ends(path):
            ending.setdefault(end, set()).add(there)
    images = Counter(end for name in names for end in set(_ends_of_image(name)) if end in ending)
    for name in rest:
        end = next((end for end in _ends_of_image(name) if end in ending), "")
        # what several images or paths end with could be any one's
        if images[end] == 1 and len(ending[end]) == 1:
            (found[name],) = ending[end]
    return found


def _ends_of_image(name: str) -> Iterator[str]:
    """What an image's path ends with, each with the suffix and without, the longest first."""
    for end in _ends(normal(name)):
        yield from (end, without_suffix(end))


def _ends(path: str) -> list[str]:
    """What a path ends with, the longest first: itself, then without its first folder, ..., its file name."""
    parts = path.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]
