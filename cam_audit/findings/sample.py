"""Which images the audit looks at, and what it keeps of them."""

from __future__ import annotations

import functools
import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.files import sha256_of
from cam_audit.findings.map_use import ActivationSum, centred_map, centred_weight, margin_of, on_grid
from cam_audit.findings.relu_gates import packed_gates
from cam_audit.images.rgb import RgbImage
from cam_audit.inside import InsideFile
from cam_audit.models.file_format import SIGMOID
from cam_audit.models.model import Model, Prediction
from cam_audit.records import ImageSource

if TYPE_CHECKING:
    from cam_audit.findings.cues.records import ImageFeatures

# A class of fewer images is reported as too small, and no cue is looked for in it.
MIN_IMAGES = 12
# The finders compare images pairwise, so their number is capped: by class, and over all classes for memory.
MAX_SAMPLED_PER_CLASS = 60
MAX_SAMPLED = 8000
MIN_SAMPLED_PER_CLASS = 24
# Of a net with more classes, the logits are not kept: 20 images of each of 10,000 classes would take 8 GB.
MAX_LOGITS = 2048
# Of these, the activations are kept of so many, 100 to 300 KB each: by class, in all, and of so many classes.
MAX_PART_IMAGES = 40
MAX_ALL_PART_IMAGES = 1200
MAX_PART_CLASSES = 50
# What padding is: a strip along a side whose levels differ by no more than this, at least so wide as a share of a side.
_FLAT = 6
_MIN_STRIP = 0.03
# So many times the cap are tried, at most, to find so many that differ.
_MAX_TRIED = 20


def classes_of(sources: Iterable[ImageSource]) -> dict[str, list[ImageSource]]:
    """The images of each class, whatever folders they lie in; of several labels, an image is in none of these classes.

    Compared with the images of another class, it would have what gives its own away.
    """
    classes: dict[str, list[ImageSource]] = {}
    for source in sources:
        if source.label and not source.several:
            classes.setdefault(source.label, []).append(source)
        for label, _ in source.several:
            classes.setdefault(label, [])
    return classes


def draw_key(source: ImageSource) -> bytes:
    """What decides the order in which images are drawn: a hash of the path below the class folder.

    So an image's place does not depend on which others there are, or on what their classes are called.
    """
    return hashlib.blake2b(source.below_class.encode("utf-8", "surrogateescape"), digest_size=8).digest()


def partner_key(source: ImageSource, class_index: int, drawn: bytes) -> bytes:
    """What decides what takes part in what is done to an image of a class: by a hash of both.

    The name of the class folder plays no role. The class does: files are often called alike in all folders.
    """
    return hashlib.blake2b(draw_key(source) + drawn, digest_size=8, salt=class_index.to_bytes(8, "big")).digest()


def cap_of(classes: int) -> int:
    """So many images of a class folder are sampled at most, where there are so many."""
    return min(MAX_SAMPLED_PER_CLASS, max(MIN_SAMPLED_PER_CLASS, MAX_SAMPLED // classes))


@dataclass(frozen=True, slots=True)
class Sample:
    """The names of the images that the finders look at, and of the `copies` of these that were passed over."""

    names: frozenset[str] = frozenset()
    copies: frozenset[str] = frozenset()


def choose_sample(folders: Mapping[str, Sequence[ImageSource]]) -> Sample:
    """The images that the finders look at: of each folder at most a fixed number, drawn by `draw_key`.

    Files that are the same to the byte count once. None where there is nothing to compare: fewer than two folders, or
    none of MIN_IMAGES images.
    """
    if len(folders) < 2 or max(map(len, folders.values())) < MIN_IMAGES:
        return Sample()
    cap = cap_of(len(folders))
    names: set[str] = set()
    copies: set[str] = set()
    for sources in folders.values():
        left = cap
        for name, is_copy in _with_copies(sorted(sources, key=draw_key)[: _MAX_TRIED * cap]):
            (copies if is_copy else names).add(name)
            left -= not is_copy
            if not left:
                break
    return Sample(frozenset(names), frozenset(copies))


def _with_copies(sources: Iterable[ImageSource]) -> Iterator[tuple[str, bool]]:
    """The name of each, and whether it is the same file, or the same bytes, as one before."""
    files: set[tuple[int, int]] = set()
    by_size: dict[int, list[str | InsideFile]] = {}
    # pictures that are not compressed are all of one size, and each would be read again for each other
    digest = functools.cache(sha256_of)
    for source in sources:
        try:
            status = os.stat(source.path)
            file = status.st_dev, status.st_ino
            # a file system without numbers for its files gives 0 for all
            if file in files and status.st_ino:
                yield source.name, True
                continue
            alike = by_size.setdefault(status.st_size, [])
            if alike and digest(source.path) in map(digest, alike):
                yield source.name, True
                continue
        except OSError:
            # the scan tells why it can't be read
            pass
        else:
            files.add(file)
            alike.append(source.path)
        yield source.name, False


@dataclass(frozen=True, slots=True)
class Unsampled:
    """What the audit keeps of an image that was not sampled: its full width and height, and the predicted class."""

    source: ImageSource
    width: int
    height: int
    predicted: int


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the audit keeps of one sampled image, some 40 KB.

    `logits` float32 (K,), or, of a net that has too many (`keeps_logits`), None, and `lead`, as in `lead_of`. `own_map`
    is the centred map, on the common grid, of `map_class`: the folder's class, or the predicted one where the folder
    stands for none. Of the images whose class is taken to parts, `activations`: float16 (C, h, w), or the features (C',
    h, w) where the net has a last convolution in the place of a linear layer, and then `gates`, as `packed_gates` has
    them; `kept`: bool (h, w), the cells that are picture and not padding; `foreground`: how much of an object is in
    each, float32 (h, w), where a foreground net or a mask told; `masked`: whether it was a mask.
    """

    source: ImageSource
    features: ImageFeatures
    logits: NDArray[np.float32] | None
    map_class: int
    own_map: Map
    activations: NDArray[np.float16] | None = None
    kept: NDArray[np.bool_] | None = None
    foreground: Map | None = None
    gates: NDArray[np.uint8] | None = None
    masked: bool = False
    lead: tuple[int, float] | None = None

    @property
    def predicted(self) -> int:
        """The class of the largest logit."""
        return self._lead[0]

    @property
    def margin(self) -> float:
        """How much larger the largest logit is than the next."""
        return self._lead[1]

    @property
    def _lead(self) -> tuple[int, float]:
        if self.logits is not None:
            return lead_of(self.logits)
        assert self.lead is not None
        return self.lead


def keeps_logits(model: Model) -> bool:
    """Whether all logits of an image are kept: by sigmoid they say which classes are predicted."""
    return len(model.class_names) <= MAX_LOGITS or model.scores == SIGMOID


def lead_of(logits: NDArray[np.float32]) -> tuple[int, float]:
    """The class of the largest logit, and how much larger it is than the next; logits: float32 (K,)."""
    predicted = int(logits.argmax())
    return predicted, margin_of(logits, predicted)


@dataclass
class Pictures:
    """All images of a scan that could be read, with what tells which may be one picture: 17 bytes an image.

    `hashes`: as `copies.hash_of` has them; `right`: 1 where the prediction is the class of the folder, 0 where it is
    another, -1 where the folder stands for no class.
    """

    sources: list[ImageSource] = field(default_factory=list)
    hashes: array[int] = field(default_factory=lambda: array("Q"))
    right: array[int] = field(default_factory=lambda: array("b"))

    def add(self, source: ImageSource, picture_hash: int, agrees: bool | None) -> None:
        """Note an image; `agrees`: whether the prediction is the class of its folder."""
        self.sources.append(source)
        self.hashes.append(picture_hash)
        self.right.append(-1 if agrees is None else int(agrees))


class Collected:
    """What the audit keeps of several sampled images: their observations, by name, and the sum of their activations.

    What is collected in different places merges, in any order, with the same result.
    """

    def __init__(self) -> None:
        self.observations: dict[str, Observation] = {}
        self.total = ActivationSum()

    def merge(self, other: Collected) -> None:
        """Add what was collected elsewhere."""
        self.observations |= other.observations
        self.total.merge(other.total)


def choose_parts(folders: Mapping[str, Sequence[ImageSource]], sample: frozenset[str]) -> frozenset[str]:
    """Names of the sampled images whose activations are kept, to take their classes to parts.

    They are the first of each class, in the order in which they are drawn, as many as memory has room for.
    """
    groups = []
    for _, sources in sorted(folders.items()):
        sampled = sorted((source for source in sources if source.name in sample), key=draw_key)
        if len(sampled) >= MIN_IMAGES:
            groups.append([source.name for source in sampled])
    groups = groups[:MAX_PART_CLASSES]
    each = min(MAX_PART_IMAGES, max(MIN_IMAGES, MAX_ALL_PART_IMAGES // max(1, len(groups))))
    return frozenset(name for group in groups for name in group[:each])


def observe(
    model: Model,
    source: ImageSource,
    rgb: RgbImage,
    data: bytes,
    size: tuple[int, int],
    prediction: Prediction,
    *,
    for_parts: bool = False,
    foreground: Model | None = None,
    mask: NDArray[np.uint8] | None = None,
) -> Collected:
    """What the audit keeps of one image; data: the file's bytes, size: its full width and height.

    for_parts: whether its activations are kept, or the features that `prediction` has in their place, and where the
    object is, as its mask tells, uint8 (H, W) of `rgb`, or else the net `foreground`.
    """
    # the finders' modules, which a scan without classes never needs
    from cam_audit.findings.cues.features import image_features

    features = image_features(
        rgb, data, name=source.name, label=source.label, width=size[0], height=size[1], drawn=draw_key(source)
    )
    activations = on_grid(prediction.activations, model.map_size)
    map_class = int(prediction.logits.argmax()) if source.label_class is None else source.label_class
    kept = keeps_logits(model)
    observation = Observation(
        source=source,
        features=features,
        logits=prediction.logits if kept else None,
        lead=None if kept else lead_of(prediction.logits),
        map_class=map_class,
        own_map=centred_map(centred_weight(model, map_class), activations),
        **(_kept_for_parts(rgb, prediction, foreground, mask) if for_parts else {}),
    )
    collected = Collected()
    collected.observations[source.name] = observation
    collected.total.add(activations)
    return collected


def _kept_for_parts(
    rgb: RgbImage, prediction: Prediction, foreground: Model | None, mask: NDArray[np.uint8] | None
) -> dict[str, Any]:
    from cam_audit.findings.foreground import foreground_map, mask_map

    grid = prediction.activations.shape[1], prediction.activations.shape[2]
    objects = None
    if mask is not None:
        objects = mask_map(mask, grid)
    elif foreground is not None:
        objects = foreground_map(foreground, rgb, grid)
    features = prediction.features
    return {
        "activations": (prediction.activations if features is None else features).astype(np.float16),
        "gates": None if features is None else packed_gates(prediction.activations),
        "kept": picture_cells(rgb, grid),
        "foreground": objects,
        "masked": mask is not None,
    }


def picture_cells(rgb: RgbImage, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """The cells of a grid (h, w) whose middle is picture and not padding: bool (h, w).

    rgb: uint8 (H, W, 3). Padding is a flat strip along a side: a letterbox, or what a shift left empty.
    """
    rows, columns = (_extent(rgb.max(axis=(axis, 2)).astype(int) - rgb.min(axis=(axis, 2))) for axis in (1, 0))
    inside = [
        (np.arange(cells) + 0.5 >= low * cells) & (np.arange(cells) + 0.5 <= high * cells)
        for cells, (low, high) in zip(grid, (rows, columns), strict=True)
    ]
    kept: NDArray[np.bool_] = np.outer(*inside)
    return kept if kept.any() else np.ones(grid, bool)


def _extent(spans: NDArray[np.intp]) -> tuple[float, float]:
    """From where to where, 0..1, lines are no padding; spans (n,): how far the levels of each line reach."""
    busy = np.flatnonzero(spans > _FLAT)
    if not busy.size:
        return 0.0, 1.0
    low, high = busy[0] / len(spans), (busy[-1] + 1) / len(spans)
    return (low if low >= _MIN_STRIP else 0.0), (high if high <= 1 - _MIN_STRIP else 1.0)
