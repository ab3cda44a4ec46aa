"""The parts of each class: which images show most of them, where, and what they are held against."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tiny_net import colour_net

from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.class_parts import Found, class_parts, split
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.gates import packed_gates
from cam_audit.findings.sample import Collected, Observation
from cam_audit.models.model import Model, load_model
from cam_audit.records import ImageSource
from cam_audit.workers import in_order, one_by_one

CLASSES = {"red": 0, "rot": 0, "few": 0, "green": 1, "blue": 2}
GRID = (2, 4)


def activations(colour: int, level: float) -> np.ndarray:
    """A level of a colour in the second cell of the upper row, and one of green in the whole lower row."""
    values = np.zeros((3, *GRID), np.float32)
    values[colour, 0, 1] = level
    values[1, 1] = 1
    return values


def observation(label: str, index: int, *, kept: bool = True, foreground: np.ndarray | None = None) -> Observation:
    class_index = CLASSES[label]
    name = f"{label}/{index:02}.png"
    return Observation(
        source=ImageSource("/nowhere", name, label, class_index),
        features=ImageFeatures(name, label, {}),
        logits=np.eye(4, dtype=np.float32)[class_index],
        map_class=class_index,
        own_map=np.zeros(GRID, np.float32),
        activations=activations(class_index, 2 * index + 1).astype(np.float16) if kept else None,
        kept=np.ones(GRID, bool) if kept else None,
        foreground=foreground,
    )


def net_of(model: Model, *observations: Observation) -> AuditedNet:
    collected = Collected()
    collected.observations = {each.source.name: each for each in observations}
    return audited_net(model, collected)


def group(label: str, count: int = 14, foreground: np.ndarray | None = None) -> list[Observation]:
    return [observation(label, index, foreground=foreground) for index in range(count)]


def parts_of(found: list[Found], label: str) -> list[Found]:
    return [each for each in found if each[0].label == label]


def test_the_examples_of_a_part_are_the_images_with_most_of_it_boxed_where_it_is(model: Model) -> None:
    found = class_parts(net_of(model, *group("red"), *group("blue")), one_by_one)
    (largest, maps), (against, _) = parts_of(found, "red")
    assert [example.path for example in largest.examples] == [f"red/{index}.png" for index in (13, 12, 11, 10)] + [
        "red/09.png",
        "red/08.png",
    ]
    assert [example.box for example in largest.examples] == [(0.25, 0.0, 0.5, 0.5)] * 6
    assert [each.path for each in maps.maps] == [f"red/{index:02}.png" for index in reversed(range(14))]
    # the direction is that of the channel
    np.testing.assert_allclose(np.abs(maps.direction), [1, 0, 0], atol=0.02)
    for each in maps.maps:
        assert np.unravel_index(each.values.argmax(), GRID) == (0, 1)
    # they hold 1, 3, 5 to 27, and a tenth more than 24.4: a fifth of that is more than the first two have
    assert (largest.images, largest.looked_at) == (12, 14)
    # no blue image shows red; all show the lower row
    assert (largest.others, largest.others_looked_at) == (0, 14)
    assert (against.others, against.others_looked_at) == (14, 14)
    assert (largest.number, largest.sheet, against.number) == (1, "parts/red/1.jpg", 2)
    # what the lower row adds: green speaks against red by a quarter of its weight, in other images as much
    assert against.examples[0].box == (0.0, 0.5, 1.0, 1.0)
    assert largest.share > 0 > against.share
    assert against.beyond == pytest.approx(0, abs=0.01)
    # 14 in the mean of the images, in one of eight cells, by weights of 6 and of -2
    red, green = 6 * 14 / 8, -2 * 4 / 8
    assert largest.share == pytest.approx(red / (red - green), abs=0.01)
    assert against.share == pytest.approx(green / (red - green), abs=0.01)


def test_classes_of_fewer_than_twelve_images_with_activations_are_left_out_and_no_reference(model: Model) -> None:
    blue = [observation("blue", index, kept=index < 11) for index in range(20)]
    net = net_of(model, *group("red", 12), *group("green", 12), *blue)
    found = class_parts(net, one_by_one)
    assert {part.label for part, _ in found} == {"red", "green"}
    assert {part.looked_at for part, _ in found} == {12}
    assert [part for part, _ in found] == [
        part for part, _ in class_parts(net_of(model, *group("red", 12), *group("green", 12)), one_by_one)
    ]
    assert class_parts(net_of(model, *group("red", 12), *blue), one_by_one) == []


@pytest.mark.parametrize(("let_through", "beyond"), [(True, 0.0), (False, 1.0)])
def test_what_other_images_have_counts_where_they_let_the_class_through(
    tmp_path: Path, let_through: bool, beyond: float
) -> None:
    """Images of the other class hold just as much red, but a ReLU may let none of it through to the class red."""
    net = load_model(replace(colour_net(), in_each_cell=True).write(tmp_path / "net.onnx"))
    own, theirs = np.zeros((2, 4, *GRID), np.float32)
    own[:, 0, 1] = 1
    theirs[0, 0, 1] = let_through
    observations = [
        replace(observation(label, index), activations=activations(0, 9).astype(np.float16), gates=packed_gates(gates))
        for label, gates in (("red", own), ("blue", theirs))
        for index in range(12)
    ]
    # in the lower row there is green, where the score of red is not let through
    ((part, maps),) = parts_of(class_parts(net_of(net, *observations), one_by_one), "red")
    assert part.share == pytest.approx(1, abs=1e-3)
    assert part.beyond == pytest.approx(beyond, abs=1e-3)
    np.testing.assert_allclose(maps[0].values, np.where(own[0] > 0, 9, 0), rtol=1e-2)


def test_folders_of_the_same_class_are_no_others(model: Model) -> None:
    alone = class_parts(net_of(model, *group("red"), *group("green")), one_by_one)
    beside = class_parts(net_of(model, *group("red"), *group("rot"), *group("green")), one_by_one)
    for (part, _), (expected, _) in zip(parts_of(beside, "red"), parts_of(alone, "red"), strict=True):
        assert part == expected
    assert parts_of(beside, "rot")
    assert class_parts(net_of(model, *group("red"), *group("rot")), one_by_one) == []


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_comes_to_the_same(model: Model, workers: int) -> None:
    net = net_of(model, *group("red"), *group("rot", 13), *group("green"), *group("blue"))
    alone, several = class_parts(net, one_by_one), class_parts(net, partial(in_order, workers))
    assert [part for part, _ in alone] == [part for part, _ in several] != []
    for (_, maps), (_, expected) in zip(several, alone, strict=True):
        for one, other in zip(maps.maps, expected.maps, strict=True):
            assert one.path == other.path
            np.testing.assert_array_equal(one.values, other.values)


def test_where_a_part_lies_is_told_only_if_it_is_told_of_all_images(model: Model) -> None:
    foreground = np.zeros(GRID, np.float32)
    foreground[0, 1] = 8
    found = class_parts(net_of(model, *group("red", foreground=foreground), *group("blue")), one_by_one)
    (on_it, _), (around, _) = parts_of(found, "red")
    assert (on_it.where, around.where) == ("object", "surroundings")
    assert on_it.foreground_ratio == pytest.approx(8, rel=0.02)
    assert around.foreground_ratio == pytest.approx(0, abs=0.1)
    for part, _ in parts_of(found, "blue"):
        assert (part.where, part.foreground_ratio) == ("unknown", None)
    all_but_one = [*group("red", 13, foreground), observation("red", 13)]
    for part, _ in class_parts(net_of(model, *all_but_one, *group("blue")), one_by_one):
        assert (part.where, part.foreground_ratio) == ("unknown", None)


def test_the_parts_of_all_classes_come_with_the_largest_first_and_maps_by_sheet(model: Model) -> None:
    found = class_parts(net_of(model, *group("red"), *group("green"), *group("blue", 13)), one_by_one)
    parts, maps = split(found)
    shares = [abs(part.share) for part in parts]
    assert shares == sorted(shares, reverse=True)
    assert len(parts) == len(found)
    assert maps.keys() == {part.sheet for part in parts}
    for part in parts:
        paths = [each.path for each in maps[part.sheet].maps]
        assert len(paths) == part.looked_at
        assert paths[: len(part.examples)] == [example.path for example in part.examples]
    assert split([]) == ((), {})
