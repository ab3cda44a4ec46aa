"""A challenge: the counterfactual pictures of a scan as a data set, to measure any net on, in any framework."""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.files import write_bytes
from cam_audit.findings.codes import counterfactual
from cam_audit.images.png import encode_png
from cam_audit.images.rgb import RgbImage
from cam_audit.records import Counterfactual, Finding, Said
from cam_audit.reports.counterfactuals import pictures_of, read_edits
from cam_audit.reports.photos import PHOTOS_FILE, Photos, folder_of_photos
from cam_audit.reports.results_csv import inert
from cam_audit.reports.scan_report import ScanReport

TABLE_FILE = "challenge.csv"
README_FILE = "README.md"
COLUMNS = (
    *("file", "class", "kind", "code", "cue_class", "test", "source", "donor"),
    *("net_class", "net_score", "net_cue_class_score"),
)
README = """# A challenge for image classifiers

cam-audit made these pictures from the photos of a data set, with one folder for each true class:

- `planted`: a cue that tells another class, such as its background or a mark, was put into a picture;
- `taken-away`: the cue that gives its own class away was taken out of a picture;
- `control`: the same kind of edit with something else than this cue, to tell what the edit alone does. That may be
  another class's background, and fool a net by itself.

`challenge.csv` has a row for each picture: its true class, the kind, the cue (code and class), the test, the photos
that it was made from, and what the audited net said of it: the class, its score, and the score of the cue's class. A
picture and its control follow each other. Pictures have the size at which they entered that net. A cell that a
spreadsheet would run as a formula has a `'` in front.

A net that does not depend on a cue calls as few planted pictures by the cue's class as controls, and is right in as
many pictures without the cue. To measure one: in this folder, scan it with that net, and count.

    cam-audit scan . --model retrained.onnx --fail-on never -o after

    import csv
    said = {row["path"]: row["top1_class"] for row in csv.DictReader(open("after/results.csv"))}
    right = {}
    for row in csv.DictReader(open("challenge.csv")):
        key = row["code"], row["cue_class"], row["test"], row["kind"]
        right.setdefault(key, []).append(said[row["file"]] == row["class"])
    for key, answers in right.items():
        print(*key, sum(answers), "of", len(answers), "right")

Where folders are not called like the net's classes, scan with the `--labels` of the first scan, and compare with those
names. What the scan finds in this folder says nothing: every photo is in it several times.

The pictures say what a net does with these edits. They don't say how often such pictures come in practice, and an edit
is not a photograph: what lies at the border of one photo comes along with its background. The licences of the photos
apply to these pictures.
"""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What was written: how many pictures; and the photos that could not be read, with the reason."""

    pictures: int
    left_out: tuple[str, ...]


def write_challenge(report: ScanReport, folder: Path) -> Challenge:
    """Write the counterfactual pictures of a scan into a folder, which appears, or is filled, when all is made.

    Raises CamAuditError where the folder is there and not empty, lies in the data set or in the output folder, or can't
    be written, or the scan tested no cue.
    """
    dataset, place = folder_of_photos(report), Path(os.path.realpath(folder))
    _require_new(place, folder, (dataset, Path(report.folder)))
    photos = Photos.of(report, follow_links=report.run.get("settings", {}).get("follow_links") is True)
    edits, needed = read_edits(Path(report.folder))
    tried = [(finding, each) for finding in report.findings for each in edits.get(finding.fingerprint, ())]
    if not tried:
        raise CamAuditError(
            f"{report.folder}: holds no edited pictures: the scan planted no cue and took none away, or an earlier "
            "version made it; scan again"
        )
    if not photos.hashes:
        raise CamAuditError(
            f"{report.folder}: has no {PHOTOS_FILE}, which says of which photos pictures are made; scan again"
        )
    left_out: dict[str, None] = {}
    pictures = 0
    # a folder that is there stays the same one: a shell may be in it
    is_there, part = place.exists(), f".{place.name[:100]}-{os.getpid()}.part"
    made = place / part if is_there else place.with_name(part)
    try:
        made.mkdir(parents=True)
        try:
            with (made / TABLE_FILE).open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(COLUMNS)
                for number, (finding, each) in enumerate(tried, 1):
                    try:
                        _, edited, control = pictures_of(each, partial(photos.read, needed=needed))
                    except ImageError as error:
                        left_out[str(error)] = None
                        continue
                    for name, picture, row in _rows(number, finding, each, edited, control):
                        write_bytes(made / name, encode_png(picture))
                        table.writerow(map(inert, row))
                        pictures += 1
            if not pictures:
                raise CamAuditError(
                    f"none of the photos can be read ({next(iter(left_out))}); they were looked for in "
                    f"{Path(os.path.abspath(dataset))}: if the scan was started elsewhere, run this from there"
                )
            (made / README_FILE).write_text(README, encoding="utf-8")
            if is_there:
                # the table last, so that a folder that has one has all
                for path in sorted(made.iterdir(), key=lambda path: (path.name == TABLE_FILE, path.name)):
                    path.rename(place / path.name)
            else:
                made.rename(place)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise CamAuditError(f"cannot write {folder}: {error.strerror}") from None
    return Challenge(pictures, tuple(left_out))


def _require_new(place: Path, folder: Path, others: tuple[Path, ...]) -> None:
    try:
        taken = os.path.lexists(place) and (not place.is_dir() or any(not _is_left(path) for path in place.iterdir()))
    except OSError as error:
        raise CamAuditError(f"cannot write {folder}: {error.strerror}") from None
    if taken:
        raise CamAuditError(f"{folder}: is there already; name a new folder, or remove it")
    for other in others:
        inside = Path(os.path.realpath(other))
        if inside == place or inside in place.parents:
            raise CamAuditError(
                f"{folder}: lies in {other}, where scans would take it for a class; name another folder"
            )


def _is_left(path: Path) -> bool:
    """Whether a path in the new folder is what a challenge left that was killed while it was made."""
    return re.fullmatch(rf"\.{re.escape(path.parent.name[:100])}-[0-9]+\.part", path.name) is not None


def _rows(
    number: int, finding: Finding, each: Counterfactual, edited: RgbImage, control: RgbImage
) -> Iterator[tuple[str, RgbImage, tuple[str, ...]]]:
    """Of a picture and its control: the name below the folder, the picture, and the row of the table."""
    kind = "taken-away" if counterfactual(each.test).takes_away else "planted"
    for word, picture, made in ((kind, edited, each.edited), ("control", control, each.control)):
        name = f"{each.label}/{number:04}-{each.test}-{word}.png"
        about = (name, each.label, word, finding.code, finding.label, each.test, each.path, made.donor or "")
        yield name, picture, (*about, *_said(made.said))


def _said(said: Said) -> tuple[str, str, str]:
    return said.class_name, f"{said.probability:.6f}", f"{said.cue_probability:.6f}"
