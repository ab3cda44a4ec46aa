"""One cause for all the suspicions about a class that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cam_audit.findings.codes import BEYOND_PIXELS, CODES, CONTEXT, FRAMING, codes_by_finder
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.records import MAX_LOCAL_AREA, Box, area_of

# Mean distance of the boxes' centres from their median, as a share of the picture, that still counts as one place.
MAX_WANDER = 0.05
# What two boxes share of what they cover together, from where on they hold the same; those of maps are whole cells.
MIN_UNION = 0.2
# What two finders' images share of those that either found, from where on they saw the same.
MIN_COMMON = 0.5


@dataclass(frozen=True)
class Cause:
    """One cue of one class: the suspicion that names it, and others that have the same cause."""

    code: str
    suspicion: Suspicion
    others: tuple[Suspicion, ...] = ()

    @property
    def finders(self) -> dict[str, Suspicion]:
        """Every finder that saw it."""
        return {suspicion.finder: suspicion for suspicion in (self.suspicion, *self.others)}

    @property
    def hits(self) -> list[Hit]:
        """The images that show it, most suspicious first, each once.

        Where what the map shows in the surroundings is a mark, the finders of marks say which images bear it.
        """
        hits: dict[str, Hit] = {}
        for suspicion in (self.suspicion, *self.others):
            if suspicion.finder == CONTEXT and CODES[self.code].is_local:
                continue
            for hit in suspicion.hits:
                hits.setdefault(hit.name, hit)
        return list(hits.values())

    @property
    def context(self) -> Suspicion | None:
        """What the map shows of it in the surroundings, if it does."""
        return self.finders.get(CONTEXT)

    @property
    def hits_in_pixels(self) -> list[Hit]:
        """Those of finders that look at pixels and files, which alone can tell of an image that was not sampled."""
        names = {hit.name for name, found in self.finders.items() if name not in BEYOND_PIXELS for hit in found.hits}
        return [hit for hit in self.hits if hit.name in names]

    @property
    def hits_looked_at(self) -> list[Hit]:
        """Those among the images that the finder that names it looked at."""
        among = self.suspicion.looked_at
        return [hit for hit in self.hits if among is None or hit.name in among]

    def named_by(self, finder: str) -> Cause:
        """The same cause under the code of another of its finders."""
        suspicion = self.finders[finder]
        others = tuple(other for other in self.finders.values() if other is not suspicion)
        return Cause(codes_by_finder()[finder], suspicion, others)


def causes_of(suspicions: Sequence[Suspicion]) -> list[Cause]:
    """The causes behind suspicions, each with the code of the finder that names it.

    A stamp at a fixed place is seen as repeated and as overlay, a red background by border and by colour, a frame by
    border and by overlay: each must come out as one finding, with what the map shows of it in the surroundings. A shift
    of brightness is seen by colour and by statistics. Objects that are all framed alike have their edges at one place,
    their own border and their own sharpness. What any other finder sees is a cause of its own.
    """
    codes = codes_by_finder()
    by_label: dict[str, dict[str, Suspicion]] = {}
    for suspicion in suspicions:
        by_label.setdefault(suspicion.label, {})[suspicion.finder] = suspicion
    causes: list[Cause] = []
    for found in by_label.values():
        before = len(causes)
        mixed = found.pop("mixed", None)
        repeated, overlay = found.pop("duplicates", None), found.pop("template", None)
        border, colour = found.pop("border", None), found.pop("colour", None)
        context, framing = found.pop(CONTEXT, None), found.pop(FRAMING, None)
        around = []
        if overlay and border and overlay.box and area_of(overlay.box) > MAX_LOCAL_AREA:
            around, overlay = [overlay], None
        framed = []
        if framing and overlay and _fills(framing, overlay) and not (repeated and _same_place(repeated, overlay)):
            framed, overlay = [overlay], None
        filled = next((mark for mark in (repeated, overlay) if mark and context and _fills(context, mark)), None)
        on_mark = (context,) if context and filled else ()
        if filled:
            context = None
        if repeated and overlay and _same_place(repeated, overlay):
            # the boxes of the repeated cue are each image's own, so its hits come first
            kind = overlay if _fixed_place(repeated) else repeated
            causes.append(Cause(codes[kind.finder], repeated, (overlay, *on_mark)))
        else:
            marks = [mark for mark in (repeated, overlay) if mark]
            causes += [Cause(codes[mark.finder], mark, on_mark if mark is filled else ()) for mark in marks]
        statistics = found.get("statistics")
        if statistics and statistics.same_as & {each.finder for each in (border, colour) if each}:
            around.append(found.pop("statistics"))
        if framing:
            statistics = found.get("statistics")
            if statistics and _same_images(framing, statistics):
                framed.append(found.pop("statistics"))
            if border and _same_images(framing, border):
                around += [framing, *framed]
            else:
                causes.append(Cause(codes[FRAMING], framing, tuple(framed)))
        if context and (border or colour):
            around.append(context)
        elif context:
            causes.append(Cause(codes[CONTEXT], context))
        if border and (colour is None or border.score >= colour.score):
            causes.append(Cause(codes[border.finder], border, (*([colour] if colour else []), *around)))
        elif colour:
            causes.append(Cause(codes[colour.finder], colour, (*([border] if border else []), *around)))
        causes += [Cause(codes[each.finder], each) for each in found.values()]
        if mixed:
            same = [
                index
                for index, cause in enumerate(causes)
                if index >= before and not CODES[cause.code].in_file and _same_images(mixed, cause)
            ]
            if same:
                causes[same[0]] = replace(causes[same[0]], others=(*causes[same[0]].others, mixed))
            else:
                causes.append(Cause(codes["mixed"], mixed))
    return causes


def _same_place(repeated: Suspicion, overlay: Suspicion) -> bool:
    """Whether most boxes of a repeated cue, each image's own, touch the overlay's."""
    boxes = [hit.box for hit in repeated.hits if hit.box]
    return overlay.box is not None and 2 * sum(_overlap(box, overlay.box) for box in boxes) > len(boxes)


def _same_images(one: Suspicion, other: Suspicion | Cause) -> bool:
    """Whether another cue was seen in the same images, of those that the finder of the one looked at."""
    names = {hit.name for hit in one.hits}
    others = {hit.name for hit in other.hits if one.looked_at is None or hit.name in one.looked_at}
    return len(names & others) >= MIN_COMMON * len(names | others)


def _fills(place: Suspicion, mark: Suspicion) -> bool:
    """Whether a mark fills what lies in the surroundings, or the object, in most of the images that show both."""
    boxes = {hit.name: hit.box or mark.box for hit in mark.hits}
    pairs = [(hit.box, box) for hit in place.hits if hit.box and (box := boxes.get(hit.name))]
    return 2 * sum(_union_share(*pair) >= MIN_UNION for pair in pairs) > len(pairs)


def _union_share(a: Box, b: Box) -> float:
    """What two boxes share, as a share of what they cover together, 0..1."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / max(area_of(a) + area_of(b) - shared, 1e-9)


def _overlap(a: Box, b: Box) -> bool:
    return max(a[0], b[0]) < min(a[2], b[2]) and max(a[1], b[1]) < min(a[3], b[3])


def _fixed_place(suspicion: Suspicion) -> bool:
    centres = [((h.box[0] + h.box[2]) / 2, (h.box[1] + h.box[3]) / 2) for h in suspicion.hits if h.box]
    return bool(np.abs(np.array(centres) - np.median(centres, axis=0)).mean() < MAX_WANDER)
