"""Finds classes that their files give away: size, shape, format, JPEG quality or camera predict the class."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.counterfactual import CueTest
from cam_audit.findings.cues.picture import Feature
from cam_audit.findings.cues.probe import (
    MAX_CHANCE,
    FloatArray,
    Labels,
    Separation,
    chance_of,
    class_weights,
    comparable,
    pooled,
    separation,
)
from cam_audit.findings.cues.records import Features, Groups, Hit, ImageFeatures, Recogniser, Suspicion
from cam_audit.images.header import jpeg_header
from cam_audit.workers import Each, one_by_one

NAME = "files"
THRESHOLD = 0.25


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file is, apart from what it shows.

    `format`: its name, such as "JPEG". `width`, `height`: pixels as the image is shown. `quality`: the JPEG
    quality, 1..100. `camera`: the camera model in a JPEG's EXIF data. Both None where the file does not tell.
    """

    format: str
    width: int
    height: int
    quality: int | None
    camera: str | None


def _shape(file: FileFacts) -> str:
    if file.width == file.height:
        return "square"
    return "landscape" if file.width > file.height else "portrait"


# What may be said of a class, with its values in words; of those that pick the same images, the first is said. Size and
# aspect ratio also in steps, as no two photos may be equal.
_FACTS: dict[str, Callable[[FileFacts], str]] = {
    "format": lambda file: file.format,
    "camera": lambda file: file.camera or "not named",
    "JPEG quality": lambda file: str(file.quality or "not known"),
    "size": lambda file: f"{file.width}x{file.height}",
    "shape": _shape,
    "aspect ratio": lambda file: f"about {_to_step(file.width / file.height, 8):.2f}",
    "megapixels": lambda file: f"about {_to_step(file.width * file.height, 2) / 1e6:.2g}",
}
# What may tell a class: all but the shape, which is the aspect ratio in three steps.
_PROPERTIES = tuple(name for name in _FACTS if name != "shape")
# A further fact is named where it separates at least so much of what the best one does.
_ALSO = 0.75

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
        return FileFacts(kind, width, height, None, None)
    quality = _jpeg_quality(header.luminance) if header.luminance else None
    return FileFacts(kind, width, height, quality, header.camera)


FEATURES = {"file": Feature(FileFacts, lambda picture: file_facts(picture.data, *picture.size))}


def find(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """The classes that a property of their files gives away.

    An image's score, and a hit's `strength`, is the class-balanced share of the class among the other images with
    the same value of a property, 0..1. A class is found if this tells 25 % of its images from the others (TPR2).
    `numbers` has every property that does; `score` and `hits` are those of the best one. `cue` names the values that
    separate most, also where they are what the class lacks.
    """
    ordered, labels = pooled(images)
    candidates = comparable(labels)
    if not candidates:
        return []
    facts = {name: np.array([value(image["file"]) for image in ordered]) for name, value in _FACTS.items()}
    values = {name: facts[name] for name in _PROPERTIES}

    def told_by(of_images: NDArray[np.str_]) -> dict[int, Separation]:
        shares = value_shares(of_images, labels)
        separations = ((k, separation(shares[:, k], labels, k)) for k in candidates)
        return {k: separated for k, separated in separations if separated.reaches(THRESHOLD)}

    telling: dict[int, dict[str, Separation]] = {}
    for name, by_class in zip(values, each(told_by, values.values()), strict=True):
        for k, separated in by_class.items():
            telling.setdefault(k, {})[name] = separated
    found = []
    for k, properties in sorted(telling.items()):
        best_name = max(properties, key=lambda name: properties[name].rate)
        best = properties[best_name]
        seen = telling_facts(facts, labels, k) or [
            _in_words(name, values[name], labels, k, each.members) for name, each in properties.items()
        ]
        found.append(
            Suspicion(
                finder=NAME,
                label=ordered[best.members[0]].label,
                score=best.rate,
                threshold=THRESHOLD,
                images=int((labels == k).sum()),
                hits=tuple(Hit(ordered[i].name, score) for i, score in best.pairs()),
                cue=f"its files: {'; '.join(seen)}; and values that are rare elsewhere",
                numbers={name: each.rate for name, each in properties.items()},
                recogniser=partial(_recogniser, best_name, values[best_name], labels, k, best.limit),
            )
        )
    return found


def tests(suspicion: Suspicion, groups: Groups) -> list[CueTest]:
    """None: what a file is can't be planted in pixels."""
    return []


def _recogniser(name: str, values: NDArray[np.str_], labels: Labels, class_index: int, limit: float) -> Recogniser:
    """Recognises values of a property that the class has more of than the limit; values, labels: (n,) as learnt."""
    weights = class_weights(labels)

    def recognise(image: Features) -> Hit | None:
        same = weights * (values == _FACTS[name](image["file"]))
        strength = float(same[labels == class_index].sum() / max(same.sum(), np.finfo(np.float32).tiny))
        return Hit(image.name, strength) if strength > limit else None

    return recognise


def value_shares(values: NDArray[np.str_], labels: Labels) -> FloatArray:
    """The class-balanced share of each class among the other images with the same value: float32 (n, classes).

    values: (n,); labels: int (n,). All 0 for an image that shares its value with no other.
    """
    codes = np.unique(values, return_inverse=True)[1]
    sizes = np.bincount(labels)
    cells = np.bincount(codes * len(sizes) + labels, minlength=(int(codes.max()) + 1) * len(sizes))
    shares: FloatArray = cells.reshape(-1, len(sizes))[codes].astype(np.float32)
    shares[np.arange(len(labels)), labels] -= 1
    shares /= sizes
    shares /= np.maximum(shares.sum(1, keepdims=True), np.finfo(np.float32).tiny)
    return shares


def telling_facts(facts: Mapping[str, NDArray[np.str_]], labels: Labels, class_index: int) -> list[str]:
    """In words, which values separate a class most, the best of each fact: those that it has, or that it lacks.

    facts: by name, the values (n,) of all images; labels: int (n,). A value separates by the difference of its shares
    in the class and in the others, which count the same. As every value is tried both ways, each must be as many times
    less likely by chance (Bonferroni).
    """
    own = labels == class_index
    weights = class_weights(labels)[~own]
    tried = []
    for place, (name, values) in enumerate(facts.items()):
        for value in np.unique(values).tolist():
            same = values == value
            shares = float(same[own].mean()), float(np.average(same[~own], weights=weights))
            tried.append((abs(shares[0] - shares[1]), place, name, value, shares, same))
    # of those that separate as much, what the class has comes before what it lacks
    tried.sort(key=lambda each: (-round(each[0], 9), each[4][0] < each[4][1], each[1]))
    named: dict[bytes, str] = {}
    names: set[str] = set()
    least = 0.0
    for gap, _, name, value, (in_own, in_others), same in tried:
        if gap < least:
            break
        has = in_own > in_others
        showing = same if has else ~same
        chance = chance_of(int(showing[own].sum()), int(showing.sum()), int(own.sum()), len(own))
        if name not in names and chance * 2 * len(tried) <= MAX_CHANCE:
            few = "" if has else "only "
            least = max(least, _ALSO * gap)
            names.add(name)
            words = f"{name} {value} in {few}{in_own:.0%} of the images, {in_others:.0%} of the others"
            named.setdefault(showing.tobytes(), words)
    return list(named.values())


def _in_words(name: str, values: NDArray[np.str_], labels: Labels, class_index: int, members: Sequence[int]) -> str:
    """The members' commonest value of a property, with its share of the class and of the others."""
    value = Counter(values[list(members)].tolist()).most_common(1)[0][0]
    same, own = values == value, labels == class_index
    others = np.average(same[~own], weights=class_weights(labels)[~own])
    return f"{name} {value} in {same[own].mean():.0%} of the images, {others:.0%} of the others"


def _to_step(value: float, steps: int) -> float:
    """The nearest of so many equal steps an octave; value: larger than 0."""
    return float(2 ** (round(steps * math.log2(value)) / steps))


def _jpeg_quality(luminance: Sequence[int]) -> int:
    """The quality, 1..100, of a JPEG by the sum of its luminance table, or the nearest one.

    Other encoders' tables get the quality at which the IJG's is about as coarse.
    """
    return int(np.abs(_TABLE_SUMS - sum(luminance)).argmin()) + 1
