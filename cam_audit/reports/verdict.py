"""What a scan came to: the one decision that the lines and the page put into words."""

from __future__ import annotations

from dataclasses import dataclass

from cam_audit.findings.codes import SEVERITIES
from cam_audit.records import ScanReport
from cam_audit.reports.counts import Counts

MAX_REASONS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scan came to.

    `severity`: that of the gravest findings, None without any; `affected`: the classes that have such, each once and in
    the findings' order, "" among them where it is the whole data set; `classes`: how many classes there are.
    `looked_in`: in how many of them cues were looked for, see `scan.coverage`; `why`: why not in the others.
    """

    severity: str | None
    affected: tuple[str, ...]
    classes: int
    looked_in: int
    why: str = ""

    @property
    def all_clear(self) -> bool:
        """Whether nothing was found where cues were looked for: only then may anybody say so."""
        return self.severity is None and self.looked_in > 0

    @property
    def limits(self) -> str:
        """Where cues were not looked for, in words; "" where they were in all classes, or something was found."""
        if not (self.looked_in or self.severity):
            return "cues could not be looked for" + (f": {self.why}" if self.why else "")
        if 0 < self.looked_in < self.classes:
            return f"cues were looked for in {self.looked_in} of {self.classes} classes"
        return ""


def verdict_on(report: ScanReport, counts: Counts) -> Verdict:
    """The verdict on a scan, by its gravest findings."""
    severity = max((finding.severity for finding in report.findings), key=SEVERITIES.index, default=None)
    affected = dict.fromkeys(finding.label for finding in report.findings if finding.severity == severity)
    classes = len(counts.labels - {""}) or len(counts.labels)
    # a run.json that says nothing of it is no proof that anything was looked for
    looked_in = report.run.get("classes_sampled", max(classes, 1)) if report.run.get("sampled") else 0
    reasons = list(dict.fromkeys(uncovered(report).values()))
    more = f"; and {len(reasons) - MAX_REASONS} more reasons" if len(reasons) > MAX_REASONS else ""
    return Verdict(severity, tuple(affected), classes, looked_in, "; ".join(reasons[:MAX_REASONS]) + more)


def uncovered(report: ScanReport) -> dict[str, str]:
    """Why cues were not looked for, by class; "" is the whole data set."""
    said = report.run.get("uncovered")
    return {str(label): str(why) for label, why in said.items()} if isinstance(said, dict) else {}
