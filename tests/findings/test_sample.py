"""Which images the audit looks at, and what it keeps of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import RED, encode, square

from cam_audit.findings.map_use import centred_map, centred_weight, margin_of
from cam_audit.findings.sample import (
    MAX_SAMPLED,
    MAX_SAMPLED_PER_CLASS,
    MIN_SAMPLED_PER_CLASS,
    Observation,
    choose_sample,
    folders_of,
    observe,
)
from cam_audit.models.model import Model
from cam_audit.records import ImageSource


def numbered(count: int, label: str = "cat") -> list[ImageSource]:
    """Sources of which no file exists."""
    return [ImageSource("/nowhere", f"{label}/{index}", label, None) for index in range(count)]


def test_of_100_000_images_a_few_are_looked_at_evenly_spread() -> None:
    sources = numbered(100_000)
    other = numbered(12, "other")
    sample = choose_sample(folders_of([*sources, *other])) - {source.name for source in other}
    assert len(sample) == MAX_SAMPLED_PER_CLASS == 60
    chosen = sorted(int(name.partition("/")[2]) for name in sample)
    assert chosen[0] == 0
    assert set(np.diff(chosen)) == {1666, 1667}


@pytest.mark.parametrize(
    ("classes", "images", "expected"),
    [
        (2, 59, 59),
        (2, 60, 60),
        (2, 61, 60),
        (MAX_SAMPLED // 60, 61, 60),
        (MAX_SAMPLED // 40, 61, 40),
        (1000, 50, MIN_SAMPLED_PER_CLASS),
        (1000, 11, 0),
        (1, 100, 0),
    ],
)
def test_the_sample_of_a_class_shrinks_with_their_number(classes: int, images: int, expected: int) -> None:
    sources = [source for index in range(classes) for source in numbered(images, f"class {index}")]
    assert len(choose_sample(folders_of(sources))) == classes * expected


def test_what_lies_in_no_folder_is_not_sampled() -> None:
    assert folders_of(numbered(9, "")) == folders_of([]) == {}
    assert choose_sample({}) == frozenset()


def test_maps_of_another_size_are_observed_on_the_common_grid(tmp_path: Path, model: Model) -> None:
    rgb = square(RED, 0, 0, 32, width=64, height=64)
    (tmp_path / "red").mkdir()
    (tmp_path / "red" / "a.png").write_bytes(encode(rgb))
    source = ImageSource(str(tmp_path), "red/a.png", "red", 0)
    prediction = model.run(rgb)
    assert prediction.activations.shape[1:] == (8, 8)
    collected = observe(model, source, rgb, Path(source.path).read_bytes(), (64, 64), prediction)
    observation: Observation = collected.observations["red/a.png"]
    own = centred_map(centred_weight(model, 0), prediction.activations).reshape(4, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(observation.own_map, own, atol=1e-5)
    np.testing.assert_allclose(collected.total.value().mean((1, 2)), prediction.activations.mean((1, 2)), atol=1e-4)
    assert (observation.predicted, observation.measured) == (0, 0)
    assert observation.margin == pytest.approx(margin_of(prediction.logits, 0))
