"""Evidence about a cue: does the net look at it (use), does the prediction follow it (counterfactual)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from statistics import median

import numpy as np
from numpy.typing import NDArray

from cam_audit.cam import Map
from cam_audit.errors import ImageError
from cam_audit.findings import counterfactual as cf
from cam_audit.findings.causes import MAX_LOCAL_AREA, Cause
from cam_audit.findings.codes import CODES
from cam_audit.findings.cues import finders
from cam_audit.findings.cues.records import Hit
from cam_audit.findings.map_use import ActivationSum, border_cover, box_cover, centred_weight, reference_map, use_of
from cam_audit.findings.sample import Collected, Observation
from cam_audit.images.decode import read_image
from cam_audit.images.rgb import RgbImage
from cam_audit.models.model import Model
from cam_audit.records import ClassMaps, area_of
from cam_audit.workers import Each, one_by_one

TARGETS = 12
DONORS = 6


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was measured about a cue.

    `class_index`: the class whose score was measured; `use`: see `map_use.use_of`, the median over the images
    that show the cue, None where there was nothing to measure; `effects`: one a counterfactual test; `changed`: by
    image, whether its prediction changed when the cue was painted over.
    """

    class_index: int
    use: float | None
    maps: ClassMaps | None
    effects: tuple[cf.Effect, ...]
    changed: Mapping[str, bool]

    @property
    def passes(self) -> int:
        """Forward passes spent."""
        return sum(effect.passes for effect in self.effects) + len(self.changed)


@dataclass(frozen=True, eq=False)
class AuditedNet:
    """A net and what was observed of it, ready to measure causes.

    `groups`: the observations of each class folder, by name; `class_of`: the class that is measured for each folder;
    `total`: the sum of all activations; `scale`: the median correct margin, in logits, None where no prediction is
    right. `shortest` as in `Model.fit`, `needed` as in `decode`: pictures enter the net as they did in the scan.
    """

    model: Model
    groups: Mapping[str, Sequence[Observation]]
    class_of: Mapping[str, int]
    total: ActivationSum
    scale: float | None
    shortest: int | None = None
    needed: int | None = None

    def observations(self, label: str) -> dict[str, Observation]:
        """Those of a class folder, by the name of their image."""
        return {observation.source.name: observation for observation in self.groups[label]}

    def picture(self, observation: Observation) -> RgbImage | None:
        """A picture as it enters the net; None for one that can no longer be read."""
        try:
            return self.model.fit(read_image(observation.source.path, needed=self.needed)[0], self.shortest)
        except ImageError:
            return None


def audited_net(
    model: Model, collected: Collected, *, shortest: int | None = None, needed: int | None = None
) -> AuditedNet:
    """A net with what a scan collected; the numbers are those of `AuditedNet`."""
    groups: dict[str, list[Observation]] = {}
    for _, observation in sorted(collected.observations.items()):
        groups.setdefault(observation.source.label, []).append(observation)
    margins = [o.margin for o in chain.from_iterable(groups.values()) if o.predicted == o.measured]
    return AuditedNet(
        model,
        groups,
        {label: _class_of(group) for label, group in groups.items()},
        collected.total,
        (median(margins) or None) if margins else None,
        shortest,
        needed,
    )


def measure(net: AuditedNet, cause: Cause, each: Each = one_by_one) -> Evidence:
    """Measure use and counterfactuals of one cause; `each` is `map`, or one that uses several cores."""
    class_index = net.class_of[cause.suspicion.label]
    if net.scale is None or CODES[cause.code].in_file:
        # what a file is, is not in its pixels: nothing to plant and no cells to look at
        return Evidence(class_index, None, None, (), {})
    maps, use = _use(net, cause, class_index, net.scale)
    effects = _effects(net, cause, class_index, net.scale, each)
    return Evidence(class_index, use, maps, effects, _removals(net, cause, each))


def follows_cue(net: AuditedNet, cause: Cause, hit: Hit, rgb: RgbImage, predicted: int) -> bool | None:
    """Whether the prediction for an image that shows a local cue changes when the cue is painted over.

    rgb: the decoded image. None where the cue can't be painted over; otherwise it took one forward pass.
    """
    if not CODES[cause.code].is_local or hit.box is None or net.scale is None:
        return None
    picture = net.model.fit(rgb, net.shortest)
    overlay = cause.suspicion.overlay
    if overlay is not None:
        without = cf.without_strokes(picture, cf.strokes_of(overlay))
    elif area_of(hit.box) <= MAX_LOCAL_AREA:
        without = cf.without_box(picture, hit.box)
    else:
        return None
    return int(net.model.run(without).logits.argmax()) != predicted


def _use(net: AuditedNet, cause: Cause, class_index: int, scale: float) -> tuple[ClassMaps | None, float | None]:
    own = {name: o for name, o in net.observations(cause.suspicion.label).items() if o.measured == class_index}
    weight = centred_weight(net.model, class_index)
    reference = reference_map(net.total, weight, [o.own_map for o in own.values()])
    shown = [(hit, own[hit.name].own_map) for hit in cause.hits if hit.name in own]
    if reference is None or not shown:
        return None, None
    uses = [use_of(own_map, reference, _cover(cause, hit, own_map.shape), scale) for hit, own_map in shown]
    mean: NDArray[np.float64] = np.mean([own_map for _, own_map in shown], axis=0, dtype=np.float64)
    return ClassMaps(mean, reference), median(uses)


def _effects(net: AuditedNet, cause: Cause, class_index: int, scale: float, each: Each) -> tuple[cf.Effect, ...]:
    others = [group for label, group in net.groups.items() if label != cause.suspicion.label]
    targets = _round_robin(
        [[o for o in group if o.predicted == o.measured != class_index] for group in others], TARGETS
    )
    # begun one class later and from the other end, so that a control is not the target and seldom of its class
    controls = _round_robin([group[::-1] for group in others[1:] + others[:1]], TARGETS)
    tests = _tests(cause, len(net.model.class_names))
    own = net.observations(cause.suspicion.label)
    donors = {hit.name: own[hit.name] for test in tests for hit in test.hits[:DONORS]}
    donor_pictures = dict(zip(donors, each(net.picture, donors.values()), strict=True))

    def try_all(numbered: tuple[int, tuple[Observation, Observation]]) -> list[cf.Trial | None]:
        """Every test on one target."""
        number, (target, control) = numbered
        target_picture, control_picture = net.picture(target), net.picture(control)
        trials: list[cf.Trial | None] = []
        for test in tests:
            hit = test.hits[number % min(DONORS, len(test.hits))]
            donor_picture = donor_pictures[hit.name]
            if target_picture is None or donor_picture is None or control_picture is None:
                trials.append(None)
                continue
            planted, controlled = test.plant(target_picture, donor_picture, control_picture, hit)
            untouched = controlled is target_picture
            logits = target.logits if untouched else net.model.run(controlled).logits
            trials.append(cf.Trial(target.measured, net.model.run(planted).logits, logits, untouched))
        return trials

    tried = list(each(try_all, enumerate(zip(targets, controls, strict=False))))
    effects = []
    for index, test in enumerate(tests):
        trials = [trial for trials in tried if (trial := trials[index])]
        if trials:
            effects.append(cf.measure(test.name, class_index, trials, scale, specific=test.specific))
    return tuple(effects)


def _removals(net: AuditedNet, cause: Cause, each: Each) -> dict[str, bool]:
    """By image that shows a local cue, whether its prediction changes when the cue is painted over."""
    own = net.observations(cause.suspicion.label)

    def changes(hit: Hit) -> bool | None:
        try:
            rgb, _, _ = read_image(own[hit.name].source.path, needed=net.needed)
        except ImageError:
            return None
        return follows_cue(net, cause, hit, rgb, own[hit.name].predicted)

    hits = cause.hits if CODES[cause.code].is_local else []
    changed = zip(hits, each(changes, hits), strict=True)
    return {hit.name: change for hit, change in changed if change is not None}


def _tests(cause: Cause, classes: int) -> list[cf.CueTest]:
    """The tests that suit a cause (detection study, "Counterfactual"), for a net of so many classes."""
    known = finders()
    seen = cause.finders.values() if CODES[cause.code].is_local else [cause.suspicion]
    return [test for suspicion in seen for test in known[suspicion.finder].tests(suspicion, classes)]


def _cover(cause: Cause, hit: Hit, grid: tuple[int, int]) -> Map:
    """How much of each cell belongs to the cue, 0..1."""
    if hit.box is None:
        # a colour is everywhere, and so is the class: only away from the object does it count as the cue's
        return border_cover(grid)
    return box_cover(hit.box, grid)


def _class_of(group: Sequence[Observation]) -> int:
    """The folder's class; where it stands for none, the one that the net predicts most in it."""
    label_class = group[0].source.label_class
    if label_class is not None:
        return label_class
    return Counter(o.predicted for o in group).most_common(1)[0][0]


def _round_robin(groups: Sequence[Sequence[Observation]], count: int) -> list[Observation]:
    """The first `count` observations, taken from each group in turn."""
    taken = chain.from_iterable(zip_longest(*groups))
    return [observation for observation in taken if observation is not None][:count]
