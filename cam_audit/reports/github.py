"""Workflow commands, which GitHub Actions shows as annotations when they are printed to a step's stdout."""

from __future__ import annotations

from collections.abc import Iterator

from cam_audit.findings.codes import ERROR, WARNING
from cam_audit.reports.alerts import class_alerts, class_path, failing_parts, image_path, sentence, unreadable
from cam_audit.reports.lines import scope, verdict
from cam_audit.reports.part_marks import shortcut_message
from cam_audit.reports.scan_report import ScanReport
from cam_audit.text import count, printable

# GitHub drops further ones of a step without a word.
MAX_EACH = 10


def render(report: ScanReport) -> Iterator[str]:
    """At most MAX_EACH errors and as many warnings, gravest first, and a notice with verdict, scope and what was cut.

    Parts that fail the scan are errors, and images that could not be read are warnings, after those about classes;
    flags of images are not told, and of findings that a baseline accepts how many there are.
    """
    told = [alert for alert in class_alerts(report) if not alert.accepted]
    commands = {
        severity: [_command(severity, a.title, a.message, a.path) for a in told if a.severity == severity]
        for severity in (ERROR, WARNING)
    }
    commands[ERROR] += [
        _command(ERROR, "part marked as a shortcut", sentence(shortcut_message(part)), class_path(report, part.label))
        for part in failing_parts(report)
    ]
    commands[WARNING] += [
        _command(WARNING, "image not read", sentence(image.error), image_path(report, image.path))
        for image in unreadable(report)
    ]
    words = [verdict(report), scope(report)]
    if accepted := len(report.findings) - len(told):
        words.append(f"{count(accepted, 'finding')} accepted in the baseline.")
    for severity, lines in commands.items():
        if len(lines) > MAX_EACH:
            words.append(f"{count(len(lines) - MAX_EACH, f'more {severity}')} not shown here.")
    for lines in commands.values():
        yield from lines[:MAX_EACH]
    yield _command("notice", "cam-audit", " ".join(words))


def _command(name: str, title: str, message: str, path: str = "") -> str:
    properties = {"file": path, "title": title}
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items() if value)
    return f"::{name} {listed}::{_data(message)}\n"


def _data(text: str) -> str:
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
