"""An audit of a set with copies is that of the set without them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from measured import observed
from pictures import encode
from planted import scene

from cam_audit.findings.distinct import copies_among, leave_out_copies
from cam_audit.findings.map_use import on_grid
from cam_audit.findings.sample import Collected, draw_key
from cam_audit.images.decode import read_image
from cam_audit.models.model import Model

FOLDERS = {label: [scene(label, index) for index in range(6)] for label in ("red", "green")}


@pytest.fixture
def collect(tmp_path: Path, model: Model) -> Callable[..., Collected]:
    """What a scan collects of the first so many scenes a class, each so many times, the later ones saved as JPEG."""

    def collect(count: int, times: int = 1) -> Collected:
        folders = {}
        for label, scenes in FOLDERS.items():
            again = [jpeg(rgb) for rgb in scenes[:count]] * (times - 1)
            folders[label] = [*scenes[:count], *again]
        return observed(tmp_path, model, folders, {})

    def jpeg(rgb: np.ndarray) -> np.ndarray:
        (tmp_path / "one.jpg").write_bytes(encode(rgb, "JPEG", quality=80))
        return read_image(tmp_path / "one.jpg")[0]

    return collect


def test_copies_leave_what_was_collected_and_the_first_that_is_drawn_stays(
    collect: Callable[..., Collected], model: Model
) -> None:
    alone = collect(6)
    doubled = collect(6, 3)
    images = doubled.total.images
    left_out = leave_out_copies(model, doubled, shortest=None, needed=10_000, passes=map)
    assert (images, len(left_out), doubled.total.images) == (36, 24, 12)
    for label in FOLDERS:
        kept = [each for each in doubled.observations.values() if each.source.label == label]
        # of scene n and its copies n + 6 and n + 12
        scenes = {int(Path(each.source.name).stem) % 6: each for each in kept}
        assert len(scenes) == len(kept) == 6
        for number, one in scenes.items():
            names = [f"{label}/{number + 6 * time}.png" for time in range(3)]
            keys = [draw_key(dataclasses.replace(one.source, name=name)) for name in names]
            assert one.source.name == names[keys.index(min(keys))]
    # JPEG moves activations a little
    np.testing.assert_allclose(doubled.total.value(), alone.total.value(), atol=0.6)


def test_the_sum_is_to_the_last_bit_that_of_the_images_that_are_kept(
    collect: Callable[..., Collected], model: Model
) -> None:
    doubled = collect(4, 2)
    leave_out_copies(model, doubled, shortest=None, needed=10_000, passes=map)
    expected = Collected()
    for each in doubled.observations.values():
        activations = model.run(model.fit(read_image(each.source.path)[0])).activations
        expected.total.add(on_grid(activations, model.map_size))
    np.testing.assert_array_equal(doubled.total.value(), expected.total.value())


def test_the_same_are_left_out_in_any_order_of_arrival(collect: Callable[..., Collected]) -> None:
    observations = collect(5, 3).observations
    found = [each.source.name for each in copies_among(observations)]
    assert len(found) == 20
    assert found == [each.source.name for each in copies_among(dict(reversed(list(observations.items()))))]


def test_a_picture_in_two_classes_is_kept_in_both(tmp_path: Path, model: Model) -> None:
    same = [scene("ash", 0)]
    collected = observed(tmp_path, model, {"red": same, "green": same}, {})
    assert copies_among(collected.observations) == []


def test_a_copy_that_is_gone_by_then_does_not_count_either(collect: Callable[..., Collected], model: Model) -> None:
    doubled = collect(2, 2)
    for each in copies_among(doubled.observations):
        Path(each.source.path).unlink()
    assert len(leave_out_copies(model, doubled, shortest=None, needed=10_000, passes=map)) == 4
    assert len(doubled.observations) == 4
