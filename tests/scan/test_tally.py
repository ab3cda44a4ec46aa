"""What a scan says of its annotations: how many there are, what was left out, and what can't be right."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cam_audit.records import ImageResult, ImageSource, MapStatistics, ObjectShare, SkippedImage
from cam_audit.reports.looked_at import coverage, ways_of_reading
from cam_audit.scan.annotations import Boxes, Masks
from cam_audit.scan.tally import Tally

SOURCE = ImageSource("photos", "a.png", "", None)
MASKS = Masks({})


def image(area: float | None = None, outline: int = 0, reading: str = "", unannotated: str = "") -> ImageResult:
    share = None if area is None else ObjectShare(0.5, area, 0.5, True, outline)
    return ImageResult(
        SOURCE, 8, 8, (), None, "", MapStatistics(0, 0, None, 0), None,
        object=share, reading=reading, unannotated=unannotated,
    )  # fmt: skip


def tally(*records: ImageResult | SkippedImage) -> Tally:
    counted = Tally()
    for record in records:
        counted.add(record)
    return counted


@pytest.mark.parametrize(("shares", "said"), [((), ""), ((0.1, 0.2, 0.9), "20%"), ((0.4, 0.5, 0.9), "50%")])
def test_how_much_of_the_scores_no_cell_accounts_for_is_said(shares: tuple[float, ...], said: str) -> None:
    tally = Tally()
    for share in shares:
        tally.add(replace(image(), even_share=share))
    notes = tally.notes(None)
    assert len(notes) == bool(said)
    if said:
        assert f"make up {said} of the score (the median of the images)" in notes[0]
        assert notes[0].endswith("so the maps say little about these scores") == (said == "50%")


def test_objects_and_their_mean_share_are_said_of_the_images_that_were_read() -> None:
    counted = tally(
        *[image(0.2, index) for index in range(90)],
        *[image(0.42, index) for index in range(90)],
        *[image()] * 20,
        SkippedImage(SOURCE, "damaged"),
    )
    run = {"annotations": counted.annotations(MASKS)}
    assert coverage(run) == ["masks: 180 of 200 images, object covers 31 % of the picture on average"]
    assert run["annotations"] == {"kind": "masks", "images": 180, "of": 200, "mean_area": 0.31, "left_out": 0}
    assert counted.notes(MASKS) == ()
    assert (counted.images, counted.errors) == (201, 1)


def test_without_annotations_nothing_is_said() -> None:
    counted = tally(image())
    assert coverage({"annotations": counted.annotations(None)}) == []
    assert coverage({}) == []
    assert counted.notes(None) == ()


def test_all_that_is_left_out_is_in_one_note_with_the_first_reasons() -> None:
    boxes = Boxes({}, ("annotation 3: it has no bbox", "annotation 9: there is no image 12"))
    counted = tally(
        image(0.5, 1), image(0.5, 2), *[image(unannotated=f"b{number}.png: damaged") for number in range(9)]
    )
    assert counted.notes(boxes) == (
        "boxes: 11 left out: annotation 3: it has no bbox; annotation 9: there is no image 12; b0.png: damaged; "
        "and 8 more",
    )


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([image()] * 30, "masks: objects cover 0 % of the pictures on average, which tells nothing; --mask-value"),
        ([image(0.001, 1)] * 30, "masks: objects cover 0 %"),
        ([image(1.0, 1)] * 30, "masks: objects cover 100 %"),
        ([image(0.3, 1)] * 30, "masks: the objects of all 30 annotated images have the same outline"),
        ([image(0.3, 1), *[image()] * 199], "masks: only 1 image of 200 has an object"),
    ],
)
def test_what_cannot_be_meant_is_warned_of(records: list[ImageResult], words: str) -> None:
    (note,) = tally(*records).notes(MASKS)
    assert note.startswith(words)


def test_ordinary_annotations_are_no_reason_to_warn() -> None:
    assert tally(*[image(0.3, 1)] * 9).notes(MASKS) == ()
    assert tally(image(0.3, 1), image(0.3, 2), *[image()] * 90).notes(MASKS) == ()


def test_categories_that_all_count_are_named() -> None:
    counted = tally(image(0.3, 1), image(0.3, 2))
    (note,) = counted.notes(Boxes({}, categories=("thing", "watermark")))
    assert note == "boxes: all categories count as objects (thing, watermark); --category takes some of them"
    (note,) = counted.notes(Boxes({}, categories=tuple(map(str, range(20)))))
    assert note.endswith("(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...); --category takes some of them")


def test_ways_of_reading_are_counted_the_most_first() -> None:
    counted = tally(image(reading="b"), image(reading="a"), image(reading="a"), image())
    assert ways_of_reading({"readings": dict(counted.readings)}) == ["  2 x read from a", "  1 x read from b"]
    many = {"readings": dict.fromkeys("abcdefg", 1)}
    assert ways_of_reading(many)[-1] == "  and in 2 other ways"
