"""Marks of parts in the baseline: which part of a later scan answers to one, and what follows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from canonical import canonical_report, part, rendered

from cam_audit.cli.process.exits import Exit, exit_of
from cam_audit.cli.summary import summary
from cam_audit.errors import CamAuditError
from cam_audit.records import Example, Finding, Part, PartMaps
from cam_audit.reports.baseline import Baseline, baseline_of, judge, read_baseline, render
from cam_audit.reports.formats import FORMATS
from cam_audit.reports.part_marks import ALIKE, FAILING_SHARE, contradiction, marked_shortcuts, surroundings_marked_fine
from cam_audit.reports.review import FINE, SHORTCUT, UNSURE, Review, read_review
from cam_audit.reports.scan_report import ScanReport


def towards(angle: float, channels: int = 8) -> PartMaps:
    """A direction so many degrees from the first channel's, towards the second's."""
    direction = np.zeros(channels, np.float32)
    direction[:2] = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return PartMaps(direction, ())


def scan(*parts: Part, sha256: str = "s", findings: tuple[Finding, ...] = (), fail_on: str = "error") -> ScanReport:
    run = {"model": {"net": "tiny", "sha256": sha256}, "settings": {"fail_on": fail_on, "out": "out"}, "errors": 0}
    run |= {"seconds": 1.0, "sampled": 9}
    return ScanReport(run, findings, frozenset(), (), (), (), parts=parts)


SNOW, FACE = part("wolf", 1, 0.3, "surroundings", 0.5, "wolf/2.png", "wolf/1.png"), part("wolf", 2, 0.2, "object", 2.5)
MAPS = {SNOW.sheet: towards(0), FACE.sheet: towards(90)}


def marked(**verdicts: str) -> Baseline:
    """The baseline of a scan whose snow or face is marked."""
    marks = {{"snow": SNOW, "face": FACE}[name].fingerprint: verdict for name, verdict in verdicts.items()}
    return baseline_of(scan(SNOW, FACE), Review("s", {}, {}, marks), MAPS)


def judged_report(baseline: Baseline, report: ScanReport, maps: dict[str, PartMaps]) -> ScanReport:
    return replace(report, part_marks=judge(baseline, report, maps).part_marks)


def test_marks_are_kept_with_class_share_direction_and_examples_and_come_back(tmp_path: Path) -> None:
    baseline = marked(snow=SHORTCUT, face=FINE)
    file = tmp_path / "b.json"
    file.write_text(render(baseline), encoding="utf-8")
    document = json.loads(file.read_text())
    assert document["schema_version"] == 2
    first = document["parts"][0]
    assert {name: first[name] for name in ("class", "verdict", "share", "where", "examples")} == {
        "class": "wolf",
        "verdict": "shortcut",
        "share": 0.3,
        "where": "surroundings",
        "examples": ["wolf/1.png", "wolf/2.png"],
    }
    read = read_baseline(file)
    assert render(read) == render(baseline) == file.read_text()
    assert [entry.verdict for entry in read.parts] == [SHORTCUT, FINE]
    assert float(read.parts[0].direction @ towards(0).direction) > 0.999


def test_what_is_unsure_or_has_no_direction_is_not_kept() -> None:
    assert marked(snow=UNSURE).parts == ()
    without = baseline_of(
        scan(SNOW, FACE),
        Review("s", {}, {}, {SNOW.fingerprint: FINE, FACE.fingerprint: FINE}),
        {SNOW.sheet: towards(0)},
    )
    assert [entry.label for entry in without.parts] == ["wolf"]
    assert baseline_of(scan(SNOW), None, MAPS).parts == ()


def test_files_of_version_1_are_read_and_have_no_marks(tmp_path: Path) -> None:
    document = json.loads(render(marked(snow=SHORTCUT)))
    del document["parts"]
    (tmp_path / "b.json").write_text(json.dumps({**document, "schema_version": 1}))
    assert read_baseline(tmp_path / "b.json").parts == ()
    review = {"tool": "cam-audit", "schema_version": 1, "model_sha256": "s", "findings": {}, "images": {}}
    (tmp_path / "r.json").write_text(json.dumps(review))
    assert read_review(tmp_path / "r.json").parts == {}
    newer = {**review, "schema_version": 2, "parts": {"parts/wolf/1.jpg": {"class": "wolf", "verdict": "fine"}}}
    (tmp_path / "r.json").write_text(json.dumps(newer))
    assert read_review(tmp_path / "r.json").parts == {"parts/wolf/1.jpg": "fine"}


@pytest.mark.parametrize(
    "changed", [{"verdict": "unsure"}, {"direction": "!"}, {"direction": ""}, {"share": "much"}, {"examples": None}]
)
def test_a_mark_that_is_none_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    document = json.loads(render(marked(snow=SHORTCUT)))
    document["parts"][0].update(changed)
    (tmp_path / "b.json").write_text(json.dumps(document))
    with pytest.raises(CamAuditError, match=r"b\.json: not a baseline as cam-audit writes it"):
        read_baseline(tmp_path / "b.json")


def test_the_part_that_points_most_nearly_the_same_way_answers() -> None:
    # renumbered, as another part has become the largest
    near, nearer = part("wolf", 1, 0.4, "object", 1.0), part("wolf", 2, 0.3, "surroundings", 1.0)
    maps = {near.sheet: towards(30), nearer.sheet: towards(-10)}
    (answer,) = judge(marked(snow=SHORTCUT), scan(near, nearer), maps).parts
    assert answer.part is nearer
    assert answer.cosine == pytest.approx(np.cos(np.radians(10)), abs=0.01)


@pytest.mark.parametrize(("offset", "answers"), [(-1, True), (1, False)])
def test_a_part_answers_up_to_an_angle(offset: float, answers: bool) -> None:
    angle = np.degrees(np.arccos(ALIKE)) + offset
    judged = judge(marked(snow=SHORTCUT), scan(SNOW), {SNOW.sheet: towards(angle)})
    assert (len(judged.parts), len(judged.stale_parts)) == ((1, 0) if answers else (0, 1))


def test_a_part_answers_to_one_mark_the_most_alike() -> None:
    between = part("wolf", 1, 0.3, "surroundings", 0.5)
    baseline = marked(snow=SHORTCUT, face=FINE)
    judged = judge(baseline, scan(between), {between.sheet: towards(80)})
    assert judged.part_marks == {between.sheet: FINE}
    assert [entry.verdict for entry in judged.stale_parts] == [SHORTCUT]


def test_neither_another_class_nor_another_net_nor_a_net_of_other_channels_answers() -> None:
    baseline = marked(snow=SHORTCUT)
    dog = part("dog", 1, 0.3, "surroundings", 0.5)
    assert judge(baseline, scan(dog), {dog.sheet: towards(0)}).part_marks == {}
    other = judge(baseline, scan(SNOW, sha256="t"), MAPS)
    assert (other.parts, other.stale_parts, other.model_changed) == ((), (), True)
    assert judge(baseline, scan(SNOW), {SNOW.sheet: towards(0, channels=9)}).parts == ()
    assert judge(baseline, scan(SNOW)).parts == ()


@pytest.mark.parametrize(
    ("share", "fail_on", "code"),
    [
        (0.3, "error", Exit.FINDINGS),
        (FAILING_SHARE, "error", Exit.FINDINGS),
        (-0.3, "warning", Exit.FINDINGS),
        (0.0999, "error", Exit.CLEAN),
        (0.3, "never", Exit.CLEAN),
    ],
)
def test_a_marked_shortcut_makes_a_scan_fail_from_a_tenth_of_the_score(share: float, fail_on: str, code: Exit) -> None:
    report = scan(replace(SNOW, share=share), fail_on=fail_on)
    assert exit_of(judged_report(marked(snow=SHORTCUT), report, MAPS)) == code
    assert exit_of(judged_report(marked(snow=FINE), report, MAPS)) == Exit.CLEAN
    assert exit_of(report) == Exit.CLEAN


def test_the_summary_says_which_part_its_share_and_what_to_do() -> None:
    report = judged_report(marked(snow=SHORTCUT), scan(SNOW, FACE), MAPS)
    assert marked_shortcuts(report) == [SNOW]
    said = " ".join(summary(report).split())
    assert "shortcut part 1 of wolf" in said
    assert "carries 30% of the class's score; 10% are enough to fail. To do: add images" in said
    assert "still there" not in summary(judged_report(marked(snow=FINE), scan(SNOW), MAPS))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("csv", "json")])
def test_every_format_tells_of_a_marked_shortcut(name: str) -> None:
    report = canonical_report()
    shortcut = report.parts[0]
    assert shortcut.label == "cat"
    told = rendered(name, replace(report, part_marks={shortcut.sheet: SHORTCUT}))
    plain = told.replace("\\", "").replace("&#39;", "'").replace("&apos;", "'")
    assert "part 1 of 'cat', which a reviewer marked a shortcut, carries 75%" in plain
    assert "marked a shortcut, carries" not in rendered(name, replace(report, part_marks={shortcut.sheet: FINE}))


def surroundings(label: str = "wolf") -> Finding:
    return Finding("CA207", "warning", label, "much lies in the surroundings", {"score": 1.0}, (), "77")


def test_evidence_in_the_surroundings_is_known_if_all_of_its_parts_are_marked_fine() -> None:
    other = part("wolf", 3, 0.15, "surroundings", 0.6)
    dogs = part("dog", 1, 0.15, "surroundings", 0.6)
    finding = surroundings()
    parts = (SNOW, FACE, other, dogs)
    assert surroundings_marked_fine(finding, parts, {SNOW.sheet: FINE, other.sheet: FINE})
    assert not surroundings_marked_fine(finding, parts, {SNOW.sheet: FINE})
    assert not surroundings_marked_fine(finding, parts, {SNOW.sheet: FINE, other.sheet: SHORTCUT})
    assert not surroundings_marked_fine(finding, (FACE,), {FACE.sheet: FINE})
    judged = judge(marked(snow=FINE), scan(SNOW, FACE, findings=(finding,)), MAPS)
    assert (judged.new, judged.known) == ((), (finding,))
    judged = judge(marked(face=FINE), scan(SNOW, FACE, findings=(finding,)), MAPS)
    assert (judged.new, judged.known) == ((finding,), ())
    # a finding of another code is not lent the mark
    border = replace(finding, code="CA203")
    assert judge(marked(snow=FINE), scan(SNOW, FACE, findings=(border,)), MAPS).new == (border,)


def test_a_mark_follows_the_direction_of_a_part_and_not_its_number() -> None:
    swapped = {SNOW.sheet: towards(90), FACE.sheet: towards(0)}
    assert judge(marked(snow=SHORTCUT), scan(SNOW, FACE), swapped).part_marks == {FACE.sheet: SHORTCUT}


def test_marks_of_a_review_say_nothing_about_the_parts_of_another_scan() -> None:
    review = Review("s", {}, {}, {SNOW.fingerprint: SHORTCUT})
    body = replace(SNOW, examples=(Example("wolf/3.png", (0.0, 0.0, 0.5, 0.5)),))
    assert [entry.label for entry in baseline_of(scan(SNOW, FACE), review, MAPS).parts] == ["wolf"]
    # the same class, number and sheet, but of other images, or elsewhere in them
    assert baseline_of(scan(body, FACE), review, MAPS).parts == ()
    elsewhere = replace(SNOW, examples=tuple(replace(each, box=(0.0, 0.0, 0.5, 0.5)) for each in SNOW.examples))
    assert baseline_of(scan(elsewhere, FACE), review, MAPS).parts == ()


@pytest.mark.parametrize(
    ("of_finding", "of_snow", "contradicts"),
    [(SHORTCUT, FINE, True), (SHORTCUT, SHORTCUT, False), (FINE, FINE, False), ("unsure", FINE, False)],
)
def test_a_review_contradicts_itself_that_calls_surroundings_a_shortcut_and_all_their_parts_fine(
    of_finding: str, of_snow: str, contradicts: bool
) -> None:
    found = Finding("CA207", "error", "wolf", "much lies in the surroundings", {"score": 1.0}, (), "77")
    review = Review("s", {"77": of_finding}, {}, {SNOW.fingerprint: of_snow, FACE.fingerprint: FINE})
    assert contradiction(review, scan(SNOW, FACE, findings=(found,))) == ("wolf" if contradicts else None)
