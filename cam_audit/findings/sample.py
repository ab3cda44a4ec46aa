"""Which images the audit looks at, and what it keeps of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.findings.map_use import ActivationSum, centred_map, centred_weight, margin_of, on_grid
from cam_audit.images.rgb import RgbImage
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


def observe(
    model: Model, source: ImageSource, rgb: RgbImage, data: bytes, size: tuple[int, int], prediction: Prediction
) -> Collected:
    """What the audit keeps of one image; data: the file's bytes, size: its full width and height."""
    # the finders' modules, which a scan without classes never needs
    from cam_audit.findings.cues.features import image_features

    features = image_features(rgb, data, name=source.name, label=source.label, width=size[0], height=size[1])
    activations = on_grid(prediction.activations, model.map_size)
    measured = int(prediction.logits.argmax()) if source.label_class is None else source.label_class
    observation = Observation(
        source=source,
        features=features,
        logits=prediction.logits,
        measured=measured,
        margin=margin_of(prediction.logits, measured),
        own_map=centred_map(centred_weight(model, measured), activations),
    )
    collected = Collected()
    collected.observations[source.name] = observation
    collected.total.add(activations)
    return collected
