"""Frozen records that flow from a scan to the table, the overlays and the reports; all of them picklable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ImageSource:
    """One image file of a data set.

    `name` is its path below the data set with `/` between folders; `label` the first folder of it, "" where
    the image lies directly in the data set; `label_class` the net's class that the folder stands for, if any.
    """

    path: str
    name: str
    label: str
    label_class: int | None


@dataclass(frozen=True, slots=True)
class Score:
    """A class and its softmax probability, 0..1."""

    class_index: int
    class_name: str
    probability: float


@dataclass(frozen=True, slots=True)
class MapStatistics:
    """Where a class activation map lies.

    `peak_x`, `peak_y`: centre of the highest cell as fractions of width and height, 0..1.
    `border_share`: share of the positive map in the outer eighth of each side, 0..1; None where nothing is positive.
    `area`: share of the cells that the overlay colours (normalised map of 0.2 or more), 0..1.
    """

    peak_x: float
    peak_y: float
    border_share: float | None
    area: float


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What a scan found in one image; sizes in pixels as the image is shown (EXIF orientation applied)."""

    source: ImageSource
    width: int
    height: int
    scores: tuple[Score, ...]
    label_score: float | None
    cam_class: str
    cam: MapStatistics
    overlay: str | None

    @property
    def agrees(self) -> bool | None:
        """Whether the prediction is the folder's class; None where the folder stands for no class."""
        if self.source.label_class is None:
            return None
        return self.scores[0].class_index == self.source.label_class


@dataclass(frozen=True, slots=True)
class SkippedImage:
    """An image that could not be scanned, with the reason in one line."""

    source: ImageSource
    reason: str


Record = ImageResult | SkippedImage
