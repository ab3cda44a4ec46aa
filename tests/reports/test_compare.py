"""Two scans side by side: what changed, what can't be told, and whether it helped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from canonical import canonical_report
from commands import run
from red_ground import GROUNDS, write_photos

from cam_audit.cli.compare import FORMATS as NAMES
from cam_audit.records import ConfusedImage, Disagreement, Finding
from cam_audit.reports.compare import (
    APPEARED,
    BETTER,
    HARMED,
    HELPED,
    MIXED,
    NO_CHANGE,
    SAME,
    UNKNOWN,
    UNTOLD,
    WENT,
    WORSE,
    Comparison,
    compare,
)
from cam_audit.reports.comparison import FORMATS
from cam_audit.reports.scan_report import ImageRow, ScanReport


def finding(severity: str = "error", code: str = "CA203", label: str = "cat", **evidence: float) -> Finding:
    numbers = {"images": 30.0, "score": 0.5, **evidence}
    return Finding(code, severity, label, "it is seen", numbers, (), "aa")


def effect(value: float, low: float, high: float) -> dict[str, float]:
    """How many more images turned than with a control, and the interval."""
    return {"flips": value, "flips_low": low, "flips_high": high}


def rows(label: str, right: int, wrong: int = 0, *, inside: float | None = None, start: int = 0) -> list[ImageRow]:
    """Images of a class; those that are right have the score 0.75, the others 0.25."""
    return [
        ImageRow(
            path=f"{label}/{start + index}.png",
            label=label,
            top=(((label if index < right else "owl"), 0.75),),
            label_score=0.75 if index < right else 0.25,
            flags=() if index < right else ("CA104",),
            inside_share=inside,
        )
        for index in range(right + wrong)
    ]


def report(*findings: Finding, images: list[ImageRow] | None = None, **run: object) -> ScanReport:
    images = rows("cat", 30) + rows("dog", 30) if images is None else images
    details = {"model": {"net": "tiny", "sha256": "s"}, "settings": {"settings": {}}, **run}
    wrong = tuple(
        ConfusedImage(row.path, row.label, row.top[0][0], Disagreement(None, (0, 0), (0, 0)))
        for row in images
        if "CA104" in row.flags
    )
    return ScanReport(details, findings, frozenset(), wrong, (), tuple(images), "out")


def test_a_cause_under_its_other_code_is_one_finding() -> None:
    comparison = compare(report(finding(gain=2.0)), report(finding(code="CA204", gain=1.0)))
    assert only(comparison) == (BETTER, "")
    assert comparison.findings[0].code == "CA203 -> CA204"
    comparison = compare(report(finding()), report(finding(code="CA201")))
    assert {change.code: change.change for change in comparison.findings} == {"CA203": WENT, "CA201": APPEARED}
    both = (finding(code="CA201"), finding(code="CA202"))
    comparison = compare(report(*both), report(both[1]))
    assert {change.code: change.change for change in comparison.findings} == {"CA202": SAME, "CA201": WENT}


def only(comparison: Comparison) -> tuple[str, str]:
    (change,) = comparison.findings
    return change.change, change.why


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        (finding(), None, WENT),
        (None, finding(), APPEARED),
        (finding(), finding("warning"), BETTER),
        (finding("warning"), finding(), WORSE),
        (finding("note", gain=2), finding(gain=1), WORSE),
        (finding(gain=1.0), finding(gain=0.8), BETTER),
        (finding(gain=1.0), finding(gain=0.9), SAME),
        (finding(gain=1.0, use=0.1), finding(gain=1.0, use=0.9), SAME),
        (finding(use=0.2, score=0.2), finding(use=0.35, score=0.2), WORSE),
        (finding(gain=1.0, use=0.2), finding(use=0.25), SAME),
        (finding(score=0.5), finding(score=0.7), WORSE),
        (finding(score=0.5), finding(score=0.55), SAME),
        (finding(code="CA205", score=0.5), finding(code="CA205", score=0.8), BETTER),
        (finding(**effect(0.5, 0.3, 0.7)), finding(**effect(0.1, 0.0, 0.2)), BETTER),
        (finding(**effect(0.1, 0.0, 0.2)), finding(**effect(0.5, 0.3, 0.7)), WORSE),
        (finding(**effect(0.5, 0.3, 0.7)), finding(**effect(0.2, 0.0, 0.4)), SAME),
        (finding(**effect(0.5, 0.3, 0.7), gain=1.0), finding(**effect(0.2, 0.0, 0.4), gain=0.1), SAME),
        (finding(**effect(0.5, 0.3, 0.7)), finding(use=0.1), SAME),
        (finding(gain=1.0), finding("note", images=20, gain=1.0), SAME),
        (finding(gain=1.0), finding("note", images=20, gain=0.5), BETTER),
    ],
)
def test_a_finding_changes_by_severity_and_else_by_its_strongest_evidence(
    before: Finding | None, after: Finding | None, change: str
) -> None:
    comparison = compare(*(report(*([found] if found else [])) for found in (before, after)))
    assert only(comparison) == (change, "")


@pytest.mark.parametrize(
    ("code", "images", "why"),
    [
        ("CA203", rows("cat", 11) + rows("dog", 30), "only 11 images of the class after, too few"),
        ("CA203", rows("dog", 30), "there are no images of the class after"),
        ("CA203", rows("cat", 30), "no other class to compare with after"),
        ("CA205", rows("cat", 30) + rows("dog", 30), "only 0 images have an annotated object after"),
    ],
)
def test_what_a_scan_did_not_look_for_neither_went_nor_appeared(code: str, images: list[ImageRow], why: str) -> None:
    found = report(finding(code=code), images=rows("cat", 30, inside=0.1) + rows("dog", 30, inside=0.1))
    other = report(images=images)
    change, reason = only(compare(found, other))
    assert change == UNTOLD
    assert why in reason
    change, reason = only(compare(other, found))
    assert change == UNTOLD
    assert why.replace("after", "before") in reason


def test_agreement_and_scores_are_means_of_the_images() -> None:
    before = report(images=rows("cat", 24, 8) + rows("dog", 32))
    after = report(images=rows("cat", 32) + rows("owl", 16))
    comparison = compare(before, after)
    cat, dog, owl = comparison.classes
    assert (cat.before.agreement, cat.before.label_score) == (0.75, (24 * 0.75 + 8 * 0.25) / 32)
    assert (cat.after.agreement, cat.after.label_score) == (1.0, 0.75)
    assert (dog.after, owl.before) == (None, None)
    # the mean is over the classes in both
    assert comparison.agreement == (0.75, 1.0)


def test_images_that_could_not_be_read_or_stand_for_no_class_are_left_out() -> None:
    images = [
        *rows("cat", 3),
        ImageRow("cat/x.png", "cat", error="cut off"),
        ImageRow("dog/0.png", "dog", top=(("a", 1.0),)),
    ]
    comparison = compare(report(images=images), report(images=images))
    cat, dog = comparison.classes
    assert (cat.before.images, cat.before.labelled) == (3, 3)
    assert (dog.before.images, dog.before.agreement, dog.before.label_score) == (1, None, None)
    assert comparison.shared == 4


def test_predictions_are_compared_by_path() -> None:
    before, after = rows("cat", 2, 1), rows("cat", 1, 3)
    comparison = compare(report(images=before), report(images=after))
    assert comparison.shared == 3
    (change,) = comparison.predictions
    assert (change.path, change.before, change.after) == ("cat/1.png", "cat", "owl")
    assert (change.agreed, change.agrees) == (True, False)


CATS = rows("cat", 30) + rows("dog", 30)
POOR = rows("cat", 15, 15) + rows("dog", 30)
NEARLY = rows("cat", 29, 1) + rows("dog", 30)


@pytest.mark.parametrize(
    ("before", "after", "outcome", "words"),
    [
        (report(finding()), report(), HELPED, "It helped: CA203 cat went"),
        (report(finding(gain=2.0)), report(finding(gain=1.0)), HELPED, "It helped: CA203 cat got weaker"),
        (report(), report(finding()), HARMED, "It got worse: CA203 cat appeared"),
        (report(finding()), report(finding(label="dog")), MIXED, "Mixed: CA203 cat went; CA203 dog appeared"),
        (report(finding()), report(images=POOR), MIXED, "in 100.0% before and 75.0% after."),
        (report(finding()), report(images=NEARLY), HELPED, "98.3% after, which chance alone can do."),
        (report(images=POOR), report(), HELPED, "It helped: prediction = folder in 75.0% before and 100.0% after."),
        (report(images=CATS), report(images=POOR), HARMED, "It got worse: prediction = folder"),
        (report(finding()), report(finding()), NO_CHANGE, "It made no difference: CA203 cat stayed"),
        (report(), report(), NO_CHANGE, "prediction = folder in 100.0% before and after."),
        (report(finding("note")), report(), NO_CHANGE, "It made no difference"),
        (report(finding()), report(images=rows("dog", 30)), UNKNOWN, "It can't be told: CA203 cat can't be compared"),
        (report(), report(images=rows("owl", 30)), UNKNOWN, "It can't be told: no class is in both scans."),
        (report(images=[]), report(images=[]), UNKNOWN, "It can't be told"),
    ],
)
def test_the_verdict_says_whether_it_helped(before: ScanReport, after: ScanReport, outcome: str, words: str) -> None:
    comparison = compare(before, after)
    assert comparison.outcome == outcome
    assert words in comparison.verdict


def test_what_is_not_alike_is_said() -> None:
    assert compare(report(), report()).notes == ()
    after = report(
        images=rows("cat", 30, start=20),
        model={"net": "other", "sha256": "t"},
        settings={"limit": 5, "settings": {"size": 448}},
        version="9",
    )
    notes = "\n".join(compare(report(version="8"), after).notes)
    assert "the nets differ (tiny and other)" in notes
    assert "10 of 30 images after are at a path that was there before" in notes
    assert "--size differs (None and 448)" in notes
    assert "--limit differs (None and 5)" in notes
    assert "made by cam-audit 8 and 9" in notes


def canonical() -> Comparison:
    """Hostile names before; afterwards a class is gone and a prediction has changed."""
    before = canonical_report()
    images = [row for row in before.images if row.label != "dog"]
    return compare(before, ScanReport(before.run, before.findings[:1], frozenset(), (), (), tuple(images), "after"))


def test_no_name_steers_the_terminal_or_the_markdown() -> None:
    text = FORMATS["text"](canonical())
    assert all(line.isprintable() for line in text.splitlines())
    document = FORMATS["markdown"](canonical())
    assert "<img" not in document
    assert "&lt;img src=x onerror=alert(1)>" in document
    table = [line for line in document.splitlines() if line.startswith("| ")]
    columns = {line.replace("\\|", "").count("|") for line in table}
    assert columns == {5, 9}


def test_json_has_every_number() -> None:
    document = json.loads(FORMATS["json"](canonical()))
    assert document["schema_version"] == 2
    assert document["verdict"] == canonical().verdict
    by_class: Mapping[str, dict] = {item["class"]: item for item in document["classes"]}
    assert by_class["cat"]["before"] == {
        "images": 2,
        "labelled": 2,
        "agreeing": 1,
        "label_score": 0.4375,
        "agreement": 0.5,
    }
    assert by_class["dog"]["after"] is None
    changes = {item["class"]: (item["change"], item["before"]["code"]) for item in document["findings"]}
    assert changes["dog"] == (UNTOLD, "CA206")
    assert document["findings"][0].keys() == {"class", "change", "why", "before", "after"}


def test_the_command_offers_every_format() -> None:
    assert tuple(FORMATS) == NAMES


def test_better_data_helped(scanned: Path) -> None:
    write_photos(scanned / "photos", grounds={**GROUNDS, "red": GROUNDS["green"]})
    run(scanned, "scan", "photos", "--net", "tiny", "--overlays", "none", "-o", "after", code=1)
    result = run(scanned, "compare", "cam-audit-out", "after", "--output", "markdown=c.md", "--output", "json=c.json")
    assert result.stderr == ""
    document = json.loads((scanned / "c.json").read_text())
    (red,) = [item for item in document["findings"] if item["class"] == "red"]
    assert red["change"] == BETTER
    assert red["after"]["evidence"]["flips"] < red["before"]["evidence"]["flips"]
    assert document["verdict"] in result.stdout.replace("\n", " ")
    assert document["images_in_both"] == 72
    assert document["agreement"] == {"before": 1.0, "after": 1.0}
    assert "| better | CA203 -> CA204 | red | error -> warning |" in (scanned / "c.md").read_text()
    result = run(scanned, "compare", "cam-audit-out", "cam-audit-out", "--output", "json=-")
    assert json.loads(result.stdout)["outcome"] == NO_CHANGE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cam-audit-out",), "Missing argument 'AFTER'"),
        (("cam-audit-out", "photos"), "photos: not the output folder of a cam-audit scan"),
        (("gone", "cam-audit-out"), "gone: not the output folder of a cam-audit scan"),
        (("cam-audit-out", "cam-audit-out", "--output", "jsn=-"), "'jsn' is no format; did you mean json?"),
        (("cam-audit-out", "cam-audit-out", "--output", "json=gone/c"), "there is no folder gone"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(scanned: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(scanned, "compare", *arguments, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
