"""SARIF 2.1.0, as GitHub's code scanning reads it (OASIS, sarif-v2.1.0-errata01)."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

from cam_audit.findings.codes import CODES, ERROR, NOTE, WARNING, Code
from cam_audit.records import Example, Finding
from cam_audit.reports import schema
from cam_audit.reports.alerts import (
    Alert,
    class_alerts,
    class_path,
    failing_parts,
    flag_alerts,
    image_path,
    sentence,
    unreadable,
)
from cam_audit.reports.counts import totals_of
from cam_audit.reports.lines import scope, verdict
from cam_audit.reports.part_marks import shortcut_message
from cam_audit.reports.scan_report import ImageRow, ScanReport
from cam_audit.reports.verdict import verdict_on
from cam_audit.text import count, printable

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# Code scanning shows no more results of a run.
MAX_RESULTS = 5_000
MAX_UNREADABLE = 100
RULES = tuple(CODES)


def render(report: ScanReport) -> Iterator[str]:
    """One run: findings, then flagged images, at most MAX_RESULTS; notes and what was cut are its notifications."""
    has_baseline = "known" in report.run
    flags, total = flag_alerts(report, MAX_RESULTS)
    shown = [*class_alerts(report), *flags][:MAX_RESULTS]
    left_out = len(report.findings) + total - len(shown)
    run = {
        "tool": {
            "driver": {
                "name": "cam-audit",
                "version": str(report.run.get("version", "")),
                "rules": [_rule(code) for code in CODES.values()],
            }
        },
        "automationDetails": {"id": f"cam-audit/{_uri(posixpath.basename(class_path(report, '')))}/"},
        "invocations": [_invocation(report, left_out)],
        "results": [
            *(
                _class_result(report, *pair) | _state(pair[0], has_baseline)
                for pair in zip(shown, report.findings, strict=False)
            ),
            *(_result(alert) | _state(alert, has_baseline) for alert in shown[len(report.findings) :]),
        ],
        "properties": {
            "schema_version": schema.FINDINGS,
            "verdict": verdict(report),
            "scope": scope(report),
            **{key: report.run[key] for key in ("images", "errors", "model") if key in report.run},
        },
    }
    yield from json.JSONEncoder(indent=2).iterencode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})
    yield "\n"


def _rule(code: Code) -> dict[str, object]:
    paragraphs = {
        "": code.meaning,
        "Reported from": f"{code.threshold}.",
        "Limits": code.limits,
        "What to do": code.what_to_do,
    }
    said = {title: text for title, text in paragraphs.items() if text}
    return {
        "id": code.code,
        "name": code.title,
        "shortDescription": {"text": code.title[0].upper() + code.title[1:]},
        "fullDescription": {"text": code.meaning},
        "help": {
            "text": "\n\n".join(f"{title}: {text}" if title else text for title, text in said.items()),
            "markdown": "\n\n".join(f"**{title}**: {text}" if title else text for title, text in said.items()),
        },
        "defaultConfiguration": {"level": NOTE if code.is_flag else WARNING},
        "properties": {"tags": ["image-classification", "shortcut-learning"]},
    }


def _result(alert: Alert) -> dict[str, Any]:
    return {
        "ruleId": alert.code,
        "ruleIndex": RULES.index(alert.code),
        "level": alert.severity,
        "message": {"text": _message(alert.message)},
        "locations": [_location(alert.path)],
        # code scanning knows an alert again by the first, and would else hash lines of the picture
        "partialFingerprints": {
            "primaryLocationLineHash": f"{alert.fingerprint}:1",
            "camAudit/v1": alert.fingerprint,
        },
    }


def _state(alert: Alert, has_baseline: bool) -> dict[str, object]:
    """What a baseline says of a result (3.27.23 and 3.27.24): all results of a run have a state, or none has."""
    if not has_baseline:
        return {}
    if not alert.accepted:
        return {"baselineState": "new"}
    accepted = {"kind": "external", "status": "accepted", "justification": "accepted in the baseline"}
    return {"baselineState": "unchanged", "suppressions": [accepted]}


def _class_result(report: ScanReport, alert: Alert, finding: Finding) -> dict[str, Any]:
    """A result with all examples, which its message links to, with the cue's boxes, and with the numbers."""
    result = _result(alert) | {"properties": {"class": printable(finding.label), "evidence": dict(finding.evidence)}}
    if finding.examples:
        links = ", ".join(f"[{number}]({number})" for number in range(1, len(finding.examples) + 1))
        result["message"]["text"] += f" Examples: {links}."
        result["relatedLocations"] = [
            _location(image_path(report, example.path)) | {"id": number, "message": {"text": _example(example)}}
            for number, example in enumerate(finding.examples, 1)
        ]
    return result


def _example(example: Example) -> str:
    if example.box is None:
        return "example"
    left, top, right, bottom = (f"{side:.0%}" for side in example.box)
    return f"example: the cue is at {left} to {right} from the left and {top} to {bottom} from the top"


def _location(path: str) -> dict[str, object]:
    # a picture has no lines, but code scanning and others place nothing without one
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(path)}, "region": {"startLine": 1}}}


def _invocation(report: ScanReport, left_out: int) -> dict[str, object]:
    notifications = [_notification(ERROR, shortcut_message(part)) for part in failing_parts(report)]
    limits = verdict_on(report, totals_of(report)).limits
    notifications += [_notification(WARNING, limits)] if limits else []
    notifications += [_notification(NOTE, note) for note in report.notes]
    if left_out:
        text = f"{count(left_out, 'more result')} left out; findings.json and results.csv have all"
        notifications.append(_notification(WARNING, text))
    unread = list(unreadable(report))
    notifications += [_unreadable(report, image) for image in islice(unread, MAX_UNREADABLE)]
    if len(unread) > MAX_UNREADABLE:
        text = f"{count(len(unread) - MAX_UNREADABLE, 'more image')} could not be read; results.csv has all"
        notifications.append(_notification(WARNING, text))
    invocation: dict[str, object] = {"executionSuccessful": True, "toolExecutionNotifications": notifications}
    if "started" in report.run:
        invocation["startTimeUtc"] = str(report.run["started"]).replace("+00:00", "Z")
    return invocation


def _unreadable(report: ScanReport, image: ImageRow) -> dict[str, Any]:
    path = image_path(report, image.path)
    return _notification(WARNING, f"{path}: {image.error}") | {"locations": [_location(path)]}


def _notification(level: str, text: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": _message(sentence(text))}}


def _message(text: str) -> str:
    """Text in which nothing is a link or a placeholder (sections 3.11.5 and 3.11.6)."""
    return re.sub(r"[\\\[\]]", r"\\\g<0>", printable(text)).replace("{", "{{").replace("}", "}}")


def _uri(path: str) -> str:
    encoded = quote(path, safe="/", errors="surrogateescape")
    return f"file://{encoded}" if path.startswith("/") else encoded
