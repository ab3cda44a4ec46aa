"""Where objects lie is measured as drawn, tells a class or not, and becomes an edit that frames others alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from cam_audit.findings.codes import counterfactuals
from cam_audit.findings.counterfactual import Roles
from cam_audit.findings.cues.records import ImageFeatures, Suspicion
from cam_audit.findings.edits import FRAMED, apply
from cam_audit.findings.framing import STATISTICS, _Difference, edit_for, statistics_of, suspected, weights_of
from cam_audit.findings.sample import Observation
from cam_audit.records import ImageSource
from cam_audit.workers import one_by_one

Floats = NDArray[np.float32]
Greys = NDArray[np.uint8]
SIDE, GRID = 112, (7, 7)
NAMES = [statistic.name for statistic in STATISTICS]


def rectangle(left: float, top: float, right: float, bottom: float, shape: tuple[int, int] = (100, 200)) -> Floats:
    weights = np.zeros(shape, np.float32)
    rows, columns = (
        (round(shape[0] * each) for each in (top, bottom)),
        (round(shape[1] * each) for each in (left, right)),
    )
    weights[slice(*rows), slice(*columns)] = 3
    return weights


def test_the_statistics_are_those_of_a_rectangle_drawn_by_hand() -> None:
    # of its area, columns up to .2 of 1 and rows from .8 on are at the edges: 1 - (.4 / .5) * (.3 / .4)
    found = dict(zip(NAMES, statistics_of(rectangle(0.1, 0.5, 0.6, 0.9)).tolist(), strict=True))
    wanted = {"centre_x": 0.35, "centre_y": 0.7, "width": 0.5, "height": 0.4, "at_edges": 0.4}
    assert found == pytest.approx(wanted, abs=1e-3)


def test_a_picture_without_anything_in_it_has_finite_numbers() -> None:
    assert np.isfinite(statistics_of(np.zeros((7, 9), np.float32))).all()
    even = statistics_of(weights_of(np.ones(GRID, np.float32), np.full((SIDE, SIDE), 90, np.uint8)))
    np.testing.assert_allclose(even[:4], (0.5, 0.5, 1, 1), atol=0.01)


def test_detail_counts_where_the_foreground_is_and_the_foreground_where_detail_is() -> None:
    greys = np.full((SIDE, SIDE), 60, np.uint8)
    greys[32:48, 32:48], greys[80:96, 80:96] = 200, 200
    first = np.zeros(GRID, np.float32)
    first[1:4, 1:4] = 1
    weights = weights_of(first, greys)
    assert weights[30:50, 30:50].sum() > 0.95 * weights.sum()
    # the rims of the square, and neither its inside nor the cells around
    assert weights[36:44, 36:44].sum() < 0.01 * weights.sum()
    assert weights[:28].sum() < 0.01 * weights.sum()


def image(
    label: str, index: int, share: float, *, foreground: bool = True, apart: bool = True, strong: float = 40
) -> Observation:
    """A speckled disc on a ground that is speckled a little, of a size that varies; its net sees cells of the disc.

    strong: how much the disc is speckled, in grey levels; the ground is by 8.
    """
    rng = np.random.default_rng([index, *label.encode()])
    radius = share * rng.uniform(0.75, 1.3) * SIDE / 2
    x, y = rng.uniform(0.45, 0.55, 2) * SIDE
    rows, columns = np.mgrid[:SIDE, :SIDE]
    disc = (rows - y) ** 2 + (columns - x) ** 2 <= radius**2
    greys = (110 + rng.uniform(-1, 1, disc.shape) * np.where(disc, strong, 8)).astype(np.uint8)
    cells = disc.reshape(7, 16, 7, 16).mean((1, 3)).astype(np.float32) + 0.002
    name = f"{label}/{index:02}.png"
    return Observation(
        source=ImageSource("/nowhere", name, label, 0),
        features=ImageFeatures(name, label, {"thumbnail": greys}),
        logits=np.zeros(3, np.float32),
        map_class=0,
        own_map=np.zeros(GRID, np.float32),
        activations=np.zeros((1, *GRID), np.float16) if apart else None,
        foreground=cells / cells.mean() if foreground else None,
    )


def asked(**groups: Sequence[Observation]) -> list[Suspicion]:
    return suspected(groups, one_by_one)


def group(label: str, share: float = 0.6, count: int = 24, **options: bool) -> list[Observation]:
    return [image(label, index, share, **options) for index in range(count)]


def test_objects_that_stand_out_more_are_not_framed_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {label: group(label, strong=strong) for label, strong in (("ant", 60), ("bee", 10), ("cow", 10))}
    for one in (one for each in groups.values() for one in each):
        assert one.foreground is not None
        # such a net sees some object everywhere
        one.foreground[:] = (one.foreground + 1) / 2
    assert asked(**groups) == []
    # although the detail is narrower, where it is stronger
    monkeypatch.setattr("cam_audit.findings.framing.AGREES", -np.inf)
    (found,) = asked(**groups)
    assert "narrower" in found.cue


def few(label: str, share: float, others: float, small: int, count: int = 24) -> list[Observation]:
    return [image(label, index, share if index < small else others) for index in range(count)]


def test_a_class_of_small_objects_is_told_and_said_to_be() -> None:
    (found,) = asked(ant=group("ant", 0.3), bee=group("bee"), cow=group("cow"))
    assert (found.finder, found.label, found.images) == ("framing", "ant", 24)
    assert found.score >= 0.9
    own, others = (found.numbers[f"{whose}_width"] for whose in ("class", "others"))
    assert own < 0.8 * others
    assert "in the other classes)" in found.cue
    assert "fills" in found.cue
    for hit in found.hits:
        assert hit.box is not None
        left, top, right, bottom = hit.box
        assert 0 <= left < 0.5 < right <= 1
        assert 0 <= top < 0.5 < bottom <= 1


def test_half_of_a_class_is_told_and_only_that_half() -> None:
    (found,) = asked(ant=few("ant", 0.25, 0.6, 12), bee=group("bee"), cow=group("cow"))
    names = {hit.name for hit in found.hits}
    small = {f"ant/{index:02}.png" for index in range(12)}
    assert len(names & small) >= 8
    assert len(names - small) <= 1


@pytest.mark.parametrize("share", [0.3, 0.6])
def test_where_all_classes_are_framed_alike_none_is_told(share: float) -> None:
    assert asked(ant=group("ant", share), bee=group("bee", share), cow=group("cow", share)) == []
    assert asked(ant=group("ant", share)) == []
    assert asked() == []


def test_what_no_foreground_is_known_of_is_not_asked() -> None:
    small, others = group("ant", 0.3), {"bee": group("bee"), "cow": group("cow")}
    unknown = [image("ant", 0, 0.3, foreground=False), *small[1:]]
    assert asked(ant=unknown, **others) == []
    # those that were not taken to parts are none of the class's images here
    (found,) = asked(ant=[*small, image("ant", 99, 0.3, foreground=False, apart=False)], **others)
    assert found.images == 24
    assert found.looked_at == {one.source.name for group in (small, *others.values()) for one in group}


def test_by_chance_fewer_classes_are_told_than_one_in_a_thousand() -> None:
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(100):
        groups = {
            label: [
                dataclasses.replace(one, foreground=rng.gamma(1, 1, GRID).astype(np.float32))
                for one in group(label, 0.6, 20)
            ]
            for label in ("ant", "bee")
        }
        told += len(suspected(groups, one_by_one))
    # of 200 that were asked
    assert told <= 1


def test_images_of_all_classes_are_recognised_by_the_same_limit() -> None:
    cows = few("cow", 0.3, 0.6, 1)
    (found,) = asked(ant=group("ant", 0.3), bee=group("bee"), cow=cows)
    recognise = found.recogniser()
    assert {hit.name for one in group("ant", 0.3) if (hit := recognise(one.features))} == {h.name for h in found.hits}
    shown = [one.source.name for one in (*group("bee"), *cows) if recognise(one.features)]
    assert shown in ([], ["cow/00.png"])
    assert recognise(ImageFeatures("ant/unknown.png", "ant", {})) is None


def differences(own: Iterable[float], others: Iterable[float], power: int = 2) -> _Difference:
    return _Difference(np.array([*own, 0.1], np.float32), np.array([*others, 0.3], np.float32), power)


def test_the_edit_scales_by_the_square_of_what_is_measured_and_moves_the_object() -> None:
    of = np.array([0.4, 0.7, 0.3, 0.3, 0.1], np.float32)
    smaller = differences((0.5, 0.6, 0.4, 0.4), (0.4, 0.6, 0.5, 0.5))
    edit = edit_for(of, smaller)
    # the object's centre, at (.4, .7), comes to (.5, .7): the picture's is .64 times as far from it
    assert edit.amounts == pytest.approx((0.64, 0.5 + 0.64 * 0.1, 0.7 + 0.64 * -0.2), abs=1e-6)
    # masks tell the object alone
    assert edit_for(of, differences((0.5, 0.6, 0.4, 0.4), (0.4, 0.6, 0.5, 0.5), power=1)).amounts[0] == pytest.approx(
        0.8
    )
    back = edit_for(of, smaller.inverse)
    assert back.amounts == pytest.approx((1 / 0.64, 0.3 + 0.1 / 0.64, 0.7 - 0.2 / 0.64), abs=1e-6)
    for far in (differences((0.5, 0.5, 0.1, 0.1), (0.5, 0.5, 0.9, 0.9)),):
        assert edit_for(of, far).amounts[0] == FRAMED[0]
        assert edit_for(of, far.inverse).amounts[0] == FRAMED[1]


def test_an_edited_picture_has_its_object_where_the_edit_says() -> None:
    rgb = np.full((100, 200, 3), 40, np.uint8)
    rgb[60:80, 60:100] = 250
    of = statistics_of((rgb[..., 0] > 200).astype(np.float32))
    edit = edit_for(of, differences((0.6, 0.5, 0.4, 0.4), (0.5, 0.6, 0.5, 0.5)))
    after = statistics_of((apply(edit, rgb, None)[..., 0] > 145).astype(np.float32))
    np.testing.assert_allclose(after[:4], (of[0] + 0.1, of[1] - 0.1, 0.64 * of[2], 0.64 * of[3]), atol=0.01)


def test_the_framing_of_the_class_is_given_and_taken_and_the_control_is_a_third_classs() -> None:
    ants, bees, cows = group("ant", 0.4), group("bee"), group("cow", 0.62)
    (found,) = asked(ant=ants, bee=bees, cow=cows)
    given, taken = found.tests
    assert {given.name, taken.name} <= counterfactuals().keys()
    assert taken.about.takes_away
    assert not given.about.takes_away
    own, bee, cow = ants[0].source, bees[0].source, cows[0].source
    hit = found.hits[0]
    planted, control = (test(Roles(hit, bee, own, cow)).amounts for test in (given.edit, given.control))
    assert planted is not None
    assert control is not None
    assert planted[0] < 0.6
    assert control[0] > 1
    freed, other = (test(Roles(hit, own, cow, cow)).amounts for test in (taken.edit, taken.control))
    assert freed is not None
    assert other is not None
    assert freed[0] == pytest.approx(min(1 / planted[0], FRAMED[1]))
    assert other[0] == pytest.approx(1 / control[0])
    assert given.among == taken.among == found.looked_at
