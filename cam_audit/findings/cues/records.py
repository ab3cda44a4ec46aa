"""What the finders work on and what they report; all of it picklable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cam_audit.records import Box

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """SIFT keypoints of an image at its working size.

    `size`: width and height of the working image in pixels. `places`: float32 (n, 4), each the x and y in pixels
    of the working image, the diameter in pixels and the angle in degrees. `descriptors`: uint8 (n, 128).
    """

    size: tuple[int, int]
    places: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


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


class Features(Protocol):
    """What a finder may ask of one image, whether it is kept or computed when asked for; see `ImageFeatures`."""

    @property
    def name(self) -> str: ...
    @property
    def file(self) -> FileFacts: ...
    @property
    def keypoints(self) -> Keypoints: ...
    @property
    def thumbnail(self) -> NDArray[np.uint8]: ...
    @property
    def border(self) -> NDArray[np.float32]: ...
    @property
    def colour(self) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """What the finders keep of one image, some 35 KB.

    `name`, `label`: as in `ImageSource`. `thumbnail`: uint8 (112, 112), the whole image in grey whatever its
    shape. `border`: float32 (30,), Lab at eight places of the border, then mean and deviation of the whole ring.
    `colour`: float32 (6,), mean and half the deviation of Lab over the whole image.
    """

    name: str
    label: str
    file: FileFacts
    keypoints: Keypoints
    thumbnail: NDArray[np.uint8]
    border: NDArray[np.float32]
    colour: NDArray[np.float32]


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
    the class were looked at. `hits`: the images that show it, most suspicious first. `seen`: what was seen, with
    numbers, as the rest of a sentence that begins with the class. `numbers`: the same and more, for machines.
    `box`: where a cue of fixed place is, else None. `overlay`: what such a cue adds to an image's grey, float32
    (112, 112) in grey levels over the whole image, 0 where it adds nothing; from `template` only. `recogniser`:
    prepares to recognise the cue in further images of the class, by what the finder learnt from those it looked at.
    """

    finder: str
    label: str
    score: float
    threshold: float
    images: int
    hits: tuple[Hit, ...]
    seen: str
    numbers: Mapping[str, float]
    box: Box | None = None
    overlay: NDArray[np.float32] | None = field(default=None, compare=False)
    recogniser: Callable[[], Recogniser] = field(default=_recognises_nothing, compare=False, repr=False)


def by_label(images: Iterable[ImageFeatures]) -> dict[str, list[ImageFeatures]]:
    """The images of each label; labels and images sorted, so that no result depends on the order of arrival."""
    groups: dict[str, list[ImageFeatures]] = {}
    for image in sorted(images, key=lambda image: (image.label, image.name)):
        groups.setdefault(image.label, []).append(image)
    return groups


def sample_of(groups: Sequence[Sequence[Item]], limit: int) -> list[Item]:
    """At most `limit` items, as many of each group as can be and spread over it: no chance involved."""
    if not groups:
        return []
    share = max(1, limit // len(groups))
    thinned = groups[:: -(-len(groups) // limit)]
    return [item for group in thinned for item in group[:: -(-len(group) // share)]]
