"""What a scan says where nothing is to be found: photos of one class, split at random into classes (a strict null).

    python study/null.py PHOTOS --backbone net.onnx --splits 48 --json null.json

For each split, the photos of one class of the folder (each class in turn) are dealt at random to two or three folders,
a linear head on the frozen backbone learns to tell these apart, and `cam-audit scan` audits the same photos: the net
knows them by heart, and whatever it says of these classes is a false alarm. With --json, splits that the file has are
not done again.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
from detection import HeadLearner, backbone_named, scan
from detection_table import SEVERITIES, table
from photo_sets import PhotoSet, folder_set, write_set
from tqdm import tqdm

from cam_audit.findings.intervals import share_interval

# Below so many photos a folder is no class.
MIN_PHOTOS = 24


@dataclass(frozen=True)
class Split:
    """A split of one class's photos and what was said: (code, severity) of each finding."""

    class_name: str
    parts: int
    seed: int
    findings: tuple[tuple[str, str], ...]


@click.command()
@click.argument("photos", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--backbone", default="resnet18", show_default=True, help="A net's name or a CAM-ready file.")
@click.option("--splits", default=48, show_default=True, type=click.IntRange(1))
@click.option("--parts", default=2, show_default=True, type=click.IntRange(2), help="How many classes one becomes.")
@click.option("--images-per-class", default=120, show_default=True, help="Photos of the class that is split, at most.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every split to this file, or go on.")
def main(photos: Path, backbone: str, splits: int, parts: int, images_per_class: int, json_file: Path | None) -> None:
    """Split, train, scan and print a table; PHOTOS is a folder with a folder a class."""
    learner = HeadLearner(backbone_named(backbone))
    whole = folder_set(photos, images_per_class, seed=0)
    large = enough(whole, parts)
    if not large:
        raise click.ClickException(f"{photos}: no class of {parts * MIN_PHOTOS} photos")
    done = read(json_file) if json_file and json_file.is_file() else []
    known = {(split.class_name, split.parts, split.seed) for split in done}
    for seed in tqdm(range(splits), unit="split"):
        label = large[seed % len(large)]
        if (whole.class_names[label], parts, seed) in known:
            continue
        done.append(run_split(whole, label, parts, seed, learner))
        if json_file:
            json_file.write_text(json.dumps([asdict(split) for split in done], indent=1) + "\n")
    print(markdown(done))


def enough(photos: PhotoSet, parts: int) -> list[int]:
    """The classes that have photos enough for so many parts."""
    sizes = Counter(picture.label for picture in photos.pictures)
    return [label for label in sorted(sizes) if sizes[label] >= parts * MIN_PHOTOS]


def dealt(photos: PhotoSet, label: int, parts: int, seed: int) -> PhotoSet:
    """The photos of one class dealt at random to so many classes of the same size, or one more."""
    own = [picture for picture in photos.pictures if picture.label == label]
    order = np.random.default_rng(seed).permutation(len(own))
    names = tuple(f"part{part}" for part in range(parts))
    return PhotoSet(names, tuple(replace(own[index], label=place % parts) for place, index in enumerate(order)))


def run_split(photos: PhotoSet, label: int, parts: int, seed: int, learner: HeadLearner) -> Split:
    """Deal, train, scan."""
    split = dealt(photos, label, parts, seed)
    with tempfile.TemporaryDirectory() as folder:
        net, images = Path(folder, "net.onnx"), Path(folder, "images")
        learner(split, net)
        write_set(split.pictures, split.class_names, images)
        audit = scan(images, net, Path(folder, "out"))
    said = tuple(sorted((finding.code, finding.severity) for finding in audit.findings))
    return Split(photos.class_names[label], parts, seed, said)


def read(json_file: Path) -> list[Split]:
    """The splits that the file has."""
    listed = json.loads(json_file.read_text(encoding="utf-8"))
    return [Split(**{**split, "findings": tuple(map(tuple, split["findings"]))}) for split in listed]


def markdown(splits: Sequence[Split]) -> str:
    """By severity and code, how many findings there are, and in how many splits, with Wilson's interval."""
    pairs = {finding for split in splits for finding in split.findings}
    rows = []
    for severity in reversed(SEVERITIES):
        for codes in ("", *sorted(code for code, said in pairs if said == severity)):
            counts = [
                sum(said == severity and codes in ("", code) for code, said in split.findings) for split in splits
            ]
            having = sum(count > 0 for count in counts)
            share = share_interval(having, len(splits))
            interval = f"{share.low:.2f} to {share.high:.2f}"
            rows.append([severity, codes or "any", str(sum(counts)), f"{having}/{len(splits)}", interval])
    return table(["severity", "code", "findings", "splits with one", "95 % interval"], rows)


if __name__ == "__main__":
    main()
