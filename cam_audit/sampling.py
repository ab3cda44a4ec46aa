"""Which images the audit looks at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cam_audit.records import ImageSource

# A class of fewer images is reported as too small, and no cue is looked for in it.
MIN_IMAGES = 12
# The finders compare images pairwise, so their number is capped: by class, and over all classes for memory.
MAX_SAMPLED_PER_CLASS = 60
MAX_SAMPLED = 8000
MIN_SAMPLED_PER_CLASS = 24


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the audit keeps of an image that was not sampled: its full width and height, and the predicted class."""

    source: ImageSource
    width: int
    height: int
    predicted: int


def folders_of(sources: Iterable[ImageSource]) -> dict[str, list[str]]:
    """The names of the images of each class folder."""
    folders: dict[str, list[str]] = {}
    for source in sources:
        if source.label:
            folders.setdefault(source.label, []).append(source.name)
    return folders


def choose_sample(folders: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Names of the images that the finders look at: of each folder at most a fixed number, evenly spread.

    None where there is nothing to compare: fewer than two folders, or none of MIN_IMAGES images.
    """
    if len(folders) < 2 or max(map(len, folders.values())) < MIN_IMAGES:
        return frozenset()
    cap = min(MAX_SAMPLED_PER_CLASS, max(MIN_SAMPLED_PER_CLASS, MAX_SAMPLED // len(folders)))
    chosen: list[str] = []
    for names in folders.values():
        count = min(cap, len(names))
        chosen += [names[index * len(names) // count] for index in range(count)]
    return frozenset(chosen)
