"""Which images the audit looks at, and what it keeps of them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.findings import sample_store
from cam_audit.findings.cues import image_features
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.map_use import ActivationSum, centred_map, centred_weight, margin_of, on_grid
from cam_audit.findings.sample_store import Taken
from cam_audit.images.rgb import RgbImage
from cam_audit.models.model import Model, Prediction
from cam_audit.records import ImageSource

# A class of fewer images is reported as too small, and no cue is looked for in it.
MIN_IMAGES = 12
# The finders compare images pairwise, so their number is capped: by class, and over all classes for memory.
MAX_SAMPLED_PER_CLASS = 60
MAX_SAMPLED = 8000
MIN_SAMPLED_PER_CLASS = 24


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the audit keeps of an image that was not sampled: its full width and height, and the predicted class."""

    source: ImageSource
    width: int
    height: int
    predicted: int


def folders_of(sources: Iterable[ImageSource]) -> dict[str, list[str]]:
    """The names of the images of each class folder."""
    folders: dict[str, list[str]] = {}
    for source in sources:
        if source.label:
            folders.setdefault(source.label, []).append(source.name)
    return folders


def choose_sample(folders: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """Names of the images that the finders look at: of each folder at most a fixed number, evenly spread.

    None where there is nothing to compare: fewer than two folders, or none of MIN_IMAGES images.
    """
    if len(folders) < 2 or max(map(len, folders.values())) < MIN_IMAGES:
        return frozenset()
    cap = min(MAX_SAMPLED_PER_CLASS, max(MIN_SAMPLED_PER_CLASS, MAX_SAMPLED // len(folders)))
    chosen: list[str] = []
    for names in folders.values():
        count = min(cap, len(names))
        chosen += [names[index * len(names) // count] for index in range(count)]
    return frozenset(chosen)


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """What the audit keeps of one sampled image, some 40 KB.

    `logits` float32 (K,). `measured` is the class whose use is measured: the folder's, or the predicted one where the
    folder stands for none; `margin` its logit minus the largest other; `own_map` its centred map on the common grid.
    """

    source: ImageSource
    features: ImageFeatures
    logits: NDArray[np.float32]
    measured: int
    margin: float
    own_map: Map

    @property
    def predicted(self) -> int:
        """The class of the largest logit."""
        return int(self.logits.argmax())


class Collector:
    """Gathers, from the workers of a scan, what the audit needs of the sampled images.

    With a `store`, a folder, it is kept in files there too, for a scan that goes on later.
    """

    def __init__(self, model: Model, sample: Collection[str], store: Path | None = None) -> None:
        self.sample = sample
        self.total = ActivationSum(model.map_size)
        self.observations: dict[str, Observation] = {}
        self._model = model
        self._store = store
        self._lock = threading.Lock()

    def observe(
        self, source: ImageSource, rgb: RgbImage, data: bytes, size: tuple[int, int], prediction: Prediction
    ) -> None:
        """Look at one image, if it is in the sample; `size` is its full width and height.

        Raises CamAuditError where the store can't be written.
        """
        if source.name not in self.sample:
            return
        features = image_features(rgb, data, name=source.name, label=source.label, width=size[0], height=size[1])
        taken = Taken(features, prediction.logits, on_grid(prediction.activations, self.total.grid))
        if self._store:
            sample_store.save(_place(self._store, source), taken)
        self._add(source, taken)

    def restore(self, source: ImageSource) -> bool:
        """Take what an earlier scan kept of an image; False where it is in the sample and nothing was kept."""
        if source.name not in self.sample:
            return True
        taken = sample_store.load(_place(self._store, source)) if self._store else None
        if taken is None or taken.features.name != source.name:
            return False
        self._add(source, taken)
        return True

    def _add(self, source: ImageSource, taken: Taken) -> None:
        self.total.add(taken.activations)
        measured = int(taken.logits.argmax()) if source.label_class is None else source.label_class
        own_map = centred_map(centred_weight(self._model, measured), taken.activations)
        margin = margin_of(taken.logits, measured)
        observation = Observation(source, taken.features, taken.logits, measured, margin, own_map)
        with self._lock:
            self.observations[source.name] = observation


def _place(store: Path, source: ImageSource) -> Path:
    return store / f"{hashlib.sha256(os.fsencode(source.name)).hexdigest()[:32]}.npz"
