"""Which images take part in the tests of a cue, what is done to them, and when there are enough of them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from measured import cells, observed
from numpy.typing import NDArray
from tiny_net import colour_net

from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import codes_by_finder
from cam_audit.findings.counterfactual import ERROR_AT, LOOKS, CueTest, Trial, effects_of
from cam_audit.findings.cues.records import Hit, ImageFeatures, Suspicion
from cam_audit.findings.map_use import ActivationSum
from cam_audit.findings.sample import Observation, draw_key
from cam_audit.findings.trials import Outcome, _Plan, _plans, run_tests
from cam_audit.models.model import Model
from cam_audit.records import Box, Edit, ImageSource
from cam_audit.workers import one_by_one

Rgb = NDArray[np.uint8]
Folders = dict[str, list[Rgb]]
Scan = Callable[..., AuditedNet]
TOP = (0.0, 0.0, 1.0, 0.5)  # the upper 8 of the 16 cells
CORNER = (0.0, 0.0, 0.25, 0.25)  # the first one
SCALE = 1.0


def bottom(colour: str, count: int = 4) -> Rgb:
    """So many cells of a colour, from the lower right on."""
    return cells(**{colour: count})[::-1, ::-1].copy()


@pytest.fixture
def seen(tmp_path: Path, model: Model) -> Scan:
    """What is observed of folders of pictures; a folder is the class of its name, or the one given."""
    return lambda folders, **classes: audited_net(model, observed(tmp_path, model, folders, classes))


def suspicion(net: AuditedNet, finder: str = "duplicates", box: Box | None = TOP, hits: int | None = None) -> Suspicion:
    """That red images show a cue: the first of them by name, or all."""
    shown = tuple(Hit(name, 1.0, box) for name in sorted(net.observations("red"))[:hits])
    return Suspicion(finder, "red", 1.0, 0.1, len(net.groups["red"]), shown, "a cue", {}, None)


def tried(net: AuditedNet, *finders: str, box: Box | None = TOP, hits: int | None = None) -> Outcome:
    first, *others = (suspicion(net, finder, box, hits) for finder in finders or ("duplicates",))
    return run_tests(net, Cause(codes_by_finder()[first.finder], first, tuple(others)), SCALE, one_by_one)


def folders(red: int = 6, others: int = 6, red_cells: int = 8) -> Folders:
    return {
        "red": [cells(red=red_cells)] * red,
        **{colour: [bottom(colour)] * others for colour in ("green", "blue")},
        # what shows no colour is called `other`
        "other": [cells()] * others,
    }


def label(name: str | None) -> str:
    return str(name).partition("/")[0]


def test_targets_are_images_of_other_classes_that_are_predicted_rightly(seen: Scan) -> None:
    pictures = folders(others=4)
    pictures["green"] += [bottom("blue"), cells(), bottom("red")]
    pictures["scarlet"] = [cells(red=8)] * 5
    trials = tried(seen(pictures, scarlet=0)).trials["paste"]
    expected = {f"{colour}/{index}.png" for colour in ("green", "blue", "other") for index in range(4)}
    assert {trial.source.name for trial in trials} == expected
    assert len(trials) == len(expected)
    took_part = {label(name) for trial in trials for name in (trial.edited.donor, trial.control.donor)}
    # a second folder of the same class gives neither donors nor controls
    assert took_part == {"red", "green", "blue", "other"}


def test_each_is_edited_with_a_donor_that_shows_the_cue_and_with_an_image_of_a_third_class(seen: Scan) -> None:
    net = seen(folders(), **{})
    trials = tried(net, hits=4).trials["paste"]
    donors = Counter(trial.edited.donor for trial in trials)
    assert set(donors) <= {f"red/{index}.png" for index in range(4)}
    # many take turns: of 18 draws from four, none has half
    assert len(donors) >= 3
    assert max(donors.values()) < 9
    for trial in trials:
        assert label(trial.control.donor) in {"green", "blue", "other"} - {trial.source.label}
    assert {label(trial.control.donor) for trial in trials} == {"green", "blue", "other"}


def test_of_two_classes_the_control_is_another_image_of_the_targets_own(seen: Scan) -> None:
    two = {name: group for name, group in folders(others=5).items() if name in ("red", "green")}
    for trial in tried(seen(two)).trials["paste"]:
        assert label(trial.control.donor) == "green"
        assert trial.control.donor != trial.source.name


def test_what_the_net_says_is_of_the_picture_before_edited_and_with_the_control(seen: Scan) -> None:
    pictures = folders(others=3)
    pictures["blue"] = [bottom("blue", 5)] * 3
    for trial in tried(seen(pictures)).trials["paste"]:
        own, third = (pictures[label(name)][0] for name in (trial.source.name, trial.control.donor))
        edited, control = own.copy(), own.copy()
        edited[:16] = pictures["red"][0][:16]
        control[:16] = third[:16]
        for logits, picture in ((trial.before, own), (trial.edited.logits, edited), (trial.control.logits, control)):
            np.testing.assert_allclose(logits, colour_net().forward(picture)[0], atol=1e-4)
        assert (trial.class_index, trial.size) == (
            ["red", "green", "blue", "other"].index(trial.source.label),
            (32, 32),
        )
        assert (trial.edited.donor_size, trial.control.donor_size) == ((32, 32), (32, 32))


def test_a_cue_is_taken_from_the_classs_own_images_that_are_right(seen: Scan) -> None:
    pictures = folders()
    pictures["red"] += [bottom("green")]
    trials = tried(seen(pictures), box=CORNER).trials["painted_over"]
    assert {trial.source.name for trial in trials} == {f"red/{index}.png" for index in range(6)}
    for trial in trials:
        assert (trial.edited.edit.box, trial.control.edit.box) == (CORNER, (0.75, 0.0, 1.0, 0.25))
        assert trial.edited.donor is trial.control.donor is None


def test_surroundings_are_taken_with_those_of_other_classes_and_the_control_keeps_the_classs_own(seen: Scan) -> None:
    trials = tried(seen(folders()), "border", box=None).trials["surroundings_taken"]
    assert {trial.source.label for trial in trials} == {"red"}
    assert {label(trial.edited.donor) for trial in trials} == {"green", "blue", "other"}
    for trial in trials:
        assert label(trial.control.donor) == "red"
        assert trial.control.donor != trial.source.name


def hinted(red: int, others: int, strong: int) -> Folders:
    """Red images of which some have their red in the upper half, which turns others, and the rest in the lower one."""
    pictures = folders(others=others)
    pictures["red"] = [cells(red=8)] * strong + [bottom("red", 8)] * (red - strong)
    return pictures


@pytest.mark.parametrize(
    ("pictures", "images"),
    [
        # all turn, or none does: 36 tell
        (hinted(10, 30, 10), LOOKS[0]),
        # some turn, which may be chance
        (hinted(20, 30, 2), LOOKS[1]),
        # as many as there are
        (hinted(20, 20, 2), 60),
    ],
    ids=["all", "some", "some of few"],
)
def test_more_images_are_tried_while_36_do_not_decide(seen: Scan, pictures: Folders, images: int) -> None:
    net = seen(pictures)
    outcome = tried(net)
    trials = outcome.trials["paste"]
    assert len(trials) == images
    # the classes in turn, and of each class those that are drawn first
    counts = Counter(trial.source.label for trial in trials)
    assert max(counts.values()) - min(counts.values()) <= 1
    for colour, count in counts.items():
        group = sorted((each.source for each in net.groups[colour]), key=draw_key)
        assert [trial.source for trial in trials if trial.source.label == colour] == group[:count]
    # the intervals are those of the look that it ended with
    error = ERROR_AT[2][images > LOOKS[0]]
    assert outcome.effects == effects_of(list(outcome.trials.items()), 0, SCALE, error)


def test_where_there_are_no_more_than_36_there_is_one_look(seen: Scan) -> None:
    outcome = tried(seen(hinted(20, 12, 2)))
    assert len(outcome.trials["paste"]) == LOOKS[0]
    assert outcome.effects == effects_of(list(outcome.trials.items()), 0, SCALE, 0.05)


@pytest.mark.parametrize(
    ("box", "leaving", "staying", "images"),
    [
        # half of the images lose their class with the first cell, which is all that they have
        (CORNER, [cells(red=1)] * 25, [cells(red=5)] * 25, LOOKS[0]),
        # some do, which may be chance
        (CORNER, [cells(red=1)] * 5, [cells(red=5)] * 45, 50),
        # and where the upper half is planted, all others turn: no need to know
        (TOP, [cells(red=8)] * 5, [cells(red=16)] * 45, LOOKS[0]),
    ],
    ids=["half", "some", "shown by planting"],
)
def test_what_is_taken_away_is_looked_at_again_unless_planting_it_has_shown_enough(
    seen: Scan, box: Box, leaving: list[Rgb], staying: list[Rgb], images: int
) -> None:
    pictures = {"red": leaving + staying, "green": [bottom("green")] * 24, "blue": [bottom("blue")] * 24}
    net = seen(pictures)
    outcome = tried(net, box=box)
    (painted,) = (effect for effect in outcome.effects if effect.takes_away)
    order = [each.source for each in net.groups["red"]]
    assert [trial.source for trial in outcome.trials["painted_over"]] == order[:images]
    assert painted.turned == sum(int(each.name[4:-4]) < len(leaving) for each in order[:images])
    assert painted.control_turned == 0
    assert any(effect.turns for effect in outcome.effects if not effect.takes_away) == (box == TOP)


def ringed(inside: tuple[int, int, int], around: tuple[int, int, int]) -> Rgb:
    picture = np.full((32, 32, 3), around, np.uint8)
    picture[8:24, 8:24] = inside
    return picture


def by_colour_or_border(red: Rgb) -> Folders:
    """Red images as given, and ones of two more classes that are nearly grey, with a thing in their middle."""
    grey = (128, 128, 128)
    return {
        "red": [red] * 8,
        "green": [ringed((60, 200, 60), grey)] * 8,
        "blue": [ringed((60, 60, 200), grey)] * 8,
    }


# Red in its middle, so that its cast is red, and grey around, which plants nothing.
RED_INSIDE = ringed((255, 0, 0), (128, 128, 128))
# Red around, and so much less of it in the middle that all of it is of the others' colour.
RED_AROUND = ringed((24, 168, 168), (140, 115, 115))


@pytest.mark.parametrize("named_first", ["border", "colour"])
@pytest.mark.parametrize(
    ("red", "code", "finder", "taken"),
    [
        (RED_INSIDE, "CA204", "colour", "cast_taken"),
        (RED_AROUND, "CA203", "border", "surroundings_taken"),
    ],
    ids=["cast", "surroundings"],
)
def test_a_cause_is_named_by_the_test_that_shows_it_and_taken_away_by_the_same(
    seen: Scan, red: Rgb, code: str, finder: str, taken: str, named_first: str
) -> None:
    net = seen(by_colour_or_border(red))
    outcome = tried(net, *sorted(["border", "colour"], key=lambda each: each != named_first), box=None)
    shown = {effect.test for effect in outcome.effects if not effect.takes_away and (effect.turns or effect.moves)}
    assert shown == {taken.removesuffix("_taken")}
    assert (outcome.cause.code, outcome.cause.suspicion.finder) == (code, finder)
    assert set(outcome.cause.finders) == {"border", "colour"}
    # both are planted, and the one that it is called by is taken away
    assert set(outcome.trials) == {"surroundings", "cast", taken}


@pytest.mark.parametrize("named_first", ["border", "colour"])
def test_where_no_test_shows_anything_the_cause_keeps_its_name(seen: Scan, named_first: str) -> None:
    grey = ringed((128, 128, 128), (128, 128, 128))
    net = seen({**by_colour_or_border(grey), "green": [ringed((0, 255, 0), (128, 128, 128))] * 8}, red=3)
    outcome = tried(net, *sorted(["border", "colour"], key=lambda each: each != named_first), box=None)
    assert not any(effect.turns or effect.moves for effect in outcome.effects if not effect.takes_away)
    assert outcome.cause.suspicion.finder == named_first


def test_a_mark_keeps_the_name_that_its_place_gives_it_and_gets_the_tests_of_both_finders(seen: Scan) -> None:
    net = seen(folders())
    overlay = np.zeros((112, 112), np.float32)
    overlay[:56] = 40
    repeated, template = suspicion(net), dataclasses.replace(suspicion(net, "template"), overlay=overlay, box=TOP)
    outcome = run_tests(net, Cause("CA202", repeated, (template,)), SCALE, one_by_one)
    assert {effect.test: effect.turns for effect in outcome.effects}["paste"]
    assert (outcome.cause.code, outcome.cause.suspicion) == ("CA202", repeated)
    assert set(outcome.trials) == {"paste", "strokes", "painted_over"}


def test_an_overlay_all_around_is_no_mark_and_gets_no_tests_of_its_own(seen: Scan) -> None:
    net = seen(folders())
    overlay = np.ones((112, 112), np.float32)
    around = dataclasses.replace(suspicion(net, "template"), overlay=overlay, box=(0.0, 0.0, 1.0, 1.0))
    outcome = run_tests(net, Cause("CA203", suspicion(net, "border", None), (around,)), SCALE, one_by_one)
    assert set(outcome.trials) == {"surroundings", "surroundings_taken"}


def test_without_images_of_other_classes_or_hits_nothing_is_tried(seen: Scan) -> None:
    alone = seen({"red": [cells(red=8)] * 6, "scarlet": [cells(red=8)] * 6}, scarlet=0)
    for outcome in (tried(alone), tried(seen(folders()), hits=0)):
        assert (outcome.effects, outcome.trials) == ((), {})


def test_a_trial_whose_images_are_gone_is_left_out_and_the_others_stay(seen: Scan, tmp_path: Path) -> None:
    net = seen(folders())
    before = {trial.source.name: trial for trial in tried(net).trials["paste"]}
    gone = {"green/1.png", "red/2.png"}
    for name in gone:
        (tmp_path / name).unlink()
    after = {trial.source.name: trial for trial in tried(net).trials["paste"]}
    expected = {name for name, trial in before.items() if not took_part(trial) & gone}
    assert set(after) == expected
    assert 0 < len(expected) < len(before)
    assert all(took_part(after[name]) == took_part(before[name]) for name in expected)


def took_part(trial: Trial) -> set[str | None]:
    return {trial.source.name, trial.edited.donor, trial.control.donor}


ANY = Edit("paste", box=TOP)


def planned(counts: dict[str, Sequence[str]], cue: str = "c00") -> list[_Plan]:
    """Plans for folders of these file names, a class each in the order given; all images are right."""
    groups, class_of = {}, {folder: index for index, folder in enumerate(counts)}
    for folder, names in counts.items():
        logits = np.eye(len(counts), dtype=np.float32)[class_of[folder]]
        sources = [ImageSource("/nowhere", f"{folder}/{name}", folder, class_of[folder]) for name in names]
        groups[folder] = [
            Observation(source, ImageFeatures(source.name, folder, {}), logits, class_of[folder], np.zeros((1, 1)))
            for source in sorted(sources, key=draw_key)
        ]
    net = AuditedNet(None, groups, class_of, ActivationSum(), SCALE)  # type: ignore[arg-type]
    hits = tuple(Hit(each.source.name, 1.0, TOP) for each in groups[cue])
    test = CueTest("paste", hits, lambda _: ANY, lambda _: ANY)
    return _plans(net, Cause("CA201", Suspicion("duplicates", cue, 1.0, 0.1, 9, hits, "", {})), test)


def numbers(count: int) -> list[str]:
    return [f"{index:03}.jpg" for index in range(count)]


def partners(plans: Sequence[_Plan]) -> dict[str, tuple[str, str]]:
    return {plan.target.source.name: (plan.donor.source.name, plan.control_donor.source.name) for plan in plans}


@pytest.mark.parametrize("classes", [5, 40, 90])
def test_no_donor_and_no_class_decides_alone_where_files_are_called_alike_in_all_folders(classes: int) -> None:
    plans = planned({f"c{index:02}": numbers(30) for index in range(classes)})
    assert len(plans) == LOOKS[1]
    donors = Counter(plan.donor.source.name for plan in plans)
    # 72 draws from 30: 27 different ones are to be expected, and hardly one 8 times
    assert len(donors) >= 22
    assert max(donors.values()) < 10
    thirds = Counter(plan.control_donor.source.label for plan in plans)
    assert len(thirds) >= min(4, classes - 1)
    assert max(thirds.values()) <= 36
    assert all(plan.control_donor.source.label not in ("c00", plan.target.source.label) for plan in plans)


def test_images_that_are_added_leave_the_others_their_partners() -> None:
    few, many = (
        partners(planned({"c00": numbers(own), "c01": numbers(others), "c02": numbers(others)}))
        for own, others in ((20, 20), (24, 23))
    )
    kept = few.keys() & many.keys()
    assert len(kept) == len(few) == 40
    came = {f"c00/{name}" for name in numbers(24)[20:]} | {f"c0{k}/{name}" for k in (1, 2) for name in numbers(23)[20:]}
    changed = 0
    for target in kept:
        for old, new in zip(few[target], many[target], strict=True):
            assert new == old or new in came
            changed += new != old
    # one of six or eight is drawn anew
    assert 0 < changed < 30


def test_the_names_of_the_class_folders_play_no_role() -> None:
    def turns(names: Sequence[str]) -> list[tuple[str, ...]]:
        plans = planned({folder: numbers(15) for folder in names}, cue=names[0])
        order = {folder: str(index) for index, folder in enumerate(names)}
        taking_part = ((plan.target, plan.donor, plan.control_donor) for plan in plans)
        return [tuple(order[each.source.label] + each.source.name[-8:] for each in images) for images in taking_part]

    assert turns(["c00", "c01", "c02", "c03"]) == turns(["zebra", "yak", "x", "wolf"])
