"""The strict null's own arithmetic: how photos are dealt, what is kept, the table."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from null import Split, dealt, enough, markdown, read
from photo_sets import PhotoSet, Picture


@pytest.fixture
def photos() -> PhotoSet:
    black = np.zeros((8, 8, 3), np.uint8)
    labels = [0] * 49 + [1] * 47
    return PhotoSet(("cat", "dog"), tuple(Picture(f"{n:03}", label, black) for n, label in enumerate(labels)))


def test_a_class_is_dealt_whole_and_evenly_and_by_the_seed_alone(photos: PhotoSet) -> None:
    for parts, sizes in ((2, [24, 25]), (3, [16, 16, 17])):
        split = dealt(photos, 0, parts, seed=5)
        assert sorted(Counter(picture.label for picture in split.pictures).values()) == sizes
        assert sorted(picture.stem for picture in split.pictures) == [f"{n:03}" for n in range(49)]
        assert len(split.class_names) == parts

    def first(seed: int) -> set[str]:
        return {picture.stem for picture in dealt(photos, 0, 2, seed).pictures if picture.label == 0}

    assert first(5) == first(5) != first(6)


def test_a_class_with_too_few_photos_is_not_split(photos: PhotoSet) -> None:
    assert enough(photos, 2) == [0]
    assert enough(photos, 3) == []


def test_what_was_written_is_read_to_go_on(tmp_path: Path) -> None:
    splits = [Split("cat", 2, 0, (("CA206", "note"), ("CA211", "warning"))), Split("dog", 2, 1, ())]
    (tmp_path / "null.json").write_text(json.dumps([asdict(split) for split in splits]))
    assert read(tmp_path / "null.json") == splits


def test_the_table_counts_findings_and_splits_with_wilsons_interval() -> None:
    """Wilson's interval in closed form: of none in 10, 0 to z^2 / (n + z^2); of 5 in 10, 0.2366 to 0.7634."""
    splits = [Split("cat", 2, n, (("CA203", "note"),) * 2 if n < 5 else ()) for n in range(10)]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in markdown(splits).splitlines()[2:]]
    assert rows == [
        ["error", "any", "0", "0/10", "0.00 to 0.28"],
        ["warning", "any", "0", "0/10", "0.00 to 0.28"],
        ["note", "any", "10", "5/10", "0.24 to 0.76"],
        ["note", "CA203", "10", "5/10", "0.24 to 0.76"],
    ]
