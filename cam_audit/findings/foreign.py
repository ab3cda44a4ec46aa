"""Whatever is foreign: whether one class gets images in which there is something that belongs to no class.

Asked once a scan, without a finder: things of random colours are pasted into images of all classes. The control is a
patch of another image of the same class at the same place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from cam_audit.findings.audited_net import AuditedNet, KeptPictures
from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import FOREIGN, MIN_FLIPS, codes_by_finder
from cam_audit.findings.counterfactual import ERROR_AT, LOOKS, Effect, Trial, effects_over
from cam_audit.findings.cues.records import Suspicion
from cam_audit.findings.evidence import Evidence
from cam_audit.findings.foreign_objects import OBJECTS
from cam_audit.findings.sample import MIN_IMAGES, Observation, partner_key
from cam_audit.findings.trials import Plan, partner_of, round_robin, run_plan
from cam_audit.records import Edit
from cam_audit.workers import Each

TEST = "foreign"
# An object covers so much of each side.
REACH = 0.65
# Of all images that leave their class with an object, the class gets at least so many.
MIN_PART = 0.5
# Of fewer classes one gets much of what turns, whatever they are.
_MIN_CLASSES = 5


def ask(net: AuditedNet, passes: Each) -> tuple[Evidence | None, int]:
    """What the class that gets whatever is foreign gets, None where there is none; and the forward passes spent.

    At least a tenth of the others' images become it, more than with the control by an interval that is corrected for
    all classes, and more than become any other class; and it gets half of all images that turn.
    """
    labels = {net.class_of[label]: label for label, group in net.groups.items() if len(group) >= MIN_IMAGES}
    if net.scale is None or len(labels) < _MIN_CLASSES:
        return None, 0
    plans = _plans(net, list(labels.values()))
    looks = 1 + (len(plans) > LOOKS[0])
    trials: list[Trial] = []
    picture = KeptPictures(net)
    for number in range(looks):
        begin, end = (0, *LOOKS)[number : number + 2]
        tried = passes(lambda plan: run_plan(net, plan, picture), plans[begin:end])
        trials += [trial for trial in tried if trial]
        of_class = {index: [trial for trial in trials if trial.class_index != index] for index in labels}
        effects = effects_over(
            [(TEST, own, index) for index, own in of_class.items()],
            net.scale,
            ERROR_AT[looks][number],
            net.model.predicts,
        )
        effects = _ranked(effects)
        gaining = [(labels[index], effect) for index, effect in effects if _gains(net, effect, trials)]
        if gaining or all(effect.flips.value < MIN_FLIPS / 2 for _, effect in effects):
            break
    spent = 2 * len(trials)
    if not gaining:
        return None, spent
    label, effect = gaining[0]
    class_index = net.class_of[label]
    suspicion = Suspicion(
        finder=FOREIGN,
        label=label,
        score=effect.flips.value,
        threshold=MIN_FLIPS,
        images=len(net.groups[label]),
        hits=(),
        cue="gets images with something foreign in them, whatever it is",
        numbers={"objects": OBJECTS},
    )
    cause = Cause(codes_by_finder()[FOREIGN], suspicion)
    return Evidence(cause, class_index, effects=(effect,), trials={TEST: of_class[class_index]}, passes=spent), spent


def _ranked(effects: Sequence[tuple[int, Effect]]) -> list[tuple[int, Effect]]:
    """Effects ranked by how many images turn: by how a score moves, every class that gains a little would compete."""
    shares = [effect.flips.value for _, effect in effects]
    return [
        (index, replace(effect, rank=1 + sum(share > effect.flips.value for share in shares), z=None))
        for index, effect in effects
    ]


def _gains(net: AuditedNet, effect: Effect, trials: Sequence[Trial]) -> bool:
    """Whether images become the class, and it gets most of those that leave their own, its own images among them."""
    if not effect.turns or not effect.stands_out:
        return False
    left = sum(not net.model.predicts(trial.edited.logits, trial.class_index) for trial in trials)
    return effect.turned >= MIN_PART * left


def _plans(net: AuditedNet, labels: Sequence[str]) -> list[Plan]:
    """What is done to each target: all objects take turns, at a place drawn by a hash of the image."""
    groups = [filter(net.is_right, net.groups[label]) for label in labels]
    targets = islice(round_robin(groups), LOOKS[-1])
    return [_plan(net, target, number % OBJECTS) for number, target in enumerate(targets)]


def _plan(net: AuditedNet, target: Observation, number: int) -> Plan:
    label = target.source.label
    drawn = partner_key(target.source, net.class_of[label], TEST.encode())
    left, top = ((1 - REACH) * byte / 255 for byte in drawn[:2])
    box = left, top, left + REACH, top + REACH
    twin = partner_of(net, target, [net.groups[label]])
    return Plan(target, Edit(TEST, box=box, amounts=(float(number),)), target, Edit("paste", box=box), twin)
