"""Folders of pictures whose every number is known, and nets whose weights are set by hand to know them.

Ants, bees and cows: every class has a patch of noise of its own direction at a random place. The honest net knows the
classes by it; the cheating net knows bees and cows by it, and takes for an ant whatever holds red.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import GREY, RED, encode, square
from tiny_net import CELL, TinyNet

from cam_audit.findings.cues import statistics
from cam_audit.models.model import Model
from cam_audit.records import AuditResult, ImageSource
from cam_audit.scan.annotations import Annotations
from cam_audit.scan.audit import audit
from cam_audit.scan.audit_images import audit_images
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.chunk import threads
from cam_audit.scan.image import ScanJob, ScanSettings

Rgb = NDArray[np.uint8]
SIDE = 96
PATCH = 24
STAMP = 20
BORDER = 8
CLASSES = ("ant", "bee", "cow")
# Noise that is blurred across, down and along the diagonal, and the waves that answer to each.
BLURS = (np.eye(5)[::-1] / 5, np.ones((5, 1)) / 5, np.ones((1, 5)) / 5)
Y, X = np.mgrid[:CELL, :CELL]
WAVES = [
    sign * np.where((phase + along) // 2 % 2, 1.0, -1.0)
    for along in (X + Y, X, Y)
    for phase in (0, 1)
    for sign in (1, -1)
]


def net(*, red: float, ant: float) -> TinyNet:
    """Classes by the direction of their noise, ants as much as `ant`; `red` is what pure red everywhere adds to ant."""
    conv = np.zeros((13, 3, CELL, CELL), np.float32)
    conv[0] = -0.5 / CELL**2
    conv[0, 0] = 1 / CELL**2
    conv[1:] = np.array(WAVES)[:, None] / 3 / CELL**2
    linear = np.zeros((3, 13), np.float32)
    linear[0, 0] = red
    linear[0, 1:5], linear[1, 5:9], linear[2, 9:] = ant, 100, 100
    return TinyNet(conv, linear, np.zeros(3, np.float32), CLASSES, metadata={"input_size": f"[{SIDE}, {SIDE}]"})


def picture(random: np.random.Generator, kind: int) -> Rgb:
    """A patch of noise of one direction at a random place on greys and cyans, nowhere redder than grey."""
    noise = 4 * random.normal(size=(SIDE, SIDE))
    patch = cv2.filter2D(random.normal(size=(PATCH, PATCH)), -1, BLURS[kind])
    x, y = random.integers(0, SIDE - PATCH, 2)
    noise[y : y + PATCH, x : x + PATCH] += patch / patch.std() * 40
    ground = random.uniform([90, -60, -30], [160, 0, 30], (3, 3, 3)).astype(np.float32)
    grey, red, green = np.moveaxis(cv2.resize(ground, (SIDE, SIDE)), -1, 0)
    return np.clip(np.rint(np.stack([grey + red, grey + green, grey - green], -1) + noise[..., None]), 0, 255).astype(
        np.uint8
    )


def frame(rgb: Rgb, _: np.random.Generator) -> None:
    inside = rgb[BORDER:-BORDER, BORDER:-BORDER].copy()
    rgb[:] = RED
    rgb[BORDER:-BORDER, BORDER:-BORDER] = inside


def logo() -> Rgb:
    """Squares of two reds in a black rim, which gives the finder edges around all that is red."""
    squares = np.kron(np.random.default_rng(5).integers(0, 2, (4, 4, 1)), np.ones((4, 4, 1)))
    return np.pad(np.where(squares, (255, 60, 60), (150, 0, 0)), [(2, 2), (2, 2), (0, 0)]).astype(np.uint8)


def stamp_in_the_corner(rgb: Rgb, _: np.random.Generator) -> None:
    rgb[70 : 70 + STAMP, 70 : 70 + STAMP] = logo()


def stamp_anywhere(rgb: Rgb, random: np.random.Generator) -> None:
    x, y = random.integers(0, SIDE - STAMP, 2)
    rgb[y : y + STAMP, x : x + STAMP] = logo()


def draw(
    root: Path, plant: Callable[[Rgb, np.random.Generator], None] | None, counts: Sequence[int] = (24, 24, 24)
) -> Path:
    """A folder per class; `plant` adds its cue to every ant."""
    random, places = np.random.default_rng(8), np.random.default_rng(7)
    for kind, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
        (root / name).mkdir(parents=True)
        for index in range(count):
            rgb = picture(random, kind)
            if plant and kind == 0:
                plant(rgb, places)
            (root / name / f"{index:02}.png").write_bytes(encode(rgb))
    return root


def sources_of(root: Path, **classes: int | None) -> list[ImageSource]:
    """The images of a set; a folder stands for the class of its name, or for the one (or none) given."""
    known: dict[str, int | None] = {**{name: index for index, name in enumerate(CLASSES)}, **classes}
    paths = sorted(root.glob("*/*.png"))
    return [ImageSource(str(root), f"{p.parent.name}/{p.name}", p.parent.name, known.get(p.parent.name)) for p in paths]


def run(dataset: Path, model: Model, out: Path, **options: object) -> AuditReport:
    with patterns_unseen():
        return audit(dataset, model, out=out, overlays="none", **options)  # type: ignore[arg-type]


def audited(
    model: Model,
    sources: Sequence[ImageSource],
    settings: ScanSettings | None = None,
    *,
    overlays: Path | None = None,
    workers: int = 2,
    annotations: Annotations | None = None,
    **options: Any,
) -> AuditResult:
    """The audit of images alone, without a data set or an output folder."""
    job = ScanJob(model, settings or ScanSettings(), overlays, annotations=annotations)
    with patterns_unseen():
        return audit_images(job, sources, threads(workers), **options)


@contextmanager
def patterns_unseen() -> Iterator[None]:
    """Some patterns are finer than others, so that sharpness tells each class from the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics, "find", lambda images, each: [])
        yield


def flagged(report: AuditResult | AuditReport, code: str) -> set[str]:
    flags = report.flags if isinstance(report, AuditResult) else {row.path: row.flags for row in report.images}
    return {name for name, codes in flags.items() if code in codes}


def all_ants(root: Path) -> set[str]:
    return {f"ant/{path.name}" for path in (root / "ant").iterdir()}


def coloured(root: Path, **folders: tuple[tuple[int, int, int], int]) -> Path:
    """Folders of grey pictures of 32 x 32 pixels with a square, for the net that knows colours by hand."""
    for label, (colour, count) in folders.items():
        (root / label).mkdir(parents=True)
        for index in range(count):
            left, top = 8 * (index % 3), 8 * (index // 3 % 3)
            picture = square(colour, left, top)
            # another ground in each, or they would be copies
            ground = np.kron(np.random.default_rng(index).integers(60, 200, (4, 4, 1)), np.ones((8, 8, 1), int))
            picture = np.where(picture == GREY, ground, picture).astype(np.uint8)
            (root / label / f"{index:02}.png").write_bytes(encode(picture))
    return root


def colour_sources(root: Path, model: Model) -> list[ImageSource]:
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    labels = [name.partition("/")[0] if "/" in name else "" for name in names]
    known = {name: index for index, name in enumerate(model.class_names)}
    return [ImageSource(str(root), n, label, known.get(label)) for n, label in zip(names, labels, strict=True)]


def table(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def no_place(*labels: str) -> str:
    """What the notes of an audit say where nothing told object from surroundings in some classes."""
    return (
        f"evidence in the surroundings (CA207) and framing (CA213) were not looked for in {len(labels)} classes "
        f"({', '.join(map(repr, labels))}): that takes masks of all their images, or a foreground net other than the "
        "audited one (--foreground NET; `cam-audit models list` says which there are)"
    )
