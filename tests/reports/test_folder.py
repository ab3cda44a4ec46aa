"""Files of a scan's output are whole or not there, and nobody else's are touched."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.files import replacing, write_bytes
from cam_audit.reports.folder import is_finished, overlay_name, prepare_output, remove_others


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_overlays_of_an_earlier_scan_are_removed_and_other_files_kept(tmp_path: Path) -> None:
    write_bytes(tmp_path / "overlays" / "cat" / "old.jpg.png", b"old")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "run.json").write_text(json.dumps({"tool": "cam-audit"}))
    prepare_output(tmp_path)
    assert files(tmp_path) == ["notes.txt", "run.json"]
    assert (tmp_path / "overlays").is_dir()


@pytest.mark.parametrize("run_file", [None, "{", "[]", '"cam-audit"', '{"tool": "another"}', "{}", b"\xff\xfe\x00"])
def test_overlays_in_a_folder_that_is_not_ours_are_kept(tmp_path: Path, run_file: str | bytes | None) -> None:
    write_bytes(tmp_path / "overlays" / "mine.png", b"mine")
    if run_file is not None:
        (tmp_path / "run.json").write_bytes(run_file if isinstance(run_file, bytes) else run_file.encode())
    prepare_output(tmp_path)
    assert "overlays/mine.png" in files(tmp_path)


def test_results_that_are_being_removed_do_not_pass_for_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "overlays" / "old.png", b"old")
    (tmp_path / "run.json").write_text(json.dumps({"tool": "cam-audit", "finished": True}))

    def cut_off(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", cut_off)
    assert is_finished(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        prepare_output(tmp_path)
    assert not is_finished(tmp_path)


def test_what_does_not_belong_is_removed_and_the_rest_kept(tmp_path: Path) -> None:
    for name in ("overlays/cat/a.png", "overlays/cat/b.png", "overlays/cat/b.png.part", "maps/a.png"):
        write_bytes(tmp_path / name, b"")
    remove_others(tmp_path, "overlays", {"overlays/cat/a.png"})
    assert files(tmp_path) == ["maps/a.png", "overlays/cat/a.png"]
    remove_others(tmp_path, "maps", {"maps/b.png"})
    remove_others(tmp_path, "gone", ())
    assert files(tmp_path) == ["overlays/cat/a.png"]


def test_overlays_behind_a_link_are_not_deleted(tmp_path: Path) -> None:
    write_bytes(tmp_path / "elsewhere" / "mine.png", b"mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "overlays").symlink_to(tmp_path / "elsewhere")
    (out / "run.json").write_text(json.dumps({"tool": "cam-audit"}))
    with pytest.raises(CamAuditError, match=r"cannot write to the output folder .*: .*symbolic link"):
        prepare_output(out)
    assert files(tmp_path / "elsewhere") == ["mine.png"]


def test_the_output_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    prepare_output(tmp_path / "a" / "b")
    assert files(tmp_path) == ["a/b/run.json"]
    assert (tmp_path / "a" / "b" / "overlays").is_dir()


def below_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("x")
    return tmp_path / "file" / "out"


def test_an_output_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    out = below_a_file(tmp_path)
    with pytest.raises(CamAuditError, match=f"cannot write to the output folder {out}: Not a directory"):
        prepare_output(out)
    with pytest.raises(CamAuditError, match=r"cannot write to the output folder .*: File exists"):
        prepare_output(out.parent)


def write_text(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data.decode())


@pytest.mark.parametrize("write", [write_bytes, write_text])
def test_a_file_that_cannot_be_written_is_named_and_nothing_half_done_stays(
    tmp_path: Path, write: Callable[[Path, bytes], None]
) -> None:
    (tmp_path / "taken.png" / "x").mkdir(parents=True)
    for path in (below_a_file(tmp_path) / "a.png", tmp_path / "taken.png", tmp_path / ("n" * 300)):
        with pytest.raises(CamAuditError, match=rf"cannot write {path}: \w"):
            write(path, b"data")
    assert files(tmp_path) == ["file"]


def test_write_bytes_makes_folders_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.png"
    for data in (b"first", b"second"):
        write_bytes(path, data)
        assert path.read_bytes() == data
    assert files(tmp_path) == ["a/b/c.png"]


def test_a_text_file_takes_its_place_only_when_its_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    with replacing(path) as file:
        file.write("Ж\r\nold\n")
        assert not path.exists()
    assert path.read_bytes() == "Ж\r\nold\n".encode()
    with contextlib.suppress(KeyError), replacing(path) as file:
        file.write("new")
        raise KeyError
    assert path.read_bytes() == "Ж\r\nold\n".encode()
    assert files(tmp_path) == ["results.csv"]


def test_an_overlay_lies_as_its_image_does_with_the_extension_kept() -> None:
    assert overlay_name("a.jpg") == "overlays/a.jpg.png"
    assert overlay_name("cats/a.png") == "overlays/cats/a.png.png"
    assert overlay_name("a b/Ж\n.tar.jpg") == "overlays/a b/Ж\n.tar.jpg.png"


@pytest.mark.parametrize("letter", ["x", "Ж", "\udcff"])
def test_the_overlay_of_a_name_as_long_as_file_systems_take_can_be_written(tmp_path: Path, letter: str) -> None:
    size = len(os.fsencode(letter))
    names = {f"f/{letter * ((250 - len(end)) // size)}{end}" for end in (".jpg", ".jpeg", "1.jpg", "2.jpg")}
    overlays = {overlay_name(name) for name in names}
    assert len(overlays) == len(names)
    for overlay in overlays:
        write_bytes(tmp_path / overlay, b"png")
        assert overlay.startswith("overlays/f/")
        assert overlay.endswith(".png")
    assert len(files(tmp_path)) == len(names)


def test_a_name_is_cut_only_where_it_must_be() -> None:
    assert overlay_name("x" * 226 + ".jpg") == f"overlays/{'x' * 226}.jpg.png"


@pytest.mark.parametrize(
    "link", ["overlays", "overlays/cat", "overlays/cat/deep", "maps", "journal", "journal/observations"]
)
def test_a_link_in_the_output_folder_is_refused_before_anything_is_written_through_it(
    tmp_path: Path, link: str
) -> None:
    """As a stranger's data set may hold, if one scans into it."""
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (out / link).parent.mkdir(parents=True)
    (out / link).symlink_to(elsewhere)
    with pytest.raises(CamAuditError, match=f"output folder {out}: {out / link} is a symbolic link"):
        prepare_output(out)
    assert files(elsewhere) == []


def test_links_at_the_places_of_our_files_are_replaced_not_followed(tmp_path: Path) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.write_text("mine")
    out.mkdir()
    for name in ("run.json", "run.json.part", "a.png", "a.png.part", "results.csv", "results.csv.part"):
        (out / name).symlink_to(mine)
    prepare_output(out)
    write_bytes(out / "a.png", b"ours")
    write_text(out / "results.csv", b"ours")
    assert mine.read_text() == "mine"
    assert sorted(path.name for path in out.iterdir() if path.is_symlink()) == []
    assert files(out) == ["a.png", "results.csv", "run.json"]


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "a//b.png", "./a.png", "..", ""])
def test_an_overlay_is_never_outside_the_output_folder(name: str) -> None:
    with pytest.raises(CamAuditError, match="not the name of an image below"):
        overlay_name(name)


@pytest.mark.parametrize("depth", [3, 20, 40])
def test_overlays_of_deep_folders_have_short_paths_of_their_own(tmp_path: Path, depth: int) -> None:
    folders = ["/".join(["cat", *[f"{index}" * 90 for _ in range(depth)]]) for index in range(3)]
    names = [overlay_name(f"{folder}/{file}") for folder in folders for file in ("a.png", "b.png")]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.startswith("overlays/cat/")
        assert len(name) < 1500
        write_bytes(tmp_path / name, b"")
