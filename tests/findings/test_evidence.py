"""Evidence about one cue, with all numbers by hand."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from measured import cells, observed
from tiny_net import colour_net

from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.causes import Cause
from cam_audit.findings.cues import duplicates
from cam_audit.findings.cues.records import Features, Hit, Recogniser, Suspicion
from cam_audit.findings.evidence import Evidence, Group, Use, counterfactuals_of, measure
from cam_audit.findings.intervals import Estimate, mean_interval, paired_difference
from cam_audit.findings.sample import Collected, draw_key
from cam_audit.models.model import Model
from cam_audit.records import Box, Said
from cam_audit.workers import in_order

STAMPED_BOX = (0.0, 0.0, 0.5, 0.75)  # 6 of the 16 cells
SCALE = 1.5
STAMPED = cells()
STAMPED[:24, :16] = (255, 0, 0)


@pytest.fixture(autouse=True)
def large_marks_are_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 16 cells are too coarse for marks of under a quarter of them."""
    monkeypatch.setattr(duplicates, "_SMALL", 0.5)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, model: Model) -> AuditedNet:
    """Observations of 6 red images, and 2 named so that show nothing, of 8 green and 8 blue ones.

    A pure cell adds 0.5 to its colour's logit, and `other` has 0.5: red images win with 3 - 0.5, green and blue ones
    with 2 - 0.5, which is the median margin. In the centred map of red, a red cell is 8 - 2, and any other -2.
    """
    return audited_net(model, seen(tmp_path_factory.mktemp("audited"), model, {}))


def seen(root: Path, model: Model, classes: dict[str, int | None]) -> Collected:
    # so few that a scan would not look at them
    lines = {colour: cells(**{colour: 4})[::-1] for colour in ("green", "blue")}
    pictures = {"red": [STAMPED] * 6 + [cells()] * 2, "green": [lines["green"]] * 8, "blue": [lines["blue"]] * 8}
    return observed(root, model, pictures, classes)


def cause(
    code: str = "CA201",
    finder: str = "duplicates",
    *,
    box: Box | None = STAMPED_BOX,
    count: int = 8,
    recogniser: Callable[[], Recogniser] | None = None,
) -> Cause:
    hits = tuple(Hit(f"red/{index}.png", 1 - index / 10, box) for index in range(count))
    overlay = None
    if finder == "template":
        overlay = np.zeros((112, 112), np.float32)
        overlay[:84, :56] = 40
    suspicion = Suspicion(finder, "red", 1.0, 0.1, 8, hits, "a red box", {}, box, overlay)
    return Cause(code, dataclasses.replace(suspicion, recogniser=recogniser) if recogniser else suspicion)


def assert_close(interval: Estimate, expected: Estimate) -> None:
    found, by_hand = ((each.value, each.low, each.high) for each in (interval, expected))
    assert found == pytest.approx(by_hand, abs=1e-4)


def test_a_pasted_cue_gains_what_its_cells_add_and_painted_over_it_costs_as_much(audited: AuditedNet) -> None:
    evidence = measure(audited, cause(count=6))
    assert audited.scale == SCALE
    pasted, painted = evidence.effects
    # all others' 16 images turn, 2 cells of their own against 6 of red; and none with a patch of grey
    assert (pasted.test, pasted.images, pasted.turned, pasted.control_turned) == ("paste", 16, 16, 0)
    assert_close(pasted.gain, mean_interval([3 / SCALE] * 16))
    assert_close(pasted.flips, paired_difference([True] * 16, [False] * 16, 0.975))
    # of its own, red loses its 3 logits, and `other` wins; painted over beside it, there is more of red than before
    assert (painted.test, painted.images, painted.turned, painted.control_turned) == ("painted_over", 6, 6, 0)
    margins = []
    for columns in (slice(16), slice(16, 32)):
        mask = np.zeros((32, 32), np.uint8)
        mask[:24, columns] = 1
        logits, _ = colour_net().forward(np.asarray(cv2.inpaint(STAMPED, mask, 3, cv2.INPAINT_TELEA)))
        margins.append(logits[0] - max(logits[1:]))
    assert margins[0] == pytest.approx(-0.5, abs=0.05)
    assert margins[1] > 3 - 0.5
    assert_close(painted.gain, mean_interval([float(margins[1] - margins[0]) / SCALE] * 6))
    assert [effect.rank for effect in evidence.effects] == [1] * 2


def test_donors_that_do_not_show_it_gain_nothing(audited: AuditedNet) -> None:
    (pasted, _) = measure(audited, cause()).effects
    donors = [trial.edited.donor for trial in measure(audited, cause()).trials["paste"]]
    empty = sum(donor in ("red/6.png", "red/7.png") for donor in donors)
    assert 0 < empty < 16
    assert (pasted.turned, pasted.control_turned) == (16 - empty, 0)
    assert pasted.gain.value == pytest.approx(3 / SCALE * (16 - empty) / 16, abs=1e-4)


@pytest.mark.parametrize(
    ("code", "finder", "there", "area"),
    [
        # 6 cells of 6 - 0
        ("CA201", "duplicates", 6 * 6, 6 / 16),
        # of the border's share of each cell: red ones, and at the bottom 0 where others have -2
        ("CA203", "border", 6 * (0.75 + 4 * 0.5 - 0.5) + 2 * (2 * 0.75 + 2 * 0.5), 1 - 0.75**2),
        ("CA204", "colour", 6 * (0.75 + 4 * 0.5 - 0.5) + 2 * (2 * 0.75 + 2 * 0.5), 1 - 0.75**2),
    ],
)
def test_use_is_what_the_cells_of_the_cue_add(
    audited: AuditedNet, code: str, finder: str, there: float, area: float
) -> None:
    evidence = measure(audited, cause(code, finder, box=STAMPED_BOX if finder == "duplicates" else None))
    assert evidence.use is not None
    assert evidence.use.there == pytest.approx(there / 16 / SCALE, abs=1e-4)
    assert evidence.use.everywhere == pytest.approx((6 * 6 + 4 * 2) / 16 / SCALE, abs=1e-4)
    assert evidence.use.area == pytest.approx(area)
    assert evidence.maps is not None
    np.testing.assert_allclose(evidence.maps.others, [[0] * 4] * 3 + [[-2] * 4], atol=1e-4)
    np.testing.assert_allclose(evidence.maps.own[1], [6 * 6 / 8] * 2 + [0] * 2, atol=1e-4)
    assert evidence.maps.cover.mean() == pytest.approx(area)
    assert evidence.maps.cover[1, 0] == (1 if finder == "duplicates" else 0.5)


@pytest.mark.parametrize(
    ("box", "there", "looks"),
    [
        (STAMPED_BOX, 36, True),
        # a row where others have less: 8 of 44 on a quarter of the map
        ((0.0, 0.75, 1.0, 1.0), 8, True),
        # the half where the map is at its weakest: 4 of 44, enough by themselves
        ((0.5, 0.0, 1.0, 1.0), 4, False),
        ((0.5, 0.0, 1.0, 0.75), 0, False),
    ],
)
def test_the_net_does_not_look_where_its_map_is_weakest(
    audited: AuditedNet, box: Box, there: float, looks: bool
) -> None:
    use = measure(audited, cause(box=box)).use
    assert use is not None
    assert use.there == pytest.approx(there / 16 / SCALE, abs=1e-4)
    assert use.looks == looks


@pytest.mark.parametrize(
    ("use", "looks"),
    [
        (Use(0.1, 0.2, 1.0), True),
        (Use(0.099, 0.0, 0.5), False),
        (Use(0.5, 2.0, 0.5), True),
        (Use(0.499, 2.0, 0.5), False),
        # where all of the map is below that of others, what adds anything is more than its share
        (Use(0.1, -3.0, 0.5), True),
        (Use(-0.1, -3.0, 0.5), False),
    ],
)
def test_a_net_looks_where_enough_is_added_and_half_of_what_an_even_map_would_have_there(use: Use, looks: bool) -> None:
    assert use.looks == looks


@pytest.mark.parametrize("finder", ["duplicates", "template"])
def test_a_prediction_changes_where_the_cue_that_made_it_is_painted_over(audited: AuditedNet, finder: str) -> None:
    changed = measure(audited, cause(finder=finder)).changed
    assert changed == {f"red/{index}.png": index < 6 for index in range(8)}


def test_what_fills_most_of_the_picture_or_has_no_place_is_not_painted_over(audited: AuditedNet) -> None:
    for box in ((0.0, 0.0, 1.0, 0.51), None):
        evidence = measure(audited, cause(box=box))
        assert evidence.changed == {}
        assert "painted_over" not in evidence.trials
    for code, finder in (("CA203", "border"), ("CA204", "colour")):
        assert measure(audited, cause(code, finder)).changed == {}


CODES_AND_FINDERS = [
    ("CA201", "duplicates"),
    ("CA202", "template"),
    ("CA203", "border"),
    ("CA204", "colour"),
    ("CA206", "files"),
]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets an item for every pass that is made."""
    made: list[int] = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda self, rgb: (made.append(1), run(self, rgb))[1])
    return made


@pytest.mark.parametrize(("code", "finder"), CODES_AND_FINDERS)
def test_the_passes_are_those_that_were_made(audited: AuditedNet, code: str, finder: str, passes: list[int]) -> None:
    evidence = measure(audited, cause(code, finder))
    assert evidence.passes == len(passes)
    assert bool(passes) == (code != "CA206")
    assert evidence.passes >= 2 * sum(map(len, evidence.trials.values()))


def test_the_passes_are_those_that_were_made_also_where_images_are_gone(
    tmp_path: Path, model: Model, passes: list[int]
) -> None:
    audited = audited_net(model, seen(tmp_path, model, {"red": None}))
    for name in ("red/0.png", "red/7.png", "green/0.png", "blue/5.png"):
        (tmp_path / name).unlink()
    for code, finder in CODES_AND_FINDERS:
        passes.clear()
        assert measure(audited, cause(code, finder)).passes == len(passes)


def test_several_workers_measure_the_same(audited: AuditedNet) -> None:
    for code, finder in CODES_AND_FINDERS:
        alone, several = (
            measure(audited, cause(code, finder), each, each)
            for each in (map, lambda function, items: in_order(3, function, items))
        )
        assert (alone.effects, alone.use, alone.changed, alone.groups, alone.passes) == (
            several.effects,
            several.use,
            several.changed,
            several.groups,
            several.passes,
        )
        assert names_of(alone) == names_of(several)


def names_of(evidence: Evidence) -> list[tuple[str, str, str | None, str | None]]:
    return [
        (test, trial.source.name, trial.edited.donor, trial.control.donor)
        for test, trials in evidence.trials.items()
        for trial in trials
    ]


def test_nothing_is_measured_of_files_and_where_no_prediction_is_right(
    audited: AuditedNet, tmp_path: Path, model: Model
) -> None:
    wrong = audited_net(model, seen(tmp_path, model, {"red": 2, "green": 2, "blue": 0}))
    assert wrong.scale is None
    for evidence in (measure(audited, cause("CA206", "files")), measure(wrong, cause())):
        assert (evidence.use, evidence.maps, evidence.effects, evidence.changed) == (None, None, (), {})
        assert (evidence.trials, evidence.passes) == ({}, 0)
        # what it costs takes no pass
        assert evidence.groups is not None
        assert evidence.groups.shown.images == 8


def test_what_it_costs_is_counted_by_who_shows_the_cue(audited: AuditedNet) -> None:
    shows = {"green/1.png", "green/4.png", "blue/0.png", "red/7.png"}

    def recogniser() -> Recogniser:
        def recognise(image: Features) -> Hit | None:
            return Hit(image.name, 1.0) if image.name in shows else None

        return recognise

    groups = measure(audited, cause(count=4, recogniser=recogniser)).groups
    assert groups is not None
    # of the class, who shows it is known: four that are right, and without it two that are and two that are not
    assert groups.shown == Group(4, 4)
    assert groups.lacking == Group(4, 2)
    assert groups.others == Group(3, 0)
    assert groups.looked_at == 16


def test_only_images_that_the_finder_looked_at_are_counted_as_showing_it_or_not(audited: AuditedNet) -> None:
    looked_at = frozenset(
        ["red/0.png", "red/4.png", "red/6.png", "green/1.png", "green/4.png", "blue/0.png", "blue/1.png", "blue/2.png"]
    )
    asked: list[str] = []

    def recogniser() -> Recogniser:
        def recognise(image: Features) -> Hit | None:
            asked.append(image.name)
            return Hit(image.name, 1.0) if image.name in {"green/1.png", "blue/2.png", "blue/7.png"} else None

        return recognise

    found = cause(count=4, recogniser=recogniser)
    of_some = dataclasses.replace(found, suspicion=dataclasses.replace(found.suspicion, looked_at=looked_at))
    groups = measure(audited, of_some).groups
    assert groups is not None
    # of four red ones that show it one, which is right; of four that don't one that is right, and one that is not
    assert (groups.shown, groups.lacking, groups.others) == (Group(1, 1), Group(2, 1), Group(2, 0))
    assert groups.looked_at == len(asked) == 5
    assert set(asked) == {name for name in looked_at if not name.startswith("red")}
    none = dataclasses.replace(found, suspicion=dataclasses.replace(found.suspicion, looked_at=frozenset()))
    groups = measure(audited, none).groups
    assert groups is not None
    assert (groups.shown, groups.lacking, groups.others, groups.looked_at) == (*(Group(0, 0),) * 3, 0)


def test_images_of_other_classes_that_are_taken_for_the_class_are_counted(tmp_path: Path, model: Model) -> None:
    pictures = {"red": [cells(red=4)] * 4, "green": [cells(red=8), cells(green=4), cells(red=9), cells(blue=4)]}
    # another folder of the same class has no images of other classes
    pictures["crimson"] = [cells(red=4)] * 3
    audited = audited_net(model, observed(tmp_path, model, pictures, {"crimson": 0}))
    everything = cause(count=3, recogniser=lambda: lambda image: Hit(image.name, 1.0))
    groups = measure(audited, everything).groups
    assert groups is not None
    assert (groups.shown, groups.lacking, groups.others) == (Group(3, 3), Group(1, 1), Group(4, 2))
    assert groups.looked_at == 4


@pytest.mark.parametrize(("most", "of_each"), [(120, (8, 8)), (6, (3, 3)), (7, (3, 3)), (2, (1, 1)), (1, (1, 0))])
def test_so_many_of_other_classes_are_looked_at_of_each_alike_in_the_order_of_the_draw(
    audited: AuditedNet, monkeypatch: pytest.MonkeyPatch, most: int, of_each: tuple[int, int]
) -> None:
    monkeypatch.setattr("cam_audit.findings.evidence.MAX_OTHERS", most)
    looked: list[str] = []

    def recogniser() -> Recogniser:
        return lambda image: looked.append(image.name)

    groups = measure(audited, cause(recogniser=recogniser)).groups
    assert groups is not None
    assert groups.looked_at == len(looked) == sum(of_each) <= most
    for label, count in zip(("blue", "green"), of_each, strict=True):
        drawn = [each.source.name for each in sorted(audited.groups[label], key=lambda each: draw_key(each.source))]
        assert [name for name in looked if name.startswith(label)] == drawn[:count]


def test_images_that_are_gone_are_left_out(tmp_path: Path, model: Model) -> None:
    audited = audited_net(model, seen(tmp_path, model, {}))
    gone = ("red/0.png", "red/1.png", "green/0.png")
    for name in gone:
        (tmp_path / name).unlink()
    evidence = measure(audited, cause(count=6))
    assert set(evidence.changed) == {f"red/{index}.png" for index in range(2, 6)}
    for test, trials in evidence.trials.items():
        took_part = {name for trial in trials for name in (trial.source.name, trial.edited.donor, trial.control.donor)}
        assert not took_part & set(gone), test
    pasted = evidence.effects[0]
    assert 4 <= pasted.images < 16
    assert pasted.gain.value == pytest.approx(3 / SCALE, abs=1e-4)


@pytest.mark.parametrize(("code", "finder"), CODES_AND_FINDERS)
def test_a_folder_of_no_class_is_measured_as_if_it_were_labelled_with_its_class(
    tmp_path: Path, model: Model, code: str, finder: str
) -> None:
    unlabelled, labelled = (audited_net(model, seen(tmp_path, model, {"red": known})) for known in (None, 0))
    assert unlabelled.class_of["red"] == 0
    one, other = (measure(audited, cause(code, finder)) for audited in (unlabelled, labelled))
    assert one.class_index == other.class_index == 0
    assert (one.effects, one.changed, one.groups) == (other.effects, other.changed, other.groups)
    if one.use and other.use and one.maps and other.maps:
        assert dataclasses.astuple(one.use) == pytest.approx(dataclasses.astuple(other.use), abs=1e-6)
        np.testing.assert_allclose(one.maps.own, other.maps.own, atol=1e-6)
        np.testing.assert_allclose(one.maps.others, other.maps.others, atol=1e-6)
        # the maps of the two that are predicted as another class take a pass each
        assert one.passes == other.passes + 2
    assert names_of(one) == names_of(other)


def test_counterfactuals_tell_what_the_net_says_of_each_picture(audited: AuditedNet, model: Model) -> None:
    evidence = measure(audited, cause(count=6))
    records = counterfactuals_of(model, evidence)
    assert [record.test for record in records] == ["paste"] * 16 + ["painted_over"] * 6
    for record in records[:16]:
        own = record.label
        assert (record.path.partition("/")[0], record.size) == (own, (32, 32))
        # before: 2 for its own colour, 0.5 for `other`, 0 for the rest; then red has 3
        total = math.exp(2) + math.exp(0.5) + 2
        for said in (record.before, record.control.said):
            assert_said(said, Said(own, math.exp(2) / total, 1 / total))
        more = total - 1 + math.exp(3)
        assert_said(record.edited.said, Said("red", math.exp(3) / more, math.exp(3) / more))
        assert record.edited.donor in {f"red/{index}.png" for index in range(6)}
        assert record.edited.donor_size == record.control.donor_size == (32, 32)
        assert str(record.control.donor).partition("/")[0] in {"green", "blue"} - {own}
        assert record.edited.edit.box == record.control.edit.box == STAMPED_BOX
    for record in records[16:]:
        assert (record.before.class_name, record.edited.said.class_name) == ("red", "other")
        assert (record.edited.donor, record.edited.donor_size) == (None, None)
        assert record.control.edit.box == (0.5, 0.0, 1.0, 0.75)


def assert_said(said: Said, expected: Said) -> None:
    assert said.class_name == expected.class_name
    assert (said.probability, said.cue_probability) == pytest.approx(
        (expected.probability, expected.cue_probability), abs=1e-4
    )
