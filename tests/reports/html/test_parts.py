"""The section of report.html that shows what the net looks at, part by part."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import unquote

import pytest
from canonical import HOSTILE, canonical_report, part, rendered

from cam_audit.records import Part
from cam_audit.reports.html.parts import parts_by_class, sheet_address


def section(*parts: Part, folder: str = "out") -> str:
    """The section of a report of these parts, or nothing."""
    page = rendered("html", replace(canonical_report(), parts=parts, folder=folder))
    found = re.search(r'<section id="parts".*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


THREE = (
    part("dog", 1, 0.5, "object", 2.5),
    part("cat", 1, 0.4, "surroundings", 0.2),
    part("dog", 2, -0.25, "unknown", None),
)


def test_classes_come_by_name_with_their_parts_by_number_and_the_rest() -> None:
    dog, cat = [each for each in THREE if each.label == "dog"], THREE[1]
    classes = parts_by_class(replace(canonical_report(), parts=(dog[1], cat, dog[0])))
    assert [(each.label, tuple(each.parts)) for each in classes] == [("cat", (cat,)), ("dog", tuple(dog))]
    assert [each.rest for each in classes] == pytest.approx([0.6, 0.25])
    assert classes[1].starts == [0, 0.5]
    # shares that are rounded may add up to more than 1
    (over,) = parts_by_class(replace(canonical_report(), parts=(part("a", 1, 1.000001, "object", 2.0),)))
    assert over.rest == 0


def test_the_page_tells_of_each_part_its_share_place_and_images() -> None:
    html = section(*THREE)
    told = words(html)
    assert html.index("<b>cat</b>") < html.index("<b>dog</b>")
    first, second = told.index("50% of the score on the object"), told.index("-25% of the score, against the class")
    assert first < second < told.index("place unknown")
    assert "40% of the score in the surroundings" in told
    assert (
        "In 24 of 40 images, and in 6 of 120 of other classes. +25% beyond what it adds in other classes' images."
        in told
    )
    assert "2.5 times as much on the object as anywhere" in told
    assert told.count("times as much on the object as anywhere") == 2
    assert [words(each) for each in re.findall(r'<li class="rest-told">.*?</li>', html)] == [
        "The rest, of parts under 5% and of what no part explains: 60%",
        "The rest, of parts under 5% and of what no part explains: 25%",
    ]
    bars = re.findall(r'<rect x="([\d.]+)" width="([\d.]+)" height="6" class="(\w+)"/>', html)
    assert bars == [
        ("0.00", "39.70", "surroundings"),
        ("0.00", "49.70", "object"),
        ("50.00", "24.70", "unknown"),
    ]


def test_a_report_without_parts_has_neither_section_nor_link() -> None:
    assert section() == ""
    report = canonical_report()
    assert 'href="#parts"' in rendered("html", report)
    assert 'href="#parts"' not in rendered("html", replace(report, parts=()))


def test_each_class_unfolds_by_keyboard_and_only_a_few_are_open() -> None:
    few = section(*(part(f"class {index:02}", 1, 0.5, "object", 2.0) for index in range(12)))
    many = section(*(part(f"class {index:02}", 1, 0.5, "object", 2.0) for index in range(13)))
    assert few.count("<details") == few.count("<summary>") == few.count('<details class="class-parts" open>') == 12
    assert many.count("<details") == 13
    assert " open>" not in many


def test_nothing_in_it_needs_a_style_or_script_that_the_policy_forbids() -> None:
    html = section(*THREE, part(HOSTILE, 1, 0.5, "object", 2.0))
    assert "style=" not in html
    assert not re.search(r"<(script|style)|\son\w+\s*=\s*[\"']", html)
    assert HOSTILE not in html
    assert html.count("<img") == 4


@pytest.mark.parametrize(
    "label", [HOSTILE, "a b", "50%25", 'x" onload="y', "#?&;", "javascript:x", "..%2f..", "Ж", "a\\b", "\udcff"]
)
@pytest.mark.parametrize("folder", ["out", ".", ""])
def test_a_sheet_is_addressed_below_the_folder_whatever_its_class_is_called(label: str, folder: str) -> None:
    found = part(label, 1, 0.5, "object", 2.0)
    address = sheet_address(replace(canonical_report(), folder=folder), found)
    assert re.fullmatch(r"[\w./%~-]+", address, re.ASCII)
    assert not re.match(r"[a-z]+:|/", address)
    expected = f"{folder}/{found.sheet}" if folder else found.sheet
    assert unquote(address, errors="surrogateescape") == expected
    assert f'src="{address}"' in section(found, folder=folder)
