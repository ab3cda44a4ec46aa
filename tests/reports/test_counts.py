"""Counts of images, of all and of each class, against rows counted by hand."""

from __future__ import annotations

from dataclasses import replace

from canonical import canonical_report, image

from cam_audit.records import ConfusedImage, Disagreement
from cam_audit.reports.counts import MAX_UNREADABLE, counts_of, totals_of
from cam_audit.reports.scan_report import ImageRow, ScanReport


def report(*rows: ImageRow, wrong: tuple[ImageRow, ...] = ()) -> ScanReport:
    confused = tuple(ConfusedImage(r.path, r.label, r.top[0][0], Disagreement(None, (0, 0), (0, 0))) for r in wrong)
    return replace(canonical_report(), findings=(), images=rows, confused=confused)


def test_every_image_is_counted_once_in_its_class() -> None:
    taken = [image(f"{index}.png", "cat", predicted=name) for index, name in enumerate(("dog", "owl", "dog"))]
    right = image("9.png", "cat", score=0.5)
    counts = counts_of(report(*taken, right, image("1.png", "dog"), wrong=tuple(taken)))
    assert (counts.images, counts.errors, counts.labelled, counts.agreeing) == (5, 0, 5, 2)
    cat = counts.classes["cat"]
    assert (cat.images, cat.labelled, cat.agreeing, cat.name) == (4, 4, 1, "cat")
    assert cat.mistaken == {"dog": 2, "owl": 1}
    assert list(cat.scores) == [0.75, 0.75, 0.75, 0.5]
    assert list(cat.wrong_scores) == [0.75] * 3
    assert list(cat.label_scores) == [0.125] * 3 + [0.5]


def test_what_is_not_defined_for_an_image_is_not_counted() -> None:
    bare = replace(image("1.png", ""), label_score=None, cam_border_share=None, inside_share=None, inside_area=None)
    counts = counts_of(report(bare))
    assert (counts.labelled, counts.agreeing, counts.labels) == (0, 0, {""})
    only = counts.classes[""]
    assert (only.images, only.labelled, only.name) == (1, 0, None)
    assert not only.label_scores
    assert not only.border
    assert not only.inside
    assert not only.inside_area


def test_images_that_could_not_be_read_are_counted_by_their_reason() -> None:
    broken = [ImageRow(f"owl/{index}.png", "owl", error="it is empty") for index in range(MAX_UNREADABLE + 1)]
    counts = counts_of(report(image("1.png", "cat"), *broken, ImageRow("owl/x.png", "owl", error="it is a pipe")))
    assert counts.errors == MAX_UNREADABLE + 2
    assert counts.reasons == {"it is empty": MAX_UNREADABLE + 1, "it is a pipe": 1}
    assert counts.unreadable == broken[:MAX_UNREADABLE]
    assert counts.labels == {"cat", "owl"}
    assert set(counts.classes) == {"cat"}


def test_totals_are_the_counts_without_the_classes() -> None:
    whole = canonical_report()
    assert totals_of(whole) == replace(counts_of(whole), classes={})
