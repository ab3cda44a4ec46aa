"""A scan goes on with a stranger's or a damaged folder, or one that is changed meanwhile: nothing is lost or let in."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from commands import run
from pictures import BLUE, encode, square
from resume import differences
from small_scans import SCAN, cut_off_scan, scan
from swapping import swapped

from cam_audit.errors import CamAuditError
from cam_audit.findings.sample import Collected
from cam_audit.findings.sample_store import from_bytes, to_bytes
from cam_audit.images.decode import read_image
from cam_audit.records import ImageResult, ImageSource, MapStatistics, Score
from cam_audit.reports.output_folder import PNG, overlay_name
from cam_audit.scan.journal import IMAGES, OBSERVATIONS, Journal, sealed, stamp_of

LINES = Path("out", IMAGES)


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos that the test may change, and what an undisturbed scan finds in them."""
    work = Path(shutil.copytree(drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    return work


def rewritten(change: Callable[[dict[str, dict[str, object]]], None]) -> None:
    """Change all entries of the journal, as one can who knows how they are written."""
    header, *lines = LINES.read_bytes().splitlines(keepends=True)
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        del entry["checksum"]
        change(entry)
    LINES.write_bytes(b"".join([header, *map(sealed, entries)]))


@pytest.mark.parametrize("name", ["/etc/passwd", "../mine.png", "overlays/../../mine.png", "overlays/a.png", ""])
def test_an_entry_can_name_no_overlay_but_that_of_its_image(folder: Path, name: str) -> None:
    (folder / "mine.png").write_bytes(encode(square(BLUE, 0, 0)))
    cut_off_scan()
    rewritten(lambda entry: entry["result"].update(overlay=name or None))
    scan(resume=True)
    assert differences(folder / "out", folder / "undisturbed") == ()
    assert (folder / "mine.png").is_file()


def test_what_does_not_match_its_checksum_is_done_again(folder: Path) -> None:
    """Bits flip, and garbage comes in, in entries, sample files and overlays."""
    cut_off_scan()
    chance = random.Random(1)
    overlays = sorted(Path("out/overlays").rglob("*.png"))
    for file in (*sorted(Path("out", OBSERVATIONS).iterdir())[:4], *overlays[:4], LINES):
        data = bytearray(file.read_bytes())
        data[chance.randrange(len(data) // 2, len(data))] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
    header, *lines = LINES.read_bytes().splitlines(keepends=True)
    LINES.write_bytes(b"".join([header, *lines[:3], b"\x00garbage\n", *lines[3:]]))
    scan(resume=True)
    assert differences(folder / "out", folder / "undisturbed") == ()


def result_of(image: ImageSource) -> ImageResult:
    cam = MapStatistics(0.5, 0.1, 0.25, 0.7)
    return ImageResult(image, 64, 48, (Score(3, "cat", 1 / 3),), 1 / 3, "cat", cam, overlay_name(image.name, PNG), None)


def test_no_flip_of_a_bit_and_no_garbage_gives_another_result(tmp_path: Path) -> None:
    images = [ImageSource(str(tmp_path), f"cat/{number}.png", "cat", 3) for number in range(2)]
    (tmp_path / "cat").mkdir()
    journal = Journal(tmp_path / "out", {"model": "ab"})
    for image in images:
        Path(image.path).write_bytes(b"photo")
        stamp = stamp_of(image.path)
        assert stamp
        journal.add(result_of(image), Collected(), stamp)
    journal.close()
    file, chance = tmp_path / "out" / IMAGES, random.Random(2)
    whole = file.read_bytes()

    def results() -> list[ImageResult | None]:
        journal = Journal(tmp_path / "out", {"model": "ab"})
        found = [journal.finished(image, overlay=False, sampled=False) for image in images]
        journal.close()
        return [each and each[0] for each in found]

    expected = list(map(result_of, images))
    assert results() == expected
    lost = 0
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chance.randrange(8)
        if place % 5 == 0:
            damaged[place:place] = chance.randbytes(chance.randrange(1, 40))
        file.write_bytes(damaged)
        for result, right in zip(results(), expected, strict=True):
            assert result in (None, right)
            lost += result is None
    assert lost > len(whole) // 2


def test_a_sample_file_that_unpacks_to_more_than_it_is_is_not_unpacked(folder: Path) -> None:
    cut_off_scan()
    (file, *_) = Path("out", OBSERVATIONS).iterdir()
    with np.load(file) as content:
        arrays = dict(content)
        name = json.loads(arrays["facts"].tobytes())["name"]
    source = ImageSource("photos", name, name.partition("/")[0], 0)
    collected = from_bytes(file.read_bytes(), source)
    assert collected
    assert from_bytes(to_bytes(collected), source)
    np.savez_compressed(file, **arrays, bomb=np.zeros(1 << 24, np.uint8))
    assert file.stat().st_size < 1 << 20
    assert from_bytes(file.read_bytes(), source) is None


@pytest.mark.parametrize("change", ["renamed", "removed", "link"])
def test_an_output_folder_that_goes_during_a_scan_ends_it_with_what_to_do(
    folder: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, added = Journal.add, []

    def add_and_change(journal: Journal, *entry: object) -> None:
        add(journal, *entry)  # type: ignore[arg-type]
        added.append(entry)
        if len(added) == 10:
            Path("out").rename("moved")
            if change == "removed":
                shutil.rmtree("moved")
            elif change == "link":
                Path("elsewhere").mkdir()
                Path("out").symlink_to("elsewhere")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", add_and_change)
        with pytest.raises(
            CamAuditError, match="out: the folder was renamed, removed or replaced while it was"
        ) as told:
            scan()
    assert "bring it back and go on with --resume, or start anew with --fresh" in str(told.value)
    if change == "link":
        assert list(Path("elsewhere").iterdir()) == []
        Path("out").unlink()
    if change == "removed":
        scan()
    else:
        Path("moved").rename("out")
        run(folder, *SCAN, "--resume")
    assert differences(folder / "out", folder / "undisturbed") == ()


@pytest.mark.parametrize("name", ["overlays/ant", "journal/observations", "overlays", "journal"])
def test_a_folder_of_the_output_that_is_swapped_for_a_link_leads_nowhere(folder: Path, name: str) -> None:
    def until_it_ends() -> None:
        for _ in range(20):
            scan(resume=True)
            shutil.rmtree("out")
            cut_off_scan(images=3)

    Path("elsewhere").mkdir()
    cut_off_scan(images=3)
    with pytest.raises(CamAuditError), swapped(Path("out", name), folder / "elsewhere", pause=0.01):
        until_it_ends()
    assert list(Path("elsewhere").iterdir()) == []
    shutil.rmtree("out")


def test_a_folder_of_the_data_set_that_is_swapped_for_a_link_is_not_read_outside(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    for path in (folder / "photos" / "ant").iterdir():
        (folder / "elsewhere" / path.name).write_bytes(encode(square(BLUE, 0, 0, 96, width=96, height=96)))
    met = 0
    for attempt in range(20):
        out = f"out{attempt}"
        with swapped(folder / "photos" / "ant", folder / "elsewhere", pause=0.005):
            scan(out=out, overlays="all")
        for overlay in Path(out, "overlays").rglob("*.png"):
            rgb = read_image(overlay)[0]
            assert not (rgb == BLUE).all(axis=2).mean() > 0.2, overlay
        rows = Path(out, "results.csv").read_text().splitlines()
        met += sum("a link leads out of the data set" in row for row in rows)
        # whether an image is opened while the link is there is chance
        if met:
            break
    assert met


def test_a_photo_behind_a_link_is_scanned_where_links_may_lead_outside(folder: Path) -> None:
    Path("elsewhere").mkdir()
    Path("photos/ant/00.png").rename("elsewhere/00.png")
    Path("photos/ant/00.png").symlink_to("../../elsewhere/00.png")
    scan(follow_links=True)
    assert Path("out/results.csv").read_bytes() == Path("undisturbed/results.csv").read_bytes()


@pytest.mark.parametrize("kind", ["pipe", "endless", "huge"])
def test_what_is_no_file_of_a_journal_is_not_waited_for(folder: Path, kind: str) -> None:
    cut_off_scan()
    files = [*sorted(Path("out", OBSERVATIONS).iterdir())[:2], *sorted(Path("out/overlays").rglob("*.png"))[:2]]
    for file in files:
        file.unlink()
        if kind == "pipe":
            os.mkfifo(file)
        elif kind == "huge":
            with file.open("wb") as content:
                content.truncate(1 << 40)
        elif "overlays" not in file.parts:
            # in folders of pictures, links are refused before the scan
            file.symlink_to("/dev/zero")
    if kind == "endless":
        with pytest.raises(CamAuditError, match="is a symbolic link, which may lead outside; remove it"):
            scan(resume=True)
        for file in files:
            file.unlink(missing_ok=True)
    scan(resume=True)
    assert differences(folder / "out", folder / "undisturbed") == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".written", "out: holds overlays/"),
        ("journal/images.jsonl", None),
        ("run.json", "out: holds journal, "),
    ],
)
def test_a_pipe_in_the_place_of_a_list_is_not_waited_for(folder: Path, name: str, message: str | None) -> None:
    cut_off_scan()
    Path("out", name).unlink()
    os.mkfifo(Path("out", name))
    with pytest.raises(
        CamAuditError, match=message or "cannot write out/journal/images.jsonl: it is a pipe or a device"
    ):
        scan(resume=True)
