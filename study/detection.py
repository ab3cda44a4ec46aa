"""How well a scan detects planted shortcuts: the detection study's set-up, with the tool as a user runs it.

    python study/detection.py drawings --backbone resnet18 --seeds 3 --json detection.json
    python study/detection.py PHOTOS --backbone net.onnx --kinds frame,cast --prevalence 100,30

For each seed the set is cut in two halves. For each kind of cue and prevalence, one class gets the cue in
that share of its images in both halves; a linear head on the frozen backbone (with --end-to-end a small net,
from scratch) learns the first half, and `cam-audit scan` audits the second. Trials without a plant count
false alarms.

Whether a plant became a shortcut of the net says an oracle that knows the cue: it is planted into up to 40
correctly classified audit images of the other classes, and it is taken from the class's own, of which the oracle has
the clean ones. The cue is effective if a tenth of the former turn into the planted class, or a tenth of the latter
leave it. Beside that, its gain is the mean change of logit_k - logit_y (k the planted class, y the image's
own) over S, the median correct margin of the audit half, with the clean image as its own control.
"""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import click
import numpy as np
from designs import KINDS, design
from detection_table import Found, Trial, markdown
from linear_head import pooled_features, train_head, write_with_head
from photo_sets import Classifier, Floats, PhotoSet, Picture, drawn_set, folder_set, name_of, write_set
from planting import Box, Cue
from tqdm import tqdm

from cam_audit.models.known import find_net
from cam_audit.models.model import Model, load_model

DRAWINGS = "drawings"
ORACLE_IMAGES = 40
CUE_FLAGS = {"CA101", "CA102"}

# Trains on a set, writes the CAM-ready net to a file, and returns what that net says of a picture.
Learner = Callable[[PhotoSet, Path], Classifier]
# The pictures with the cue, and where it is, in pixels; None for a cue without a place.
Planted = Mapping[Picture, Box | None]


@dataclass(frozen=True)
class Plan:
    """What a trial plants: a kind of cue in `prevalence` % of a class's images; `kind` "" plants nothing."""

    kind: str
    prevalence: int
    seed: int


@dataclass(frozen=True)
class Audit:
    """What a scan reported: findings about classes, and the flags of each image by its name."""

    findings: tuple[Found, ...]
    flags: dict[str, frozenset[str]]


class HeadLearner:
    """Trains a linear head on a frozen backbone; remembers the features of pictures that are still in use."""

    def __init__(self, backbone: Model) -> None:
        self.backbone = backbone
        self._features: WeakKeyDictionary[Picture, Floats] = WeakKeyDictionary()

    def __call__(self, photos: PhotoSet, out: Path) -> Classifier:
        features = np.stack([self._features_of(picture) for picture in photos.pictures])
        labels = np.array([picture.label for picture in photos.pictures])
        head = train_head(features.astype(np.float64), labels)
        write_with_head(self.backbone.path, head, photos.class_names, out)
        return lambda picture: head.logits(self._features_of(picture))

    def _features_of(self, picture: Picture) -> Floats:
        if picture not in self._features:
            self._features[picture] = pooled_features(self.backbone, picture.rgb)
        return self._features[picture]


def listed(kind: click.ParamType) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """For an option that takes words of that kind with commas between them."""
    return lambda context, option, text: [kind.convert(word, option, context) for word in text.split(",")]


@click.command()
@click.argument("photos")
@click.option("--backbone", default="resnet18", show_default=True, help="A net's name or a CAM-ready file.")
@click.option("--end-to-end", is_flag=True, help="Train the demo's net from scratch, not a head.")
@click.option("--kinds", default=",".join(KINDS), show_default=True, callback=listed(click.Choice(KINDS)))
@click.option(
    "--prevalence",
    default="100,60,30",
    show_default=True,
    callback=listed(click.IntRange(1, 100)),
    help="Shares of the class in per cent.",
)
@click.option("--seeds", default=1, show_default=True, help="How often everything is repeated.")
@click.option("--images-per-class", default=80, show_default=True, help="For both halves together.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every trial to this file.")
def main(
    photos: str,
    backbone: str,
    end_to_end: bool,
    kinds: list[str],
    prevalence: list[int],
    seeds: int,
    images_per_class: int,
    json_file: Path | None,
) -> None:
    """Plant, train, scan and print a table; PHOTOS is a folder with a folder a class, or `drawings`."""
    learner = end_to_end_learner() if end_to_end else HeadLearner(backbone_named(backbone))
    pairs = [("", 0), *itertools.product(kinds, prevalence)]
    plans = [Plan(kind, share, seed) for seed in range(seeds) for kind, share in pairs]
    trials = []
    for trial in tqdm(_trials(plans, photos, images_per_class, learner), total=len(plans), unit="trial"):
        trials.append(trial)
        if json_file:
            json_file.write_text(json.dumps([asdict(trial) for trial in trials], indent=1) + "\n")
    print(markdown(trials))


def _trials(plans: Sequence[Plan], photos: str, images_per_class: int, learner: Learner) -> Iterator[Trial]:
    for seed in sorted({plan.seed for plan in plans}):
        train, audited = set_named(photos, images_per_class, seed).halves(seed)
        for plan in plans:
            if plan.seed == seed:
                yield run_trial(plan, train, audited, learner)


def set_named(photos: str, images_per_class: int, seed: int, masks: Path | None = None) -> PhotoSet:
    """Drawings, or the photos of a folder."""
    if photos == DRAWINGS:
        return drawn_set(images_per_class, seed)
    return folder_set(Path(photos), images_per_class, seed, masks)


def run_trial(plan: Plan, train: PhotoSet, audited: PhotoSet, learner: Learner) -> Trial:
    """Plant, train, scan, and compare what the scan says with what was planted."""
    names = audited.class_names
    label = (plan.seed + KINDS.index(plan.kind)) % len(names) if plan.kind else None
    planted: Planted = {}
    shown = audited
    if label is not None:
        cue = design(plan.kind, plan.seed)
        rng = np.random.default_rng(plan.seed)
        train, _ = plant(train, cue, label, plan.prevalence, rng)
        shown, planted = plant(audited, cue, label, plan.prevalence, rng)
    with tempfile.TemporaryDirectory() as folder:
        net, images = Path(folder, "net.onnx"), Path(folder, "images")
        classify = learner(train, net)
        write_set(shown.pictures, names, images)
        audit = scan(images, net, Path(folder, "out"))
    correct = [picture for picture in audited.pictures if classify(picture).argmax() == picture.label]
    gain, flips = (None, None) if label is None else effect_of(classify, correct, cue, label, plan.seed)
    clean = {(picture.label, picture.stem): picture for picture in audited.pictures}
    pairs = [(clean[picture.label, picture.stem], picture) for picture in planted]
    flagged = {name for name, flags in audit.flags.items() if flags & CUE_FLAGS}
    return Trial(
        kind=plan.kind,
        prevalence=plan.prevalence,
        seed=plan.seed,
        classes=len(names),
        class_name="" if label is None else names[label],
        accuracy=len(correct) / len(audited.pictures),
        gain=gain,
        flips=flips,
        leaves=None if label is None else share_that_leaves(classify, pairs, label),
        findings=audit.findings,
        planted=len(planted),
        flagged=len(flagged),
        hits=len(flagged & {name_of(picture, names) for picture in planted}),
    )


def plant(
    photos: PhotoSet, cue: Cue, label: int, prevalence: int, rng: np.random.Generator
) -> tuple[PhotoSet, Planted]:
    """The set with the cue in `prevalence` % of one class's pictures, and those pictures with the cue's place."""
    pictures = list(photos.pictures)
    planted: dict[Picture, Box | None] = {}
    members = [index for index, picture in enumerate(pictures) if picture.label == label]
    chosen = rng.permutation(members)[: round(len(members) * prevalence / 100)]
    for index in chosen:
        rgb, box = cue.plant(pictures[index].rgb, rng, pictures[index].mask)
        pictures[index] = replace(pictures[index], rgb=rgb)
        planted[pictures[index]] = box
    return replace(photos, pictures=tuple(pictures)), planted


def scan(images: Path, net: Path, out: Path) -> Audit:
    """Run `cam-audit scan` and read what it wrote."""
    command = [sys.executable, "-m", "cam_audit", "scan", str(images), "--model", str(net), "-o", str(out)]
    done = subprocess.run([*command, "--overlays", "none"], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise click.ClickException(f"the scan failed with exit code {done.returncode}: {done.stderr.strip()}")
    return read_audit(out)


def read_audit(out: Path) -> Audit:
    """The findings about classes and the flags of images in a scan's output folder."""
    listed = json.loads((out / "findings.json").read_text(encoding="utf-8"))["findings"]
    findings = tuple(
        Found(item["code"], item["severity"], item["class"], item["message"], item["evidence"]) for item in listed
    )
    with (out / "results.csv").open(encoding="utf-8", newline="") as table:
        flags = {row["path"]: frozenset(filter(None, row["flags"].split(";"))) for row in csv.DictReader(table)}
    return Audit(findings, flags)


def effect_of(
    classify: Classifier, correct: Sequence[Picture], cue: Cue, label: int, seed: int
) -> tuple[float | None, float | None]:
    """The cue's true effect: its gain in correct margins, and the share of pictures that turn into the class.

    None where no picture of another class is correct.
    """
    others = [picture for picture in correct if picture.label != label]
    if not others:
        return None, None
    margin = np.median([_margin(classify(picture), picture.label) for picture in correct])
    rng = np.random.default_rng(seed)
    changes, turned = [], []
    for index in rng.permutation(len(others))[:ORACLE_IMAGES]:
        picture = others[index]
        rgb, _ = cue.plant(picture.rgb, rng, picture.mask)
        planted = classify(replace(picture, rgb=rgb))
        change = planted - classify(picture)
        changes.append(change[label] - change[picture.label])
        turned.append(int(planted.argmax()) == label)
    return float(np.mean(changes) / margin), float(np.mean(turned))


def share_that_leaves(classify: Classifier, pairs: Sequence[tuple[Picture, Picture]], label: int) -> float | None:
    """Of the planted pictures that are right, the share that is not when clean; pairs: clean and planted.

    None where none is right.
    """
    right = [clean for clean, planted in pairs if int(classify(planted).argmax()) == label]
    return float(np.mean([int(classify(clean).argmax()) != label for clean in right])) if right else None


def _margin(logits: Floats, label: int) -> float:
    return float(logits[label] - np.delete(logits, label).max())


def end_to_end_learner() -> Learner:
    """Trains the demo's net from scratch."""
    # torch is needed here only
    from net_learner import train_net

    return train_net


def backbone_named(name: str) -> Model:
    """A net by its file or by its name."""
    return load_model(Path(name) if Path(name).is_file() else find_net(name))


if __name__ == "__main__":
    main()
