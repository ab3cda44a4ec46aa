"""Which findings decide, and which classes they are about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from canonical import canonical_report, finding, image, rendered

from cam_audit.records import Pair
from cam_audit.reports.counts import counts_of
from cam_audit.reports.verdict import Verdict, verdict_on


def verdict_of(*findings: tuple[str, str]) -> Verdict:
    """By label and severity, among three classes."""
    found = tuple(finding("CA203", severity, label) for label, severity in findings)
    report = replace(canonical_report(), findings=found, images=tuple(image("1.png", label) for label in "abc"))
    return verdict_on(report, counts_of(report))


def test_the_gravest_findings_decide_and_each_class_counts_once() -> None:
    assert verdict_of(("b", "error"), ("a", "error"), ("b", "error"), ("c", "note")) == Verdict(
        "error", ("b", "a"), 3, 3
    )
    assert verdict_of(("c", "note"), ("a", "warning")) == Verdict("warning", ("a",), 3, 3)
    assert verdict_of(("", "note")) == Verdict("note", ("",), 3, 3)


def test_without_findings_nothing_is_affected() -> None:
    assert verdict_of() == Verdict(None, (), 3, 3)


def test_an_all_clear_takes_that_cues_were_looked_for() -> None:
    report = replace(canonical_report(), findings=(), images=tuple(image("1.png", label) for label in "abc"))

    def verdict_with(**run: object) -> Verdict:
        return verdict_on(replace(report, run={**report.run, **run}), counts_of(report))

    assert verdict_with().all_clear
    nothing = verdict_with(sampled=0, classes_sampled=0, uncovered={"a": "too small", "b": "too small", "c": "alone"})
    assert not nothing.all_clear
    assert nothing.limits == "cues could not be looked for: too small; alone"
    # what says nothing of it, as a stranger's run.json may, is no proof either
    assert not verdict_on(replace(report, run={}), counts_of(report)).all_clear
    some = verdict_with(classes_sampled=2, uncovered={"c": "alone"})
    assert some.all_clear
    assert some.limits == "cues were looked for in 2 of 3 classes"
    assert verdict_with(classes_sampled=3).limits == ""


def test_what_was_found_without_looking_for_cues_is_no_all_clear_for_the_other_classes() -> None:
    report = replace(canonical_report(), findings=(finding("CA205", "warning", "a"),), images=(image("1.png", "a"),))
    nowhere = {"sampled": 0, "classes_sampled": 0, "uncovered": {"a": "too small"}}
    decided = verdict_on(replace(report, run={**report.run, **nowhere}), counts_of(report))
    assert not decided.nothing_known
    assert decided.limits == "a cue may have been missed: too small"


def test_images_of_no_class_are_no_class() -> None:
    report = replace(canonical_report(), findings=(), images=tuple(image("1.png", label) for label in ("a", "b", "")))
    assert verdict_on(report, counts_of(report)).classes == 2


def test_pairs_of_images_are_told_apart_from_what_is_seen_of_classes() -> None:
    pair = Pair(("a/1.png", "b/1.png"), ("a", "b"), ("", ""), same_pixels=True)
    twice = replace(finding("CA301", "warning", "", pairs=3.0), pairs=(pair,))
    leaked = replace(finding("CA302", "warning", "", pairs=1.0), pairs=(pair,))
    rows = tuple(image("1.png", label) for label in "abc")
    report = replace(canonical_report(), findings=(twice, leaked, finding("CA203", "note", "a")), images=rows)
    decided = verdict_on(report, counts_of(report))
    assert (decided.severity, decided.affected, decided.pairs) == ("note", ("a",), (twice, leaked))
    assert decided.of_pairs == "the same picture in two classes: 3 pairs; the same picture in two splits: 1 pair"
    alone = replace(report, findings=(twice,))
    assert verdict_on(alone, counts_of(alone)).severity is None
    assert not verdict_on(alone, counts_of(alone)).all_clear


@pytest.mark.parametrize("name", ["markdown", "html", "junit", "sarif", "github", "gitlab"])
def test_pairs_of_images_are_no_all_clear_for_cues_in_any_format(name: str) -> None:
    pair = Pair(("a/1.png", "b/1.png"), ("a", "b"), ("", ""), same_pixels=True)
    twice = replace(finding("CA302", "note", "", pairs=1.0), pairs=(pair,))
    report = canonical_report()
    rows = tuple(image(f"{label}/1.png", label) for label in "ab")
    run = {**report.run, "sampled": 0, "classes_sampled": 0, "uncovered": dict.fromkeys("ab", "too small"), "errors": 0}
    text = rendered(name, replace(report, findings=(twice,), images=rows, notes=(), parts=(), run=run))
    assert "ues could not be looked for: too small" in text or "ues could not be looked for in 2 images" in text
    assert not text.startswith("## cam-audit: passed")
    assert "No shortcut was found" not in text
