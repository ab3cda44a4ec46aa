"""findings.json: what the audit found, worst first; and the same with everything else a scan tells.

`read_findings` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from cam_audit.records import (
    AuditResult,
    ConfusedImage,
    Example,
    Finding,
    Pair,
    Part,
    ShownCounterfactual,
    ShownPicture,
    WrongLabel,
)
from cam_audit.reports import schema
from cam_audit.reports.counterfactuals import said_document
from cam_audit.reports.json_text import json_pieces
from cam_audit.reports.scan_report import ScanReport


def render(report: ScanReport) -> Iterator[str]:
    """One document of all that a scan tells: the run, the findings, the confused images, the notes, every image."""
    return json_pieces(
        {
            "schema_version": schema.FINDINGS,
            "run": dict(report.run),
            **_document(report, report.maps),
            "images": map(asdict, report.images),
        }
    )


def findings(report: AuditResult | ScanReport) -> Iterator[str]:
    """The text of findings.json, in pieces; the same report gives the same bytes."""
    return json_pieces({"schema_version": schema.FINDINGS, **_document(report, frozenset(report.maps))})


def _document(report: AuditResult | ScanReport, maps: frozenset[str]) -> dict[str, object]:
    return {
        "findings": [_finding(finding) for finding in report.findings],
        "maps": {found.fingerprint: found.maps_name for found in report.findings if found.fingerprint in maps},
        "parts": map(_part, report.parts),
        "confused": map(_confused, report.confused),
        "wrong_labels": map(_wrong_label, report.wrong_labels),
        "groups": map(asdict, report.groups),
        "notes": list(report.notes),
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "class": finding.label,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "examples": list(map(_example, finding.examples)),
        "fingerprint": finding.fingerprint,
        "counterfactuals": list(map(_shown, finding.counterfactuals)),
        **({"pairs": list(map(_pair, finding.pairs))} if finding.pairs else {}),
    }


def _pair(pair: Pair) -> dict[str, object]:
    return {
        "paths": list(pair.paths),
        "classes": list(pair.labels),
        "splits": list(pair.splits),
        "same_pixels": pair.same_pixels,
    }


def _part(part: Part) -> dict[str, object]:
    return {
        "class": part.label,
        "number": part.number,
        "share": round(part.share, 6),
        "beyond_others": round(part.beyond, 6),
        "images": part.images,
        "looked_at": part.looked_at,
        "others": part.others,
        "others_looked_at": part.others_looked_at,
        "where": part.where,
        "foreground_ratio": None if part.foreground_ratio is None else round(part.foreground_ratio, 6),
        "wander": round(part.wander, 6),
        "sheet": part.sheet,
        "examples": list(map(_example, part.examples)),
    }


def _example(example: Example) -> dict[str, object]:
    return {"path": example.path, "box": [round(side, 6) for side in example.box] if example.box else None}


def _shown(shown: ShownCounterfactual) -> dict[str, object]:
    def picture(of: ShownPicture) -> dict[str, object]:
        return {"picture": of.file, **said_document(of.said)}

    return {
        "test": shown.test,
        "path": shown.path,
        "class": shown.label,
        "before": picture(shown.before),
        "edited": picture(shown.edited),
        "control": picture(shown.control),
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


def _wrong_label(image: WrongLabel) -> dict[str, object]:
    return {
        "path": image.path,
        "class": image.label,
        "likely": image.likely,
        "score": image.score,
        "class_score": image.label_score,
    }
