"""Suspicions about one class that have the same cause come out as one, and others do not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from cam_audit.findings.causes import causes_of
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.records import Box

CORNER = (0.8, 0.8, 1.0, 1.0)
AROUND = (0.0, 0.0, 1.0, 1.0)
Named = tuple[str, list[str]]


def suspicion(
    finder: str,
    names: str = "abc",
    *,
    boxes: Sequence[Box | None] | None = None,
    score: float = 0.5,
    label: str = "cat",
) -> Suspicion:
    """A suspicion with a hit for each letter of `names`; as from the finders, only an overlay has a box of its own."""
    boxes = boxes or [None]
    hits = tuple(Hit(name, 1 - index / 100, boxes[min(index, len(boxes) - 1)]) for index, name in enumerate(names))
    box = boxes[0] if finder == "template" else None
    return Suspicion(finder, label, score, 0.1, 30, hits, "is seen", {}, box)


def codes(*suspicions: Suspicion) -> list[Named]:
    """Each cause as its code and its finders, the one that names it first."""
    return [(cause.code, list(cause.finders)) for cause in causes_of(suspicions)]


@pytest.mark.parametrize(
    ("finder", "code"),
    [
        ("duplicates", "CA201"),
        ("template", "CA202"),
        ("border", "CA203"),
        ("colour", "CA204"),
        ("files", "CA206"),
        ("context", "CA207"),
        ("same_thing", "CA210"),
        ("statistics", "CA211"),
        ("padding", "CA212"),
        ("framing", "CA213"),
        ("mixed", "CA214"),
    ],
)
def test_a_suspicion_alone_is_a_cause_of_its_own(finder: str, code: str) -> None:
    assert codes(suspicion(finder, boxes=[CORNER])) == [(code, [finder])]


def test_nothing_has_no_cause() -> None:
    assert causes_of([]) == []


FIXED = [CORNER, (0.74, 0.8, 0.94, 1.0), (0.8, 0.72, 1.0, 0.92)]
MIDDLE = (0.1, 0.2, 0.7, 0.7)
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
def test_a_stamp_seen_as_repeated_and_as_overlay_is_one(boxes: list[Box], expected: list[Named], turned: bool) -> None:
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
def test_border_and_colour_are_the_larger_one(border: float, colour: float, expected: Named) -> None:
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


@pytest.mark.parametrize(
    ("same_as", "others", "expected"),
    [
        ({"border", "colour"}, ["colour"], [("CA204", ["colour", "statistics"])]),
        ({"border", "colour"}, ["border"], [("CA203", ["border", "statistics"])]),
        ({"border", "colour"}, ["border", "colour"], [("CA203", ["border", "colour", "statistics"])]),
        ({"border"}, ["colour"], [("CA204", ["colour"]), ("CA211", ["statistics"])]),
        (set(), ["border", "colour"], [("CA203", ["border", "colour"]), ("CA211", ["statistics"])]),
        ({"border", "colour"}, ["files"], [("CA206", ["files"]), ("CA211", ["statistics"])]),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_statistics_that_a_finder_of_colours_may_see_too_are_what_it_saw(
    same_as: set[str], others: list[str], expected: list[Named], turned: bool
) -> None:
    found = [*map(suspicion, others), dataclasses.replace(suspicion("statistics"), same_as=frozenset(same_as))]
    assert sorted(codes(*(found[::-1] if turned else found))) == expected


@pytest.mark.parametrize(
    ("bearing", "expected"),
    [("abc", [("CA201", ["duplicates", "statistics"])]), ("a", [("CA201", ["duplicates"]), ("CA211", ["statistics"])])],
)
def test_a_statistic_is_a_trace_of_a_mark_where_most_of_its_images_bear_it(bearing: str, expected: list[Named]) -> None:
    trace = dataclasses.replace(suspicion("statistics", "abc"), same_as=frozenset({"duplicates"}))
    assert codes(suspicion("duplicates", bearing, boxes=FIXED), trace) == expected


def test_a_trace_does_not_say_which_images_show_the_cue() -> None:
    trace = dataclasses.replace(suspicion("statistics", "cde"), same_as=frozenset({"border"}))
    (cause,) = causes_of([suspicion("border", "abc"), trace])
    assert {hit.name for hit in cause.hits} == {hit.name for hit in cause.hits_in_pixels} == {"a", "b", "c"}
    named = cause.named_by("statistics")
    assert {hit.name for hit in named.hits} >= {"c", "d", "e"}


COVERED = frozenset({"border", "colour", "statistics", "template", "context"})


def padded(names: str = "abc", same_as: Sequence[str] = (), covers: frozenset[str] = COVERED) -> Suspicion:
    return dataclasses.replace(suspicion("padding", names), same_as=frozenset(same_as), covers=covers)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("finder", ["border", "colour", "context"])
def test_bars_name_what_others_see_of_them(finder: str, turned: bool) -> None:
    found = [padded(), suspicion(finder)]
    assert codes(*(found[::-1] if turned else found)) == [("CA212", ["padding", finder])]


@pytest.mark.parametrize(("names", "joined"), [("abx", True), ("axy", False), ("abxy", False)])
def test_a_border_of_mostly_other_images_is_not_that_of_bars(names: str, joined: bool) -> None:
    found = codes(padded(), suspicion("border", names))
    assert found == ([("CA212", ["padding", "border"])] if joined else [("CA212", ["padding"]), ("CA203", ["border"])])


def test_a_statistic_of_mostly_other_images_is_not_that_of_padding() -> None:
    statistics = dataclasses.replace(suspicion("statistics", "axy"), same_as=frozenset({"padding"}))
    assert codes(padded(), statistics) == [("CA212", ["padding"]), ("CA211", ["statistics"])]


def test_padding_names_only_what_it_covers() -> None:
    found = codes(padded(covers=frozenset({"statistics"})), suspicion("border"), suspicion("files"))
    assert found == [("CA212", ["padding"]), ("CA203", ["border"]), ("CA206", ["files"])]


@pytest.mark.parametrize(("same_as", "joined"), [({"padding", "border"}, True), ({"border"}, False)])
def test_a_statistic_that_padding_changes_is_padding(same_as: set[str], joined: bool) -> None:
    statistics = dataclasses.replace(suspicion("statistics"), same_as=frozenset(same_as))
    apart = [("CA212", ["padding"]), ("CA211", ["statistics"])]
    assert codes(padded(), statistics) == ([("CA212", ["padding", "statistics"])] if joined else apart)


@pytest.mark.parametrize(
    ("box", "joined"),
    [
        ((0.1, 0.1, 0.9, 0.2), True),
        ((0.1, 0.2, 0.2, 1.0), True),
        ((0.1, 0.1, 0.9, 0.75), True),
        # words, a short line, and a mark
        ((0.1, 0.1, 0.9, 0.3), False),
        ((0.1, 0.1, 0.8, 0.15), False),
        (CORNER, False),
    ],
)
def test_an_overlay_from_edge_to_edge_is_where_bars_end(box: Box, joined: bool) -> None:
    found = codes(padded(), suspicion("template", boxes=[box]))
    apart = [("CA212", ["padding"]), ("CA202", ["template"])]
    assert found == ([("CA212", ["padding", "template"])] if joined else apart)


def test_a_frame_of_bars_is_a_border_where_its_colour_tells() -> None:
    frame = padded(same_as=["border", "colour"])
    assert codes(frame, suspicion("border")) == [("CA203", ["border", "padding"])]
    assert codes(frame, suspicion("statistics")) == [("CA212", ["padding"]), ("CA211", ["statistics"])]


@pytest.mark.parametrize(
    ("things", "place", "expected"),
    [
        (1, MIDDLE, [("CA202", ["template", "same_thing"])]),
        (2, MIDDLE, [("CA202", ["template"]), ("CA210", ["same_thing"])]),
        (1, CORNER, [("CA202", ["template"]), ("CA210", ["same_thing"])]),
    ],
    ids=["watermark", "things", "elsewhere"],
)
def test_a_watermark_across_the_picture_is_no_thing(things: int, place: Box, expected: list[Named]) -> None:
    thing = dataclasses.replace(suspicion("same_thing", boxes=[MIDDLE]), numbers={"things": things})
    assert codes(thing, suspicion("template", boxes=[place])) == expected


def test_a_mark_and_the_same_thing_are_two() -> None:
    found = codes(suspicion("same_thing", boxes=[MIDDLE]), suspicion("duplicates", boxes=FIXED))
    assert found == [("CA201", ["duplicates"]), ("CA210", ["same_thing"])]


OBJECT = (0.2, 0.2, 0.7, 0.8)
OUTLINE = (0.25, 0.1, 0.75, 0.75)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([suspicion("template", boxes=[OUTLINE])], [("CA213", ["framing", "template"])]),
        # whatever images bear it, a mark in the corner, or across the object, is no outline
        ([suspicion("template", boxes=[CORNER])], [("CA202", ["template"]), ("CA213", ["framing"])]),
        ([suspicion("template", boxes=[(0.1, 0.5, 0.9, 0.6)])], [("CA202", ["template"]), ("CA213", ["framing"])]),
        # nor is what is repeated there
        (
            [suspicion("template", boxes=[OUTLINE]), suspicion("duplicates", boxes=[OUTLINE])],
            [("CA202", ["duplicates", "template"]), ("CA213", ["framing"])],
        ),
        ([suspicion("border", "abcd")], [("CA203", ["border", "framing"])]),
        ([suspicion("border", "cde")], [("CA203", ["border"]), ("CA213", ["framing"])]),
        ([suspicion("statistics", "bc")], [("CA213", ["framing", "statistics"])]),
        ([suspicion("statistics", "cd")], [("CA211", ["statistics"]), ("CA213", ["framing"])]),
        (
            [suspicion("border"), suspicion("statistics"), suspicion("template", boxes=[OUTLINE])],
            [("CA203", ["border", "framing", "template", "statistics"])],
        ),
        ([suspicion("colour")], [("CA204", ["colour"]), ("CA213", ["framing"])]),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_what_comes_of_framing_in_the_same_images_is_one_cause(
    others: list[Suspicion], expected: list[Named], turned: bool
) -> None:
    found = [suspicion("framing", boxes=[OBJECT]), *others]
    assert sorted(codes(*(found[::-1] if turned else found))) == expected


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (suspicion("statistics"), [("CA211", ["statistics", "mixed"])]),
        (suspicion("template", boxes=[CORNER]), [("CA202", ["template", "mixed"])]),
        (suspicion("colour", "abcdefg"), [("CA204", ["colour"]), ("CA214", ["mixed"])]),
        # what a file is, can't be seen
        (suspicion("files"), [("CA206", ["files"]), ("CA214", ["mixed"])]),
        (suspicion("statistics", label="dog"), [("CA211", ["statistics"]), ("CA214", ["mixed"])]),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_pictures_of_another_kind_are_what_tells_the_same_images(
    other: Suspicion, expected: list[Named], turned: bool
) -> None:
    found = [suspicion("mixed"), other]
    assert sorted(codes(*(found[::-1] if turned else found))) == expected


def test_only_images_whose_framing_is_known_tell_whether_others_are_the_same() -> None:
    framed = suspicion("framing", "ab", boxes=[OBJECT])
    border = suspicion("border", "abcdef")
    assert [code for code, _ in codes(framed, border)] == ["CA213", "CA203"]
    known = dataclasses.replace(framed, looked_at=frozenset("ab"))
    assert codes(known, border) == [("CA203", ["border", "framing"])]


def test_files_are_a_cause_beside_all_others() -> None:
    found = codes(suspicion("border"), suspicion("files"), suspicion("duplicates", boxes=FIXED))
    assert found == [("CA201", ["duplicates"]), ("CA203", ["border"]), ("CA206", ["files"])]


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (["border"], ("CA203", ["border", "context"])),
        (["colour"], ("CA204", ["colour", "context"])),
        (["border", "colour"], ("CA203", ["border", "colour", "context"])),
        (["border", "colour", "template"], ("CA203", ["border", "colour", "template", "context"])),
    ],
    ids=["border", "colour", "both", "frame"],
)
def test_what_the_map_shows_of_the_surroundings_is_the_border_or_the_colour(
    others: list[str], expected: Named, turned: bool
) -> None:
    # however much of the score it carries, and wherever its boxes are
    found = [suspicion("context", boxes=[AROUND, CORNER], score=0.9)]
    found += [suspicion(finder, boxes=[AROUND if finder == "template" else None]) for finder in others]
    assert codes(*(found[::-1] if turned else found)) == [expected]


def test_the_surroundings_of_one_class_are_not_the_border_of_another() -> None:
    context, border = suspicion("context"), suspicion("border", label="dog")
    assert codes(context, border) == [("CA207", ["context"]), ("CA203", ["border"])]


@pytest.mark.parametrize(
    ("box", "joined"),
    [
        (CORNER, True),
        # of the same corner: the box of one cell in it, and of several around it
        ((0.9, 0.89, 1.0, 1.0), True),
        ((0.6, 0.6, 1.0, 1.0), True),
        # a fifth of what they cover together: .2 x .2 of .2 x 1, and a little less
        ((0.01, 0.8, 1.0, 1.0), True),
        ((0.0, 0.79, 1.0, 1.0), False),
        # or they only touch, or overlap at their rims
        ((0.6, 0.8, 0.8, 1.0), False),
        ((0.65, 0.8, 0.85, 1.0), False),
        (AROUND, False),
    ],
)
@pytest.mark.parametrize("finder", ["duplicates", "template"])
def test_surroundings_that_a_local_mark_fills_are_that_mark(finder: str, box: Box, joined: bool) -> None:
    mark, context = suspicion(finder, boxes=[CORNER]), suspicion("context", boxes=[box])
    code = "CA201" if finder == "duplicates" else "CA202"
    apart = [(code, [finder]), ("CA207", ["context"])]
    assert codes(mark, context) == codes(context, mark) == ([(code, [finder, "context"])] if joined else apart)


@pytest.mark.parametrize(
    ("boxes", "names", "joined"),
    [
        # of three images that show both, in two and in one
        ([CORNER, CORNER, (0.0, 0.0, 0.2, 0.2)], "abc", True),
        ([CORNER, (0.0, 0.0, 0.2, 0.2), (0.0, 0.0, 0.2, 0.2)], "abc", False),
        # half of two are not most
        ([CORNER, (0.0, 0.0, 0.2, 0.2)], "ab", False),
        # d and e do not show the mark, so they have no say
        ([CORNER, (0.0, 0.0, 0.2, 0.2), (0.0, 0.0, 0.2, 0.2)], "ade", True),
        # no image shows both
        ([CORNER], "de", False),
        ([None], "abc", False),
    ],
)
def test_most_of_the_images_that_show_both_decide_whether_a_mark_fills_the_surroundings(
    boxes: list[Box | None], names: str, joined: bool
) -> None:
    found = codes(suspicion("duplicates", boxes=[CORNER]), suspicion("context", names, boxes=boxes))
    assert found == (
        [("CA201", ["duplicates", "context"])] if joined else [("CA201", ["duplicates"]), ("CA207", ["context"])]
    )


def test_an_overlay_whose_images_have_no_boxes_of_their_own_lies_where_it_is() -> None:
    overlay = dataclasses.replace(suspicion("template"), box=CORNER)
    assert codes(overlay, suspicion("context", boxes=[CORNER])) == [("CA202", ["template", "context"])]
    elsewhere = suspicion("context", boxes=[(0.0, 0.0, 0.2, 0.2)])
    assert codes(overlay, elsewhere) == [("CA202", ["template"]), ("CA207", ["context"])]


def test_surroundings_that_a_mark_fills_are_no_part_of_the_border() -> None:
    mark, border = suspicion("duplicates", boxes=FIXED), suspicion("border")
    on_it, around = suspicion("context", boxes=FIXED), suspicion("context", boxes=[(0.0, 0.0, 1.0, 0.5)])
    assert codes(mark, border, on_it) == [("CA201", ["duplicates", "context"]), ("CA203", ["border"])]
    assert codes(mark, border, around) == [("CA201", ["duplicates"]), ("CA203", ["border", "context"])]


def test_a_stamp_that_all_three_see_is_one() -> None:
    repeated, overlay = suspicion("duplicates", boxes=FIXED), suspicion("template", boxes=[CORNER])
    context = suspicion("context", boxes=FIXED)
    assert codes(repeated, overlay, context) == [("CA202", ["duplicates", "template", "context"])]


LEFT = (0.0, 0.0, 0.2, 0.2)


def test_of_two_marks_the_surroundings_are_the_repeated_one_if_they_lie_there() -> None:
    repeated, overlay = suspicion("duplicates", boxes=[LEFT]), suspicion("template", boxes=[CORNER])
    on_repeated = codes(repeated, overlay, suspicion("context", boxes=[LEFT]))
    assert on_repeated == [("CA201", ["duplicates", "context"]), ("CA202", ["template"])]


def test_of_two_marks_the_surroundings_are_the_overlay_if_they_lie_there() -> None:
    repeated, overlay = suspicion("duplicates", boxes=[LEFT]), suspicion("template", boxes=[CORNER])
    on_overlay = codes(repeated, overlay, suspicion("context", boxes=[CORNER]))
    assert on_overlay == [("CA201", ["duplicates"]), ("CA202", ["template", "context"])]


def test_images_of_surroundings_alone_show_nothing_in_their_pixels() -> None:
    border, context = suspicion("border", "ba"), suspicion("context", "cbd", boxes=[CORNER])
    (merged,) = causes_of([context, border])
    assert [hit.name for hit in merged.hits] == ["b", "a", "c", "d"]
    assert [(hit.name, hit.box) for hit in merged.hits_in_pixels] == [("b", None), ("a", None)]
    # whichever of the two names it
    renamed = merged.named_by("context")
    assert (renamed.code, [hit.name for hit in renamed.hits]) == ("CA207", ["c", "b", "d", "a"])
    assert {hit.name for hit in renamed.hits_in_pixels} == {"a", "b"}
    (alone,) = causes_of([context])
    assert (len(alone.hits), alone.hits_in_pixels) == (3, [])
    (without,) = causes_of([border])
    assert without.hits_in_pixels == without.hits


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
