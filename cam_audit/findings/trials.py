"""Runs the counterfactual tests of a cause: which images take part, in which order, and when there are enough."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, zip_longest

from cam_audit.findings.audited_net import AuditedNet, KeptPictures
from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import CODES, CONTEXT, codes_by_finder, counterfactual
from cam_audit.findings.counterfactual import (
    ERROR_AT,
    LOOKS,
    CueTest,
    Effect,
    MadeEdit,
    Roles,
    Trial,
    effects_of,
    shown,
)
from cam_audit.findings.cues import finders
from cam_audit.findings.edits import apply, needs_donor
from cam_audit.findings.sample import Observation, draw_key, partner_key
from cam_audit.images.rgb import RgbImage
from cam_audit.records import Edit, ImageSource
from cam_audit.workers import Each

# What is drawn for targets is kept for so many, 8 bytes a class.
KEPT_DRAWS = 256
_OF_SURROUNDINGS = {"border", CONTEXT}

Trials = Mapping[str, Sequence[Trial]]
PictureOf = Callable[[Observation], RgbImage | None]


@dataclass(frozen=True)
class Plan:
    """A target, and the edit and the control that it gets, each with the image that takes part."""

    target: Observation
    edit: Edit
    donor: Observation
    control: Edit
    control_donor: Observation


@dataclass(frozen=True, eq=False)
class Outcome:
    """A cause with the effects of its tests, and their trials by the name of the test.

    `cause` is named by another of its finders where the test of that one shows that it is what the net follows.
    """

    cause: Cause
    effects: tuple[Effect, ...]
    trials: Trials


def run_tests(net: AuditedNet, cause: Cause, scale: float, passes: Each) -> Outcome:
    """Plant a cue by all tests that suit it, then take it away, by the tests of the finder that names the cause.

    All tests begin with the first of LOOKS images. Those that this does not settle go on to the next one, unless it
    has already been shown that predictions change when the cue is planted.
    """
    class_index = net.class_of[cause.suspicion.label]
    plans = {name: _plans(net, cause, test) for name, test in _tests(net, cause).items()}
    looks = 1 + any(len(planned) > LOOKS[0] for planned in plans.values())
    trials: dict[str, list[Trial]] = {}
    picture = KeptPictures(net)

    def look(number: int, names: Iterable[str]) -> tuple[Effect, ...]:
        begin, end = (0, *LOOKS)[number : number + 2]
        # one image after the other, so that what is in memory serves all its tests
        rounds = zip_longest(*([(name, plan) for plan in plans[name][begin:end]] for name in names))
        planned = [named for of_image in rounds for named in of_image if named]
        tried = passes(lambda named: run_plan(net, named[1], picture), planned)
        for (name, _), trial in zip(planned, tried, strict=True):
            if trial:
                trials.setdefault(name, []).append(trial)
        return effects_of(list(trials.items()), class_index, scale, ERROR_AT[looks][number], net.model.predicts)

    effects = look(0, [name for name in plans if not counterfactual(name).takes_away])
    cause = _named_by(cause, effects)
    own_tests = _own_tests(cause)
    effects = look(0, [name for name in plans if name in own_tests and counterfactual(name).takes_away])
    if looks > 1 and not any(effect.turns and not effect.takes_away for effect in effects):
        effects = look(1, [effect.test for effect in effects if not effect.is_settled])
    return Outcome(cause, effects, trials)


def _tests(net: AuditedNet, cause: Cause) -> dict[str, CueTest]:
    """The tests that suit a cause, by name: those of all finders that saw it, of local cues or of the others.

    A cause that covers what others see has its own tests alone: foreign surroundings change more than bars do.
    """
    known, codes = finders(), codes_by_finder()
    features = {label: [observation.features for observation in group] for label, group in net.groups.items()}
    tests: dict[str, CueTest] = {}
    judges = [cause.suspicion] if cause.suspicion.covers else cause.finders.values()
    for suspicion in judges:
        name = suspicion.finder
        if CODES[codes[name]].is_local == CODES[cause.code].is_local:
            for test in known[name].tests(suspicion, features) if name in known else suspicion.tests:
                tests.setdefault(test.name, test)
    return tests


def _named_by(cause: Cause, effects: Sequence[Effect]) -> Cause:
    """The cause as the finder names it whose test shows most. Marks, and what covers what others see, keep their name.

    Where as much is shown of a background as of a cast, it is the background, which has a colour of its own.
    """
    if CODES[cause.code].is_local or cause.suspicion.covers:
        return cause
    by_test = {effect.test: shown(effect) for effect in effects}

    def most(finder: str) -> tuple[bool, bool, float]:
        tests = CODES[codes_by_finder()[finder]].tests
        return max((by_test[test.name] for test in tests if test.name in by_test), default=(False, False, 0.0))

    # in the order of the table of codes, in which the background comes first
    covering = {name for name, suspicion in cause.finders.items() if suspicion.covers}
    of_pixels = [finder for finder in codes_by_finder() if finder in cause.finders.keys() - {CONTEXT} - covering]
    best = max(of_pixels, key=lambda finder: most(finder)[:2], default=CONTEXT)
    if CONTEXT in cause.finders and most(CONTEXT) > most(best):
        best = CONTEXT
    return cause.named_by(best) if any(most(best)[:2]) else cause


def _own_tests(cause: Cause) -> set[str]:
    """The tests of the finder that names a cause; of surroundings, those of the pixels and those of the map."""
    naming = {cause.suspicion.finder}
    if naming <= _OF_SURROUNDINGS:
        naming = _OF_SURROUNDINGS & cause.finders.keys()
    return {test.name for finder in naming for test in CODES[codes_by_finder()[finder]].tests}


def _plans(net: AuditedNet, cause: Cause, test: CueTest) -> list[Plan]:
    """What is done to each target.

    Which other image takes part is drawn for each target by a hash of the two, so that many take turns, and a target
    keeps its partners whichever other images come or go.
    """
    label = cause.suspicion.label
    class_index = net.class_of[label]
    hits = {hit.name: hit for hit in test.hits}
    own = [observation for observation in net.groups[label] if observation.source.name in hits]
    foreign = [_among(test, group) for name, group in net.groups.items() if net.class_of[name] != class_index]
    foreign = [group for group in foreign if group]
    if not own or not foreign:
        return []
    plans = []
    if test.about.takes_away:
        for target in [observation for observation in own if net.is_right(observation)][: LOOKS[-1]]:
            # the control's donor is another image of the class that shows the cue
            hit, other, twin = (
                hits[target.source.name],
                partner_of(net, target, foreign),
                partner_of(net, target, [own]),
            )
            edit = test.edit(Roles(hit, target.source, other.source, other.source))
            control = test.control(Roles(hit, target.source, twin.source, other.source))
            plans.append(Plan(target, edit, other, control, twin))
        return plans
    for target in islice(round_robin([filter(net.is_right, group) for group in foreign]), LOOKS[-1]):
        donor = partner_of(net, target, [own])
        # of two classes there is no third, and the control's donor is of the target's own
        thirds = [group for group in foreign if group[0].source.label != target.source.label] or foreign
        third = partner_of(net, target, thirds)
        hit = hits[donor.source.name]
        edit = test.edit(Roles(hit, target.source, donor.source, third.source))
        control = test.control(Roles(hit, target.source, third.source, third.source))
        plans.append(Plan(target, edit, donor, control, third))
    return plans


def _among(test: CueTest, group: Sequence[Observation]) -> Sequence[Observation]:
    """Those of a group that may take part."""
    return group if test.among is None else [each for each in group if each.source.name in test.among]


def partner_of(net: AuditedNet, target: Observation, groups: Sequence[Sequence[Observation]]) -> Observation:
    """The image that takes part in what is done to a target, of one of the groups; not itself if there is another."""

    class_index = net.class_of[target.source.label]
    group = groups[0]
    if len(groups) > 1:
        classes = tuple(net.class_of.values())
        drawn = dict(zip(classes, _drawn(target.source, class_index, classes), strict=True))
        group = min(groups, key=lambda group: drawn[net.class_of[group[0].source.label]])
    return min(
        group, key=lambda other: (other is target, partner_key(target.source, class_index, draw_key(other.source)))
    )


@lru_cache(maxsize=KEPT_DRAWS)
def _drawn(source: ImageSource, class_index: int, classes: Sequence[int]) -> Sequence[int]:
    """For each class, a number that decides whether one of its images takes part in what is done to an image.

    Kept, as each of a thousand classes may have a cause, and most causes have the same targets.
    """
    keys = (partner_key(source, class_index, b"%d" % index) for index in classes)
    return array("Q", [int.from_bytes(key, "big") for key in keys])


def run_plan(net: AuditedNet, plan: Plan, picture_of: PictureOf) -> Trial | None:
    """None where a picture can no longer be read, which takes no pass."""
    target, picture = plan.target, picture_of(plan.target)
    donor = picture_of(plan.donor) if needs_donor(plan.edit) else None
    other = picture_of(plan.control_donor) if needs_donor(plan.control) else None
    if picture is None or (donor is None and needs_donor(plan.edit)) or (other is None and needs_donor(plan.control)):
        return None
    edited = _step(net, plan.edit, picture, plan.donor, donor)
    control = _step(net, plan.control, picture, plan.control_donor, other)
    size = (picture.shape[1], picture.shape[0])
    before = net.model.run(picture).logits if target.logits is None else target.logits
    return Trial(target.source, net.class_of[target.source.label], size, before, edited, control)


def _step(net: AuditedNet, edit: Edit, picture: RgbImage, donor: Observation, other: RgbImage | None) -> MadeEdit:
    """An edit with the donor's picture, None where it takes no part."""
    logits = net.model.run(apply(edit, picture, other)).logits
    if other is None:
        return MadeEdit(edit, None, None, logits)
    return MadeEdit(edit, donor.source.name, (other.shape[1], other.shape[0]), logits)


def round_robin(groups: Iterable[Iterable[Observation]]) -> Iterator[Observation]:
    """All observations, taken from each group in turn, and only as many as are asked for."""
    turns = [iter(group) for group in groups]
    while turns:
        left = []
        for turn in turns:
            for observation in islice(turn, 1):
                left.append(turn)
                yield observation
        turns = left
