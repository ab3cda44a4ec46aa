"""The parts of each class: which images show most of them, where, and what they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from split_up import cells_of, split_of
from tiny_net import colour_net

from cam_audit.findings.audited_net import AuditedNet, audited_net
from cam_audit.findings.class_parts import ClassParts, class_parts, parts_of
from cam_audit.findings.cues.records import ImageFeatures
from cam_audit.findings.relu_gates import packed_gates
from cam_audit.findings.sample import Collected, Observation
from cam_audit.models.model import Model, load_model
from cam_audit.records import ImageSource, Part, PartMaps
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


def with_maps(found: list[ClassParts], label: str | None = None) -> list[tuple[Part, PartMaps]]:
    """The parts of a class, or of all, each with its maps, in their order."""
    parts, maps = parts_of(found)
    return [(part, maps[part.sheet]) for part in parts if label in (None, part.label)]


def test_the_examples_of_a_part_are_the_images_with_most_of_it_boxed_where_it_is(model: Model) -> None:
    found = class_parts(net_of(model, *group("red"), *group("blue")), one_by_one)
    (largest, maps), (against, _) = with_maps(found, "red")
    assert [example.path for example in largest.examples] == [f"red/{index}.png" for index in (13, 12, 11, 10)] + [
        "red/09.png",
        "red/08.png",
    ]
    assert [example.box for example in largest.examples] == [(0.25, 0.0, 0.5, 0.5)] * 6
    assert [each.path for each in maps.maps] == [f"red/{index:02}.png" for index in reversed(range(14))]
    # the direction is that of the channel
    np.testing.assert_allclose(np.abs(maps.direction), [1, 0, 0], atol=0.02)
    for each in maps.maps:
        assert [int(place) for place in np.unravel_index(each.values.argmax(), GRID)] == [0, 1]
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
    parts, _ = parts_of(found)
    assert [of_class.label for of_class in found] == ["green", "red"]
    assert {part.label for part in parts} == {"red", "green"}
    assert {part.looked_at for part in parts} == {12}
    assert parts == parts_of(class_parts(net_of(model, *group("red", 12), *group("green", 12)), one_by_one))[0]
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
    found = class_parts(net_of(net, *observations), one_by_one)
    (part,) = next(each.parts for each in found if each.label == "red")
    maps = next(each.maps[part.sheet].maps for each in found if each.label == "red")
    assert part.share == pytest.approx(1, abs=1e-3)
    assert part.beyond == pytest.approx(beyond, abs=1e-3)
    np.testing.assert_allclose(maps[0].values, np.where(own[0] > 0, 9, 0), rtol=1e-2)


def test_folders_of_the_same_class_are_no_others(model: Model) -> None:
    alone = class_parts(net_of(model, *group("red"), *group("green")), one_by_one)
    beside = class_parts(net_of(model, *group("red"), *group("rot"), *group("green")), one_by_one)
    for (part, _), (expected, _) in zip(with_maps(beside, "red"), with_maps(alone, "red"), strict=True):
        assert part == expected
    assert with_maps(beside, "rot")
    assert class_parts(net_of(model, *group("red"), *group("rot")), one_by_one) == []


@pytest.mark.parametrize("workers", [2, 5])
def test_any_number_of_workers_comes_to_the_same(model: Model, workers: int) -> None:
    net = net_of(model, *group("red"), *group("rot", 13), *group("green"), *group("blue"))
    alone, several = class_parts(net, one_by_one), class_parts(net, partial(in_order, workers))
    assert parts_of(alone)[0] == parts_of(several)[0] != ()
    assert [of_class.label for of_class in several] == ["blue", "green", "red", "rot"]
    for (_, maps), (_, expected) in zip(with_maps(several), with_maps(alone), strict=True):
        for one, other in zip(maps.maps, expected.maps, strict=True):
            assert one.path == other.path
            np.testing.assert_array_equal(one.values, other.values)


def test_where_a_part_lies_is_told_only_if_it_is_told_of_all_images(model: Model) -> None:
    foreground = np.zeros(GRID, np.float32)
    foreground[0, 1] = 8
    found = class_parts(net_of(model, *group("red", foreground=foreground), *group("blue")), one_by_one)
    (on_it, _), (around, _) = with_maps(found, "red")
    assert (on_it.where, around.where) == ("object", "surroundings")
    assert on_it.foreground_ratio == pytest.approx(8, rel=0.02)
    assert around.foreground_ratio == pytest.approx(0, abs=0.1)
    for part, _ in with_maps(found, "blue"):
        assert (part.where, part.foreground_ratio) == ("unknown", None)
    all_but_one = [*group("red", 13, foreground), observation("red", 13)]
    for part in parts_of(class_parts(net_of(model, *all_but_one, *group("blue")), one_by_one))[0]:
        assert (part.where, part.foreground_ratio) == ("unknown", None)


def test_the_parts_of_all_classes_come_with_the_largest_first_and_maps_by_sheet(model: Model) -> None:
    found = class_parts(net_of(model, *group("red"), *group("green"), *group("blue", 13)), one_by_one)
    parts, maps = parts_of(found)
    shares = [abs(part.share) for part in parts]
    assert shares == sorted(shares, reverse=True)
    assert len(parts) == sum(len(of_class.parts) for of_class in found)
    assert {part.label for part in parts} == {"red", "green", "blue"}
    assert maps.keys() == {part.sheet for part in parts}
    for part in parts:
        paths = [each.path for each in maps[part.sheet].maps]
        assert len(paths) == part.looked_at
        assert paths[: len(part.examples)] == [example.path for example in part.examples]
    assert parts_of([]) == ((), {})


def hand_made(weight: Sequence[float], places: Sequence[str]) -> ClassParts:
    """A class whose images hold three things, a channel each, in three of twelve cells each; `places`: by channel."""
    cells = np.zeros((3, 12), np.float32)
    for thing in range(3):
        cells[thing, 3 * thing : 3 * thing + 3] = 1
    activations = [cells.reshape(3, 3, 4)] * 12
    worth = np.array(weight, np.float32)
    taken_apart = split_of(activations, [np.ones((3, 4), bool)] * 12, worth, [np.zeros((3, 1), np.float32)])
    own = [observation("red", index) for index in range(12)]
    parts = tuple(part_at(piece.direction, places) for piece in taken_apart.pieces)
    return ClassParts("red", 0, own, [], worth, taken_apart, parts)


def part_at(direction: np.ndarray, places: Sequence[str]) -> Part:
    """A part that lies where the channel lies that it is of."""
    where = places[int(np.abs(direction).argmax())]
    return Part("red", 1, 0.0, 0.0, 12, 12, 0, 1, where, None, 0.0, "", ())


def channels(found: ClassParts, place: str) -> set[int]:
    return {int(np.abs(piece.direction).argmax()) for piece in found.on(place)}


def test_on_a_place_are_the_parts_that_lie_there_and_speak_for_the_class() -> None:
    found = hand_made([5, -3, 2], ["surroundings", "surroundings", "object"])
    assert len(found.split.pieces) == 3
    # the second speaks against it
    assert channels(found, "surroundings") == {0}
    assert channels(found, "object") == {2}
    assert found.on("unknown") == []
    assert channels(hand_made([5, 3, 2], ["surroundings", "surroundings", "object"]), "surroundings") == {0, 1}


@pytest.mark.parametrize(
    ("weight", "image", "on_place"),
    [
        # of 6 x 5 in a cell of eight, and 2 x 2 elsewhere: 30 of 34
        ([5, 3, 2], [6, 0, 2], 30 / 34),
        # the second lies there too: 30 and 12 of 42 and 4
        ([5, 3, 2], [6, 4, 2], 42 / 46),
        # what speaks against the class is counted, with no sign, among all that is added, but not to the place's share
        ([5, -3, 2], [6, 4, 2], 30 / 46),
        # an image with none of it
        ([5, 3, 2], [0, 0, 2], 0.0),
        # nor of anything
        ([5, 3, 2], [0, 0, 0], 0.0),
    ],
)
def test_the_share_of_a_place_in_an_image_is_what_its_parts_add_of_all(
    weight: Sequence[float], image: Sequence[float], on_place: float
) -> None:
    found = hand_made(weight, ["surroundings", "surroundings", "object"])
    activations = np.zeros((3, 2, 4), np.float32)
    activations[0, 0, 0], activations[1, 0, 1], activations[2, 1, 3] = image
    share = found.share_on("surroundings", cells_of(activations, np.ones((2, 4), bool)))
    assert share == pytest.approx(on_place, abs=1e-5)
    assert isinstance(share, float)


@pytest.mark.parametrize("sign", [1, -1])
def test_what_is_in_no_part_of_the_class_is_counted_as_the_rest_with_either_sign(sign: int) -> None:
    cells = np.zeros((4, 12), np.float32)
    for thing in range(3):
        cells[thing, 3 * thing : 3 * thing + 3] = 1
    worth = np.array([5, 3, 2, sign * 7], np.float32)
    taken_apart = split_of(
        [cells.reshape(4, 3, 4)] * 12, [np.ones((3, 4), bool)] * 12, worth, [np.zeros((4, 1), np.float32)]
    )
    parts = tuple(part_at(piece.direction, ["surroundings", "object", "object"]) for piece in taken_apart.pieces)
    found = ClassParts("red", 0, [observation("red", 0)] * 12, [], worth, taken_apart, parts)
    # one cell of the first, 6 x 5, and in another cell the fourth, 4 x 7, which the class's images did not have
    activations = np.zeros((4, 2, 4), np.float32)
    activations[0, 0, 0], activations[3, 1, 3] = 6, 4
    assert found.share_on("surroundings", cells_of(activations, np.ones((2, 4), bool))) == pytest.approx(
        30 / 58, abs=1e-5
    )


def test_what_lies_in_padding_has_no_share_of_an_image() -> None:
    found = hand_made([5, 3, 2], ["surroundings", "surroundings", "object"])
    activations, kept = np.zeros((3, 2, 4), np.float32), np.ones((2, 4), bool)
    activations[0, 0, 0], activations[2, 1, 3] = 6, 2
    kept[0] = False
    assert found.share_on("surroundings", cells_of(activations, kept)) == 0
    kept = ~kept
    assert found.share_on("surroundings", cells_of(activations, kept)) == pytest.approx(1)


def test_of_other_classes_those_are_counted_that_a_class_was_held_against(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nine blue images and of nine green ones; blue ones with an even number show some red, too."""
    monkeypatch.setattr("cam_audit.findings.class_parts.MAX_OTHERS", 9)
    blue = [observation("blue", index) for index in range(14)]
    for one in blue[::2]:
        assert one.activations is not None
        one.activations[0, 0, 3] = 20
    net = net_of(model, *group("red"), *group("green"), *blue)
    found = class_parts(net, one_by_one)
    (red,) = (of_class for of_class in found if of_class.label == "red")
    largest = red.parts[0]
    # 4 of each: every fourth of 14 in the order in which they are drawn
    held_against = [one.source.name for label in ("blue", "green") for one in net.groups[label][::4]]
    assert sorted(one.source.name for one in red.others) == sorted(held_against)
    showing = [name for name in held_against if name.startswith("blue") and int(name[5:7]) % 2 == 0]
    assert 0 < len(showing) < 4
    assert (largest.others, largest.others_looked_at) == (len(showing), 8)
    told = zip(red.others, red.split.pieces[0].others, strict=True)
    assert sorted(one.source.name for one, shows in told if shows) == sorted(showing)


def test_what_is_told_does_not_depend_on_the_last_digits_of_sums() -> None:
    numbers = {"share": 0.335982, "beyond": 0.260977, "foreground_ratio": 0.839486, "wander": 0.027699}
    counts = dict.fromkeys(("images", "looked_at", "others", "others_looked_at"), 14)

    def told(more: float) -> Part:
        of_part = {name: value + more for name, value in numbers.items()}
        part = Part("a", 1, where="object", sheet="parts/a/1.jpg", examples=(), **counts, **of_part)
        ((rounded,), _) = parts_of([SimpleNamespace(parts=(part,), maps={})])  # type: ignore[list-item]
        return rounded

    assert told(0.0) == told(2e-6)
    assert (told(0.0).share, told(0.0).wander) == (0.336, 0.0277)
