"""The output folder of a scan: nobody else's files are touched, and what is no finished scan's is not read back."""

from __future__ import annotations

import gc
import json
import os
import tracemalloc
from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.files import write_bytes
from cam_audit.folders import replace_in, replacing_in
from cam_audit.reports.formats import FORMATS
from cam_audit.reports.output_folder import (
    PNG,
    is_finished,
    list_pictures,
    overlay_name,
    prepare_output,
    read_results,
    remove_others,
)
from cam_audit.reports.pictures import with_pictures

FILES = {
    "run.json": json.dumps(
        {"tool": "cam-audit", "finished": True, "images": 1, "model": {"net": "tiny", "sha256": "ab" * 32}}
    ),
    "findings.json": json.dumps({"schema_version": 1, "findings": [], "confused": [], "notes": ["a note"]}),
    "results.csv": (
        "path,status,error,width,height,label,top1_class,top1_score,top2_class,top2_score,top3_class,top3_score,"
        "label_score,cam_class,cam_peak_x,cam_peak_y,cam_border_share,cam_area,inside_share,inside_area,flags,overlay\n"
        "'=a.jpg,ok,,640,480,cat,cat,0.750000,dog,0.250000,,,0.750000,cat,0.5,0.5,0.25,0.1,,,CA102,overlays/=a.jpg.png\n"
        "b.jpg,error,the file is empty,,,cat,,,,,,,,,,,,,,,,\n"
    ),
}

OURS = json.dumps({"tool": "cam-audit"})


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_overlays_of_an_earlier_scan_are_removed_and_other_files_kept(tmp_path: Path) -> None:
    for name in ("overlays/cat/old.jpg.png", "overlays/cut.jpg.png.part", "maps/a.png"):
        write_bytes(tmp_path / name, b"old")
    list_pictures(tmp_path, ["overlays/cat/old.jpg.png", "overlays/cut.jpg.png", "maps/a.png"])
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "run.json").write_text(OURS)
    prepare_output(tmp_path)
    assert files(tmp_path) == [".gitignore", "notes.txt", "run.json"]
    assert (tmp_path / ".gitignore").read_text() == "*\n"
    assert (tmp_path / "overlays").is_dir()


@pytest.mark.parametrize(
    ("mine", "run_file"),
    [
        *(("overlays/a.png", run_file) for run_file in ("{", "[]", "{}", '"cam-audit"')),
        *(("results.csv", run_file) for run_file in ('{"tool": "another"}', b"\xff\xfe\x00", None)),
        *(
            (name, None)
            for name in ("maps/a.png", "counterfactuals/a.jpg", "journal/a", "findings.json", "report.html")
        ),
    ],
)
def test_a_folder_that_is_not_ours_is_refused_where_it_holds_anything(
    tmp_path: Path, mine: str, run_file: str | bytes | None
) -> None:
    write_bytes(tmp_path / mine, b"mine")
    if run_file is not None:
        (tmp_path / "run.json").write_bytes(run_file if isinstance(run_file, bytes) else run_file.encode())
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    with pytest.raises(
        CamAuditError, match=f"{tmp_path}: holds .*{mine.partition('/')[0]}.*, which no scan wrote; move"
    ):
        prepare_output(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


@pytest.mark.parametrize("mine", ["overlays/a.png", "maps/deep/a.png", "counterfactuals/notes.txt", "parts/a.jpg"])
def test_in_a_folder_of_ours_nothing_is_removed_where_somebody_put_a_picture(tmp_path: Path, mine: str) -> None:
    for name in (mine, "overlays/ours.png"):
        write_bytes(tmp_path / name, b"mine")
    list_pictures(tmp_path, ["overlays/ours.png"])
    (tmp_path / "run.json").write_text(OURS)
    before = files(tmp_path)
    with pytest.raises(
        CamAuditError, match=f"holds {mine}, which no scan wrote; move that away, or name another folder"
    ):
        prepare_output(tmp_path)
    assert files(tmp_path) == before
    (tmp_path / mine).rename(tmp_path / "kept")
    prepare_output(tmp_path)
    assert files(tmp_path) == [".gitignore", "kept", "run.json"]


def test_a_list_of_a_stranger_does_not_lead_outside(tmp_path: Path) -> None:
    mine, out = tmp_path / "mine.png", tmp_path / "out"
    for file in (mine, out / "overlays" / "a.png"):
        write_bytes(file, b"mine")
    (out / "run.json").write_text(OURS)
    lines = [*map(json.dumps, ("overlays/../../mine.png", str(mine), "overlays/a.png", "../mine.png", 7)), '"cut']
    (out / ".written").write_text("\n".join(lines))
    prepare_output(out)
    assert files(tmp_path) == ["mine.png", "out/.gitignore", "out/run.json"]


def test_hidden_files_and_a_gitignore_of_ones_own_stay(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine")
    (tmp_path / ".DS_Store").write_text("")
    prepare_output(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "mine"


def test_results_that_are_being_removed_do_not_pass_for_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bytes(tmp_path / "overlays" / "old.png", b"old")
    (tmp_path / "run.json").write_text(json.dumps({"tool": "cam-audit", "finished": True}))

    def cut_off(_: Path, name: str) -> None:
        if name == "overlays/old.png":
            raise KeyboardInterrupt

    list_pictures(tmp_path, ["overlays/old.png"])
    monkeypatch.setattr("cam_audit.reports.written.remove_in", cut_off)
    assert is_finished(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        prepare_output(tmp_path)
    assert not is_finished(tmp_path)


def test_what_does_not_belong_is_removed_and_the_rest_kept(tmp_path: Path) -> None:
    for name in ("overlays/cat/a.png", "overlays/cat/b.png", "overlays/cat/b.png.part", "maps/a.png"):
        write_bytes(tmp_path / name, b"")
    list_pictures(tmp_path, ["overlays/cat/a.png", "overlays/cat/b.png", "maps/a.png"])
    (tmp_path / "overlays" / "mine.png").touch()
    remove_others(tmp_path, "overlays", {"overlays/cat/a.png"})
    assert files(tmp_path) == [".written", "maps/a.png", "overlays/cat/a.png", "overlays/mine.png"]
    remove_others(tmp_path, "maps", {"maps/b.png"})
    remove_others(tmp_path, "gone", ())
    assert files(tmp_path) == [".written", "overlays/cat/a.png", "overlays/mine.png"]


def test_overlays_behind_a_link_are_not_deleted(tmp_path: Path) -> None:
    write_bytes(tmp_path / "elsewhere" / "mine.png", b"mine")
    out = tmp_path / "out"
    out.mkdir()
    (out / "overlays").symlink_to(tmp_path / "elsewhere")
    (out / "run.json").write_text(OURS)
    with pytest.raises(CamAuditError, match=r"cannot write to the output folder .*: .*symbolic link"):
        prepare_output(out)
    assert files(tmp_path / "elsewhere") == ["mine.png"]


def test_the_output_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    prepare_output(tmp_path / "a" / "b")
    assert files(tmp_path) == ["a/b/.gitignore", "a/b/run.json"]
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


def test_an_overlay_lies_as_its_image_does_with_the_extension_kept() -> None:
    assert overlay_name("a.jpg", PNG) == "overlays/a.jpg.png"
    assert overlay_name("cats/a.png", PNG) == "overlays/cats/a.png.png"
    assert overlay_name("a b/Ж\n.tar.jpg", PNG) == "overlays/a b/Ж\n.tar.jpg.png"


@pytest.mark.parametrize("letter", ["x", "Ж", "\udcff"])
def test_the_overlay_of_a_name_as_long_as_file_systems_take_can_be_written(tmp_path: Path, letter: str) -> None:
    size = len(os.fsencode(letter))
    names = {f"f/{letter * ((250 - len(end)) // size)}{end}" for end in (".jpg", ".jpeg", "1.jpg", "2.jpg")}
    overlays = {overlay_name(name, PNG) for name in names}
    assert len(overlays) == len(names)
    for overlay in overlays:
        write_bytes(tmp_path / overlay, b"png")
        assert overlay.startswith("overlays/f/")
        assert overlay.endswith(".png")
    assert len(files(tmp_path)) == len(names)


def test_a_name_is_cut_only_where_it_must_be() -> None:
    assert overlay_name("x" * 226 + ".jpg", PNG) == f"overlays/{'x' * 226}.jpg.png"


@pytest.mark.parametrize(
    "link",
    [
        *("overlays", "overlays/cat", "overlays/cat/deep", "maps", "counterfactuals", "counterfactuals/CA201-0"),
        *("journal", "journal/observations"),
    ],
)
def test_a_link_in_the_output_folder_is_refused_before_anything_is_written_through_it(
    tmp_path: Path, link: str
) -> None:
    """As a stranger's data set may hold, if one scans into it."""
    elsewhere, out = tmp_path / "elsewhere", tmp_path / "out"
    elsewhere.mkdir()
    (out / link).parent.mkdir(parents=True)
    (out / "run.json").write_text(OURS)
    (out / link).symlink_to(elsewhere)
    with pytest.raises(CamAuditError, match=f"output folder {out}: {out / link} is a symbolic link"):
        prepare_output(out, keep=True)
    assert files(elsewhere) == []


def test_links_at_the_places_of_our_files_are_replaced_not_followed(tmp_path: Path) -> None:
    mine, out = tmp_path / "mine", tmp_path / "out"
    mine.write_text(OURS)
    out.mkdir()
    (out / "run.json").write_text(OURS)
    for name in ("run.json.part", "a.png", "a.png.part", "results.csv", "results.csv.part"):
        (out / name).symlink_to(mine)
    prepare_output(out)
    replace_in(out, "a.png", b"ours")
    with replacing_in(out, "results.csv") as file:
        file.write("ours")
    assert mine.read_text() == OURS
    assert sorted(path.name for path in out.iterdir() if path.is_symlink()) == []
    assert files(out) == [".gitignore", "a.png", "results.csv", "run.json"]


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "a//b.png", "./a.png", "..", ""])
def test_an_overlay_is_never_outside_the_output_folder(name: str) -> None:
    with pytest.raises(CamAuditError, match="not the name of an image below"):
        overlay_name(name, PNG)


@pytest.mark.parametrize("depth", [3, 20, 40])
def test_overlays_of_deep_folders_have_short_paths_of_their_own(tmp_path: Path, depth: int) -> None:
    folders = ["/".join(["cat", *[f"{index}" * 90 for _ in range(depth)]]) for index in range(3)]
    names = [overlay_name(f"{folder}/{file}", PNG) for folder in folders for file in ("a.png", "b.png")]
    assert len(set(names)) == len(names)
    for name in names:
        assert name.startswith("overlays/cat/")
        assert len(name) < 1500
        write_bytes(tmp_path / name, b"")


def written(folder: Path, **changed: str | None) -> Path:
    for name, text in (FILES | {key.replace("_", "."): value for key, value in changed.items()}).items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_all_files_come_back_as_one_report(tmp_path: Path) -> None:
    report = read_results(written(tmp_path))
    assert report.run["images"] == 1
    assert report.notes == ("a note",)
    first, second = report.images
    assert (first.path, first.top, first.flags) == ("=a.jpg", (("cat", 0.75), ("dog", 0.25)), ("CA102",))
    assert (second.error, second.width) == ("the file is empty", None)
    assert report.folder == str(tmp_path)


def test_the_images_may_be_gone_through_again_and_are_read_each_time(tmp_path: Path) -> None:
    images = read_results(written(tmp_path)).images
    assert len(images) == 2
    assert list(images) == list(images)
    (tmp_path / "results.csv").unlink()
    with pytest.raises(CamAuditError, match=r"there is no results\.csv in it"):
        list(images)


@pytest.mark.parametrize("format", FORMATS)
def test_the_memory_for_a_format_hardly_grows_with_the_images(tmp_path: Path, format: str) -> None:
    header, first, _ = FILES["results.csv"].splitlines(keepends=True)
    # flags are listed one by one, up to a limit
    plain = first.replace("CA102", "")

    def peak(rows: int) -> int:
        table = header + "".join(plain.replace("=a.jpg", f"cat/{row:07}.jpg") for row in range(rows))
        folder = written(tmp_path, results_csv=table)
        tracemalloc.start()
        for number, _ in enumerate(FORMATS[format](with_pictures(read_results(folder)))):
            # garbage in circles waits for the collector, the longer the more memory the tests before took
            if number % 100 == 0:
                gc.collect(1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    # what is imported, compiled and kept by Python for the next tuples counts for neither
    peak(1600)
    # a row alone, as an object, has five times as much
    assert peak(1600) - peak(400) < 1200 * 150


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"run_json": None}, "not the output folder of a cam-audit scan, there is no run.json in it"),
        ({"run_json": "{}"}, "not the output folder of a cam-audit scan"),
        ({"run_json": "[1]"}, "run.json: damaged: must be an object, not list [1]"),
        ({"run_json": "{"}, "run.json: damaged"),
        ({"run_json": '{"tool": "cam-audit", "finished": false}'}, "did not end"),
        ({"findings_json": None}, "there is no findings.json"),
        ({"findings_json": '{"schema_version": 7, "findings": []}'}, "findings.json: damaged: schema_version: is 7"),
        ({"results_csv": None}, "there is no results.csv"),
        ({"results_csv": "a,b\n"}, "results.csv: damaged"),
        ({"results_csv": FILES["results.csv"] + "c.jpg,ok\n"}, "results.csv: damaged: line 4 has 2 cells, not 22"),
        (
            {"results_csv": FILES["results.csv"].replace("640", "wide")},
            "results.csv: damaged: line 2: width: must be a whole number of pixels",
        ),
    ],
)
def test_what_is_no_finished_output_folder_is_refused(
    tmp_path: Path, changed: dict[str, str | None], message: str
) -> None:
    with pytest.raises(CamAuditError) as caught:
        read_results(written(tmp_path, **changed))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match="not the output folder"):
        read_results(tmp_path / "gone")
