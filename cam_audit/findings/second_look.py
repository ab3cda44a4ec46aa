"""Looks again at the images that were not sampled, in the classes where a cue was found: which of them show it?

Where the cue is a class's surroundings, that takes the net's activations, and so another pass an image.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cam_audit.errors import ImageError
from cam_audit.findings.audited_net import AuditedNet
from cam_audit.findings.causes import Cause
from cam_audit.findings.class_parts import ClassParts, cells_in
from cam_audit.findings.cues.features import LazyFeatures
from cam_audit.findings.cues.records import Recogniser
from cam_audit.findings.evidence import follows_cue
from cam_audit.findings.foreground import SURROUNDINGS
from cam_audit.findings.sample import Unsampled, picture_cells
from cam_audit.images.decode import decode, read_bytes, read_image
from cam_audit.records import ImageSource
from cam_audit.workers import Each

# A removal test costs a forward pass. More of them for one cause than this, those of the sampled images among them,
# would tell no more of the class and make the audit as dear as the scan.
MAX_REMOVALS = 60


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What a second look at an image came to.

    `follows`: for each cause that the image shows, whether its prediction changes when the cue is painted over, None
    where that can't be done or was not; empty where the image shows none. `surroundings`: the share of the class's
    score that comes from the surroundings, 0..1, None where that was not asked.
    """

    name: str
    follows: tuple[bool | None, ...] = ()
    surroundings: float | None = None

    @property
    def passes(self) -> int:
        """Forward passes spent."""
        return sum(follows is not None for follows in self.follows) + (self.surroundings is not None)


def look_again(
    net: AuditedNet, causes: Sequence[Cause], unsampled: Mapping[str, Sequence[Unsampled]], passes: Each
) -> Iterator[SecondLook]:
    """Look for the causes of each class in its images that were not sampled; unsampled: these, by class folder.

    An image is decoded once for all causes of its class, and only the features that their finders need are computed.
    One that can no longer be read, or needs more memory than there is, shows nothing.
    """
    for label, own in unsampled.items():
        # prepared for one class at a time, as what is compared with may fill megabytes
        searches = [
            _Search(cause, [suspicion.recogniser() for suspicion in cause.seen_by], _tested(cause, own))
            for cause in causes
            if cause.suspicion.label == label
        ]
        if searches:
            yield from passes(partial(_look, net, searches), own)


def look_around(
    net: AuditedNet, found: ClassParts, sources: Sequence[ImageSource], passes: Each
) -> Iterator[SecondLook]:
    """Ask how much of a class's score comes from the surroundings, in images of it that were not taken to parts."""

    def look(source: ImageSource) -> SecondLook:
        try:
            rgb, _, _ = read_image(source.path, needed=net.needed, ranges=net.ranges)
            prediction = net.model.run(net.model.fit(rgb, net.shortest), features=True)
        except (ImageError, MemoryError):
            return SecondLook(source.name)
        kept = picture_cells(rgb, (prediction.activations.shape[1], prediction.activations.shape[2]))
        cells = cells_in(prediction, kept, found.class_index)
        return SecondLook(source.name, surroundings=found.share_on(SURROUNDINGS, cells))

    return iter(passes(look, sources))


@dataclass(frozen=True)
class _Search:
    """A cause, what recognises it, and the names of the images in which it is painted over where it is seen."""

    cause: Cause
    recognisers: Sequence[Recogniser]
    tested: Collection[str]


def _tested(cause: Cause, unsampled: Sequence[Unsampled]) -> set[str]:
    """Names of images spread evenly over those not sampled: as many as the tests of the sampled ones left over."""
    left = MAX_REMOVALS - len(cause.hits)
    return {image.source.name for image in unsampled[:: -(-len(unsampled) // left)]} if left > 0 else set()


def _look(net: AuditedNet, searches: Sequence[_Search], unsampled: Unsampled) -> SecondLook:
    name, path = unsampled.source.name, unsampled.source.path
    follows = []
    try:
        data = read_bytes(path)
        image = LazyFeatures(
            lambda: decode(data, needed=net.needed, path=path, ranges=net.ranges)[0],
            data,
            name=name,
            width=unsampled.width,
            height=unsampled.height,
        )
        for search in searches:
            hit = next((hit for recognise in search.recognisers if (hit := recognise(image))), None)
            if hit and name in search.tested:
                follows.append(follows_cue(net, search.cause, hit, image.picture.rgb, unsampled.predicted))
            elif hit:
                follows.append(None)
    except (ImageError, MemoryError):
        return SecondLook(name)
    return SecondLook(name, tuple(follows))
