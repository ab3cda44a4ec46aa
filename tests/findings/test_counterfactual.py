"""What trials come to, from logits written by hand: shares, gains, intervals, rank and z, and what they show."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pytest

from cam_audit.findings.codes import MIN_FLIPS, counterfactual, counterfactuals
from cam_audit.findings.counterfactual import (
    ERROR_AT,
    LOOKS,
    MANY_CLASSES,
    MIN_TARGETS,
    Effect,
    MadeEdit,
    Trial,
    effects_of,
    strongest,
)
from cam_audit.findings.intervals import Estimate, mean_interval, paired_difference
from cam_audit.records import Edit, ImageSource

Numbers = Sequence[float]
CUE, OWN, THIRD = range(3)
SCALE = 2.0
# One test at one look.
ALONE = 0.05


def trial(edited: Numbers, control: Numbers, *, own: int = OWN, before: Numbers | None = None) -> Trial:
    """An image of class `own` with these logits after the edit and after the control."""

    def step(logits: Numbers) -> MadeEdit:
        return MadeEdit(Edit("cast"), None, None, np.array(logits, np.float32))

    source = ImageSource("", "a.png", "a", own)
    return Trial(source, own, (8, 8), np.array(before or control, np.float32), step(edited), step(control))


def of_one(test: str, trials: Sequence[Trial], error: float = ALONE) -> Effect:
    (effect,) = effects_of([(test, trials)], CUE, SCALE, error)
    return effect


# Of six images the class's logit rises; four become the class, one of them with the control too.
PLANTED = [
    trial([5, 4, 0], [1, 4, 0]),  # cue +4, own 0
    trial([6, 2, 0], [2, 4, 0]),  # cue +4, own -2
    trial([3, 4, 0], [1, 4, 0]),  # +2, and keeps its own
    trial([9, 4, 0], [5, 4, 0]),  # +4, and the control turned as well
    trial([4, 1, 5], [4, 3, 0]),  # own -2: no longer its own, but a third class
    trial([7, 5, 0], [3, 5, 0]),  # +4
]
PLANTED_GAINS = [4 / SCALE, 6 / SCALE, 2 / SCALE, 4 / SCALE, 2 / SCALE, 4 / SCALE]


def test_a_planted_cue_gains_and_turns_what_the_logits_say() -> None:
    effect = of_one("paste", PLANTED)
    assert (effect.test, effect.images) == ("paste", 6)
    # the fifth was the cue's class with the control, and is the third's with the edit
    assert (effect.turned, effect.control_turned) == (4, 2)
    assert effect.flips == paired_difference(
        [True, True, False, True, False, True], [False, False, False, True, True, False]
    )
    assert effect.gain.value == pytest.approx(statistics.fmean(PLANTED_GAINS))
    assert effect.gain == mean_interval(PLANTED_GAINS)
    assert not effect.takes_away


def test_a_cue_that_is_taken_away_costs_margin_and_turns_what_leaves_the_class() -> None:
    trials = [
        trial([1, 4, 0], [5, 4, 0], own=CUE),  # margin 1 to -3, leaves
        trial([5, 4, 0], [6, 4, 0], own=CUE),  # margin 2 to 1
        trial([5, 0, 6], [6, 4, 0], own=CUE),  # margin 2 to -1, to a third class
        trial([1, 4, 0], [3, 4, 0], own=CUE),  # margin -1 to -3, left with the control too
    ]
    effect = of_one("cast_taken", trials)
    assert effect.takes_away
    assert (effect.turned, effect.control_turned) == (3, 1)
    # of the fourth, -1 to -3
    assert effect.gain == mean_interval([4 / SCALE, 1 / SCALE, 3 / SCALE, 2 / SCALE])
    assert effect.flips == paired_difference([True, False, True, True], [False, False, False, True])
    # the cue's class lost 4, 1, 1 and 2; the second nothing; the third gained 6 in one of four
    assert effect.rank == 1
    more = of_one("cast_taken", [trial([5, 0, 0], [6, 4, 0], own=CUE)] * 4)
    assert more.rank == 2


@pytest.mark.parametrize(
    ("changes", "rank"),
    [
        ((3, 0, 0), 1),
        ((3, 0, 2), 1),
        ((3, 0, 3), 1),  # none is above it
        ((3, 0, 4), 2),
        # its own class loses by any edit, and is not compared with
        ((-1, 9, -2), 1),
        ((-1, 9, 0), 2),
    ],
)
def test_rank_is_the_place_by_the_mean_change_on_images_that_are_not_the_classs_own(
    changes: tuple[float, ...], rank: int
) -> None:
    effect = of_one("paste", [trial(changes, (0, 0, 0))] * 4)
    assert (effect.rank, effect.z) == (rank, None)
    assert effect.stands_out == (rank == 1)


def test_each_class_is_compared_on_the_images_of_the_others() -> None:
    # classes 1 and 2 gain 5 where they are not the image's own, and lose 9 where they are
    trials = [trial((4, -9, 5), (0, 0, 0), own=1), trial((4, 5, -9), (0, 0, 0), own=2)] * 2
    effect = of_one("paste", trials)
    # by the mean over all images, -2, they would be behind
    assert effect.rank == 3
    assert not effect.stands_out


def test_of_two_classes_there_is_nothing_to_rank() -> None:
    effect = of_one("paste", [trial((1, 0), (0, 1))] * 4)
    assert (effect.rank, effect.z) == (None, None)
    assert effect.stands_out


@pytest.mark.parametrize(("change", "stands_out"), [(1.5, False), (3.0, True)])
def test_of_many_classes_z_is_the_distance_from_the_others_in_deviations(change: float, stands_out: bool) -> None:
    random = np.random.default_rng(4)
    changes = random.normal(size=MANY_CLASSES)
    others = np.delete(changes, [CUE, OWN])
    changes[CUE] = others.mean() + change * others.std()
    zeros = [0.0] * MANY_CLASSES
    effect = of_one("paste", [trial(changes.tolist(), zeros)] * 4)
    assert effect.z == pytest.approx(change, abs=1e-4)
    assert effect.rank == 1 + int((others > changes[CUE]).sum())
    # whatever the rank is
    assert effect.stands_out == stands_out
    few = [trial(changes[:-1].tolist(), zeros[:-1])] * 4
    assert of_one("paste", few).z is None


def test_where_all_other_classes_move_alike_the_rank_tells() -> None:
    effect = of_one("paste", [trial([1.0, *[0.0] * (MANY_CLASSES - 1)], [0.0] * MANY_CLASSES)] * 4)
    assert (effect.rank, effect.z) == (1, None)
    assert effect.stands_out


def test_too_few_trials_are_no_effect() -> None:
    assert MIN_TARGETS == 4
    assert effects_of([("paste", PLANTED[:3])], CUE, SCALE, ALONE) == ()
    assert effects_of([], CUE, SCALE, ALONE) == ()
    effects = effects_of([("paste", PLANTED[:3]), ("cast", PLANTED)], CUE, SCALE, ALONE)
    # nor does a test that was not made make another's interval wider
    assert effects == (dataclasses.replace(of_one("paste", PLANTED), test="cast"),)


@pytest.mark.parametrize("error", [0.05, 0.0052])
def test_the_intervals_may_err_as_often_as_they_are_told(error: float) -> None:
    effect = of_one("paste", PLANTED, error)
    assert effect.gain == mean_interval(PLANTED_GAINS, 1 - error)
    turned = [True, True, False, True, False, True], [False, False, False, True, True, False]
    assert effect.flips == paired_difference(*turned, 1 - error)


def test_both_looks_together_err_in_5_percent() -> None:
    """Sums of 36 normal variables, and of 72 with these among them: how often is one of both beyond its limit?"""
    assert LOOKS[1] == 2 * LOOKS[0]
    assert ERROR_AT[1] == (0.05,)
    limits = [NormalDist().inv_cdf(1 - error / 2) for error in ERROR_AT[2]]
    draws = np.random.default_rng(3).normal(size=(400_000, 2))
    first, second = draws[:, 0], draws.sum(1) / np.sqrt(2)
    wrong = (np.abs(first) > limits[0]) | (np.abs(second) > limits[1])
    # four standard deviations are 0.14 %
    assert wrong.mean() == pytest.approx(0.05, abs=0.0014)


def rising(gains: Sequence[float]) -> list[Trial]:
    """Images whose gains, in correct margins, are these; none turns."""
    return [trial([gain * SCALE, 40, 0], [0, 40, 0]) for gain in gains]


def assert_close(interval: Estimate, expected: Estimate) -> None:
    """Logits are of half precision, numbers by hand are not."""
    found, by_hand = ((each.value, each.low, each.high) for each in (interval, expected))
    assert found == pytest.approx(by_hand, abs=1e-5)


def test_of_two_tests_the_intervals_are_those_of_holm() -> None:
    clear, unclear = [1.0 + k / 10 for k in range(6)], [k / 10 - 0.3 for k in range(6)]
    effects = effects_of([("paste", rising(clear)), ("strokes", rising(unclear))], CUE, SCALE, ALONE)
    # the clear one at half the error; that leaves all of it to the other
    assert_close(effects[0].gain, mean_interval(clear, 0.975))
    assert_close(effects[1].gain, mean_interval(unclear, 0.95))
    # where none is clear, both share the error
    for effect in effects_of([("paste", rising(unclear)), ("strokes", rising(unclear))], CUE, SCALE, ALONE):
        assert_close(effect.gain, mean_interval(unclear, 0.975))


def test_each_test_is_held_against_what_it_must_gain() -> None:
    """Holm rejects `cast` and leaves the whole error to `surroundings`, which must gain more, and does not."""
    spread = [k % 3 / 10 for k in range(9)]
    lift = counterfactual("surroundings").min_gain - mean_interval(spread, 0.95).low - 0.001
    gains = [lift + each for each in spread]
    assert counterfactual("cast").min_gain < mean_interval(gains, 0.975).low
    surroundings, cast = effects_of([("surroundings", rising(gains)), ("cast", rising(gains))], CUE, SCALE, ALONE)
    assert (surroundings.moves, cast.moves) == (False, True)
    assert_close(cast.gain, mean_interval(gains, 0.975))
    assert_close(surroundings.gain, mean_interval(gains, 0.95))


def effect(
    flips: tuple[float, float, float] = (0, 0, 0), gain: tuple[float, float, float] = (0, 0, 0), test: str = "paste"
) -> Effect:
    """Given as low, value, high."""
    return Effect(test, 36, 0, 0, Estimate(flips[1], flips[0], flips[2]), Estimate(gain[1], gain[0], gain[2]), 1)


@pytest.mark.parametrize("test", counterfactuals())
def test_a_score_moves_where_all_of_the_interval_is_above_what_is_worth_a_word(test: str) -> None:
    least = counterfactual(test).min_gain
    assert least >= 0.1
    assert not effect(gain=(least, 1, 2), test=test).moves
    assert effect(gain=(least + 1e-6, 1, 2), test=test).moves


@pytest.mark.parametrize(
    ("flips", "turns"),
    [
        ((0.0, 0.5, 0.9), False),
        ((0.01, 0.5, 0.9), True),
        ((0.01, 0.1, 0.2), True),
        # certain, and too few
        ((0.01, 0.0999, 0.2), False),
        ((-0.2, -0.1, -0.05), False),
    ],
)
def test_predictions_change_where_enough_do_and_none_by_chance(flips: tuple[float, float, float], turns: bool) -> None:
    assert MIN_FLIPS == 0.1
    assert effect(flips).turns == turns


TURNS, NONE_TURN, PERHAPS = (0.1, 0.3, 0.5), (-0.1, 0.049, 0.2), (-0.1, 0.05, 0.2)
LEAST = counterfactual("paste").min_gain
MOVES, STAYS, UNCLEAR = (LEAST + 0.01, 0.5, 0.9), (-0.1, LEAST / 2 - 0.001, 0.4), (0.0, LEAST / 2, 0.4)


@pytest.mark.parametrize(
    ("flips", "gain", "test", "settled"),
    [
        (TURNS, MOVES, "paste", True),
        (NONE_TURN, STAYS, "paste", True),
        (NONE_TURN, MOVES, "paste", True),
        (TURNS, UNCLEAR, "paste", False),
        (PERHAPS, MOVES, "paste", False),
        (PERHAPS, STAYS, "paste", False),
        (NONE_TURN, UNCLEAR, "paste", False),
        # where it is taken away only the predictions count
        (TURNS, UNCLEAR, "painted_over", True),
        (PERHAPS, MOVES, "painted_over", False),
        # what must gain more is earlier known not to
        (NONE_TURN, UNCLEAR, "surroundings", True),
    ],
)
def test_more_images_are_needed_while_they_could_still_show_it(
    flips: tuple[float, float, float], gain: tuple[float, float, float], test: str, settled: bool
) -> None:
    assert effect(flips, gain, test).is_settled == settled


def test_the_strongest_test_turns_before_it_moves_before_it_gains() -> None:
    turns = effect((0.05, 0.2, 0.4), (-1, 0.0, 1))
    turns_more = effect((0.05, 0.3, 0.4), (-1, -0.5, 1), "strokes")
    moves, gains = effect(gain=(0.2, 0.3, 0.4), test="cast"), effect(gain=(0.1, 0.9, 2), test="surroundings")
    taken = effect((0.9, 0.95, 1), (3, 4, 5), "painted_over")
    order = [turns_more, turns, moves, gains]
    for place, expected in enumerate(order):
        assert strongest([taken, *order[:place:-1], order[place]], takes_away=False) is expected
    assert strongest([*order, taken], takes_away=True) is taken
    assert strongest(order, takes_away=True) is strongest([], takes_away=False) is None


def test_a_test_that_only_another_version_knows_is_called_by_its_name() -> None:
    unknown = effect(test="from_the_future")
    assert (unknown.about.label, unknown.takes_away) == ("from_the_future", False)


def test_by_sigmoid_an_image_turns_where_the_class_is_predicted_among_others() -> None:
    """Above zero is above .5, however large the logit of the image's own class is."""

    def predicts(logits: np.ndarray, index: int) -> bool:
        return bool(logits[index] > 0)

    trials = [trial([1, 4, -3], [-1, 4, -3]) for _ in range(12)]
    (effect,) = effects_of([("paste", trials)], CUE, SCALE, ALONE, predicts)
    assert (effect.turned, effect.control_turned, effect.turns) == (12, 0, True)
    assert of_one("paste", trials).turned == 0
