"""The sentence that ends a scan: what was looked at, and what was not."""

from __future__ import annotations

from cam_audit.reports.counts import counts_of
from cam_audit.reports.looked_at import left_out, looked_at
from cam_audit.reports.scan_report import ImageRow, ScanReport

ROWS = (
    ImageRow("cat/a.png", "cat", top=(("cat", 1.0),)),
    ImageRow("dog/b.png", "dog", error="damaged"),
    ImageRow("c.png", "", top=(("cat", 1.0),)),
)


def line(rows: tuple[ImageRow, ...], **run: object) -> str:
    report = ScanReport(run, (), frozenset(), (), (), rows)
    return looked_at(report, counts_of(report))


def test_images_classes_and_the_unreadable_are_counted() -> None:
    assert line(ROWS) == "Looked at 2 images in 2 classes; not looked at: 1 unreadable."
    assert line(ROWS[:1]) == "Looked at 1 image in 1 class; not looked at: nothing."
    assert line(ROWS[2:]) == "Looked at 1 image; not looked at: nothing."


def test_what_is_left_out_is_counted_by_kind_the_most_first() -> None:
    kinds = {".cr2": {"files": 3, "example": "a.cr2"}, "": {"files": 40, "example": "mug/0"}}
    skipped = {"kinds": kinds, "excluded": {"*.tif": 2, "none": 0}, "links": 1, "limit": 1200}
    assert line(ROWS[:1], skipped=skipped) == (
        "Looked at 1 image in 1 class; not looked at: 40 files of unknown kind without suffix (mug/0), "
        "3 .cr2 (a.cr2), 2 by --exclude *.tif, 1 link to outside, 1,200 images by --limit."
    )


def test_of_many_kinds_the_rest_is_summed() -> None:
    kinds = {f".{letter}": {"files": number, "example": f"x.{letter}"} for number, letter in enumerate("abcdefg", 1)}
    assert left_out({"kinds": kinds})[-2:] == ["3 .c (x.c)", "3 files of 2 other kinds"]
