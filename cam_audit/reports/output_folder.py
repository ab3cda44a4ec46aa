"""The output folder of a scan: made ready, cleaned, and read back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from cam_audit.errors import CamAuditError
from cam_audit.folders import (
    LINK,
    PART,
    AnyFolder,
    Folder,
    leads_outside,
    lines_in,
    make_in,
    open_in,
    opened,
    read_in,
    remove_in,
    replacing_in,
    status_in,
    unnamed_in,
    walk_in,
)
from cam_audit.images.find import OutputMarks
from cam_audit.records import COUNTERFACTUALS_FOLDER, MAPS_FOLDER, PARTS_FOLDER
from cam_audit.reports import read_findings, results_csv, run_json, schema
from cam_audit.reports.photos import PHOTOS_FILE
from cam_audit.reports.scan_report import ImageRow, ScanReport
from cam_audit.reports.schema import TOOL
from cam_audit.reports.written import LIST_FILE, list_written, of_others, remove_written
from cam_audit.text import count

RUN_FILE = "run.json"
RESULTS_FILE = "results.csv"
FINDINGS_FILE = "findings.json"
REPORT_FILE = "report.html"
# What class each folder could be, for --labels: written once, and the user's from then on.
PROPOSALS_FILE = "labels.csv"
OVERLAYS_FOLDER = "overlays"
# What an overlay may be written as, and how its name then ends.
PNG, JPEG = "png", "jpeg"
OVERLAY_FORMATS = {PNG: ".png", JPEG: ".jpg"}
JOURNAL_FOLDER = "journal"
PICTURE_FOLDERS = (OVERLAYS_FOLDER, MAPS_FOLDER, COUNTERFACTUALS_FOLDER, PARTS_FOLDER)
WRITTEN_FOLDERS = (*PICTURE_FOLDERS, JOURNAL_FOLDER)
WRITTEN_FILES = (RESULTS_FILE, FINDINGS_FILE, PHOTOS_FILE, REPORT_FILE)
OUTPUT_MARKS = OutputMarks(frozenset({RUN_FILE, OVERLAYS_FOLDER}), frozenset(PICTURE_FOLDERS))
LOCK_FILE = ".lock"
GIT_IGNORE = ".gitignore"
OWN_NAMES = {*WRITTEN_FOLDERS, *WRITTEN_FILES, RUN_FILE, PROPOSALS_FILE, LIST_FILE, LOCK_FILE, GIT_IGNORE}
MAX_NAMED = 3
# Of a line of results.csv, which may be anybody's.
MAX_LINE = 1 << 20
# File systems take names of at most 255 bytes; `.png` and a temporary suffix must fit beside it.
MAX_NAME_BYTES = 230
# And paths of at most 4,096, of which the output folder's own takes some.
MAX_FOLDER_BYTES = 1024


def prepare_output(folder: AnyFolder, *, keep: bool = False) -> None:
    """Make the output folder ready: created, writable, marked as ours, and without the results of an earlier scan.

    With `keep`, the results stay. Git is told to leave the folder out.

    Raises CamAuditError where it can't be written, or holds what no scan wrote.
    """
    with writing_to(folder):
        if isinstance(folder, Path):
            folder.mkdir(parents=True, exist_ok=True)
        with unnamed_in(folder):
            pass
        require_ours(folder)
        earlier = bool(_run(folder))
        # before anything is removed: a scan that is cut off here must not pass for finished, and the next one must know
        # that the pictures are ours to replace
        with replacing_in(folder, RUN_FILE) as file:
            file.write(json.dumps({"tool": TOOL, "finished": False}) + "\n")
        if earlier and not keep:
            remove_written(folder, PICTURE_FOLDERS)
            for name in (*WRITTEN_FILES, LIST_FILE):
                with contextlib.suppress(FileNotFoundError):
                    remove_in(folder, name)
        make_in(folder, OVERLAYS_FOLDER)
        with contextlib.suppress(FileExistsError), open_in(folder, GIT_IGNORE, "x") as file:
            file.write("*\n")


def require_ours(folder: AnyFolder) -> None:
    """Raise CamAuditError where the folder is no scan's and not empty, or a scan's with pictures of somebody else.

    Links in the folders that a scan writes to are refused, too.
    """
    with writing_to(folder):
        for name in WRITTEN_FOLDERS:
            _require_no_links(folder, name)
    if _run(folder):
        foreign = of_others(folder, PICTURE_FOLDERS)
    else:
        # a scan replaces no hidden files; if `folder` is a file, writing to it fails and says so
        with writing_to(folder):
            there = os.listdir(folder) if os.path.isdir(folder) else ()
        foreign = sorted(name for name in there if not name.startswith("."))
    if foreign:
        more = f" and {len(foreign) - MAX_NAMED:,} more" if len(foreign) > MAX_NAMED else ""
        raise CamAuditError(
            f"{folder}: holds {', '.join(foreign[:MAX_NAMED])}{more}, which no scan wrote; move that away, or name "
            "another folder with -o"
        )


def is_own_file(place: Path, out: Path | None = None, *, is_report: bool = False) -> bool:
    """Whether a file, by a path without links, is one that a scan writes into its output folder, or would lie in its
    folders.

    Any folder with a scan's run.json is one, and so is `out`. `is_report`: whether the file may be its report.html.
    """
    for folder in place.parents:
        if (out and folder == Path(os.path.realpath(out))) or _run(folder):
            name = place.relative_to(folder).parts[0].casefold().removesuffix(PART)
            if name in OWN_NAMES and not (is_report and name == REPORT_FILE):
                return True
    return False


def require_same(out: AnyFolder, dataset: Path, sha256: str) -> None:
    """Raise CamAuditError where the output folder holds the finished scan of another data set or net."""
    run = finished_run(out)
    before = str(run.get("settings", {}).get("dataset", dataset))
    net = run.get("model", {})
    if os.path.realpath(before) != os.path.realpath(dataset) or net.get("sha256", sha256) != sha256:
        raise CamAuditError(
            f"{out}: holds the finished scan of {before} with the net {net.get('net') or 'of another file'}; name "
            "another folder with -o, or replace it by --fresh"
        )


def _require_no_links(folder: AnyFolder, name: str) -> None:
    """Refuse links before a scan begins, which would stop at them: the output may lie in a stranger's data set."""
    status = status_in(folder, name)
    if status and stat.S_ISLNK(status.st_mode):
        raise OSError(f"{folder / name} {LINK}")
    for place, links, _ in walk_in(folder, name):
        for link in links:
            raise OSError(f"{folder / place / link} {LINK}")


def remove_others(folder: AnyFolder, below: str, names: Collection[str]) -> None:
    """Remove the files that a scan wrote in a folder `below` the output folder, except those of these names.

    They were cut off, or belong to images and findings that have gone. Raises CamAuditError if that fails.
    """
    try:
        remove_written(folder, (below,), names)
    except OSError as error:
        raise CamAuditError(f"cannot clean {folder / below}: {error.strerror}") from None


@contextlib.contextmanager
def writing_to(folder: AnyFolder) -> Iterator[None]:
    """Raise CamAuditError, naming the output folder, where the block can't write."""
    try:
        yield
    except OSError as error:
        raise CamAuditError(f"cannot write to the output folder {folder}: {error.strerror or error}") from None


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Folder]:
    """The output folder, held open while it is written to; raises CamAuditError where that fails."""
    with contextlib.ExitStack() as stack:
        with writing_to(folder):
            yielded = stack.enter_context(opened(folder))
        yield yielded


def list_pictures(folder: AnyFolder, names: Iterable[str]) -> None:
    """Note that pictures are going to be written, without which no later scan may replace them."""
    with writing_to(folder):
        list_written(folder, names)


def finished_run(folder: AnyFolder) -> Mapping[str, Any]:
    """What the run.json of a finished scan says; empty if there is no such scan."""
    run = _run(folder)
    return run if run.get("finished") else {}


def is_finished(folder: AnyFolder) -> bool:
    """Whether the folder holds the results of a scan that came to its end."""
    return bool(finished_run(folder))


def _run(folder: AnyFolder) -> Mapping[str, Any]:
    """What run.json says, if it is ours; else nothing."""
    try:
        run = run_json.parse(read_in(folder, RUN_FILE, schema.MAX_BYTES).decode())
    except (OSError, ValueError):
        return {}
    return run if run.get("tool") == TOOL else {}


def overlay_name(image_name: str, overlay_format: str) -> str:
    """Where the overlay of an image lies below the output folder; very long names are cut and hashed.

    overlay_format: one of OVERLAY_FORMATS.

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
    return "/".join(part for part in (OVERLAYS_FOLDER, folder, f"{file_name}{OVERLAY_FORMATS[overlay_format]}") if part)


def read_results(folder: Path, run: Mapping[str, Any] | None = None) -> ScanReport:
    """What the output folder of a finished scan holds; `run` is what its run.json will say, where it is yet to come.

    The images are not kept: results.csv is checked, and read again whenever they are gone through.

    Raises CamAuditError where it is not one, its scan did not end, or a file of it is damaged.
    """
    if run is None:
        with _damaged(folder, RUN_FILE):
            run = run_json.parse(read_in(folder, RUN_FILE, schema.MAX_BYTES).decode())
    if run.get("tool") != TOOL:
        raise CamAuditError(f"{folder}: not the output folder of a cam-audit scan")
    if not run.get("finished"):
        raise CamAuditError(f"{folder}: the scan into this folder did not end; run it again")
    with _damaged(folder, FINDINGS_FILE):
        content = read_findings.parse(read_in(folder, FINDINGS_FILE, schema.MAX_BYTES).decode())
    images = _Table(folder)
    if "model" not in run:
        raise CamAuditError(f"{folder / RUN_FILE}: damaged: model is missing; scan again")
    outside = images.overlays_outside
    notes = content.notes
    if outside:
        notes = (*notes, f"{RESULTS_FILE} names {count(outside, 'overlay')} outside {folder}: left out")
    return ScanReport(
        run,
        content.findings,
        content.maps,
        content.confused,
        notes,
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

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] | None = None
        self.overlays_outside = 0
        self._rows = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[ImageRow]:
        with (
            _damaged(self._folder, RESULTS_FILE),
            open_in(self._folder, RESULTS_FILE, "r", encoding="utf-8", newline="") as file,
        ):
            status = os.fstat(file.fileno())
            stamp = status.st_size, status.st_mtime_ns
            if self._stamp not in (None, stamp):
                raise CamAuditError(
                    f"{self._folder / RESULTS_FILE}: another scan has replaced it since this report was made; read it "
                    "again"
                )
            self._stamp = stamp
            self.overlays_outside = 0
            for row in results_csv.parse(lines_in(file, MAX_LINE)):
                if row.overlay and leads_outside(row.overlay):
                    self.overlays_outside += 1
                    yield replace(row, overlay="")
                else:
                    yield row


@contextlib.contextmanager
def _damaged(folder: Path, name: str) -> Iterator[None]:
    """Raise CamAuditError where a file of an output folder is not there, can't be read or is damaged."""
    try:
        yield
    except FileNotFoundError:
        raise CamAuditError(
            f"{folder}: not the output folder of a cam-audit scan, there is no {name} in it; "
            f"`cam-audit scan DATASET -o {folder}` makes one"
        ) from None
    except OSError as error:
        raise CamAuditError(f"{folder / name}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise CamAuditError(f"{folder / name}: damaged: {error}; scan again") from None
