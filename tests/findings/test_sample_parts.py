"""Which images' activations are kept, what of them is picture, and that they come back from a file."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
from pictures import RED, encode, square
from tiny_net import colour_net

from cam_audit.findings.relu_gates import gate
from cam_audit.findings.sample import (
    MAX_ALL_PART_IMAGES,
    MAX_PART_CLASSES,
    MAX_PART_IMAGES,
    Observation,
    choose_parts,
    choose_sample,
    classes_of,
    draw_key,
    observe,
    picture_cells,
)
from cam_audit.findings.sample_store import from_bytes, to_bytes
from cam_audit.models.model import Model, load_model
from cam_audit.records import ImageSource


def numbered(count: int, label: str) -> list[ImageSource]:
    """Sources of which no file exists."""
    return [ImageSource("/nowhere", f"{label}/{index}", label, None) for index in range(count)]


@pytest.mark.parametrize(
    ("classes", "images", "expected"),
    [(2, 39, 39), (2, 41, 40), (30, 60, 40), (31, 60, 38), (40, 60, 30), (50, 60, 24), (2, 12, 12)],
)
def test_so_many_of_a_class_are_kept_as_memory_has_room_for(classes: int, images: int, expected: int) -> None:
    folders = classes_of(source for index in range(classes) for source in numbered(images, f"class {index:02}"))
    chosen = choose_parts(folders, choose_sample(folders).names)
    assert len(chosen) == classes * expected <= MAX_ALL_PART_IMAGES == 1200
    assert expected <= MAX_PART_IMAGES == 40
    for label in folders:
        assert sum(name.startswith(f"{label}/") for name in chosen) == expected


def test_of_more_than_fifty_classes_the_first_by_name_are_taken() -> None:
    folders = classes_of(source for index in range(60) for source in numbered(30, f"class {59 - index:02}"))
    chosen = choose_parts(folders, choose_sample(folders).names)
    assert {name.partition("/")[0] for name in chosen} == {f"class {index:02}" for index in range(MAX_PART_CLASSES)}
    assert len(chosen) == MAX_ALL_PART_IMAGES


def test_classes_of_fewer_than_twelve_sampled_images_take_nobodys_room() -> None:
    folders = classes_of([*numbered(11, "a"), *numbered(50, "b"), *numbered(50, "c")])
    sample = choose_sample(folders).names
    assert {name[:2] for name in choose_parts(folders, sample)} == {"b/", "c/"}
    # of those in the folder, only those in the sample count
    few = frozenset(sorted(name for name in sample if name.startswith("b/"))[:11])
    assert choose_parts(folders, few | {name for name in sample if name.startswith("c/")}) == choose_parts(
        {"c": folders["c"]}, sample
    )
    assert choose_parts(folders, frozenset()) == frozenset()


def test_the_first_in_the_order_in_which_they_are_drawn_are_kept() -> None:
    sources = numbered(300, "cat")
    folders = classes_of([*sources, *numbered(20, "dog")])
    chosen = {name for name in choose_parts(folders, choose_sample(folders).names) if name.startswith("cat/")}
    assert chosen == {source.name for source in sorted(sources, key=draw_key)[:40]}


def noise(height: int = 96, width: int = 96) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_bars_above_and_below_or_beside_are_no_picture() -> None:
    letterbox, pillarbox = noise(), noise()
    letterbox[:24], letterbox[-8:] = 0, 3
    expected = np.ones((12, 12), bool)
    expected[:3] = expected[-1:] = False
    np.testing.assert_array_equal(picture_cells(letterbox, (12, 12)), expected)
    pillarbox[:, :16], pillarbox[:, -40:] = 255, 128
    expected = np.ones((12, 12), bool)
    expected[:, :2] = expected[:, -5:] = False
    np.testing.assert_array_equal(picture_cells(pillarbox, (12, 12)), expected)
    letterbox[:, :16] = letterbox[0, 0]
    both = picture_cells(letterbox, (12, 12))
    assert both.sum() == 8 * 10
    assert both[3:-1, 2:].all()


def test_a_cell_is_picture_if_its_middle_is() -> None:
    rgb = noise(100, 100)
    rgb[:14] = 0
    # rows of ten: the middle of the second is at fifteen
    assert picture_cells(rgb, (10, 10))[:, 5].tolist() == [False] + [True] * 9
    rgb[:16] = 0
    assert picture_cells(rgb, (10, 10))[:, 5].tolist() == [False] * 2 + [True] * 8


def test_a_picture_without_padding_with_a_thin_rim_or_without_anything_is_picture_throughout() -> None:
    thin, quiet, across = noise(), noise(), noise()
    # two of 96 lines are less than three hundredths
    thin[:2] = 0
    assert picture_cells(thin, (96, 1)).all()
    thin[:3] = 0
    assert not picture_cells(thin, (96, 1)).all()
    # levels that differ by more than a compressor makes them
    quiet[:24] = np.random.default_rng(1).integers(100, 108, (24, 96, 3))
    across[40:56] = 0
    for rgb in (noise(), quiet, across, np.full((40, 60, 3), 77, np.uint8)):
        assert picture_cells(rgb, (5, 7)).all()


def test_a_strip_too_thin_for_any_cells_middle_leaves_all_cells() -> None:
    rgb = np.zeros((96, 96, 3), np.uint8)
    rgb[30:32] = noise(2, 96)
    assert picture_cells(rgb, (4, 4)).all()


def observed(model: Model, folder: Path, *, for_parts: bool, foreground: Model | None = None) -> Observation:
    rgb = square(RED, 0, 0, 32, width=64, height=64)
    source = ImageSource(str(folder), "red/a.png", "red", 0)
    prediction = model.run(rgb, features=for_parts)
    collected = observe(
        model, source, rgb, encode(rgb), (64, 64), prediction, for_parts=for_parts, foreground=foreground
    )
    (folder / "a.npz").write_bytes(to_bytes(collected))
    return collected.observations["red/a.png"]


@pytest.mark.parametrize("with_foreground", [False, True])
def test_activations_come_back_from_a_file_to_the_last_bit(tmp_path: Path, model: Model, with_foreground: bool) -> None:
    observation = observed(model, tmp_path, for_parts=True, foreground=model if with_foreground else None)
    loaded = from_bytes((tmp_path / "a.npz").read_bytes(), observation.source)
    assert loaded
    (again,) = loaded.observations.values()
    assert again.features.drawn == observation.features.drawn == draw_key(observation.source)
    assert observation.activations is not None
    assert observation.activations.dtype == np.float16
    exact = model.run(square(RED, 0, 0, 32, width=64, height=64)).activations
    np.testing.assert_allclose(observation.activations, exact, rtol=1e-3)
    assert (observation.foreground is not None) == with_foreground
    for name in ("activations", "kept", "foreground", "gates"):
        before, after = getattr(observation, name), getattr(again, name)
        assert (before is None) == (after is None)
        if before is not None:
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)


def test_features_and_gates_come_back_from_a_file_to_the_last_bit(tmp_path: Path) -> None:
    net = load_model(dataclasses.replace(colour_net(), in_each_cell=True).write(tmp_path / "net.onnx"))
    observation = observed(net, tmp_path, for_parts=True)
    loaded = from_bytes((tmp_path / "a.npz").read_bytes(), observation.source)
    assert loaded
    (again,) = loaded.observations.values()
    for name, shape in (("activations", (3, 8, 8)), ("gates", (4, 8)), ("kept", (8, 8))):
        before, after = getattr(observation, name), getattr(again, name)
        assert (before.shape, before.dtype) == (after.shape, after.dtype)
        assert before.shape == shape
        np.testing.assert_array_equal(before, after)
    # the square is red, nothing is blue, and the fourth class has a half everywhere
    red, _, blue, other = (gate(again, class_index) for class_index in range(4))
    assert (red[:4, :4].all(), red.sum(), blue.sum(), other.all()) == (True, 16, 0, True)


def test_of_images_that_are_not_taken_to_parts_nothing_is_kept_for_it(tmp_path: Path, model: Model) -> None:
    observation = observed(model, tmp_path, for_parts=False)
    small = os.path.getsize(tmp_path / "a.npz")
    loaded = from_bytes((tmp_path / "a.npz").read_bytes(), observation.source)
    assert loaded
    for each in (observation, *loaded.observations.values()):
        assert (each.activations, each.kept, each.foreground) == (None, None, None)
    observed(model, tmp_path, for_parts=True)
    assert os.path.getsize(tmp_path / "a.npz") > small


def test_the_foreground_is_told_by_the_other_net_on_the_grid_of_the_activations(tmp_path: Path, model: Model) -> None:
    observation = observed(model, tmp_path, for_parts=True, foreground=model)
    assert observation.activations is not None
    assert observation.foreground is not None
    assert observation.foreground.shape == observation.activations.shape[1:] == (8, 8)
    assert observation.foreground[:4, :4].min() > 1 > observation.foreground[4:].max()
