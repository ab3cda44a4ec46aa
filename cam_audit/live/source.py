"""What a live session watches: a camera of this machine, a video file or an address; and how each is opened."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import cv2

from cam_audit.errors import CamAuditError

OPEN_SECONDS = 5.0
READ_SECONDS = 5.0
# Where the system does not list its cameras, this many are tried.
TRIED_CAMERAS = 4


class CameraError(CamAuditError):
    """A camera, video file or address that gives no pictures."""


class Kind(Enum):
    """What pictures come from."""

    DEVICE = "device"
    FILE = "file"
    ADDRESS = "address"


@dataclass(frozen=True)
class Source:
    """Where pictures come from; `name` is for people and hides a password, `target` is what OpenCV opens."""

    kind: Kind
    name: str
    target: int | str


def parse_source(word: str) -> Source:
    """The source that a user names by a camera's number or device file, a video file, or an http or rtsp address.

    Raises CameraError where a file or device file does not exist.
    """
    if word.isascii() and word.isdigit():
        return _device(f"camera {int(word)}", int(word))
    if "://" in word:
        return Source(Kind.ADDRESS, re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1:***@", word), word)
    if word.startswith("/dev/"):
        number = re.fullmatch(r"/dev/video(\d+)", os.path.realpath(word))
        return _device(word, int(number[1])) if number else Source(Kind.DEVICE, word, word)
    if not os.path.exists(word):
        raise CameraError(f"{word}: no such file; a camera is a number, a video file, or an http or rtsp address")
    return Source(Kind.FILE, word, word)


def _device(name: str, number: int) -> Source:
    # OpenCV takes the hundreds of a number for one of its backends
    return Source(Kind.DEVICE, name, number if number < 100 else f"/dev/video{number}")


def open_capture(source: Source) -> cv2.VideoCapture:
    """OpenCV's capture of a source, whether that could be opened or not; may block for OPEN_SECONDS and more."""
    if source.kind is not Kind.ADDRESS:
        return cv2.VideoCapture(source.target)
    timeouts = {cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: OPEN_SECONDS, cv2.CAP_PROP_READ_TIMEOUT_MSEC: READ_SECONDS}
    parameters = [value for key, seconds in timeouts.items() for value in (key, int(1000 * seconds))]
    return cv2.VideoCapture(str(source.target), cv2.CAP_FFMPEG, parameters)


def why_closed(source: Source) -> str:
    """The likeliest reason why a source can't be opened."""
    if source.kind is Kind.ADDRESS:
        return "nothing answers there, or not with a video"
    if source.kind is Kind.FILE:
        return "not a video that can be read"
    if not sys.platform.startswith("linux"):
        return "no such camera, or another program uses it"
    device = f"/dev/video{source.target}" if isinstance(source.target, int) else source.target
    if not os.path.exists(device):
        return f"no such camera, there is no {device}" if device != source.name else "no such camera"
    if not os.access(device, os.R_OK | os.W_OK):
        return f"you may not use {device}; `ls -l {device}` tells which group may"
    return "not a camera, or another program uses it"


def cameras_that_open() -> list[int]:
    """The numbers of this machine's cameras that can be opened; one that does not answer in OPEN_SECONDS is left out.

    Opening a camera lights its lamp for a moment.
    """
    return [number for number in _camera_numbers() if _opens(number)]


def _camera_numbers() -> Iterator[int]:
    if not sys.platform.startswith("linux"):
        yield from range(TRIED_CAMERAS)
        return
    names = (re.fullmatch(r"video(\d+)", path.name) for path in Path("/dev").glob("video*"))
    yield from sorted(int(name[1]) for name in names if name)


def _opens(number: int) -> bool:
    opened = threading.Event()

    def attempt() -> None:
        capture = open_capture(_device(f"camera {number}", number))
        if capture.isOpened():
            opened.set()
        capture.release()

    thread = threading.Thread(target=attempt, name="camera trial", daemon=True)
    thread.start()
    thread.join(OPEN_SECONDS)
    return opened.is_set()
