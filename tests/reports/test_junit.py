"""JUnit: read by junitparser and as GitLab reads it; what fails is what makes the scan fail."""

from __future__ import annotations

import dataclasses
import re
from xml.etree import ElementTree as ET

import pytest
from canonical import HOSTILE, canonical_report, finding, image, rendered
from junitparser import Error, Failure, JUnitXml, Skipped

from cam_audit.records import Example, Pair
from cam_audit.reports import junit
from cam_audit.reports.scan_report import ImageRow, ScanReport

# GitLab's pattern (lib/gitlab/ci/parsers/test/junit.rb): the first match in system-out of a failed case
ATTACHMENT = re.compile(r"\[\[ATTACHMENT\|([^\[\]|]+?)\]\]")


def suite_of(report: ScanReport) -> ET.Element:
    (suite,) = ET.fromstring(rendered("junit", report).encode("utf-8"))
    return suite


def cases_of(report: ScanReport) -> dict[str, ET.Element]:
    cases = suite_of(report).findall("testcase")
    keys = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(keys)) == len(keys), "GitLab drops cases of the same name"
    return {str(case.get("name")): case for case in cases}


def failing_on(fail_on: str) -> ScanReport:
    report = canonical_report()
    return dataclasses.replace(report, run={**report.run, "settings": {**report.run["settings"], "fail_on": fail_on}})


def attachment(case: ET.Element) -> str | None:
    found = ATTACHMENT.search(case.findtext("system-out", ""))
    return found and found[1]


def test_the_counts_are_those_of_the_cases() -> None:
    suites = JUnitXml.fromstring(rendered("junit", canonical_report()).encode("utf-8"))
    (suite,) = suites
    results = [type(result) for case in suite for result in case.result]
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (
        len(list(suite)),
        results.count(Failure),
        results.count(Error),
        results.count(Skipped),
    )
    assert (suites.tests, suites.failures, suites.errors) == (suite.tests, suite.failures, suite.errors)
    assert suite.errors == 1
    assert {p.name: p.value for p in suite.properties()}["schema_version"] == "1"


@pytest.mark.parametrize(("fail_on", "failed"), [("error", {HOSTILE}), ("warning", {HOSTILE, "cat"}), ("never", set())])
def test_classes_fail_as_the_scan_does_and_their_examples_with_them(fail_on: str, failed: set[str]) -> None:
    red = {case.get("classname") for case in cases_of(failing_on(fail_on)).values() if case.find("failure") is not None}
    assert red == failed
    assert ("cat/1.png" in {n for n, c in cases_of(failing_on(fail_on)).items() if c.find("failure") is not None}) is (
        "cat" in failed
    )


def test_what_fails_comes_first_so_that_it_is_not_cut() -> None:
    report = dataclasses.replace(failing_on("warning"), findings=canonical_report().findings[1:])
    names = list(cases_of(report))
    assert names[2:5] == [HOSTILE, "dog/broken.png", "cat/1.png"]


def test_every_class_has_a_case_so_that_a_mended_one_shows_as_resolved() -> None:
    cases = cases_of(dataclasses.replace(canonical_report(), findings=()))
    assert {HOSTILE, "cat", "dog"} <= cases.keys()
    assert not any(case.find("failure") is not None for case in cases.values())


def test_flagged_images_and_no_others_have_cases() -> None:
    cases = cases_of(canonical_report())
    assert cases["cat/2.png"].findtext("system-out", "").endswith("It takes it for 'dog' with 0.50, 'cat' has 0.12.")
    assert "dog/1.png" not in cases


def test_an_unreadable_image_is_an_error() -> None:
    error = cases_of(canonical_report())["dog/broken.png"].find("error")
    assert error is not None
    assert error.get("message") == "the file is cut off"


def test_the_overlay_is_attached_by_its_path_from_where_the_scan_ran() -> None:
    cases = cases_of(failing_on("warning"))
    assert attachment(cases["cat"]) == attachment(cases["cat/1.png"]) == "cam-audit-out/overlays/cat/1.png.png"


@pytest.mark.parametrize("name", ["a]]b.png", "a|b.png", "[[ATTACHMENT|x]].png", "two\nlines.png", "\x1b.png"])
def test_names_that_an_attachment_cannot_hold_are_not_attached(name: str) -> None:
    report = dataclasses.replace(
        canonical_report(), images=(image(name, "cat", "CA104", predicted="dog"),), findings=()
    )
    case = next(case for key, case in cases_of(report).items() if key.startswith("cat/"))
    assert attachment(case) is None
    assert case.findtext("system-out", "").startswith("overlay: cam-audit-out/overlays/cat/")


def test_no_attachment_where_no_overlay_was_drawn() -> None:
    row = dataclasses.replace(image("1.png", "cat", "CA104"), overlay="")
    case = cases_of(dataclasses.replace(canonical_report(), images=(row,), findings=()))["cat/1.png"]
    assert "overlay" not in case.findtext("system-out", "")


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x0b", "\x85", "\ud800", "\ufffe", "\uffff", "\r", "\n"])
def test_characters_that_xml_cannot_hold_are_replaced(sign: str) -> None:
    label = f"a{sign}b"
    found = dataclasses.replace(finding("CA201", "error", label, Example(f"{label}/1.png")), message=label)
    row = image("1.png", label, "CA102")
    cases = cases_of(dataclasses.replace(canonical_report(), findings=(found,), images=(row,)))
    assert set(cases) == {"a\ufffdb", "a\ufffdb/1.png"}


def test_a_flat_data_set_is_a_class_of_its_own_name() -> None:
    report = canonical_report()
    flat = dataclasses.replace(report, findings=(), images=(ImageRow(path="1.png", label="", flags=("CA105",)),))
    cases = cases_of(flat)
    assert {name: case.get("classname") for name, case in cases.items()} == {".": "photos", "1.png": "photos"}


def test_a_large_file_is_cut_below_30_mb_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert junit.MAX_BYTES < 30_000_000
    rows = tuple(image(f"{index}.png", "cat", "CA104", predicted="dog") for index in range(200))
    report = dataclasses.replace(canonical_report(), images=rows, findings=())
    monkeypatch.setattr(junit, "MAX_BYTES", 10_000)
    text = rendered("junit", report)
    suite = suite_of(report)
    assert len(text.encode("utf-8")) < 11_500
    skipped = suite.findall("testcase/skipped")
    left = 201 - (len(suite.findall("testcase")) - 1)
    assert [item.get("message") for item in skipped] == [
        f"{left} more test cases left out, the file would be too large; results.csv has all"
    ]
    assert suite.get("tests") == str(len(suite.findall("testcase")))


def test_a_class_in_which_cues_were_not_looked_for_is_skipped_and_does_not_pass() -> None:
    rows = (*(image("1.png", label) for label in ("cat", "dog", "owl")), ImageRow("2.png", ""))
    report = dataclasses.replace(canonical_report(), findings=(), parts=(), images=rows)
    some = dataclasses.replace(report, run={**report.run, "classes_sampled": 2, "uncovered": {"owl": "too small"}})
    skipped = {name: case.find("skipped") for name, case in cases_of(some).items()}
    assert {name for name, why in skipped.items() if why is not None} == {"owl", "."}
    assert skipped["owl"].get("message") == "cues could not be looked for: too small"  # type: ignore[union-attr]
    assert suite_of(some).get("skipped") == "2"
    # a run.json that says nothing is no proof either
    nothing = dataclasses.replace(report, run={**report.run, "sampled": 0})
    assert suite_of(nothing).get("skipped") == "4"


def test_the_case_of_the_data_set_is_skipped_only_for_images_without_a_class() -> None:
    rows = tuple(image(f"{label}/1.png", label) for label in ("cat", "dog"))
    pair = Pair(("cat/1.png", "dog/1.png"), ("cat", "dog"), ("", ""), same_pixels=True)
    twice = dataclasses.replace(finding("CA301", "warning", "", pairs=1.0), pairs=(pair,))
    report = dataclasses.replace(canonical_report(), findings=(twice,), parts=(), images=rows)
    looked = {"classes_sampled": 2, "uncovered": {}}
    case = cases_of(dataclasses.replace(report, run={**report.run, **looked}))["."]
    assert case.find("skipped") is None
    assert "CA301" in (case.findtext("system-out") or "")
