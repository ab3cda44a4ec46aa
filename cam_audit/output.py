"""The output folder of a scan: its files, written beside and renamed, so that none is ever half there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from cam_audit.errors import CamAuditError
from cam_audit.images import RUN_FILE
from cam_audit.records import MAPS_FOLDER

RESULTS_FILE = "results.csv"
FINDINGS_FILE = "findings.json"
REPORT_FILE = "report.html"
OVERLAYS_FOLDER = "overlays"
TOOL = "cam-audit"
# File systems take names of at most 255 bytes; `.png` and a temporary suffix must fit beside it.
MAX_NAME_BYTES = 230


def prepare_output(folder: Path) -> None:
    """Make the output folder ready: created, writable, marked as ours, and without the results of an earlier scan.

    Raises CamAuditError where it can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        if _is_ours(folder / RUN_FILE):
            for name in (OVERLAYS_FOLDER, MAPS_FOLDER):
                with contextlib.suppress(FileNotFoundError):
                    shutil.rmtree(folder / name)
            for name in (RESULTS_FILE, FINDINGS_FILE, REPORT_FILE):
                (folder / name).unlink(missing_ok=True)
        (folder / OVERLAYS_FOLDER).mkdir(exist_ok=True)
        # were the scan cut off, the next one must know that the pictures are ours to replace
        (folder / RUN_FILE).write_text(json.dumps({"tool": TOOL, "finished": False}) + "\n", encoding="utf-8")
    except OSError as error:
        raise CamAuditError(f"cannot write to the output folder {folder}: {error.strerror or error}") from None


def _is_ours(run_file: Path) -> bool:
    try:
        return bool(json.loads(run_file.read_text(encoding="utf-8"))["tool"] == TOOL)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def overlay_name(image_name: str) -> str:
    """Where the overlay of an image lies below the output folder; a very long file name is cut and hashed."""
    folder, _, file_name = image_name.rpartition("/")
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
            part.write_bytes(data)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise CamAuditError(f"cannot write {path}: {error.strerror}") from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file that takes its place only when the block ends well; UTF-8, no newline translation.

    Raises CamAuditError where it can't be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise CamAuditError(f"cannot write {path}: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
