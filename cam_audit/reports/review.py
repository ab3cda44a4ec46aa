"""review.json: what a reviewer marked in report.html."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cam_audit.reports import schema
from cam_audit.reports.fields import by_name, exact_text, one_of, table
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
    review: Review = read_document(file, "a review", schema.REVIEW, _REVIEW)
    return review


def _review_of(item: dict[str, Any]) -> Review:
    # version 1 has no parts
    return Review(item["model_sha256"], item["findings"], item["images"], item.get("parts", {}))


_VERDICT = one_of(*VERDICTS)
_MARKS = by_name(table({"verdict": _VERDICT}, make=lambda item: item["verdict"]), exact_text)
_REVIEW = table(
    {"model_sha256": exact_text, "findings": _MARKS, "images": by_name(_VERDICT, exact_text)},
    {"parts": _MARKS},
    _review_of,
)
