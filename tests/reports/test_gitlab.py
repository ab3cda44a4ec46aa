"""GitLab's Code Quality report, checked against the fields and values that its documentation names."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from canonical import canonical_report, image, rendered

from cam_audit.reports.scan_report import ScanReport

SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": r"^(?!\./|/)."},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def issues(report: ScanReport) -> list[dict[str, Any]]:
    # here, as it takes a second in every process that runs tests
    import jsonschema

    document = json.loads(rendered("gitlab", report))
    jsonschema.validate(document, SCHEMA)
    fingerprints = [issue["fingerprint"] for issue in document]
    assert len(set(fingerprints)) == len(fingerprints)
    return document


def test_findings_then_unreadable_then_flagged_images() -> None:
    told = issues(canonical_report())
    assert [issue["severity"] for issue in told[:4]] == ["critical", "major", "info", "minor"]
    assert told[3]["location"]["path"] == "photos/dog/broken.png"
    assert {issue["severity"] for issue in told[4:]} == {"info"}
    assert len(told) == 4 + 10


def test_fingerprints_are_those_of_the_findings_and_hold_no_scores() -> None:
    report = canonical_report()
    assert [i["fingerprint"] for i in issues(report)[:3]] == [found.fingerprint for found in report.findings]
    again = dataclasses.replace(report, images=tuple(dataclasses.replace(i, label_score=0.0) for i in report.images))
    assert [i["fingerprint"] for i in issues(again)] == [i["fingerprint"] for i in issues(report)]


def test_no_more_than_5000_flags_and_what_was_cut_is_said() -> None:
    rows = tuple(image(f"{index}.png", "cat", "CA104", predicted="dog") for index in range(5_010))
    told = issues(dataclasses.replace(canonical_report(), images=rows))
    assert len(told) == 5_001
    assert told[0]["check_name"] == "CA201"
    assert told[-1]["description"] == "13 more issues left out; results.csv has all."


def test_that_cues_could_not_be_looked_for_is_an_issue_of_its_own() -> None:
    report = dataclasses.replace(canonical_report(), findings=(), parts=(), images=(image("1.png", "cat"),))
    nothing = dataclasses.replace(report, run={**report.run, "sampled": 0, "uncovered": {"cat": "too small"}})
    (issue,) = [each for each in issues(nothing) if each["check_name"] == "not-looked-at"]
    assert issue["description"] == "cues could not be looked for: too small."
    assert not [each for each in issues(report) if each["check_name"] == "not-looked-at"]
