"""Which images the audit looks at, and what it keeps of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures import GREEN, RED, encode, square

from cam_audit.files import sha256_of
from cam_audit.findings import sample
from cam_audit.findings.map_use import centred_map, centred_weight
from cam_audit.findings.sample import (
    MAX_SAMPLED,
    MAX_SAMPLED_PER_CLASS,
    MIN_SAMPLED_PER_CLASS,
    Observation,
    Sample,
    choose_sample,
    draw_key,
    folders_of,
    observe,
)
from cam_audit.models.model import Model
from cam_audit.records import ImageSource


def numbered(count: int, label: str = "cat") -> list[ImageSource]:
    """Sources of which no file exists."""
    return [ImageSource("/nowhere", f"{label}/{index}", label, None) for index in range(count)]


def sampled(*sources: ImageSource) -> set[str]:
    """The sample's names, of these and of another class of twelve."""
    return {
        name for name in choose_sample(folders_of([*sources, *numbered(12, "other")])).names if name[:6] != "other/"
    }


def test_of_100_000_images_60_are_drawn_from_all_over() -> None:
    chosen = sorted(int(name.partition("/")[2]) for name in sampled(*numbered(100_000)))
    assert len(chosen) == MAX_SAMPLED_PER_CLASS == 60
    # not a run of the first: each tenth has some, as 60 draws hardly ever leave one out
    assert {number // 10_000 for number in chosen} == set(range(10))


def test_images_that_are_added_leave_the_others_where_they_were() -> None:
    few, many = numbered(300), numbered(330)
    before, after = sampled(*few), sampled(*many)
    assert len(before) == len(after) == 60
    # those that came take the places of the last, and the others stay
    came = {source.name for source in many[300:]}
    assert after - came < before
    assert 0 < len(before - after) == len(after & came)
    # taken away again, in any order
    assert sampled(*reversed(few)) == before


def test_another_class_leaves_the_sample_of_the_others() -> None:
    alone = choose_sample(folders_of([*numbered(99, "cat"), *numbered(99, "dog")])).names
    more = choose_sample(folders_of([*numbered(99, "cat"), *numbered(99, "ape"), *numbered(99, "dog")])).names
    assert {name for name in more if not name.startswith("ape/")} == alone


def test_a_class_by_another_name_has_the_same_sample() -> None:
    def inside(label: str) -> set[str]:
        return {name.removeprefix(label) for name in sampled(*numbered(99, label))}

    assert inside("cat") == inside("a very long name") == inside("\udcff")


def test_images_are_drawn_by_the_whole_path_below_their_class() -> None:
    names = ["cat/a/1.png", "cat/b/1.png", "cat/a/2.png", "cat/a1.png"]
    assert len({draw_key(ImageSource("/nowhere", name, "cat", None)) for name in names}) == 4


@pytest.fixture
def cats(tmp_path: Path) -> Callable[..., list[ImageSource]]:
    """Writes files of these contents to the folder of a class, and gives all that are there."""
    (tmp_path / "cat").mkdir()

    def write(**files: bytes) -> list[ImageSource]:
        for name, data in files.items():
            (tmp_path / "cat" / name).write_bytes(data)
        names = sorted(path.name for path in (tmp_path / "cat").iterdir())
        return [ImageSource(str(tmp_path), f"cat/{name}", "cat", None) for name in names]

    return write


def test_the_same_bytes_count_once_and_the_same_size_is_not_the_same(cats: Callable[..., list[ImageSource]]) -> None:
    different = {f"file{index}": b"%02d" % index for index in range(20)}
    copies = {f"copy{index}": b"07" for index in range(5)}
    chosen = sampled(*cats(**different, **copies))
    assert len(chosen) == 20
    assert {f"cat/{name}" for name in different if name != "file7"} < chosen
    # of those that are the same, the one that is drawn first, whichever came first into the folder
    alike = [ImageSource("", f"cat/{name}", "cat", None) for name in ["file7", *copies]]
    assert min(alike, key=draw_key).name in chosen


def test_a_file_under_several_names_counts_once_and_is_read_once(
    cats: Callable[..., list[ImageSource]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (source, *_) = cats(**{f"file{index}": b"%02d" % index for index in range(15)})
    folder = Path(source.path).parent
    for index in range(5):
        (folder / f"hard{index}").hardlink_to(folder / "file3")
        (folder / f"soft{index}").symlink_to("file3")
    read: list[str] = []
    monkeypatch.setattr(sample, "sha256_of", lambda path: read.append(path) or sha256_of(path))
    assert len(sampled(*cats())) == 15
    assert sum(Path(path).samefile(folder / "file3") for path in read) == 1


def test_copies_take_nobodys_place(cats: Callable[..., list[ImageSource]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", 24)
    different = {f"file{index}": b"%02d" % index for index in range(30)}
    alone = sampled(*cats(**different))
    assert len(alone) == 24
    among_copies = sampled(*cats(**{f"copy{index}": b"no" for index in range(200)}))
    assert len(among_copies) == 24
    assert sum(name.startswith("cat/copy") for name in among_copies) == 1
    assert len(among_copies & alone) == 23


def test_a_class_of_nothing_but_copies_is_given_up_after_some(
    cats: Callable[..., list[ImageSource]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.findings.sample.MAX_SAMPLED_PER_CLASS", 2)
    monkeypatch.setattr("cam_audit.findings.sample._MAX_TRIED", 10)
    read: Counter[str] = Counter()
    monkeypatch.setattr(sample, "sha256_of", lambda path: read.update([str(path)]) or sha256_of(path))
    assert len(sampled(*cats(**{f"copy{index:03}": b"same" for index in range(300)}))) == 1
    assert len(read) == 2 * 10
    # nor is a file read again for each that it is compared with
    assert set(read.values()) == {1}


def test_what_cannot_be_read_is_drawn_as_well(cats: Callable[..., list[ImageSource]]) -> None:
    sources = cats(**{f"file{index}": b"%02d" % index for index in range(12)})
    Path(sources[0].path).unlink()
    Path(sources[1].path).unlink()
    assert len(sampled(*sources)) == 12


@pytest.mark.parametrize(
    ("classes", "images", "expected"),
    [
        (2, 59, 59),
        (2, 60, 60),
        (2, 61, 60),
        (MAX_SAMPLED // 60, 61, 60),
        (MAX_SAMPLED // 40, 61, 40),
        (1000, 50, MIN_SAMPLED_PER_CLASS),
        (1000, 11, 0),
        (1, 100, 0),
    ],
)
def test_the_sample_of_a_class_shrinks_with_their_number(classes: int, images: int, expected: int) -> None:
    sources = [source for index in range(classes) for source in numbered(images, f"class {index}")]
    assert len(choose_sample(folders_of(sources)).names) == classes * expected


def test_what_lies_in_no_folder_is_not_sampled() -> None:
    assert folders_of(numbered(9, "")) == folders_of([]) == {}
    assert choose_sample({}) == Sample()


def test_maps_of_another_size_are_observed_on_the_common_grid(tmp_path: Path, model: Model) -> None:
    rgb = square(RED, 0, 0, 32, width=64, height=64)
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "a.png").write_bytes(encode(rgb))
    source = ImageSource(str(tmp_path), "red/a.png", "red", 0)
    prediction = model.run(rgb)
    assert prediction.activations.shape[1:] == (8, 8)
    collected = observe(model, source, rgb, Path(source.path).read_bytes(), (64, 64), prediction)
    observation: Observation = collected.observations["red/a.png"]
    own = centred_map(centred_weight(model, 0), prediction.activations).reshape(4, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(observation.own_map, own, atol=1e-5)
    np.testing.assert_allclose(collected.total.value().mean((1, 2)), prediction.activations.mean((1, 2)), atol=1e-4)
    assert (observation.predicted, observation.map_class) == (0, 0)


@pytest.mark.parametrize(("label_class", "map_class"), [(0, 0), (2, 2), (None, 1)])
def test_the_map_is_that_of_the_folders_class_or_of_the_predicted_one(
    tmp_path: Path, model: Model, label_class: int | None, map_class: int
) -> None:
    rgb = square(GREEN, 0, 0, 16)
    source = ImageSource(str(tmp_path), "x/a.png", "x", label_class)
    prediction = model.run(rgb)
    observation = observe(model, source, rgb, encode(rgb), (32, 32), prediction).observations["x/a.png"]
    assert (observation.predicted, observation.map_class) == (1, map_class)
    np.testing.assert_allclose(
        observation.own_map, centred_map(centred_weight(model, map_class), prediction.activations), atol=1e-5
    )
