"""A class's score comes apart into parts that add up to it, whatever the activations are."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from split_up import taken_apart

from cam_audit.findings.parts import Floats, factorise, merged

GRID = (3, 4)


def planted(seed: int = 0, *, parts: int = 4, cells: int = 240, channels: int = 24) -> tuple[Floats, Floats]:
    """Presence (cells, parts) and directions of length 1 (parts, channels), nowhere negative.

    Each part has cells and channels that are its own alone, so that no other factors of the same kind give the same.
    """
    random = np.random.default_rng(seed)
    presence = random.gamma(1, 1, (cells, parts)) * (random.random((cells, parts)) < 0.4)
    directions = random.random((parts, channels)) * (random.random((parts, channels)) < 0.4)
    for part in range(parts):
        presence[part] = 0
        presence[part, part] = 5
        directions[:, part] = 0
        directions[part, part] = 1
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    return presence.astype(np.float32), directions.astype(np.float32)


def images_of(cells: Floats, grid: tuple[int, int] = GRID) -> tuple[list[Floats], list[np.ndarray]]:
    """The cells (n, C), cut into images of a grid, and that all of them are picture."""
    images = [each.T.reshape(-1, *grid) for each in np.split(cells, len(cells) // (grid[0] * grid[1]))]
    return images, [np.ones(grid, bool)] * len(images)


def misfit(cells: Floats, presence: Floats, directions: Floats) -> float:
    return float(np.linalg.norm(cells - presence @ directions) / np.linalg.norm(cells))


def plain_updates(cells: Floats, rank: int, sweeps: int, seed: int) -> tuple[Floats, Floats]:
    """Multiplicative updates (Lee and Seung 2001) from a random beginning."""
    random = np.random.default_rng(seed)
    left, right = random.random((len(cells), rank)), random.random((rank, cells.shape[1]))
    for _ in range(sweeps):
        left *= (cells @ right.T) / (left @ right @ right.T + 1e-12)
        right *= (left.T @ cells) / (left.T @ left @ right + 1e-12)
    return left.astype(np.float32), right.astype(np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_planted_factors_come_back_in_any_order(seed: int) -> None:
    presence, directions = planted(seed)
    found_presence, found = factorise(presence @ directions, rank=4, sweeps=400)
    order = max(permutations(range(4)), key=lambda order: float(np.sum(found[list(order)] * directions)))
    np.testing.assert_allclose(found[list(order)], directions, atol=0.03)
    np.testing.assert_allclose(found_presence[:, list(order)], presence, atol=0.03 * presence.max())


@pytest.mark.parametrize("signed", [False, True])
def test_presence_is_never_negative_and_directions_have_length_1(signed: bool) -> None:
    cells = np.random.default_rng(1).normal(size=(90, 12)).astype(np.float32)
    presence, directions = factorise(cells if signed else np.abs(cells))
    assert presence.shape == (90, 6)
    assert presence.min() == 0
    assert presence.any(axis=0).all()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, rtol=1e-5)
    assert (directions.min() < 0) == signed


@pytest.mark.parametrize("seed", range(3))
def test_forty_sweeps_fit_no_worse_than_two_hundred_of_plain_multiplicative_updates(seed: int) -> None:
    presence, directions = planted(seed, parts=6)
    noise = np.random.default_rng(seed).random((240, 24)) / 10
    cells = (presence @ directions + noise).astype(np.float32)
    assert misfit(cells, *factorise(cells)) <= min(
        misfit(cells, *plain_updates(cells, 6, 200, beginning)) for beginning in range(3)
    )


def test_signed_cells_of_planted_parts_are_fitted_with_signed_directions() -> None:
    presence, _ = planted()
    directions = np.linalg.qr(np.random.default_rng(2).normal(size=(24, 4)))[0].T
    cells = (presence @ directions).astype(np.float32)
    # at best, non-negative directions leave all that is negative
    at_best = np.linalg.norm(np.minimum(cells, 0)) / np.linalg.norm(cells)
    assert misfit(cells, *factorise(cells, rank=4, sweeps=200)) < 0.05 < at_best


def test_no_chance_is_involved_and_the_cells_stay_as_they_were() -> None:
    presence, directions = planted()
    cells = presence @ directions
    before = cells.copy()
    first, second = factorise(cells), factorise(cells.copy())
    np.testing.assert_array_equal(cells, before)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (9, 2)])
def test_of_few_cells_or_channels_there_are_no_more_parts(shape: tuple[int, int]) -> None:
    cells = np.random.default_rng(0).random(shape, np.float32)
    presence, directions = factorise(cells, sweeps=400)
    assert presence.shape[1] == len(directions) == min(shape)
    assert misfit(cells, presence, directions) < 0.02


@pytest.mark.parametrize("signed", [False, True])
def test_the_shares_of_the_parts_and_of_the_rest_add_up_to_1(signed: bool) -> None:
    random = np.random.default_rng(3)
    cells = random.normal(size=(120, 16)).astype(np.float32)
    activations, kept = images_of(cells if signed else np.abs(cells))
    pieces, rest = taken_apart(
        activations, kept, random.normal(size=16).astype(np.float32), [np.ones((16, 1), np.float32)]
    )
    assert pieces
    assert 0 < rest < 1
    assert sum(abs(piece.share) for piece in pieces) + rest == pytest.approx(1, abs=1e-5)
    shares = [abs(piece.share) for piece in pieces]
    assert shares == sorted(shares, reverse=True)
    assert min(shares) >= 0.05


def test_parts_and_the_signed_rest_add_up_to_the_mean_score_of_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cam_audit.findings.parts.LEAST_SHARE", 0.0)
    random = np.random.default_rng(4)
    cells = random.gamma(1, 1, (240, 16)).astype(np.float32)
    weight = random.normal(size=16).astype(np.float32)
    pieces, rest = taken_apart(*images_of(cells), weight, [np.zeros((16, 1), np.float32)])
    score = float(np.mean([weight @ cell for cell in cells.astype(np.float64)]))
    added = sum(piece.share for piece in pieces)
    # all are shares of one total, which two equations give: with the rest's sign, the sum is the score
    presence, directions = merged(*factorise(cells))
    total = score / (added + rest), score / (added - rest)
    expected = float(np.abs(presence.mean(0) * (directions @ weight)).sum())
    assert min(abs(abs(each) * (1 - rest) - expected) for each in total) < 1e-3 * expected


def test_of_exact_factors_each_part_adds_what_was_planted_and_keeps_its_sign() -> None:
    presence = np.zeros((24, 3), np.float32)
    presence[:12, 0], presence[12:18, 1], presence[18:, 2] = 2, 3, 1
    directions = np.eye(3, 5, dtype=np.float32)
    # they add 2/2 x 4 = 4, 3/4 x -4 = -3 and 1/4 x 12 = 3 to a score of 4
    weight = np.array([4, -4, 12, 9, 9], np.float32)
    # two images of other classes, of two cells and of one
    others = [np.array([[0.5, 1.5], [0.5, 1.0], [0, 0], [0, 0], [0, 0]], np.float32), np.zeros((5, 1), np.float32)]
    pieces, rest = taken_apart(*images_of(presence @ directions), weight, others)
    assert rest == pytest.approx(0, abs=1e-6)
    assert [piece.share for piece in pieces[:1]] == pytest.approx([0.4])
    assert sorted(piece.share for piece in pieces) == pytest.approx([-0.3, 0.3, 0.4])
    by_share = {round(piece.share, 3): piece.beyond for piece in pieces}
    # of the first, others have half; of the second, too; of the third nothing
    assert [by_share[share] for share in (0.4, -0.3, 0.3)] == pytest.approx([0.2, -0.15, 0.3], abs=1e-6)
    assert [piece.others.sum() for piece in sorted(pieces, key=lambda piece: piece.share)] == [1, 0, 1]


def test_a_part_is_and_adds_only_where_the_score_is_let_through() -> None:
    presence = np.zeros((24, 2), np.float32)
    presence[:12, 0], presence[12:, 1] = 2, 3
    activations, kept = images_of(presence @ np.eye(2, 5, dtype=np.float32))
    gates = [np.ones(GRID, bool), np.zeros(GRID, bool)]
    gates[0][1:] = False
    weight, others = np.array([6, 4, 0, 0, 0], np.float32), [np.array([[0.25], [0], [0], [0], [0]], np.float32)]
    pieces, rest = taken_apart(activations, kept, weight, others, gates)
    # of the first, a third of one of two images; of the second, nothing
    (piece,) = pieces
    assert (piece.share, rest) == (pytest.approx(1), pytest.approx(0, abs=1e-6))
    # 2 in four of 24 cells is 1/3, and others have 1/4
    assert piece.beyond == pytest.approx(1 / 4)
    np.testing.assert_allclose(piece.maps[0], np.where(gates[0], 2, 0), rtol=1e-5)
    assert not piece.maps[1].any()
    assert piece.shown.tolist() == [True, False]
    open_everywhere, _ = taken_apart(activations, kept, weight, others, kept)
    assert [each.share for each in open_everywhere] == [
        each.share for each in taken_apart(activations, kept, weight, others)[0]
    ]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("level", "weight"), [(0, 1), (1, 0), (0, 0)])
def test_without_activations_or_weights_there_are_no_parts_and_nothing_infinite(level: int, weight: int) -> None:
    activations, kept = [np.full((5, *GRID), level, np.float32)] * 12, [np.ones(GRID, bool)] * 12
    pieces, rest = taken_apart(activations, kept, np.full(5, weight, np.float32), [np.full((5, 1), level, np.float32)])
    assert pieces == []
    assert rest == 0
    presence, directions = factorise(np.zeros((9, 4), np.float32))
    assert np.isfinite(presence).all()
    assert np.isfinite(directions).all()


def test_parts_of_one_direction_are_one_and_add_together_what_they_added() -> None:
    random = np.random.default_rng(5)
    presence = random.random((50, 4)).astype(np.float32)
    one, other = np.eye(2, 6, dtype=np.float32)
    near = (one + 0.3 * np.eye(6, dtype=np.float32)[2]) / np.sqrt(1.09)
    far = (one + other) / np.sqrt(2)
    directions = np.stack([one, other, near, far]).astype(np.float32)
    weight = random.normal(size=6).astype(np.float32)
    joined_presence, joined = merged(presence, directions)
    assert joined.shape == (3, 6)
    np.testing.assert_allclose(np.linalg.norm(joined, axis=1), 1, rtol=1e-6)
    added, before = joined_presence.mean(0) * (joined @ weight), presence.mean(0) * (directions @ weight)
    # the two that stayed, and the one that the other two became
    for alone in (1, 3):
        assert np.isclose(added, before[alone], rtol=1e-5).sum() == 1
    assert np.isclose(added, before[0] + before[2], rtol=1e-4).sum() == 1
    unlike = presence[:, [0, 1, 3]], directions[[0, 1, 3]]
    assert all(a is b for a, b in zip(merged(*unlike), unlike, strict=True))


def test_padding_is_in_no_part_and_counts_for_no_score() -> None:
    cells = np.random.default_rng(6).random((8, 6), np.float32)
    kept = np.zeros(GRID, bool)
    kept[1:, :] = True
    picture, padded = [], []
    for seed in range(12):
        of_image = np.random.default_rng(seed).random((6, 2, 4), np.float32) + cells[seed % 8][:, None, None]
        picture.append(of_image)
        # what padding holds would be the largest part of all
        padded.append(np.concatenate([np.full((6, 1, 4), 100, np.float32), of_image], axis=1))
    weight, others = np.linspace(-1, 2, 6, dtype=np.float32), [np.ones((6, 1), np.float32)]
    alone, rest = taken_apart(picture, [np.ones((2, 4), bool)] * 12, weight, others)
    pieces, rest_padded = taken_apart(padded, [kept] * 12, weight, others)
    assert [piece.share for piece in pieces] == [piece.share for piece in alone] != []
    assert rest == rest_padded
    for piece, without in zip(pieces, alone, strict=True):
        for of_map, expected in zip(piece.maps, without.maps, strict=True):
            assert (of_map.dtype, of_map.shape) == (np.float32, GRID)
            assert not of_map[0].any()
            np.testing.assert_array_equal(of_map[1:], expected)


def test_images_that_show_a_part_have_a_fifth_of_what_the_strongest_have() -> None:
    levels = np.array([10.0] * 8 + [2.5, 1.5, 0.5, 0.0], np.float32)
    activations = [np.stack([np.full(GRID, level), np.full(GRID, 1)]).astype(np.float32) for level in levels]
    # a channel for the part whose level differs, and one that is alike everywhere
    pieces, _ = taken_apart(
        activations, [np.ones(GRID, bool)] * 12, np.array([1, 0], np.float32), [np.zeros((2, 1), np.float32)]
    )
    piece = pieces[0]
    np.testing.assert_allclose(piece.presence, [of_map.mean() for of_map in piece.maps], rtol=1e-6)
    strongest = np.sort(piece.presence)[-8:].mean()
    expected = [float(of_map.mean()) >= 0.2 * strongest for of_map in piece.maps]
    assert piece.shown.tolist() == expected
    assert piece.shown.tolist() == [True] * 9 + [False] * 3


def test_images_of_different_sizes_are_taken_to_parts_together() -> None:
    random = np.random.default_rng(7)
    grids = [(3, 4), (4, 3), (2, 7)] * 4
    activations = [random.random((5, *grid), np.float32) for grid in grids]
    pieces, _ = taken_apart(
        activations, [np.ones(grid, bool) for grid in grids], np.ones(5, np.float32), [np.ones((5, 1), np.float32)]
    )
    for piece in pieces:
        assert [of_map.shape for of_map in piece.maps] == grids
