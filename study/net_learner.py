"""Trains the demo's small net from scratch on a set of drawings; the only module here that needs torch."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click
import numpy as np
from linear_head import predict
from photo_sets import Classifier, PhotoSet

from cam_audit.images.resize import network_size, resize
from cam_audit.models.model import load_model

sys.path.append(str(Path(__file__).parents[1] / "scripts"))

from export_onnx import export_module
from train_demo import CELL, PREPROCESSING, SHORTEST_SIDE, Examples, train

from cam_audit.demo import CLASSES


def train_net(photos: PhotoSet, out: Path) -> Classifier:
    """Train on a set, write the CAM-ready net to `out`; a `Learner` as the benchmark wants it."""
    if photos.class_names != CLASSES:
        raise click.UsageError("--end-to-end trains the demo's net, which knows the classes of the drawings only")
    with redirect_stdout(sys.stderr):
        net = train(_examples(photos))
    size = (SHORTEST_SIDE, SHORTEST_SIDE)
    export_module(net, out, net="planted", preprocessing=PREPROCESSING, classes=CLASSES, input_size=size)
    model = load_model(out)
    return lambda picture: predict(model, picture.rgb).logits


def _examples(photos: PhotoSet) -> Examples:
    pictures = []
    for picture in photos.pictures:
        height, width = picture.rgb.shape[:2]
        pictures.append(resize(picture.rgb, *network_size(width, height, SHORTEST_SIDE, CELL)))
    return Examples(pictures, np.array([picture.label for picture in photos.pictures]))
