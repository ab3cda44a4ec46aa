"""Finds what gives a class away, from pixels and files alone: one module a finder, all of one shape.

A new finder is a module here and a code in the table of `findings/codes.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from cam_audit.findings.codes import BEYOND_PIXELS, CODES, codes_by_finder
from cam_audit.findings.cues.records import Groups, ImageFeatures, Suspicion
from cam_audit.workers import Each, one_by_one

if TYPE_CHECKING:
    from cam_audit.findings.counterfactual import CueTest
    from cam_audit.findings.cues.picture import Feature


class Finder(Protocol):
    """The shape of a finder's module.

    `FEATURES`: what it asks of an image, by name; finders may share one. `find`: the classes that show its cue; `each`
    is `map`, or one that works on several classes at a time. `tests`: those that plant a suspected cue or take it away,
    given what was kept of the images of each class folder; none where that can't be done.
    """

    FEATURES: Mapping[str, Feature]

    def find(self, images: Sequence[ImageFeatures], each: Each = ...) -> list[Suspicion]: ...
    def tests(self, suspicion: Suspicion, groups: Groups) -> list[CueTest]: ...


def finders() -> dict[str, Finder]:
    """The finders of pixels and files that the table of codes names, in its order, each with a module of its own."""
    codes = codes_by_finder()
    names = [name for name, code in codes.items() if name not in BEYOND_PIXELS and not CODES[code].found_by]
    return {name: cast("Finder", import_module(f"{__name__}.{name}")) for name in names}


def find_cues(images: Sequence[ImageFeatures], each: Each = one_by_one) -> list[Suspicion]:
    """What all finders suspect in the images of all classes, the largest share of a class first.

    The images may come in any order; with fewer than two classes nothing can be told from anything.
    """
    found = [suspicion for finder in finders().values() for suspicion in finder.find(images, each)]
    known = list(codes_by_finder())
    return sorted(found, key=lambda each: (-each.score, each.label, known.index(each.finder)))
