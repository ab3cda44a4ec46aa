"""Leaves copies out of what an audit looks at, or one photo saved ten times is a cue of its class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import ImageError
from cam_audit.findings.map_use import on_grid
from cam_audit.findings.sample import Collected, Observation, draw_key
from cam_audit.images.copies import copies_of
from cam_audit.images.decode import read_image
from cam_audit.images.depth import Ranges
from cam_audit.models.model import Model
from cam_audit.records import ImageSource
from cam_audit.workers import Each


def leave_out_copies(
    model: Model, collected: Collected, *, shortest: int | None, needed: int, passes: Each, ranges: Ranges | None = None
) -> list[Observation]:
    """Take those out of what was collected that are copies of another image of their class folder; returns them.

    Of an image and its copies the one that is drawn first stays. Each copy takes a forward pass, by which its
    activations leave the sum. `shortest` as in `Model.fit`, `needed` and `ranges` as in `decode`: as in the scan.
    """
    copies = copies_among(collected.observations)

    def activations_of(source: ImageSource) -> NDArray[np.float32] | None:
        try:
            picture, _, _ = read_image(source.path, needed=needed, ranges=ranges)
        except ImageError:
            return None
        return on_grid(model.run(model.fit(picture, shortest)).activations, model.map_size)

    again = passes(activations_of, [copy.source for copy in copies])
    for copy, activations in zip(copies, again, strict=True):
        del collected.observations[copy.source.name]
        # the file was read a moment ago; one that is gone since stays in the sum of hundreds
        if activations is not None:
            collected.total.take_away(activations)
    return copies


def copies_among(observations: Mapping[str, Observation]) -> list[Observation]:
    """Those that are copies of an image of their class folder that is drawn before them, in any order of arrival."""
    groups: dict[str, list[Observation]] = {}
    for observation in sorted(observations.values(), key=lambda each: (draw_key(each.source), each.source.name)):
        groups.setdefault(observation.source.label, []).append(observation)
    return [
        group[number]
        for _, group in sorted(groups.items())
        for number in sorted(copies_of([observation.features["colour_thumbnail"] for observation in group]))
    ]
