"""The output folder of a finished scan, written by hand from a report, with an overlay of every image that has one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from cam_audit.files import write_bytes
from cam_audit.images.png import encode_png
from cam_audit.records import AuditResult, ClassMaps, Score
from cam_audit.reports import findings_json as findings_json
from cam_audit.reports import results_csv
from cam_audit.reports.scan_report import ImageRow, ScanReport
from cam_audit.sheets import Panel, class_map_sheet, overlay_sheet, part_sheet

OVERLAY_SIZE = 120
# What overlays show: the image in one colour, which the maps over it are not in.
PAINT = (30, 90, 200)
MAPS = ClassMaps(np.eye(4), np.zeros((4, 4)), np.ones((4, 4)))
# What the pictures of counterfactuals show, each in one colour: the image before, edited, and with the control.
TRIAL_PAINTS = ((20, 160, 60), (200, 40, 30), (120, 120, 10))
TRIAL_SIZE = (96, 64)
# A part that is everywhere.
LIGHT = np.ones((2, 2), np.float32)


def write_scan(folder: Path, report: ScanReport, *, overlays: bool = True) -> Path:
    """Write what a scan that came to `report` leaves behind; returns the folder."""
    settings = {"dataset": "photos", "overlays": "all", "settings": {"top": 3, "overlay_size": OVERLAY_SIZE}}
    (folder / "run.json").write_text(json.dumps({**report.run, "settings": settings}), encoding="utf-8")
    lines = results_csv.header() + "".join(map(results_csv.line, report.images))
    (folder / "results.csv").write_text(lines, encoding="utf-8", newline="")
    maps = dict.fromkeys(report.maps, MAPS)
    audit = AuditResult(report.findings, maps, {}, report.confused, sampled=0, passes=0, notes=report.notes)
    audit = replace(audit, parts=report.parts)
    (folder / "findings.json").write_text("".join(findings_json.findings(audit)), encoding="utf-8")
    for finding in report.findings:
        if finding.fingerprint in report.maps:
            write_bytes(folder / finding.maps_name, encode_png(class_map_sheet(finding, MAPS)))
        for shown in finding.counterfactuals:
            for file, paint in zip(shown.files, TRIAL_PAINTS, strict=True):
                rgb = np.full((*TRIAL_SIZE[::-1], 3), paint, np.uint8)
                write_bytes(folder / file, cv2.imencode(".jpg", rgb[..., ::-1])[1].tobytes())
    rows = {image.path: image for image in report.images}
    for part in report.parts:
        examples = [rows[example.path] for example in part.examples]
        tiles = [(np.full((each.height or 1, each.width or 1, 3), PAINT, np.uint8), LIGHT) for each in examples]
        write_bytes(folder / part.sheet, cv2.imencode(".jpg", part_sheet(tiles)[..., ::-1])[1].tobytes())
    for image in report.images:
        if image.overlay and overlays:
            write_bytes(folder / image.overlay, sheet_of(image, wrong=image.path in {c.path for c in report.confused}))
    return folder


def sheet_of(image: ImageRow, *, wrong: bool = False) -> bytes:
    """The overlay of an image in one colour, whose map peaks in its lower right."""
    rgb = np.full((image.height or 1, image.width or 1, 3), PAINT, np.uint8)
    cam = np.float32([[0, 0], [0, 1]])
    scores = [Score(index, name, score) for index, (name, score) in enumerate(image.top)]
    panels = [Panel("image"), *(Panel("map", cam) for _ in range(1 + wrong))]
    return encode_png(overlay_sheet(rgb, scores, panels, OVERLAY_SIZE))


def with_images(report: ScanReport, count: int) -> ScanReport:
    """The report with so many more images, called more/000.png and so on."""
    image = next(row for row in report.images if row.path == "dog/1.png")
    more = [
        replace(image, path=f"more/{number:03d}.png", label="more", overlay=f"overlays/more/{number:03d}.png.png")
        for number in range(count)
    ]
    return replace(report, images=tuple(sorted((*report.images, *more), key=lambda row: row.path)))
