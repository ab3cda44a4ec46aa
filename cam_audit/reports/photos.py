"""OUT/photos.json: the hashes of the photos that `report` and `challenge` read again, by their names.

Anybody may have written an output folder, and it names the folder of its photos itself. So a photo is shown, or a
picture made of it, only if it is, to the byte, the one that the scan saw: who wrote its hash had it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cam_audit.errors import ImageError
from cam_audit.files import sha256_of
from cam_audit.images.decode import decode, read_bytes
from cam_audit.images.depth import Ranges, ValueRange
from cam_audit.images.rgb import RgbImage
from cam_audit.inside import Root
from cam_audit.records import Counterfactual, Finding, WrongLabel
from cam_audit.reports.fields import FieldError, by_name, parse_json, quoted, table, text
from cam_audit.reports.json_text import json_text
from cam_audit.reports.read_json import read_if_there
from cam_audit.reports.scan_report import ScanReport

PHOTOS_FILE = "photos.json"
# Images whose label is likely wrong are shown, so many of them.
MAX_WRONG_LABELS = 12


class OtherPhotoError(ImageError):
    """A photo that is not the one that the scan saw."""


@dataclass(frozen=True)
class Photos:
    """The photos of a scan that may be read again: the folder that they are below, and their hashes by name."""

    root: Root
    hashes: Mapping[str, str]
    ranges: Ranges

    @classmethod
    def of(cls, report: ScanReport, *, follow_links: bool = False) -> Photos:
        """Those of an output folder; raises CamAuditError where its photos.json is damaged."""
        return cls(
            _root_of(report, follow_links=follow_links),
            read_if_there(Path(report.folder), PHOTOS_FILE, _parsed, {}),
            value_ranges(report),
        )

    def read(self, name: str, needed: int | None) -> RgbImage:
        """A photo as the scan saw it, uint8 (H, W, 3); `needed` as in `decode`.

        Raises ImageError where it can't be read, OtherPhotoError where it is another one.
        """
        path = self.root / name
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != self.hashes.get(name):
            raise OtherPhotoError(f"not the photo that was scanned: {PHOTOS_FILE} does not have its hash")
        return decode(data, needed=needed, path=path, ranges=self.ranges)[0]


def render(
    root: Path | Root,
    findings: Iterable[Finding],
    counterfactuals: Mapping[str, Iterable[Counterfactual]],
    wrong_labels: Iterable[WrongLabel],
) -> str:
    """The text of photos.json: of all photos that the findings show, and of which pictures were edited."""
    hashes = {}
    for name in sorted({*_named(findings, counterfactuals, wrong_labels)}):
        try:
            hashes[name] = sha256_of(root / name)
        except OSError:
            # gone meanwhile
            continue
    return json_text({"sha256": hashes})


def _named(
    findings: Iterable[Finding],
    counterfactuals: Mapping[str, Iterable[Counterfactual]],
    wrong_labels: Iterable[WrongLabel],
) -> Iterator[str]:
    for finding in findings:
        yield from (example.path for example in finding.examples)
        for each in counterfactuals.get(finding.fingerprint, ()):
            yield each.path
            yield from (donor for donor in (each.edited.donor, each.control.donor) if donor)
    yield from (image.path for image in [*wrong_labels][:MAX_WRONG_LABELS])


def folder_of_photos(report: ScanReport) -> Path:
    """The folder that the names of a scan's photos are below."""
    dataset = Path(report.run.get("settings", {}).get("dataset", ""))
    return dataset.parent if dataset.is_file() else dataset


def value_ranges(report: ScanReport) -> Ranges:
    """The ranges of pixel values that a scan had, by which pictures are shown as the net saw them."""
    try:
        stated = report.run.get("value_ranges", {}).items()
        return {kind: ValueRange(**{name: float(value) for name, value in of_kind.items()}) for kind, of_kind in stated}
    except (AttributeError, TypeError, ValueError):
        # a stranger's
        return {}


def _root_of(report: ScanReport, *, follow_links: bool) -> Root:
    folder = folder_of_photos(report)
    try:
        return Root.of(folder, follow_links=follow_links)
    except OSError:
        # nothing can be read there
        return Root(str(folder))


def _parsed(document: str) -> Mapping[str, str]:
    hashes: Mapping[str, str] = _DOCUMENT(parse_json(document))
    return hashes


def _sha256(value: Any) -> str:
    if not re.fullmatch("[0-9a-f]{64}", text(value)):
        raise FieldError(f"{quoted(value)} is no SHA-256")
    return str(value)


_DOCUMENT = table({"sha256": by_name(_sha256)}, make=lambda item: item["sha256"])
