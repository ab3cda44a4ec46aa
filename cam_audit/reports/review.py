"""review.json: what a reviewer marked in report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cam_audit.reports import schema
from cam_audit.reports.read_json import read_document

SHORTCUT, FINE, UNSURE = VERDICTS = ("shortcut", "fine", "unsure")


@dataclass(frozen=True)
class Review:
    """A reviewer's verdicts: on findings by their fingerprint, on images by their path, on parts by `Part.fingerprint`.

    What nobody marked is absent.
    """

    model_sha256: str
    findings: Mapping[str, str]
    images: Mapping[str, str]
    parts: Mapping[str, str] = field(default_factory=dict)


def read_review(file: Path) -> Review:
    """Read a review.json. Raises CamAuditError where it is none."""
    return read_document(file, "a review", schema.REVIEW, _parsed)


def _parsed(content: Mapping[str, Any]) -> Review:
    return Review(
        model_sha256=str(content["model_sha256"]),
        findings={str(key): _verdict(mark["verdict"]) for key, mark in content["findings"].items()},
        images={str(path): _verdict(verdict) for path, verdict in content["images"].items()},
        # version 1 has none
        parts={str(key): _verdict(mark["verdict"]) for key, mark in content.get("parts", {}).items()},
    )


def _verdict(word: object) -> str:
    if word not in VERDICTS:
        raise ValueError(f"{word!r} is no verdict; there are {', '.join(VERDICTS)}")
    return str(word)
