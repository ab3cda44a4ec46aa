"""The output folder of a scan: made ready, cleaned, and read back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from cam_audit.errors import CamAuditError
from cam_audit.files import leads_outside, replacing
from cam_audit.images.find import OutputMarks
from cam_audit.records import COUNTERFACTUALS_FOLDER, MAPS_FOLDER, PARTS_FOLDER, ImageRow, ScanReport
from cam_audit.reports import read_findings, results_csv, run_json
from cam_audit.reports.written import LIST_FILE, list_written, of_others, remove_written

RUN_FILE = "run.json"
RESULTS_FILE = "results.csv"
FINDINGS_FILE = "findings.json"
REPORT_FILE = "report.html"
# What class each folder could be, for --labels: written once, and the user's from then on.
PROPOSALS_FILE = "labels.csv"
OVERLAYS_FOLDER = "overlays"
JOURNAL_FOLDER = "journal"
PICTURE_FOLDERS = (OVERLAYS_FOLDER, MAPS_FOLDER, COUNTERFACTUALS_FOLDER, PARTS_FOLDER)
WRITTEN_FOLDERS = (*PICTURE_FOLDERS, JOURNAL_FOLDER)
WRITTEN_FILES = (RESULTS_FILE, FINDINGS_FILE, REPORT_FILE)
OUTPUT_MARKS = OutputMarks(frozenset({RUN_FILE, OVERLAYS_FOLDER}), frozenset(PICTURE_FOLDERS))
TOOL = "cam-audit"
GIT_IGNORE = ".gitignore"
MAX_NAMED = 3
# File systems take names of at most 255 bytes; `.png` and a temporary suffix must fit beside it.
MAX_NAME_BYTES = 230
# And paths of at most 4,096, of which the output folder's own takes some.
MAX_FOLDER_BYTES = 1024


def prepare_output(folder: Path, *, keep: bool = False) -> None:
    """Make the output folder ready: created, writable, marked as ours, and without the results of an earlier scan.

    With `keep`, the results stay. Git is told to leave the folder out.

    Raises CamAuditError where it can't be written, or holds what no scan wrote.
    """
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        require_ours(folder)
        earlier = bool(_run(folder))
        for name in WRITTEN_FOLDERS:
            for place, names, _ in os.walk(folder / name):
                for inner in ("", *names):
                    _require_no_link(Path(place, inner))
            _require_no_link(folder / name)
        # before anything is removed: a scan that is cut off here must not pass for finished, and the next one must know
        # that the pictures are ours to replace
        with replacing(folder / RUN_FILE) as file:
            file.write(json.dumps({"tool": TOOL, "finished": False}) + "\n")
        if earlier and not keep:
            remove_written(folder, PICTURE_FOLDERS)
            for name in (*WRITTEN_FILES, LIST_FILE):
                (folder / name).unlink(missing_ok=True)
        (folder / OVERLAYS_FOLDER).mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError), (folder / GIT_IGNORE).open("x") as file:
            file.write("*\n")


def require_ours(folder: Path) -> None:
    """Raise CamAuditError where the folder is no scan's and not empty, or a scan's with pictures of somebody else."""
    if _run(folder):
        foreign = of_others(folder, PICTURE_FOLDERS)
    else:
        # a scan replaces no hidden files; if `folder` is a file, writing to it fails and says so
        there = folder.iterdir() if folder.is_dir() else ()
        foreign = sorted(path.name for path in there if not path.name.startswith("."))
    if foreign:
        more = f" and {len(foreign) - MAX_NAMED:,} more" if len(foreign) > MAX_NAMED else ""
        raise CamAuditError(
            f"{folder}: holds {', '.join(foreign[:MAX_NAMED])}{more}, which no scan wrote; move that away, or name "
            "another folder with -o"
        )


def require_same(out: Path, dataset: Path, sha256: str) -> None:
    """Raise CamAuditError where the output folder holds the finished scan of another data set or net."""
    run = finished_run(out)
    before = str(run.get("settings", {}).get("dataset", dataset))
    net = run.get("model", {})
    if os.path.realpath(before) != os.path.realpath(dataset) or net.get("sha256", sha256) != sha256:
        raise CamAuditError(
            f"{out}: holds the finished scan of {before} with the net {net.get('net') or 'of another file'}; name "
            "another folder with -o, or replace it by --fresh"
        )


def _require_no_link(folder: Path) -> None:
    """Refuse to write through a link that leads elsewhere: the output may lie in a stranger's data set."""
    if folder.is_symlink():
        raise OSError(f"{folder} is a symbolic link, which may lead outside; remove it")


def remove_others(folder: Path, below: str, names: Collection[str]) -> None:
    """Remove the files that a scan wrote in a folder `below` the output folder, except those of these names.

    They were cut off, or belong to images and findings that have gone. Raises CamAuditError if that fails.
    """
    try:
        remove_written(folder, (below,), names)
    except OSError as error:
        raise CamAuditError(f"cannot clean {folder / below}: {error.strerror}") from None


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise CamAuditError, naming the output folder, where the block can't write."""
    try:
        yield
    except OSError as error:
        raise CamAuditError(f"cannot write to the output folder {folder}: {error.strerror or error}") from None


def list_pictures(folder: Path, names: Iterable[str]) -> None:
    """Note that pictures are going to be written, without which no later scan may replace them."""
    with writing_to(folder):
        list_written(folder, names)


def finished_run(folder: Path) -> Mapping[str, Any]:
    """What the run.json of a finished scan says; empty if there is no such scan."""
    run = _run(folder)
    return run if run.get("finished") else {}


def is_finished(folder: Path) -> bool:
    """Whether the folder holds the results of a scan that came to its end."""
    return bool(finished_run(folder))


def _run(folder: Path) -> Mapping[str, Any]:
    """What run.json says, if it is ours; else nothing."""
    try:
        run = run_json.parse((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return run if run.get("tool") == TOOL else {}


def overlay_name(image_name: str) -> str:
    """Where the overlay of an image lies below the output folder; very long names are cut and hashed.

    Raises CamAuditError for a name that leads outside the data set.
    """
    if leads_outside(image_name):
        raise CamAuditError(f"{image_name!r} is not the name of an image below a data set")
    folder, _, file_name = image_name.rpartition("/")
    if len(os.fsencode(folder)) > MAX_FOLDER_BYTES:
        folder = f"{folder.partition('/')[0]}/{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    encoded = os.fsencode(file_name)
    if len(encoded) > MAX_NAME_BYTES:
        stem = encoded[:MAX_NAME_BYTES].decode("utf-8", "ignore")
        file_name = f"{stem}-{hashlib.sha256(encoded).hexdigest()[:12]}"
    return "/".join(part for part in (OVERLAYS_FOLDER, folder, f"{file_name}.png") if part)


def read_results(folder: Path, run: Mapping[str, Any] | None = None) -> ScanReport:
    """What the output folder of a finished scan holds; `run` is what its run.json will say, where it is yet to come.

    The images are not kept: results.csv is checked, and read again whenever they are gone through.

    Raises CamAuditError where it is not one, its scan did not end, or a file of it is damaged.
    """
    if run is None:
        with _reading(folder / RUN_FILE) as file:
            run = run_json.parse(file.read())
    if run.get("tool") != TOOL:
        raise CamAuditError(f"{folder}: not the output folder of a cam-audit scan")
    if not run.get("finished"):
        raise CamAuditError(f"{folder}: the scan into this folder did not end; run it again")
    with _reading(folder / FINDINGS_FILE) as file:
        content = read_findings.parse(file.read())
    images = _Table(folder / RESULTS_FILE)
    if "model" not in run:
        raise CamAuditError(f"{folder / RUN_FILE}: damaged: model is missing; scan again")
    return ScanReport(
        run,
        content.findings,
        content.maps,
        content.confused,
        content.notes,
        images,
        folder=str(folder),
        known=frozenset(run.get("known", ())),
        parts=content.parts,
        wrong_labels=content.wrong_labels,
        groups=content.groups,
        part_marks=run.get("part_marks", {}),
    )


class _Table:
    """The rows of a results.csv, read each time they are gone through.

    Raises CamAuditError, now or then, if the file is not there, can't be read, is damaged, or is not the same any more.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._rows = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[ImageRow]:
        with _reading(self._file) as lines:
            status = os.fstat(lines.fileno())
            stamp = status.st_size, status.st_mtime_ns
            if self._stamp not in (None, stamp):
                raise CamAuditError(
                    f"{self._file}: another scan has replaced it since this report was made; read it again"
                )
            self._stamp = stamp
            yield from results_csv.parse(lines)


@contextlib.contextmanager
def _reading(file: Path) -> Iterator[TextIO]:
    """A file of an output folder, open; raises CamAuditError where it is not there, can't be read or is damaged."""
    try:
        with file.open(encoding="utf-8", newline="") as text:
            yield text
    except FileNotFoundError:
        raise CamAuditError(
            f"{file.parent}: not the output folder of a cam-audit scan, there is no {file.name} in it; "
            f"`cam-audit scan DATASET -o {file.parent}` makes one"
        ) from None
    except OSError as error:
        raise CamAuditError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CamAuditError(f"{file}: damaged: {error}; scan again") from None
