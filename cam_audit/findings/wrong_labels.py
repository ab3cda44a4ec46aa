"""Images whose label is likely wrong: the net is sure of another class, and sure of theirs in most of its images."""

from __future__ import annotations

from array import array
from collections import defaultdict
from statistics import median

from cam_audit.findings.sample import MIN_IMAGES
from cam_audit.records import ImageResult, WrongLabel

CODE = "CA106"
# The net is sure of a class if the middle one of its images has at least this probability of it.
SURE = 0.5
# So many times more probable another class must be.
MIN_RATIO = 50.0


class LabelScores:
    """The probabilities of a scan's labels, 8 bytes an image, and the images whose label another class exceeds."""

    def __init__(self) -> None:
        self._of_class: dict[int, array[float]] = defaultdict(lambda: array("d"))
        self._exceeded: list[tuple[int, WrongLabel]] = []

    def add(self, record: ImageResult) -> None:
        """Note the probability of an image's label, where its folder stands for a class."""
        label_class, score = record.source.label_class, record.label_score
        if label_class is None or score is None:
            return
        self._of_class[label_class].append(score)
        first = record.scores[0]
        if first.probability >= MIN_RATIO * score:
            # as findings.json has them, so that it makes no difference whether they come from there
            scores = round(first.probability, 6), float(f"{score:.6g}")
            found = WrongLabel(record.source.name, record.source.label, first.class_name, *scores)
            self._exceeded.append((label_class, found))

    def likely_wrong(self) -> tuple[WrongLabel, ...]:
        """The images whose label is likely wrong, those where the other class exceeds it most first.

        Source: as confident learning (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
        Dataset Labels", JAIR 70, 2021), each class is held against its own images; the rule here is a simpler one.
        """
        sure = {
            label_class
            for label_class, scores in self._of_class.items()
            if len(scores) >= MIN_IMAGES and median(scores) >= SURE
        }
        found = [image for label_class, image in self._exceeded if label_class in sure]
        return tuple(sorted(found, key=lambda image: (-image.ratio, image.path)))
