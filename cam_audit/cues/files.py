"""Finds classes that the files betray: size, shape, format, JPEG quality or camera predict the class."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cam_audit.cues.probe import FloatArray, Labels, Separation, class_weights, numbered, separation, testable
from cam_audit.cues.records import FileFacts, Hit, ImageFeatures, Suspicion, by_label

NAME = "files"
THRESHOLD = 0.25

# Where in a file which bytes tell its format.
_SIGNATURES = (
    (0, b"\xff\xd8", "JPEG"),
    (0, b"\x89PNG", "PNG"),
    (8, b"WEBP", "WebP"),
    (0, b"GIF8", "GIF"),
    (0, b"BM", "BMP"),
    (0, b"II", "TIFF"),
    (0, b"MM", "TIFF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"P", "PNM"),
)

# Luminance quantisation table of the JPEG standard (ITU T.81, annex K.1), at quality 50.
_STANDARD_TABLE = np.array(
    """16 11 10 16 24 40 51 61  12 12 14 19 26 58 60 55  14 13 16 24 40 57 69 56  14 17 22 29 51 87 80 62
       18 22 37 56 68 109 103 77  24 35 55 64 81 104 113 92  49 64 78 87 103 121 120 101  72 92 95 98 112 100 103 99
    """.split(),
    int,
)


def _table_sum(quality: int) -> int:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return int(np.clip((_STANDARD_TABLE * scale + 50) // 100, 1, 255).sum())


_TABLE_SUMS = np.array([_table_sum(quality) for quality in range(1, 101)])

# What may tell a class, and its values as words; sizes and shapes also in steps, as no two photos may be equal.
_PROPERTIES: dict[str, Callable[[FileFacts], str]] = {
    "format": lambda file: file.format,
    "camera": lambda file: file.camera or "not named",
    "JPEG quality": lambda file: str(file.quality or "not known"),
    "size": lambda file: f"{file.width}x{file.height}",
    "aspect ratio": lambda file: f"about {2 ** (round(8 * math.log2(file.width / file.height)) / 8):.2f}",
    "pixels": lambda file: f"about {2 ** (round(2 * math.log2(file.width * file.height)) / 2) / 1e6:.2g} million",
}

_EXIF = b"Exif\0\0"
_CAMERA_MODEL = 0x0110
_ASCII = 2


def describe(data: bytes, width: int, height: int) -> FileFacts:
    """What an image file's header tells; data: the file's bytes; width, height: pixels as the image is shown.

    Only the bytes before the picture itself are read, by hand: Pillow would warn of odd EXIF data on stderr.
    """
    quality = camera = None
    form = next((name for at, mark, name in _SIGNATURES if data[at : at + len(mark)] == mark), "other")
    if form == "JPEG":
        for marker, segment in _jpeg_segments(data):
            if marker == 0xDB and quality is None:
                quality = jpeg_quality(segment)
            elif marker == 0xE1 and segment.startswith(_EXIF):
                camera = _camera_model(segment[len(_EXIF) :])
    return FileFacts(form, width, height, quality, camera)


def jpeg_quality(segment: bytes) -> int | None:
    """The quality, 1..100, at which the IJG's encoder makes the luminance table of a DQT segment, or the nearest one.

    The sum of the table tells the quality. None where the segment does not begin with a whole table of that kind.
    """
    if len(segment) < 65 or segment[0] != 0:
        return None
    return int(np.abs(_TABLE_SUMS - sum(segment[1:65])).argmin()) + 1


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and contents of the segments of a JPEG before its picture, as far as they are whole."""
    at = 2
    while at + 4 <= len(data):
        start, marker, length = struct.unpack_from(">BBH", data, at)
        if start != 0xFF or marker == 0xDA or length < 2:
            return
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + length


def _camera_model(tiff: bytes) -> str | None:
    """The camera model in EXIF data, without the spaces around it; None where there is none or the data is damaged."""
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(entries):
            tag, kind, count, offset = struct.unpack_from(order + "HHII", tiff, directory + 2 + 12 * entry)
            if tag == _CAMERA_MODEL and kind == _ASCII:
                at = offset if count > 4 else directory + 2 + 12 * entry + 8
                name = tiff[at : at + count].split(b"\0")[0].decode("ascii", "replace")
                # it ends up in messages: no line breaks, and nothing that steers a terminal
                return "".join(filter(str.isprintable, name)).strip() or None
    except struct.error:
        pass
    return None


def find(images: Sequence[ImageFeatures]) -> list[Suspicion]:
    """The classes that a property of their files gives away.

    Each image is scored by the class-balanced share of the class among the other images with the same value, 0 where
    there are none; a class is found where such a score separates 25 % of its images from the others (TPR2). `seen`
    names every property that does, `score` and `hits` are those of the best one.
    """
    groups = by_label(images)
    labels = numbered(groups)
    candidates = testable(labels)
    if not candidates:
        return []
    ordered = [image for group in groups.values() for image in group]
    values = {name: np.array([value(image.file) for image in ordered]) for name, value in _PROPERTIES.items()}
    telling: dict[int, dict[str, Separation]] = {}
    for name, of_images in values.items():
        votes = value_votes(of_images, labels)
        for k in candidates:
            separated = separation(votes[:, k], labels, k)
            if separated.reaches(THRESHOLD):
                telling.setdefault(k, {})[name] = separated
    found = []
    for k, properties in sorted(telling.items()):
        best = max(properties.values(), key=lambda each: each.rate)
        seen = [
            _commonest(name, values[name], labels, k, list(separated.members)) for name, separated in properties.items()
        ]
        found.append(
            Suspicion(
                finder=NAME,
                label=ordered[best.members[0]].label,
                score=best.rate,
                threshold=THRESHOLD,
                images=int((labels == k).sum()),
                hits=tuple(Hit(ordered[i].name, score) for i, score in zip(best.members, best.scores, strict=True)),
                seen="is predictable from its files: " + "; ".join(seen),
                numbers={name: separated.rate for name, separated in properties.items()},
            )
        )
    return found


def value_votes(values: NDArray[np.str_], labels: Labels) -> FloatArray:
    """The class-balanced share of each class among the other images with the same value: float32 (n, classes).

    values: (n,); labels: int (n,). All 0 for an image that shares its value with no other.
    """
    codes = np.unique(values, return_inverse=True)[1]
    classes = int(labels.max()) + 1
    counts = np.bincount(codes * classes + labels, minlength=(int(codes.max()) + 1) * classes).reshape(-1, classes)
    votes = counts[codes].astype(np.float32)
    votes[np.arange(len(labels)), labels] -= 1
    votes /= np.bincount(labels)
    return votes / np.maximum(votes.sum(1, keepdims=True), np.finfo(np.float32).tiny)


def _commonest(name: str, values: NDArray[np.str_], labels: Labels, class_index: int, members: list[int]) -> str:
    """The members' commonest value in words, with its share of the class and of the others."""
    value = Counter(values[members].tolist()).most_common(1)[0][0]
    own = labels == class_index
    same, weights = values == value, class_weights(labels)
    inside = same[own].mean()
    outside = np.average(same[~own], weights=weights[~own])
    return f"{name} {value} in {inside:.0%} of the images, {outside:.0%} of the others"
