"""What is read, written and removed below a folder stays below it, whatever links there are or come meanwhile."""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from swapping import swapped

from cam_audit import folders
from cam_audit.errors import CamAuditError
from cam_audit.folders import (
    AnyFolder,
    FolderGoneError,
    leads_outside,
    make_in,
    open_in,
    opened,
    read_in,
    remove_empty_in,
    remove_in,
    replace_in,
    replacing_in,
    require_in_place,
    unnamed_in,
    walk_in,
)


def write_text(folder: AnyFolder, name: str) -> None:
    with replacing_in(folder, name) as file:
        file.write("ours")


def append(folder: AnyFolder, name: str) -> None:
    with open_in(folder, name, "ab") as file:
        file.write(b"ours")


DEEDS: dict[str, Callable[[AnyFolder, str], object]] = {
    "read": lambda folder, name: read_in(folder, name, 100),
    "append": append,
    "replace": lambda folder, name: replace_in(folder, name, b"ours"),
    "replace text": write_text,
    "remove": remove_in,
    "make": lambda folder, name: make_in(folder, f"{name}/new"),
    "remove empty": lambda folder, name: remove_empty_in(folder, name),
}


@pytest.fixture(params=["held open", "opened for each step", "by paths"])
def out(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AnyFolder]:
    """An output folder, beside which lies what is not ours."""
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "a.png").write_bytes(b"mine")
    (tmp_path / "mine" / "deep" / "a.png").write_bytes(b"mine")
    (tmp_path / "out").mkdir()
    if request.param == "by paths":
        # as on Windows
        monkeypatch.setattr(folders, "_BY_DESCRIPTOR", False)
    if request.param == "opened for each step":
        yield tmp_path / "out"
    else:
        with opened(tmp_path / "out") as folder:
            yield folder


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("absolute", [True, False])
def test_a_folder_that_is_a_link_is_not_gone_through(
    out: AnyFolder, tmp_path: Path, deed: str, depth: int, absolute: bool
) -> None:
    inner = ["a", "b", "c"][:depth]
    holder = Path(tmp_path, "out", *inner[:-1])
    holder.mkdir(parents=True, exist_ok=True)
    target = tmp_path / "mine"
    (holder / inner[-1]).symlink_to(target if absolute else os.path.relpath(target, holder))
    before = everything(tmp_path / "mine")
    for name in ("a.png", "deep/a.png", "new.png", "deep"):
        with pytest.raises((OSError, CamAuditError), match="is a symbolic link, which may lead outside; remove it"):
            DEEDS[deed](out, "/".join([*inner, name]))
    assert everything(tmp_path / "mine") == before
    assert (tmp_path / "mine" / "deep").is_dir()
    assert not (tmp_path / "mine" / "new").exists()


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("name", ["../mine/a.png", "{}/mine/a.png", "a/../../mine/a.png", "./../mine/a.png", "..", ""])
def test_a_name_that_leads_outside_is_refused(out: AnyFolder, tmp_path: Path, deed: str, name: str) -> None:
    (tmp_path / "out" / "a").mkdir()
    before = everything(tmp_path)
    with pytest.raises((OSError, CamAuditError)):
        DEEDS[deed](out, name.format(tmp_path))
    assert everything(tmp_path) == before


def test_a_link_in_the_place_of_a_file_is_replaced_or_refused_and_not_followed(out: AnyFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "a.png"
    for name in ("a.png", "a.png.part", "b.csv", "b.csv.part", "c.png"):
        (tmp_path / "out" / name).symlink_to(mine)
    for deed in ("read", "append"):
        with pytest.raises(OSError, match="is a symbolic link"):
            DEEDS[deed](out, "a.png")
    replace_in(out, "a.png", b"ours")
    write_text(out, "b.csv")
    remove_in(out, "c.png")
    assert mine.read_bytes() == b"mine"
    assert everything(tmp_path / "out") == {"a.png": b"ours", "b.csv": b"ours"}
    assert not any(path.is_symlink() for path in (tmp_path / "out").iterdir())


def test_a_file_with_another_name_elsewhere_is_replaced_but_not_added_to(out: AnyFolder, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "a.png"
    for name in ("a.png", "a.png.part", "log"):
        os.link(mine, tmp_path / "out" / name)
    replace_in(out, "a.png", b"ours")
    with pytest.raises(OSError, match="hard link"):
        append(out, "log")
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_not_opened(out: AnyFolder, tmp_path: Path, kind: str) -> None:
    place = tmp_path / "out" / "a"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        try:
            os.mknod(place, 0o600 | 0o020000, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root makes devices")
    for deed in ("read", "append"):
        with pytest.raises(OSError, match=r"pipe or a device|Is a directory"):
            DEEDS[deed](out, "a")


def test_sizes_are_bounded_before_anything_is_read(out: AnyFolder, tmp_path: Path) -> None:
    with (tmp_path / "out" / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="it is larger than 1,000 bytes") as caught:
        read_in(out, "large", 1000)
    assert caught.value.errno == errno.EFBIG
    (tmp_path / "out" / "just").write_bytes(bytes(1000))
    assert read_in(out, "just", 1000) == bytes(1000)
    with open_in(out, "large") as file, pytest.raises(ValueError, match="a line is longer than 1,000 letters"):
        next(folders.lines_in(file, 1000))


def test_lines_are_those_of_the_file(out: AnyFolder) -> None:
    replace_in(out, "lines", b"1\n22\n333")
    with open_in(out, "lines") as file:
        assert list(folders.lines_in(file, 3)) == [b"1\n", b"22\n", b"333"]


def test_what_is_below_is_told_without_entering_links(out: AnyFolder, tmp_path: Path) -> None:
    for name in ("maps/a.png", "maps/cat/b.png", "maps/cat/deep/c.png", "d.png"):
        replace_in(out, name, b"")
    (tmp_path / "out" / "maps" / "cat" / "link").symlink_to(tmp_path / "mine")
    os.mkfifo(tmp_path / "out" / "maps" / "pipe")
    found = {place: (sorted(links), sorted(files)) for place, links, files in walk_in(out, "maps")}
    assert found == {
        "maps": ([], ["a.png", "pipe"]),
        "maps/cat": (["link"], ["b.png"]),
        "maps/cat/deep": ([], ["c.png"]),
    }
    assert list(walk_in(out, "gone")) == []
    assert list(walk_in(out, "d.png")) == []
    assert list(walk_in(out, "maps/cat/link")) == []


def test_a_file_is_whole_or_as_it_was(out: AnyFolder, tmp_path: Path) -> None:
    replace_in(out, "deep/a", b"old")
    with contextlib.suppress(KeyError), replacing_in(out, "deep/a") as file:
        file.write("new")
        raise KeyError
    assert everything(tmp_path / "out") == {"deep/a": b"old"}
    with unnamed_in(out) as file:
        file.write("rows")
        file.seek(0)
        assert file.read() == "rows"
    assert everything(tmp_path / "out") == {"deep/a": b"old"}


@pytest.mark.parametrize("change", ["renamed", "removed", "replaced", "link"])
def test_a_held_folder_that_is_elsewhere_is_noticed(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, moved = Path("out"), Path("moved")
    path.mkdir()
    with opened(path) as out:
        replace_in(out, "a", b"1")
        if change == "removed":
            (path / "a").unlink()
            path.rmdir()
        else:
            path.rename(moved)
        if change == "replaced":
            path.mkdir()
        elif change == "link":
            (tmp_path / "mine").mkdir()
            path.symlink_to("mine")
        for deed in (DEEDS["replace"], write_text):
            with pytest.raises(FolderGoneError, match="out: the folder was renamed, removed or replaced while"):
                deed(out, "a")
        if change != "removed":
            if change == "replaced":
                path.rmdir()
            elif change == "link":
                path.unlink()
            moved.rename(path)
            replace_in(out, "a", b"2")
            assert (path / "a").read_bytes() == b"2"


def test_a_held_folder_stays_the_same_wherever_the_process_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    with opened(Path("out")) as out:
        monkeypatch.chdir("/")
        require_in_place(out)
        replace_in(pickle.loads(pickle.dumps(out)), "a", b"1")
        assert read_in(out, "a", 1) == b"1"


@pytest.mark.skipif(not folders._BY_DESCRIPTOR, reason="paths are checked here, before they are used")
def test_a_folder_that_is_swapped_for_a_link_over_and_over_never_leads_outside(tmp_path: Path) -> None:
    outside, out = tmp_path / "outside", tmp_path / "out"
    outside.mkdir()
    (outside / "a").write_bytes(b"mine")
    (out / "cat").mkdir(parents=True)
    done = refused = 0
    with opened(out) as folder, swapped(out / "cat", outside):
        for attempt in range(100_000):
            if attempt >= 500 and min(done, refused) >= 100:
                break
            for deed in ("replace", "replace text", "append", "remove"):
                try:
                    DEEDS[deed](folder, "cat/a")
                    done += 1
                except (OSError, CamAuditError):
                    refused += 1
    assert min(done, refused) >= 100
    assert everything(outside) == {"a": b"mine"}


@pytest.mark.parametrize("name", ["a", "a/b.png", "...", "a b", "Ж"])
def test_common_names_lead_inside(name: str) -> None:
    assert not leads_outside(name)


@pytest.mark.parametrize("name", ["", "..", "a/..", "/a", "a//b", "a/", ".", "./a", "a\0b"])
def test_odd_names_lead_outside(name: str) -> None:
    assert leads_outside(name)
