"""How well parts find context that varies, which no finder of pixels can see: a study.

    python study/context.py PHOTOS --donors DONORS --class-name horse --masks MASKS --backbone net.onnx --seeds 4
    python study/context.py drawings --donors DONORS --end-to-end --images-per-class 400 --json context.json

PHOTOS is a folder with a folder a class, or `drawings`; DONORS has a folder of photos for each kind of thing. For each
seed the set is cut in two halves, and so are the donors. For each kind and prevalence, that share of one class gets the
thing, in both halves, and each picture another photo of it. A net learns the first half, and the second is audited,
at most 40 images a class. A trial of kind "" plants nothing.

The oracle pastes photos of the kind, which the net has not learnt, into up to 40 correctly classified pictures of other
classes: the plant is effective if a tenth of them turn into the planted class.

MASKS/<class>/<stem>.png has the objects of photos, whose drawings are known. A part is truly in the surroundings if it
lies on the object at most 0.7 times as much as if it were anywhere, truly on the object from 1.4 times on; between
them its place is open, and it is left out.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
from context_table import PartSeen, Trial, markdown
from detection import (
    HeadLearner,
    Learner,
    Planted,
    backbone_named,
    effect_of,
    end_to_end_learner,
    listed,
    plant,
    set_named,
)
from detection_table import Found
from numpy.typing import NDArray
from part_maps import (
    EXAMPLES,
    ClassParts,
    Floats,
    auroc,
    class_parts,
    lift,
    look,
    measured,
    presence_in,
    projected,
    shown_in,
)
from pasting import Things
from photo_sets import PhotoSet, Picture, folder_set, name_of, write_set
from tqdm import tqdm

import cam_audit
from cam_audit.findings.foreground import foreground_map
from cam_audit.findings.map_use import centred_weight, on_grid
from cam_audit.models.model import Model, load_model
from cam_audit.records import Part
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.foreground_net import foreground_net

ALL_DONORS = 10_000
# An audit takes a class to parts by so many images.
AUDITED = 40
# The study's parts and the audit's are made alike; they may differ by rounding.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Plan:
    """What a trial pastes: a kind of thing into `prevalence` % of a class's images; `kind` "" pastes nothing."""

    kind: str
    prevalence: int
    seed: int


@dataclass(frozen=True)
class Halves:
    """What the net learns and what is audited: the pictures, and the photos that are pasted into them."""

    train: PhotoSet
    audited: PhotoSet
    train_donors: PhotoSet
    audited_donors: PhotoSet


@dataclass(frozen=True)
class Study:
    """What all trials share; `class_name`: the planted class, None for another with each seed."""

    learner: Learner
    class_name: str | None
    foreground: str
    workers: int | None
    keep: Path | None


@dataclass(frozen=True)
class ClassSeen:
    """The parts of a class, and `Trial.together`, None for a class without a pasted part."""

    parts: tuple[PartSeen, ...]
    together: float | None


@click.command()
@click.argument("photos")
@click.option("--donors", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--class-name", help="The planted class; another with each seed if not given.")
@click.option("--masks", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Masks of the objects.")
@click.option("--backbone", default="resnet18", show_default=True, help="A net's name or a CAM-ready file.")
@click.option("--end-to-end", is_flag=True, help="Train the demo's net from scratch, not a head.")
@click.option("--prevalence", default="100,60,30", show_default=True, callback=listed(click.IntRange(1, 100)))
@click.option("--seeds", default=1, show_default=True, type=click.IntRange(1), help="How often all is repeated.")
@click.option("--first-seed", default=0, show_default=True, type=click.IntRange(0), help="To go on with others.")
@click.option("--images-per-class", default=80, show_default=True, help="For both halves together.")
@click.option("--foreground", default="auto", show_default=True, help="As of `cam-audit scan`.")
@click.option("--workers", type=click.IntRange(1), help="Of the audit.")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep each audit's output in a folder below this one.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every trial to this file.")
def main(
    photos: str,
    donors: Path,
    class_name: str | None,
    masks: Path | None,
    backbone: str,
    end_to_end: bool,
    prevalence: list[int],
    seeds: int,
    first_seed: int,
    images_per_class: int,
    foreground: str,
    workers: int | None,
    keep: Path | None,
    json_file: Path | None,
) -> None:
    """Paste, train, audit and print tables; PHOTOS is a folder with a folder a class, or `drawings`."""
    learner = end_to_end_learner() if end_to_end else HeadLearner(backbone_named(backbone))
    study = Study(learner, class_name, foreground, workers, keep)
    kinds = sorted(folder.name for folder in donors.iterdir() if folder.is_dir())
    pairs = [("", 0), *itertools.product(kinds, prevalence)]
    trials = []
    with tqdm(total=seeds * len(pairs), unit="trial") as progress:
        for seed in range(first_seed, first_seed + seeds):
            halves = halves_of(set_named(photos, images_per_class, seed, masks), donors, seed)
            for kind, share in pairs:
                trials.append(run_trial(Plan(kind, share, seed), halves, study))
                progress.update()
                if json_file:
                    json_file.write_text(json.dumps([asdict(trial) for trial in trials], indent=1) + "\n")
    print(markdown(trials))


def halves_of(whole: PhotoSet, donors: Path, seed: int) -> Halves:
    """The set and the donors, each cut in two; of the audited half at most AUDITED pictures a class."""
    train, audited = whole.halves(seed)
    members = [[each for each in audited.pictures if each.label == label] for label in range(len(whole.class_names))]
    kept = tuple(itertools.chain.from_iterable(of_class[:AUDITED] for of_class in members))
    return Halves(train, replace(audited, pictures=kept), *folder_set(donors, ALL_DONORS, seed).halves(seed))


def run_trial(plan: Plan, halves: Halves, study: Study) -> Trial:
    """Paste, train, audit, and compare the parts with what was pasted."""
    names = halves.audited.class_names
    train, shown, label, flips = halves.train, halves.audited, None, None
    planted: Planted = {}
    if plan.kind:
        label = names.index(study.class_name) if study.class_name else plan.seed % len(names)
        rng = np.random.default_rng(plan.seed)
        train, _ = plant(train, _things(halves.train_donors, plan.kind), label, plan.prevalence, rng)
        shown, planted = plant(shown, _things(halves.audited_donors, plan.kind), label, plan.prevalence, rng)
    with tempfile.TemporaryDirectory() as scratch:
        net, images, originals = Path(scratch, "net.onnx"), Path(scratch, "images"), Path(scratch, "originals")
        classify = study.learner(train, net)
        write_set(shown.pictures, names, images)
        write_set(_originals(halves.audited, planted), names, originals)
        model = load_model(net)
        out = study.keep / f"{plan.kind or 'none'}-{plan.prevalence}-{plan.seed}" if study.keep else None
        report = cam_audit.audit(
            images, model, out=out, overlays="none", foreground=study.foreground, workers=study.workers
        )
        seen = [_class_seen(report, model, shown, index, planted, Path(scratch)) for index in range(len(names))]
    correct = [picture for picture in halves.audited.pictures if classify(picture).argmax() == picture.label]
    if label is not None:
        _, flips = effect_of(classify, correct, _things(halves.audited_donors, plan.kind), label, plan.seed)
    return Trial(
        kind=plan.kind,
        prevalence=plan.prevalence,
        seed=plan.seed,
        classes=names,
        class_name="" if label is None else names[label],
        accuracy=len(correct) / len(halves.audited.pictures),
        flips=flips,
        findings=tuple(
            Found(each.code, each.severity, each.label, each.message, dict(each.evidence)) for each in report.findings
        ),
        parts=tuple(itertools.chain.from_iterable(each.parts for each in seen)),
        together=next((each.together for each in seen if each.together is not None), None),
        object_cells=None if plan.kind else _object_cells(halves.audited, model, study.foreground),
    )


def _things(donors: PhotoSet, kind: str) -> Things:
    label = donors.class_names.index(kind)
    return Things([photo.rgb for photo in donors.pictures if photo.label == label])


def _originals(audited: PhotoSet, planted: Planted) -> list[Picture]:
    clean = {(picture.label, picture.stem): picture for picture in audited.pictures}
    return [clean[picture.label, picture.stem] for picture in planted]


def _class_seen(
    report: AuditReport, model: Model, shown: PhotoSet, index: int, planted: Planted, folder: Path
) -> ClassSeen:
    """The parts that the audit lists of a class, each with what is known of it."""
    pictures = [picture for picture in shown.pictures if picture.label == index]
    names = [name_of(picture, shown.class_names) for picture in pictures]
    weight = centred_weight(model, index)
    parts = class_parts([look(model, folder / "images" / name) for name in names], weight)
    listed_parts = [part for part in report.parts if part.label == shown.class_names[index]]
    _require_alike(parts, listed_parts)
    has = np.array([picture in planted for picture in pictures])
    without = parts.presence[:, ~has]
    if has.all():
        looks = [look(model, folder / "originals" / name) for name in names]
        without = presence_in([projected(each, parts.directions) for each in looks])
    found = []
    objects = _covers(pictures, planted, parts, of_object=True)
    pasted = _covers(pictures, planted, parts, of_object=False)
    for number, part in enumerate(sorted(listed_parts, key=lambda part: part.number)):
        maps = [of_image[number] for of_image in parts.maps]
        presence = parts.presence[number]
        examples = np.argsort(-presence, kind="stable")[:EXAMPLES]
        found.append(
            PartSeen(
                class_name=part.label,
                number=part.number,
                share=part.share,
                beyond=part.beyond,
                where=part.where,
                foreground_ratio=part.foreground_ratio,
                shown=float(shown_in(presence).mean()),
                lift=_lift_in(maps, pasted, has),
                presence_auroc=auroc(presence[has], without[number]) if has.any() else None,
                examples_planted=int(has[examples].sum()) if has.any() else None,
                on_object=None if objects is None else lift(maps, objects),
                measures=measured(parts, number),
            )
        )
    of_pasted = [number for number, part in enumerate(found) if part.is_pasted]
    together = auroc(parts.presence[of_pasted][:, has].sum(0), without[of_pasted].sum(0)) if of_pasted else None
    return ClassSeen(tuple(found), together)


def _require_alike(parts: ClassParts, of_audit: Sequence[Part]) -> None:
    """The study's parts must be the audit's."""
    theirs = [part.share for part in sorted(of_audit, key=lambda part: part.number)]
    if len(theirs) != parts.listed or not np.allclose(theirs, parts.shares[: parts.listed], atol=TOLERANCE):
        raise click.ClickException(f"the parts are not those of the audit: {parts.shares} and {theirs}")


def _covers(
    pictures: Sequence[Picture], planted: Planted, parts: ClassParts, *, of_object: bool
) -> list[Floats] | None:
    """How much of each cell is the object, or what was pasted; None where objects are not known."""
    covers = []
    for picture, of_image in zip(pictures, parts.maps, strict=True):
        if of_object and picture.mask is None:
            return None
        covers.append(_cover(picture, planted, of_image.shape[1:], of_object=of_object))
    return covers


def _cover(picture: Picture, planted: Planted, grid: tuple[int, ...], *, of_object: bool) -> Floats:
    height, width = picture.rgb.shape[:2]
    pasted = np.zeros((height, width), np.float32)
    if box := planted.get(picture):
        left, top, right, bottom = box
        pasted[top:bottom, left:right] = 1
    if of_object:
        assert picture.mask is not None
        return on_grid((picture.mask > 0) * (1 - pasted), (grid[0], grid[1]))
    return on_grid(pasted, (grid[0], grid[1]))


def _lift_in(maps: Sequence[Floats], pasted: Sequence[Floats] | None, has: NDArray[np.bool_]) -> float | None:
    """The part's lift on what was pasted, in the images that have it."""
    if pasted is None or not has.any():
        return None
    chosen = np.flatnonzero(has).tolist()
    return lift([maps[i] for i in chosen], [pasted[i] for i in chosen])


def _object_cells(photos: PhotoSet, model: Model, name: str) -> Mapping[str, float]:
    """By class with masks: AUROC of the foreground's cells, three quarters object against a quarter or less."""
    net = foreground_net(name, model)
    if net is None:
        return {}
    found = {}
    for index, class_name in enumerate(photos.class_names):
        on, off = [], []
        for picture in photos.pictures:
            if picture.label != index or picture.mask is None:
                continue
            height, width = model.fit(picture.rgb).shape[:2]
            grid = height // model.cell, width // model.cell
            foreground = foreground_map(net, picture.rgb, grid)
            cover = on_grid((picture.mask > 0).astype(np.float32), grid)
            on += foreground[cover >= 0.75].tolist()
            off += foreground[cover <= 0.25].tolist()
        if on and off:
            found[class_name] = auroc(on, off)
    return found


if __name__ == "__main__":
    main()
