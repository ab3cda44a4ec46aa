"""A scan gives what each image alone gives, whatever the number of workers and the bad files."""

from __future__ import annotations

import csv
import dataclasses
import json
import pickle
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import BLUE, GREEN, GREY, RED, encode, gradient, seen_by_pillow, square
from tiny_net import COLOURS, colour_net

from cam_audit import load_model
from cam_audit.errors import CamAuditError
from cam_audit.images.find import find_images
from cam_audit.images.ranges import find_ranges
from cam_audit.models.class_names import ClassNames
from cam_audit.models.model import Model, softmax
from cam_audit.records import ImageResult, ImageSource, Record, SkippedImage
from cam_audit.scan import ScanSettings, scan
from cam_audit.scan.audit import audit
from cam_audit.scan.audit_report import AuditReport
from cam_audit.scan.class_of_images import label_images
from cam_audit.scan.layout import layout_of
from cam_audit.scan.observer import Observer
from cam_audit.sheets import LEGEND_HEIGHT, MARGIN

ODD_NAMES = ('it\'s a "red" one.png', "line\nbreak.png", "ещё.png", "=1+1.png")


def write(path: Path, picture: NDArray[np.uint8] | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture if isinstance(picture, bytes) else encode(picture))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares in folders of their colour, one of them wrong, odd names, and four files that are damaged."""
    root = tmp_path_factory.mktemp("photos")
    for index in range(6):
        write(root / "red" / f"{index}.png", square(RED, index, 2 * index))
        write(root / "GREEN" / f"{index}.png", square(GREEN, 16, index, width=40))
        write(root / "n00000003" / f"{index}.jpg", encode(square(BLUE, 0, 0, height=70), "JPEG", quality=95))
        write(root / "unknown" / f"{index}.png", square(BLUE, index, 9))
    for name in ODD_NAMES:
        write(root / "red" / name, square(RED, 8, 8))
    write(root / "red" / "wrong.png", square(GREEN, 8, 8))
    write(root / "flat.png", square(GREY, 0, 0))
    write(root / "red" / "cut.jpg", encode(gradient(), "JPEG")[:400])
    write(root / "GREEN" / "empty.png", b"")
    write(root / "GREEN" / "text.jpg", b"no picture")
    write(root / "unknown" / "cut.png", encode(gradient())[:-9])
    (root / "unknown" / "away.png").mkdir()
    return root


ERRORS = ["GREEN/empty.png", "GREEN/text.jpg", "red/cut.jpg", "unknown/cut.png"]


def sources_of(root: Path, model: Model) -> list[ImageSource]:
    names, classes = find_images(root).names, ClassNames(model.class_names, model.class_ids)
    return label_images(root, names, classes, layout_of(names, classes), {}).sources


def scan_all(root: Path, model: Model, settings: ScanSettings | None = None, **options) -> list[Record]:
    return list(scan(model, sources_of(root, model), settings or ScanSettings(), **options))


def scan_one(model: Model, picture: NDArray[np.uint8] | bytes, tmp_path: Path, settings=None, **options) -> ImageResult:
    """The result of one picture, in a data set of its own."""
    write(tmp_path / "data" / "red" / "picture.png", picture)
    (record,) = scan_all(tmp_path / "data", model, settings, **options)
    assert isinstance(record, ImageResult), record
    return record


def test_every_image_has_its_record_in_order_and_bad_files_their_reason(photos: Path, model: Model) -> None:
    records = scan_all(photos, model)
    assert [record.source.name for record in records] == sorted(find_images(photos).names)
    assert len(records) == 34
    skipped = {record.source.name: record.reason for record in records if isinstance(record, SkippedImage)}
    assert sorted(skipped) == ERRORS
    assert skipped["GREEN/empty.png"] == "the file is empty"


def test_scores_and_map_are_those_of_the_net_on_the_picture_itself(photos: Path, model: Model) -> None:
    net = colour_net()
    for record in scan_all(photos, model):
        if isinstance(record, SkippedImage) or record.source.name.endswith(".jpg"):
            continue
        picture = seen_by_pillow(Path(record.source.path).read_bytes())
        logits, activations = net.forward(picture)
        powers = [np.e ** float(logit) for logit in logits]
        expected = sorted(zip(powers, COLOURS, strict=True), key=lambda pair: -pair[0])[:3]
        assert [score.class_name for score in record.scores] == [name for _, name in expected]
        assert [score.probability for score in record.scores] == pytest.approx(
            [power / sum(powers) for power, _ in expected], rel=1e-5
        )
        assert (record.height, record.width) == picture.shape[:2]
        winner = record.scores[0].class_index
        assert record.cam_class == COLOURS[winner]
        row, column = np.unravel_index(np.tensordot(net.linear[winner], activations, 1).argmax(), activations.shape[1:])
        assert record.cam.peak_y == pytest.approx((row + 0.5) / activations.shape[1])
        assert record.cam.peak_x == pytest.approx((column + 0.5) / activations.shape[2])


def test_folders_are_labels_and_their_scores_are_kept(photos: Path, model: Model) -> None:
    records = {record.source.name: record for record in scan_all(photos, model)}
    assert {record.source.label for record in records.values()} == {
        "",
        "red",
        "GREEN",
        "n00000003",
        "unknown",
    }
    assert [records[name].agrees for name in ("red/0.png", "GREEN/0.png", "n00000003/0.jpg")] == [True] * 3
    wrong = records["red/wrong.png"]
    assert (wrong.agrees, wrong.scores[0].class_name) == (False, "green")
    assert wrong.label_score == next(score.probability for score in wrong.scores if score.class_name == "red")
    for name in ("unknown/0.png", "flat.png"):
        assert (records[name].agrees, records[name].label_score) == (None, None)


def run(dataset: Path, model: Model, out: Path, **options) -> AuditReport:
    return audit(dataset, model, out=out, **options)


def snapshot(out: Path) -> dict[str, bytes]:
    """All files of an output but run.json and report.html, which hold times, and those that are hidden."""
    others = {"run.json", "report.html", ".lock", ".gitignore", ".written"}
    files = (path for path in out.rglob("*") if path.is_file() and path.name not in others)
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_table_and_overlays_are_the_same_bytes_for_any_workers_and_any_run(
    photos: Path, model: Model, tmp_path: Path
) -> None:
    outputs = []
    for index, workers in enumerate((1, 2, 4, 4)):
        report = run(photos, model, tmp_path / str(index), workers=workers)
        assert (report.run["images"], report.run["errors"]) == (34, 4)
        outputs.append(snapshot(tmp_path / str(index)))
    assert sum(name.startswith("overlays/") for name in outputs[0]) == 30
    assert "results.csv" in outputs[0]
    assert outputs[1:] == outputs[:1] * 3


def test_a_second_run_into_the_same_folder_leaves_nothing_of_the_first(
    photos: Path, model: Model, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(photos, model, out, workers=1)
    write(tmp_path / "one" / "a.png", square(RED, 0, 0))
    run(tmp_path / "one", model, out, workers=1, resume=False)
    assert sorted(snapshot(out)) == ["findings.json", "overlays/a.png.png", "photos.json", "results.csv"]
    assert (out / "results.csv").read_text().count("\n") == 2


def test_the_run_file_tells_how_the_results_were_made(photos: Path, model: Model, tmp_path: Path) -> None:
    run(photos, model, tmp_path, target="1", size=64, workers=1, overlays="none", limit=5)
    details = json.loads((tmp_path / "run.json").read_text())
    assert (details["tool"], details["images"]) == ("cam-audit", 5)
    assert details["model"]["sha256"] == model.sha256
    settings = details["settings"]
    assert (settings["dataset"], settings["limit"], settings["workers"]) == (str(photos), 5, 1)
    assert (settings["settings"]["target"], settings["settings"]["size"]) == (1, 64)
    assert not list(tmp_path.glob("overlays/*"))


@pytest.mark.parametrize("limit", [1, 3, 10, 33, 34, 99])
def test_a_limit_takes_images_spread_over_all_folders(photos: Path, model: Model, tmp_path: Path, limit: int) -> None:
    run(photos, model, tmp_path, limit=limit, overlays="none")
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        scanned = [row["path"].removeprefix("'") for row in csv.DictReader(file)]
    names = find_images(photos).names
    assert len(scanned) == min(limit, 34)
    positions = [names.index(name) for name in scanned]
    assert positions == sorted(set(positions))
    gaps = np.diff([*positions, len(names)])
    assert gaps.max() - gaps.min() <= 1


def test_records_may_cross_process_borders(photos: Path, model: Model) -> None:
    records = scan_all(photos, model)
    assert pickle.loads(pickle.dumps(records)) == records


def test_a_scan_takes_sources_as_it_goes(photos: Path, model: Model) -> None:
    taken = 0

    def endless() -> Iterator[ImageSource]:
        nonlocal taken
        while True:
            taken += 1
            yield ImageSource(str(photos), "flat.png", "", None)

    records = scan(model, endless(), ScanSettings(), workers=2)
    assert isinstance(next(records), ImageResult)
    records.close()
    assert taken < 40
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("scan")]


def test_a_dark_picture_of_12_bits_is_scanned_as_in_its_data_set(model: Model, tmp_path: Path) -> None:
    # values up to 255 fill 8 bits by themselves, and a sixteenth of the 12 bits of their data set
    for name, most in (("dark.png", 255), ("light.png", 4095)):
        cv2.imwrite(str(tmp_path / name), (square(RED, 0, 0).astype(int) * most // 255).astype("u2")[..., ::-1])
    (tmp_path / "alone").mkdir()
    by_hand = square(RED, 0, 0) >> 4
    cv2.imwrite(str(tmp_path / "alone" / "dark.png"), by_hand[..., ::-1])
    ranges = find_ranges([str(tmp_path / name) for name in ("dark.png", "light.png")], 1)
    dark = ImageSource(str(tmp_path), "dark.png", "", None)
    (expected,) = scan(model, [dataclasses.replace(dark, root=str(tmp_path / "alone"))])
    (record,) = scan(model, [dark], ranges=ranges)
    (brighter,) = scan(model, [dark])
    assert isinstance(record, ImageResult)
    assert isinstance(expected, ImageResult)
    assert isinstance(brighter, ImageResult)
    assert record.scores == expected.scores != brighter.scores


@pytest.mark.parametrize(
    ("target", "picture", "shown"),
    [
        ("predicted", square(RED, 0, 0), "red"),
        ("predicted", square(GREEN, 0, 0), "green"),
        ("label", square(GREEN, 0, 0), "red"),
        (2, square(GREEN, 0, 0), "blue"),
        (0, square(RED, 0, 0), "red"),
    ],
)
def test_target_chooses_whose_map_is_described(
    model: Model, tmp_path: Path, target: str | int, picture: NDArray[np.uint8], shown: str
) -> None:
    assert scan_one(model, picture, tmp_path, ScanSettings(target=target)).cam_class == shown


def test_target_label_falls_back_to_the_prediction_where_the_folder_stands_for_no_class(
    photos: Path, model: Model
) -> None:
    shown = {record.source.name: record for record in scan_all(photos, model, ScanSettings(target="label"))}
    assert shown["unknown/0.png"].cam_class == "blue"
    assert shown["red/wrong.png"].cam_class == "red"


def test_the_map_of_another_target_lies_elsewhere(model: Model, tmp_path: Path) -> None:
    picture = np.maximum(square(RED, 0, 0, 8, width=64), square(BLUE, 48, 24, 8, width=64))
    red = scan_one(model, picture, tmp_path, ScanSettings(target=0)).cam
    blue = scan_one(model, picture, tmp_path, ScanSettings(target=2)).cam
    assert (red.peak_x, red.peak_y) == (0.5 / 8, 0.5 / 4)
    assert (blue.peak_x, blue.peak_y) == (6.5 / 8, 3.5 / 4)


@pytest.mark.parametrize(("top", "kept"), [(1, 1), (3, 3), (10, 4)])
def test_top_keeps_as_many_scores_as_there_are(model: Model, tmp_path: Path, top: int, kept: int) -> None:
    scores = scan_one(model, square(RED, 0, 0), tmp_path, ScanSettings(top=top)).scores
    assert len(scores) == kept
    assert [score.probability for score in scores] == sorted((s.probability for s in scores), reverse=True)


def panels(sheet: NDArray[np.uint8], width: int) -> int:
    """How many panels of `width` pixels stand side by side in a sheet."""
    return (sheet.shape[1] - MARGIN) // (width + MARGIN)


@pytest.mark.parametrize(
    ("picture", "target", "expected"),
    [
        (square(RED, 0, 0), "predicted", 2),
        (square(GREEN, 0, 0), "predicted", 3),
        (square(GREEN, 0, 0), "label", 3),
        (square(RED, 0, 0), 2, 2),
        (square(GREEN, 0, 0), 2, 4),
        (square(GREEN, 0, 0), 1, 3),
    ],
)
def test_a_third_panel_shows_the_labels_map_where_the_prediction_differs(
    model: Model, tmp_path: Path, picture: NDArray[np.uint8], target: str | int, expected: int
) -> None:
    result = scan_one(model, picture, tmp_path, ScanSettings(target=target), overlays=tmp_path)
    assert result.overlay == "overlays/red/picture.png.png"
    assert panels(seen_by_pillow((tmp_path / result.overlay).read_bytes()), 256) == expected


def test_the_overlay_shows_the_picture_with_its_heat_on_the_object(model: Model, tmp_path: Path) -> None:
    picture = square(RED, 320, 0, 80, width=400, height=200)
    scan_one(model, picture, tmp_path, overlays=tmp_path)
    sheet = seen_by_pillow((tmp_path / "overlays" / "red" / "picture.png.png").read_bytes()).astype(int)
    top = sheet.shape[0] - MARGIN - LEGEND_HEIGHT - 200
    image, overlay = (sheet[top : top + 200, left : left + 400] for left in (MARGIN, 2 * MARGIN + 400))
    np.testing.assert_array_equal(image, picture)
    colourful = np.ptp(overlay, axis=2) > 30
    assert colourful[10:70, 330:390].mean() > 0.9
    assert not colourful[:, :250].any()
    assert not colourful[140:].any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photo_is_scanned_upright(model: Model, tmp_path: Path, orientation: int) -> None:
    stored = square(RED, 0, 0, 16, width=64, height=32)
    data = encode(stored, "JPEG", quality=100, subsampling=0, orientation=orientation)
    upright = seen_by_pillow(data)
    result = scan_one(model, data, tmp_path, overlays=tmp_path)
    assert (result.height, result.width) == upright.shape[:2]
    red = np.argwhere(upright[..., 0].astype(int) - upright[..., 1] > 100)
    low, high = red.min(axis=0) / upright.shape[:2], (red.max(axis=0) + 1) / upright.shape[:2]
    assert low[0] < result.cam.peak_y < high[0]
    assert low[1] < result.cam.peak_x < high[1]


def test_a_big_photo_decoded_reduced_gives_nearly_the_scores_of_the_whole(model: Model, tmp_path: Path) -> None:
    data = encode(square(RED, 500, 1000, 900, width=2400, height=3200), "JPEG", quality=95, orientation=6)
    small = scan_one(model, data, tmp_path, ScanSettings(overlay_size=64))
    whole = scan_one(model, data, tmp_path, ScanSettings(overlay_size=4096))
    assert (small.width, small.height) == (whole.width, whole.height) == (3200, 2400)
    assert small.scores[0].probability == pytest.approx(whole.scores[0].probability, abs=0.01)
    assert (small.cam.peak_x, small.cam.peak_y) == (whole.cam.peak_x, whole.cam.peak_y)


@pytest.mark.parametrize(("size", "cells"), [(None, (4, 8)), (32, (4, 8)), (64, (8, 16)), (128, (16, 32))])
def test_size_is_the_shortest_side_at_the_net(
    model: Model, tmp_path: Path, size: int | None, cells: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    run = Model.run
    monkeypatch.setattr(Model, "run", lambda self, rgb, **_: (seen.append(rgb.shape), run(self, rgb))[1])
    scan_one(model, square(RED, 0, 0, width=200, height=100), tmp_path, ScanSettings(size=size))
    assert seen == [(cells[0] * 8, cells[1] * 8, 3)]


def test_a_net_of_one_size_gets_that_size_and_refuses_another(nets: Path, tmp_path: Path) -> None:
    fixed = load_model(nets / "fixed.onnx")
    picture = square(RED, 100, 0, 100, width=200, height=100)
    result = scan_one(fixed, picture, tmp_path)
    assert (result.width, result.height, result.scores[0].class_name) == (200, 100, "red")
    assert result.cam.peak_x > 0.5
    scan_one(fixed, picture, tmp_path, ScanSettings(size=32))
    with pytest.raises(CamAuditError, match=r"fixed\.onnx: this net takes only 32x32 pixels; leave out --size"):
        scan_one(fixed, picture, tmp_path, ScanSettings(size=64))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 5000)])
def test_a_picture_of_any_shape_is_scanned(model: Model, tmp_path: Path, shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), RED, np.uint8)
    result = scan_one(model, picture, tmp_path, overlays=tmp_path)
    assert (result.height, result.width) == shape
    assert result.scores[0].class_name == "red"


def test_a_net_without_linear_layer_is_scanned(nets: Path, tmp_path: Path) -> None:
    bare = load_model(nets / "bare.onnx")
    result = scan_one(bare, gradient(32, 32), tmp_path, overlays=tmp_path)
    prediction = bare.run(gradient(32, 32))
    winner = int(prediction.activations.mean(axis=(1, 2)).argmax())
    assert result.scores[0].class_index == winner
    row, column = np.unravel_index(prediction.activations[winner].argmax(), (4, 4))
    assert (result.cam.peak_y, result.cam.peak_x) == ((row + 0.5) / 4, (column + 0.5) / 4)


class Failing:
    """A session that fails as onnxruntime may."""

    def __init__(self, answer: Exception | list) -> None:
        self.answer = answer

    def run(self, *_: object) -> list:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            RuntimeError("[ONNXRuntimeError] : 6\nWhile running\n\nAdd node"),
            "cannot be run at 96x64: .*ONNXRuntimeError",
        ),
        ([np.float32([[np.nan] * 4]), np.zeros((1, 3, 4, 4), np.float32)], "not numbers"),
        ([np.float32([[np.inf] * 4]), np.zeros((1, 3, 4, 4), np.float32)], "not numbers"),
    ],
)
def test_a_net_that_fails_on_an_image_leaves_a_reason_in_one_line(
    model: Model, tmp_path: Path, answer: Exception | list, reason: str
) -> None:
    write(tmp_path / "a.png", gradient(96, 64))
    failing = dataclasses.replace(model, session=Failing(answer), input_size=(64, 64))
    (record,) = scan_all(tmp_path, failing)
    assert isinstance(record, SkippedImage)
    assert "\n" not in record.reason
    assert re.search(reason, record.reason)


def test_an_image_for_which_memory_does_not_suffice_is_skipped(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("cam_audit.scan.image.decode_picture", no_memory)
    (record,) = scan_all(write(tmp_path / "a.png", gradient()), model)
    assert isinstance(record, SkippedImage)
    assert record.reason == "the image needs more memory than there is"


def test_an_overlay_that_cannot_be_written_ends_the_scan_and_leaves_nothing_half_done(
    photos: Path, model: Model, tmp_path: Path
) -> None:
    class Blocking(Observer):
        def on_stage(self, name: str, images: int) -> None:
            (tmp_path / "overlays" / "red" / "3.png.png").mkdir(parents=True, exist_ok=True)

    with pytest.raises(CamAuditError, match=r"cannot write .*overlays/red/3\.png\.png"):
        run(photos, model, tmp_path, observer=Blocking())
    assert not list(tmp_path.rglob("*.part"))
    assert not (tmp_path / "results.csv").exists()
    assert json.loads((tmp_path / "run.json").read_text())["finished"] is False


@pytest.mark.parametrize(
    ("logits", "expected"),
    [([0, 0], [0.5, 0.5]), ([1000, 1000, -1000], [0.5, 0.5, 0]), ([np.log(3), 0], [0.75, 0.25])],
)
def test_softmax_of_any_logits(logits: list[float], expected: list[float]) -> None:
    np.testing.assert_allclose(softmax(np.float32(logits)), expected, rtol=1e-6)
