"""What a scan came to: the one decision that the lines and the page put into words."""

from __future__ import annotations

from dataclasses import dataclass

from cam_audit.findings.codes import CODES, SEVERITIES
from cam_audit.records import Finding, ScanReport
from cam_audit.reports.counts import Counts
from cam_audit.text import count


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scan came to.

    `severity`: that of the gravest findings, None without any; `affected`: the classes that have such, each once and in
    the findings' order, "" among them where it is the whole data set; `classes`: how many class folders there are.
    `pairs`: the findings about pairs of images, which are about labels and splits and count apart.
    """

    severity: str | None
    affected: tuple[str, ...]
    classes: int
    pairs: tuple[Finding, ...] = ()

    @property
    def of_pairs(self) -> str:
        """What the findings about pairs say, in words that a sentence may begin or end with; "" without any."""
        return "; ".join(
            f"{CODES[each.code].title}: {count(round(each.evidence.get('pairs', len(each.pairs))), 'pair')}"
            for each in self.pairs
        )


def verdict_on(report: ScanReport, counts: Counts) -> Verdict:
    """The verdict on a scan, by its gravest findings."""
    cues = [finding for finding in report.findings if not finding.pairs]
    severity = max((finding.severity for finding in cues), key=SEVERITIES.index, default=None)
    affected = dict.fromkeys(finding.label for finding in cues if finding.severity == severity)
    pairs = tuple(finding for finding in report.findings if finding.pairs)
    return Verdict(severity, tuple(affected), len(counts.labels), pairs)
