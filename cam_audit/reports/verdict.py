"""What a scan came to: the one decision that the lines and the page put into words."""

from __future__ import annotations

from dataclasses import dataclass

from cam_audit.findings.codes import SEVERITIES
from cam_audit.records import ScanReport
from cam_audit.reports.counts import Counts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scan came to.

    `severity`: that of the gravest findings, None without any; `affected`: the classes that have such, each once and in
    the findings' order, "" among them where it is the whole data set; `classes`: how many class folders there are.
    """

    severity: str | None
    affected: tuple[str, ...]
    classes: int


def verdict_on(report: ScanReport, counts: Counts) -> Verdict:
    """The verdict on a scan, by its gravest findings."""
    severity = max((finding.severity for finding in report.findings), key=SEVERITIES.index, default=None)
    affected = dict.fromkeys(finding.label for finding in report.findings if finding.severity == severity)
    return Verdict(severity, tuple(affected), len(counts.labels))
