"""Suspicions about one class that have the same cause come out as one, and others do not."""

from __future__ import annotations

import pytest

from cam_audit.findings.causes import causes_of
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.records import Box

CORNER = (0.8, 0.8, 1.0, 1.0)
AROUND = (0.0, 0.0, 1.0, 1.0)


def suspicion(
    finder: str, names: str = "abc", *, boxes: list[Box | None] | None = None, score: float = 0.5, label: str = "cat"
) -> Suspicion:
    """A suspicion with a hit for each letter of `names`; as from the finders, only an overlay has a box of its own."""
    boxes = boxes or [None]
    hits = tuple(Hit(name, 1 - index / 100, boxes[min(index, len(boxes) - 1)]) for index, name in enumerate(names))
    box = boxes[0] if finder == "template" else None
    return Suspicion(finder, label, score, 0.1, 30, hits, "is seen", {}, box)


def codes(*suspicions: Suspicion) -> list[tuple[str, list[str]]]:
    """Each cause as its code and its finders, the one that names it first."""
    return [(cause.code, list(cause.finders)) for cause in causes_of(suspicions)]


@pytest.mark.parametrize(
    ("finder", "code"),
    [("duplicates", "CA201"), ("template", "CA202"), ("border", "CA203"), ("colour", "CA204"), ("files", "CA206")],
)
def test_a_suspicion_alone_is_a_cause_of_its_own(finder: str, code: str) -> None:
    assert codes(suspicion(finder, boxes=[CORNER])) == [(code, [finder])]


def test_nothing_has_no_cause() -> None:
    assert causes_of([]) == []


FIXED = [CORNER, (0.74, 0.8, 0.94, 1.0), (0.8, 0.72, 1.0, 0.92)]
WANDERING = [CORNER, (0.6, 0.7, 0.81, 0.9), (0.75, 0.5, 0.9, 0.85)]
ELSEWHERE = [(0.0, 0.0, 0.2, 0.2), (0.4, 0.4, 0.6, 0.6), CORNER]


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (FIXED, [("CA202", ["duplicates", "template"])]),
        (WANDERING, [("CA201", ["duplicates", "template"])]),
        (ELSEWHERE, [("CA201", ["duplicates"]), ("CA202", ["template"])]),
        ([(0.6, 0.8, 0.8, 1.0)], [("CA201", ["duplicates"]), ("CA202", ["template"])]),  # they only touch
        ([None], [("CA201", ["duplicates"]), ("CA202", ["template"])]),
    ],
    ids=["fixed", "wandering", "elsewhere", "beside", "nowhere"],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_stamp_seen_as_repeated_and_as_overlay_is_one(boxes: list[Box], expected: list, turned: bool) -> None:
    both = [suspicion("duplicates", boxes=boxes), suspicion("template", boxes=[CORNER])]
    assert codes(*(both[::-1] if turned else both)) == expected


@pytest.mark.parametrize(
    ("border", "colour", "expected"),
    [
        (0.6, 0.5, ("CA203", ["border", "colour"])),
        (0.5, 0.5, ("CA203", ["border", "colour"])),
        (0.5, 0.6, ("CA204", ["colour", "border"])),
    ],
)
def test_border_and_colour_are_the_larger_one(border: float, colour: float, expected: tuple) -> None:
    assert codes(suspicion("colour", score=colour), suspicion("border", score=border)) == [expected]


def test_a_frame_seen_as_overlay_is_the_border() -> None:
    around, small = suspicion("template", boxes=[AROUND]), suspicion("template", boxes=[CORNER])
    border, colour = suspicion("border"), suspicion("colour", score=0.9)
    assert codes(around, border) == [("CA203", ["border", "template"])]
    assert codes(around, border, colour) == [("CA204", ["colour", "border", "template"])]
    assert codes(around) == [("CA202", ["template"])]
    assert codes(around, colour) == [("CA202", ["template"]), ("CA204", ["colour"])]
    assert codes(small, border) == [("CA202", ["template"]), ("CA203", ["border"])]


@pytest.mark.parametrize(("height", "folded"), [(0.5, False), (0.51, True)])
def test_an_overlay_over_more_than_half_of_the_picture_is_around(height: float, folded: bool) -> None:
    found = codes(suspicion("template", boxes=[(0.0, 0.0, 1.0, height)]), suspicion("border"))
    assert [code for code, _ in found] == (["CA203"] if folded else ["CA202", "CA203"])


def test_a_frame_and_a_stamp_are_two() -> None:
    found = codes(suspicion("duplicates", boxes=FIXED), suspicion("template", boxes=[AROUND]), suspicion("border"))
    assert found == [("CA201", ["duplicates"]), ("CA203", ["border", "template"])]


def test_files_are_a_cause_beside_all_others() -> None:
    found = codes(suspicion("border"), suspicion("files"), suspicion("duplicates", boxes=FIXED))
    assert found == [("CA201", ["duplicates"]), ("CA203", ["border"]), ("CA206", ["files"])]


def test_classes_do_not_share_causes() -> None:
    cat, dog = suspicion("duplicates", boxes=FIXED), suspicion("template", boxes=[CORNER], label="dog")
    assert [(cause.code, cause.suspicion.label) for cause in causes_of([cat, dog])] == [
        ("CA201", "cat"),
        ("CA202", "dog"),
    ]


def test_a_merged_cause_has_every_hit_once_with_the_box_of_the_first_finder() -> None:
    repeated, overlay = suspicion("duplicates", "ba", boxes=FIXED), suspicion("template", "abcd", boxes=[CORNER])
    (cause,) = causes_of([overlay, repeated])
    assert [(hit.name, hit.box) for hit in cause.hits] == [
        ("b", FIXED[0]),
        ("a", FIXED[1]),
        ("c", CORNER),
        ("d", CORNER),
    ]
    assert cause.suspicion is repeated
    assert cause.finders == {"duplicates": repeated, "template": overlay}


def test_a_cause_named_by_another_finder_keeps_all_of_them_and_every_hit() -> None:
    border, colour = suspicion("border", "ab"), suspicion("colour", "bc")
    (cause,) = causes_of([border, colour])
    named = cause.named_by("colour")
    assert (named.code, list(named.finders)) == ("CA204", ["colour", "border"])
    assert [hit.name for hit in named.hits] == ["b", "c", "a"]
    again = named.named_by("border")
    assert (again.code, again.finders, again.hits) == (cause.code, cause.finders, cause.hits)
    assert cause.named_by("border").finders == cause.finders
