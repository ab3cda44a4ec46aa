"""Charts of a scan as shapes to draw, capped so that a net of a thousand classes still has readable ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from cam_audit.records import BORDER_AREA
from cam_audit.reports.counts import ClassCounts

BINS = 10
MAX_CONFUSED = 14
MAX_CLASSES = 24
OTHER = "other classes"


@dataclass(frozen=True)
class Confusion:
    """Folders (rows) by predictions (columns), counts of images; `left_out`: folders that are not shown."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    right: tuple[int, ...]
    left_out: int


@dataclass(frozen=True)
class Histogram:
    """How many images of a folder have a top score in each tenth of 0..1, rightly and wrongly predicted."""

    label: str
    right: tuple[int, ...]
    wrong: tuple[int, ...]
    median: float

    @property
    def highest(self) -> int:
        """The images in the fullest tenth."""
        return max(map(sum, zip(self.right, self.wrong, strict=True)))


@dataclass(frozen=True)
class Spread:
    """Median and middle half of a share over the images of a folder, 0..1; `expected`: where chance would put it."""

    label: str
    images: int
    low: float
    middle: float
    high: float
    expected: float


@dataclass(frozen=True)
class Charts:
    """All charts of a scan; None or empty where there is nothing to draw. `left_out`: folders without a histogram."""

    confusion: Confusion | None
    histograms: tuple[Histogram, ...]
    border: tuple[Spread, ...]
    inside: tuple[Spread, ...]
    left_out: int


def charts(classes: Mapping[str, ClassCounts]) -> Charts:
    """The charts of a scan."""
    worst = sorted(classes, key=lambda label: (-len(classes[label].wrong_scores) / classes[label].images, label))
    histograms = [_histogram(label, classes[label]) for label in sorted(worst[:MAX_CLASSES])]
    return Charts(
        _confusion({label: counts for label, counts in classes.items() if counts.labelled}),
        tuple(histograms),
        _spreads(classes, lambda counts: counts.border, lambda _: [BORDER_AREA], highest_first=True),
        _spreads(classes, lambda counts: counts.inside, lambda counts: counts.inside_area, highest_first=False),
        max(0, len(classes) - MAX_CLASSES),
    )


def _confusion(labelled: Mapping[str, ClassCounts]) -> Confusion | None:
    """None where no folder stands for a class of the net, or there is only one."""
    if len(labelled) < 2:
        return None
    # a folder may be called by a WordNet id: what its rightly predicted images are called is its class
    names = {label: label if counts.name is None else counts.name for label, counts in labelled.items()}
    mistaken = {label: counts.mistaken for label, counts in labelled.items()}
    shown = _most_confused(mistaken, names)
    rows = [label for label in sorted(labelled) if names[label] in shown]
    columns = [names[label] for label in rows]
    columns += sorted(shown - set(columns))
    cells = []
    for label in rows:
        right = labelled[label].agreeing
        line = [mistaken[label][name] + (right if name == names[label] else 0) for name in columns]
        cells.append((*line, labelled[label].labelled - sum(line)))
    if not any(line[-1] for line in cells):
        cells = [line[:-1] for line in cells]
    else:
        columns.append(OTHER)
    return Confusion(
        tuple(rows),
        tuple(columns),
        tuple(cells),
        tuple(columns.index(names[label]) for label in rows),
        len(labelled) - len(rows),
    )


def _most_confused(mistaken: Mapping[str, Counter[str]], names: Mapping[str, str]) -> set[str]:
    """Classes, at most MAX_CONFUSED: those of the most frequent mistakes, filled up with others."""
    pairs = [(times, label, name) for label, counts in mistaken.items() for name, times in counts.items()]
    shown: set[str] = set()
    for _, label, name in sorted(pairs, key=lambda pair: (-pair[0], pair[1:])):
        if len(shown | {names[label], name}) <= MAX_CONFUSED:
            shown |= {names[label], name}
    for label in sorted(names):
        if len(shown) < MAX_CONFUSED:
            shown.add(names[label])
    return shown


def _histogram(label: str, counts: ClassCounts) -> Histogram:
    every, wrong = _by_tenths(counts.scores), _by_tenths(counts.wrong_scores)
    right = tuple(all_of_them - wrong_ones for all_of_them, wrong_ones in zip(every, wrong, strict=True))
    return Histogram(label, right, wrong, median(counts.scores))


def _by_tenths(scores: Iterable[float]) -> tuple[int, ...]:
    """How many scores there are in each tenth of 0..1; 1 is in the last."""
    tenths = Counter(min(BINS - 1, int(score * BINS)) for score in scores)
    return tuple(tenths[index] for index in range(BINS))


def _spreads(
    classes: Mapping[str, ClassCounts],
    values_of: Callable[[ClassCounts], Sequence[float]],
    chances_of: Callable[[ClassCounts], Sequence[float]],
    *,
    highest_first: bool,
) -> tuple[Spread, ...]:
    """The folders whose shares are furthest on the suspicious side, that one first."""
    spreads = []
    for label, counts in classes.items():
        values, chances = values_of(counts), chances_of(counts)
        if values and chances:
            low, middle, high = _quartiles(values)
            spreads.append(Spread(label, len(values), low, middle, high, median(chances)))
    spreads.sort(key=lambda spread: ((-1 if highest_first else 1) * (spread.middle - spread.expected), spread.label))
    return tuple(spreads[:MAX_CLASSES])


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return low, middle, high
