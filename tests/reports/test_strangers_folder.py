"""An output folder from a stranger: it shows nothing of the machine, does not hang, and is refused in a line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from canonical import canonical_report
from commands import run
from finished_scan import write_scan
from pictures import encode

from cam_audit.records import Score
from cam_audit.reports.formats import render
from cam_audit.reports.output_folder import read_results
from cam_audit.reports.pictures import with_pictures
from cam_audit.reports.scan_report import ScanReport
from cam_audit.sheets import Panel, overlay_sheet

REPEATED = canonical_report().findings[0]
EXAMPLE = REPEATED.examples[0].path
# A colour that no picture of a report has.
SECRET = (250, 0, 250)


def secret(width: int, height: int) -> bytes:
    """A picture of that colour that passes for an overlay, too."""
    rgb = np.full((height, width, 3), SECRET, np.uint8)
    scores = [Score(0, "a", 1.0), Score(1, "b", 0.0), Score(2, "c", 0.0)]
    sheet = overlay_sheet(rgb, scores, [Panel("image"), Panel("map", np.float32([[0, 0], [0, 1]]))], 120)
    sheet[:] = SECRET
    return encode(sheet)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder with a stranger's `out`, and with `mine`, which is nobody's business."""
    (tmp_path / "out").mkdir()
    (tmp_path / "photos").mkdir()
    write_scan(tmp_path / "out", canonical_report())
    mine = tmp_path / "mine"
    for name in ("secret.png", "1.png.png", "cat/1.png.png", "overlays/cat/1.png.png", EXAMPLE):
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        (mine / name).write_bytes(secret(640, 480))
    return tmp_path


def shows_secret(report: ScanReport) -> bool:
    """Whether any picture that the page would hold is of the secret colour."""
    shown = [*report.label_pictures]
    jpegs = [each for picture in shown for each in (picture.image, picture.overlay)]
    for pictures in report.pictures.values():
        jpegs += [each for picture in pictures.examples for each in (picture.image, picture.overlay)]
        jpegs += [*pictures.maps, *pictures.counterfactuals.values()]
    colours = [
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB).reshape(-1, 3).mean(0)
        for jpeg in jpegs
        if jpeg
    ]
    return any(np.abs(colour - SECRET).max() < 40 for colour in colours)


def addresses(out: Path) -> set[Path]:
    """The files that the page asks for, with all links followed."""
    page = "".join(render(read_results(out), "html", out))
    data = json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])
    rows = (dict(zip(data["fields"], row, strict=False)) for row in data["images"])
    asked = [row["overlay"] for row in rows if row.get("sheet") is not None]
    asked += [part["sheet"] for part in data["parts"]]
    asked += re.findall(r'<img class="part-sheet"[^>]* src="([^"]+)"', page)
    return {Path(os.path.realpath(out / address)) for address in asked}


def test_what_the_tests_look_for_is_found_if_it_is_there(place: Path) -> None:
    (place / "out" / "overlays" / "cat" / "1.png.png").write_bytes(secret(640, 480))
    assert shows_secret(with_pictures(read_results(place / "out")))
    assert place / "out" / "overlays" / "cat" / "1.png.png" in addresses(place / "out")


@pytest.mark.parametrize("name", ["../mine/secret.png", "{}/mine/secret.png", "overlays/../../mine/secret.png"])
def test_overlays_that_a_table_names_outside_are_left_out_with_a_note(place: Path, name: str) -> None:
    table = place / "out" / "results.csv"
    name = name.format(place)
    table.write_text(table.read_text(encoding="utf-8").replace("overlays/cat/1.png.png", name), encoding="utf-8")
    report = read_results(place / "out")
    assert name not in {row.overlay for row in report.images}
    assert not shows_secret(with_pictures(report))
    assert f"results.csv names 1 overlay outside {place / 'out'}: left out" in report.notes
    assert all(path.is_relative_to(place / "out") for path in addresses(place / "out"))


LINKS = [
    "overlays",
    "overlays/cat",
    "overlays/cat/1.png.png",
    "maps",
    REPEATED.maps_name,
    "counterfactuals",
    REPEATED.counterfactuals[0].edited.file,
    "parts",
    canonical_report().parts[0].sheet,
]


@pytest.mark.parametrize("name", LINKS)
def test_no_picture_behind_a_link_is_shown(place: Path, name: str) -> None:
    out = place / "out"
    shutil.copytree(out, place / "copy")
    for path in (place / "copy").rglob("*"):
        if path.suffix in (".png", ".jpg"):
            path.write_bytes(secret(640, 480))
    if (out / name).is_dir():
        shutil.rmtree(out / name)
    else:
        (out / name).unlink()
    (out / name).symlink_to(place / "copy" / name)
    report = with_pictures(read_results(out))
    assert not shows_secret(report)
    assert all(path.is_relative_to(out) for path in addresses(out))
    assert any("left out, as a link leads there" in note for note in report.notes) == ("overlays" not in name)


@pytest.mark.parametrize("path", ["../mine/secret.png", "{}/mine/secret.png", ""])
def test_examples_outside_the_data_set_are_left_out_with_a_note(place: Path, path: str) -> None:
    out = place / "out"
    (out / "overlays" / "cat" / "1.png.png").unlink()
    text = (out / "findings.json").read_text(encoding="utf-8")
    named = text.count(f'"path": {json.dumps(EXAMPLE)}') - sum(
        image.path == EXAMPLE for image in canonical_report().confused
    )
    outside = json.dumps(path.format(place))
    (out / "findings.json").write_text(text.replace(json.dumps(EXAMPLE), outside), encoding="utf-8")
    photos_of(out, place / "mine", ["secret.png"])
    run(place, "report", "out")
    report = with_pictures(read_results(out))
    assert not shows_secret(report)
    assert f"findings.json names {named} pictures outside the data set and its folder: left out" in report.notes
    assert all(path.is_relative_to(out) for path in addresses(out))


@pytest.mark.parametrize("field", ["picture", "sheet"])
def test_so_are_pictures_and_sheets_outside_the_folder(place: Path, field: str) -> None:
    out = place / "out"
    document = json.loads((out / "findings.json").read_text(encoding="utf-8"))
    if field == "sheet":
        document["parts"][0]["sheet"] = "../mine/secret.png"
    else:
        document["findings"][0]["counterfactuals"][0]["before"]["picture"] = "../mine/secret.png"
    (out / "findings.json").write_text(json.dumps(document), encoding="utf-8")
    report = with_pictures(read_results(out))
    assert not shows_secret(report)
    assert "findings.json names 1 picture outside the data set and its folder: left out" in report.notes
    assert len(report.findings) == len(canonical_report().findings)
    assert all(path.is_relative_to(out) for path in addresses(out))


def photos_of(out: Path, dataset: Path, names: list[str], *, hashed: Path | None = None) -> None:
    """Let an output folder say that its data set is a folder, and have the hashes of photos, of another one's even."""
    document = json.loads((out / "run.json").read_text())
    document["settings"]["dataset"] = str(dataset)
    (out / "run.json").write_text(json.dumps(document))
    hashes = {name: hashlib.sha256(((hashed or dataset) / name).read_bytes()).hexdigest() for name in names}
    (out / "photos.json").write_text(json.dumps({"sha256": hashes}))


def test_a_photo_is_shown_only_if_whoever_wrote_the_folder_had_it(place: Path) -> None:
    out = place / "out"
    shutil.rmtree(out / "overlays")
    photos_of(out, place / "mine", [EXAMPLE])
    assert shows_secret(with_pictures(read_results(out)))
    theirs = place / "theirs" / EXAMPLE
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(encode(np.zeros((8, 8, 3), np.uint8)))
    for hashed in ([], [EXAMPLE]):
        photos_of(out, place / "mine", hashed, hashed=place / "theirs")
        report = with_pictures(read_results(out))
        assert not shows_secret(report)
        (note,) = [note for note in report.notes if "photos.json" in note]
        assert note.startswith(f"1 photo in {place / 'mine'}: left out")
        assert EXAMPLE in note
    (out / "photos.json").unlink()
    assert not shows_secret(with_pictures(read_results(out)))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"sha256": {"a": "0"}}', '{"sha256": {"a": 1}}', '{"sha256": []}'])
def test_a_list_of_photos_that_is_none_is_refused_in_a_line(place: Path, text: str) -> None:
    (place / "out" / "photos.json").write_text(text)
    result = run(place, "report", "out", code=2)
    assert result.stderr.startswith("cam-audit: out/photos.json: damaged: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("depth", [1, 2])
def test_a_photo_behind_a_link_that_leads_out_of_the_data_set_is_not_shown(place: Path, depth: int) -> None:
    out = place / "out"
    photos_of(out, place / "photos", [EXAMPLE], hashed=place / "mine")
    document = json.loads((out / "run.json").read_text())
    document["settings"]["follow_links"] = True
    (out / "run.json").write_text(json.dumps(document))
    shutil.rmtree(out / "overlays")
    link = Path(place / "photos", *Path(EXAMPLE).parts[:depth])
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path(place / "mine", *Path(EXAMPLE).parts[:depth]))
    assert not shows_secret(with_pictures(read_results(out)))
    link.unlink()
    shutil.copytree(place / "mine", place / "photos", dirs_exist_ok=True)
    assert shows_secret(with_pictures(read_results(out)))


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


@pytest.mark.parametrize("make", [pipe, endless, huge])
@pytest.mark.parametrize("name", ["run.json", "findings.json", "results.csv", "photos.json"])
def test_what_is_no_file_of_a_scan_is_told_in_a_line_and_not_waited_for(
    place: Path, name: str, make: Callable[[Path], None]
) -> None:
    (place / "out" / name).touch()
    make(place / "out" / name)
    result = run(place, "report", "out", code=2)
    assert result.stderr.startswith(f"cam-audit: out/{name}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("make", [pipe, endless, huge])
@pytest.mark.parametrize("command", [("challenge", "out", "-o", "new"), ("compare", "out", "out")])
def test_nor_what_other_commands_read(place: Path, command: tuple[str, ...], make: Callable[[Path], None]) -> None:
    name = "counterfactuals/edits.json" if command[0] == "challenge" else "parts/maps.json"
    (place / "out" / name).touch()
    make(place / "out" / name)
    result = run(place, *command, code=2)
    assert result.stderr.startswith(f"cam-audit: out/{name}: cannot be read: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("make", [pipe, endless, huge])
def test_pictures_that_are_none_are_left_out(place: Path, make: Callable[[Path], None]) -> None:
    for name in ("overlays/cat/1.png.png", REPEATED.maps_name, *REPEATED.counterfactuals[0].files):
        make(place / "out" / name)
    assert not shows_secret(with_pictures(read_results(place / "out")))
