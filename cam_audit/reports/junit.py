"""JUnit XML, as GitLab, Jenkins and others show it.

A test case stands for a class, which fails where its findings fail the scan; the examples of such a finding fail with
it, because GitLab shows the picture of a failed case only. A class in which cues could not be looked for is skipped, as
a case that passes would be an all-clear. Other flagged images pass, and what could not be read is an error, as the
scan's exit code has it.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from xml.etree import ElementTree as ET

from cam_audit.findings.codes import CODES
from cam_audit.records import Finding, Part
from cam_audit.reports import schema
from cam_audit.reports.alerts import (
    class_path,
    failing,
    failing_parts,
    flag_message,
    image_path,
    overlay_path,
    sentence,
)
from cam_audit.reports.counts import totals_of
from cam_audit.reports.lines import scope, verdict
from cam_audit.reports.part_marks import shortcut_message
from cam_audit.reports.scan_report import ImageRow, ScanReport
from cam_audit.reports.verdict import Verdict, uncovered, verdict_on
from cam_audit.text import count, printable

# GitLab reads no file of 30 MB or more.
MAX_BYTES = 29_000_000
# What GitLab takes for a path in [[ATTACHMENT|path]].
ATTACHABLE = re.compile(r"[^\[\]|]+")


def render(report: ScanReport) -> Iterator[str]:
    """One suite: every class, unreadable, failed and other flagged images; what is over MAX_BYTES is cut, and said."""
    suite = ET.Element("testsuite", name="cam-audit")
    suite.text = suite.tail = "\n"
    suite.append(_properties(report))
    # the numbers come first in the file, so the cases wait, as text, which takes a tenth of the memory of elements
    cases: list[str] = []
    outcomes: Counter[str] = Counter()
    size = left_out = 0
    for case in _cases(report):
        text = ET.tostring(case, encoding="unicode")
        size += len(text.encode("utf-8", "xmlcharrefreplace"))
        if size > MAX_BYTES:
            left_out += 1
            continue
        cases.append(text)
        outcomes.update(element.tag for element in case)
    if left_out:
        cases.append(ET.tostring(_left_out(report, left_out), encoding="unicode"))
    counts = {"tests": len(cases), "failures": outcomes["failure"], "errors": outcomes["error"]}
    for name, number in (counts | {"skipped": outcomes["skipped"] + (left_out > 0)}).items():
        suite.set(name, str(number))
    if "seconds" in report.run:
        suite.set("time", str(report.run["seconds"]))
    if "started" in report.run:
        suite.set("timestamp", str(report.run["started"]))
    suites = ET.Element("testsuites", {name: suite.attrib[name] for name in ("name", *counts)})
    suites.text = "\n"
    suites.append(suite)
    begin, end, rest = ET.tostring(suites, encoding="unicode").rpartition("</testsuite>")
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n{begin}'
    yield from cases
    yield f"{end}{rest}\n"


def _properties(report: ScanReport) -> ET.Element:
    model = report.run.get("model", {})
    values = {
        "schema_version": schema.FINDINGS,
        "version": report.run.get("version", ""),
        "net": model.get("net", ""),
        "sha256": model.get("sha256", ""),
        "verdict": verdict(report),
        "scope": scope(report),
    }
    properties = ET.Element("properties")
    properties.tail = "\n"
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=printable(str(value)))
    return properties


def _cases(report: ScanReport) -> Iterator[ET.Element]:
    failed = failing(report)
    examples = {example.path for finding in report.findings for example in finding.examples}
    marked = failing_parts(report)
    labels = {finding.label: None for finding in report.findings}
    counts = totals_of(report)
    not_looked, whole = uncovered(report), verdict_on(report, counts)
    images = {}
    unread = []
    for image in report.images:
        labels[image.label] = None
        if image.path in examples:
            images[image.path] = image
        if image.error:
            unread.append(image)
    for label in labels:
        of_class = [finding for finding in failed if finding.label == label]
        case = _class_case(report, label, of_class, [part for part in marked if part.label == label], images)
        why = _why_not_looked(whole, not_looked, label, label in counts.labels)
        if why and case.find("failure") is None:
            # the schemas want it before what was printed
            case.insert(0, ET.Element("skipped", message=_line(why)))
        yield case
    if whole.choice:
        case = _case(report, "", "not looked for", class_path(report, ""))
        ET.SubElement(case, "skipped", message=whole.choice)
        yield case
    for image in unread:
        case = _case(report, image.label, image.path, image_path(report, image.path))
        ET.SubElement(case, "error", message=_line(image.error), type="unreadable")
        yield case
    shown: dict[str, list[Finding]] = {}
    for finding in failed:
        for example in finding.examples:
            shown.setdefault(example.path, []).append(finding)
    for image in images.values():
        if image.path in shown:
            yield _image_case(report, image, shown[image.path])
    for image in report.images:
        if image.flags and image.path not in shown:
            yield _image_case(report, image, ())


def _why_not_looked(whole: Verdict, not_looked: Mapping[str, str], label: str, has_images: bool) -> str:
    """Why cues could not be looked for in a class; "" if they were, or if the case is about the data set alone."""
    if label in not_looked or not whole.looked_in:
        return f"cues could not be looked for: {not_looked[label]}" if label in not_looked else whole.limits
    if label or not has_images:
        return ""
    return "nothing tells the class of these images, so cues could not be looked for"


def _class_case(
    report: ScanReport,
    label: str,
    failed: Sequence[Finding],
    marked: Sequence[Part],
    images: Mapping[str, ImageRow],
) -> ET.Element:
    findings = [finding for finding in report.findings if finding.label == label]
    case = _case(report, label, label or ".", class_path(report, label))
    if failed or marked:
        titles = [*filter(None, [_titles(failed)]), *(f"part {part.number} marked a shortcut" for part in marked)]
        failure = ET.SubElement(case, "failure", message=", ".join(titles), type="shortcut")
        told = [*map(_told, failed), *(_line(sentence(shortcut_message(part))) for part in marked)]
        failure.text = "\n\n".join(told)
    examples = [images[example.path] for finding in findings for example in finding.examples if example.path in images]
    lines = _attachment(report, examples[0]) if examples else []
    _system_out(case, lines + [_told(finding) for finding in findings if finding not in failed])
    return case


def _image_case(report: ScanReport, image: ImageRow, failed: Sequence[Finding]) -> ET.Element:
    case = _case(report, image.label, image.path, image_path(report, image.path))
    if failed:
        failure = ET.SubElement(case, "failure", message=f"an example of {_titles(failed)}", type="shortcut")
        failure.text = "\n".join(map(_seen, failed))
    flags = [_line(f"{code} {CODES[code].title}: {flag_message(code, image)}") for code in image.flags]
    _system_out(case, _attachment(report, image) + flags)
    return case


def _case(report: ScanReport, label: str, name: str, file: str) -> ET.Element:
    group = label or posixpath.basename(class_path(report, ""))
    case = ET.Element("testcase", classname=_line(group), name=_line(name), file=_line(file))
    case.tail = "\n"
    return case


def _left_out(report: ScanReport, number: int) -> ET.Element:
    case = _case(report, "cam-audit", "left out", class_path(report, ""))
    text = f"{count(number, 'more test case')} left out, the file would be too large; results.csv has all"
    ET.SubElement(case, "skipped", message=text)
    return case


def _system_out(case: ET.Element, lines: list[str]) -> None:
    if lines:
        ET.SubElement(case, "system-out").text = "\n".join(lines)


def _attachment(report: ScanReport, image: ImageRow) -> list[str]:
    path = overlay_path(report, image)
    if path and path == printable(path) and ATTACHABLE.fullmatch(path):
        return [f"[[ATTACHMENT|{path}]]"]
    return [_line(f"overlay: {path}")] if path else []


def _titles(findings: Iterable[Finding]) -> str:
    return ", ".join(f"{finding.code} {CODES[finding.code].title}" for finding in findings)


def _seen(finding: Finding) -> str:
    return _line(f"{finding.severity} {finding.code} {CODES[finding.code].title}: {sentence(finding.message)}")


def _told(finding: Finding) -> str:
    entry = CODES[finding.code]
    return "\n".join([_seen(finding), f"Limits: {entry.limits}"])


def _line(text: str) -> str:
    """Text that XML can hold and that names no attachment."""
    return printable(text).replace("[[", "[ [")
