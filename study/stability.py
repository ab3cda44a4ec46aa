"""How stable an audit's findings are: the same audit on random parts of the data set.

    python study/stability.py PHOTOS --model resnet18 --draws 20 --json stability.json
    python study/stability.py drawings --model net.onnx

The whole set is audited once, then draws of 90 % of each class's images. For each class and kind of cause (CA202 counts
as CA201, CA204 as CA203: one cause may come out under either) the table has the gravest severity in the whole set,
'clean' where nothing was found, in how many draws it was the same, and what it was in the others. Draws overlap: how
often they agree says how little a tenth of the images matters, not what other photos would give.

`drawings` are drawn ones, a frame planted in the first class and a stamp in the second; the net is a linear head on the
frozen backbone MODEL, which learnt another half with the same plants.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from designs import design
from detection import DRAWINGS, HeadLearner, plant
from detection_table import table
from photo_sets import drawn_set, write_set
from tqdm import tqdm

import cam_audit
from cam_audit.findings.codes import SEVERITIES, codes_by_finder, kind_of
from cam_audit.findings.intervals import share_interval
from cam_audit.images.find import find_images
from cam_audit.models.known import find_net
from cam_audit.models.model import Model, load_model
from cam_audit.records import Finding

CLEAN = "clean"
# Gravest first.
OUTCOMES = (*reversed(SEVERITIES), CLEAN)
CAUSES = tuple(dict.fromkeys(kind_of(code) for code in codes_by_finder().values()))
# What `drawings` has planted, by class.
PLANTED = ("frame", "stampfix")
IMAGES_PER_CLASS = 80

# The gravest severity of a class and kind of cause that has a finding.
Found = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Cell:
    """A class and a kind of cause: its severity, or 'clean', in the whole set and in each draw."""

    class_name: str
    cause: str
    whole: str
    draws: tuple[str, ...]

    @property
    def same(self) -> int:
        """In how many draws it is as in the whole set."""
        return self.draws.count(self.whole)


@click.command()
@click.argument("photos")
@click.option("--model", default="resnet18", show_default=True, help="A net's name or a CAM-ready file.")
@click.option("--draws", default=20, show_default=True, type=click.IntRange(1), help="How many parts are audited.")
@click.option("--share", default=0.9, show_default=True, type=click.FloatRange(0, 1), help="Of a class's images.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Draw n has the seed SEED + n.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every severity to this file.")
def main(photos: str, model: str, draws: int, share: float, seed: int, json_file: Path | None) -> None:
    """Audit all and parts, and print tables; PHOTOS is a folder with a folder a class, or `drawings`."""
    net = load_model(Path(model) if Path(model).is_file() else find_net(model))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(photos)
        if photos == DRAWINGS:
            folder, net = planted_drawings(net, seed, Path(scratch))
        whole = audited(folder, net)
        names = find_images(folder).names
        parts = []
        for number in tqdm(range(draws), unit="draw"):
            with tempfile.TemporaryDirectory(dir=scratch) as part:
                link(drawn(names, share, seed + number), folder, Path(part))
                parts.append(audited(Path(part), net))
    cells = compared([label for label in by_class(names) if label], whole, parts)
    if json_file:
        settings = {"photos": photos, "model": model, "draws": draws, "share": share, "seed": seed}
        json_file.write_text(json.dumps({**settings, "cells": [asdict(cell) for cell in cells]}, indent=1) + "\n")
    print(markdown(cells))


def planted_drawings(backbone: Model, seed: int, folder: Path) -> tuple[Path, Model]:
    """A folder of drawings with planted classes, and the net that learnt others with the same plants."""
    train, shown = drawn_set(IMAGES_PER_CLASS, seed).halves(seed)
    rng = np.random.default_rng(seed)
    for label, kind in enumerate(PLANTED):
        cue = design(kind, seed)
        train, _ = plant(train, cue, label, 100, rng)
        shown, _ = plant(shown, cue, label, 100, rng)
    HeadLearner(backbone)(train, folder / "net.onnx")
    write_set(shown.pictures, shown.class_names, folder / DRAWINGS)
    return folder / DRAWINGS, load_model(folder / "net.onnx")


def by_class(names: Iterable[str]) -> dict[str, list[str]]:
    """Names of images by their first folder; "" has those that lie directly in the data set."""
    classes: dict[str, list[str]] = {}
    for name in names:
        classes.setdefault(name.rpartition("/")[0].partition("/")[0], []).append(name)
    return classes


def drawn(names: Iterable[str], share: float, seed: int) -> list[str]:
    """A random share of each class's images, at least one, sorted."""
    rng = np.random.default_rng(seed)
    chosen = []
    for members in by_class(names).values():
        count = max(1, round(share * len(members)))
        chosen += [members[index] for index in rng.permutation(len(members))[:count]]
    return sorted(chosen)


def link(names: Iterable[str], source: Path, target: Path) -> None:
    """Put images of one folder into another under the same names: hard links, or copies on another file system."""
    for name in names:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link((source / name).resolve(), path)
        except OSError:
            shutil.copy2(source / name, path)


def audited(folder: Path, net: Model) -> Found:
    """What an audit finds in a folder."""
    return gravest(cam_audit.audit(folder, net, out=None).findings)


def gravest(findings: Iterable[Finding]) -> Found:
    """The gravest severity by class and kind of cause."""
    found: dict[tuple[str, str], str] = {}
    for finding in findings:
        key = finding.label, kind_of(finding.code)
        found[key] = min(finding.severity, found.get(key, CLEAN), key=OUTCOMES.index)
    return found


def compared(classes: Iterable[str], whole: Found, parts: Sequence[Found]) -> list[Cell]:
    """A cell for each class and kind of cause, whether or not anything was found."""
    return [
        Cell(label, cause, whole.get((label, cause), CLEAN), tuple(part.get((label, cause), CLEAN) for part in parts))
        for label in classes
        for cause in CAUSES
    ]


def markdown(cells: Sequence[Cell]) -> str:
    """The tables: by class and kind of cause, and by severity in the whole set."""
    rows = []
    for cell in cells:
        interval = share_interval(cell.same, len(cell.draws))
        others = Counter(outcome for outcome in cell.draws if outcome != cell.whole)
        rows.append(
            [
                *(cell.class_name, cell.cause, cell.whole, f"{cell.same}/{len(cell.draws)}"),
                f"{interval.low:.2f} to {interval.high:.2f}",
                ", ".join(f"{outcome} x{others[outcome]}" for outcome in OUTCOMES if others[outcome]) or "-",
            ]
        )
    summary = []
    for outcome in OUTCOMES:
        group = [cell for cell in cells if cell.whole == outcome]
        same, draws = sum(cell.same for cell in group), sum(len(cell.draws) for cell in group)
        summary.append([outcome, str(len(group)), f"{same}/{draws}", f"{same / draws:.2f}" if draws else "-"])
    return "\n\n".join(
        (
            table(["class", "cause", "whole set", "same in draws", "95 % interval", "in the other draws"], rows),
            table(["whole set", "cells", "draws that agree", "share"], summary),
        )
    )


if __name__ == "__main__":
    main()
