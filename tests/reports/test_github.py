"""Workflow commands are parsed back as the Actions runner parses them."""

from __future__ import annotations

import dataclasses
import re

import pytest
from canonical import HOSTILE, NAMES, canonical_report, finding, rendered

from cam_audit.records import Example
from cam_audit.reports.scan_report import ImageRow, ScanReport


def unescaped(text: str) -> str:
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def commands(report: ScanReport) -> list[tuple[str, dict[str, str], str]]:
    """Name, properties and message of each line, which must all be commands."""
    parsed = []
    text = rendered("github", report)
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        match = re.fullmatch(r"::(\w+) (.*?)::(.*)", line)
        assert match, line
        pairs = (pair.split("=", 1) for pair in match[2].split(","))
        parsed.append((match[1], {key: unescaped(value) for key, value in pairs}, unescaped(match[3])))
    return parsed


def with_findings(**severities: int) -> ScanReport:
    found = [
        finding("CA201", severity, f"{severity}{i}") for severity, times in severities.items() for i in range(times)
    ]
    return dataclasses.replace(canonical_report(), findings=tuple(found))


def test_errors_then_warnings_then_the_verdict() -> None:
    report = canonical_report()
    assert [name for name, _, _ in commands(report)] == ["error", "warning", "warning", "notice"]
    (_, properties, message), *_ = commands(report)
    assert properties == {"file": f"photos/{HOSTILE}/{HOSTILE}.png", "title": "CA201 repeated cue"}
    assert message == f"{report.findings[0].message}."


@pytest.mark.parametrize("name", [*NAMES, "a,file=b,line=1::x.png", "100%0A::warning::x.png", "\n::error::x.png"])
def test_names_make_no_commands_and_no_properties(name: str) -> None:
    found = dataclasses.replace(finding("CA201", "error", "cat", Example(f"cat/{name}")), message=f"{name} is seen")
    first, *rest = commands(dataclasses.replace(canonical_report(), findings=(found,)))
    shown = re.sub("\x1b", "\ufffd", name)
    assert first == ("error", {"file": f"photos/cat/{shown}", "title": "CA201 repeated cue"}, f"{shown} is seen.")
    assert [name for name, _, _ in rest] == ["warning", "notice"]


def test_at_most_ten_of_each_and_what_was_cut_is_said() -> None:
    told = commands(with_findings(error=13, warning=10, note=20))
    names = [name for name, _, _ in told]
    assert (names.count("error"), names.count("warning"), names.count("notice"), len(names)) == (10, 10, 1, 21)
    assert told[0][2].startswith("'error0'")
    # the unreadable image is a warning too
    assert told[-1][2].endswith("3 more errors not shown here. 1 more warning not shown here.")


def test_an_image_that_could_not_be_read_is_a_warning() -> None:
    rows = (ImageRow("cat/a.png", "cat", error="the file is empty"),)
    told = commands(dataclasses.replace(canonical_report(), findings=(), images=rows))
    assert told[0] == ("warning", {"file": "photos/cat/a.png", "title": "image not read"}, "the file is empty.")
    assert told[1][2].startswith("No findings in 1 image; 1 of 1 image could not be read. Looked at 0 images; ")
