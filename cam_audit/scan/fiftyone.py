"""A scan as a data set of FiftyOne: labels, predictions, scores and flags as fields, and the maps as heatmaps.

The format is FiftyOneDataset on disk (metadata.json, samples.json) without a version, which its importer reads by the
layout that is documented with it. Images stay where they are; they are read a second time, for their maps.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.files import replacing
from cam_audit.folders import replace_in
from cam_audit.records import Finding, ImageSource
from cam_audit.reports.formats import FIFTYONE
from cam_audit.reports.json_text import json_pieces, json_text
from cam_audit.reports.lines import verdict
from cam_audit.reports.results_csv import NUMBERS
from cam_audit.reports.scan_report import ImageRow
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.image import ImageMaps, ScanJob, run_again
from cam_audit.scan.observer import Observer
from cam_audit.workers import available_cores, in_order

HEATMAPS_FOLDER = "heatmaps"


def require_new(folder: Path) -> None:
    """Raise CamAuditError where a data set can't be written to a folder: it must be new, or empty."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        raise CamAuditError(f"--output: {folder} is there already; {FIFTYONE} takes a folder that is new or empty")
    if not folder.absolute().parent.is_dir():
        raise CamAuditError(f"--output: there is no folder {folder.parent}; make it with `mkdir -p {folder.parent}`")


def write_dataset(folder: Path, report: AuditReport, observer: Observer | None = None) -> None:
    """Write metadata.json, samples.json and a heatmap an image, an 8-bit PNG with a pixel for each cell of the map.

    A heatmap is 0 where the map is not positive, and 255 where it is largest in this image. Paths are absolute. Raises
    CamAuditError where the folder is not new or can't be written.
    """
    require_new(folder)
    observer = observer or Observer()
    root = Path(os.path.realpath(folder))
    try:
        root.mkdir(exist_ok=True)
    except OSError as error:
        raise CamAuditError(f"cannot write to the folder {folder}: {error.strerror}") from None
    workers = report.options.workers or available_cores()
    observer.on_stage(FIFTYONE, len(report.sources))
    drawn = in_order(workers, partial(_draw, report.job, root), report.sources)
    details = {
        "media_type": "image",
        "default_classes": list(report.job.model.class_names),
        "info": {
            "cam_audit": {
                "verdict": verdict(report),
                "net": report.job.model.net,
                "findings": [_finding(finding) for finding in report.findings],
            }
        },
    }
    replace_in(root, "metadata.json", json_text(details).encode())
    samples = _samples(report, drawn, observer)
    with replacing(root / "samples.json") as file:
        file.writelines(json_pieces({"samples": samples}))


def _draw(job: ScanJob, root: Path, source: ImageSource) -> str:
    """Write the heatmap of an image; its path, "" where the image can't be read or its map is nowhere positive."""
    try:
        prediction = run_again(job, source)
    except ImageError:
        return ""
    maps = ImageMaps(job.model, prediction, source.classes, job.settings.target)
    positive = np.clip(maps.of(maps.shown), 0, None)
    if not positive.max() > 0:
        return ""
    grey = np.rint(positive / positive.max() * 255).astype(np.uint8)
    name = f"{HEATMAPS_FOLDER}/{source.name}.png"
    replace_in(root, name, cv2.imencode(".png", grey)[1].tobytes())
    return str(root / name)


def _samples(report: AuditReport, drawn: Iterable[str], observer: Observer) -> Iterator[dict[str, Any]]:
    for image, source, heatmap in zip(report.images, report.sources, drawn, strict=True):
        yield _sample(image, source, heatmap)
        observer.on_image()


def _sample(image: ImageRow, source: ImageSource, heatmap: str) -> dict[str, Any]:
    """An image as a sample; what is not known of it is no field."""
    sample: dict[str, Any] = {
        "filepath": os.path.realpath(os.path.join(source.root, source.name)),
        "tags": [image.split] if image.split else [],
        "flags": list(image.flags),
    }
    if image.error:
        sample["error"] = image.error
    if image.label:
        sample["ground_truth"] = _classification(image.label)
    if image.top:
        sample["predictions"] = _classification(*image.top[0])
    if heatmap:
        sample["heatmap"] = {"_cls": "Heatmap", "map_path": heatmap}
    return sample | {name: value for name in NUMBERS if (value := getattr(image, name)) is not None}


def _classification(label: str, confidence: float | None = None) -> dict[str, Any]:
    classification: dict[str, Any] = {"_cls": "Classification", "label": label}
    return classification if confidence is None else classification | {"confidence": confidence}


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "class": finding.label,
        "message": finding.message,
        "examples": [example.path for example in finding.examples],
    }
