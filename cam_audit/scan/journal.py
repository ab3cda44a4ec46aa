"""What a scan has finished, kept beside its results, so that a scan that was cut off can go on.

`OUT/journal/images.jsonl` is append-only: a first line says what is scanned and how, then comes a line an image, each
written when everything else of its image is in place. A line that was cut off is dropped. Images that could not be read
are not in it: a later run tries them again. Nothing waits for the disk: after a power cut, lines and pictures of the
last half minute may be missing or damaged, which is seen, and their images are done again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from filelock import FileLock, Timeout

from cam_audit.errors import CamAuditError
from cam_audit.findings.sample import Collected
from cam_audit.records import Disagreement, Exif, ImageResult, ImageSource, MapStatistics, ObjectShare, Score
from cam_audit.reports.output_folder import JOURNAL_FOLDER, is_finished

IMAGES_FILE = "images.jsonl"
OBSERVATIONS_FOLDER = "observations"
LOCK_FILE = ".lock"
# How every whole PNG file ends: the type and checksum of its empty last chunk.
PNG_END = b"IEND\xaeB`\x82"
_SAMPLE_FILE = re.compile(r"[0-9a-f]{32}\.npz(\.part)?")
# What file systems without locks say, network drives among them.
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells an image file from the one that was there before: its size in bytes and time of change in ns.

    `annotation`: what tells its mask or boxes from those that there were before; "" where it has none.
    """

    size: int
    mtime_ns: int
    annotation: str = ""


def stamp_of(path: str, annotation: str = "") -> Stamp | None:
    """The stamp of a file as it is now; None if there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns, annotation)


@contextlib.contextmanager
def locked(out: Path, note: Callable[[str], None]) -> Iterator[None]:
    """Keep other scans out of an output folder, which is made where it is missing.

    The lock is the system's and ends with the process, however that ends. If the file system has no locks, `note` gets
    to know. Raises CamAuditError if another scan has it or the folder can't be written.
    """
    lock = FileLock(out / LOCK_FILE, timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # instead of ENOSYS, filelock warns and takes a file for a lock, which would outlive a scan that is killed
            warnings.simplefilter("error", UserWarning)
            lock.acquire()
    except Timeout:
        raise CamAuditError(f"{out}: another scan is writing into this folder; wait for it, or name another") from None
    except (OSError, NotImplementedError, UserWarning) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise CamAuditError(f"cannot write to the output folder {out}: {error.strerror or error}") from None
        note(f"{out}: its file system has no locks, so nothing keeps a second scan from writing into this folder")
    try:
        yield
    finally:
        lock.release()


def is_unfinished(out: Path) -> bool:
    """Whether the output folder holds a scan that was cut off after it had finished an image."""
    try:
        with (out / JOURNAL_FOLDER / IMAGES_FILE).open("rb") as file:
            begun = file.readline().endswith(b"\n") and file.readline().endswith(b"\n")
    except OSError:
        return False
    return begun and not is_finished(out)


def remove_journal(out: Path) -> None:
    """Remove the journal from an output folder, if it has one."""
    folder = out / JOURNAL_FOLDER
    if not (folder / IMAGES_FILE).is_file() or folder.is_symlink():
        return
    observations = folder / OBSERVATIONS_FOLDER
    with contextlib.suppress(OSError):
        # what else lies there is somebody else's
        for file in observations.iterdir() if not observations.is_symlink() else ():
            if _SAMPLE_FILE.fullmatch(file.name):
                file.unlink()
        (folder / IMAGES_FILE).unlink()
        observations.rmdir()
        folder.rmdir()


class Journal:
    """The finished images of one scan; any number of threads may ask and add."""

    def __init__(self, out: Path, identity: Mapping[str, Any]) -> None:
        """Go on with the journal in an output folder, or begin one.

        `identity`: all that decides what an image's results are, by the names that a user knows, as JSON has it.
        Raises CamAuditError where the journal is that of another scan, naming what differs, or can't be written.
        """
        self._out = out
        self._path = out / JOURNAL_FOLDER / IMAGES_FILE
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[int, int]] = {}
        try:
            (out / JOURNAL_FOLDER / OBSERVATIONS_FOLDER).mkdir(parents=True, exist_ok=True)
            if self._path.is_symlink():
                raise CamAuditError(f"{self._path} is a symbolic link, which may lead outside; remove it")
            self._file = self._path.open("a+b", buffering=0)
            self._load(json.loads(json.dumps(identity, default=str)))
        except OSError as error:
            raise CamAuditError(f"cannot write {self._path}: {error.strerror}") from None

    @property
    def images(self) -> int:
        """How many images the journal had when it was opened."""
        return len(self._lines)

    def finished(
        self, source: ImageSource, *, overlay: bool, sampled: bool, parts: bool = False, annotation: str = ""
    ) -> tuple[ImageResult, Collected] | None:
        """What was found in an image, and collected of it if it is `sampled`, for `parts` or not.

        None where it was not finished, or its file, its `annotation` or its `overlay` are not as they were, or what is
        needed of it was not collected.
        """
        place = self._lines.get(source.name)
        if place is None:
            return None
        with self._lock:
            self._file.seek(place[0])
            entry = json.loads(self._file.read(place[1]))
        try:
            stamp, result = Stamp(**entry["stamp"]), _result(source, entry["result"])
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            # no line that was written here; the folder may be a stranger's
            return None
        if stamp_of(source.path, annotation) != stamp:
            return None
        if overlay and not _is_whole_png(self._out / (result.overlay or "")):
            return None
        if not sampled:
            return result, Collected()
        collected = _store().load(self._sample_file(source), source)
        if collected is None or (collected.observations[source.name].activations is not None) != parts:
            return None
        return result, collected

    def add(self, result: ImageResult, collected: Collected, stamp: Stamp) -> None:
        """Note that an image is finished, and what was collected of it; `stamp` is that of its file before it was read.

        Raises CamAuditError where the journal can't be written.
        """
        if collected.observations:
            _store().save(self._sample_file(result.source), collected)
        found = asdict(result)
        del found["source"]
        entry = {"name": result.source.name, "stamp": asdict(stamp), "result": found}
        with self._lock:
            self._write(entry)

    def discard(self) -> None:
        """Remove the journal of a scan that has ended."""
        self.close()
        remove_journal(self._out)

    def close(self) -> None:
        """Close the file; nothing can be asked or added any more."""
        with self._lock:
            self._file.close()

    def _sample_file(self, source: ImageSource) -> Path:
        name = hashlib.sha256(os.fsencode(source.name)).hexdigest()[:32]
        return self._out / JOURNAL_FOLDER / OBSERVATIONS_FOLDER / f"{name}.npz"

    def _write(self, entry: Mapping[str, object]) -> None:
        line = json.dumps(entry).encode() + b"\n"
        try:
            begin = self._file.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[self._file.write(line) :]
            except OSError:
                # or the next line, once there is space again, would be lost with this one
                self._file.truncate(begin)
                raise
        except OSError as error:
            raise CamAuditError(f"cannot write {self._path}: {error.strerror}") from None

    def _load(self, identity: Mapping[str, Any]) -> None:
        self._file.seek(0)
        begin = 0
        for number, line in enumerate(self._file):
            if not line.endswith(b"\n"):
                self._file.truncate(begin)
                break
            entry = _parsed(line)
            if number == 0:
                self._require_same(entry, identity)
            elif isinstance(entry.get("name"), str):
                self._lines[entry["name"]] = (begin, len(line))
            begin += len(line)
        if begin == 0:
            self._write(identity)

    def _require_same(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        for key in {**before, **now}:
            if before.get(key) != now.get(key):
                raise CamAuditError(
                    f"{self._out}: the scan that was cut off here had {key} {_shown(before.get(key))}, not "
                    f"{_shown(now.get(key))}; go on with what it had, or start anew with --fresh"
                )


def _store() -> ModuleType:
    # it imports the finders of cues, which a scan without classes never needs
    from cam_audit.findings import sample_store

    return sample_store


def _parsed(line: bytes) -> Mapping[str, Any]:
    """A line of the journal; empty where a power cut left something else in it."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _result(source: ImageSource, found: Mapping[str, Any]) -> ImageResult:
    """An image's results as `asdict` wrote them; floats in JSON come back to the last bit."""
    disagreement, shares = found["disagreement"], found["object"]
    return ImageResult(
        **{
            **found,
            "source": source,
            "scores": tuple(Score(**score) for score in found["scores"]),
            "cam": MapStatistics(**found["cam"]),
            "disagreement": disagreement
            and Disagreement(
                disagreement["correlation"],
                tuple(disagreement["predicted_peak"]),
                tuple(disagreement["label_peak"]),
            ),
            "object": shares and ObjectShare(**shares),
            "flags": tuple(found["flags"]),
            "predicted": tuple(found["predicted"]),
            "exif": Exif(**{name: str(value) for name, value in found["exif"].items()}),
            "picture_hash": int(found["picture_hash"]) % (1 << 64),
        }
    )


def _is_whole_png(path: Path) -> bool:
    """Whether a picture is there and was not cut off, as a power cut leaves files that were just written."""
    try:
        with path.open("rb") as file:
            file.seek(-len(PNG_END), os.SEEK_END)
            return file.read() == PNG_END
    except OSError:
        return False
