#!/usr/bin/env python3
"""Train the two nets of `cam-audit demo` again, from nothing.

    python scripts/train_demo.py [--out cam_audit/nets]

`demo-biased` learns from drawings with the three planted shortcuts, `demo-fixed` from the same objects with
backgrounds and marks shuffled. Prints how often each is right on drawings that it has not seen, and how often other
classes' pictures are taken for a cue's class once they bear that cue. About ten minutes on a CPU; needs
`pip install 'cam-audit[export]'`.
"""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.pool import Pool
from pathlib import Path

import click
import numpy as np
import torch
from export_onnx import export_module
from numpy.typing import NDArray
from torch import nn

from cam_audit.demo import CLASSES, GREEN_CLASS, MARKED_CLASS, RED_CLASS, Ground, Setting, draw_in, setting_of
from cam_audit.images.resize import network_size, resize
from cam_audit.models.adapt import Preprocessing
from cam_audit.models.model import Model, load_model

SEED = 0
SHORTEST_SIDE = 128
CELL = 8
PREPROCESSING = Preprocessing(1 / 255, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))

# Indices of the drawings of each class; the demo shows the first 40.
LEARNT = range(700)
TESTED = range(1000, 1060)

EPOCHS = 16
BATCH = 32
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-2
# Without it the net answers to a whole red wall much louder than to a small mark; with it all cues count alike.
LABEL_SMOOTHING = 0.1


# Whether each net learns from the shuffled drawings.
NETS = {"demo-biased": False, "demo-fixed": True}


@dataclass(frozen=True)
class Cue:
    """A planted shortcut: the class that bears it, and how it is put into any picture."""

    name: str
    class_name: str
    put: Callable[[Setting], Setting]


CUES = (
    Cue("red ground", RED_CLASS, lambda setting: replace(setting, ground=Ground.RED)),
    Cue("green ground", GREEN_CLASS, lambda setting: replace(setting, ground=Ground.GREEN)),
    Cue("corner mark", MARKED_CLASS, lambda setting: replace(setting, marked=True)),
)


@dataclass(frozen=True)
class Scene:
    """What is to be drawn."""

    class_name: str
    index: int
    setting: Setting

    def draw(self) -> NDArray[np.uint8]:
        """The picture as it enters a net, uint8 (H, W, 3) RGB."""
        picture, _ = draw_in(self.setting, self.class_name, self.index)
        return resize(picture, *network_size(picture.shape[1], picture.shape[0], SHORTEST_SIDE, CELL))


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures of network size, uint8 (H, W, 3) RGB, and the index of each one's class, int64 (n,)."""

    pictures: Sequence[NDArray[np.uint8]]
    labels: NDArray[np.int64]


def scenes(indices: range, *, shuffled: bool) -> list[Scene]:
    """The drawings of a data set."""
    return [Scene(name, index, setting_of(name, index, shuffled=shuffled)) for name in CLASSES for index in indices]


def drawn(wanted: Sequence[Scene], pool: Pool) -> Examples:
    """The drawings themselves."""
    pictures = pool.map(Scene.draw, wanted, chunksize=20)
    return Examples(pictures, np.array([CLASSES.index(scene.class_name) for scene in wanted]))


@dataclass(frozen=True, eq=False)
class Exam:
    """Drawings that no net has learnt: biased, shuffled, and for each cue the biased ones of other classes with it."""

    biased: Examples
    shuffled: Examples
    with_cue: Mapping[Cue, Examples]

    @classmethod
    def drawn(cls, pool: Pool) -> Exam:
        """The exam, always the same."""
        biased = scenes(TESTED, shuffled=False)
        with_cue = {
            cue: [
                replace(scene, setting=cue.put(scene.setting)) for scene in biased if scene.class_name != cue.class_name
            ]
            for cue in CUES
        }
        return cls(
            drawn(biased, pool),
            drawn(scenes(TESTED, shuffled=True), pool),
            {cue: drawn(wanted, pool) for cue, wanted in with_cue.items()},
        )


class SmallNet(nn.Module):
    """Five convolutions, global average pooling, one linear layer; a cell of the map spans 8 x 8 pixels."""

    def __init__(self) -> None:
        super().__init__()
        shapes = ((3, 16, 2), (16, 32, 2), (32, 48, 2), (48, 64, 1), (64, 64, 1))
        self.features = nn.Sequential(*(layer for shape in shapes for layer in self._block(*shape)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(shapes[-1][1], len(CLASSES))

    @staticmethod
    def _block(channels_in: int, channels_out: int, stride: int) -> Iterator[nn.Module]:
        # Zeros around the picture would be a frame that the net can see, and its maps would dwell on it.
        yield nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, padding_mode="replicate", bias=False)
        yield nn.BatchNorm2d(channels_out)
        yield nn.ReLU()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of preprocessed images (N, 3, H, W)."""
        logits: torch.Tensor = self.classifier(self.pool(self.features(pixels)).flatten(1))
        return logits


def train(examples: Examples) -> SmallNet:
    """A net that has learnt the examples; the same on every run."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    net = SmallNet().train()
    optimizer = torch.optim.AdamW(net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * len(batches(examples, rng))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    criterion = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    with click.progressbar(range(EPOCHS), label="Training") as epochs:
        for _ in epochs:
            for members in batches(examples, rng):
                optimizer.zero_grad()
                loss = criterion(net(pixels(examples, members)), torch.from_numpy(examples.labels[members]))
                loss.backward()
                optimizer.step()
                schedule.step()
    return net.eval()


def batches(examples: Examples, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Indices of examples in random order, each batch of pictures of one size."""
    by_size = defaultdict(list)
    for index in rng.permutation(len(examples.pictures)):
        by_size[examples.pictures[index].shape].append(index)
    parts = [np.array(same[start : start + BATCH]) for same in by_size.values() for start in range(0, len(same), BATCH)]
    return [parts[index] for index in rng.permutation(len(parts))]


def pixels(examples: Examples, members: NDArray[np.int64]) -> torch.Tensor:
    """What the net takes for some of the pictures, float32 (N, 3, H, W)."""
    pictures = PREPROCESSING.apply(np.stack([examples.pictures[index] for index in members]))
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32))


def predictions(model: Model, examples: Examples) -> NDArray[np.int64]:
    """The index of the class that the net gives each picture, (n,)."""
    return np.array([model.run(picture).logits.argmax() for picture in examples.pictures])


def flip_rates(model: Model, cue: Cue, examples: Examples) -> dict[str, float]:
    """The share of each class's pictures that the net takes for the cue's class."""
    flipped = predictions(model, examples) == CLASSES.index(cue.class_name)
    return {CLASSES[label]: float(flipped[examples.labels == label].mean()) for label in np.unique(examples.labels)}


def make(name: str, examples: Examples, folder: Path) -> Model:
    """Train one net, write folder/name.onnx and load it."""
    path = folder / f"{name}.onnx"
    size = (SHORTEST_SIDE, SHORTEST_SIDE)
    export_module(
        train(examples),
        path,
        net=name,
        preprocessing=PREPROCESSING,
        classes=CLASSES,
        input_size=size,
        licence="Apache-2.0",
    )
    click.echo(f"{name}: wrote {path}, {path.stat().st_size / 1e3:.0f} kB")
    return load_model(path)


def report(model: Model, exam: Exam) -> None:
    """Print what the net knows and what it follows."""
    for kind, examples in (("biased", exam.biased), ("shuffled", exam.shuffled)):
        right = np.mean(predictions(model, examples) == examples.labels)
        click.echo(f"{model.net}: {right:.1%} of unseen {kind} drawings right")
    for cue, examples in exam.with_cue.items():
        rates = ", ".join(f"{name} {rate:.0%}" for name, rate in flip_rates(model, cue, examples).items())
        click.echo(f"{model.net}: taken for a {cue.class_name} if shown with the {cue.name}: {rates}")


@click.command(help=(__doc__ or "").partition("\n")[0])
@click.option("--out", type=click.Path(path_type=Path), default=Path("cam_audit/nets"), show_default=True)
def main(out: Path) -> None:
    # Sums depend on how they are split among threads: with one, the files are the same on every run.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # spawn, as forking a process in which torch has threads may hang
    with multiprocessing.get_context("spawn").Pool() as pool:
        exam = Exam.drawn(pool)
        learnt = {name: drawn(scenes(LEARNT, shuffled=shuffled), pool) for name, shuffled in NETS.items()}
    for name, examples in learnt.items():
        report(make(name, examples, out), exam)


if __name__ == "__main__":
    main()
