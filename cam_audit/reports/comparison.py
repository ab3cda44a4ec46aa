"""A comparison of two scans as text, Markdown or JSON; FORMATS lists them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap

from cam_audit.records import Finding, Part
from cam_audit.reports import schema
from cam_audit.reports.compare import ClassReading, Comparison, FindingChange
from cam_audit.reports.compare_parts import MIN_SHARE_CHANGE, PartChange
from cam_audit.reports.json_text import json_text
from cam_audit.reports.scan_report import ScanReport
from cam_audit.text import aligned, printable

MAX_PREDICTIONS = 20
WIDTH = 100
SIDES = ("before", "after")

CLASS_COLUMNS = ("class", "images", "prediction = folder", "mean score of the folder's class")
FINDING_COLUMNS = ("change", "code", "class", "severity", "flips", "gain", "use", "score")
PART_COLUMNS = ("change", "class", "share of the score", "95% interval", "where", "part", "sheet")
PARTS_TOLD = (
    f"What the nets look at, part by part. A share has changed if it moved by {MIN_SHARE_CHANGE:.0%} of the score and "
    "the interval, in percentage points, leaves out 0; it tells of the draw of images, not of how parts come out anew. "
    "A part that is new or gone may lie under 5% of the score in the other scan."
)

Row = Sequence[str]


def text(comparison: Comparison, columns: int | None = None) -> str:
    """For a terminal of so many columns, or for a file: the verdict first, then what it rests on."""
    width = min(columns or WIDTH, WIDTH)
    lines = [
        *(f"{side:7} {scan}" for side, scan in zip(SIDES, _scans(comparison), strict=True)),
        "",
        *wrap(comparison.verdict, width),
    ]
    if comparison.findings:
        lines += ["", *_aligned([FINDING_COLUMNS, *map(_finding_row, comparison.findings)], columns)]
        lines += _untold(comparison)
    if comparison.parts:
        lines += [
            "",
            *wrap(PARTS_TOLD, width),
            "",
            *_aligned([PART_COLUMNS, *map(_part_row, comparison.parts)], columns),
        ]
    lines += ["", *_aligned([CLASS_COLUMNS, *_class_rows(comparison)], columns)]
    lines += ["", *_predictions(comparison)]
    for note in comparison.notes:
        lines += ["", *wrap(f"note: {note}", width)]
    return "".join(f"{printable(line.rstrip())}\n" for line in lines)


def markdown(comparison: Comparison) -> str:
    """For a pull request or a summary page."""
    lines = [
        f"**{_escaped(comparison.verdict)}**",
        "",
        *(f"- {side}: {_escaped(scan)}" for side, scan in zip(SIDES, _scans(comparison), strict=True)),
        *(f"- {_escaped(note)}" for note in comparison.notes),
    ]
    if comparison.findings:
        lines += ["", *_table(FINDING_COLUMNS, map(_finding_row, comparison.findings)), ""]
        lines += [f"- {_escaped(line)}" for line in _untold(comparison)]
    if comparison.parts:
        lines += ["", PARTS_TOLD, "", *_table(PART_COLUMNS, map(_part_row, comparison.parts))]
    lines += ["", *_table(CLASS_COLUMNS, _class_rows(comparison)), ""]
    first, *rest = _predictions(comparison)
    lines += [_escaped(first), "", *(f"- {_escaped(line.strip())}" for line in rest)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n") + "\n"


def json(comparison: Comparison) -> str:
    """For programs: every number; what a scan does not have is null."""
    document = {
        "schema_version": schema.COMPARISON,
        "tool": "cam-audit",
        "outcome": comparison.outcome,
        "verdict": comparison.verdict,
        **{
            side: _scan_document(getattr(comparison, side), errors)
            for side, errors in zip(SIDES, comparison.errors, strict=True)
        },
        "notes": list(comparison.notes),
        "agreement": None if comparison.agreement is None else dict(zip(SIDES, comparison.agreement, strict=True)),
        "findings": [
            {
                "class": change.label,
                "change": change.change,
                "why": change.why,
                **{side: _finding_document(getattr(change, side)) for side in SIDES},
            }
            for change in comparison.findings
        ],
        "classes": [
            {"class": change.label, **{side: _reading_document(getattr(change, side)) for side in SIDES}}
            for change in comparison.classes
        ],
        "parts": list(map(_part_change_document, comparison.parts)),
        "images_in_both": comparison.shared,
        "predictions": [asdict(change) for change in comparison.predictions],
    }
    return json_text(document)


FORMATS: dict[str, Callable[[Comparison], str]] = {"text": text, "markdown": markdown, "json": json}


def _scans(comparison: Comparison) -> Iterator[str]:
    for report, errors in zip((comparison.before, comparison.after), comparison.errors, strict=True):
        net = (report.run.get("model") or {}).get("net")
        yield f"{report.folder}: {net}, {len(report.images):,} images, {errors:,} errors"


def _scan_document(report: ScanReport, errors: int) -> dict[str, object]:
    model = report.run.get("model") or {}
    return {
        "folder": report.folder,
        "net": model.get("net"),
        "model_sha256": model.get("sha256"),
        "images": len(report.images),
        "errors": errors,
    }


def _finding_document(finding: Finding | None) -> dict[str, object] | None:
    if finding is None:
        return None
    return {
        "code": finding.code,
        "severity": finding.severity,
        "fingerprint": finding.fingerprint,
        "evidence": dict(finding.evidence),
    }


def _reading_document(reading: ClassReading | None) -> dict[str, object] | None:
    return None if reading is None else {**asdict(reading), "agreement": reading.agreement}


def _part_change_document(change: PartChange) -> dict[str, object]:
    return {
        "class": change.label,
        "change": change.change,
        **{side: _part_document(getattr(change, side)) for side in SIDES},
        "matched_by": change.matched_by,
        "alike": None if change.alike is None else round(change.alike, 6),
        "share_change": None
        if change.share_change is None
        else {name: round(number, 6) for name, number in asdict(change.share_change).items()},
    }


def _part_document(part: Part | None) -> dict[str, object] | None:
    if part is None:
        return None
    return {"number": part.number, "share": part.share, "where": part.where, "sheet": part.sheet}


def _part_row(change: PartChange) -> Row:
    step = change.share_change
    return [
        change.change,
        change.label,
        _pair(*(part.share if part else None for part in (change.before, change.after)), form="{:.0%}"),
        f"{step.low * 100:+.0f} to {step.high * 100:+.0f}" if step else "",
        " -> ".join(dict.fromkeys(part.where for part in (change.before, change.after) if part)),
        _pair(*(part.number if part else None for part in (change.before, change.after)), form="{}"),
        (change.after or change.before).sheet,  # type: ignore[union-attr]
    ]


def _finding_row(change: FindingChange) -> Row:
    def pair(name: str) -> str:
        return _pair(*(f.evidence.get(name) if f else None for f in (change.before, change.after)), form="{:.2f}")

    severities = " -> ".join(f.severity if f else "none" for f in (change.before, change.after))
    return [
        change.change,
        change.code,
        change.label or "all images",
        severities,
        *map(pair, ("flips", "gain", "use", "score")),
    ]


def _class_rows(comparison: Comparison) -> list[Row]:
    rows: list[Row] = []
    for change in comparison.classes:
        sides = (change.before, change.after)
        rows.append(
            [
                change.label or "all images",
                _pair(*(side.images if side else None for side in sides), form="{:,}"),
                _pair(*(side.agreement if side else None for side in sides), form="{:.1%}"),
                _pair(*(side.label_score if side else None for side in sides), form="{:.3f}"),
            ]
        )
    if comparison.agreement and len(rows) > 1:
        rows.append(["mean of those in both", "", _pair(*comparison.agreement, form="{:.1%}"), ""])
    return rows


def _pair(before: float | None, after: float | None, *, form: str) -> str:
    if before is None and after is None:
        return ""
    return " -> ".join("-" if value is None else form.format(value) for value in (before, after))


def _untold(comparison: Comparison) -> list[str]:
    return [f"{c.code} {c.label or 'all images'}: can't tell, {c.why}" for c in comparison.findings if c.why]


def _predictions(comparison: Comparison) -> list[str]:
    if not comparison.shared:
        return ["no image is at the same path in both"]
    changed = comparison.predictions
    right = sum(change.agrees and not change.agreed for change in changed)
    wrong = sum(change.agreed and not change.agrees for change in changed)
    lines = [
        f"{len(changed):,} of {comparison.shared:,} images at the same path are predicted as another class; "
        f"{right:,} became right, {wrong:,} wrong"
    ]
    lines += [f"  {change.path}: {change.before} -> {change.after}" for change in changed[:MAX_PREDICTIONS]]
    if len(changed) > MAX_PREDICTIONS:
        lines.append(f"  and {len(changed) - MAX_PREDICTIONS:,} more")
    return lines


def _aligned(rows: Sequence[Row], columns: int | None) -> list[str]:
    """Rows as a table; columns without any value are left out."""
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return aligned(list(zip(*kept, strict=True)), columns)


def _table(header: Row, rows: Iterable[Row]) -> list[str]:
    lines = [header, ["---"] * len(header), *([_escaped(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _escaped(words: str) -> str:
    """Words as Markdown shows them and nothing else: no markup, no HTML, no end of a table's cell."""
    words = printable(words).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", words)
