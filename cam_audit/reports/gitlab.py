"""GitLab's Code Quality report, a subset of the Code Climate format."""

from __future__ import annotations

import json
from collections.abc import Iterator

from cam_audit.codes import ERROR, NOTE, WARNING
from cam_audit.records import ScanReport
from cam_audit.reports.alerts import alerts, class_path, fingerprint, image_path, sentence, unreadable
from cam_audit.reports.text import count, printable

SEVERITY = {ERROR: "critical", WARNING: "major", NOTE: "info"}
MAX_ISSUES = 5_000


def render(report: ScanReport) -> Iterator[str]:
    """A list of findings, unreadable images and flagged images; where it is cut, its last entry says so."""
    told = [
        _issue(alert.code, SEVERITY[alert.severity], alert.path, f"{alert.title}: {alert.message}", alert.fingerprint)
        for alert in alerts(report)
    ]
    findings = len(report.findings)
    unread = [
        _issue(
            "unreadable", "minor", image_path(report, image.path), image.error, fingerprint("unreadable", image.path)
        )
        for image in unreadable(report)
    ]
    issues = told[:findings] + unread + told[findings:]
    shown = issues[:MAX_ISSUES]
    if len(shown) < len(issues):
        text = f"{count(len(issues) - len(shown), 'more issue')} left out; results.csv has all"
        shown.append(_issue("left-out", "info", class_path(report, ""), text, fingerprint("left-out", "")))
    yield from json.JSONEncoder(indent=2).iterencode(shown)
    yield "\n"


def _issue(check_name: str, severity: str, path: str, description: str, identity: str) -> dict[str, object]:
    return {
        "description": printable(sentence(description)),
        "check_name": check_name,
        "fingerprint": identity,
        "severity": severity,
        # a picture has no lines, but GitLab requires one
        "location": {"path": printable(path), "lines": {"begin": 1}},
    }
