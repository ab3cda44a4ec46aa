"""The section of report.html that shows what the net looks at, part by part."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, unquote_to_bytes

import pytest
from canonical import HOSTILE, canonical_report, part, rendered
from finished_scan import write_scan

from cam_audit.records import Part
from cam_audit.reports.html.parts import parts_by_class, sheet_address, strips
from cam_audit.reports.output_folder import read_results


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
    first = told.index("50% of the score of dog part 1 on the object")
    second = told.index("-25% of the score of dog , against the class part 2")
    assert first < second < told.index("place unknown", first)
    assert "40% of the score of cat part 1 in the surroundings" in told
    assert "images of this class show it 24 of 40 images of other classes show it 6 of 120" in told
    # a share of .5, and .25 of it beyond other classes
    assert "In images of other classes it adds 25% to the score of this class." in told
    assert "2.5 times as much on the object as if it were spread evenly" in told
    assert told.count("times as much on the object as if it were spread evenly") == 2
    assert re.findall(r"<small>(.*?)</small></summary>", html) == [
        '1 part, <span class="in-surroundings">40% in the surroundings</span><span class="class-marks"></span>',
        '2 parts<span class="class-marks"></span>',
    ]
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


def test_what_the_baseline_says_of_a_part_stands_on_it_and_a_shortcut_at_the_top() -> None:
    shares = enumerate((0.3, 0.2, 0.09, 0.1), 1)
    fine, shortcut, weak, free = (part("cat", number, share, "object", 2.0) for number, share in shares)
    marks = {fine.sheet: "fine", shortcut.sheet: "shortcut", weak.sheet: "shortcut"}
    report = replace(canonical_report(), parts=(fine, shortcut, weak, free), part_marks=marks)
    page = rendered("html", report)
    tags = [words(each) for each in re.findall(r'<span class="marked \w+">.*?</span>', page)]
    assert tags == ["fine in the baseline", "a shortcut in the baseline", "a shortcut in the baseline"]
    (told,) = re.findall(r'<p class="still-there">.*?</p>', page)
    assert "part 2 of &#39;cat&#39;, which a reviewer marked a shortcut, carries 20% of the class&#39;s score" in told
    assert told.index("parts/cat/2.jpg") > told.index("To do: ")
    assert re.findall(r'href="#(part-\d)"', told) == re.findall(r'<li class="part" id="(part-\d)"', page)[1:2]


def test_a_strip_knows_where_its_pictures_are_by_the_sizes_of_the_images() -> None:
    sizes = {"cat/a.png": (640, 480), "cat/b.png": (300, 600), "cat/c.png": (100, 100)}
    rows = tuple(replace(canonical_report().images[0], path=path, width=w, height=h) for path, (w, h) in sizes.items())
    found = part("cat", 1, 0.5, "object", 2.0, *sizes)
    strip = strips(replace(canonical_report(), images=rows, parts=(found,)))[found.sheet]
    # 150 pixels tall, with four between two of them
    assert strip.tiles == (("cat/a.png", 0, 200), ("cat/b.png", 204, 75), ("cat/c.png", 283, 150))
    assert strip.width == 433
    gone = strips(replace(canonical_report(), images=rows[1:], parts=(found,)))[found.sheet]
    assert (gone.width, gone.tiles) == (0, ())


def test_a_class_that_is_not_utf_8_finds_its_sheet_after_its_results_are_read_again(tmp_path: Path) -> None:
    odd = part("caf\udce9", 1, 0.5, "object", 2.0, "dog/1.png")
    folder = write_scan(tmp_path, replace(canonical_report(), parts=(odd,)), overlays=False)
    html = rendered("html", replace(read_results(folder), folder="."))
    (address,) = re.findall(r'class="part-sheet" loading="lazy" src="([^"]*)"', html)
    assert address == "./parts/caf%E9/1.jpg"
    assert (folder / os.fsdecode(unquote_to_bytes(address))).is_file()
    # and as JSON has it, what stands for the byte comes to the script
    assert '{"sheet":"parts/caf\\udce9/1.jpg"' in html
