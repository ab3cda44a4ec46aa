"""Which findings decide, and which classes they are about."""

from __future__ import annotations

from dataclasses import replace

from canonical import canonical_report, finding, image

from cam_audit.reports.counts import counts_of
from cam_audit.reports.verdict import Verdict, verdict_on


def verdict_of(*findings: tuple[str, str]) -> Verdict:
    """By label and severity, among three classes."""
    found = tuple(finding("CA203", severity, label) for label, severity in findings)
    report = replace(canonical_report(), findings=found, images=tuple(image("1.png", label) for label in "abc"))
    return verdict_on(report, counts_of(report))


def test_the_gravest_findings_decide_and_each_class_counts_once() -> None:
    assert verdict_of(("b", "error"), ("a", "error"), ("b", "error"), ("c", "note")) == Verdict("error", ("b", "a"), 3)
    assert verdict_of(("c", "note"), ("a", "warning")) == Verdict("warning", ("a",), 3)
    assert verdict_of(("", "note")) == Verdict("note", ("",), 3)


def test_without_findings_nothing_is_affected() -> None:
    assert verdict_of() == Verdict(None, (), 3)
