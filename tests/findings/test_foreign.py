"""Which class gets what is foreign, by what a net is made to say of each picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from measured import cells, observed

from cam_audit.findings import foreign
from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.counterfactual import MadeEdit, Trial
from cam_audit.findings.decision import severity
from cam_audit.findings.foreign_objects import OBJECTS
from cam_audit.findings.trials import Plan
from cam_audit.models.model import Model
from cam_audit.workers import one_by_one

COLOURS = ("red", "green", "blue")
# By the number of a target among all, what the net says of it with an object, and with the control; None: its class.
Says = Callable[[int], tuple[str | None, str | None]]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory, model: Model) -> AuditedNet:
    """Thirty images of each colour, the last of the red ones predicted as blue."""
    pictures = {colour: [cells(**{colour: 8})] * 30 for colour in COLOURS}
    pictures["red"] = [*pictures["red"][:29], cells(blue=8)]
    return audited_net(model, observed(tmp_path_factory.mktemp("foreign"), model, pictures, {}))


@pytest.fixture
def few_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' net has four classes, too few for a scan to ask."""
    monkeypatch.setattr(foreign, "_MIN_CLASSES", len(COLOURS))


@pytest.fixture
def asked(
    net: AuditedNet, few_classes: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Says], tuple[foreign.Evidence | None, int]]:
    def ask(says: Says) -> tuple[foreign.Evidence | None, int]:
        plans = foreign._plans(net, sorted(net.groups))
        numbers = {plan.target.source.name: number for number, plan in enumerate(plans)}

        def run(net: AuditedNet, plan: Plan, picture: object) -> Trial:
            own = net.class_of[plan.target.source.label]

            def step(edit: object, said: str | None) -> MadeEdit:
                logits = np.zeros(4, np.float32)
                logits[own if said is None else net.model.class_names.index(said)] = 1
                return MadeEdit(edit, None, None, logits)  # type: ignore[arg-type]

            edited, control = says(numbers[plan.target.source.name])
            source, before = plan.target.source, plan.target.logits
            return Trial(source, own, (32, 32), before, step(plan.edit, edited), step(plan.control, control))

        monkeypatch.setattr(foreign, "run_plan", run)
        return foreign.ask(net, one_by_one)

    return ask


def test_the_class_that_gets_half_of_all_that_turns_is_found(asked: Callable[..., tuple]) -> None:
    # blue, green and red take turns, so of 36 images 24 are not blue, and all of these turn
    evidence, passes = asked(lambda number: ("blue", None))
    (effect,) = evidence.effects
    assert (evidence.cause.code, evidence.cause.suspicion.label) == ("CA209", "blue")
    assert (effect.images, effect.turned, effect.control_turned) == (24, 24, 0)
    assert evidence.cause.suspicion.score == 1
    # it is settled with the first 36, each with an object and with its control
    assert passes == evidence.passes == 72
    # some class must get what a net does not know, so it is no more, whatever turns
    assert effect.turns
    assert effect.stands_out
    assert severity(30, evidence) == "note"


@pytest.mark.parametrize(
    "says",
    [
        lambda number: (None, None),
        lambda number: ("blue", "blue"),
        # whatever leaves its class is spread
        lambda number: (COLOURS[number // 3 % 3], None),
        # it becomes what no folder is
        lambda number: ("other", None),
        # one of 24 in all
        lambda number: ("blue" if number == 1 else None, None),
    ],
    ids=["nothing", "control", "spread", "elsewhere", "seldom"],
)
def test_no_class_is_found_where_none_gets_what_turns(says: Says, asked: Callable[..., tuple]) -> None:
    assert asked(says)[0] is None


def test_more_images_are_asked_while_the_first_do_not_decide(asked: Callable[..., tuple]) -> None:
    # six of 24, which is not certain, and twelve of 48
    evidence, passes = asked(lambda number: ("blue" if number % 6 == 1 else None, None))
    assert passes == 144
    assert evidence.effects[0].images == 48
    # where hardly any turns that is not worth its time
    assert asked(lambda number: (None, None))[1] == 72


def test_all_objects_take_turns_and_the_control_is_of_the_same_class(net: AuditedNet) -> None:
    plans = foreign._plans(net, sorted(net.groups))
    assert len(plans) == 72
    assert [plan.edit.amounts for plan in plans[: 2 * OBJECTS]] == [(float(i % OBJECTS),) for i in range(2 * OBJECTS)]
    assert [plan.target.source.label for plan in plans[:6]] == ["blue", "green", "red"] * 2
    for plan in plans:
        left, top, right, bottom = plan.edit.box
        assert 0 <= left < right <= 1 + 1e-9
        assert 0 <= top < bottom <= 1 + 1e-9
        assert (right - left, bottom - top) == pytest.approx((foreign.REACH, foreign.REACH))
        assert (plan.control.name, plan.control.box) == ("paste", plan.edit.box)
        assert plan.control_donor.source.label == plan.target.source.label
        assert plan.control_donor is not plan.target
        assert net.is_right(plan.target)
    assert len({plan.edit.box for plan in plans}) > 60


def test_a_net_of_few_classes_is_not_asked(net: AuditedNet) -> None:
    # of three classes one gets much of what turns, whatever they are
    assert foreign.ask(net, one_by_one) == (None, 0)


@pytest.mark.usefixtures("few_classes")
def test_the_net_is_asked_with_real_pictures(net: AuditedNet) -> None:
    evidence, passes = foreign.ask(net, one_by_one)
    assert passes in (72, 144)
    if evidence:
        assert {trial.edited.edit.name for trial in evidence.trials["foreign"]} == {"foreign"}
