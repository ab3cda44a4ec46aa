"""The journal gives back exactly what was put in, whatever became of its file in between."""

from __future__ import annotations

import dataclasses
import errno
import fcntl
import io
import json
import multiprocessing
import os
from pathlib import Path

import pytest
from pictures import RED, square

from cam_audit.errors import CamAuditError
from cam_audit.findings.sample import Collected
from cam_audit.images.png import encode_png
from cam_audit.records import Disagreement, ImageResult, ImageSource, MapStatistics, ObjectShare, Score
from cam_audit.reports.output_folder import JOURNAL_FOLDER, PNG, overlay_name
from cam_audit.scan.journal import (
    IMAGES_FILE,
    LOCK_FILE,
    Journal,
    Stamp,
    is_unfinished,
    locked,
    remove_journal,
    sealed,
    stamp_of,
)

IDENTITY = {"model": "ab12", "--size": None, "--top": 3}


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out" / "overlays").mkdir(parents=True)
    return tmp_path / "out"


def source(out: Path, name: str = "cat/a.jpg") -> ImageSource:
    root = out.parent / "photos"
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"an image")
    return ImageSource(str(root), name, "cat", 3)


def result(image: ImageSource) -> ImageResult:
    third = 1 / 3
    return ImageResult(
        image,
        640,
        480,
        (Score(3, "cat", third), Score(1, "Ж\n\udcff", 1e-300)),
        third,
        "cat",
        MapStatistics(third, 0.1, None, 0.7),
        overlay_name(image.name, PNG),
        Disagreement(None, (0.1, third), (0.2, 0.3)),
        ObjectShare(None, third, 0.5, True),
        ("CA103", "CA104"),
    )


def stamp(image: ImageSource) -> Stamp:
    found = stamp_of(image.path)
    assert found
    return found


def found(journal: Journal, image: ImageSource, **options: object) -> ImageResult | None:
    """What a journal has of an image that was not sampled."""
    finished = journal.finished(image, sampled=False, **options)  # type: ignore[arg-type]
    return finished and finished[0]


def filled(out: Path, *images: ImageSource) -> None:
    journal = Journal(out, IDENTITY)
    for image in images:
        journal.add(result(image), Collected(), stamp(image))
    journal.close()


def test_results_come_back_to_the_last_bit(out: Path) -> None:
    image, odd = source(out), source(out, "cat/\udcff\n.jpg")
    bare = dataclasses.replace(result(odd), disagreement=None, object=None, overlay=None, flags=(), label_score=None)
    journal = Journal(out, IDENTITY)
    journal.add(result(image), Collected(), stamp(image))
    journal.add(bare, Collected(), stamp(odd))
    journal.close()
    again = Journal(out, IDENTITY)
    assert again.images == 2
    assert found(again, image, overlay=False) == result(image)
    assert found(again, odd, overlay=False) == bare
    assert found(again, dataclasses.replace(image, name="cat/b.jpg"), overlay=False) is None


def test_a_line_that_was_cut_off_anywhere_is_dropped_and_written_anew(out: Path) -> None:
    first, second = source(out), source(out, "cat/b.jpg")
    filled(out, first, second)
    file = out / JOURNAL_FOLDER / IMAGES_FILE
    whole = file.read_bytes()
    header, one, _ = whole.splitlines(keepends=True)
    for length in range(len(header + one), len(whole)):
        file.write_bytes(whole[:length])
        journal = Journal(out, IDENTITY)
        assert found(journal, first, overlay=False) == result(first)
        assert found(journal, second, overlay=False) is None
        journal.add(result(second), Collected(), stamp(second))
        journal.close()
        assert file.read_bytes() == whole


@pytest.mark.parametrize("length", [0, 1, 20])
def test_a_header_that_was_cut_off_begins_anew(out: Path, length: int) -> None:
    filled(out)
    file = out / JOURNAL_FOLDER / IMAGES_FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:length])
    assert not is_unfinished(out)
    Journal(out, IDENTITY).close()
    assert file.read_bytes() == whole


def test_what_a_power_cut_left_in_the_middle_is_passed_over(out: Path) -> None:
    first, second = source(out), source(out, "cat/b.jpg")
    filled(out, first, second)
    file = out / JOURNAL_FOLDER / IMAGES_FILE
    header, one, two = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(header + b"\0" * (len(one) - 1) + b"\n" + two + b"[1]\n")
    journal = Journal(out, IDENTITY)
    assert found(journal, first, overlay=False) is None
    assert found(journal, second, overlay=False) == result(second)


@pytest.mark.parametrize("change", ["longer", "touched", "gone"])
def test_an_image_that_changed_since_is_not_finished(out: Path, change: str) -> None:
    image = source(out)
    filled(out, image)
    path = Path(image.path)
    if change == "longer":
        before = path.stat()
        path.write_bytes(b"another image")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "touched":
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    else:
        path.unlink()
    assert found(Journal(out, IDENTITY), image, overlay=False) is None


def test_an_image_without_its_whole_overlay_is_not_finished(out: Path) -> None:
    image = source(out)
    filled(out, image)
    overlay = out / overlay_name(image.name, PNG)
    overlay.parent.mkdir()
    assert found(Journal(out, IDENTITY), image, overlay=True) is None
    picture = encode_png(square(RED, 0, 0))
    for data in (b"", picture[:-1], picture[:-4] + bytes(4)):
        overlay.write_bytes(data)
        assert found(Journal(out, IDENTITY), image, overlay=True) is None
    overlay.write_bytes(picture)
    assert found(Journal(out, IDENTITY), image, overlay=True) == result(image)


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ({"model": "cd34"}, "had model ab12, not cd34"),
        ({"--size": 448}, "had --size none, not 448"),
        ({"--limit": 5}, "had --limit none, not 5"),
    ],
)
def test_the_journal_of_another_scan_is_refused_with_what_differs(
    out: Path, now: dict[str, object], message: str
) -> None:
    filled(out, source(out))
    with pytest.raises(CamAuditError, match=message) as caught:
        Journal(out, IDENTITY | now)
    assert "--fresh" in str(caught.value)


def test_a_scan_is_unfinished_once_an_image_is(out: Path) -> None:
    assert not is_unfinished(out)
    filled(out)
    assert not is_unfinished(out)
    filled(out, source(out))
    assert is_unfinished(out)
    Journal(out, IDENTITY).discard()
    assert not is_unfinished(out)
    assert not (out / JOURNAL_FOLDER).exists()


def test_a_scan_that_is_finished_is_not_unfinished_though_its_journal_was_left(out: Path) -> None:
    filled(out, source(out))
    (out / "run.json").write_text('{"tool": "cam-audit", "finished": true}')
    assert not is_unfinished(out)


def test_a_line_that_does_not_fit_on_the_disk_leaves_no_part_of_it(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, data: bytes) -> int:
            if len(data) < 50:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data[:-40])

    first, second = source(out), source(out, "cat/b.jpg")
    filled(out, first)
    file = out / JOURNAL_FOLDER / IMAGES_FILE
    before = file.read_bytes()
    journal = Journal(out, IDENTITY)
    monkeypatch.setattr(journal, "_file", Full(file, "a+b"))
    with pytest.raises(CamAuditError, match=f"cannot write {file}: No space left on device"):
        journal.add(result(second), Collected(), stamp(second))
    assert file.read_bytes() == before


def test_a_journal_behind_a_link_is_refused(out: Path) -> None:
    mine = out.parent / "mine"
    mine.write_text("mine")
    (out / JOURNAL_FOLDER).mkdir()
    (out / JOURNAL_FOLDER / IMAGES_FILE).symlink_to(mine)
    with pytest.raises(CamAuditError, match="is a symbolic link"):
        Journal(out, IDENTITY)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "change", [{"stamp": {}}, {"stamp": 3}, {"stamp": {"size": 1, "time": 2}}, {"result": {}}, {"result": None}]
)
def test_a_line_that_was_not_written_here_is_passed_over(out: Path, change: dict[str, object]) -> None:
    image = source(out)
    filled(out, image)
    file = out / JOURNAL_FOLDER / IMAGES_FILE
    header, line = file.read_bytes().splitlines(keepends=True)
    entry = json.loads(line)
    del entry["checksum"]
    assert sealed(entry) == line
    file.write_bytes(header + sealed({**entry, **change}))
    assert found(Journal(out, IDENTITY), image, overlay=False) is None


def test_an_image_is_not_finished_once_its_annotation_changed(out: Path) -> None:
    image = source(out)
    moment = stamp_of(image.path, "a mask")
    assert moment
    journal = Journal(out, IDENTITY)
    journal.add(result(image), Collected(), moment)
    journal.close()
    again = Journal(out, IDENTITY)
    assert found(again, image, overlay=False, annotation="a mask") == result(image)
    assert found(again, image, overlay=False, annotation="another") is None
    assert found(again, image, overlay=False) is None


def test_the_file_of_a_lock_that_nobody_holds_is_no_obstacle(out: Path) -> None:
    (out / LOCK_FILE).write_text("left by a power cut")
    with locked(out, print):
        pass


@pytest.mark.parametrize(
    "error",
    [
        *(OSError(number, os.strerror(number)) for number in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)),
        NotImplementedError("no flock"),
    ],
    ids=str,
)
def test_where_there_are_no_locks_the_scan_goes_on_and_is_told(
    error: Exception, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(fcntl, "flock", refuse)
    notes: list[str] = []
    with locked(out, notes.append):
        pass
    assert notes == [
        f"{out}: its file system has no locks, so nothing keeps a second scan from writing into this folder"
    ]


def test_any_other_fault_of_a_lock_is_told(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (
        pytest.raises(CamAuditError, match=r"cannot write to the output folder .*Input/output error"),
        locked(out, print),
    ):
        pass


def test_what_others_put_into_the_journal_is_not_removed(out: Path) -> None:
    mine = out / "journal" / "observations" / "mine.npz"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("mine")
    (mine.parent / f"{'a' * 32}.npz").write_text("ours")
    (out / "journal" / "images.jsonl").write_text("{}\n")
    remove_journal(out)
    assert [path for path in (out / "journal").rglob("*") if path.is_file()] == [mine]


def hold(out: Path, ready: object, done: object) -> None:
    with locked(out, print):
        ready.set()  # type: ignore[attr-defined]
        done.wait(30)  # type: ignore[attr-defined]


def test_a_folder_is_locked_against_other_processes_until_its_own_dies(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "out", ready, done))
    other.start()
    try:
        assert ready.wait(30)
        with pytest.raises(CamAuditError, match="another scan"), locked(tmp_path / "out", print):
            pass
        other.kill()
        other.join()
        with locked(tmp_path / "out", print):
            pass
    finally:
        other.kill()
