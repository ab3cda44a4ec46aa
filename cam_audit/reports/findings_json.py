"""findings.json: what the audit found, worst first; and the same with everything else a scan tells."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

from cam_audit.findings.foreground import PLACES
from cam_audit.records import (
    AuditResult,
    ConfusedImage,
    Disagreement,
    Example,
    Finding,
    MetadataGroup,
    Pair,
    Part,
    ScanReport,
    ShownCounterfactual,
    ShownPicture,
    WrongLabel,
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


class Content(NamedTuple):
    """What a findings.json holds; `maps`: the fingerprints of the findings with maps."""

    findings: tuple[Finding, ...]
    maps: frozenset[str]
    confused: tuple[ConfusedImage, ...]
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    wrong_labels: tuple[WrongLabel, ...]
    groups: tuple[MetadataGroup, ...]


def parse(text: str) -> Content:
    """What a findings.json holds.

    Names that are not UTF-8 come back with escapes, as those in results.csv do.

    Raises ValueError where it is not one, or of another schema version.
    """
    try:
        document = json.loads(text)
        if document["schema_version"] != schema.FINDINGS:
            raise ValueError(f"schema_version is {document['schema_version']!r}, not {schema.FINDINGS}")
        return Content(
            tuple(map(_parsed_finding, document["findings"])),
            frozenset(document.get("maps", ())),
            tuple(map(_parsed_confused, document.get("confused", ()))),
            tuple(map(str, document.get("notes", ()))),
            tuple(map(_parsed_part, document.get("parts", ()))),
            # earlier files do not have these
            tuple(map(_parsed_wrong_label, document.get("wrong_labels", ()))),
            tuple(map(_parsed_group, document.get("groups", ()))),
        )
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not as cam-audit writes it: {error!r}") from None


def parsed_sheet(name: Any) -> str:
    """Where a part's sheet is below the output folder; raises ValueError where that leads outside.

    Surrogates in it stay: they stand for bytes of the folder's name, under which the sheet is found.
    """
    below(name)
    return str(name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))


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


def _parsed_pair(item: Mapping[str, Any]) -> Pair:
    (first, second), (label, other_label), (split, other_split) = item["paths"], item["classes"], item["splits"]
    return Pair(
        (below(first), below(second)),
        (as_utf8(label), as_utf8(other_label)),
        (as_utf8(split), as_utf8(other_split)),
        item["same_pixels"] is True,
    )


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


def _parsed_example(item: Mapping[str, Any]) -> Example:
    return Example(below(item["path"]), tuple(item["box"]) if item["box"] else None)


def _parsed_part(item: Mapping[str, Any]) -> Part:
    if item["where"] not in PLACES:
        raise ValueError(f"{item['where']!r} is no place of a part; there are {', '.join(PLACES)}")
    ratio = item["foreground_ratio"]
    return Part(
        label=as_utf8(item["class"]),
        number=int(_number(item["number"])),
        share=_number(item["share"]),
        beyond=_number(item["beyond_others"]),
        images=int(_number(item["images"])),
        looked_at=int(_number(item["looked_at"])),
        # earlier files do not have these
        others=int(_number(item.get("others", 0))),
        others_looked_at=int(_number(item.get("others_looked_at", 0))),
        where=item["where"],
        foreground_ratio=None if ratio is None else _number(ratio),
        wander=_number(item.get("wander", 0)),
        sheet=parsed_sheet(item["sheet"]),
        examples=tuple(map(_parsed_example, item["examples"])),
    )


def _number(value: object) -> float:
    """A number that is finite; raises ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value


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


def _parsed_group(item: Mapping[str, Any]) -> MetadataGroup:
    images, labelled, right = (int(_number(item[name])) for name in ("images", "labelled", "right"))
    if not 0 <= right <= labelled <= images:
        raise ValueError(f"{right} right of {labelled} labelled of {images} images is no group")
    low, high = (_number(item[name]) for name in ("low", "high"))
    return MetadataGroup(as_utf8(item["column"]), as_utf8(item["value"]), images, labelled, right, low, high)


def _wrong_label(image: WrongLabel) -> dict[str, object]:
    return {
        "path": image.path,
        "class": image.label,
        "likely": image.likely,
        "score": image.score,
        "class_score": image.label_score,
    }


def _parsed_wrong_label(item: Mapping[str, Any]) -> WrongLabel:
    return WrongLabel(
        below(item["path"]),
        as_utf8(item["class"]),
        as_utf8(item["likely"]),
        _number(item["score"]),
        _number(item["class_score"]),
    )


def _parsed_finding(item: Mapping[str, Any]) -> Finding:
    return Finding(
        code=below(item["code"]),
        severity=item["severity"],
        label=as_utf8(item["class"]),
        message=as_utf8(item["message"]),
        evidence={str(name): _number(value) for name, value in item["evidence"].items()},
        examples=tuple(map(_parsed_example, item["examples"])),
        fingerprint=below(item["fingerprint"]),
        counterfactuals=tuple(map(_parsed_shown, item.get("counterfactuals", ()))),
        pairs=tuple(map(_parsed_pair, item.get("pairs", ()))),
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
