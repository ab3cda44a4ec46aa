"""Evidence about one cue, with all numbers by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import GREY, encode

from cam_audit.findings.causes import Cause
from cam_audit.findings.cues.records import Hit, Suspicion
from cam_audit.findings.evidence import TARGETS, AuditedNet, audited_net, measure
from cam_audit.findings.sample import Collected, observe
from cam_audit.images.decode import read_image
from cam_audit.models.model import Model
from cam_audit.records import Box, ImageSource

STAMPED_BOX = (0.0, 0.0, 0.5, 0.75)  # 6 of the 16 cells
SCALE = 1.5


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory, model: Model) -> AuditedNet:
    """Observations of 6 red images, and 2 named so that show nothing, of 8 green and 8 blue ones.

    A pure cell adds 0.5 to its colour's logit, and `other` has 0.5: red images win with 3 - 0.5, green and blue ones
    with 2 - 0.5, which is the median margin. In the centred map of red, a red cell is 8 - 2, and any other -2.
    """
    root = tmp_path_factory.mktemp("audited")
    return audited_net(model, observed(root, model, {}))


def observed(root: Path, model: Model, classes: dict[str, int | None]) -> Collected:
    sources = []
    for label, count in (("red", 8), ("green", 8), ("blue", 8)):
        (root / label).mkdir()
        for index in range(count):
            rgb = np.full((32, 32, 3), GREY, np.uint8)
            if label == "red" and index < 6:
                rgb[:24, :16] = (255, 0, 0)
            elif label != "red":
                rgb[24:] = (0, 255, 0) if label == "green" else (0, 0, 255)
            path = root / label / f"{index}.png"
            path.write_bytes(encode(rgb))
            known = classes.get(label, model.class_names.index(label))
            sources.append(ImageSource(str(root), f"{label}/{path.name}", label, known))
    # so few that a scan would not look at them
    collected = Collected()
    for source in sources:
        rgb = read_image(source.path)[0]
        collected.merge(observe(model, source, rgb, Path(source.path).read_bytes(), (32, 32), model.run(rgb)))
    return collected


def cause(code: str = "CA201", finder: str = "duplicates", *, box: Box | None = STAMPED_BOX, count: int = 8) -> Cause:
    hits = tuple(Hit(f"red/{index}.png", 1 - index / 10, box) for index in range(count))
    overlay = None
    if finder == "template":
        overlay = np.zeros((112, 112), np.float32)
        overlay[:84, :56] = 40
    return Cause(code, Suspicion(finder, "red", 1.0, 0.1, 8, hits, "is seen", {}, box, overlay))


def test_a_pasted_cue_gains_what_its_cells_add_and_only_the_most_suspicious_are_donors(audited: AuditedNet) -> None:
    evidence = measure(audited, cause())
    assert audited.scale == SCALE
    (effect,) = evidence.effects
    assert (effect.test, effect.images) == ("paste", 12)
    assert effect.gain == pytest.approx(3 / SCALE, abs=1e-5)
    assert (effect.flip_rate, effect.control_flip_rate) == (1, 0)


@pytest.mark.parametrize(
    ("code", "finder", "cells"),
    [
        # 6 cells of 6 - 0
        ("CA201", "duplicates", 6 * 6),
        # of the border's share of each cell: red ones, and at the bottom 0 where others have -2
        ("CA203", "border", 6 * (0.75 + 4 * 0.5 - 0.5) + 2 * (2 * 0.75 + 2 * 0.5)),
        ("CA204", "colour", 6 * (0.75 + 4 * 0.5 - 0.5) + 2 * (2 * 0.75 + 2 * 0.5)),
    ],
)
def test_use_is_what_the_cells_of_the_cue_add(audited: AuditedNet, code: str, finder: str, cells: float) -> None:
    evidence = measure(audited, cause(code, finder, box=STAMPED_BOX if finder == "duplicates" else None))
    assert evidence.use == pytest.approx(cells / 16 / SCALE, abs=1e-4)
    assert evidence.maps is not None
    np.testing.assert_allclose(evidence.maps.others, [[0] * 4] * 3 + [[-2] * 4], atol=1e-4)
    np.testing.assert_allclose(evidence.maps.own[1], [6 * 6 / 8] * 2 + [0] * 2, atol=1e-4)


@pytest.mark.parametrize("finder", ["duplicates", "template"])
def test_a_prediction_changes_where_the_cue_that_made_it_is_painted_over(audited: AuditedNet, finder: str) -> None:
    changed = measure(audited, cause(finder=finder)).changed
    assert changed == {f"red/{index}.png": index < 6 for index in range(8)}


def test_what_fills_most_of_the_picture_or_has_no_place_is_not_painted_over(audited: AuditedNet) -> None:
    for box in ((0.0, 0.0, 1.0, 0.51), None):
        assert measure(audited, cause(box=box)).changed == {}
    for code in ("CA203", "CA204"):
        assert measure(audited, cause(code, "border")).changed == {}


@pytest.mark.parametrize(
    ("code", "finder"),
    [("CA201", "duplicates"), ("CA202", "template"), ("CA203", "border"), ("CA204", "colour"), ("CA206", "files")],
)
def test_the_passes_are_those_that_were_made(
    audited: AuditedNet, code: str, finder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda self, rgb: (made.append(1), run(self, rgb))[1])
    assert measure(audited, cause(code, finder)).passes == len(made)
    assert bool(made) == (code != "CA206")


def test_nothing_is_measured_of_files_and_where_no_prediction_is_right(
    audited: AuditedNet, tmp_path: Path, model: Model
) -> None:
    wrong = audited_net(model, observed(tmp_path, model, {"red": 2, "green": 2, "blue": 0}))
    assert wrong.scale is None
    for evidence in (measure(audited, cause("CA206", "files")), measure(wrong, cause())):
        assert (evidence.use, evidence.maps, evidence.effects, evidence.changed) == (None, None, (), {})


def test_images_that_are_predicted_as_another_class_are_no_targets(tmp_path: Path, model: Model) -> None:
    audited = audited_net(model, observed(tmp_path, model, {"green": 2}))
    (effect,) = measure(audited, cause()).effects
    assert effect.images == 8
    assert effect.gain == pytest.approx(3 / SCALE, abs=1e-5)


def test_images_that_are_gone_are_left_out(tmp_path: Path, model: Model) -> None:
    audited = audited_net(model, observed(tmp_path, model, {}))
    for name in ("red/0.png", "red/1.png", "green/0.png"):
        (tmp_path / name).unlink()
    evidence = measure(audited, cause())
    assert set(evidence.changed) == {f"red/{index}.png" for index in range(2, 8)}
    assert evidence.effects[0].images < TARGETS
    assert evidence.effects[0].gain == pytest.approx(3 / SCALE, abs=1e-5)


def test_a_folder_of_no_class_is_the_class_predicted_most_and_its_other_images_are_not_its_own(
    tmp_path: Path, model: Model
) -> None:
    audited = audited_net(model, observed(tmp_path, model, {"red": None}))
    assert audited.class_of["red"] == 0
    evidence = measure(audited, cause())
    assert evidence.class_index == 0
    assert evidence.use == pytest.approx(6 * 6 / 16 / SCALE, abs=1e-4)
    assert evidence.maps is not None
    np.testing.assert_allclose(evidence.maps.own[1], [6, 6, 0, 0], atol=1e-4)
    np.testing.assert_allclose(evidence.maps.others[3], [-2 * 16 / 18] * 4, atol=1e-4)
