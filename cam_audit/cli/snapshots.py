"""The folder in which a live session saves pictures: an output folder like a scan's, with the pictures beside it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cam_audit.errors import CamAuditError
from cam_audit.folders import make_in, open_in, replace_in, replacing_in, status_in
from cam_audit.images.png import encode_png
from cam_audit.live.view import View
from cam_audit.live.watch import Seen
from cam_audit.models.model import Model
from cam_audit.records import AuditResult, ImageSource
from cam_audit.reports import findings_json, results_csv
from cam_audit.reports.output_folder import (
    FINDINGS_FILE,
    OVERLAYS_FOLDER,
    PNG,
    RESULTS_FILE,
    RUN_FILE,
    overlay_name,
    read_results,
)
from cam_audit.scan.image import ImageMaps, ScanSettings, draw_overlay, image_result, top_scores
from cam_audit.scan.options import provenance

COMMAND = "live"
NOT_AUDITED = (
    "snapshots of a live session, in which no cues were looked for: sort them into class folders and scan those"
)
# Of the names of pictures, which are times.
STEP = timedelta(milliseconds=1)


class Snapshots:
    """Pictures saved in a folder, each with its overlay and its row of results.csv; earlier ones there stay.

    The folder is one that `cam-audit report` reads, after every snapshot. Raises CamAuditError where it can't be
    written, or holds results that are not a live session's.
    """

    def __init__(self, folder: Path, model: Model, settings: Mapping[str, object]) -> None:
        self.folder = folder
        self.saved = 0
        self._model = model
        self._settings = settings
        self._started = datetime.now(timezone.utc)
        self._begin = time.perf_counter()
        self._last = datetime.min
        self._before = _images_before(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            make_in(folder, OVERLAYS_FOLDER)
        except OSError as error:
            raise CamAuditError(f"cannot write to the folder {folder}: {error.strerror}") from None
        if not status_in(folder, RESULTS_FILE):
            with replacing_in(folder, RESULTS_FILE) as table:
                table.write(results_csv.header())
        with replacing_in(folder, FINDINGS_FILE) as file:
            nothing = AuditResult((), {}, {}, (), sampled=0, passes=0, notes=(NOT_AUDITED,))
            file.writelines(findings_json.findings(nothing))
        self._write_run()

    def save(self, seen: Seen, view: View) -> Path:
        """Save a picture, and its overlay with the maps that the view shows; returns where the picture is.

        Maps are those of this picture alone, as a scan of it would find them.
        """
        name = self._next_name()
        path = self.folder / name
        rgb, prediction = seen.frame.rgb, seen.prediction
        replace_in(self.folder, name, encode_png(rgb))
        scores = top_scores(self._model, self._model.probabilities(prediction.logits), results_csv.TOP)
        target = scores[min(view.rank, len(scores) - 1)].class_index
        maps = ImageMaps(self._model, prediction, (), target)
        source = ImageSource(str(self.folder), name, "", None)
        result = image_result(
            maps, source, (rgb.shape[1], rgb.shape[0]), results_csv.TOP, overlay=overlay_name(name, PNG)
        )
        overlay = draw_overlay(maps, rgb, result.scores, ScanSettings(), view.compare)
        replace_in(self.folder, str(result.overlay), overlay)
        _append(self.folder, results_csv.row(result))
        self.saved += 1
        self._write_run()
        return path

    def _next_name(self) -> str:
        """The time as a name, later than the one before, so that the table is sorted by path."""
        # a clock may be set back, and is in autumn
        moment = max(datetime.now(), self._last + STEP)
        while status_in(self.folder, name := f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03}.png"):
            moment += STEP
        self._last = moment
        return name

    def _write_run(self) -> None:
        details = {
            **provenance(self._model),
            "command": COMMAND,
            "finished": True,
            "images": self._before + self.saved,
            "errors": 0,
            "settings": dict(self._settings),
            "started": self._started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self._begin, 3),
        }
        with replacing_in(self.folder, RUN_FILE) as file:
            file.write(json.dumps(details, indent=2, default=str) + "\n")


def _append(folder: Path, row: str) -> None:
    """Add a row to the table, whole or not at all; raises CamAuditError where that fails."""
    try:
        with open_in(folder, RESULTS_FILE, "ab", buffering=0) as table:
            size = os.fstat(table.fileno()).st_size
            try:
                data = row.encode()
                while data:
                    data = data[table.write(data) :]
            except OSError:
                table.truncate(size)
                raise
    except OSError as error:
        raise CamAuditError(f"cannot write {folder / RESULTS_FILE}: {error.strerror}") from None


def _images_before(folder: Path) -> int:
    """How many snapshots the folder has; raises CamAuditError where it holds the results of a scan."""
    if not any(status_in(folder, name) for name in (RUN_FILE, RESULTS_FILE, FINDINGS_FILE)):
        return 0
    before = read_results(folder)
    if before.run.get("command") != COMMAND:
        raise CamAuditError(f"{folder}: holds the results of a scan; name another folder with --save")
    return len(before.images)
