"""Metadata of images: which of them give the class away, and how often the net is right for each value.

The columns are those of a table (`--metadata`) and what EXIF data say: camera, program and date.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from cam_audit.findings.codes import METADATA
from cam_audit.findings.cues.records import Features, ImageFeatures, Suspicion
from cam_audit.findings.cues.values import suspicions
from cam_audit.findings.intervals import share_interval
from cam_audit.models.class_names import fold
from cam_audit.records import ImageResult, MetadataGroup
from cam_audit.text import count
from cam_audit.workers import Each, one_by_one

# What EXIF data say, by the name of the field of `records.Exif`.
EXIF_COLUMNS = {"camera": "EXIF camera", "software": "EXIF software", "date": "EXIF date"}
NOT_GIVEN = "not given"
# A column of numbers with more values than this is put into so many bins that hold as many images each.
MAX_NUMBERS = 10
BINS = 8
# A column is an id where so large a share of its values are of one image: words, and whole numbers.
_MAX_WORDS = 0.5
_MAX_WHOLE = 0.9
# A column that says what the class is called, in more than this share of the images, is the label.
_MAX_CLASS_SAID = 0.5
_DATE = re.compile(r"(\d{4})[-:/](\d\d)[-:/](\d\d)(?:\D.*)?")


@dataclass(frozen=True)
class MetadataTable:
    """A table about images: the names of its columns, and by image its cells, "" where nothing is given."""

    columns: tuple[str, ...] = ()
    rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def cells(self, name: str) -> tuple[str, ...]:
        """The cells of an image."""
        return self.rows.get(name) or ("",) * len(self.columns)


@dataclass
class _Count:
    """Images with one value: how many there are, have a class of the net, and are right."""

    images: int = 0
    labelled: int = 0
    right: int = 0

    def add(self, other: _Count) -> None:
        self.images += other.images
        self.labelled += other.labelled
        self.right += other.right


class Metadata:
    """The metadata of a scan's images, counted by column and value; those of the `sampled` images are kept."""

    def __init__(self, table: MetadataTable | None, sampled: frozenset[str]) -> None:
        self._table = table or MetadataTable()
        self._sampled = sampled
        self.columns = (*self._table.columns, *EXIF_COLUMNS.values())
        self._counts: tuple[dict[str, _Count], ...] = tuple({} for _ in self.columns)
        self._cells: dict[str, tuple[str, ...]] = {}
        self._images = 0
        self._without_row = 0
        # in how many images each column says what the class is called
        self._class_said = [0] * len(self.columns)

    def add(self, record: ImageResult) -> None:
        """Count an image."""
        name = record.source.name
        cells = (*self._table.cells(name), *(getattr(record.exif, each) for each in EXIF_COLUMNS))
        one = _Count(1, int(record.agrees is not None), int(record.agrees is True))
        for counts, cell in zip(self._counts, cells, strict=True):
            counts.setdefault(cell, _Count()).add(one)
        called = {fold(record.source.label), str(record.source.label_class)}
        for place, cell in enumerate(cells):
            self._class_said[place] += bool(cell) and fold(cell) in called
        if name in self._sampled:
            self._cells[name] = cells
        self._images += 1
        self._without_row += name not in self._table.rows

    def binned(self) -> dict[str, Mapping[str, str]]:
        """By column that tells images apart, the group of each value.

        An id has another value in each image, so it does not; a column that says what the class is called is left out.
        """
        found = {
            column: grouping({value: each.images for value, each in counts.items()})
            for column, counts, said in zip(self.columns, self._counts, self._class_said, strict=True)
            if said <= _MAX_CLASS_SAID * self._images
        }
        return {column: groups for column, groups in found.items() if len(set(groups.values())) > 1}

    def groups(self) -> tuple[MetadataGroup, ...]:
        """The accuracy for each group of each column, the worst of a column first."""
        by_column = dict(zip(self.columns, self._counts, strict=True))
        return tuple(
            group for column, groups in self.binned().items() for group in _accuracy(column, groups, by_column[column])
        )

    def notes(self) -> Iterator[str]:
        """Which columns of the table were left out."""
        binned = self.binned()
        left_out = [column for column in self._table.columns if column not in binned]
        if left_out:
            yield (
                f"metadata: left out {', '.join(left_out)}: the same in all images, another in each, or what the class "
                "is called"
            )
        if self._table.columns and self._without_row:
            yield f"metadata: {self._without_row:,} of {count(self._images, 'image')} have no row in the table"

    def suspected(self, images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
        """The classes that a column gives away: see `values.suspicions`."""
        binned = self.binned()

        def value_of(column: str, image: Features) -> str:
            cells = self._cells.get(image.name)
            return binned[column].get(cells[self.columns.index(column)], NOT_GIVEN) if cells else ""

        return suspicions(
            METADATA,
            images,
            {column: partial(value_of, column) for column in binned},
            list(binned),
            cue="the metadata of its images: {}",
            tried=max(1, len(binned)),
            each=each,
        )


def grouping(images: Mapping[str, int]) -> dict[str, str]:
    """The group of each value of a column, by how many images have it; empty for an id, which has one value an image.

    Numbers of which there are many are binned, so that each bin has as many images; dates are cut to the day or, where
    few images share one, to the month or the year. The group of "" is NOT_GIVEN.
    """
    given = {value: number for value, number in images.items() if value}
    total = sum(given.values())
    missing = {"": NOT_GIVEN} if "" in images else {}
    numbers = {value: number for value in given if (number := _number(value)) is not None}
    if given and len(numbers) == len(given) > MAX_NUMBERS:
        whole = all(number.is_integer() for number in numbers.values())
        return {} if whole and len(given) > _MAX_WHOLE * total else _bins(numbers, given) | missing
    dates = {value: date.groups() for value in given if (date := _DATE.fullmatch(value))}
    if given and len(dates) == len(given):
        for parts in (3, 2, 1):
            cut = {value: "-".join(date[:parts]) for value, date in dates.items()}
            if len(set(cut.values())) <= _MAX_WORDS * total:
                return cut | missing
        return {}
    return {} if len(given) > _MAX_WORDS * total else {value: value for value in given} | missing


def _bins(numbers: Mapping[str, float], images: Mapping[str, int]) -> dict[str, str]:
    """The bin of each number, in words; equal numbers are in one bin."""
    ordered = sorted(numbers, key=lambda value: numbers[value])
    ends = np.cumsum([images[value] for value in ordered])
    # of each number, the bin in which the middle one of its images lies
    middles = ends - np.array([images[value] for value in ordered]) / 2
    places = np.minimum((middles * BINS / ends[-1]).astype(int), BINS - 1).tolist()
    words: dict[str, str] = {}
    for place in sorted(set(places)):
        within = [value for value, of_value in zip(ordered, places, strict=True) if of_value == place]
        first, last = within[0], within[-1]
        words |= dict.fromkeys(within, first if len(within) == 1 else f"{first} to {last}")
    return words


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _accuracy(column: str, groups: Mapping[str, str], counts: Mapping[str, _Count]) -> list[MetadataGroup]:
    totals: dict[str, _Count] = {}
    for value, of_value in counts.items():
        totals.setdefault(groups.get(value, NOT_GIVEN), _Count()).add(of_value)
    found = []
    for value, of_group in totals.items():
        share = share_interval(of_group.right, of_group.labelled) if of_group.labelled else None
        low, high = (round(share.low, 6), round(share.high, 6)) if share else (0.0, 1.0)
        found.append(MetadataGroup(column, value, of_group.images, of_group.labelled, of_group.right, low, high))
    # a group of few images is not the worst for certain, so the end of the interval decides
    return sorted(found, key=lambda group: (group.high, -group.images, group.value))
