"""Looks again at the images that were not sampled, in the classes where a cue was found: which of them show it?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cam_audit.errors import ImageError
from cam_audit.findings.causes import Cause
from cam_audit.findings.cues import LazyFeatures
from cam_audit.findings.cues.records import Recogniser
from cam_audit.findings.evidence import Laboratory
from cam_audit.findings.sample import Glimpse
from cam_audit.images.decode import decode, read_bytes
from cam_audit.workers import Each

# A removal test costs a forward pass. More of them for one cause than this, those of the sampled images among them,
# would tell no more of the class and make the audit as dear as the scan.
MAX_REMOVALS = 60


@dataclass(frozen=True, slots=True)
class Look:
    """What a second look at an image came to.

    `follows`: for each cause that the image shows, whether its prediction changes when the cue is painted over, None
    where that can't be done or was not; empty where the image shows none.
    """

    name: str
    follows: tuple[bool | None, ...] = ()

    @property
    def passes(self) -> int:
        """Forward passes spent."""
        return sum(follows is not None for follows in self.follows)


def look_again(
    laboratory: Laboratory, causes: Sequence[Cause], glimpses: Mapping[str, Sequence[Glimpse]], each: Each
) -> Iterator[Look]:
    """Look for the causes of each class in its images of which there is only a glimpse; glimpses: by class folder.

    An image is decoded once for all causes of its class, and only the features that their finders need are computed.
    One that can no longer be read, or needs more memory than there is, shows nothing.
    """
    for label, own in glimpses.items():
        # prepared for one class at a time, as what is compared with may fill megabytes
        searches = [
            _Search(cause, [suspicion.recogniser() for suspicion in cause.finders.values()], _tested(cause, own))
            for cause in causes
            if cause.suspicion.label == label
        ]
        if searches:
            yield from each(partial(_look, laboratory, searches), own)


@dataclass(frozen=True)
class _Search:
    """A cause, what recognises it, and the names of the images in which it is painted over where it is seen."""

    cause: Cause
    recognisers: Sequence[Recogniser]
    tested: Collection[str]


def _tested(cause: Cause, glimpses: Sequence[Glimpse]) -> set[str]:
    """Names of images spread evenly over those not sampled: as many as the tests of the sampled ones left over."""
    left = MAX_REMOVALS - len(cause.hits)
    return {glimpse.source.name for glimpse in glimpses[:: -(-len(glimpses) // left)]} if left > 0 else set()


def _look(laboratory: Laboratory, searches: Sequence[_Search], glimpse: Glimpse) -> Look:
    name, path = glimpse.source.name, glimpse.source.path
    follows = []
    try:
        data = read_bytes(path)
        image = LazyFeatures(
            lambda: decode(data, needed=laboratory.needed, path=path)[0],
            data,
            name=name,
            width=glimpse.width,
            height=glimpse.height,
        )
        for search in searches:
            hit = next((hit for recognise in search.recognisers if (hit := recognise(image))), None)
            if hit and name in search.tested:
                follows.append(laboratory.follows(search.cause, hit, image.rgb, glimpse.predicted))
            elif hit:
                follows.append(None)
    except (ImageError, MemoryError):
        return Look(name)
    return Look(name, tuple(follows))
