"""A net that is wrong in most images may get another input than it was trained with: a note says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import GREEN, RED, encode, square
from tiny_net import colour_net

from cam_audit.scan.audit import audit


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    colour_net().write(tmp_path / "net.onnx")
    return tmp_path


def draw(folder: Path, right: int, wrong: int) -> None:
    """Red and green squares in folders of their colour and, `wrong` of each, of the other."""
    for label, own, other in (("red", RED, GREEN), ("green", GREEN, RED)):
        (folder / "my photos" / label).mkdir(parents=True)
        for index in range(right + wrong):
            colour = own if index < right else other
            (folder / "my photos" / label / f"{index}.png").write_bytes(encode(square(colour, 8, 8)))


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [(1, 7, True), (0, 2, True), (4, 4, False), (3, 5, False), (8, 0, False), (0, 1, False)],
)
def test_a_note_names_the_command_where_surely_less_than_half_are_right(
    folder: Path, right: int, wrong: int, said: bool
) -> None:
    """By Wilson's interval: of 16 images 2 are surely fewer than half (0.035 to 0.36), 6 are not (0.18 to 0.61)."""
    draw(folder, right, wrong)
    notes = [note for note in audit("my photos", "net.onnx", foreground="none").notes if "preprocessing" in note]
    assert len(notes) == said
    if said:
        assert notes[0].startswith(f"the prediction is the folder in {2 * right} of {2 * (right + wrong)} images,")
        assert "`cam-audit models adapt PLAIN.onnx --photos 'my photos'` tries which fits" in notes[0]


def test_one_class_alone_may_be_hard(folder: Path) -> None:
    draw(folder, 0, 8)
    for path in (folder / "my photos" / "green").iterdir():
        path.unlink()
    (folder / "my photos" / "green").rmdir()
    (folder / "my photos" / "nothing of the net").mkdir()
    picture = np.zeros((32, 32, 3), np.uint8)
    (folder / "my photos" / "nothing of the net" / "0.png").write_bytes(encode(picture))
    assert not [note for note in audit("my photos", "net.onnx", foreground="none").notes if "preprocessing" in note]
