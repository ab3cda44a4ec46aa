"""The `cam-audit` commands of README.md and docs do what the page says, run one after the other as a reader would."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import click
import cv2
import numpy as np
import plain_nets
import pytest
import small_scans
from commands import ROOT, run
from data_sets import draw, net, stamp_in_the_corner
from plain_nets import CLASSES, flat_pool, gemm, plain
from streams import flat, write_video

from cam_audit.cli.process.program import cam_audit as program

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "SECURITY.md")
# what a page's reader has, under the names that the pages give it
NETS = ("efficientnet-lite0", "squeezenet", "NAME")
NOT_RUN = {"models pull resnet18": "needs a network; test_download.py has a server for it"}
# the camera of these tests is a film
ADDED = {"live --net squeezenet": ("--camera", "film.avi", "--frames", "2", "--no-window")}
FINDINGS = 1


def indented(page: Path) -> list[str]:
    """The commands that stand on lines of their own, without `cam-audit` and comments."""
    text = page.read_text(encoding="utf-8")
    return [match.strip() for match in re.findall(r"^ {4}(?:\$ )?cam-audit ([^#\n]*)", text, re.MULTILINE)]


def inline(page: Path) -> Iterator[str]:
    """The commands in a sentence, which may break across lines."""
    for words in re.findall(r"`cam-audit\s+([^`]*)`", page.read_text(encoding="utf-8")):
        yield " ".join(words.split())


# test_datasets.py has the data sets of its page
STORIES = {page.name: commands for page in PAGES if page.name != "datasets.md" and (commands := indented(page))}
COMMANDS = sorted({words for page in PAGES for words in (*indented(page), *inline(page))})


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which a reader follows a page: photos, nets of all names, and a film."""
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "photos", stamp_in_the_corner)
    Path("onnx_models").mkdir()
    cheat = net(red=100, ant=0).write(tmp_path / "cheat.onnx")
    for file in (*(f"onnx_models/{name}.onnx" for name in NETS), "my.cam.onnx"):
        shutil.copy(cheat, file)
    shutil.copy(ROOT / "cam_audit" / "demo" / "demo-biased.onnx", "resnet18.onnx")
    plain_nets.save(plain(lambda graph, tensor: gemm(graph, flat_pool(graph, tensor))), tmp_path).rename("my.onnx")
    for file in ("classes.txt", "labels.txt"):
        Path(file).write_text("\n".join(f"class {index}" for index in range(CLASSES)))
    write_video(Path("film.avi"), [flat((200, 30, 30)), flat((30, 30, 200))])
    annotate(Path("photos"))
    return tmp_path


def annotate(photos: Path) -> None:
    """Masks as both of the commands of docs/scan.md name them, and boxes: an object in the middle of each photo."""
    images, boxes = [], []
    for number, path in enumerate(sorted(photos.rglob("*.*"))):
        height, width = cv2.imread(str(path)).shape[:2]
        left, top = width // 4, height // 4
        mask = np.zeros((height, width), np.uint8)
        mask[top : height - top, left : width - left] = 1
        place = Path("masks", path.relative_to(photos).parent)
        place.mkdir(parents=True, exist_ok=True)
        for file in (place / f"{path.stem}.png", place / f"{path.stem}_mask.png"):
            cv2.imwrite(str(file), mask)
        name = path.relative_to(photos).as_posix()
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        box = [left, top, width - 2 * left, height - 2 * top]
        boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": box})
    coco = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    Path("coco.json").write_text(json.dumps(coco))


def test_every_page_with_commands_is_known() -> None:
    assert list(STORIES) == ["README.md", "ci.md", "known-shortcuts.md", "live.md", "nets.md", "scan.md", "tutorial.md"]
    assert {words.split()[0] for words in STORIES["README.md"]} == {"scan", "baseline", "models"}
    assert {words.split()[0] for words in STORIES["scan.md"]} == {"scan", "report"}
    assert STORIES["known-shortcuts.md"] == ["demo", "scan photos", "scan photos"]
    assert set(NOT_RUN) | set(ADDED) < set(COMMANDS)


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow) if page in ("scan.md", "tutorial.md") else page for page in STORIES],
)
def test_the_commands_of_a_page_run(reader: Path, page: str) -> None:
    clean = {"--baseline"}
    for words in STORIES[page]:
        if words in NOT_RUN:
            continue
        command = (*shlex.split(words), *ADDED.get(words, ()))
        if "--resume" in command:
            small_scans.cut_off_scan(out="cam-audit-out", fail_on="error")
        if command[0] == "compare":
            for before_or_after in command[1:]:
                if not Path(before_or_after).exists():
                    shutil.copytree("cam-audit-out", before_or_after)
        if "adapt" in command:
            clean.add("my.cam.onnx")
        finds = command[0] == "scan" and not clean & set(command)
        ran = run(reader, *command, code=FINDINGS if finds else 0)
        assert ("10 images are done" in ran.stderr) == ("--resume" in command)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_documented_command_is_taken(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # no file in the current folder may give options
    monkeypatch.chdir(tmp_path)
    command: click.Command = program
    arguments = shlex.split(words)
    while isinstance(command, click.Group) and arguments:
        # fails, with the name, where there is no such command
        _, found, arguments = command.resolve_command(click.Context(command), arguments)
        assert found
        command = found
    if arguments and "--help" not in arguments:
        # a sentence may leave out what its reader knows
        with contextlib.suppress(click.MissingParameter):
            command.make_context(words, arguments)
