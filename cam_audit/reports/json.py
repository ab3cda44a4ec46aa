"""findings.json: what the audit found, worst first."""

from __future__ import annotations

import json

from cam_audit.records import AuditReport, ConfusedImage, Finding

SCHEMA_VERSION = 1


def render(report: AuditReport) -> str:
    """The text of findings.json; the same report gives the same bytes."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "findings": [_finding(finding) for finding in report.findings],
        "confused": [_confused(image) for image in report.confused],
        "notes": list(report.notes),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False)
    # a file name that is not UTF-8 reaches us with surrogates, which UTF-8 can't hold
    return text.encode("utf-8", "backslashreplace").decode("utf-8") + "\n"


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "class": finding.label,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "examples": [
            {"path": example.path, "box": [round(side, 6) for side in example.box] if example.box else None}
            for example in finding.examples
        ],
        "fingerprint": finding.fingerprint,
    }


def _confused(image: ConfusedImage) -> dict[str, object]:
    maps = image.disagreement
    return {
        "path": image.path,
        "class": image.label,
        "predicted": image.predicted,
        "correlation": None if maps.correlation is None else round(maps.correlation, 6),
        "predicted_peak": [round(side, 6) for side in maps.predicted_peak],
        "class_peak": [round(side, 6) for side in maps.label_peak],
    }
