"""One scan from a folder of images to an output folder, with progress; shared by the commands that scan."""

from __future__ import annotations

import difflib
import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

import click
import cv2
import numpy as np
import onnxruntime
from tqdm import tqdm

from cam_audit import __version__
from cam_audit.cli.summary import Tally, summary
from cam_audit.errors import CamAuditError
from cam_audit.images import RUN_FILE, find_images
from cam_audit.labels import ClassNames, label_images
from cam_audit.model import Model
from cam_audit.output import OVERLAYS_FOLDER, RESULTS_FILE, TOOL, prepare_output, replacing
from cam_audit.records import ImageSource
from cam_audit.reports import csv
from cam_audit.scan import ScanSettings, available_cores, scan

MAX_NAMED = 5


@dataclass(frozen=True)
class Outcome:
    """What a scan came to: its tally, the seconds it took and where its files are."""

    tally: Tally
    seconds: float
    out: Path
    drawn: bool

    def text(self) -> str:
        """The summary that ends a scan."""
        lines = [summary(self.tally, self.seconds), ""]
        if self.drawn:
            lines.append(f"overlays  {self.out / OVERLAYS_FOLDER}")
        lines.append(f"table     {self.out / RESULTS_FILE}")
        return "\n".join(lines)


def require_folder(dataset: Path) -> None:
    """Raise CamAuditError, with the nearest existing name, where the data set does not exist."""
    if dataset.exists():
        return
    siblings = [path.name for path in dataset.parent.iterdir()] if dataset.parent.is_dir() else []
    close = difflib.get_close_matches(dataset.name, siblings, n=1)
    hint = f"; did you mean {dataset.parent / close[0]}?" if close else ""
    raise CamAuditError(f"{dataset}: no such folder{hint}")


def run(
    dataset: Path,
    model: Model,
    out: Path,
    settings: ScanSettings,
    *,
    label_map: Mapping[str, int],
    draw: bool = True,
    workers: int | None = None,
    limit: int | None = None,
    follow_links: bool = False,
) -> Outcome:
    """Scan `dataset` into `out`, with a progress bar where stderr is a terminal.

    Raises CamAuditError where there is no image, or the output can't be written.
    """
    started = datetime.now(timezone.utc)
    begin = time.perf_counter()
    sources = _sources(dataset, model, out, label_map, limit=limit, follow_links=follow_links)
    prepare_output(out)
    workers = workers or available_cores()
    tally = Tally()
    overlays = out if draw else None
    with (
        replacing(out / RESULTS_FILE) as table,
        tqdm(total=len(sources), unit=" images", disable=None, smoothing=0.05, dynamic_ncols=True) as progress,
    ):
        table.write(csv.header())
        for record in scan(model, sources, settings, overlays=overlays, workers=workers):
            table.write(csv.row(record))
            tally.add(record)
            progress.set_postfix(errors=tally.errors, refresh=False)
            progress.update()
    seconds = time.perf_counter() - begin
    details = {
        "tool": TOOL,
        "version": __version__,
        "schema_version": 1,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "dataset": str(dataset),
        "images": tally.images,
        "errors": tally.errors,
        "model": {"path": str(model.path), "net": model.net, "sha256": model.sha256, "licence": model.licence},
        "settings": {**asdict(settings), "overlays": "all" if draw else "none", "limit": limit, "workers": workers},
        "versions": {
            "python": platform.python_version(),
            "onnxruntime": onnxruntime.__version__,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
        },
    }
    with replacing(out / RUN_FILE) as file:
        file.write(json.dumps(details, indent=2) + "\n")
    return Outcome(tally, seconds, out, draw)


def _sources(
    dataset: Path, model: Model, out: Path, label_map: Mapping[str, int], *, limit: int | None, follow_links: bool
) -> list[ImageSource]:
    found = find_images(dataset, output=out, follow_links=follow_links)
    if found.links_left_out:
        click.echo(
            f"note: {found.links_left_out} links that lead outside {dataset} are left out; "
            "--follow-links follows them",
            err=True,
        )
    if not found.names:
        raise CamAuditError(f"{dataset}: no images in this folder or below it")
    names = _spread(found.names, limit)
    sources = label_images(dataset, names, ClassNames(model.class_names, model.class_ids), label_map)
    unmatched = sorted({s.label for s in sources if s.label and s.label_class is None})
    if unmatched:
        total = len({s.label for s in sources if s.label})
        more = ", ..." if len(unmatched) > MAX_NAMED else ""
        click.echo(
            f"note: {len(unmatched)} of {total} folders are named like no class of the net "
            f"({', '.join(unmatched[:MAX_NAMED])}{more}); --labels map.csv can say which class each is",
            err=True,
        )
    return sources


def _spread(names: Sequence[str], limit: int | None) -> Sequence[str]:
    """At most `limit` of the names, evenly spread, so that every class keeps its share."""
    if limit is None or limit >= len(names):
        return names
    return [names[index * len(names) // limit] for index in range(limit)]
