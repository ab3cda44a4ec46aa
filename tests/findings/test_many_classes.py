"""What the audit does for a class does not take a pass over all classes where there are thousands: counts and sizes."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from measured import cells, observed

from cam_audit.findings import counterfactual, examine, foreign, trials
from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.causes import Cause
from cam_audit.findings.counterfactual import Effect, MadeEdit, Roles, Trial
from cam_audit.findings.cues import colour, colour_probe
from cam_audit.findings.cues.records import Hit, ImageFeatures, Suspicion
from cam_audit.findings.cues.values import value_shares
from cam_audit.findings.evidence import Evidence
from cam_audit.findings.intervals import Estimate
from cam_audit.findings.sample import partner_key
from cam_audit.models.model import Model
from cam_audit.records import Edit, ImageSource
from cam_audit.workers import one_by_one

CLASSES, OF_CLASS = 400, 5
LABELS = np.repeat(np.arange(CLASSES), OF_CLASS)
# All scores of all images, in bytes.
ALL = 4 * CLASSES * len(LABELS)


def peak(function: Callable[[], object]) -> int:
    """The most that was allocated meanwhile, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_scores_of_all_classes_are_in_memory_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colour_probe, "_BLOCK_ELEMENTS", 1 << 13)
    features = np.random.default_rng(0).normal(size=(len(LABELS), 3)).astype(np.float32)
    assert ALL < peak(lambda: colour_probe.nearness_to_classes(features, LABELS)) < 1.5 * ALL


@pytest.mark.parametrize("kinds", [2, len(LABELS)])
def test_shares_of_values_are_in_memory_for_one_class(kinds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cam_audit.findings.cues.values._BLOCK_ELEMENTS", 1 << 13)
    values = np.array([str(number % kinds) for number in range(len(LABELS))])
    assert peak(lambda: [value_shares(values, LABELS)(k) for k in range(9)]) < ALL / 4


def test_an_image_is_compared_with_all_classes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Counter[str]()
    partition = np.partition

    def counted(*arguments: object, **how: object) -> object:
        calls["partition"] += 1
        return partition(*arguments, **how)  # type: ignore[call-overload]

    features = np.random.default_rng(0).normal(size=(len(LABELS), 3)).astype(np.float32)
    recognise = colour_probe._recogniser(lambda image: image["colour"], features, LABELS, 7, -9.0)
    monkeypatch.setattr(np, "partition", counted)
    assert recognise(ImageFeatures("a", "", {"colour": features[36]}))
    # of classes of one size, and the nearest two
    assert calls["partition"] == 2


def test_only_the_casts_that_are_tried_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Counter[str]()
    to_rgb = colour.to_rgb

    def counted(lab: object) -> object:
        calls["to_rgb"] += 1
        return to_rgb(lab)  # type: ignore[arg-type]

    monkeypatch.setattr(colour, "to_rgb", counted)
    groups = {str(k): [ImageFeatures(f"{k}/0", str(k), {"colour": np.full(6, k, np.float32)})] for k in range(CLASSES)}
    given, _ = colour.tests(Suspicion("colour", "3", 1, 0, 1, (Hit("3/0", 1),), "", {}), groups)
    source = ImageSource("", "5/0", "5", 5)
    given.control(Roles(given.hits[0], source, source, source))
    # the mean of the class, and that of the others
    assert calls["to_rgb"] == 2


def test_partners_of_an_image_are_drawn_once_for_all_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Counter[str]()

    def counted(source: ImageSource, class_index: int, drawn: bytes) -> bytes:
        calls[source.name] += 1
        return partner_key(source, class_index, drawn)

    monkeypatch.setattr(trials, "partner_key", counted)
    trials._drawn.cache_clear()
    groups = {
        str(k): [SimpleNamespace(source=ImageSource("", f"{k}/{n}.png", str(k), k)) for n in range(2)]
        for k in range(CLASSES)
    }
    net = SimpleNamespace(class_of={label: int(label) for label in groups})
    target, causes = groups["0"][0], range(1, 51)
    for cause in causes:
        foreign_groups = [group for label, group in groups.items() if int(label) not in (0, cause)]
        partner = trials.partner_of(net, target, foreign_groups)  # type: ignore[arg-type]
        drawn = {k: partner_key(target.source, 0, b"%d" % k) for k in range(1, CLASSES) if k != cause}
        assert partner.source.label == str(min(drawn, key=drawn.__getitem__))
    assert calls["0/0.png"] == CLASSES + 2 * len(causes)


def test_targets_are_looked_for_only_until_there_are_enough() -> None:
    looked_at: list[int] = []

    def right(number: int) -> bool:
        looked_at.append(number)
        return number % 7 != 0

    turns = trials.round_robin([filter(right, range(group, 10_000, 100)) for group in range(100)])  # type: ignore[arg-type]
    first = [next(turns) for _ in range(120)]
    assert len(looked_at) < 300
    in_turn = [[number for number in range(group, 10_000, 100) if number % 7] for group in range(100)]
    assert first == [turn[place] for place in range(2) for turn in in_turn if turn][:120]


@pytest.fixture
def net(tmp_path: Path, model: Model) -> AuditedNet:
    """Twelve images of each colour."""
    return audited_net(
        model, observed(tmp_path, model, {name: [cells(**{name: 8})] * 12 for name in ("red", "green", "blue")}, {})
    )


def test_what_is_foreign_is_asked_without_the_places_of_all_classes(
    net: AuditedNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These take all scores of all trials, for each class."""

    def run(net: AuditedNet, plan: object, picture: object) -> Trial:
        target = plan.target  # type: ignore[attr-defined]
        step = MadeEdit(Edit("foreign"), None, None, target.logits)
        return Trial(target.source, net.class_of[target.source.label], (32, 32), target.logits, step, step)

    monkeypatch.setattr(foreign, "_MIN_CLASSES", 3)
    monkeypatch.setattr(foreign, "run_plan", run)
    monkeypatch.setattr(counterfactual, "_standing", lambda *_: pytest.fail("the places of all classes"))
    evidence, passes = foreign.ask(net, one_by_one)
    assert evidence is None
    assert passes > 0


def test_the_scores_of_trials_are_not_kept_until_all_causes_are_measured(
    net: AuditedNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = Cause("CA204", Suspicion("colour", "red", 1, 0, 12, (Hit("red/00.png", 1),), "", {}))
    step = MadeEdit(Edit("surroundings"), None, None, np.zeros(4, np.float32))
    trial = Trial(net.groups["red"][0].source, 0, (32, 32), step.logits, step, step)
    effect = Effect("cast", 6, 0, 0, Estimate(0, 0, 0), Estimate(0, 0, 0))
    kept, edited = examine._without_trials(
        net.model, Evidence(cause, 0, effects=(effect,), trials={"cast": [trial] * 6})
    )
    assert kept.trials == {}
    assert edited is not None
    assert [each.path for each in edited] == [trial.source.name] * 6
    assert examine._without_trials(net.model, Evidence(cause, 0))[1] is None
