"""Which images take part in the tests of a cue, what is done to them, and when there are enough of them."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from evidences import effect, moving, turning
from measured import cells, observed
from numpy.typing import NDArray
from tiny_net import colour_net

from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.causes import Cause
from cam_audit.findings.codes import codes_by_finder
from cam_audit.findings.counterfactual import ERROR_AT, LOOKS, CueTest, Effect, Roles, Trial, effects_of, is_largest
from cam_audit.findings.cues import duplicates
from cam_audit.findings.cues.records import Hit, ImageFeatures, Suspicion
from cam_audit.findings.map_use import ActivationSum
from cam_audit.findings.sample import Observation, draw_key
from cam_audit.findings.trials import Outcome, Plan, _named_by, _plans, run_tests
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


@pytest.fixture(autouse=True)
def large_marks_are_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 16 cells are too coarse for marks of under a quarter of them."""
    monkeypatch.setattr(duplicates, "_SMALL", 0.5)


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


ROW = (0.0, 0.0, 1.0, 0.25)  # the first 4 cells


def around(
    net: AuditedNet, hits: int | None = None, among: frozenset[str] | None = None, asked: list[Roles] | None = None
) -> Suspicion:
    """That parts of red images lie in the first row, which is planted everywhere but in the last two."""
    shown = suspicion(net, "context", ROW, hits)
    mask = np.zeros((4, 4), bool)
    mask[:2] = True

    def edit(roles: Roles) -> Edit:
        if asked is not None:
            asked.append(roles)
        return Edit("texture", box=ROW, mask=mask)

    tests = [CueTest(name, shown.hits, edit, edit, among) for name in ("context", "context_taken")]
    return dataclasses.replace(shown, tests=tuple(tests))


def measured_by(first: Suspicion, *others: Suspicion, net: AuditedNet) -> Outcome:
    return run_tests(net, Cause(codes_by_finder()[first.finder], first, others), SCALE, one_by_one)


def test_surroundings_that_the_map_shows_are_planted_and_taken_away_by_tests_of_their_own(seen: Scan) -> None:
    net = seen(folders())
    outcome = measured_by(around(net), net=net)
    assert (outcome.cause.code, set(outcome.trials)) == ("CA207", {"context", "context_taken"})
    assert {trial.source.label for trial in outcome.trials["context"]} == {"green", "blue", "other"}
    assert {trial.source.label for trial in outcome.trials["context_taken"]} == {"red"}
    # a red row, mirrored down over half of the picture: 8 cells of red against 4 of their own
    assert {effect.test: (effect.turned, effect.control_turned) for effect in outcome.effects} == {
        "context": (18, 0),
        # its own red is gone from the upper half, and nothing is where it was
        "context_taken": (6, 0),
    }


def test_only_images_that_may_take_part_are_targets_donors_or_partners(seen: Scan) -> None:
    net = seen(folders())
    # all red ones, and half of the green and of the other ones
    among = frozenset(name for name in net.observations("red")) | {
        f"{label}/{index}.png" for label in ("green", "other") for index in range(3)
    }
    outcome = measured_by(around(net, among=among), net=net)
    planted, taken = outcome.trials["context"], outcome.trials["context_taken"]
    assert {trial.source.name for trial in planted} == {name for name in among if not name.startswith("red")}
    assert len(taken) == 6
    named = {name for trial in (*planted, *taken) for name in took_part(trial)}
    assert named == among
    for trial in planted:
        # a third class is one of which some may
        assert {label(trial.source.name), label(trial.control.donor)} == {"green", "other"}
    # without any of another class there is nothing to plant in, and nothing to take from
    outcome = measured_by(around(net, among=frozenset(net.observations("red"))), net=net)
    assert (outcome.effects, outcome.trials) == ((), {})


def test_tests_without_such_names_are_made_with_all_images_beside_one_that_has_them(seen: Scan) -> None:
    net = seen(folders())
    among = frozenset([*net.observations("red"), "green/0.png", "green/1.png", "blue/2.png"])
    outcome = measured_by(suspicion(net, "border", None), around(net, among=among), net=net)
    assert {trial.source.name for trial in outcome.trials["context"]} == {name for name in among if name[0] != "r"}
    assert len(outcome.trials["surroundings"]) == 18


def test_an_edit_is_told_which_images_take_part_in_it(seen: Scan) -> None:
    net, asked = seen(folders()), list[Roles]()
    outcome = measured_by(around(net, hits=4, asked=asked), net=net)
    for name, takes_away in (("context", False), ("context_taken", True)):
        trials = {trial.source.name: trial for trial in outcome.trials[name]}
        pairs = [
            pair for pair in zip(asked[::2], asked[1::2], strict=True) if (pair[0].target.label == "red") == takes_away
        ]
        assert len(pairs) == len(trials) == (4 if takes_away else 18)
        for edit, control in pairs:
            trial = trials[edit.target.name]
            assert (edit.donor.name, control.donor.name) == (trial.edited.donor, trial.control.donor)
            assert edit.target == control.target
            # who shows the cue: the donor of what is planted, or the target from which it is taken
            shows = trial.source.name if takes_away else trial.edited.donor
            assert edit.hit.name == control.hit.name == shows
            # who does not, and gives what the control has, or what comes in place of the cue
            lacks = trial.edited.donor if takes_away else trial.control.donor
            assert edit.other.name == control.other.name == lacks
            assert label(lacks) != "red"


def test_surroundings_that_pixels_and_the_map_show_are_taken_away_both_ways(seen: Scan) -> None:
    net = seen(folders())
    border, context = suspicion(net, "border", None), around(net)
    both = {"surroundings", "context", "surroundings_taken", "context_taken"}
    for first, other in ((border, context), (context, border)):
        assert set(measured_by(first, other, net=net).trials) == both


def test_a_cast_is_taken_away_and_not_what_the_map_shows_with_it(seen: Scan) -> None:
    net = seen(by_colour_or_border(RED_INSIDE))
    nothing = dataclasses.replace(around(net), tests=(still(net, "context"), still(net, "context_taken")))
    outcome = measured_by(suspicion(net, "border", None), suspicion(net, "colour", None), nothing, net=net)
    assert outcome.cause.code == "CA204"
    assert set(outcome.trials) == {"surroundings", "cast", "context", "cast_taken"}


def still(net: AuditedNet, name: str) -> CueTest:
    """A test that changes no picture."""
    nothing = Edit("texture", box=ROW, mask=np.zeros((2, 2), bool))
    return CueTest(name, suspicion(net, "context", ROW).hits, lambda _: nothing, lambda _: nothing)


def test_the_background_keeps_its_name_where_the_maps_test_shows_no_more(seen: Scan) -> None:
    """A red border turns images of other classes, and what the map shows changes none."""
    net = seen({**by_colour_or_border(RED_AROUND)})
    border = suspicion(net, "border", None)
    nothing = dataclasses.replace(around(net), tests=(still(net, "context"), still(net, "context_taken")))
    for first, other in ((border, nothing), (nothing, border)):
        outcome = measured_by(first, other, net=net)
        assert any(each.turns or each.moves for each in outcome.effects if each.test == "surroundings")
        assert (outcome.cause.code, set(outcome.cause.finders)) == ("CA203", {"border", "context"})


def test_it_gets_the_maps_name_where_the_maps_test_shows_more(seen: Scan) -> None:
    """Red in the middle, which the border has nothing of: planted everywhere, it turns all."""
    net = seen({**folders(), "red": [ringed((255, 0, 0), (128, 128, 128))] * 6})
    border = suspicion(net, "border", None)
    inside, mask = (0.25, 0.25, 0.75, 0.75), np.ones((2, 2), bool)
    strong, hits = Edit("texture", box=inside, mask=mask), suspicion(net, "context", inside).hits
    tests = tuple(CueTest(name, hits, lambda _: strong, lambda _: strong) for name in ("context", "context_taken"))
    context = dataclasses.replace(suspicion(net, "context", inside), tests=tests)
    for first, other in ((border, context), (context, border)):
        outcome = measured_by(first, other, net=net)
        turns = {each.test: each.turns for each in outcome.effects if not each.takes_away}
        assert turns == {"surroundings": False, "context": True}
        assert (outcome.cause.code, set(outcome.cause.finders)) == ("CA207", {"border", "context"})
        # and under this name, too, it is taken away both ways
        assert set(outcome.trials) == {"surroundings", "context", "surroundings_taken", "context_taken"}


def by_hand(finder: str) -> Suspicion:
    return Suspicion(finder, "red", 0.5, 0.1, 9, (Hit("red/0.png", 1.0),), "a cue", {})


STILL = {"surroundings": effect("surroundings"), "cast": effect("cast"), "context": effect("context")}
FEW, MANY = {"turned": 9, "flips": (0.1, 0.4)}, {"turned": 30, "flips": (0.6, 0.9)}
SMALL, LARGE = {"gain": (0.3, 0.4, 0.5)}, {"gain": (0.5, 0.7, 0.9)}


@pytest.mark.parametrize(
    ("effects", "code"),
    [
        # as much, whatever it is
        ([turning("surroundings"), turning("context")], "CA203"),
        ([moving("surroundings"), moving("context")], "CA203"),
        ([], None),
        # more: what turns, before what moves, before how much
        ([moving("surroundings", **LARGE), turning("context", **FEW, **SMALL)], "CA207"),
        ([turning("surroundings", **FEW, **SMALL), moving("context", **LARGE)], "CA203"),
        # what turns and moves, before what only turns, even more
        ([turning("surroundings", **MANY, gain=(-0.1, 0.1, 0.3)), turning("context", **FEW)], "CA207"),
        ([turning("surroundings", **FEW), turning("context", **MANY, gain=(-0.1, 0.1, 0.3))], "CA203"),
        ([moving("context")], "CA207"),
        ([moving("surroundings")], "CA203"),
        # and how many turn, or how far the score moves where none do
        ([turning("surroundings", **FEW), turning("context", **MANY)], "CA207"),
        ([turning("surroundings", **MANY), turning("context", **FEW)], "CA203"),
        ([turning("surroundings", **FEW, **LARGE), turning("context", **MANY, **SMALL)], "CA207"),
        ([moving("surroundings", **SMALL), moving("context", **LARGE)], "CA207"),
        ([moving("surroundings", **LARGE), moving("context", **SMALL)], "CA203"),
        # a cast that shows more than the background, against what the map shows
        ([moving("surroundings"), turning("cast", **FEW), turning("context", **MANY)], "CA207"),
        ([moving("surroundings"), turning("cast", **MANY), turning("context", **FEW)], "CA204"),
        ([moving("surroundings"), turning("cast"), turning("context")], "CA204"),
        # where background and cast turn, it is the background that the map's test is held against
        ([turning("surroundings", **FEW), turning("cast", **MANY), turning("context")], "CA207"),
    ],
)
@pytest.mark.parametrize("first", ["border", "colour", "context"])
def test_the_test_that_shows_most_names_the_cause(effects: list[Effect], code: str | None, first: str) -> None:
    all_of_them = {**STILL, **{each.test: each for each in effects}}
    named_first, *others = (
        by_hand(finder) for finder in sorted(["border", "colour", "context"], key=lambda f: f != first)
    )
    cause = Cause(codes_by_finder()[first], named_first, tuple(others))
    named = _named_by(cause, tuple(all_of_them.values()))
    # where nothing is shown it keeps its name
    assert named.code == (code or cause.code)
    assert (set(named.finders), named.suspicion.finder) == (set(cause.finders), FINDER_OF[named.code])


FINDER_OF = {"CA203": "border", "CA204": "colour", "CA207": "context"}


@pytest.mark.parametrize("effects", [(), (effect("context"),), (turning("context"),)])
def test_what_the_map_alone_shows_keeps_its_name(effects: tuple[Effect, ...]) -> None:
    assert _named_by(Cause("CA207", by_hand("context")), effects).code == "CA207"


@pytest.mark.parametrize("finder", ["duplicates", "template"])
def test_a_mark_that_fills_the_surroundings_keeps_its_name_and_its_tests(seen: Scan, finder: str) -> None:
    net = seen(folders())
    overlay = np.zeros((112, 112), np.float32)
    overlay[:28] = 40
    mark = dataclasses.replace(suspicion(net, finder, ROW), overlay=overlay if finder == "template" else None, box=ROW)
    outcome = measured_by(mark, around(net), net=net)
    assert outcome.cause.suspicion is mark
    assert set(outcome.trials) == {"paste" if finder == "duplicates" else "strokes", "painted_over"}


ANY = Edit("paste", box=TOP)


def planned(counts: dict[str, Sequence[str]], cue: str = "c00") -> list[Plan]:
    """Plans for folders of these file names, a class each in the order given; all images are right."""
    groups, class_of = {}, {folder: index for index, folder in enumerate(counts)}
    for folder, names in counts.items():
        logits = np.eye(len(counts), dtype=np.float32)[class_of[folder]]
        sources = [ImageSource("/nowhere", f"{folder}/{name}", folder, class_of[folder]) for name in names]
        groups[folder] = [
            Observation(source, ImageFeatures(source.name, folder, {}), logits, class_of[folder], np.zeros((1, 1)))
            for source in sorted(sources, key=draw_key)
        ]
    model = SimpleNamespace(predicts=is_largest)
    net = AuditedNet(model, groups, class_of, ActivationSum(), SCALE)  # type: ignore[arg-type]
    hits = tuple(Hit(each.source.name, 1.0, TOP) for each in groups[cue])
    test = CueTest("paste", hits, lambda _: ANY, lambda _: ANY)
    return _plans(net, Cause("CA201", Suspicion("duplicates", cue, 1.0, 0.1, 9, hits, "", {})), test)


def numbers(count: int) -> list[str]:
    return [f"{index:03}.jpg" for index in range(count)]


def partners(plans: Sequence[Plan]) -> dict[str, tuple[str, str]]:
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
