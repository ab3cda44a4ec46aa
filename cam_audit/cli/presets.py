"""`cam-audit models adapt --photos`: labelled photos tell with which preprocessing a net was trained."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cam_audit.cli.net import can_ask
from cam_audit.cli.terminal import note
from cam_audit.errors import CamAuditError, ImageError, ModelError

if TYPE_CHECKING:
    from cam_audit.images.rgb import RgbImage
    from cam_audit.models.adapt import AdaptedModel, Preprocessing
    from cam_audit.models.model import Model

    Adapt = Callable[[Path, Preprocessing | None], AdaptedModel]

MAX_PHOTOS = 200


@dataclass(frozen=True)
class PresetTrial:
    """A preset, and for each photo whether the prediction is its folder; `names` has all presets of these numbers."""

    preset: str
    names: str
    right: tuple[bool, ...]

    @property
    def share(self) -> float:
        """The share of the photos in which it is, 0..1."""
        return sum(self.right) / len(self.right)

    @property
    def in_words(self) -> str:
        """The preset and its share, as in "imagenet (52 of 60)"."""
        return f"{self.preset} ({sum(self.right)} of {len(self.right)})"


def choose_preset(adapt: Adapt, photos: Path) -> str | None:
    """The preset with which most predictions are the photo's folder; None for a net with its own preprocessing.

    adapt: makes a file of the net, with a preprocessing or the net's own. At most MAX_PHOTOS are looked at, evenly
    spread. All trials are printed. If the best is not surely better than another (95 % interval of the difference), the
    user is asked.

    Raises CamAuditError if no photo lies in a folder named like a class, or two are close and nobody can be asked.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "net.onnx")
        if adapt(file, None).preprocessed_within:
            note("--photos is not needed: the net has its own preprocessing")
            return None
        trials = _tried(adapt, photos, file)
    width = max(len(trial.names) for trial in trials)
    for trial in trials:
        click.echo(f"{trial.names:{width}}  prediction = folder in {sum(trial.right)} of {len(trial.right)}")
    best = trials[0]
    close = [trial for trial in trials[1:] if not _surely_better(best, trial)]
    if not close:
        return best.preset
    names = [trial.preset for trial in (best, *close)]
    if can_ask():
        chosen: str = click.prompt("Which preset", type=click.Choice(names), default=best.preset, err=True)
        return chosen
    told = " and ".join(trial.in_words for trial in (best, *close))
    raise CamAuditError(f"{told} are close; choose by --preset, or give more photos")


def _tried(adapt: Adapt, photos: Path, file: Path) -> list[PresetTrial]:
    """Each preprocessing once, the best first."""
    from cam_audit.models.adapt import PRESETS
    from cam_audit.models.model import load_model

    known: dict[tuple[float, ...], list[str]] = {}
    for name, preprocessing in PRESETS.items():
        factor, offset = preprocessing.affine()
        key = (*factor.round(6), *offset.round(4), preprocessing.bgr)
        known.setdefault(key, []).append(name)
    images: list[tuple[RgbImage, int]] = []
    trials = []
    for names in known.values():
        adapt(file, PRESETS[names[0]])
        model = load_model(file)
        images = images or _labelled(model, photos)
        right = tuple(int(model.run(rgb).logits.argmax()) == label for rgb, label in images)
        trials.append(PresetTrial(names[0], " = ".join(names), right))
    return sorted(trials, key=lambda trial: -trial.share)


def _labelled(model: Model, photos: Path) -> list[tuple[RgbImage, int]]:
    """Photos in folders that are named like classes, at the net's size, with the class."""
    from cam_audit.images.decode import read_image
    from cam_audit.images.find import find_images, spread
    from cam_audit.models.class_names import ClassNames
    from cam_audit.reports.output_folder import OUTPUT_MARKS
    from cam_audit.scan.class_of_images import label_images
    from cam_audit.scan.dataset import require_folder
    from cam_audit.scan.layout import layout_of

    require_folder(photos)
    names = find_images(photos, marks=OUTPUT_MARKS).names
    classes = ClassNames(model.class_names, model.class_ids)
    sources = label_images(photos, names, classes, layout_of(names, classes), {}).sources
    labelled = [source for source in sources if source.label_class is not None]
    images = []
    for source in spread(labelled, MAX_PHOTOS):
        with suppress(ImageError):
            rgb, _, _ = read_image(source.path, needed=2 * min(model.input_size))
            images.append((model.fit(rgb), int(source.label_class or 0)))
    if not images:
        raise ModelError(f"{photos}: no photo lies in a folder that is named like a class; --labels names the classes")
    return images


def _surely_better(best: PresetTrial, other: PresetTrial) -> bool:
    from cam_audit.findings.intervals import paired_difference

    return paired_difference(best.right, other.right).low > 0
