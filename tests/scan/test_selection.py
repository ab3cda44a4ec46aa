"""`--select` and `--ignore`: what is left out is not found, and nobody takes that for an all-clear."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from commands import run
from data_sets import draw, net, stamp_in_the_corner

import cam_audit
from cam_audit.errors import CamAuditError
from cam_audit.findings.chosen_codes import ALL_CODES, chosen_codes
from cam_audit.findings.codes import CODES
from cam_audit.reports.baseline import baseline_of, judge, render
from cam_audit.reports.compare import UNTOLD, compare
from cam_audit.reports.formats import FORMATS
from cam_audit.reports.lines import verdict
from cam_audit.reports.verdict import Verdict
from cam_audit.scan.audit_report import AuditReport

SCAN = ("scan", "photos", "--model", "cheat.onnx", "--overlays", "none")


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of which one class bears a stamp, and a net that goes by it."""
    folder = tmp_path_factory.mktemp("stamped")
    draw(folder / "photos", stamp_in_the_corner, (30, 30, 30))
    net(red=100, ant=0).write(folder / "cheat.onnx")
    return folder


def audit(folder: Path, **options: Any) -> AuditReport:
    return cam_audit.audit(folder / "photos", folder / "cheat.onnx", **options)


@pytest.fixture(scope="module")
def whole(stamped: Path) -> AuditReport:
    return audit(stamped)


@pytest.mark.parametrize(
    ("select", "ignore", "codes"),
    [
        ((), (), ALL_CODES),
        (("CA203",), (), {"CA203"}),
        (("ca203, CA204",), (), {"CA203", "CA204"}),
        (("CA2",), ("CA21",), {code for code in CODES if code.startswith("CA20")}),
        ((), ("CA1", "CA3"), {code for code in CODES if code.startswith("CA2")}),
    ],
)
def test_codes_are_named_whole_or_by_how_they_begin(
    select: tuple[str, ...], ignore: tuple[str, ...], codes: set[str]
) -> None:
    assert chosen_codes(select, ignore) == codes


@pytest.mark.parametrize(
    ("select", "ignore", "message"),
    [
        (("CA2003",), (), "--select: there is no code 'CA2003'; did you mean CA203?"),
        ((), ("colour",), "--ignore: there is no code 'COLOUR'; `cam-audit explain` lists them"),
        ((), ("CA203,",), "--ignore: there is no code ''"),
        (("CA2",), ("CA2",), "--select and --ignore leave no code to look for"),
    ],
)
def test_a_code_that_there_is_not_is_refused(
    select: tuple[str, ...], ignore: tuple[str, ...], message: str, stamped: Path
) -> None:
    with pytest.raises(CamAuditError, match="code") as raised:
        audit(stamped, select=select, ignore=ignore)
    assert str(raised.value).startswith(message)


def test_a_code_that_is_left_out_is_in_no_finding_no_flag_and_no_exit_code(stamped: Path, whole: AuditReport) -> None:
    assert "error" in {finding.severity for finding in whole.findings}
    assert {"CA101", "CA102"} & {flag for image in whole.images for flag in image.flags}
    told = run(stamped, *SCAN, "-o", "less", "--ignore", "CA2", "--ignore", "CA102,CA101")
    less = json.loads((stamped / "less" / "findings.json").read_text())
    assert less["findings"] == []
    assert "CA10" not in (stamped / "less" / "results.csv").read_text()
    assert "no findings" not in told.stdout
    assert "cues could not be looked for: --select and --ignore leave out every code of a cue" in told.stdout
    # all that is not left out is as it was
    others = audit(stamped, ignore="CA104")
    assert [finding.message for finding in others.findings] == [finding.message for finding in whole.findings]


def test_a_cause_whose_code_is_left_out_is_told_as_gravely_under_another_that_sees_it(
    stamped: Path, whole: AuditReport
) -> None:
    (stamp,) = (finding for finding in whole.findings if finding.severity == "error")
    # a stamp in the corner is a repeated cue and an overlay
    code, other = ("CA202", "CA201") if stamp.code == "CA202" else ("CA201", "CA202")
    for ignored in (code, other):
        less = audit(stamped, ignore=ignored)
        (told,) = (finding for finding in less.findings if finding.severity == "error")
        assert (told.code, told.label) == ({code: other, other: code}[ignored], stamp.label)
        assert (told.evidence["flips"], told.evidence["use"]) == (stamp.evidence["flips"], stamp.evidence["use"])
    neither = {finding.code for finding in audit(stamped, ignore=(code, other)).findings}
    assert not neither & {code, other}


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("csv", "html")])
def test_every_format_says_what_was_not_looked_for(stamped: Path, name: str) -> None:
    report = audit(stamped, select=("CA203", "CA204"))
    assert not [finding for finding in report.findings if finding.code not in ("CA203", "CA204")]
    text = "".join(FORMATS[name](report))
    assert "only CA203, CA204 were looked for" in text or '"left_out": [' in text
    assert "only CA203, CA204 were looked for" in verdict(report)


def test_the_page_says_it_too(stamped: Path) -> None:
    run(stamped, *SCAN, "--select", "CA203,CA204", "-o", "two")
    assert "Only CA203, CA204 were looked for." in (stamped / "two" / "report.html").read_text()


def test_the_verdict_names_the_shorter_list() -> None:
    clear = Verdict(None, (), 2, 2, left_out=("CA206",))
    assert clear.all_clear
    assert clear.limits == "CA206 was not looked for"
    assert Verdict(None, (), 2, 1, left_out=("CA206", "CA208")).limits == (
        "cues were looked for in 1 of 2 classes; CA206, CA208 were not looked for"
    )
    only = tuple(code for code in CODES if code != "CA203")
    assert Verdict(None, (), 2, 2, left_out=only).limits == "only CA203 was looked for"


def test_what_a_baseline_accepts_is_stale_only_if_it_was_looked_for(stamped: Path, whole: AuditReport) -> None:
    accepted = baseline_of(whole)
    codes = [finding.code for finding in whole.findings]
    less = audit(stamped, select="CA203")
    assert not judge(accepted, less).stale
    looked = audit(stamped, ignore="CA3")
    assert not judge(accepted, looked).stale
    # and a baseline that is written again keeps it
    file = stamped / "baseline.json"
    file.write_text(render(accepted))
    run(stamped, *SCAN, "--select", "CA203", "-o", "selected")
    told = run(stamped, "baseline", "selected", "-b", "baseline.json").stdout
    assert f"{len(codes)} kept of codes that were not looked for" in told
    assert "dropped" not in told
    assert json.loads(file.read_text())["findings"] == json.loads(render(accepted))["findings"]


def test_a_comparison_does_not_take_what_was_left_out_for_gone(stamped: Path, whole: AuditReport) -> None:
    less = audit(stamped, select="CA203")
    changes = compare(whole, less).findings
    assert changes
    assert {change.change for change in changes} == {UNTOLD}
    assert {change.why for change in changes} == {f"{change.code} was left out after" for change in changes}
    assert {change.why for change in compare(less, whole).findings} == {
        f"{change.code} was left out before" for change in changes
    }


def test_a_scan_goes_on_only_with_the_same_codes(stamped: Path, tmp_path: Path) -> None:
    from small_scans import cut_off_scan

    for name in ("photos", "cheat.onnx"):
        source = stamped / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        cut_off_scan(ignore="CA206")
    message = run(tmp_path, *SCAN, "-o", "out", "--overlays", "all", "--resume", code=2).stderr
    assert "--select and --ignore" in message
    run(tmp_path, *SCAN, "-o", "out", "--overlays", "all", "--resume", "--ignore", "ca206", "--fail-on", "never")
