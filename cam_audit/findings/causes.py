"""One cause for all the suspicions about a class that say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cam_audit.findings.codes import BEYOND_PIXELS, CODES, CONTEXT, FRAMING, MIXED, PADDING, codes_by_finder
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.records import MAX_LOCAL_AREA, Box, area_of, shared_area

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
        """Those that say which images show it; not those that only see what the cue changes (`same_as`, `covers`)."""
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
    """The causes behind the suspicions about one class, by finder.

    Each step takes the suspicions that it explains; what is left comes with one of the causes, or is one of its own.
    """
    rest = dict(found)
    causes = _padding(rest)
    frame = _frame(rest)
    framing = _framing(rest)
    causes += _marks(rest)
    causes += _surroundings(rest, frame, framing)
    # pictures of another kind come with any other cause that the same images have, so they are asked last
    for other in sorted(rest.values(), key=lambda other: other.finder == MIXED):
        # where a background and a mark both explain it, it comes with the background
        host = next((cause for cause in reversed(causes) if _explains(cause, other)), None)
        if host is None:
            causes.append(_cause(other))
            continue
        if other.finder == MIXED:
            # the cue itself tells better which images show it than that they look alike
            other = replace(other, same_as=frozenset(host.finders))
        causes[causes.index(host)] = replace(host, others=(*host.others, other))
    return causes


def _cause(suspicion: Suspicion, *others: Suspicion | None) -> Cause:
    """A cause that a suspicion names; None among the others is nothing."""
    return Cause(codes_by_finder()[suspicion.finder], suspicion, tuple(other for other in others if other))


def _padding(rest: dict[str, Suspicion]) -> list[Cause]:
    """Padding, with all that is seen of it."""
    padding = rest.get(PADDING)
    if not padding or padding.same_as & rest.keys():
        return []
    del rest[PADDING]
    return [_cause(padding, *(rest.pop(name) for name, seen in list(rest.items()) if _is_seen_of(padding, seen)))]


def _frame(rest: dict[str, Suspicion]) -> Suspicion | None:
    """The overlay that is a border, all around the picture."""
    box = rest["template"].box if "template" in rest and "border" in rest else None
    return rest.pop("template") if box and area_of(box) > MAX_LOCAL_AREA else None


def _framing(rest: dict[str, Suspicion]) -> Cause | None:
    """Framing, with the edges and the sharpness that objects have because they are framed alike."""
    framing, repeated, outline = rest.pop(FRAMING, None), rest.get("duplicates"), rest.get("template")
    if not framing:
        return None
    traces = []
    if outline and _fills(framing, outline) and not (repeated and _same_place(repeated, outline)):
        traces.append(rest.pop("template"))
    if "statistics" in rest and _same_images(framing, rest["statistics"]):
        traces.append(rest.pop("statistics"))
    return _cause(framing, *traces)


def _marks(rest: dict[str, Suspicion]) -> list[Cause]:
    """Marks: one that is repeated and one at a fixed place, or both in one; with the surroundings that a mark fills."""
    repeated, overlay = rest.pop("duplicates", None), rest.pop("template", None)
    context = rest.get(CONTEXT)
    marks = [mark for mark in (repeated, overlay) if mark]
    filled = next((mark for mark in marks if context and _fills(context, mark)), None)
    if filled:
        del rest[CONTEXT]
    if repeated and overlay and _same_place(repeated, overlay):
        # the boxes of the repeated cue are each image's own, so its hits come first
        cause = _cause(repeated, overlay, context if filled else None)
        return [replace(cause, code=codes_by_finder()[overlay.finder]) if _fixed_place(repeated) else cause]
    return [_cause(mark, context if mark is filled else None) for mark in marks]


def _surroundings(rest: dict[str, Suspicion], frame: Suspicion | None, framing: Cause | None) -> list[Cause]:
    """Border and colour, whichever tells more, and the map's surroundings; framing comes with its own border."""
    border, colour, context = (rest.pop(name, None) for name in ("border", "colour", CONTEXT))
    if not border and not colour:
        return [cause for cause in (framing, context and _cause(context)) if cause]
    around = [frame]
    if framing and border and _same_images(framing.suspicion, border):
        # the border's own counterfactuals try it, and every further test widens the intervals
        around += [replace(framing.suspicion, tests=()), *framing.others]
        framing = None
    around.append(context)
    best, other = (border, colour) if border and (not colour or border.score >= colour.score) else (colour, border)
    assert best
    return [*([framing] if framing else []), _cause(best, other, *around)]


def _explains(cause: Cause, other: Suspicion) -> bool:
    """Whether what another finder sees comes with a cause; if that is a mark, most of these images must bear it."""
    code, overlay = CODES[cause.code], cause.finders.get("template")
    if other.finder == MIXED:
        return not code.in_file and _same_images(other, cause)
    if cause.suspicion.covers:
        # it has taken what it covers, and its own tests would try nothing else
        return False
    if other.finder == "same_thing":
        return code.is_local and overlay is not None and _lies_across(overlay, other)
    return bool(other.same_as & cause.finders.keys()) and (not code.is_local or _mostly_among(other, cause.hits))


def _is_seen_of(padding: Suspicion, seen: Suspicion) -> bool:
    """Whether what another finder sees is padding: most of its images are padded.

    An overlay must also reach from edge to edge, as the end of a bar does, and a statistic be one that padding changes.
    """
    if seen.finder not in padding.covers or (seen.finder == "statistics" and PADDING not in seen.same_as):
        return False
    if seen.finder == "template" and not (seen.box and _reaches_across(seen.box)):
        return False
    return _mostly_among(seen, padding.hits)


def _mostly_among(seen: Suspicion, hits: Sequence[Hit]) -> bool:
    """Whether most images of a suspicion are among others."""
    names = {hit.name for hit in hits}
    return 2 * sum(hit.name in names for hit in seen.hits) > len(seen.hits)


def _reaches_across(box: Box) -> bool:
    """Whether a box is most of the picture, or a line from edge to edge."""
    sides = box[2] - box[0], box[3] - box[1]
    return area_of(box) > MAX_LOCAL_AREA or (max(sides) >= LINE_LENGTH and min(sides) <= LINE_WIDTH)


def _same_place(repeated: Suspicion, overlay: Suspicion) -> bool:
    """Whether most boxes of a repeated cue, each image's own, touch the overlay's."""
    boxes = [hit.box for hit in repeated.hits if hit.box]
    return overlay.box is not None and 2 * sum(shared_area(box, overlay.box) > 0 for box in boxes) > len(boxes)


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
    shared = shared_area(a, b)
    return shared / max(area_of(a) + area_of(b) - shared, 1e-9)


def _fixed_place(suspicion: Suspicion) -> bool:
    centres = [((h.box[0] + h.box[2]) / 2, (h.box[1] + h.box[3]) / 2) for h in suspicion.hits if h.box]
    return bool(np.abs(np.array(centres) - np.median(centres, axis=0)).mean() < MAX_WANDER)
