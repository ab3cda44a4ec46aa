"""What a scan came to: the one decision that the lines and the page put into words."""

from __future__ import annotations

from dataclasses import dataclass

from cam_audit.findings.codes import CODES, SEVERITIES
from cam_audit.records import Finding
from cam_audit.reports.counts import Counts
from cam_audit.reports.scan_report import ScanReport
from cam_audit.text import count

MAX_REASONS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scan came to.

    `severity`: that of the gravest findings, None if there are none; `affected`: the classes of these findings, each
    once and in the findings' order, "" for the whole data set; `classes`: how many classes there are. `looked_in`: in
    how many of them cues were looked for, see `scan.coverage`; `why`: why not in the others. `pairs`: the findings
    about pairs of images, which are about labels and splits and count apart. `left_out`: the codes that were not looked
    for, as somebody wanted it so.
    """

    severity: str | None
    affected: tuple[str, ...]
    classes: int
    looked_in: int
    why: str = ""
    pairs: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def all_clear(self) -> bool:
        """Whether nothing was found where cues were looked for: only then may anybody say so."""
        return self.severity is None and self.looked_in > 0 and not self.pairs

    @property
    def nothing_known(self) -> bool:
        """Whether cues were looked for nowhere, and nothing else about a class was found either."""
        return self.severity is None and not self.looked_in

    @property
    def limits(self) -> str:
        """Where cues were not looked for, and which, in words; "" if all were in all classes."""
        return "; ".join(filter(None, [self._where, self.choice]))

    @property
    def choice(self) -> str:
        """Which codes were not looked for, in words; "" if all were."""
        if len(self.left_out) <= len(CODES) / 2:
            were = "was" if len(self.left_out) == 1 else "were"
            return f"{', '.join(self.left_out)} {were} not looked for" if self.left_out else ""
        looked_for = [code for code in CODES if code not in self.left_out]
        return f"only {', '.join(looked_for)} {'was' if len(looked_for) == 1 else 'were'} looked for"

    @property
    def _where(self) -> str:
        if self.nothing_known:
            return "cues could not be looked for" + self._because
        if not self.looked_in:
            # something was found all the same, such as maps beside the annotated objects
            return "a cue may have been missed" + self._because
        if self.looked_in < self.classes:
            return f"cues were looked for in {self.looked_in} of {self.classes} classes"
        return ""

    @property
    def _because(self) -> str:
        return f": {self.why}" if self.why else ""

    @property
    def of_pairs(self) -> str:
        """What the findings about pairs say, as a part of a sentence; "" if there are none."""
        return "; ".join(
            f"{CODES[each.code].title}: {count(round(each.evidence.get('pairs', len(each.pairs))), 'pair')}"
            for each in self.pairs
        )


def verdict_on(report: ScanReport, counts: Counts) -> Verdict:
    """The verdict on a scan, by its gravest findings."""
    cues = [finding for finding in report.findings if not finding.pairs]
    severity = max((finding.severity for finding in cues), key=SEVERITIES.index, default=None)
    affected = dict.fromkeys(finding.label for finding in cues if finding.severity == severity)
    classes = len(counts.labels - {""}) or len(counts.labels)
    # a run.json that says nothing of it is no proof that anything was looked for
    looked_in = report.run.get("classes_sampled", max(classes, 1)) if report.run.get("sampled") else 0
    reasons = list(dict.fromkeys(uncovered(report).values()))
    more = f"; and {len(reasons) - MAX_REASONS} more reasons" if len(reasons) > MAX_REASONS else ""
    why = "; ".join(reasons[:MAX_REASONS]) + more
    pairs = tuple(finding for finding in report.findings if finding.pairs)
    left_out = tuple(report.run.get("left_out", ()))
    return Verdict(severity, tuple(affected), classes, looked_in, why, pairs, left_out)


def uncovered(report: ScanReport) -> dict[str, str]:
    """Why cues were not looked for, by class; "" is the whole data set."""
    said = report.run.get("uncovered")
    return {str(label): str(why) for label, why in said.items()} if isinstance(said, dict) else {}
