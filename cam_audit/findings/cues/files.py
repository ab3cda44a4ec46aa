"""Finds classes that their files give away: size, shape, format or JPEG quality predict the class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from cam_audit.findings.counterfactual import CueTest
from cam_audit.findings.cues.picture import Feature
from cam_audit.findings.cues.records import Features, Groups, ImageFeatures, Suspicion
from cam_audit.findings.cues.values import suspicions
from cam_audit.images.header import jpeg_header
from cam_audit.workers import Each, one_by_one

NAME = "files"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file is, apart from what it shows.

    `format`: its name, such as "JPEG". `width`, `height`: pixels as the image is shown. `quality`: the JPEG
    quality, 1..100, None where the file does not tell.
    """

    format: str
    width: int
    height: int
    quality: int | None


def _shape(file: FileFacts) -> str:
    if file.width == file.height:
        return "square"
    return "landscape" if file.width > file.height else "portrait"


# What may be said of a class, with its values in words; of those that pick the same images, the first is said. Size and
# aspect ratio also in steps, as no two photos may be equal.
_FACTS: dict[str, Callable[[FileFacts], str]] = {
    "format": lambda file: file.format,
    "JPEG quality": lambda file: str(file.quality or "not known"),
    "size": lambda file: f"{file.width}x{file.height}",
    "shape": _shape,
    "aspect ratio": lambda file: f"about {_to_step(file.width / file.height, 8):.2f}",
    "megapixels": lambda file: f"about {_to_step(file.width * file.height, 2) / 1e6:.2g}",
}
# What may tell a class: all but the shape, which is the aspect ratio in three steps.
_PROPERTIES = tuple(name for name in _FACTS if name != "shape")

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

# The JPEG standard's table of luminance steps (ITU-T T.81, annex K.1), which IJG's encoder scales by quality.
_STANDARD_TABLE = np.array(
    [
        (16, 11, 10, 16, 24, 40, 51, 61),
        (12, 12, 14, 19, 26, 58, 60, 55),
        (14, 13, 16, 24, 40, 57, 69, 56),
        (14, 17, 22, 29, 51, 87, 80, 62),
        (18, 22, 37, 56, 68, 109, 103, 77),
        (24, 35, 55, 64, 81, 104, 113, 92),
        (49, 64, 78, 87, 103, 121, 120, 101),
        (72, 92, 95, 98, 112, 100, 103, 99),
    ]
)
_QUALITIES = np.arange(1, 101)[:, None, None]
_SCALES = np.where(_QUALITIES < 50, 5000 // _QUALITIES, 200 - 2 * _QUALITIES)
_TABLE_SUMS = np.clip((_STANDARD_TABLE * _SCALES + 50) // 100, 1, 255).sum((1, 2))


def file_facts(data: bytes, width: int, height: int) -> FileFacts:
    """What an image file tells before its picture; data: the file's bytes; width, height: as the image is shown."""
    kind = next((name for at, mark, name in _SIGNATURES if data.startswith(mark, at)), "other")
    header = jpeg_header(data)
    if header is None:
        return FileFacts(kind, width, height, None)
    quality = _jpeg_quality(header.luminance) if header.luminance else None
    return FileFacts(kind, width, height, quality)


FEATURES = {"file": Feature(FileFacts, lambda picture: file_facts(picture.data, *picture.size))}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes that a property of their files gives away: see `values.suspicions`."""
    facts = {name: partial(_fact_of, name) for name in _FACTS}
    return suspicions(
        NAME, images, facts, _PROPERTIES, cue="its files: {}; and values that are rare elsewhere", each=each
    )


def _fact_of(name: str, image: Features) -> str:
    return _FACTS[name](image["file"])


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """None: what a file is can't be planted in pixels."""
    return []


def _to_step(value: float, steps: int) -> float:
    """The nearest of so many equal steps an octave; value: larger than 0."""
    return float(2 ** (round(steps * math.log2(value)) / steps))


def _jpeg_quality(luminance: Sequence[int]) -> int:
    """The quality, 1..100, of a JPEG by the sum of its luminance table, or the nearest one.

    Other encoders' tables get the quality at which the IJG's is about as coarse.
    """
    return int(np.abs(_TABLE_SUMS - sum(luminance)).argmin()) + 1
