"""Looks again at the images that were not sampled, in the classes where a cue was found: which of them show it?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cam_audit.causes import Cause
from cam_audit.cues import LazyFeatures
from cam_audit.cues.records import Recogniser
from cam_audit.errors import ImageError
from cam_audit.evidence import Laboratory
from cam_audit.images import decode, read_bytes
from cam_audit.in_order import Each
from cam_audit.observation import Glimpse

# A removal test costs a forward pass. More of them, spread over the class, than this would tell no more of the class
# and make the audit as dear as the scan.
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
        recognisers = [
            (cause, [suspicion.recogniser() for suspicion in cause.finders.values()])
            for cause in causes
            if cause.suspicion.label == label
        ]
        if recognisers:
            tested = {glimpse.source.name for glimpse in own[:: -(-len(own) // MAX_REMOVALS)]}
            yield from each(partial(_look, laboratory, recognisers, tested), own)


def _look(
    laboratory: Laboratory,
    recognisers: Sequence[tuple[Cause, list[Recogniser]]],
    tested: Collection[str],
    glimpse: Glimpse,
) -> Look:
    name = glimpse.source.name
    follows = []
    try:
        data = read_bytes(glimpse.source.path)
        image = LazyFeatures(
            lambda: decode(data, needed=laboratory.needed)[0],
            data,
            name=name,
            width=glimpse.width,
            height=glimpse.height,
        )
        for cause, of_cause in recognisers:
            hit = next((hit for recognise in of_cause if (hit := recognise(image))), None)
            if hit:
                follows.append(laboratory.follows(cause, hit, image.rgb, glimpse.predicted) if name in tested else None)
    except (ImageError, MemoryError):
        return Look(name)
    return Look(name, tuple(follows))
