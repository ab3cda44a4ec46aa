"""Parts in the surroundings: when they are suspected, which images show them where, and how they are planted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from split_up import split_of

from cam_audit.findings.class_parts import ClassParts
from cam_audit.findings.context import _emptiest, _richest, share_in, suspected
from cam_audit.findings.counterfactual import CueTest, Roles
from cam_audit.findings.cues.records import ImageFeatures, Suspicion
from cam_audit.findings.sample import Observation
from cam_audit.records import Box, Edit, ImageSource, Part

Floats = NDArray[np.float32]
GRID = (6, 8)
# Of each thing, the cells that hold it, and where it lies: an animal in the middle, snow below it, sky above it.
ANIMAL, SNOW, SKY = 0, 1, 2
CELLS = {ANIMAL: np.s_[2:4, 3:5], SNOW: np.s_[4:6, :], SKY: np.s_[0:1, :]}
PLACES = ("object", "surroundings", "surroundings")
CLASSES = ("wolf", "dog", "cat")


def activations(animal: float = 0.0, snow: float = 0.0, sky: float = 0.0) -> Floats:
    """So much of each thing in the mean of all cells: what it adds to a score whose weights are 1."""
    values = np.zeros((3, *GRID), np.float32)
    for thing, mean in ((ANIMAL, animal), (SNOW, snow), (SKY, sky)):
        values[thing][CELLS[thing]] = mean * values[thing].size / values[thing][CELLS[thing]].size
    return values


def foreground() -> Floats:
    values = np.full(GRID, 0.5, np.float32)
    values[CELLS[ANIMAL]] = 6.5
    return values


def image(
    label: str,
    index: int,
    values: Floats,
    objects: Floats | None = None,
    kept: NDArray[np.bool_] | None = None,
) -> Observation:
    class_index = CLASSES.index(label)
    name = f"{label}/{index:02}.png"
    return Observation(
        source=ImageSource("/nowhere", name, label, class_index),
        features=ImageFeatures(name, label, {}),
        logits=np.eye(3, dtype=np.float32)[class_index],
        map_class=class_index,
        own_map=np.zeros(GRID, np.float32),
        activations=values.astype(np.float16),
        kept=np.ones(values.shape[1:], bool) if kept is None else kept,
        foreground=foreground() if objects is None else objects,
    )


def taken_apart(
    own: Sequence[Observation],
    others: Sequence[Observation],
    weight: Sequence[float] = (1, 1, 1),
    places: Sequence[str] = PLACES,
) -> ClassParts:
    """A class with its parts, of which each lies where the thing lies that it is of."""

    def exact(one: Observation) -> Floats:
        assert one.activations is not None
        return one.activations.astype(np.float32)

    kept = [one.kept for one in own if one.kept is not None]
    worth = np.array(weight, np.float32)
    split = split_of([exact(one) for one in own], kept, worth, [exact(one).reshape(3, -1) for one in others])
    label = own[0].source.label
    parts = [
        Part(label, n, each.share, each.beyond, 0, 0, 0, 0, places[int(each.direction.argmax())], 1.0, 0.0, "", ())
        for n, each in enumerate(split.pieces, 1)
    ]
    return ClassParts(label, 0, own, others, worth, split, tuple(parts))


def wolves(of_wolf: Floats, *of_others: Floats, **options: Sequence[float] | Sequence[str]) -> ClassParts:
    """Twelve images of wolves that are all alike, held against images of dogs."""
    dogs = [image("dog", index, values) for index, values in enumerate(of_others or (activations(animal=1),))]
    return taken_apart([image("wolf", index, of_wolf) for index in range(12)], dogs, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of_dogs", "beyond"),
    [
        (0.0, 0.2),
        (0.096, 0.104),
        (0.104, None),
        (0.2, None),
        # that others have more of it does not make it less than none
        (0.5, None),
    ],
)
def test_surroundings_are_suspected_from_a_tenth_of_the_score_beyond_what_others_have(
    of_dogs: float, beyond: float | None
) -> None:
    found = suspected([wolves(activations(animal=0.8, snow=0.2), activations(animal=0.8, snow=of_dogs))])
    assert [each.score for each in found] == ([] if beyond is None else [pytest.approx(beyond, abs=1e-3)])
    for each in found:
        assert (each.finder, each.label, each.threshold, each.images) == ("context", "wolf", 0.1, 12)
        assert each.numbers == {"surroundings_share": pytest.approx(0.2, abs=1e-3), "parts": 1}
        assert f"carries 20% of its score, against {abs(0.2 - each.score):.0%} in other" in each.cue
        assert len(each.hits) == 12


def test_parts_in_the_surroundings_are_summed_up_and_those_on_the_object_or_against_the_class_are_not() -> None:
    both = activations(animal=0.88, snow=0.06, sky=0.06)
    (found,) = suspected([wolves(both)])
    assert [found.score, found.numbers["parts"]] == pytest.approx([0.12, 2], abs=1e-3)
    assert suspected([wolves(both, places=("object", "surroundings", "object"))]) == []
    # the sky speaks against the wolf, by as much: it neither helps nor takes away
    (found,) = suspected([wolves(activations(animal=0.7, snow=0.15, sky=0.15), weight=(1, 1, -1))])
    assert [found.score, found.numbers["parts"]] == pytest.approx([0.15, 1], abs=1e-3)
    assert suspected([wolves(activations(animal=0.7, snow=0.08, sky=0.22), weight=(1, 1, -1))]) == []


@pytest.mark.parametrize("places", [("unknown",) * 3, ("object",) * 3, ("object", "unknown", "unknown")])
def test_where_nobody_knows_where_parts_lie_or_all_lie_on_the_object_nothing_is_suspected(
    places: tuple[str, ...],
) -> None:
    snowy = activations(animal=0.2, snow=0.8)
    assert suspected([wolves(snowy, places=places)]) == []
    assert len(suspected([wolves(snowy)])) == 1


def test_each_class_is_suspected_for_itself_in_the_order_given() -> None:
    snowy, plain = activations(animal=0.5, snow=0.5), activations(animal=1)
    dogs = [image("dog", index, snowy) for index in range(12)]
    cats = [image("cat", index, plain) for index in range(12)]
    all_three = [
        taken_apart(dogs, cats),
        taken_apart(cats, dogs),
        wolves(snowy, plain),
    ]
    assert [each.label for each in suspected(all_three)] == ["dog", "wolf"]
    assert suspected([]) == []


# What snow adds in each image, where the animal adds 1.
SNOWY = (1.0, 3.0, 0.0, 1.0, 2.0, 0.5, 0.75, 2.5, 1.5, 1.25, 0.0, 0.02)


def test_hits_are_the_images_that_show_it_those_with_the_largest_share_of_their_score_first() -> None:
    own = [image("wolf", index, activations(animal=1, snow=snow)) for index, snow in enumerate(SNOWY)]
    (found,) = suspected([taken_apart(own, [image("dog", 0, activations(animal=1))])])
    shares = {f"wolf/{index:02}.png": snow / (1 + snow) for index, snow in enumerate(SNOWY)}
    # a fifth of what the strongest have: .02 is too little
    expected = sorted((name for name, share in shares.items() if share > 0.3), key=lambda name: (-shares[name], name))
    assert [hit.name for hit in found.hits] == expected
    assert len(expected) == 9
    for hit in found.hits:
        assert hit.strength == pytest.approx(shares[hit.name], abs=2e-3)
        # the snow fills the two lower rows of six
        assert hit.box == (0.0, 4 / 6, 1.0, 1.0)
    # of two that are alike, the first by name
    assert expected.index("wolf/00.png") + 1 == expected.index("wolf/03.png")


def test_the_share_in_an_image_is_that_of_what_lies_around_and_of_no_padding() -> None:
    found = wolves(activations(animal=0.8, snow=0.2))
    other = image("wolf", 40, activations(animal=1, snow=2, sky=1))
    # the sky has no part, and counts among the rest
    assert share_in(found, other) == pytest.approx(2 / 4, abs=1e-3)
    kept = np.ones(GRID, bool)
    kept[CELLS[SNOW]] = False
    assert share_in(found, image("wolf", 41, activations(animal=1, snow=2), kept=kept)) == 0


def rectangles(grid: tuple[int, int]) -> Iterable[tuple[slice, slice]]:
    """All rectangles of a grid, whatever their size."""
    sides = [list(itertools.combinations(range(length + 1), 2)) for length in grid]
    for (top, bottom), (left, right) in itertools.product(*sides):
        yield slice(top, bottom), slice(left, right)


def box_of(place: tuple[slice, slice], grid: tuple[int, int]) -> Box:
    rows, columns = place
    return columns.start / grid[1], rows.start / grid[0], columns.stop / grid[1], rows.stop / grid[0]


def size_of(place: tuple[slice, slice]) -> tuple[int, int]:
    return place[0].stop - place[0].start, place[1].stop - place[1].start


def richest(values: Floats, objects: Floats) -> Box:
    """By brute force: of all rectangles of two cells or more each way, the one with most of the parts.

    Cells that have less than .35 of the peak count against it, and so does what is more than the mean of an object.
    """
    grid = (values.shape[0], values.shape[1])

    def worth(place: tuple[slice, slice]) -> float:
        own = values[place].astype(float) / float(values.max()) - 0.35
        return float(own.sum() - np.maximum(objects[place].astype(float) - 1, 0).sum())

    large = [
        place for place in rectangles(grid) if all(n >= min(2, of) for n, of in zip(size_of(place), grid, strict=True))
    ]
    return box_of(max(large, key=worth), grid)


def emptiest(one: Observation, like: Box) -> Box:
    """By brute force: of all rectangles of that size without padding, the one with least of an object."""
    assert one.foreground is not None
    assert one.kept is not None
    grid, objects, kept = one.kept.shape, one.foreground.astype(float), one.kept
    size = round((like[3] - like[1]) * grid[0]), round((like[2] - like[0]) * grid[1])
    places = [place for place in rectangles((grid[0], grid[1])) if size_of(place) == size and kept[place].all()]
    return box_of(min(places, key=lambda place: float(objects[place].sum())), (grid[0], grid[1]))


def drawn(seed: int, grid: tuple[int, int] = GRID) -> tuple[Floats, Floats]:
    """A part with a blob of its own, and an object; both with a mean of about 1."""
    random = np.random.default_rng(seed)
    values, objects = random.random(grid, np.float32), random.gamma(0.5, 2, grid).astype(np.float32)
    top, left = random.integers(0, grid[0] - 1), random.integers(0, grid[1] - 1)
    values[top : top + 3, left : left + 3] += random.random(values[top : top + 3, left : left + 3].shape)
    return values, objects / objects.mean()


@pytest.mark.parametrize("grid", [(6, 8), (7, 7), (3, 9), (2, 2), (1, 5), (1, 1)])
def test_the_rectangle_of_a_part_is_the_best_of_all(grid: tuple[int, int]) -> None:
    sizes = set()
    for seed in range(12):
        values, objects = drawn(seed, (max(2, grid[0]), max(2, grid[1])))
        values, objects = values[: grid[0], : grid[1]], objects[: grid[0], : grid[1]]
        found = _richest(values, image("wolf", 0, np.zeros((3, *grid), np.float32), objects))
        assert found == pytest.approx(richest(values, objects))
        sizes.add((found[2] - found[0], found[3] - found[1]))
    # the rectangles are of many sizes
    assert len(sizes) > 4 or min(grid) < 3


def test_the_rectangle_of_a_part_leaves_the_object_out_where_that_costs_little() -> None:
    values = np.zeros(GRID, np.float32)
    values[4:6] = 1
    clear, legs = np.full(GRID, 0.8, np.float32), np.full(GRID, 0.8, np.float32)
    legs[4:6, 5:8] = 3
    assert _richest(values, image("wolf", 0, activations(), clear)) == (0.0, 4 / 6, 1.0, 1.0)
    assert _richest(values, image("wolf", 0, activations(), legs)) == (0.0, 4 / 6, 5 / 8, 1.0)


@pytest.mark.parametrize("size", [(2, 2), (3, 5), (1, 1), (6, 8), (1, 8), (4, 6)])
def test_the_emptiest_rectangle_has_the_size_of_the_other_and_the_least_of_an_object(size: tuple[int, int]) -> None:
    like = (0.0, 0.0, size[1] / GRID[1], size[0] / GRID[0])
    for seed in range(12):
        one = image("dog", 0, activations(), drawn(seed)[1])
        assert _emptiest(one, like) == pytest.approx(emptiest(one, like))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 4), (4, 6)])
def test_the_emptiest_rectangle_has_no_padding(size: tuple[int, int]) -> None:
    """In padding there is nothing of an object, so it would be the emptiest of all."""
    kept = np.zeros(GRID, bool)
    kept[1:5, 1:7] = True
    like = (0.0, 0.0, size[1] / GRID[1], size[0] / GRID[0])
    for seed in range(12):
        objects = np.where(kept, drawn(seed)[1], 0).astype(np.float32)
        one = image("dog", 0, activations(), objects, kept)
        found = _emptiest(one, like)
        assert found == pytest.approx(emptiest(one, like))
        assert found[0] >= 1 / 8
        assert found[3] <= 5 / 6


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_the_emptiest_rectangle_has_no_padding_even_where_an_object_is_everywhere_alike(level: float) -> None:
    kept = np.zeros(GRID, bool)
    kept[2:] = True
    one = image("dog", 0, activations(), np.where(kept, level, 0).astype(np.float32), kept)
    assert _emptiest(one, (0.0, 0.0, 0.25, 2 / 6))[1] >= 2 / 6


def test_the_size_is_that_of_the_other_as_a_share_of_the_picture_where_grids_differ() -> None:
    wide = image("dog", 0, np.zeros((3, 4, 12), np.float32), drawn(3, (4, 12))[1])
    left, top, right, bottom = _emptiest(wide, (0.25, 0.5, 0.75, 1.0))
    assert (right - left, bottom - top) == pytest.approx((0.5, 0.5))
    # and never less than a cell, nor more than there are
    left, top, right, bottom = _emptiest(wide, (0.25, 0.5, 0.26, 0.51))
    assert (right - left, bottom - top) == pytest.approx((1 / 12, 1 / 4))
    assert _emptiest(wide, (0.0, 0.0, 1.0, 1.0)) == (0.0, 0.0, 1.0, 1.0)


class World:
    """Wolves on snow of many shapes, dogs and cats; and what is suspected of the wolves, with its two tests."""

    def __init__(self) -> None:
        random = np.random.default_rng(5)

        def groups(label: str, snow: float) -> list[Observation]:
            images = []
            for index in range(12):
                values = activations(animal=1, snow=snow, sky=0.2)
                values[SNOW] *= random.uniform(0.1, 1.9, GRID)
                images.append(image(label, index, values, drawn(100 + len(self.images) + index)[1]))
            self.images |= {each.source.name: each for each in images}
            return images

        self.images: dict[str, Observation] = {}
        wolf, dog, cat = groups("wolf", 1), groups("dog", 0), groups("cat", 0.001)
        # the sky is in all images alike, and of no place
        places = ("object", "surroundings", "object")
        found = [
            taken_apart(wolf, dog + cat, places=places),
            taken_apart(dog, cat, places=("object",) * 3),
            taken_apart(cat, dog, places=("object",) * 3),
        ]
        (self.suspicion,) = suspected(found)
        self.planting, self.taking = self.suspicion.tests

    def roles(self, hit: str, target: str, donor: str, other: str) -> Roles:
        (found,) = (each for each in self.suspicion.hits if each.name == hit)
        sources = (self.images[name].source for name in (target, donor, other))
        return Roles(found, *sources)

    def box(self, name: str) -> Box:
        (hit,) = (hit for hit in self.suspicion.hits if hit.name == name)
        assert hit.box
        return hit.box

    def foreground(self, name: str) -> Floats:
        found = self.images[name].foreground
        assert found is not None
        return found

    def snow(self, name: str) -> Floats:
        found = self.images[name].activations
        assert found is not None
        return np.asarray(found[SNOW], np.float32)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def assert_texture(edit: Edit, box: Box, mask: Callable[[int, int], bool]) -> None:
    """It fills the cells that are told, one by one, from that box."""
    assert (edit.name, edit.factors) == ("texture", None)
    assert edit.box == pytest.approx(box)
    expected = [[mask(row, column) for column in range(GRID[1])] for row in range(GRID[0])]
    assert edit.mask is not None
    assert edit.mask.dtype == bool
    np.testing.assert_array_equal(edit.mask, expected)
    # or it would be no test of what it leaves out
    assert 0 < edit.mask.sum() < edit.mask.size


NUMBERS = range(12)


def test_the_box_of_a_hit_is_the_best_rectangle_of_all_the_parts_around(world: World) -> None:
    assert len(world.suspicion.hits) == 12
    for number in NUMBERS:
        name = f"wolf/{number:02}.png"
        assert world.box(name) == pytest.approx(richest(world.snow(name), world.foreground(name)))
    assert len({world.box(hit.name) for hit in world.suspicion.hits}) > 6


def test_the_texture_is_planted_around_the_object_of_an_image_of_another_class(world: World) -> None:
    assert world.planting.name == "context"
    assert world.planting.hits == world.suspicion.hits
    for number in NUMBERS:
        donor, target, third = f"wolf/{number:02}.png", f"dog/{number:02}.png", f"cat/{11 - number:02}.png"
        objects = world.foreground(target)
        around = lambda row, column, objects=objects: bool(objects[row, column] < 1.0)  # noqa: E731
        edit = world.planting.edit(world.roles(donor, target, donor, third))
        assert_texture(edit, world.box(donor), around)
        # the control's is of a third class, where it has least of an object, and goes to the same place
        control = world.planting.control(world.roles(donor, target, third, third))
        assert_texture(control, emptiest(world.images[third], world.box(donor)), around)


def test_the_parts_are_taken_by_other_surroundings_and_the_control_gives_them_those_of_another_image(
    world: World,
) -> None:
    assert world.taking.name == "context_taken"
    assert world.taking.hits == world.suspicion.hits
    legs = 0
    for number in NUMBERS:
        target, twin, other = f"wolf/{number:02}.png", f"wolf/{(number + 5) % 12:02}.png", f"dog/{number:02}.png"
        objects, snow = world.foreground(target), world.snow(target)

        def theirs(row: int, column: int, objects: Floats = objects, snow: Floats = snow) -> bool:
            return bool(snow[row, column] >= 0.35 * snow.max() and objects[row, column] < 1.3)

        edit = world.taking.edit(world.roles(target, target, other, other))
        assert_texture(edit, emptiest(world.images[other], world.box(target)), theirs)
        control = world.taking.control(world.roles(target, target, twin, other))
        assert_texture(control, world.box(twin), theirs)
        legs += sum(bool(objects[place] >= 1) and theirs(*place) for place in np.ndindex(GRID))
    # where a part is, a little more of an object is surroundings
    assert legs > 0


def test_only_images_of_classes_that_were_taken_to_parts_take_part(world: World) -> None:
    for test in world.suspicion.tests:
        assert test.among == frozenset(world.images)
    (found,) = suspected([wolves(activations(animal=0.5, snow=0.5))])
    # the dog that they were held against was not taken to parts
    assert {test.among for test in found.tests} == {frozenset(f"wolf/{index:02}.png" for index in range(12))}
    assert found.looked_at == frozenset([*(f"wolf/{index:02}.png" for index in range(12)), "dog/00.png"])


def test_images_of_which_no_net_told_where_the_object_is_take_no_part() -> None:
    dogs = [image("dog", index, activations(animal=1)) for index in range(12)]
    blind = [without_foreground(one) for one in dogs[:3]] + dogs[3:]
    wolf = wolves(activations(animal=0.5, snow=0.5))
    (found,) = suspected([wolf, taken_apart(blind, dogs, places=("unknown",) * 3)])
    expected = {one.source.name for one in [*wolf.own, *dogs[3:]]}
    assert [test.among for test in found.tests] == [frozenset(expected)] * 2


def without_foreground(one: Observation) -> Observation:
    return Observation(one.source, one.features, one.logits, one.map_class, one.own_map, one.activations, one.kept)


def recognised(suspicion: Suspicion, images: Iterable[Observation]) -> Mapping[str, bool]:
    recognise = suspicion.recogniser()
    return {one.source.name: recognise(one.features) is not None for one in images}


def test_of_other_classes_those_images_are_recognised_that_have_enough_of_it() -> None:
    wolf = [image("wolf", index, activations(animal=0.5, snow=1)) for index in range(12)]
    levels = {"dog/00.png": 0.0, "dog/01.png": 0.45, "dog/02.png": 0.55, "dog/03.png": 2.0}
    dogs = [image("dog", index, activations(animal=1, snow=snow)) for index, snow in enumerate(levels.values())]
    (found,) = suspected([taken_apart(wolf, dogs)])
    # from half of what the wolf in the middle has
    assert recognised(found, dogs) == {name: snow >= 0.5 for name, snow in levels.items()}
    # an image of another class that was not looked at is not known
    assert recognised(found, [image("cat", 0, activations(snow=2))]) == {"cat/00.png": False}
    assert found.looked_at is not None
    assert found.looked_at >= levels.keys()


def test_what_others_show_on_their_objects_alone_is_not_recognised() -> None:
    wolf = [image("wolf", index, activations(animal=1, snow=1)) for index in range(12)]
    dogs = [image("dog", 0, activations(animal=1)), image("dog", 1, activations(animal=1, snow=1))]
    (found,) = suspected([taken_apart(wolf, dogs)])
    assert recognised(found, dogs) == {"dog/00.png": False, "dog/01.png": True}


def test_every_test_is_one_that_the_table_of_codes_tells(world: World) -> None:
    def told(test: CueTest) -> tuple[str, bool]:
        return test.about.name, test.about.takes_away

    assert [told(test) for test in world.suspicion.tests] == [("context", False), ("context_taken", True)]
