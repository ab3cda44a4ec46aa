"""What the finders work on and what they report; all of it picklable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cam_audit.records import Box

if TYPE_CHECKING:
    from cam_audit.findings.counterfactual import CueTest

Item = TypeVar("Item")


class Features(Protocol):
    """What a finder may ask of one image, by the names in `FEATURES`, whether it is kept or computed when asked for."""

    @property
    def name(self) -> str: ...
    def __getitem__(self, feature: str) -> Any: ...


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """What the finders keep of one image, some 35 KB; `name`, `label`: as in `ImageSource`; `drawn`: its `draw_key`."""

    name: str
    label: str
    values: Mapping[str, Any]
    drawn: bytes = b""

    def __getitem__(self, feature: str) -> Any:
        return self.values[feature]


Groups = Mapping[str, Sequence[ImageFeatures]]
"""What was kept of the images of each class folder, by its name."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An image that shows the cue.

    `strength`: the finder's own measure, larger where the image is more suspicious. `box`: where the cue is; None
    where it has no place (colour, file) or is all around (border).
    """

    name: str
    strength: float
    box: Box | None = None


Recogniser = Callable[[Features], Hit | None]
"""Tells whether an image of a suspected class that the finder did not look at shows the cue; None where not."""


def _recognises_nothing() -> Recogniser:
    return lambda image: None


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A cue that tells one class from the others, by pixels or file alone: no proof that a model uses it.

    `finder`: the name of the module that found it. `label`: the class, as in `ImageSource.label`. `score`: the
    share of the class's images that the cue gives away, 0..1, at least `threshold`. `images`: how many images of
    the class were looked at. `hits`: the images that show it, most suspicious first. `cue`: what it is, in words that
    "the class may be recognised by" precedes; how many images show it is told elsewhere. `numbers`: what was measured.
    `box`: where a cue of fixed place is, else None. `overlay`: what such a cue adds to an image's grey, float32
    (112, 112) in grey levels over the whole image, 0 where it adds nothing: it is painted over stroke by stroke, and
    not as a box. `recogniser`: prepares to recognise the cue in further images of the class, by what the finder learnt
    from those it looked at. `tests`: those that plant it or take it away, where its finder has no module in `cues`.
    `looked_at`: the names of the images of all classes that the finder looked at, None for all that were sampled.
    `same_as`: finders that may see what this one is due to. If one of them suspects the class, both are one cause; if
    that is a mark, only where most of these images bear it. `covers`: finders that may see this cue less exactly. What
    they suspect in mostly the same images is this cause, which keeps its name and is judged by its own tests alone.
    """

    finder: str
    label: str
    score: float
    threshold: float
    images: int
    hits: tuple[Hit, ...]
    cue: str
    numbers: Mapping[str, float]
    box: Box | None = None
    overlay: NDArray[np.float32] | None = field(default=None, compare=False)
    recogniser: Callable[[], Recogniser] = field(default=_recognises_nothing, compare=False, repr=False)
    tests: tuple[CueTest, ...] = field(default=(), compare=False, repr=False)
    looked_at: frozenset[str] | None = None
    same_as: frozenset[str] = frozenset()
    covers: frozenset[str] = frozenset()


def by_label(images: Iterable[ImageFeatures]) -> dict[str, list[ImageFeatures]]:
    """The images of each label, labels by name and images as they were drawn.

    So no result depends on the order of arrival, or on what the folders above an image are called.
    """
    groups: dict[str, list[ImageFeatures]] = {}
    for image in sorted(images, key=lambda image: (image.label, image.drawn, image.name)):
        groups.setdefault(image.label, []).append(image)
    return groups


def sample_of(groups: Sequence[Sequence[Item]], limit: int) -> list[Item]:
    """At most `limit` items, as many of each group as can be and spread over it: no chance involved."""
    if not groups:
        return []
    share = max(1, limit // len(groups))
    thinned = groups[:: -(-len(groups) // limit)]
    return [item for group in thinned for item in group[:: -(-len(group) // share)]]


def means_of(
    groups: Groups, feature: Callable[[ImageFeatures], NDArray[np.float32]]
) -> Callable[[str], tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """What tells the mean of a feature (d,) in a class, and that of the others, which count the same: (d,) each.

    For the classes that are asked about, as there may be thousands.
    """
    places = {label: place for place, label in enumerate(groups)}
    means = np.array([np.mean([feature(image) for image in images], axis=0) for images in groups.values()])

    def of_class(label: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        place = places[label]
        return means[place], np.delete(means, place, axis=0).mean(0)

    return of_class
