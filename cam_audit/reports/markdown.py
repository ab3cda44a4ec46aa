"""What a reviewer reads in a pull request: GitHub-flavoured Markdown in which names from strangers are only text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from cam_audit.findings.codes import CODES
from cam_audit.records import Finding
from cam_audit.reports import schema
from cam_audit.reports.alerts import (
    class_path,
    failing,
    failing_parts,
    image_path,
    overlay_path,
    sentence,
    unreadable,
)
from cam_audit.reports.counts import totals_of
from cam_audit.reports.lines import confused_pairs, evidence, scope, verdict
from cam_audit.reports.part_marks import marked_shortcuts, shortcut_message
from cam_audit.reports.scan_report import ImageRow, ScanReport
from cam_audit.reports.verdict import verdict_on
from cam_audit.text import count, printable

# A comment of a pull request holds 65,536 characters.
MAX_FINDINGS = 16
MAX_LISTED = 10
MAX_NAME = 120
MAX_TEXT = 1200
LEGEND = (
    "*Use*: what the map on the cue adds to the class; the usual lead is as much as usually decides. *Planted*: how "
    "many images of other classes become this class when the cue is put into them. *Taken away*: how many of its own "
    "images leave it without the cue."
)
MARKUP = re.compile(
    r"[\\`*\[\]<>|~$]"
    r"|_(?![^\W_])"  # none within or before a word can end an emphasis
    r"|&(?=[#\w])|:(?=\S)|(?<=www)\.",  # entities, addresses and :emoji:
    re.IGNORECASE,
)
# Backslashes don't keep GitHub from mentioning people and linking issues; a space of no width does.
REFERENCE = re.compile("[@#]")


def render(report: ScanReport) -> Iterator[str]:
    """Verdict, what was looked at, findings with their evidence, what they mean, confused pairs, images, notes."""
    unread = list(unreadable(report))
    marked = marked_shortcuts(report)
    sections = [
        f"## cam-audit: {_outcome(report, unread)}",
        _text(verdict(report)),
        _text(scope(report)),
        *_findings(report),
        *_listed(
            "Parts that were marked as shortcuts",
            [_text(sentence(shortcut_message(part))) for part in marked[:MAX_LISTED]],
        ),
        *_cut(len(marked), MAX_LISTED, "findings.json"),
        *_confused(report),
        *_flagged(report),
        *_unread(report, unread),
        *_listed("Notes", [_text(sentence(note)) for note in report.notes[:MAX_LISTED]]),
        *_cut(len(report.notes), MAX_LISTED, "findings.json"),
        _origin(report),
    ]
    yield "\n\n".join(sections) + "\n"


def _outcome(report: ScanReport, unread: Sequence[ImageRow]) -> str:
    """What the exit code says, or that cues could not be looked for, which is no reason to pass."""
    if failing(report) or failing_parts(report):
        return "failed"
    if verdict_on(report, totals_of(report)).nothing_known:
        return "cues could not be looked for"
    return "incomplete" if unread else "passed"


def _findings(report: ScanReport) -> list[str]:
    if not report.findings:
        return []
    shown = report.findings[:MAX_FINDINGS]
    cells = (_cells(finding, accepted=finding.fingerprint in report.known) for finding in shown)
    table = _table(("Severity", "Class", "Finding", "Cue", "Use", "Counterfactual"), cells)
    told = [_text(sentence(finding.message)) for finding in shown]
    meanings = []
    for code in dict.fromkeys(finding.code for finding in shown):
        entry = CODES[code]
        words = f"{entry.meaning} *Limits*: {entry.limits}"
        meanings.append(f"**{code} {entry.title}**: {words}")
    return [
        f"### {count(len(report.findings), 'finding')}",
        table,
        *_cut(len(report.findings), len(shown), "findings.json"),
        LEGEND,
        *_listed("What was seen", told),
        *_listed("What it means", meanings),
    ]


def _cells(finding: Finding, *, accepted: bool) -> tuple[str, ...]:
    lines = evidence(finding)
    measured = [line or "not measured" for line in (lines.cue, lines.use, lines.counterfactual)]
    severity = f"{finding.severity}, accepted" if accepted else finding.severity
    return severity, _label(finding.label), f"{finding.code} {CODES[finding.code].title}", *measured


def _label(label: str) -> str:
    return f"**{_name(label)}**" if label.strip() else "the data set"


def _confused(report: ScanReport) -> list[str]:
    pairs = confused_pairs(report.confused)
    rows = [
        (_name(pair.label), _name(pair.predicted), f"{pair.images:,}", f"{pair.correlation:.2f}")
        for pair in pairs[:MAX_LISTED]
    ]
    if not rows:
        return []
    head = ("Folder", "Taken for", "Images", "Maps alike (-1 to 1)")
    return ["### Confused pairs", _table(head, rows), *_cut(len(pairs), len(rows), "findings.json")]


def _flagged(report: ScanReport) -> list[str]:
    groups: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], ImageRow] = {}
    flagged = 0
    for image in report.images:
        flagged += bool(image.flags)
        for code in image.flags:
            groups[code, image.label] += 1
            first.setdefault((code, image.label), image)
    rows = [
        (f"{code} {CODES[code].title}", _label(label), f"{images:,}", _name(_where(report, first[code, label])))
        for (code, label), images in sorted(groups.items())[:MAX_LISTED]
    ]
    if not rows:
        return []
    return [
        f"### {count(flagged, 'flagged image')}",
        _table(("Flag", "Class", "Images", "For example"), rows),
        *_cut(len(groups), len(rows), "results.csv"),
    ]


def _where(report: ScanReport, image: ImageRow) -> str:
    return overlay_path(report, image) or image_path(report, image.path)


def _unread(report: ScanReport, images: Sequence[ImageRow]) -> list[str]:
    lines = [
        f"{_name(image_path(report, image.path))}: {_text(sentence(image.error))}" for image in images[:MAX_LISTED]
    ]
    return [*_listed("Images that could not be read", lines), *_cut(len(images), len(lines), "results.csv")]


def _origin(report: ScanReport) -> str:
    model = report.run.get("model", {})
    parts = [
        f"cam-audit {report.run.get('version', '')}".strip(),
        f"net {model.get('net', 'unknown')} (SHA-256 {str(model.get('sha256', 'unknown'))[:12]})",
        f"data set {class_path(report, '')}",
        count(len(report.images), "image"),
        f"schema_version {schema.FINDINGS}",
    ]
    return f"*{', '.join(map(_name, parts))}*"


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return [f"### {title}", "\n".join(f"- {line}" for line in lines)] if lines else []


def _cut(total: int, shown: int, file: str) -> list[str]:
    return [f"and {total - shown:,} more in {file}"] if total > shown else []


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _name(text: str) -> str:
    return _text(text, MAX_NAME)


def _text(text: str, longest: int = MAX_TEXT) -> str:
    """Text in which nothing is markup, a link or a mention, cut where it is longer."""
    plain = printable(text)
    if len(plain) > longest:
        plain = plain[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
    escaped = MARKUP.sub(lambda sign: f"\\{sign[0]}", plain)
    return REFERENCE.sub(lambda sign: f"{sign[0]}\N{ZERO WIDTH SPACE}", escaped)
