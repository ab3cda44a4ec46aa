"""GitLab's Code Quality report, a subset of the Code Climate format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cam_audit.findings.codes import ERROR, NOTE, WARNING
from cam_audit.reports.alerts import (
    Alert,
    class_alerts,
    class_path,
    failing_parts,
    fingerprint,
    flag_alerts,
    image_path,
    sentence,
    unreadable,
)
from cam_audit.reports.counts import totals_of
from cam_audit.reports.part_marks import shortcut_message
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.verdict import verdict_on
from cam_audit.text import count, printable

SEVERITY = {ERROR: "critical", WARNING: "major", NOTE: "info"}
MAX_ISSUES = 5_000
ACCEPTED = "Accepted in the baseline."


def render(report: ScanReport) -> Iterator[str]:
    """A list of findings, what cues were not looked for in, unreadable and flagged images.

    Where it is cut, its last entry says so.
    """
    unread = [
        _issue(
            "unreadable", "minor", image_path(report, image.path), image.error, fingerprint("unreadable", image.path)
        )
        for image in unreadable(report)
    ]
    parts = [
        _issue(
            "marked-part",
            SEVERITY[ERROR],
            class_path(report, part.label),
            shortcut_message(part),
            fingerprint("marked-part", part.sheet),
        )
        for part in failing_parts(report)
    ]
    limits = verdict_on(report, totals_of(report)).limits
    place = class_path(report, "")
    not_looked = [_issue("not-looked-at", "info", place, limits, fingerprint("not-looked-at", ""))] if limits else []
    flags, total = flag_alerts(report, MAX_ISSUES)
    told = [*map(_alert_issue, class_alerts(report)), *parts, *not_looked, *unread]
    shown = [*told, *map(_alert_issue, flags)][:MAX_ISSUES]
    left_out = len(told) + total - len(shown)
    if left_out:
        text = f"{count(left_out, 'more issue')} left out; results.csv has all"
        shown.append(_issue("left-out", "info", place, text, fingerprint("left-out", "")))
    yield from json.JSONEncoder(indent=2).iterencode(shown)
    yield "\n"


def _alert_issue(alert: Alert) -> dict[str, object]:
    words = f"{alert.title}: {alert.message}"
    if alert.accepted:
        return _issue(alert.code, SEVERITY[NOTE], alert.path, f"{words} {ACCEPTED}", alert.fingerprint)
    return _issue(alert.code, SEVERITY[alert.severity], alert.path, words, alert.fingerprint)


def _issue(check_name: str, severity: str, path: str, description: str, identity: str) -> dict[str, object]:
    return {
        "description": printable(sentence(description)),
        "check_name": check_name,
        "fingerprint": identity,
        "severity": severity,
        # a picture has no lines, but GitLab requires one
        "location": {"path": printable(path), "lines": {"begin": 1}},
    }
