"""All images of a scan in numbers, counted in one pass: what the page says and draws of more than one image."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

from cam_audit.records import ImageRow, ScanReport

BINS = 10
# So many of the images that could not be read are listed with the reason.
MAX_UNREADABLE = 500


def _floats() -> array[float]:
    return array("d")


@dataclass
class Folder:
    """The readable images of one class folder.

    `right`, `wrong`: how many have a top score in each tenth of 0..1, rightly and wrongly predicted. `scores`: the top
    scores; `border`, `inside`, `inside_area`: the shares that there are. `labelled`: how many have a class of the net;
    `mistaken`: what those that are predicted wrongly are taken for; `name`: what the first that is not is called.
    """

    right: list[int] = field(default_factory=lambda: [0] * BINS)
    wrong: list[int] = field(default_factory=lambda: [0] * BINS)
    scores: array[float] = field(default_factory=_floats)
    border: array[float] = field(default_factory=_floats)
    inside: array[float] = field(default_factory=_floats)
    inside_area: array[float] = field(default_factory=_floats)
    labelled: int = 0
    mistaken: Counter[str] = field(default_factory=Counter)
    name: str | None = None

    def add(self, row: ImageRow, *, wrong: bool) -> None:
        """Count an image."""
        name, score = row.top[0]
        (self.wrong if wrong else self.right)[min(BINS - 1, int(score * BINS))] += 1
        self.scores.append(score)
        for shares, share in (
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
class Overview:
    """All images: how many are `labelled` with a class of the net, and how many could not be read (`errors`).

    `labels`: of all; `unreadable`: the first MAX_UNREADABLE that could not be read; `folders`: by label, those of which
    any image could be read.
    """

    labelled: int = 0
    errors: int = 0
    labels: set[str] = field(default_factory=set)
    unreadable: list[ImageRow] = field(default_factory=list)
    folders: dict[str, Folder] = field(default_factory=dict)


def overview_of(report: ScanReport) -> Overview:
    """The overview of a scan's images."""
    overview = Overview()
    confused = {image.path for image in report.confused}
    for row in report.images:
        overview.labels.add(row.label)
        overview.labelled += row.label_score is not None
        if row.error:
            overview.errors += 1
            if len(overview.unreadable) < MAX_UNREADABLE:
                overview.unreadable.append(row)
        if row.top:
            overview.folders.setdefault(row.label, Folder()).add(row, wrong=row.path in confused)
    return overview
