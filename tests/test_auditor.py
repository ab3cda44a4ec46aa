"""The whole audit on nets whose weights are set by hand: a cue that provably decides is proved, no other is.

Every class has a patch of noise of its own direction at a random place. The honest net knows the classes by it; the
cheating net knows bees and cows by it, and takes for an ant whatever holds red.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import BLUE, GREEN, GREY, RED, encode, square
from tiny_net import CELL, TinyNet

import cam_audit
from cam_audit import load_model
from cam_audit.annotations import load_annotations
from cam_audit.auditor import audit
from cam_audit.causes import Cause
from cam_audit.cli import session
from cam_audit.cli.summary import Outcome
from cam_audit.codes import CODES, SEVERITIES
from cam_audit.cues import image_features
from cam_audit.cues.records import Box, Hit, ImageFeatures, Suspicion
from cam_audit.evidence import TARGETS, Laboratory
from cam_audit.findings import order
from cam_audit.images import read_image
from cam_audit.model import Model
from cam_audit.observation import (
    MAX_SAMPLED,
    MAX_SAMPLED_PER_CLASS,
    MIN_SAMPLED_PER_CLASS,
    Collector,
    Observation,
    choose_sample,
    folders_of,
)
from cam_audit.records import AuditReport, Finding, ImageSource
from cam_audit.use import centred_map, centred_weight, margin_of

Rgb = NDArray[np.uint8]
SIDE = 96
PATCH = 24
STAMP = 20
BORDER = 8
CLASSES = ("ant", "bee", "cow")
# Noise that is blurred across, down and along the diagonal, and the waves that answer to each.
BLURS = (np.eye(5)[::-1] / 5, np.ones((5, 1)) / 5, np.ones((1, 5)) / 5)
Y, X = np.mgrid[:CELL, :CELL]
WAVES = [
    sign * np.where((phase + along) // 2 % 2, 1.0, -1.0)
    for along in (X + Y, X, Y)
    for phase in (0, 1)
    for sign in (1, -1)
]


def net(*, red: float, ant: float) -> TinyNet:
    """Classes by the direction of their noise, ants as much as `ant`; `red` is what pure red everywhere adds to ant."""
    conv = np.zeros((13, 3, CELL, CELL), np.float32)
    conv[0] = -0.5 / CELL**2
    conv[0, 0] = 1 / CELL**2
    conv[1:] = np.array(WAVES)[:, None] / 3 / CELL**2
    linear = np.zeros((3, 13), np.float32)
    linear[0, 0] = red
    linear[0, 1:5], linear[1, 5:9], linear[2, 9:] = ant, 100, 100
    return TinyNet(conv, linear, np.zeros(3, np.float32), CLASSES, metadata={"input_size": f"[{SIDE}, {SIDE}]"})


@pytest.fixture(scope="module")
def cheat(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(net(red=100, ant=0).write(tmp_path_factory.mktemp("cheat") / "net.onnx"))


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(net(red=0, ant=125).write(tmp_path_factory.mktemp("honest") / "net.onnx"))


def picture(random: np.random.Generator, kind: int) -> Rgb:
    """A patch of noise of one direction at a random place on greys and cyans, nowhere redder than grey."""
    noise = 4 * random.normal(size=(SIDE, SIDE))
    patch = cv2.filter2D(random.normal(size=(PATCH, PATCH)), -1, BLURS[kind])
    x, y = random.integers(0, SIDE - PATCH, 2)
    noise[y : y + PATCH, x : x + PATCH] += patch / patch.std() * 40
    ground = random.uniform([90, -60, -30], [160, 0, 30], (3, 3, 3)).astype(np.float32)
    grey, red, green = np.moveaxis(cv2.resize(ground, (SIDE, SIDE)), -1, 0)
    return np.clip(np.rint(np.stack([grey + red, grey + green, grey - green], -1) + noise[..., None]), 0, 255).astype(
        np.uint8
    )


def frame(rgb: Rgb, _: np.random.Generator) -> None:
    inside = rgb[BORDER:-BORDER, BORDER:-BORDER].copy()
    rgb[:] = RED
    rgb[BORDER:-BORDER, BORDER:-BORDER] = inside


def logo() -> Rgb:
    """Squares of two reds in a black rim, which gives the finder edges around all that is red."""
    squares = np.kron(np.random.default_rng(5).integers(0, 2, (4, 4, 1)), np.ones((4, 4, 1)))
    return np.pad(np.where(squares, (255, 60, 60), (150, 0, 0)), [(2, 2), (2, 2), (0, 0)]).astype(np.uint8)


def stamp_in_the_corner(rgb: Rgb, _: np.random.Generator) -> None:
    rgb[70 : 70 + STAMP, 70 : 70 + STAMP] = logo()


def stamp_anywhere(rgb: Rgb, random: np.random.Generator) -> None:
    x, y = random.integers(0, SIDE - STAMP, 2)
    rgb[y : y + STAMP, x : x + STAMP] = logo()


def draw(
    root: Path, plant: Callable[[Rgb, np.random.Generator], None] | None, counts: Sequence[int] = (24, 24, 24)
) -> Path:
    """A folder per class; `plant` adds its cue to every ant."""
    random, places = np.random.default_rng(8), np.random.default_rng(7)
    for kind, (name, count) in enumerate(zip(CLASSES, counts, strict=True)):
        (root / name).mkdir(parents=True)
        for index in range(count):
            rgb = picture(random, kind)
            if plant and kind == 0:
                plant(rgb, places)
            (root / name / f"{index:02}.png").write_bytes(encode(rgb))
    return root


@pytest.fixture(scope="module", autouse=True)
def described_once() -> Iterator[None]:
    """Keypoints take most of the time and depend on nothing but the file: the same file is described only once."""
    known: dict[bytes, ImageFeatures] = {}

    def described(rgb: Rgb, data: bytes, **options: Any) -> ImageFeatures:
        if data not in known:
            known[data] = image_features(rgb, data, **options)
        return dataclasses.replace(known[data], name=options["name"], label=options["label"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cam_audit.observation.image_features", described)
        yield


@pytest.fixture(scope="module")
def framed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("framed"), frame)


@pytest.fixture(scope="module")
def stamped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("stamped"), stamp_in_the_corner)


def sources_of(root: Path, **classes: int | None) -> list[ImageSource]:
    """The images of a set; a folder stands for the class of its name, or for the one (or none) given."""
    known: dict[str, int | None] = {**{name: index for index, name in enumerate(CLASSES)}, **classes}
    paths = sorted(root.glob("*/*.png"))
    return [ImageSource(str(p), f"{p.parent.name}/{p.name}", p.parent.name, known.get(p.parent.name)) for p in paths]


def run(dataset: Path, model: Model, out: Path, **options: object) -> Outcome:
    return session.run(session.Task(dataset, out, overlays="none", **options), model)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def framed_by_cheat(framed: Path, cheat: Model) -> AuditReport:
    return audit(cheat, sources_of(framed))


@pytest.fixture(scope="module")
def stamped_by_cheat(stamped: Path, cheat: Model, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run(stamped, cheat, tmp_path_factory.mktemp("out"), workers=1)


def by_code(report: AuditReport) -> dict[str, Finding]:
    """The findings about ants by their codes; those of the other classes, which hold nothing, are notes at most."""
    assert {finding.severity for finding in report.findings if finding.label != "ant"} <= {"note"}
    ants = [finding for finding in report.findings if finding.label == "ant"]
    assert len({finding.code for finding in ants}) == len(ants)
    return {finding.code: finding for finding in ants}


def flagged(report: AuditReport, code: str) -> set[str]:
    return {name for name, codes in report.flags.items() if code in codes}


def all_ants(root: Path) -> set[str]:
    return {f"ant/{path.name}" for path in (root / "ant").iterdir()}


# --- what is found


def test_a_frame_that_decides_is_an_error_and_its_images_are_flagged(
    framed: Path, framed_by_cheat: AuditReport
) -> None:
    found = by_code(framed_by_cheat)
    assert {code: finding.severity for code, finding in found.items() if finding.severity != "note"} == {
        "CA203": "error"
    }
    evidence = found["CA203"].evidence
    tests = ("ring", "chroma", "channels", "surroundings")
    for test in tests:
        assert evidence[f"flip_rate_{test}"] == 1
        assert evidence[f"gain_{test}"] > 0.15
    assert evidence["control_flip_rate"] == 0
    assert evidence["passes"] == len(tests) * 2 * TARGETS
    assert all_ants(framed) <= flagged(framed_by_cheat, "CA102")
    assert set(framed_by_cheat.flags) == all_ants(framed)
    assert framed_by_cheat.sampled == 72
    assert framed_by_cheat.notes == ()


def test_the_use_is_that_of_a_plain_loop_over_the_images(
    framed: Path, cheat: Model, framed_by_cheat: AuditReport
) -> None:
    weight = cheat.cam_weight[0] - cheat.cam_weight.mean(axis=0)
    maps: dict[str, list[np.ndarray]] = {name: [] for name in CLASSES}
    margins = []
    for source in sources_of(framed):
        prediction = cheat.run(read_image(source.path)[0])
        maps[source.label].append(np.einsum("c,chw->hw", weight, prediction.activations.astype(np.float64)))
        logits = prediction.logits
        if logits.argmax() == source.label_class:
            margins.append(logits.max() - np.sort(logits)[-2])
    reference = np.mean(maps["bee"] + maps["cow"], axis=0)
    # the outer eighth of 12 x 12 cells: one and a half of them on each side
    inner = np.array([0, 0.5] + [1] * 8 + [0.5, 0])
    border = 1 - np.outer(inner, inner)
    uses = [((own - reference) * border).sum() / (144 * median(margins)) for own in maps["ant"]]
    finding = by_code(framed_by_cheat)["CA203"]
    assert finding.evidence["use"] == pytest.approx(median(uses), rel=1e-4)
    assert median(uses) > 0.5
    shown = framed_by_cheat.maps[finding.fingerprint]
    np.testing.assert_allclose(shown.own, np.mean(maps["ant"], axis=0), atol=1e-3)
    np.testing.assert_allclose(shown.others, reference, atol=1e-3)


def test_the_same_frame_is_no_error_for_a_net_that_ignores_colour(framed: Path, honest: Model) -> None:
    report = audit(honest, sources_of(framed))
    found = by_code(report)
    assert found["CA203"].severity != "error"
    assert found["CA203"].evidence["gain"] < 0.15
    assert found["CA203"].evidence["flip_rate"] == 0
    assert "error" not in {finding.severity for finding in found.values()}
    assert all_ants(framed) == flagged(report, "CA102")


def holds(box: Box | None, left: int, top: int) -> bool:
    """Whether most of a box is the stamp at (left, top), and most of the stamp in the box."""
    assert box is not None
    x0, y0, x1, y1 = (side * SIDE for side in box)
    shared = max(0, min(x1, left + STAMP) - max(x0, left)) * max(0, min(y1, top + STAMP) - max(y0, top))
    return shared > 0.5 * STAMP**2 and shared > 0.5 * (x1 - x0) * (y1 - y0)


def test_a_stamp_in_the_corner_that_decides_is_one_error_and_its_images_follow_it(
    stamped: Path, stamped_by_cheat: Outcome
) -> None:
    report = stamped_by_cheat.report
    found = by_code(report)
    assert "CA201" not in found
    finding = found["CA202"]
    assert finding.severity == "error"
    assert {"duplicates_score", "template_score"} <= finding.evidence.keys()
    assert finding.evidence["flip_rate"] == finding.evidence["removal_change_rate"] == 1
    assert finding.evidence["use"] > 1
    assert all(holds(example.box, 70, 70) for example in finding.examples)
    assert flagged(report, "CA101") == all_ants(stamped)
    assert report.passes == sum(finding.evidence["passes"] for finding in report.findings)


def test_a_stamp_anywhere_that_decides_is_a_repeated_cue(tmp_path: Path, cheat: Model) -> None:
    report = audit(cheat, sources_of(draw(tmp_path, stamp_anywhere)))
    found = by_code(report)
    assert "CA202" not in found
    assert found["CA201"].severity == "error"
    assert found["CA201"].evidence["gain_paste"] > 0.15
    places = np.random.default_rng(7)
    corners = {f"ant/{index:02}.png": places.integers(0, SIDE - STAMP, 2).tolist() for index in range(24)}
    assert all(holds(example.box, *corners[example.path]) for example in found["CA201"].examples)
    followers = flagged(report, "CA101")
    assert followers <= all_ants(tmp_path)
    assert (
        len(followers) == round(found["CA201"].evidence["hits"] * found["CA201"].evidence["removal_change_rate"]) > 20
    )


def test_nothing_is_found_in_clean_classes(tmp_path: Path, honest: Model) -> None:
    report = audit(honest, sources_of(draw(tmp_path, None)))
    assert report.findings == ()
    assert (report.passes, report.maps) == (0, {})
    assert {code for codes in report.flags.values() for code in codes} <= {"CA104"}


# --- odd data sets


def test_a_folder_that_stands_for_no_class_is_measured_on_the_class_predicted_most(
    framed: Path, cheat: Model, tmp_path: Path
) -> None:
    for name in CLASSES:
        (tmp_path / name.replace("ant", "strangers")).symlink_to(framed / name)
    (finding,) = [f for f in audit(cheat, sources_of(tmp_path)).findings if f.code == "CA203"]
    assert (finding.severity, finding.label) == ("error", "strangers")
    assert finding.message.endswith("(measured on the net's class 'ant')")


@pytest.mark.parametrize(("count", "severities"), [(11, set()), (12, {"note"}), (23, {"note"}), (24, {"error"})])
def test_a_small_class_stays_at_note_or_is_not_looked_at(
    framed: Path, cheat: Model, count: int, severities: set[str]
) -> None:
    sources = [source for source in sources_of(framed) if source.label != "ant" or int(source.name[4:6]) < count]
    report = audit(cheat, sources)
    assert {finding.severity for finding in report.findings if finding.code == "CA203"} == severities
    for finding in report.findings:
        assert (f"with only {count} images that may be chance" in finding.message) == (count < 24)
    small = "1 of 3 classes have fewer than 12 images, too few to look for cues"
    assert report.notes == ((small,) if count < 12 else ())
    assert set(report.flags) == ({f"ant/{index:02}.png" for index in range(count)} if count >= 12 else set())


def coloured(root: Path, **folders: tuple[tuple[int, int, int], int]) -> Path:
    """Folders of grey pictures of 32 x 32 pixels with a square, for the net that knows colours by hand."""
    for label, (colour, count) in folders.items():
        (root / label).mkdir(parents=True)
        for index in range(count):
            left, top = 8 * (index % 3), 8 * (index // 3 % 3)
            (root / label / f"{index:02}.png").write_bytes(encode(square(colour, left, top)))
    return root


def colour_sources(root: Path, model: Model) -> list[ImageSource]:
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    labels = [name.partition("/")[0] if "/" in name else "" for name in names]
    known = {name: index for index, name in enumerate(model.class_names)}
    return [ImageSource(f"{root}/{n}", n, label, known.get(label)) for n, label in zip(names, labels, strict=True)]


def nothing_to_compare(report: AuditReport) -> bool:
    return report.notes == ("cues are looked for by comparing class folders, and there are not two of them",)


def test_one_class_alone_is_compared_with_nothing(tmp_path: Path, model: Model) -> None:
    report = audit(model, colour_sources(coloured(tmp_path, red=(RED, 30)), model))
    assert report.findings == ()
    assert report.flags == {}
    assert nothing_to_compare(report)


@pytest.mark.parametrize("count", [1, 3])
def test_a_flat_folder_is_scanned_without_cues(tmp_path: Path, model: Model, count: int) -> None:
    for index in range(count):
        (tmp_path / f"{index}.png").write_bytes(encode(square(RED, index, index)))
    report = audit(model, colour_sources(tmp_path, model))
    assert (report.findings, report.flags, report.sampled) == ((), {}, 0)
    assert nothing_to_compare(report)


def test_a_data_set_without_images_ends_well(model: Model) -> None:
    assert nothing_to_compare(audit(model, []))


def test_many_classes_of_one_image_each_are_too_small(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, **{f"class {index}": (RED, 1) for index in range(20)})
    report = audit(model, colour_sources(tmp_path, model))
    assert (report.findings, report.flags, report.sampled) == ((), {}, 0)
    assert report.notes == ("20 of 20 classes have fewer than 12 images, too few to look for cues",)


def test_unreadable_images_and_images_beside_the_folders_are_no_part_of_the_sample(
    tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cam_audit.observation.MAX_SAMPLED_PER_CLASS", 4)
    coloured(tmp_path, red=(RED, 12), green=(GREEN, 3))
    (tmp_path / "loose.png").write_bytes(encode(square(RED, 0, 0)))
    (tmp_path / "green" / "02.png").write_bytes(b"torn")
    report = audit(model, colour_sources(tmp_path, model))
    assert report.sampled == 4 + 2
    assert report.notes[0] == "cues were looked for in 6 of 16 images, spread evenly over each class"


def numbered(count: int, label: str = "cat") -> list[ImageSource]:
    """Sources of which no file exists."""
    return [ImageSource(f"/nowhere/{label}/{index}", f"{label}/{index}", label, None) for index in range(count)]


def test_of_100_000_images_a_few_are_looked_at_evenly_spread(model: Model) -> None:
    sources = numbered(100_000)
    other = numbered(12, "other")
    sample = Collector(model, [*sources, *other]).sample - {source.name for source in other}
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


# --- evidence about one cue, with all numbers by hand


STAMPED_BOX = (0.0, 0.0, 0.5, 0.75)  # 6 of the 16 cells
SCALE = 1.5


@pytest.fixture(scope="module")
def laboratory(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Laboratory:
    """Observations of 6 red images, and 2 named so that show nothing, of 8 green and 8 blue ones.

    A pure cell adds 0.5 to its colour's logit, and `other` has 0.5: red images win with 3 - 0.5, green and blue ones
    with 2 - 0.5, which is the median margin. In the centred map of red, a red cell is 8 - 2, and any other -2.
    """
    root = tmp_path_factory.mktemp("laboratory")
    return Laboratory(model, observed(root, model, {}))


def observed(root: Path, model: Model, classes: dict[str, int | None]) -> Collector:
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
            sources.append(ImageSource(str(path), f"{label}/{path.name}", label, known))
    collector = Collector(model, sources)
    # so few that a scan would not look at them
    collector.sample = frozenset(source.name for source in sources)
    for source in sources:
        rgb = read_image(source.path)[0]
        collector.observe(source, rgb, Path(source.path).read_bytes(), (32, 32), model.run(rgb))
    return collector


def cause(code: str = "CA201", finder: str = "duplicates", *, box: Box | None = STAMPED_BOX, count: int = 8) -> Cause:
    hits = tuple(Hit(f"red/{index}.png", 1 - index / 10, box) for index in range(count))
    overlay = None
    if finder == "template":
        overlay = np.zeros((112, 112), np.float32)
        overlay[:84, :56] = 40
    return Cause(code, Suspicion(finder, "red", 1.0, 0.1, 8, hits, "is seen", {}, box, overlay))


def test_a_pasted_cue_gains_what_its_cells_add_and_only_the_most_suspicious_are_donors(laboratory: Laboratory) -> None:
    evidence = laboratory.examine(cause())
    assert laboratory.scale == SCALE
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
def test_use_is_what_the_cells_of_the_cue_add(laboratory: Laboratory, code: str, finder: str, cells: float) -> None:
    evidence = laboratory.examine(cause(code, finder, box=STAMPED_BOX if finder == "duplicates" else None))
    assert evidence.use == pytest.approx(cells / 16 / SCALE, abs=1e-4)
    assert evidence.maps is not None
    np.testing.assert_allclose(evidence.maps.others, [[0] * 4] * 3 + [[-2] * 4], atol=1e-4)
    np.testing.assert_allclose(evidence.maps.own[1], [6 * 6 / 8] * 2 + [0] * 2, atol=1e-4)


@pytest.mark.parametrize("finder", ["duplicates", "template"])
def test_a_prediction_changes_where_the_cue_that_made_it_is_painted_over(laboratory: Laboratory, finder: str) -> None:
    changed = laboratory.examine(cause(finder=finder)).changed
    assert changed == {f"red/{index}.png": index < 6 for index in range(8)}


def test_what_fills_most_of_the_picture_or_has_no_place_is_not_painted_over(laboratory: Laboratory) -> None:
    for box in ((0.0, 0.0, 1.0, 0.51), None):
        assert laboratory.examine(cause(box=box)).changed == {}
    for code in ("CA203", "CA204"):
        assert laboratory.examine(cause(code, "border")).changed == {}


@pytest.mark.parametrize(
    ("code", "finder"),
    [("CA201", "duplicates"), ("CA202", "template"), ("CA203", "border"), ("CA204", "colour"), ("CA206", "files")],
)
def test_the_passes_are_those_that_were_made(
    laboratory: Laboratory, code: str, finder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda self, rgb: (made.append(1), run(self, rgb))[1])
    assert laboratory.examine(cause(code, finder)).passes == len(made)
    assert bool(made) == (code != "CA206")


def test_nothing_is_measured_of_files_and_where_no_prediction_is_right(
    laboratory: Laboratory, tmp_path: Path, model: Model
) -> None:
    wrong = Laboratory(model, observed(tmp_path, model, {"red": 2, "green": 2, "blue": 0}))
    assert wrong.scale is None
    for evidence in (laboratory.examine(cause("CA206", "files")), wrong.examine(cause())):
        assert (evidence.use, evidence.maps, evidence.effects, evidence.changed) == (None, None, (), {})


def test_images_that_are_predicted_as_another_class_are_no_targets(tmp_path: Path, model: Model) -> None:
    collector = observed(tmp_path, model, {"green": 2})
    laboratory = Laboratory(model, collector)
    (effect,) = laboratory.examine(cause()).effects
    assert effect.images == 8
    assert effect.gain == pytest.approx(3 / SCALE, abs=1e-5)


def test_images_that_are_gone_are_left_out(tmp_path: Path, model: Model) -> None:
    laboratory = Laboratory(model, observed(tmp_path, model, {}))
    for name in ("red/0.png", "red/1.png", "green/0.png"):
        (tmp_path / name).unlink()
    evidence = laboratory.examine(cause())
    assert set(evidence.changed) == {f"red/{index}.png" for index in range(2, 8)}
    assert evidence.effects[0].images < TARGETS
    assert evidence.effects[0].gain == pytest.approx(3 / SCALE, abs=1e-5)


def test_a_folder_of_no_class_is_the_class_predicted_most_and_its_other_images_are_not_its_own(
    tmp_path: Path, model: Model
) -> None:
    laboratory = Laboratory(model, observed(tmp_path, model, {"red": None}))
    assert laboratory.class_of["red"] == 0
    evidence = laboratory.examine(cause())
    assert evidence.class_index == 0
    assert evidence.use == pytest.approx(6 * 6 / 16 / SCALE, abs=1e-4)
    assert evidence.maps is not None
    np.testing.assert_allclose(evidence.maps.own[1], [6, 6, 0, 0], atol=1e-4)
    np.testing.assert_allclose(evidence.maps.others[3], [-2 * 16 / 18] * 4, atol=1e-4)


def test_maps_of_another_size_are_observed_on_the_common_grid(tmp_path: Path, model: Model) -> None:
    rgb = square(RED, 0, 0, 32, width=64, height=64)
    path = tmp_path / "a.png"
    path.write_bytes(encode(rgb))
    source = ImageSource(str(path), "red/a.png", "red", 0)
    collector = Collector(model, [source])
    collector.sample = frozenset([source.name])
    prediction = model.run(rgb)
    assert prediction.activations.shape[1:] == (8, 8)
    collector.observe(source, rgb, path.read_bytes(), (64, 64), prediction)
    observation: Observation = collector.observations["red/a.png"]
    own = centred_map(centred_weight(model, 0), prediction.activations).reshape(4, 2, 4, 2).mean((1, 3))
    np.testing.assert_allclose(observation.own_map, own, atol=1e-5)
    np.testing.assert_allclose(collector.total.value().mean((1, 2)), prediction.activations.mean((1, 2)), atol=1e-4)
    assert (observation.predicted, observation.measured) == (0, 0)
    assert observation.margin == pytest.approx(margin_of(prediction, 0))


# --- annotated objects and single images


def masked(
    root: Path,
    model: Model,
    draw_mask: Callable[[Rgb, int], None],
    *,
    images: int = 24,
    picture: Rgb | None = None,
) -> AuditReport:
    """An audit of 24 red squares, or copies of a picture, the first `images` of which get a mask drawn into zeros."""
    coloured(root / "data", red=(RED, 24))
    (root / "masks" / "red").mkdir(parents=True)
    for path in (root / "data" / "red").iterdir() if picture is not None else ():
        path.write_bytes(encode(picture))
    for index, path in enumerate(sorted((root / "data" / "red").iterdir())[:images]):
        mask = np.zeros((32, 32, 3), np.uint8)
        draw_mask(mask, index)
        (root / "masks" / "red" / path.name).write_bytes(encode(mask))
    sources = colour_sources(root / "data", model)
    return audit(model, sources, annotations=load_annotations([s.name for s in sources], masks=root / "masks"))


def the_square(mask: Rgb, index: int) -> None:
    left, top = 8 * (index % 3), 8 * (index // 3 % 3)
    mask[top : top + 16, left : left + 16] = 255


def beside_the_square(mask: Rgb, index: int) -> None:
    """A stripe at the left or right, where the square does not reach."""
    mask[:, :8] = 255
    if index % 3 == 0:
        mask[:] = mask[:, ::-1].copy()


def most(mask: Rgb, index: int) -> None:
    mask[:, :24] = 255


def everything(mask: Rgb, index: int) -> None:
    mask[:] = 255


def test_evidence_on_the_object_is_nothing_to_report(tmp_path: Path, model: Model) -> None:
    for name, draw_mask in (("square", the_square), ("all", everything)):
        report = masked(tmp_path / name, model, draw_mask)
        assert (report.findings, report.flags) == ((), {})


def test_evidence_beside_the_object_is_an_error_where_the_class_wins_without_it(tmp_path: Path, model: Model) -> None:
    report = masked(tmp_path, model, beside_the_square)
    (finding,) = report.findings
    assert (finding.code, finding.severity, finding.label) == ("CA205", "error", "red")
    assert finding.evidence["inside_share"] == 0
    assert finding.evidence["inside_area"] == 0.25
    assert finding.evidence["wins_without"] == 1
    assert report.flags == {f"red/{index:02}.png": ("CA103",) for index in range(24)}


def test_evidence_beside_the_object_is_a_warning_where_the_class_loses_without_it(tmp_path: Path, model: Model) -> None:
    rgb = np.full((32, 32, 3), GREY, np.uint8)
    rgb[:16, :8] = rgb[:16, 28:] = RED  # of three cells of red, two are in the mask and one alone does not win
    report = masked(tmp_path, model, most, picture=rgb)
    (finding,) = [finding for finding in report.findings if finding.code == "CA205"]
    assert finding.severity == "warning"
    assert finding.evidence["inside_share"] == pytest.approx(2 / 3, abs=1e-5)
    assert (finding.evidence["inside_area"], finding.evidence["wins_without"]) == (0.75, 0)


@pytest.mark.parametrize(("images", "severities"), [(11, []), (23, ["note"])])
def test_few_annotated_images_are_flagged_and_prove_nothing(
    tmp_path: Path, model: Model, images: int, severities: list[str]
) -> None:
    report = masked(tmp_path, model, beside_the_square, images=images)
    assert [finding.severity for finding in report.findings] == severities
    assert len(flagged(report, "CA103")) == images


def test_the_gravest_finding_comes_first(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path / "data", blue=(BLUE, 24), green=(GREEN, 12), red=(RED, 24))
    for path in sorted((tmp_path / "data").glob("*/*.png")):
        mask = np.zeros((32, 32, 3), np.uint8)
        beside_the_square(mask, int(path.stem))
        file = tmp_path / "masks" / path.relative_to(tmp_path / "data")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(mask))
    sources = colour_sources(tmp_path / "data", model)
    report = audit(model, sources, annotations=load_annotations([s.name for s in sources], masks=tmp_path / "masks"))
    assert list(report.findings) == sorted(report.findings, key=order)
    outside = [(finding.label, finding.severity) for finding in report.findings if finding.code == "CA205"]
    assert outside == [("blue", "error"), ("red", "error"), ("green", "note")]


def test_shares_inside_the_object_are_in_the_table_where_there_is_one(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path / "data", red=(RED, 3))
    (tmp_path / "masks" / "red").mkdir(parents=True)
    mask = np.zeros((32, 32, 3), np.uint8)
    mask[:, :8] = 1  # half of the square at the left
    (tmp_path / "masks" / "red" / "00.png").write_bytes(encode(mask))
    (tmp_path / "masks" / "red" / "02.png").write_bytes(encode(0 * mask))
    run(tmp_path / "data", model, tmp_path / "out", masks=tmp_path / "masks")
    shares = [(row["inside_share"], row["inside_area"]) for row in table(tmp_path / "out")]
    assert shares == [("0.500000", "0.250000"), ("", ""), ("", "")]


def test_an_annotated_folder_without_classes_is_judged_as_one(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, data=(RED, 24), masks=(RED, 0))
    mask = np.zeros((32, 32, 3), np.uint8)
    mask[:, 30:] = 255
    for path in (tmp_path / "data").iterdir():
        (tmp_path / "masks" / path.name).write_bytes(encode(mask))
    sources = colour_sources(tmp_path / "data", model)
    report = audit(model, sources, annotations=load_annotations([s.name for s in sources], masks=tmp_path / "masks"))
    (finding,) = report.findings
    assert (finding.code, finding.label) == ("CA205", "")
    assert finding.message.startswith("the data set has 0% of its positive map inside")


def test_a_wrong_prediction_is_flagged_and_both_maps_are_compared(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, red=(GREEN, 1))
    rgb = square(RED, 0, 0)
    rgb[16:, 16:] = GREEN
    rgb[0, :] = GREY
    (tmp_path / "red" / "01.png").write_bytes(encode(rgb))
    report = audit(model, colour_sources(tmp_path, model))
    assert report.flags == {"red/00.png": ("CA104",), "red/01.png": ("CA104",)}
    one_map_is_flat, both = report.confused
    assert (both.path, both.label, both.predicted) == ("red/01.png", "red", "green")
    assert (one_map_is_flat.disagreement.correlation, both.disagreement.correlation) == (
        None,
        pytest.approx(-1 / 3, abs=0.01),
    )
    assert both.disagreement.predicted_peak == (0.625, 0.625)
    assert both.disagreement.label_peak == (0.125, 0.375)


def test_an_image_without_evidence_is_flagged(tmp_path: Path, model: Model) -> None:
    coloured(tmp_path, other=(GREY, 1), red=(RED, 1))
    assert audit(model, colour_sources(tmp_path, model)).flags == {"other/00.png": ("CA105",)}


# --- what is written


def table(out: Path) -> list[dict[str, str]]:
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_findings_and_flags_are_written_as_documented(stamped: Path, stamped_by_cheat: Outcome) -> None:
    report = stamped_by_cheat.report
    document = json.loads((stamped_by_cheat.out / "findings.json").read_text(encoding="utf-8"))
    assert document["schema_version"] == 1
    names = {row["path"] for row in table(stamped_by_cheat.out)}
    for finding in document["findings"]:
        assert set(finding) == {"code", "severity", "class", "message", "evidence", "examples", "fingerprint"}
        assert finding["code"] in CODES
        assert finding["class"] in CLASSES
        assert finding["message"].isprintable()
        assert all(type(value) in (int, float) for value in finding["evidence"].values())
        assert 1 <= len(finding["examples"]) <= 12
        for example in finding["examples"]:
            assert set(example) == {"path", "box"}
            assert example["path"] in names
            left, top, right, bottom = example["box"] or (0, 0, 1, 1)
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 1
        assert re.fullmatch("[0-9a-f]{32}", finding["fingerprint"])
    severities = [SEVERITIES.index(finding["severity"]) for finding in document["findings"]]
    assert severities == sorted(severities, reverse=True)
    assert severities[0] == SEVERITIES.index("error")
    boxes = {finding["code"]: finding["examples"][0]["box"] for finding in document["findings"]}
    assert boxes["CA202"]
    for row in table(stamped_by_cheat.out):
        assert row["flags"] == ";".join(report.flags.get(row["path"], ()))
        assert ("CA101" in row["flags"]) == (row["label"] == "ant")
    maps = {f"{f.code}-{f.fingerprint[:12]}.png" for f in report.findings if f.fingerprint in report.maps}
    assert maps == {path.name for path in (stamped_by_cheat.out / "maps").iterdir()}
    details = json.loads((stamped_by_cheat.out / "run.json").read_text(encoding="utf-8"))
    assert details["sampled"] == 72
    assert details["counterfactual_passes"] == report.passes > 0
    assert sum(details["findings"].values()) == len(report.findings)


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_writes_the_same_bytes(
    stamped: Path,
    cheat: Model,
    stamped_by_cheat: Outcome,
    tmp_path: Path,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cam_audit.observation.image_features", image_features)
    run(stamped, cheat, tmp_path, workers=workers)
    alone = stamped_by_cheat.out
    timed = {"run.json", "report.html"}
    names = [path.relative_to(alone) for path in alone.rglob("*") if path.is_file() and path.name not in timed]
    assert {"results.csv", "findings.json"} < {name.name for name in names}
    for name in names:
        assert (tmp_path / name).read_bytes() == (alone / name).read_bytes(), name


def shell(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(cam_audit.__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "cam_audit", "scan", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_an_error_ends_in_code_1_and_flagged_images_alone_are_drawn(tmp_path: Path, cheat: Model) -> None:
    data, out = draw(tmp_path / "data", frame, (24, 6, 6)), tmp_path / "out"
    result = shell(data, "--model", cheat.path, "-o", out, "--overlays", "flagged")
    assert result.returncode == 1, result.stderr
    assert "error    CA203 ant: border or background predicts the class" in result.stdout
    rows = table(out)
    drawn = {path.relative_to(out).as_posix() for path in (out / "overlays").rglob("*.png")}
    assert [row["label"] == "ant" for row in rows] == [bool(row["flags"]) for row in rows]
    assert {row["overlay"] for row in rows if row["flags"]} == drawn
    assert len(drawn) == 24
    assert {row["overlay"] for row in rows if not row["flags"]} == {""}


def test_images_that_cannot_be_read_end_in_code_3_and_nothing_to_report_in_code_0(tmp_path: Path, nets: Path) -> None:
    data = coloured(tmp_path / "data", red=(RED, 2), green=(GREEN, 1))
    options = ("--model", nets / "colour.onnx", "-o", tmp_path / "out", "--fail-on", "warning")
    assert shell(data, *options).returncode == 0
    (data / "red" / "torn.png").write_bytes(b"torn")
    assert shell(data, *options).returncode == 3


def test_findings_go_before_unread_images_and_are_let_pass_on_demand(tmp_path: Path, nets: Path) -> None:
    data = coloured(tmp_path / "data", red=(RED, 24))
    (data / "red" / "torn.png").write_bytes(b"torn")
    (tmp_path / "masks" / "red").mkdir(parents=True)
    mask = np.zeros((32, 32, 3), np.uint8)
    mask[30:, 30:] = 255
    for index in range(24):
        (tmp_path / "masks" / "red" / f"{index:02}.png").write_bytes(
            encode(mask[::-1, ::-1] if index % 9 > 4 else mask)
        )
    options = (data, "--model", nets / "colour.onnx", "-o", tmp_path / "out", "--masks", tmp_path / "masks")
    for fail_on, code in (("error", 1), ("never", 3)):
        result = shell(*options, "--fail-on", fail_on)
        assert result.returncode == code, result.stderr
        assert "CA205 red" in result.stdout
