"""What a pipeline shows one by one: findings and flagged images, with the file, the words and what fails the scan."""

from __future__ import annotations

import hashlib
import heapq
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from cam_audit.findings.codes import CODES, FAILING, NOTE
from cam_audit.records import Finding, Part
from cam_audit.reports.part_marks import marked_shortcuts
from cam_audit.reports.scan_report import ImageRow, ScanReport


@dataclass(frozen=True, slots=True)
class Alert:
    """A finding about a class, or a flag of an image, which is always a note.

    `path`: its image (of a finding: the first example, or else the class's folder), as seen from where the scan ran.
    `fingerprint`: what makes it the same one in another run, 32 hex digits; no scores are in it. `accepted`:
    whether a baseline accepts it, so that it fails nothing.
    """

    code: str
    severity: str
    path: str
    message: str
    fingerprint: str
    accepted: bool = False

    @property
    def title(self) -> str:
        """Code and title, as in `CA201 repeated cue`."""
        return f"{self.code} {CODES[self.code].title}"


def class_alerts(report: ScanReport) -> list[Alert]:
    """The findings, worst first."""
    return [
        Alert(
            finding.code,
            finding.severity,
            _finding_path(report, finding),
            sentence(finding.message),
            finding.fingerprint,
            finding.fingerprint in report.known,
        )
        for finding in report.findings
    ]


def flag_alerts(report: ScanReport, most: int) -> tuple[list[Alert], int]:
    """The first `most` of the flags of images, by code and path, and how many there are."""
    total = 0

    def flags() -> Iterator[Alert]:
        nonlocal total
        for image in report.images:
            total += len(image.flags)
            for code in image.flags:
                path, message = image_path(report, image.path), flag_message(code, image)
                yield Alert(code, NOTE, path, message, fingerprint(code, image.path))

    first = heapq.nsmallest(most, flags(), key=lambda alert: (alert.code, alert.path))
    return first, total


def unreadable(report: ScanReport) -> Iterator[ImageRow]:
    """The images that could not be scanned."""
    return (image for image in report.images if image.error)


def failing(report: ScanReport) -> list[Finding]:
    """The findings that make the scan fail, by the `--fail-on` and the `--baseline` that it ran with."""
    severities = FAILING[report.run.get("settings", {}).get("fail_on", "error")]
    new = (finding for finding in report.findings if finding.fingerprint not in report.known)
    return [finding for finding in new if finding.severity in severities]


def failing_parts(report: ScanReport) -> list[Part]:
    """The parts that make the scan fail: marked a shortcut, and still there. Whatever `--fail-on` is, but never."""
    fails = FAILING[report.run.get("settings", {}).get("fail_on", "error")]
    return marked_shortcuts(report) if fails else []


def flag_message(code: str, image: ImageRow) -> str:
    """What a flag says about its image."""
    meaning = CODES[code].meaning
    if code == "CA103" and image.inside_share is not None and image.inside_area is not None:
        return f"{meaning} {image.inside_share:.0%} of it is inside; the object covers {image.inside_area:.0%}."
    if code == "CA104" and image.top:
        name, score = image.top[0]
        label = f", {image.label!r} has {image.label_score:.2f}" if image.label_score is not None else ""
        return f"{meaning} It takes it for {name!r} with {score:.2f}{label}."
    return meaning


def sentence(words: str) -> str:
    """Words that end as a sentence does."""
    return words if words.endswith(".") else f"{words}."


def image_path(report: ScanReport, name: str) -> str:
    """The path of an image as seen from where the scan ran."""
    dataset = _setting(report, "dataset")
    # DATASET may also be a single image
    return dataset if posixpath.basename(dataset) == name else posixpath.normpath(f"{dataset}/{name}")


def class_path(report: ScanReport, label: str) -> str:
    """The path of a class's folder, of the data set for "" or where classes have no such folder; as `image_path`."""
    if not report.run.get("class_folders", True):
        label = ""
    return posixpath.normpath(f"{_setting(report, 'dataset')}/{label}")


def overlay_path(report: ScanReport, image: ImageRow) -> str:
    """The path of an image's overlay as seen from where the scan ran; "" where none was drawn."""
    return posixpath.normpath(f"{_setting(report, 'out')}/{image.overlay}") if image.overlay else ""


def _finding_path(report: ScanReport, finding: Finding) -> str:
    if finding.examples:
        return image_path(report, finding.examples[0].path)
    return class_path(report, finding.label)


def fingerprint(code: str, name: str) -> str:
    """What makes a code the same one on an image of this name in another run: 32 hex digits."""
    return hashlib.sha256(f"{code}\n{name}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


def _setting(report: ScanReport, name: str) -> str:
    return str(report.run.get("settings", {}).get(name, "."))
