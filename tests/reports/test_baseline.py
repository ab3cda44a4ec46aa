"""Accepting findings, and failing only for others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from canonical import canonical_report
from commands import run
from red_ground import GROUNDS, write_photos
from tiny_net import colour_net

from cam_audit.records import Example, Finding, Pair
from cam_audit.reports.baseline import baseline_of, judge, read_baseline, render, thresholds
from cam_audit.reports.review import FINE, SHORTCUT, UNSURE, Review
from cam_audit.reports.scan_report import ImageRow, ScanReport

SCAN = ("scan", "photos", "--net", "tiny", "--overlays", "none")
FILE = ".cam-audit-baseline.json"


def finding(code: str = "CA203", severity: str = "error", *, fingerprint: str = "aa", images: str = "abc") -> Finding:
    examples = tuple(Example(f"cat/{name}.png") for name in images)
    return Finding(code, severity, "cat", "it is seen", {"score": 1.0}, examples, fingerprint)


def report(*findings: Finding, images: Sequence[ImageRow] = (), sha256: str = "s") -> ScanReport:
    run = {"model": {"net": "tiny", "sha256": sha256}}
    return ScanReport(run, findings, frozenset(), (), (), tuple(images))


def test_a_finding_of_the_same_fingerprint_is_known_wherever_its_images_lie() -> None:
    renamed = finding(images="xyz")
    judged = judge(baseline_of(report(finding())), report(renamed))
    assert (judged.new, judged.known, judged.stale) == ((), (renamed,), ())


def test_a_finding_that_shares_an_example_is_known_and_one_that_shares_none_is_new() -> None:
    accepted = baseline_of(report(finding(images="abc")))
    grown, other = finding(fingerprint="bb", images="cde"), finding(fingerprint="bb", images="def")
    assert judge(accepted, report(grown)).known == (grown,)
    judged = judge(accepted, report(other))
    assert judged.new == (other,)
    assert [entry.examples for entry in judged.stale] == [("cat/a.png", "cat/b.png", "cat/c.png")]


def test_neither_another_code_nor_another_class_is_known() -> None:
    accepted = baseline_of(report(finding()))
    for other in (finding("CA201", fingerprint="bb"), replace(finding(fingerprint="bb"), label="dog")):
        judged = judge(accepted, report(other))
        assert (judged.new, judged.known, len(judged.stale)) == ((other,), (), 1)


def test_a_cause_that_comes_out_under_its_other_code_is_known() -> None:
    accepted = baseline_of(report(finding("CA203", fingerprint="aa"), finding("CA202", fingerprint="cc")))
    now = (finding("CA204", fingerprint="bb"), finding("CA201", fingerprint="dd"))
    judged = judge(accepted, report(*now))
    assert (judged.new, judged.known, judged.stale) == ((), now, ())
    both = baseline_of(report(finding("CA201", fingerprint="aa"), finding("CA202", fingerprint="cc", severity="note")))
    now = (finding("CA202", fingerprint="dd", severity="note"), finding("CA201", fingerprint="bb"))
    assert judge(both, report(*now)).stale == ()


@pytest.mark.parametrize("fingerprint", ["aa", "bb"])
def test_a_finding_is_known_up_to_the_severity_that_was_accepted(fingerprint: str) -> None:
    accepted = baseline_of(report(finding(severity="warning")))
    for severity in ("note", "warning"):
        assert judge(accepted, report(finding(severity=severity, fingerprint=fingerprint))).new == ()
    graver = finding(severity="error", fingerprint=fingerprint)
    judged = judge(accepted, report(graver))
    assert (judged.new, judged.known, judged.stale) == ((graver,), (), ())
    assert {key: entry.severity for key, entry in judged.grown.items()} == {fingerprint: "warning"}


def with_effect(value: float, low: float, high: float, severity: str = "warning") -> Finding:
    numbers = {"flips": value, "flips_low": low, "flips_high": high}
    return replace(finding(severity=severity, fingerprint="bb"), evidence={"score": 1.0, **numbers})


@pytest.mark.parametrize(
    ("now", "is_known"),
    [
        # accepted as a warning with .2, .1 to .3
        (with_effect(0.3, 0.15, 0.45), True),
        (with_effect(0.35, 0.15, 0.55), True),
        (with_effect(0.35, 0.25, 0.45), False),
        (with_effect(0.05, 0.0, 0.1), True),
        (with_effect(0.25, 0.15, 0.35, "error"), True),
        (with_effect(0.29, 0.21, 0.37, "error"), False),
        (with_effect(0.25, 0.15, 0.35, "note"), True),
    ],
)
def test_an_accepted_finding_is_new_only_where_its_interval_says_that_it_is_more(now: Finding, is_known: bool) -> None:
    judged = judge(baseline_of(report(with_effect(0.2, 0.1, 0.3))), report(now))
    assert (judged.known == (now,), judged.new == (now,)) == (is_known, not is_known)


def test_accepted_pairs_are_new_only_where_they_are_more() -> None:
    def twice(pairs: int, fingerprint: str) -> Finding:
        pair = Pair(("cat/a.png", "dog/a.png"), ("cat", "dog"), ("", ""), same_pixels=True)
        return replace(
            finding("CA301", "warning", fingerprint=fingerprint), evidence={"score": 1.0, "pairs": pairs}, pairs=(pair,)
        )

    accepted = baseline_of(report(twice(3, "aa")))
    for pairs, known in ((2, True), (3, True), (4, False)):
        now = twice(pairs, "bb")
        assert judge(accepted, report(now)).known == ((now,) if known else ())


def test_effects_and_their_intervals_come_back_from_the_file(tmp_path: Path) -> None:
    accepted = baseline_of(report(with_effect(0.2, 0.1, 0.3)))
    (tmp_path / "b.json").write_text(render(accepted), encoding="utf-8")
    (entry,) = read_baseline(tmp_path / "b.json").findings.values()
    assert {name: (e.value, e.low, e.high) for name, e in entry.effects.items()} == {"flips": (0.2, 0.1, 0.3)}
    # as versions wrote it that kept no effects
    document = json.loads(render(accepted))
    del document["findings"]["bb"]["effects"]
    (tmp_path / "b.json").write_text(json.dumps(document), encoding="utf-8")
    older = read_baseline(tmp_path / "b.json")
    assert judge(older, report(with_effect(0.9, 0.8, 1.0))).new == ()
    graver = with_effect(0.25, 0.15, 0.35, "error")
    assert judge(older, report(graver)).new == (graver,)


def test_an_entry_of_the_same_fingerprint_is_not_lent_to_another_finding() -> None:
    accepted = baseline_of(report(finding()))
    other = finding(fingerprint="bb")
    judged = judge(accepted, report(other, finding()))
    assert (judged.new, judged.known) == ((other,), (finding(),))


def test_another_net_and_other_thresholds_are_told() -> None:
    accepted = baseline_of(report(finding()))
    assert not judge(accepted, report(finding())).model_changed
    assert judge(accepted, report(finding(), sha256="t")).model_changed
    assert judge(accepted, report()).thresholds == {}
    older = replace(accepted, thresholds={**thresholds(), "CA203": "TPR2 >= 0.5", "CA999": "any"})
    assert judge(older, report()).thresholds == {
        "CA203": ("TPR2 >= 0.5", thresholds()["CA203"]),
        "CA999": ("any", "none"),
    }


def test_a_review_accepts_only_what_is_marked_fine() -> None:
    fine, shortcut, unsure = (finding(f"CA20{i}", fingerprint=f"f{i}") for i in range(1, 4))
    unmarked = finding("CA204", fingerprint="f4")
    rows = [
        ImageRow("cat/a.png", "cat", flags=("CA104", "CA102")),
        ImageRow("cat/b.png", "cat", flags=("CA102",)),
        ImageRow("cat/c.png", "cat"),
    ]
    marks = Review(
        "s",
        {"f1": FINE, "f2": SHORTCUT, "f3": UNSURE, "gone": FINE},
        {"cat/a.png": FINE, "cat/b.png": SHORTCUT, "cat/c.png": FINE},
    )
    scan = report(fine, shortcut, unsure, unmarked, images=rows)
    accepted = baseline_of(scan, marks)
    assert accepted.findings.keys() == {"f1"}
    assert accepted.images == {"cat/a.png": ("CA102", "CA104")}
    judged = judge(accepted, scan)
    assert judged.new == (shortcut, unsure, unmarked)
    assert (judged.flagged, judged.fine) == (2, 1)
    flagged_anew = replace(rows[0], flags=("CA101", "CA102", "CA104"))
    assert judge(accepted, report(images=[flagged_anew])).fine == 0


def test_the_file_is_sorted_has_no_time_and_comes_back(tmp_path: Path) -> None:
    whole = canonical_report()
    whole = replace(whole, images=(*whole.images, ImageRow("owl/\udcff.png", "owl", flags=("CA102",))))
    marks = Review("", {f.fingerprint: FINE for f in whole.findings}, {row.path: FINE for row in whole.images})
    accepted = baseline_of(whole, marks)
    text = render(accepted)
    backwards = replace(whole, findings=whole.findings[::-1], images=whole.images[::-1])
    assert render(baseline_of(replace(backwards, run={**whole.run, "started": "2030", "seconds": 1}), marks)) == text
    document = json.loads(text)
    assert (
        json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
        + "\n"
        == text
    )
    assert document["schema_version"] == 2
    assert document["findings"].keys() == {f.fingerprint for f in whole.findings}
    assert document["model"]["sha256"] == "ab" * 32
    assert "2026" not in text
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    assert read_baseline(tmp_path / "b.json") == accepted


def test_thresholds_are_those_of_the_manual() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")
    words = thresholds()
    assert words["warning"] == "gain > 0.15 for certain (0.25 for surroundings, 0.10 for cast, 0.25 for context)"
    assert words["error"] == "10% more images turn than with a control, for certain"
    assert "(0.15 of what usually decides, for surroundings and context 0.25, for casts 0.10)" in manual
    assert "the estimate is at least 10 %" in manual


def test_a_scan_fails_only_for_what_is_new(scanned: Path) -> None:
    assert "3 of 3 findings accepted" in run(scanned, "baseline", "cam-audit-out").stdout
    first = (scanned / FILE).read_bytes()
    result = run(scanned, *SCAN, "--baseline", FILE)
    assert f"baseline {FILE}: 0 new, 3 known, 0 stale" in result.stdout
    assert "known    error    CA203 red: border or background predicts the class" in result.stdout
    run(scanned, "baseline", "cam-audit-out")
    assert (scanned / FILE).read_bytes() == first

    document = json.loads(first)
    document["findings"] = {
        key: e for key, e in document["findings"].items() if (e["code"], e["class"]) != ("CA203", "red")
    }
    (scanned / FILE).write_text(json.dumps(document))
    result = run(scanned, *SCAN, "--baseline", FILE, code=1)
    assert f"baseline {FILE}: 1 new, 2 known, 0 stale" in result.stdout
    assert "new      error    CA203 red" in result.stdout
    run(scanned, *SCAN, "--baseline", FILE, "--fail-on", "never")


def test_what_is_new_but_less_grave_than_fail_on_does_not_fail(scanned: Path) -> None:
    write_photos(scanned / "photos", grounds={**GROUNDS, "red": GROUNDS["green"]})
    run(scanned, *SCAN, code=1)
    run(scanned, "baseline", "cam-audit-out")
    document = json.loads((scanned / FILE).read_text())
    document["findings"] = {key: e for key, e in document["findings"].items() if e["severity"] == "error"}
    (scanned / FILE).write_text(json.dumps(document))
    assert "2 new, 1 known" in run(scanned, *SCAN, "--baseline", FILE).stdout
    run(scanned, *SCAN, "--baseline", FILE, "--fail-on", "warning", code=1)


def test_images_that_are_added_leave_a_finding_known(scanned: Path) -> None:
    run(scanned, "baseline", "cam-audit-out")
    before = {
        f["fingerprint"] for f in json.loads((scanned / "cam-audit-out" / "findings.json").read_text())["findings"]
    }
    write_photos(scanned / "photos", {"red": range(24, 34)})
    result = run(scanned, *SCAN, "--baseline", FILE)
    after = {
        (f["code"], f["class"]): f["fingerprint"]
        for f in json.loads((scanned / "cam-audit-out" / "findings.json").read_text())["findings"]
    }
    assert after["CA203", "red"] not in before
    assert "known    error    CA203 red" in result.stdout
    assert " 0 new, " in result.stdout


def test_stale_entries_another_net_and_other_thresholds_are_reported(scanned: Path) -> None:
    run(scanned, "baseline", "cam-audit-out")
    document = json.loads((scanned / FILE).read_text())
    document["thresholds"]["CA203"] = "TPR2 >= 0.5"
    document["findings"]["ff"] = {"code": "CA201", "class": "blue", "severity": "error", "examples": ["blue/x.png"]}
    (scanned / FILE).write_text(json.dumps(document))
    colour_net(metadata={"source_sha256": "1" * 64}).write(scanned / "onnx_models" / "tiny.onnx")
    output = run(scanned, *SCAN, "--baseline", FILE, "--fresh").stdout
    assert "3 known, 1 stale" in output
    assert "stale    error    CA201 blue: repeated cue (accepted, and not found any more)" in output
    assert "note: the net is not the baseline's (tiny, sha256 " in output
    assert "note: threshold of CA203: TPR2 >= 0.25; the baseline's: TPR2 >= 0.5" in output


def review(scanned: Path, **changed: object) -> None:
    """A review.json that calls the red ground a shortcut and the other findings fine."""
    out = scanned / "cam-audit-out"
    findings = json.loads((out / "findings.json").read_text())["findings"]
    document = {
        "schema_version": 1,
        "tool": "cam-audit",
        "model_sha256": json.loads((out / "run.json").read_text())["model"]["sha256"],
        "findings": {
            f["fingerprint"]: {
                "code": f["code"],
                "class": f["class"],
                "verdict": "shortcut" if f["class"] == "red" else "fine",
            }
            for f in findings
        },
        "images": {findings[0]["examples"][0]["path"]: "fine"},
    }
    (scanned / "review.json").write_text(json.dumps({**document, **changed}))


def test_what_a_review_calls_a_shortcut_goes_on_failing(scanned: Path) -> None:
    review(scanned)
    run(scanned, "baseline", "cam-audit-out")
    result = run(scanned, "baseline", "cam-audit-out", "--review", "review.json")
    assert "2 of 3 findings and 1 image accepted" in result.stdout
    assert "dropped  error    CA203 red" in result.stdout
    assert "left to fail: 1 shortcut" in result.stderr
    result = run(scanned, *SCAN, "--baseline", FILE, code=1)
    assert "1 new, 2 known, 0 stale" in result.stdout
    assert ", 1 of them marked fine" in result.stdout


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_sha256": "0" * 64}, "review.json: made about another net than the scan in cam-audit-out"),
        ({"schema_version": 4}, "review.json: written by a newer cam-audit"),
        ({"findings": {"aa": {"verdict": "ok"}}}, "findings.aa.verdict: must be shortcut, fine or unsure, not 'ok'"),
        ({"findings": []}, "review.json: not a review as cam-audit writes it"),
    ],
)
def test_a_wrong_review_is_refused_and_writes_nothing(scanned: Path, changed: dict[str, object], message: str) -> None:
    review(scanned, **changed)
    result = run(scanned, "baseline", "cam-audit-out", "--review", "review.json", code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (scanned / FILE).exists()


WRONG = {
    "text.json": ("not a baseline: not JSON", "<<<<<<< HEAD\n"),
    "deep.json": ("not a baseline", "[" * 100_000),
    "list.json": ("not a baseline of cam-audit", "[]"),
    "run.json": ("not a baseline as cam-audit writes it", '{"tool": "cam-audit", "schema_version": 1}'),
    "old.json": ("schema_version is '1', not 1 to 2", '{"tool": "cam-audit", "schema_version": "1"}'),
    "newer.json": ("written by a newer cam-audit (schema_version 3", '{"tool": "cam-audit", "schema_version": 3}'),
    "severity.json": (
        "findings.a.severity: must be note, warning or error, not 'bad'",
        '{"tool": "cam-audit", "schema_version": 1, "model": {"net": "x", "sha256": "y"}, "thresholds": {}, '
        '"images": {}, "findings": {"a": {"code": "CA203", "class": "x", "severity": "bad", "examples": []}}}',
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_no_baseline_is_neither_used_nor_replaced(scanned: Path, name: str) -> None:
    message, text = WRONG[name]
    (scanned / name).write_text(text)
    for arguments in ((*SCAN, "--baseline", name), ("baseline", "cam-audit-out", "-b", name)):
        result = run(scanned, *arguments, code=2)
        assert f"{name}: " in result.stderr
        assert message in result.stderr
        assert result.stderr.count("\n") == 1
    assert (scanned / name).read_text() == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SCAN, "--baseline", "gone.json"), "gone.json: no such baseline; `cam-audit baseline OUT -b gone.json`"),
        ((*SCAN, "--baseline", "photos"), "photos: cannot be read: Is a directory"),
        (("baseline", "cam-audit-out", "-b", "photos"), "photos: cannot be read: Is a directory"),
        (("baseline", "cam-audit-out", "-b", "gone/b.json"), "cannot write gone/b.json"),
        (("baseline", "photos"), "photos: not the output folder of a cam-audit scan"),
        (("baseline",), "Missing argument 'OUT'"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(scanned: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(scanned, *arguments, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_every_format_knows_what_the_baseline_accepts(scanned: Path) -> None:
    run(scanned, "baseline", "cam-audit-out", "-b", "accepted.json")
    scan = ("scan", "photos", "--net", "tiny", "--overlays", "none")
    before = run(scanned, *scan, "--output", "junit=-", code=1).stdout
    after = run(scanned, *scan, "--baseline", "accepted.json", "--output", "junit=-").stdout
    assert "<failure" in before
    assert "<failure" not in after
    report = (scanned / "cam-audit-out" / "report.html").read_text()
    assert "accepted in the baseline" in report
    # and so does what is rendered later
    assert run(scanned, "report", "cam-audit-out", "--output", "junit=-").stdout == after
    run(scanned, *scan, code=1)
    assert "accepted in the baseline" not in (scanned / "cam-audit-out" / "report.html").read_text()
