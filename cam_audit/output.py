"""The output folder of a scan: its files, written beside and renamed, so that none is ever half there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from cam_audit.errors import CamAuditError
from cam_audit.records import MAPS_FOLDER

RUN_FILE = "run.json"
RESULTS_FILE = "results.csv"
FINDINGS_FILE = "findings.json"
REPORT_FILE = "report.html"
OVERLAYS_FOLDER = "overlays"
JOURNAL_FOLDER = "journal"
WRITTEN_FOLDERS = (OVERLAYS_FOLDER, MAPS_FOLDER, JOURNAL_FOLDER)
TOOL = "cam-audit"
# File systems take names of at most 255 bytes; `.png` and a temporary suffix must fit beside it.
MAX_NAME_BYTES = 230
# And paths of at most 4,096, of which the output folder's own takes some.
MAX_FOLDER_BYTES = 1024


def prepare_output(folder: Path, *, keep: bool = False) -> None:
    """Make the output folder ready: created, writable, marked as ours, and without the results of an earlier scan.

    With `keep`, the results stay.

    Raises CamAuditError where it can't be written.
    """
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        earlier = bool(_run(folder))
        for name in WRITTEN_FOLDERS:
            _require_no_link(folder / name)
        # before anything is removed, or a scan cut off here would pass for finished; and were this one cut off, the
        # next must know that the pictures are ours to replace
        with replacing(folder / RUN_FILE) as file:
            file.write(json.dumps({"tool": TOOL, "finished": False}) + "\n")
        if earlier and not keep:
            for name in (OVERLAYS_FOLDER, MAPS_FOLDER):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(folder / name)
            for name in (RESULTS_FILE, FINDINGS_FILE, REPORT_FILE):
                (folder / name).unlink(missing_ok=True)
        for name in WRITTEN_FOLDERS:
            for place, names, _ in os.walk(folder / name):
                for inner in names:
                    _require_no_link(Path(place, inner))
        (folder / OVERLAYS_FOLDER).mkdir(exist_ok=True)


def _require_no_link(folder: Path) -> None:
    """Refuse to write through a link that leads elsewhere: the output may lie in a stranger's data set."""
    if folder.is_symlink():
        raise OSError(f"{folder} is a symbolic link, which may lead outside; remove it")


def remove_others(folder: Path, below: str, names: Collection[str]) -> None:
    """Remove the files in a folder `below` the output folder but for those of these names.

    They were cut off, or belong to images and findings that have gone. Raises CamAuditError where that fails.
    """
    try:
        for path in (folder / below).rglob("*"):
            if path.is_file() and path.relative_to(folder).as_posix() not in names:
                path.unlink()
    except OSError as error:
        raise CamAuditError(f"cannot clean {folder / below}: {error.strerror}") from None


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Raise CamAuditError, naming the output folder, where the block can't write."""
    try:
        yield
    except OSError as error:
        raise CamAuditError(f"cannot write to the output folder {folder}: {error.strerror or error}") from None


def is_finished(folder: Path) -> bool:
    """Whether the folder holds the results of a scan that came to its end."""
    return bool(_run(folder).get("finished"))


def add_to_run(folder: Path, **facts: object) -> None:
    """Add to what run.json says of a finished scan; raises CamAuditError where it can't be written."""
    run = {**_run(folder), **facts}
    with replacing(folder / RUN_FILE) as file:
        file.write(json.dumps(run, indent=2) + "\n")


def _run(folder: Path) -> Mapping[str, object]:
    """What run.json says, if it is ours; else nothing."""
    try:
        run = json.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return run if isinstance(run, dict) and run.get("tool") == TOOL else {}


def overlay_name(image_name: str) -> str:
    """Where the overlay of an image lies below the output folder; very long names are cut and hashed.

    Raises CamAuditError for a name that leads outside the data set.
    """
    if not {"", ".", ".."}.isdisjoint(image_name.split("/")):
        raise CamAuditError(f"{image_name!r} is not the name of an image below a data set")
    folder, _, file_name = image_name.rpartition("/")
    if len(os.fsencode(folder)) > MAX_FOLDER_BYTES:
        folder = f"{folder.partition('/')[0]}/{hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]}"
    encoded = os.fsencode(file_name)
    if len(encoded) > MAX_NAME_BYTES:
        stem = encoded[:MAX_NAME_BYTES].decode("utf-8", "ignore")
        file_name = f"{stem}-{hashlib.sha256(encoded).hexdigest()[:12]}"
    return "/".join(part for part in (OVERLAYS_FOLDER, folder, f"{file_name}.png") if part)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file beside its place and rename it; folders are made. Raises CamAuditError where that fails."""
    part = path.with_name(path.name + ".part")
    try:
        try:
            _write_new(part, data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_new(part, data)
        except FileExistsError:
            part.unlink()
            _write_new(part, data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise CamAuditError(f"cannot write {path}: {error.strerror}") from None


def _write_new(part: Path, data: bytes) -> None:
    """Write a file that is not there yet: one that is might be a link, and lead outside."""
    with part.open("xb") as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file that takes its place only when the block ends well; UTF-8, no newline translation.

    Raises CamAuditError where it can't be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.unlink(missing_ok=True)
        with part.open("x", encoding="utf-8", newline="") as file:
            yield file
            # or else a power cut could leave the new name with nothing in it
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise CamAuditError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
