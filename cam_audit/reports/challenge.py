"""A challenge: the counterfactual pictures of a scan as a data set, to measure any net on, in any framework."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.files import write_bytes
from cam_audit.findings.codes import counterfactual
from cam_audit.images.png import encode_png
from cam_audit.images.rgb import RgbImage
from cam_audit.records import Counterfactual, Finding, Said, ScanReport
from cam_audit.reports.counterfactuals import pictures_of, read_edits
from cam_audit.reports.pictures import folder_of_images
from cam_audit.reports.results_csv import inert

TABLE_FILE = "challenge.csv"
README_FILE = "README.md"
COLUMNS = (
    *("file", "class", "kind", "code", "cue_class", "test", "source", "donor"),
    *("net_class", "net_score", "net_cue_class_score"),
)
README = """# A challenge for image classifiers

cam-audit made these pictures from the photos of a data set. In a class's folder are pictures whose true class that is:

- `planted`: a cue that tells another class, such as its background or a mark, was put into a picture;
- `taken-away`: the cue that gives its own class away was taken out of a picture;
- `control`: the same kind of edit without the cue, so that what the edit alone does can be told.

A net that goes by what it should be looking at is right in as many of the planted and taken-away pictures as in the
controls. `challenge.csv` has a row a picture: its true class, the kind, the cue (code and class), the test, the photos
that it was made from, and what the audited net said of it: the class, its score, and the score of the cue's class.
Pictures have the size at which they entered that net; an image and its control follow each other. A cell that a
spreadsheet would run as a formula has a `'` in front.

To see whether another net is better, scan this folder with both, and compare:

    cam-audit scan DIR --model audited.onnx -o before
    cam-audit scan DIR --model retrained.onnx -o after
    cam-audit compare before after

The pictures say what a net does with these edits. They don't say how often such pictures come in practice, and an edit
is not a photograph: a mirrored border is no landscape. The rights to the photos remain those of the photos.
"""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What was written: how many pictures; and the images of which none could be made, as photos can't be read."""

    pictures: int
    left_out: tuple[str, ...]


def write_challenge(report: ScanReport, folder: Path) -> Challenge:
    """Write the counterfactual pictures of a scan into a folder, which appears when all is in it.

    Raises CamAuditError where the folder is there and not empty, or can't be written, or the scan tested no cue.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CamAuditError(f"{folder}: is there already; name a new folder, or remove it")
    edits, needed = read_edits(Path(report.folder))
    tried = [(finding, each) for finding in report.findings for each in edits.get(finding.fingerprint, ())]
    if not tried:
        raise CamAuditError(f"{report.folder}: this scan planted no cue and took none away, so there are no pictures")
    root = folder_of_images(report)
    left_out: dict[str, None] = {}
    pictures = 0
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            with (made / TABLE_FILE).open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(COLUMNS)
                for number, (finding, each) in enumerate(tried, 1):
                    try:
                        _, edited, control = pictures_of(each, root, needed)
                    except ImageError:
                        left_out[each.path] = None
                        continue
                    for name, picture, row in _rows(number, finding, each, edited, control):
                        write_bytes(made / name, encode_png(picture))
                        table.writerow(map(inert, row))
                        pictures += 1
            if not pictures:
                raise CamAuditError(f"{root}: the photos that the pictures are made of can't be read any more")
            (made / README_FILE).write_text(README.replace("DIR", folder.name), encoding="utf-8")
            made.chmod(0o755)
            if folder.exists():
                folder.rmdir()
            made.rename(folder)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise CamAuditError(f"cannot write {folder}: {error.strerror}") from None
    return Challenge(pictures, tuple(left_out))


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
