"""Parts of two scans, matched by where they lie in the same images, and how their shares changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from statistics import stdev

import cv2
import numpy as np
import pytest
from canonical import HOSTILE, canonical_report, part
from numpy.typing import NDArray

from cam_audit.records import Part, PartMap, PartMaps
from cam_audit.reports import comparison as formats
from cam_audit.reports.compare import compare
from cam_audit.reports.compare_parts import MIN_COMMON, PartChange, alike_by_maps, part_changes
from cam_audit.reports.scan_report import ScanReport

PATHS = [f"wolf/{number:02}.jpg" for number in range(20)]
FIRST, SECOND = "parts/wolf/1.jpg", "parts/wolf/2.jpg"


def scan(*parts: Part, sha256: str = "s") -> ScanReport:
    return replace(canonical_report(), parts=parts, run={**canonical_report().run, "model": {"sha256": sha256}})


def wolf(number: int, share: float, where: str = "object") -> Part:
    return part("wolf", number, share, where, 1.0)


def blobs(seed: int, *, grid: tuple[int, int] = (7, 10), paths: Sequence[str] = PATHS, scale: float = 1.0) -> PartMaps:
    """A blob at another place in each image, drawn finely and then seen on a grid: the same for every grid."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:56, 0:80]
    maps = []
    for path in paths:
        y, x = random.uniform(8, 48), random.uniform(8, 72)
        fine = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 200).astype(np.float32)
        maps.append(PartMap(path, scale * cv2.resize(fine, grid[::-1], interpolation=cv2.INTER_AREA)))
    direction = random.normal(size=16)
    return PartMaps((direction / np.linalg.norm(direction)).astype(np.float32), tuple(maps))


def shares(changes: Sequence[PartChange]) -> list[tuple[str, float | None, float | None]]:
    return [(each.change, *(side.share if side else None for side in (each.before, each.after))) for each in changes]


def test_a_part_is_known_by_where_it_lies_whatever_its_number_scale_and_grid() -> None:
    before, after = scan(wolf(1, 0.4), wolf(2, 0.33)), scan(wolf(1, 0.5), wolf(2, 0.08), sha256="other")
    old = {FIRST: blobs(1), SECOND: blobs(2)}
    new = {FIRST: blobs(2, grid=(9, 13), scale=5), SECOND: blobs(1, grid=(14, 20), scale=0.1)}
    changes, notes = part_changes(before, after, old, new)
    assert [(each.before.number, each.after.number) for each in changes if each.before and each.after] == [
        (2, 1),
        (1, 2),
    ]
    assert all(each.alike is not None and each.alike > 0.9 for each in changes)
    assert shares(changes) == [("grew", 0.33, 0.5), ("shrank", 0.4, 0.08)]
    assert notes == ()


def test_correlation_is_pearsons_over_all_cells_of_the_common_images() -> None:
    random = np.random.default_rng(0)

    def some() -> PartMaps:
        values = random.random((6, 12, 12), np.float32)
        return PartMaps(np.ones(1, np.float32), tuple(map(PartMap, PATHS, values)))

    one, other = some(), some()
    common = PATHS[1:5]
    flat = [np.concatenate([each.values.ravel() for each in maps.maps[1:5]]) for maps in (one, other)]
    assert alike_by_maps(one, other, common) == pytest.approx(np.corrcoef(*flat)[0, 1], abs=1e-5)
    nowhere = PartMaps(one.direction, tuple(PartMap(path, np.zeros((2, 2), np.float32)) for path in PATHS))
    assert alike_by_maps(one, nowhere, common) == 0


def test_a_part_that_lies_elsewhere_is_gone_and_another_is_new() -> None:
    changes, _ = part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.2)), {FIRST: blobs(1)}, {FIRST: blobs(2)})
    assert shares(changes) == [("gone", 0.3, None), ("new", None, 0.2)]


def both(*maps: PartMaps) -> PartMaps:
    """A part that lies where each of these does."""
    per_image = zip(*(each.maps for each in maps), strict=True)
    return PartMaps(
        maps[0].direction,
        tuple(PartMap(of_image[0].path, sum(each.values for each in of_image)) for of_image in per_image),
    )


def test_parts_are_paired_one_to_one_the_most_alike_first_and_the_others_were_joined_or_split() -> None:
    two, one = scan(wolf(1, 0.3), wolf(2, 0.2)), scan(wolf(1, 0.3))
    near = {FIRST: both(blobs(1), blobs(2)), SECOND: blobs(1)}
    changes, _ = part_changes(two, one, near, {FIRST: blobs(1)})
    assert sorted(shares(changes)) == [("joined", 0.3, None), ("stayed", 0.2, 0.3)]
    changes, _ = part_changes(one, two, {FIRST: blobs(1)}, near)
    assert sorted(shares(changes), key=str) == [("split", None, 0.3), ("stayed", 0.3, 0.2)]


def test_without_common_images_one_net_is_compared_by_directions_and_two_are_not() -> None:
    few = [f"wolf/other {number}.jpg" for number in range(20)] + PATHS[: MIN_COMMON - 1]
    old, new = {FIRST: blobs(1)}, {FIRST: replace(blobs(2, paths=few), direction=blobs(1).direction)}
    changes, notes = part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.3)), old, new)
    assert [(each.matched_by, each.change) for each in changes] == [("directions", "stayed")]
    assert notes == ()
    changes, notes = part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.3), sha256="other"), old, new)
    assert changes == ()
    assert notes[0].startswith("the parts of 1 class ('wolf') can't be compared")
    enough = {FIRST: blobs(1, paths=[*few, PATHS[MIN_COMMON - 1]])}
    changes, _ = part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.3), sha256="other"), old, enough)
    assert {each.matched_by for each in changes} == {"maps"}


def test_a_scan_of_a_version_that_kept_no_maps_is_said() -> None:
    changes, notes = part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.3)), {FIRST: blobs(1)}, {})
    assert changes == ()
    assert notes == ("only one of the scans has parts of 'wolf', with their maps",)
    assert part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.3)), {}, {}) == ((), ())
    assert part_changes(scan(), scan(), {}, {}) == ((), ())


def weighed(weights: NDArray[np.float64], paths: Sequence[str] = PATHS) -> PartMaps:
    """Blobs that are as strong in each image as its weight."""
    return PartMaps(
        blobs(1).direction,
        tuple(
            PartMap(each.path, np.float32(weight) * each.values / each.values.mean())
            for each, weight in zip(blobs(1, paths=paths).maps, weights, strict=True)
        ),
    )


def test_an_interval_is_as_wide_as_the_images_differ() -> None:
    even = {FIRST: weighed(np.ones(20))}
    ((change,), _) = part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.4)), even, even)
    assert change.share_change
    assert (change.share_change.value, change.share_change.low, change.share_change.high) == pytest.approx(
        (0.1, 0.1, 0.1)
    )
    # against the delta method: s = s0 r / (s0 r + 1 - s0), so that ds = s0 (1 - s0) dr
    weights = np.random.default_rng(3).uniform(0.5, 1.5, 20)
    ((change,), _) = part_changes(scan(wolf(1, 0.3)), scan(wolf(1, 0.3)), {FIRST: weighed(weights)}, even)
    assert change.share_change
    half = 1.96 * 0.3 * 0.7 * stdev(weights / weights.mean()) / sqrt(20)
    width = change.share_change.high - change.share_change.low
    assert width == pytest.approx(2 * half, rel=0.15)
    # images of both are drawn together: what they have in common is no change
    ((change,), _) = part_changes(
        scan(wolf(1, 0.3)), scan(wolf(1, 0.3)), {FIRST: weighed(weights)}, {FIRST: weighed(2 * weights)}
    )
    assert change.share_change
    assert change.share_change.high - change.share_change.low < 1e-6


@pytest.mark.parametrize(
    ("before", "after", "spread", "change"),
    [
        (0.33, 0.08, 0.0, "shrank"),
        (0.08, 0.33, 0.0, "grew"),
        (0.30, 0.39, 0.0, "stayed"),
        # enough, but the images differ too much: four of them have most of it
        (0.30, 0.41, 2.7, "stayed"),
        # against the class, and more so
        (-0.10, -0.30, 0.0, "grew"),
    ],
)
def test_a_share_has_changed_if_it_moved_and_its_interval_leaves_out_0(
    before: float, after: float, spread: float, change: str
) -> None:
    weights = 1 + np.tile([spread, *[-spread / 4] * 4], 4)
    old, new = {FIRST: weighed(weights)}, {FIRST: weighed(np.ones(20))}
    ((found,), _) = part_changes(scan(wolf(1, before)), scan(wolf(1, after)), old, new)
    assert found.change == change


def test_every_format_tells_of_parts() -> None:
    before, after = scan(wolf(1, 0.33, "surroundings")), scan(wolf(1, 0.08, "surroundings"), wolf(2, 0.07))
    comparison = compare(before, after, {FIRST: blobs(1)}, {FIRST: blobs(1), SECOND: blobs(2)})
    rows = [line.split() for line in formats.text(comparison).splitlines()]
    (shrank,) = [row for row in rows if row[:1] == ["shrank"]]
    assert shrank[:5] == ["shrank", "wolf", "33%", "->", "8%"]
    assert shrank[-5:] == ["surroundings", "1", "->", "1", "parts/wolf/1.jpg"]
    assert any(row[:5] == ["new", "wolf", "-", "->", "7%"] for row in rows)
    assert "| shrank | wolf | 33% -> 8% |" in formats.markdown(comparison)
    document = json.loads(formats.json(comparison))
    assert document["schema_version"] == 2
    first, second = document["parts"]
    assert first["before"] == {"number": 1, "share": 0.33, "where": "surroundings", "sheet": FIRST}
    assert (first["change"], first["matched_by"], first["share_change"]["value"]) == ("shrank", "maps", -0.25)
    assert (second["change"], second["before"], second["share_change"]) == ("new", None, None)


def test_no_name_of_a_part_is_markup() -> None:
    hostile = part(HOSTILE, 1, 0.5, "object", 2.0)
    maps = {hostile.sheet: blobs(1)}
    text = formats.markdown(compare(scan(hostile), scan(hostile), maps, maps))
    assert HOSTILE not in text
