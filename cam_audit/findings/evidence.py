"""Evidence about a cue: whether the net looks at it, whether the prediction follows it, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.errors import ImageError
from cam_audit.findings.audited_net import AuditedNet
from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import CODES, MIN_FOCUS, MIN_USE
from cam_audit.findings.counterfactual import Effect, Logits, MadeEdit, Trial, strongest
from cam_audit.findings.cues.records import Hit
from cam_audit.findings.edits import apply, strokes_of
from cam_audit.findings.map_use import border_cover, box_cover, centred_weight, reference_map, use_of
from cam_audit.findings.sample import Observation, keeps_logits
from cam_audit.findings.trials import Trials, run_tests
from cam_audit.images.decode import read_image
from cam_audit.images.rgb import RgbImage
from cam_audit.models.model import Model
from cam_audit.records import MAX_LOCAL_AREA, ClassMaps, Counterfactual, Edit, EditedPicture, Said, area_of
from cam_audit.workers import Each, one_by_one

# At most so many images of other classes are looked at for the cue; comparing keypoints is dear.
MAX_OTHERS = 120


@dataclass(frozen=True, slots=True)
class Use:
    """What the class activation map adds where the cue is, in correct margins, beyond other classes' images.

    `there`: what the cue's cells add; `everywhere`: what all cells do; `area`: the share of the map that the cue
    covers. Medians over the images that show the cue.
    """

    there: float
    everywhere: float
    area: float

    @property
    def looks(self) -> bool:
        """Whether the net looks there: the cells add enough, and it is not where the map is at its weakest."""
        return self.there >= MIN_USE and self.there >= MIN_FOCUS * self.area * self.everywhere


@dataclass(frozen=True, slots=True)
class Group:
    """How many of some `images` are predicted as the class that the cue gives away."""

    images: int
    called: int


@dataclass(frozen=True, slots=True)
class Groups:
    """What the net says of images by whether they show the cue.

    `shown`, `lacking`: the class's images that show it, and that don't; `others`: images of other classes that show it,
    among `looked_at` of them.
    """

    shown: Group
    lacking: Group
    others: Group
    looked_at: int


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured about a cue.

    `cause`: as it is called by what was measured; `class_index`: the class whose score was measured; `use`: None where
    there was nothing to measure, or the cue has no place in the picture; `effects`: one a counterfactual test, `trials`
    what these were made of; `changed`: by image, whether its prediction changed when the cue was painted over;
    `passes`: forward passes spent; `copies`: how many images of the class were left out as copies of others.
    """

    cause: Cause
    class_index: int
    use: Use | None = None
    maps: ClassMaps | None = None
    effects: tuple[Effect, ...] = ()
    changed: Mapping[str, bool] = field(default_factory=dict)
    groups: Groups | None = None
    trials: Trials = field(default_factory=dict)
    passes: int = 0
    copies: int = 0


def measure(net: AuditedNet, cause: Cause, each: Each = one_by_one, passes: Each = one_by_one) -> Evidence:
    """Measure use, counterfactuals and groups of one cause; `each` and `passes` as in `examine`."""
    class_index = net.class_of[cause.suspicion.label]
    groups, copies = _groups(net, cause, each), net.copies.get(cause.suspicion.label, 0)
    if net.scale is None or not CODES[cause.code].tests:
        # what a file is, is not in its pixels, and the same thing is no cue: nothing to plant and no cells to look at
        return Evidence(cause, class_index, groups=groups, copies=copies)
    outcome = run_tests(net, cause, net.scale, passes)
    maps, use, again = _use(net, outcome.cause, class_index, net.scale, passes)
    # edited and with the control, and as it was where the scan kept no logits
    each_trial = 2 if keeps_logits(net.model) else 3
    changed, removals = _removals(net, cause, outcome.trials.get("painted_over", ()), passes)
    return Evidence(
        outcome.cause,
        class_index,
        use,
        maps,
        outcome.effects,
        changed,
        groups,
        outcome.trials,
        passes=again + each_trial * sum(map(len, outcome.trials.values())) + removals,
        copies=copies,
    )


def counterfactuals_of(model: Model, evidence: Evidence) -> tuple[Counterfactual, ...]:
    """All trials as records, those of the tests that show most first."""
    first = [strongest(evidence.effects, takes_away=takes_away) for takes_away in (False, True)]
    # tests of fewer images than an interval takes have trials, but no effect
    tests = dict.fromkeys([effect.test for effect in (*first, *evidence.effects) if effect])

    def said(logits: Logits) -> Said:
        scores = model.probabilities(logits)
        predicted = int(logits.argmax())
        return Said(model.class_names[predicted], float(scores[predicted]), float(scores[evidence.class_index]))

    def picture(step: MadeEdit) -> EditedPicture:
        return EditedPicture(step.edit, step.donor, step.donor_size, said(step.logits))

    return tuple(
        Counterfactual(
            test,
            trial.source.name,
            trial.source.label,
            trial.size,
            said(trial.before),
            picture(trial.edited),
            picture(trial.control),
        )
        for test in tests
        for trial in evidence.trials[test]
    )


def follows_cue(net: AuditedNet, cause: Cause, hit: Hit, rgb: RgbImage, predicted: int) -> bool | None:
    """Whether the prediction for an image that shows a local cue changes when the cue is painted over.

    rgb: the decoded image. None where the cue can't be painted over; otherwise it took one forward pass.
    """
    if not CODES[cause.code].is_local or hit.box is None or net.scale is None:
        return None
    overlay = cause.suspicion.overlay
    if overlay is not None:
        edit = Edit("painted_over", mask=strokes_of(overlay))
    elif area_of(hit.box) <= MAX_LOCAL_AREA:
        edit = Edit("painted_over", box=hit.box)
    else:
        return None
    picture = net.model.fit(rgb, net.shortest)
    return not net.model.predicts(net.model.run(apply(edit, picture, None)).logits, predicted)


def _use(
    net: AuditedNet, cause: Cause, class_index: int, scale: float, passes: Each
) -> tuple[ClassMaps | None, Use | None, int]:
    """The mean maps, the use, and how many passes it took; a cue that has no place in the picture has no use."""
    if CODES[cause.code].everywhere:
        return None, None, 0
    own = net.groups[cause.suspicion.label]
    found = list(zip(own, passes(net.own_map, own), strict=True))
    maps = {observation.source.name: of_image for observation, of_image in found if of_image is not None}
    again = sum(observation.map_class != class_index for observation, of_image in found if of_image is not None)
    weight = centred_weight(net.model, class_index)
    reference = reference_map(net.total, weight, list(maps.values()))
    shown = [(hit, maps[hit.name]) for hit in cause.hits if hit.name in maps]
    if reference is None or not shown:
        return None, None, again
    covers = [_cover(cause, hit, of_image.shape) for hit, of_image in shown]
    whole = np.ones_like(covers[0])
    mean: NDArray[np.float64] = np.mean([of_image for _, of_image in shown], axis=0, dtype=np.float64)
    cover: NDArray[np.float64] = np.mean(covers, axis=0, dtype=np.float64)
    use = Use(
        there=median(use_of(m, reference, cover, scale) for (_, m), cover in zip(shown, covers, strict=True)),
        everywhere=median(use_of(m, reference, whole, scale) for _, m in shown),
        area=median(float(cover.mean()) for cover in covers),
    )
    return ClassMaps(mean, reference, cover), use, again


def _removals(
    net: AuditedNet, cause: Cause, painted_over: Sequence[Trial], passes: Each
) -> tuple[dict[str, bool], int]:
    """By image that shows a local cue, whether its prediction changes when the cue is painted over; and the passes."""
    own = net.observations(cause.suspicion.label)
    changed = {
        trial.source.name: not net.model.predicts(trial.edited.logits, int(trial.before.argmax()))
        for trial in painted_over
    }

    def changes(hit: Hit) -> bool | None:
        try:
            rgb, _, _ = read_image(own[hit.name].source.path, needed=net.needed, ranges=net.ranges)
        except ImageError:
            return None
        return follows_cue(net, cause, hit, rgb, own[hit.name].predicted)

    hits = [hit for hit in cause.hits if hit.name not in changed] if CODES[cause.code].is_local else []
    more = {hit.name: change for hit, change in zip(hits, passes(changes, hits), strict=True) if change is not None}
    return changed | more, len(more)


def _groups(net: AuditedNet, cause: Cause, each: Each) -> Groups:
    label, among = cause.suspicion.label, cause.suspicion.looked_at
    class_index, shown = net.class_of[label], {hit.name for hit in cause.hits}
    recognisers = [suspicion.recogniser() for suspicion in cause.seen_by]

    def looked_at_in(group: Sequence[Observation]) -> Sequence[Observation]:
        return group if among is None else [each for each in group if each.source.name in among]

    foreign = [looked_at_in(group) for name, group in net.groups.items() if net.class_of[name] != class_index]
    # of each class alike, in the order in which they are drawn; of many classes, of some that are spread over them
    spread = foreign[:: max(1, -(-len(foreign) // MAX_OTHERS))]
    share = MAX_OTHERS // max(1, len(spread))
    others = [observation for group in spread for observation in group[:share]]

    def shows(observation: Observation) -> bool:
        return any(recognise(observation.features) for recognise in recognisers)

    alike = [other for other, does in zip(others, each(shows, others), strict=True) if does]

    def group(observations: Sequence[Observation]) -> Group:
        return Group(len(observations), sum(net.predicts(each, class_index) for each in observations))

    own = looked_at_in(net.groups[label])
    return Groups(
        group([each for each in own if each.source.name in shown]),
        group([each for each in own if each.source.name not in shown]),
        group(alike),
        len(others),
    )


def _cover(cause: Cause, hit: Hit, grid: tuple[int, ...]) -> Map:
    """How much of each cell belongs to the cue, 0..1."""
    height, width = grid
    if hit.box is None:
        # a colour is everywhere, and so is the class: only away from the object does it count as the cue's
        return border_cover((height, width))
    return box_cover(hit.box, (height, width))
