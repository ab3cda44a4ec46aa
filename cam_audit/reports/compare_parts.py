"""Parts of two scans side by side: which part before is which part after, and how its share has changed.

Parts have no names. Where both scans looked at the same images, of any two nets, a part is known by where it lies in
them; else, of one net, by its direction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from cam_audit.findings.intervals import Estimate
from cam_audit.records import Part, PartMap, PartMaps
from cam_audit.reports.part_marks import ALIKE
from cam_audit.reports.scan_report import ScanReport
from cam_audit.text import as_utf8, count

GREW, SHRANK, STAYED, SPLIT, JOINED, NEW, GONE = PART_CHANGES = (
    *("grew", "shrank", "stayed", "split", "joined", "new", "gone"),
)
BY_MAPS, BY_DIRECTIONS = "maps", "directions"

# Maps are compared in so many images of a class that both scans looked at, or not at all.
MIN_COMMON = 6
# Pearson's correlation of the maps from which two parts are one. What it is measured on stands in docs/ci.md.
SAME_PLACE = 0.5
# Maps of any grid are compared on this one, (height, width).
GRID = (12, 12)
# A change of a share counts from here on, if its interval leaves out 0. The interval takes the parts as they are, but
# other images also make other parts: a fifth of the images exchanged moved one share of twenty-five by this much.
MIN_SHARE_CHANGE = 0.1
_DRAWS = 1000
_TINY = 1e-12

Maps = Mapping[str, PartMaps]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part in both scans, or in one.

    `before`, `after`: the part, None where none is it. `change`: one of PART_CHANGES; SPLIT is a part after that is
    like one before which is another one now, and JOINED the reverse. `matched_by`: BY_MAPS or
    BY_DIRECTIONS; `alike`: how alike these are, -1..1, None of a part in one scan. `share_change`: how much its share
    changed, with the 95 % interval over the draw of the images; None of a part in one scan.
    """

    label: str
    before: Part | None
    after: Part | None
    change: str
    matched_by: str
    alike: float | None = None
    share_change: Estimate | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Scan:
    """The parts of a class in a scan, with their maps."""

    parts: Sequence[Part]
    maps: Sequence[PartMaps]


def part_changes(
    before: ScanReport, after: ScanReport, maps_before: Maps, maps_after: Maps
) -> tuple[tuple[PartChange, ...], tuple[str, ...]]:
    """What became of the parts of each class, largest first; and, as notes, which classes can't be compared, and why.

    maps_before, maps_after: by a part's sheet.
    """
    old, new = _by_class(before.parts, maps_before), _by_class(after.parts, maps_after)
    same_net = (before.run.get("model") or {}).get("sha256") == (after.run.get("model") or {}).get("sha256")
    changes: list[PartChange] = []
    untold: list[str] = []
    for label in sorted(old.keys() & new.keys()):
        of_class = _of_class(label, old[label], new[label], same_net)
        if of_class is None:
            untold.append(label)
        else:
            changes += of_class
    notes = []
    if untold:
        notes.append(
            f"the parts of {count(len(untold), 'class', 'classes')} ({_named(untold)}) can't be compared: that takes "
            f"{MIN_COMMON} images of a class that both scans looked at, or one net"
        )
    alone = sorted(old.keys() ^ new.keys())
    if alone and (old or new):
        notes.append(f"only one of the scans has parts of {_named(alone)}, with their maps")
    return tuple(changes), tuple(notes)


def alike_by_maps(one: PartMaps, other: PartMaps, common: Sequence[str]) -> float:
    """Pearson's correlation, -1..1, of where two parts lie in the images of these paths; 0 where one is nowhere."""
    first, second = (_on_grid(maps, common) for maps in (one, other))
    first, second = first - first.mean(), second - second.mean()
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float((first * second).sum()) / lengths if lengths > _TINY else 0.0


def _of_class(label: str, old: _Scan, new: _Scan, same_net: bool) -> list[PartChange] | None:
    """The changes of a class, None where its parts can't be compared."""
    common = sorted(_paths(old) & _paths(new))
    if len(common) >= MIN_COMMON:
        matched_by, least = BY_MAPS, SAME_PLACE
        alike = [[alike_by_maps(one, other, common) for other in new.maps] for one in old.maps]
    elif same_net and len({maps.direction.shape for maps in (*old.maps, *new.maps)}) == 1:
        matched_by, least = BY_DIRECTIONS, ALIKE
        alike = [[float(one.direction @ other.direction) for other in new.maps] for one in old.maps]
    else:
        return None
    pairs = _paired(alike, least)
    steps = _share_changes(old, new, pairs)
    changes = []
    for (i, j), step in zip(pairs, steps, strict=True):
        certain = abs(step.value) >= MIN_SHARE_CHANGE and (step.low > 0 or step.high < 0)
        stronger = abs(new.parts[j].share) > abs(old.parts[i].share)
        change = STAYED if not certain else GREW if stronger else SHRANK
        changes.append(PartChange(label, old.parts[i], new.parts[j], change, matched_by, alike[i][j], step))
    paired_old, paired_new = {i for i, _ in pairs}, {j for _, j in pairs}
    for i, part in enumerate(old.parts):
        if i not in paired_old:
            changes.append(PartChange(label, part, None, JOINED if max(alike[i]) >= least else GONE, matched_by))
    for j, part in enumerate(new.parts):
        if j not in paired_new:
            closest = max(row[j] for row in alike)
            changes.append(PartChange(label, None, part, SPLIT if closest >= least else NEW, matched_by))
    return sorted(changes, key=_size, reverse=True)


def _size(change: PartChange) -> float:
    return max(abs(part.share) for part in (change.before, change.after) if part)


def _paired(alike: Sequence[Sequence[float]], least: float) -> list[tuple[int, int]]:
    """Parts of both sides, each in one pair at most, the most alike first."""
    found = sorted((-value, i, j) for i, row in enumerate(alike) for j, value in enumerate(row) if value >= least)
    pairs: list[tuple[int, int]] = []
    for _, i, j in found:
        if all(i != other and j != another for other, another in pairs):
            pairs.append((i, j))
    return pairs


def _share_changes(old: _Scan, new: _Scan, pairs: Sequence[tuple[int, int]]) -> list[Estimate]:
    """How much the share of each pair changed, with its interval, by drawing the images anew with replacement.

    Images that both scans looked at are drawn together, so that which they are does not pass for a change.
    """
    paths = sorted(_paths(old) | _paths(new))
    # no chance is involved: the same scans give the same intervals
    drawn = np.random.default_rng(0).multinomial(len(paths), np.full(len(paths), 1 / len(paths)), size=_DRAWS)
    before, after = (_shares(scan, paths, drawn) for scan in (old, new))
    estimates = []
    for i, j in pairs:
        low, high = np.quantile(after[:, j] - before[:, i], [0.025, 0.975])
        value = new.parts[j].share - old.parts[i].share
        estimates.append(Estimate(value, min(value, float(low)), max(value, float(high))))
    return estimates


def _shares(scan: _Scan, paths: Sequence[str], drawn: NDArray[np.int64]) -> Floats:
    """The shares of the parts, (draws, parts), if each image came as often as was drawn, (draws, images).

    What a part adds goes with its presence, the mean of its map. The rest is taken to stay what it is.
    """
    places = {path: number for number, path in enumerate(paths)}
    presence = np.zeros((len(paths), len(scan.parts)))
    for part, maps in enumerate(scan.maps):
        for of_image in maps.maps:
            presence[places[of_image.path], part] = of_image.values.mean()
    looked_at = np.zeros(len(paths))
    looked_at[[places[path] for path in _paths(scan)]] = 1
    usual = presence.sum(0) / looked_at.sum()
    means = (drawn @ presence) / np.maximum(drawn @ looked_at, 1)[:, None]
    added = np.array([part.share for part in scan.parts]) * means / np.maximum(usual, _TINY)
    rest = max(0.0, 1 - sum(abs(part.share) for part in scan.parts))
    shares: Floats = added / np.maximum(np.abs(added).sum(1) + rest, _TINY)[:, None]
    return shares


def _by_class(parts: Iterable[Part], part_maps: Maps) -> dict[str, _Scan]:
    """The parts whose maps are kept, by class and number."""
    by_label: dict[str, list[Part]] = {}
    for part in sorted(parts, key=lambda part: part.number):
        if part.sheet in part_maps:
            by_label.setdefault(as_utf8(part.label), []).append(part)
    return {
        label: _Scan(of_class, [part_maps[part.sheet] for part in of_class]) for label, of_class in by_label.items()
    }


def _paths(scan: _Scan) -> set[str]:
    return {of_image.path for maps in scan.maps for of_image in maps.maps}


def _on_grid(maps: PartMaps, paths: Sequence[str]) -> Floats:
    """The maps of these images, on GRID: float64 (images, h, w); 0 where there is none."""
    by_path: dict[str, PartMap] = {of_image.path: of_image for of_image in maps.maps}
    found = [
        cv2.resize(by_path[path].values, GRID[::-1], interpolation=cv2.INTER_LINEAR)
        if path in by_path
        else np.zeros(GRID, np.float32)
        for path in paths
    ]
    return np.stack(found).astype(np.float64)


def _named(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return ", ".join(map(repr, labels[:3])) + more
