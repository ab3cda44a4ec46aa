"""What a scan writes into its output folder, file by file; run.json comes last and tells that all else is in place."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.folders import AnyFolder, make_in, replace_in, replacing_in, status_in
from cam_audit.images.decode import read_image
from cam_audit.images.depth import Ranges
from cam_audit.images.encode_jpeg import encode_jpeg
from cam_audit.images.png import encode_png
from cam_audit.images.rgb import RgbImage
from cam_audit.inside import Root
from cam_audit.records import (
    COUNTERFACTUALS_FOLDER,
    MAPS_FOLDER,
    PARTS_FOLDER,
    AuditResult,
    ClassMaps,
    Counterfactual,
    Finding,
    ImageResult,
    ImageSource,
    Part,
    PartMaps,
)
from cam_audit.reports import findings_json, photos, results_csv
from cam_audit.reports.counterfactuals import EDITS_FILE, kept_pictures
from cam_audit.reports.counterfactuals import render as edits_json
from cam_audit.reports.formats import render
from cam_audit.reports.output_folder import (
    FINDINGS_FILE,
    PICTURE_FOLDERS,
    PROPOSALS_FILE,
    REPORT_FILE,
    RESULTS_FILE,
    RUN_FILE,
    list_pictures,
    overlay_name,
    remove_others,
    writing_to,
)
from cam_audit.reports.part_maps import MAPS_FILE
from cam_audit.reports.part_maps import render as part_maps_json
from cam_audit.reports.scan_report import ScanReport
from cam_audit.reports.written import keep_listed
from cam_audit.scan.chunk import Workers, scan_chunks
from cam_audit.scan.image import ScanJob, needed_side
from cam_audit.scan.observer import Observer
from cam_audit.scan.proposal import Proposal, labels_file
from cam_audit.sheets import class_map_sheet, part_sheet

# Of the pictures of counterfactuals, in which faint marks must still be seen.
JPEG_QUALITY = 92


def draw_overlays(
    job: ScanJob, sources: Sequence[ImageSource], out: AnyFolder, workers: Workers, observer: Observer
) -> dict[str, str | None]:
    """Draw the overlays of images, for which they are read once more; returns where they are, by image name."""
    observer.on_stage("overlays", len(sources))
    list_pictures(out, (overlay_name(source.name, job.settings.overlay_format) for source in sources))
    drawn = {}
    # objects would cost one more run of the net each, and are not drawn
    for result in scan_chunks(replace(job, out=out, annotations=None), sources, workers):
        for record in result.records:
            if isinstance(record, ImageResult):
                drawn[record.source.name] = record.overlay
            observer.on_image()
    return drawn


def write_proposals(out: AnyFolder, proposals: Sequence[Proposal]) -> None:
    """Write a labels file that proposes a class for each folder, if there are any; one that is there is the user's."""
    if proposals and not status_in(out, PROPOSALS_FILE):
        with replacing_in(out, PROPOSALS_FILE) as file:
            file.write(labels_file(proposals))


def write_results(out: AnyFolder, lines: Iterable[str]) -> None:
    """Write results.csv; lines: one an image, as `results_csv.line` has them."""
    with replacing_in(out, RESULTS_FILE) as table:
        table.write(results_csv.header())
        table.writelines(lines)


def write_findings(
    out: AnyFolder,
    result: AuditResult | ScanReport,
    maps: Mapping[str, ClassMaps],
    counterfactuals: Mapping[str, Sequence[Counterfactual]],
    part_maps: Mapping[str, PartMaps],
    job: ScanJob,
    root: Path | Root,
) -> None:
    """Write findings.json and the pictures that prove the findings: `maps` and `counterfactuals`, by fingerprint.

    part_maps: by a part's sheet, which is written too; root: the folder that the images are below.
    """
    with_maps = [finding for finding in result.findings if finding.fingerprint in maps]
    list_pictures(
        out,
        (
            *(finding.maps_name for finding in with_maps),
            *(file for finding in result.findings for each in finding.counterfactuals for file in each.files),
            *(part.sheet for part in result.parts),
            EDITS_FILE,
            MAPS_FILE,
        ),
    )
    remove_others(out, MAPS_FOLDER, {finding.maps_name for finding in with_maps})
    for finding in with_maps:
        replace_in(out, finding.maps_name, encode_png(class_map_sheet(finding, maps[finding.fingerprint])))
    needed = needed_side(job.model, job.settings)
    written = _write_counterfactuals(out, result.findings, counterfactuals, root, needed, job.ranges)
    sheets = _write_parts(out, result.parts, part_maps, root, needed, job)
    # of images that have gone meanwhile there is no picture to name
    shown = tuple(
        replace(
            finding, counterfactuals=tuple(each for each in finding.counterfactuals if written.issuperset(each.files))
        )
        for finding in result.findings
    )
    parts = tuple(part for part in result.parts if part.sheet in sheets)
    with replacing_in(out, photos.PHOTOS_FILE) as file:
        file.write(photos.render(root, result.findings, counterfactuals, result.wrong_labels))
    with replacing_in(out, FINDINGS_FILE) as file:
        file.writelines(findings_json.findings(replace(result, findings=shown, parts=parts)))


def _write_counterfactuals(
    out: AnyFolder,
    findings: Sequence[Finding],
    counterfactuals: Mapping[str, Sequence[Counterfactual]],
    root: Path | Root,
    needed: int,
    ranges: Ranges,
) -> set[str]:
    """The names of the pictures that could be written."""
    written = set()

    def photo(name: str) -> RgbImage:
        return read_image(root / name, needed=needed, ranges=ranges)[0]

    for finding in findings:
        of_finding = counterfactuals.get(finding.fingerprint, ())
        for name, picture in kept_pictures(finding, of_finding, photo):
            replace_in(out, name, encode_jpeg(picture, JPEG_QUALITY))
            written.add(name)
    remove_others(out, COUNTERFACTUALS_FOLDER, {EDITS_FILE, *written} if counterfactuals else ())
    if counterfactuals:
        # where no picture could be made, there is no folder yet
        with writing_to(out):
            make_in(out, COUNTERFACTUALS_FOLDER)
        with replacing_in(out, EDITS_FILE) as file:
            file.writelines(edits_json(findings, counterfactuals, needed))
    return written


def _write_parts(
    out: AnyFolder,
    parts: Sequence[Part],
    part_maps: Mapping[str, PartMaps],
    root: Path | Root,
    needed: int,
    job: ScanJob,
) -> set[str]:
    """The names of the sheets that could be written; their maps are written, too."""
    written = set()
    for part in parts:
        if part.sheet.casefold().startswith(f"{MAPS_FILE}/"):
            # a class of that name, whose folder would take the place of the file
            continue
        tiles = []
        for of_image in part_maps[part.sheet].maps[: len(part.examples)]:
            # an image that has gone meanwhile is left out
            with contextlib.suppress(ImageError):
                picture = job.model.fit(
                    read_image(root / of_image.path, needed=needed, ranges=job.ranges)[0], job.settings.size
                )
                tiles.append((picture, of_image.values))
        if tiles:
            replace_in(out, part.sheet, encode_jpeg(part_sheet(tiles), JPEG_QUALITY))
            written.add(part.sheet)
    remove_others(out, PARTS_FOLDER, {MAPS_FILE, *written} if written else ())
    if written:
        with replacing_in(out, MAPS_FILE) as file:
            file.write(part_maps_json((part for part in parts if part.sheet in written), part_maps))
    return written


def write_report(report: ScanReport, out: AnyFolder) -> CamAuditError | None:
    """Write report.html; returns why that failed, as all else is worth having without it."""
    try:
        with replacing_in(out, REPORT_FILE) as file:
            file.writelines(render(report, "html", Path(out)))
    except CamAuditError as error:
        return error
    return None


def write_run(out: AnyFolder, details: Mapping[str, Any]) -> None:
    """Write run.json, after the list of the pictures that are there."""
    with writing_to(out):
        keep_listed(out, PICTURE_FOLDERS)
    with replacing_in(out, RUN_FILE) as file:
        file.write(json.dumps(details, indent=2) + "\n")
