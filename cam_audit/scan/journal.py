"""What a scan has finished, kept beside its results, so that a scan that was cut off can go on.

`OUT/journal/images.jsonl` is append-only: a first line says what is scanned and how, then comes a line an image, each
written when everything else of its image is in place, and each with a checksum. A line that was cut off is
dropped. Images that could not be read are not in it: a later run tries them again. Nothing waits for the disk: after a
power cut, lines and pictures of the last half minute may be missing or damaged. What does not match its checksum is
done again.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import json
import os
import re
import stat
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
from cam_audit.folders import (
    AnyFolder,
    lines_in,
    make_in,
    open_in,
    read_in,
    remove_empty_in,
    remove_in,
    replace_in,
    require_in_place,
    status_in,
    walk_in,
)
from cam_audit.images.decode import MAX_FILE_BYTES
from cam_audit.images.encode_jpeg import is_whole_jpeg
from cam_audit.images.png import is_whole_png
from cam_audit.inside import AnyPath
from cam_audit.records import Disagreement, Exif, ImageResult, ImageSource, MapStatistics, ObjectShare, Score
from cam_audit.reports.output_folder import JOURNAL_FOLDER, LOCK_FILE, OVERLAY_FORMATS, PNG, is_finished, overlay_name

IMAGES_FILE = "images.jsonl"
OBSERVATIONS_FOLDER = "observations"
IMAGES = f"{JOURNAL_FOLDER}/{IMAGES_FILE}"
OBSERVATIONS = f"{JOURNAL_FOLDER}/{OBSERVATIONS_FOLDER}"
# Of a line, which has some names of the net's classes, and of what is collected of an image, which has a map of every
# channel: the file may be anybody's.
MAX_LINE = 1 << 22
MAX_SAMPLE_BYTES = 1 << 29
_CHECKSUM_BYTES = 16
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


def stamp_of(path: AnyPath, annotation: str = "") -> Stamp | None:
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


def is_unfinished(out: AnyFolder) -> bool:
    """Whether the output folder holds a scan that was cut off after it had finished an image."""
    try:
        with open_in(out, IMAGES) as file:
            begun = [line.endswith(b"\n") for line in itertools.islice(lines_in(file, MAX_LINE), 2)] == [True, True]
    except (OSError, ValueError):
        return False
    return begun and not is_finished(out)


def remove_journal(out: AnyFolder) -> None:
    """Remove the journal from an output folder, if it has one."""
    status = status_in(out, IMAGES)
    if not status or not stat.S_ISREG(status.st_mode):
        return
    with contextlib.suppress(OSError):
        for place, _, files in walk_in(out, OBSERVATIONS):
            # what else lies there is somebody else's
            for file in files if place == OBSERVATIONS else ():
                if _SAMPLE_FILE.fullmatch(file):
                    remove_in(out, f"{place}/{file}")
        remove_in(out, IMAGES)
        remove_empty_in(out, OBSERVATIONS)
        remove_empty_in(out, JOURNAL_FOLDER)


class Journal:
    """The finished images of one scan; any number of threads may ask and add."""

    def __init__(self, out: AnyFolder, identity: Mapping[str, Any]) -> None:
        """Go on with the journal in an output folder, or begin one.

        `identity`: all that decides what an image's results are, by the names that a user knows, as JSON has it.
        Raises CamAuditError where the journal is that of another scan, naming what differs, or can't be written.
        """
        self._out = out
        self._lock = threading.Lock()
        self._lines: dict[str, tuple[int, int]] = {}
        try:
            make_in(out, OBSERVATIONS)
            self._file = open_in(out, IMAGES, "a+b", buffering=0)
            self._load(json.loads(json.dumps(identity, default=str)))
        except OSError as error:
            raise CamAuditError(f"cannot write {out / IMAGES}: {error.strerror}") from None

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
            entry = _parsed(self._file.read(place[1]))
        try:
            stamp, result, sample = Stamp(**entry["stamp"]), _result(source, entry["result"]), entry["sample"]
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            # no line that was written here; the folder may be a stranger's
            return None
        # which would be kept, and all else in the folder removed
        if result.overlay not in (None, *(overlay_name(source.name, each) for each in OVERLAY_FORMATS)):
            return None
        if stamp_of(source.path, annotation) != stamp:
            return None
        if overlay and not (result.overlay and self._has_overlay(result.overlay)):
            return None
        if not sampled:
            return result, Collected()
        collected = self._collected(source, sample)
        if collected is None or (collected.observations[source.name].activations is not None) != parts:
            return None
        return result, collected

    def add(self, result: ImageResult, collected: Collected, stamp: Stamp) -> None:
        """Note that an image is finished, and what was collected of it; `stamp` is that of its file before it was read.

        Raises CamAuditError where the journal can't be written.
        """
        sample = None
        if collected.observations:
            data = _store().to_bytes(collected)
            sample = _checksum(data)
            replace_in(self._out, _sample_file(result.source), data)
        found = asdict(result)
        del found["source"]
        entry = {"name": result.source.name, "stamp": asdict(stamp), "sample": sample, "result": found}
        require_in_place(self._out)
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

    def _has_overlay(self, name: str) -> bool:
        """Whether an overlay is there and whole."""
        try:
            data = read_in(self._out, name, MAX_FILE_BYTES)
        except OSError:
            return False
        return is_whole_png(data) if name.endswith(OVERLAY_FORMATS[PNG]) else is_whole_jpeg(data)

    def _collected(self, source: ImageSource, checksum: object) -> Collected | None:
        """What was collected of an image; None where it is not there, or not what was written."""
        try:
            data = read_in(self._out, _sample_file(source), MAX_SAMPLE_BYTES)
        except OSError:
            return None
        if _checksum(data) != checksum:
            return None
        collected: Collected | None = _store().from_bytes(data, source)
        return collected

    def _write(self, entry: Mapping[str, object]) -> None:
        line = sealed(entry)
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
            raise CamAuditError(f"cannot write {self._out / IMAGES}: {error.strerror}") from None

    def _load(self, identity: Mapping[str, Any]) -> None:
        self._file.seek(0)
        begin = 0
        # what is after a line that is too long can't be told
        with contextlib.suppress(ValueError):
            for line in lines_in(self._file, MAX_LINE):
                entry = _parsed(line)
                if not line.endswith(b"\n") or (begin == 0 and not entry):
                    break
                if begin == 0:
                    self._require_same(entry, identity)
                elif isinstance(entry.get("name"), str):
                    self._lines[entry["name"]] = (begin, len(line))
                begin += len(line)
        self._file.truncate(begin)
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


def _sample_file(source: ImageSource) -> str:
    return f"{OBSERVATIONS}/{hashlib.sha256(os.fsencode(source.name)).hexdigest()[:32]}.npz"


def _checksum(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=_CHECKSUM_BYTES).hexdigest()


def sealed(entry: Mapping[str, object]) -> bytes:
    """An entry as a line of the journal, with its checksum."""
    text = json.dumps(entry)
    return f'{text[:-1]}, "checksum": "{_checksum(text.encode())}"}}\n'.encode()


def _parsed(line: bytes) -> Mapping[str, Any]:
    """A line of the journal; empty where something else was left in it, by a power cut or a disk."""
    try:
        entry = json.loads(line)
        del entry["checksum"]
        return entry if sealed(entry) == line else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # no line that was written here
        return {}


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
