"""The arithmetic of the study of context that varies: what is pasted, the parts' maps, measures and tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from context_table import PartSeen, Trial, markdown
from detection_table import Found
from part_maps import ClassParts, SeenImage, auroc, class_parts, lift, measured, projected
from pasting import MOST_HIDDEN, Things, cropped, place

from cam_audit.findings.parts import Cells, pieces_of

WHITE, BLACK = (np.full((60, 80, 3), level, np.uint8) for level in (255, 0))


def test_a_thing_covers_about_a_quarter_and_each_photo_is_pasted_once_before_one_is_again() -> None:
    photos = [np.full((50, 70, 3), level, np.uint8) for level in (50, 100, 150)]
    things, rng = Things(photos), np.random.default_rng(0)
    levels = []
    for _ in range(6):
        planted, (left, top, right, bottom) = things.plant(BLACK, rng, np.zeros((60, 80), np.uint8))
        inside = planted[top:bottom, left:right]
        assert (planted > 0).sum() == inside.size
        assert 0.45**2 - 0.02 < inside.size / planted.size < 0.55**2 + 0.02
        levels.append(int(inside[0, 0, 0]))
    assert levels == [50, 100, 150] * 2


def test_a_place_hides_little_of_the_object_and_as_little_as_can_be_of_one_that_fills_the_picture() -> None:
    rng = np.random.default_rng(0)
    half = np.zeros((60, 80), np.uint8)
    half[:, :40] = 255
    for _ in range(20):
        left, top, right, bottom = place(half, rng)
        assert half[top:bottom, left:right].sum() <= MOST_HIDDEN * half.sum()
    left, top, right, bottom = place(np.full((60, 80), 255, np.uint8), rng)
    assert 0 <= left < right <= 80
    assert 0 <= top < bottom <= 60


def test_a_crop_keeps_the_shape_of_things() -> None:
    """A photo of squares: a crop of another shape has squares still."""
    photo = np.kron(np.indices((20, 30)).sum(0) % 2, np.ones((10, 10)))[..., None].repeat(3, 2).astype(np.uint8) * 255
    crop = cropped(photo, 100, 100, np.random.default_rng(3))[..., 0] > 127
    changes = [np.abs(np.diff(crop.astype(int), axis=axis)).sum() for axis in (0, 1)]
    assert crop.shape == (100, 100)
    assert changes[0] == pytest.approx(changes[1], rel=0.1)


def test_auroc_counts_pairs() -> None:
    assert auroc([3.0, 2.0], [1.0, 2.0]) == 3.5 / 4
    assert np.isnan(auroc([], [1.0]))


def test_lift_is_the_share_on_a_place_over_its_area() -> None:
    cover = np.zeros((4, 4), np.float32)
    cover[:2, :2] = 1
    even, on_it = np.ones((4, 4), np.float32), cover.copy()
    assert lift([even], [cover]) == pytest.approx(1)
    assert lift([on_it], [cover]) == pytest.approx(4)
    # by mass: 16 anywhere and 4 on it, of 20 in all
    assert lift([even, on_it], [cover, cover]) == pytest.approx(8 / 5)


def looks(rng: np.random.Generator, images: int = 15) -> list[SeenImage]:
    """Three things of their own channels: one in the middle, one beside it, and one anywhere in half of the images."""
    found = []
    for image in range(images):
        activations = 0.01 * rng.random((6, 8, 8)).astype(np.float32)
        activations[0:2, 3:5, 3:5] += rng.uniform(0.8, 1.2)
        activations[2:4, 5:7, 3:5] += rng.uniform(0.8, 1.2)
        if image % 2:
            y, x = rng.integers(0, 6, 2)
            activations[4:6, y : y + 2, x : x + 2] += rng.uniform(0.8, 1.2)
        found.append(SeenImage(activations, np.ones((8, 8), bool)))
    return found


WEIGHT = np.array([1, 1, 0.9, 0.9, 0.6, 0.6], np.float32)


def test_parts_are_those_of_the_audit() -> None:
    images = looks(np.random.default_rng(0))
    parts = class_parts(images, WEIGHT)
    cells = [Cells(each.activations[:, each.kept].T, np.ones(64, bool), each.kept) for each in images]
    theirs = pieces_of(cells, WEIGHT, cells[:1])
    assert parts.listed == len(theirs.pieces)
    for number, piece in enumerate(theirs.pieces):
        assert parts.shares[number] == pytest.approx(piece.share)
        np.testing.assert_allclose([of_image[number] for of_image in parts.maps], piece.maps, rtol=1e-5)


def test_projection_gives_back_the_presence_that_cells_were_made_of() -> None:
    rng = np.random.default_rng(1)
    directions = rng.random((3, 12)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    maps = rng.random((3, 4, 5)).astype(np.float32)
    kept = np.ones((4, 5), bool)
    kept[0] = False
    found = projected(SeenImage(np.tensordot(directions.T, maps, axes=1), kept), directions)
    np.testing.assert_allclose(found[:, 1:], maps[:, 1:], atol=1e-2)
    assert not found[:, 0].any()


def test_what_some_images_have_anywhere_leads_in_every_measure() -> None:
    parts = class_parts(looks(np.random.default_rng(2), images=24), WEIGHT)
    pasted = int(parts.directions[: parts.listed, 4].argmax())
    of_parts = [measured(parts, number) for number in range(parts.listed)]
    for name in ("absent", "uneven", "roams", "wanders", "apart x uneven"):
        assert max(range(parts.listed), key=lambda number: of_parts[number][name]) == pasted, name


def test_a_head_does_not_wander_whichever_way_it_looks() -> None:
    """Body and head, mirrored in every other image: the head's centre moves, its place beside the body does not."""
    mirrored = np.zeros((2, 8, 8), np.float32)
    mirrored[0, 3:6, 3:5], mirrored[1, 2, 6] = 1, 1
    maps = tuple(mirrored[:, :, ::-1] if image % 2 else mirrored for image in range(12))
    parts = ClassParts(np.eye(2, dtype=np.float32), np.ones(2, np.float32), np.array([0.6, 0.4]), maps)
    found = measured(parts, 1)
    assert found["roams"] > 10
    assert found["wanders"] == pytest.approx(0, abs=1e-6)
    dropped = tuple(
        np.roll(of_image, image % 2 * 4, axis=1) * [[[0]], [[1]]] + of_image * [[[1]], [[0]]]
        for image, of_image in enumerate(maps)
    )
    # half of the images have it four rows lower: half of half a picture from the mean
    assert measured(replace(parts, maps=dropped), 1)["wanders"] == pytest.approx(0.25)


def part(label: str, number: int, measure: float, lift: float | None = None, **values: object) -> PartSeen:
    known = dict.fromkeys(("foreground_ratio", "presence_auroc", "examples_planted", "on_object"))
    shown = PartSeen(label, number, 0.3, 0.2, "object", shown=1.0, lift=lift, measures={"m": measure}, **known)
    return replace(shown, **values)


def test_where_a_part_lies_is_open_between_the_limits() -> None:
    places = {0.7: "surroundings", 0.71: "unknown", 1.39: "unknown", 1.4: "object", None: "unknown"}
    assert {on: part("a", 1, 0.0, on_object=on).truth for on in places} == places


def test_tables_count_what_was_found_and_what_was_raised_for_nothing() -> None:
    parts = (
        part("a", 1, 0.1, 0.5, presence_auroc=0.4, examples_planted=1, on_object=2.0),
        part("a", 2, 0.9, 3.0, presence_auroc=0.95, examples_planted=6, on_object=0.2),
        part("b", 1, 0.2, on_object=0.1),
    )
    findings = (
        Found("CA207", "warning", "a", "", {}),
        Found("CA207", "note", "b", "", {}),
        Found("CA201", "error", "b", "", {}),
    )
    trial = Trial("dogs", 60, 0, ("a", "b"), "a", 0.9, 0.5, findings, parts, 0.97, None)
    assert trial.on_the_sheet
    assert (trial.severity("a"), trial.severity("b")) == ("warning", "note")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown([trial]).splitlines() if line]
    found = dict(zip(rows[0], rows[2], strict=True))
    assert (found["effective"], found["CA207 note+"], found["warning+"], found["error"]) == ("1/1", "1/1", "1/1", "0/1")
    assert (found["on the sheet"], found["lift"], found["AUROC of presence"]) == ("1/1", "3.0", "0.95")
    assert found["of all pasted parts"] == "0.97"
    assert ["CA207 note", "1/1"] in rows
    assert ["CA207 warning", "0/1"] in rows
    # the part of class b is in the surroundings and called object, and so is what was pasted
    assert ["clean classes", "surroundings", "1", "0", "0", "0 of 1"] in rows
    assert ["pasted", "surroundings", "1", "0", "0", "0 of 1"] in rows
    assert ["m", "1.00", "1.00", "1/1", "0.20"] in rows
