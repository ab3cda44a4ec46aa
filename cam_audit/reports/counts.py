"""A scan's images in numbers, of all and of each class: what reports say and draw of more than one image."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

from cam_audit.reports.scan_report import ImageRow, ScanReport

# So many of the images that could not be read are kept with the reason.
MAX_UNREADABLE = 500


def _floats() -> array[float]:
    return array("d")


@dataclass
class ClassCounts:
    """The images of one class folder that could be read.

    `labelled`: how many have a class of the net; `mistaken`: what those of them that are predicted wrongly are taken
    for. By image, 0..1, where it has one: `scores` of the predicted class, `wrong_scores` the same of those predicted
    wrongly, `label_scores` of the folder's class, `border`, `inside` and `inside_area` shares. `name`: what the first
    that is predicted rightly is called; None where none is.
    """

    images: int = 0
    labelled: int = 0
    mistaken: Counter[str] = field(default_factory=Counter)
    scores: array[float] = field(default_factory=_floats)
    wrong_scores: array[float] = field(default_factory=_floats)
    label_scores: array[float] = field(default_factory=_floats)
    border: array[float] = field(default_factory=_floats)
    inside: array[float] = field(default_factory=_floats)
    inside_area: array[float] = field(default_factory=_floats)
    name: str | None = None

    @property
    def agreeing(self) -> int:
        """How many are predicted as their folder's class."""
        return self.labelled - self.mistaken.total()

    def add(self, row: ImageRow, *, wrong: bool) -> None:
        """Count an image; `wrong`: whether its prediction is not its folder's class."""
        name, score = row.predicted or row.top[0][0], row.top[0][1]
        self.images += 1
        self.scores.append(score)
        if wrong:
            self.wrong_scores.append(score)
        for shares, share in (
            (self.label_scores, row.label_score),
            (self.border, row.cam_border_share),
            (self.inside, row.inside_share),
            (self.inside_area, row.inside_area),
        ):
            if share is not None:
                shares.append(share)
        if row.label_score is None:
            return
        self.labelled += 1
        if wrong:
            self.mistaken[name] += 1
        elif self.name is None:
            self.name = name


@dataclass
class Counts:
    """All images of a scan.

    `labels`: of all, "" among them where images lie directly in the data set; `classes`: by label, of those of which
    any image could be read. `reasons`: why images could not be read, and how often; `unreadable`: the first
    MAX_UNREADABLE of these images.
    """

    images: int = 0
    labels: set[str] = field(default_factory=set)
    classes: dict[str, ClassCounts] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    unreadable: list[ImageRow] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """How many could not be read."""
        return self.reasons.total()

    @property
    def labelled(self) -> int:
        """How many have a class of the net."""
        return sum(counts.labelled for counts in self.classes.values())

    @property
    def agreeing(self) -> int:
        """How many are predicted as their folder's class."""
        return sum(counts.agreeing for counts in self.classes.values())

    def add(self, row: ImageRow) -> None:
        """Count an image among all."""
        self.images += 1
        self.labels.add(row.label)
        if row.error:
            self.reasons[row.error] += 1
            if len(self.unreadable) < MAX_UNREADABLE:
                self.unreadable.append(row)

    def add_to_class(self, row: ImageRow, *, wrong: bool) -> None:
        """Count an image in its class; `wrong`: whether its prediction is not its folder's class."""
        if row.top:
            self.classes.setdefault(row.label, ClassCounts()).add(row, wrong=wrong)


def totals_of(report: ScanReport) -> Counts:
    """The images of a scan counted in one pass, without `classes`: in a twentieth of the time, and no memory."""
    counts = Counts()
    for row in report.images:
        counts.add(row)
    return counts


def counts_of(report: ScanReport) -> Counts:
    """The images of a scan counted in one pass."""
    counts = Counts()
    wrong = {image.path for image in report.confused}
    for row in report.images:
        counts.add(row)
        counts.add_to_class(row, wrong=row.path in wrong)
    return counts
