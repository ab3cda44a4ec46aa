"""One cause for all the suspicions about a class that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cam_audit.findings.codes import BEYOND_PIXELS, CODES, CONTEXT, FRAMING, PADDING, codes_by_finder
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.records import MAX_LOCAL_AREA, Box, area_of

# Mean distance of the boxes' centres from their median, as a share of the picture, that still counts as one place.
MAX_WANDER = 0.05
# What two boxes share of what they cover together, from where on they hold the same; those of maps are whole cells.
MIN_UNION = 0.2
# A box at least so long and at most so wide, as shares of a side, is a line from edge to edge.
LINE_LENGTH, LINE_WIDTH = 0.8, 0.1
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
    def seen_by(self) -> list[Suspicion]:
        """Those that say which images show it: a trace that a cue leaves tells that less well than the cue itself."""
        own = self.suspicion
        return [own, *(each for each in self.others if not each.same_as and each.finder not in own.covers)]

    @property
    def hits(self) -> list[Hit]:
        """The images that show it, most suspicious first, each once.

        Where what the map shows in the surroundings is a mark, the finders of marks say which images bear it.
        """
        hits: dict[str, Hit] = {}
        for suspicion in self.seen_by:
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
        names = {hit.name for found in self.seen_by if found.finder not in BEYOND_PIXELS for hit in found.hits}
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
    of brightness is seen by colour and by statistics, and a stamp adds edges. Bars are seen by all of these and name
    what these see, but a frame of bars is a border. A watermark across the picture is seen as an overlay, and as one
    thing that all images show. Objects that are all framed alike have their edges at one place, their own border and
    their own sharpness. What any other finder sees is a cause of its own.
    """
    by_label: dict[str, dict[str, Suspicion]] = {}
    for suspicion in suspicions:
        by_label.setdefault(suspicion.label, {})[suspicion.finder] = suspicion
    return [cause for found in by_label.values() for cause in _causes_of_class(found)]


def _causes_of_class(found: dict[str, Suspicion]) -> list[Cause]:
    """The causes behind the suspicions about one class, by finder."""
    codes = codes_by_finder()
    causes: list[Cause] = []
    mixed = found.pop("mixed", None)
    padding = found.get(PADDING)
    if padding and not padding.same_as & found.keys():
        joined = [seen for seen in found.values() if _is_seen_of(padding, seen)]
        found = {name: seen for name, seen in found.items() if seen is not padding and seen not in joined}
        causes.append(Cause(codes[PADDING], padding, tuple(joined)))
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
    thing = found.get("same_thing")
    across = (found.pop("same_thing"),) if thing and overlay and _lies_across(overlay, thing) else ()
    if repeated and overlay and _same_place(repeated, overlay):
        # the boxes of the repeated cue are each image's own, so its hits come first
        kind = overlay if _fixed_place(repeated) else repeated
        causes.append(Cause(codes[kind.finder], repeated, (overlay, *on_mark, *across)))
    else:
        marks = [(repeated, ()), (overlay, across)]
        causes += [
            Cause(codes[mark.finder], mark, (*(on_mark if mark is filled else ()), *others))
            for mark, others in marks
            if mark
        ]
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
    for other in found.values():
        # a background is the better name than a mark, where both explain it
        host = next((cause for cause in reversed(causes) if _explains(cause, other)), None)
        if host:
            causes[causes.index(host)] = replace(host, others=(*host.others, other))
        else:
            causes.append(Cause(codes[other.finder], other))
    if mixed:
        host = next((each for each in causes if not CODES[each.code].in_file and _same_images(mixed, each)), None)
        if host:
            # what these images have tells better which they are than that they look alike
            mixed = replace(mixed, same_as=frozenset(host.finders))
            causes[causes.index(host)] = replace(host, others=(*host.others, mixed))
        else:
            causes.append(Cause(codes[mixed.finder], mixed))
    return causes


def _explains(cause: Cause, other: Suspicion) -> bool:
    """Whether what another finder sees may come with a cause: of a mark, where most of those images bear it."""
    if not other.same_as & cause.finders.keys():
        return False
    bearing = {hit.name for hit in cause.hits}
    return not CODES[cause.code].is_local or 2 * sum(hit.name in bearing for hit in other.hits) > len(other.hits)


def _is_seen_of(padding: Suspicion, seen: Suspicion) -> bool:
    """Whether a suspicion is what its finder sees of padding: most of its images are padded.

    An overlay must reach from edge to edge, as where bars end, and a statistic be one that padding changes.
    """
    if seen.finder not in padding.covers or (seen.finder == "statistics" and PADDING not in seen.same_as):
        return False
    if seen.finder == "template" and not (seen.box and _reaches_across(seen.box)):
        return False
    padded = {hit.name for hit in padding.hits}
    return 2 * sum(hit.name in padded for hit in seen.hits) > len(seen.hits)


def _reaches_across(box: Box) -> bool:
    """Whether a box is most of the picture, or a line from edge to edge."""
    sides = box[2] - box[0], box[3] - box[1]
    return area_of(box) > MAX_LOCAL_AREA or (max(sides) >= LINE_LENGTH and min(sides) <= LINE_WIDTH)


def _same_place(repeated: Suspicion, overlay: Suspicion) -> bool:
    """Whether most boxes of a repeated cue, each image's own, touch the overlay's."""
    boxes = [hit.box for hit in repeated.hits if hit.box]
    return overlay.box is not None and 2 * sum(_overlap(box, overlay.box) for box in boxes) > len(boxes)


def _lies_across(overlay: Suspicion, thing: Suspicion) -> bool:
    """Whether the one thing that images seem to show is an overlay that lies across them, as large watermarks do."""
    return thing.numbers["things"] == 1 and _same_place(thing, overlay)


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
