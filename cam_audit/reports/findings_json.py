"""findings.json: what the audit found, worst first; and the same with everything else a scan tells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from cam_audit.records import (
    AuditResult,
    ConfusedImage,
    Disagreement,
    Example,
    Finding,
    ScanReport,
    ShownCounterfactual,
    ShownPicture,
)
from cam_audit.reports import schema
from cam_audit.reports.counterfactuals import below, parsed_said, said_document
from cam_audit.reports.json_text import json_pieces
from cam_audit.text import as_utf8


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


def parse(text: str) -> tuple[tuple[Finding, ...], frozenset[str], tuple[ConfusedImage, ...], tuple[str, ...]]:
    """The findings, the fingerprints of those with maps, the confused images and the notes of a findings.json.

    Names that are not UTF-8 come back with escapes, as those in results.csv do.

    Raises ValueError where it is not one, or of another schema version.
    """
    document = json.loads(text)
    try:
        if document["schema_version"] != schema.FINDINGS:
            raise ValueError(f"schema_version is {document['schema_version']!r}, not {schema.FINDINGS}")
        return (
            tuple(map(_parsed_finding, document["findings"])),
            frozenset(document.get("maps", ())),
            tuple(map(_parsed_confused, document.get("confused", ()))),
            tuple(map(str, document.get("notes", ()))),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not as cam-audit writes it: {error!r}") from None


def _document(report: AuditResult | ScanReport, maps: frozenset[str]) -> dict[str, object]:
    return {
        "findings": [_finding(finding) for finding in report.findings],
        "maps": {found.fingerprint: found.maps_name for found in report.findings if found.fingerprint in maps},
        "confused": map(_confused, report.confused),
        "notes": list(report.notes),
    }


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
        "counterfactuals": list(map(_shown, finding.counterfactuals)),
    }


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


def _parsed_finding(item: Mapping[str, Any]) -> Finding:
    return Finding(
        code=item["code"],
        severity=item["severity"],
        label=as_utf8(item["class"]),
        message=as_utf8(item["message"]),
        evidence=item["evidence"],
        examples=tuple(Example(as_utf8(e["path"]), tuple(e["box"]) if e["box"] else None) for e in item["examples"]),
        fingerprint=item["fingerprint"],
        counterfactuals=tuple(map(_parsed_shown, item.get("counterfactuals", ()))),
    )


def _parsed_shown(item: Mapping[str, Any]) -> ShownCounterfactual:
    before, edited, control = (
        ShownPicture(below(item[kind]["picture"]), parsed_said(item[kind])) for kind in ("before", "edited", "control")
    )
    return ShownCounterfactual(item["test"], as_utf8(item["path"]), as_utf8(item["class"]), before, edited, control)


def _parsed_confused(item: Mapping[str, Any]) -> ConfusedImage:
    (x, y), (label_x, label_y) = item["predicted_peak"], item["class_peak"]
    return ConfusedImage(
        as_utf8(item["path"]),
        as_utf8(item["class"]),
        as_utf8(item["predicted"]),
        Disagreement(item["correlation"], (x, y), (label_x, label_y)),
    )
