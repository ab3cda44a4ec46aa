"""What a scan wrote is read back from its output folder, and what is not such a folder is refused."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from cam_audit.errors import CamAuditError
from cam_audit.reports import FORMATS
from cam_audit.reports.folder import read_results
from cam_audit.reports.pictures import with_pictures

FILES = {
    "run.json": json.dumps({"tool": "cam-audit", "finished": True, "images": 1}),
    "findings.json": json.dumps({"schema_version": 1, "findings": [], "confused": [], "notes": ["a note"]}),
    "results.csv": (
        "path,status,error,width,height,label,top1_class,top1_score,top2_class,top2_score,top3_class,top3_score,"
        "label_score,cam_class,cam_peak_x,cam_peak_y,cam_border_share,cam_area,inside_share,inside_area,flags,overlay\n"
        "'=a.jpg,ok,,640,480,cat,cat,0.750000,dog,0.250000,,,0.750000,cat,0.5,0.5,0.25,0.1,,,CA102,overlays/=a.jpg.png\n"
        "b.jpg,error,the file is empty,,,cat,,,,,,,,,,,,,,,,\n"
    ),
}


def write(folder: Path, **changed: str | None) -> Path:
    for name, text in (FILES | {key.replace("_", "."): value for key, value in changed.items()}).items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_all_files_come_back_as_one_report(tmp_path: Path) -> None:
    report = read_results(write(tmp_path))
    assert report.run["images"] == 1
    assert report.notes == ("a note",)
    first, second = report.images
    assert (first.path, first.top, first.flags) == ("=a.jpg", (("cat", 0.75), ("dog", 0.25)), ("CA102",))
    assert (second.error, second.width) == ("the file is empty", None)
    assert report.folder == str(tmp_path)


def test_the_images_may_be_gone_through_again_and_are_read_each_time(tmp_path: Path) -> None:
    images = read_results(write(tmp_path)).images
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
        folder = write(tmp_path, results_csv=table)
        tracemalloc.start()
        for _ in FORMATS[format](with_pictures(read_results(folder))):
            pass
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
        ({"run_json": "[1]"}, "not the output folder of a cam-audit scan"),
        ({"run_json": "{"}, "run.json: damaged"),
        ({"run_json": '{"tool": "cam-audit", "finished": false}'}, "did not end"),
        ({"findings_json": None}, "there is no findings.json"),
        ({"findings_json": '{"schema_version": 7, "findings": []}'}, "findings.json: damaged: schema_version is 7"),
        ({"results_csv": None}, "there is no results.csv"),
        ({"results_csv": "a,b\n"}, "results.csv: damaged"),
        ({"results_csv": FILES["results.csv"] + "c.jpg,ok\n"}, "results.csv: damaged: line 4 has 2 cells, not 22"),
        ({"results_csv": FILES["results.csv"].replace("640", "wide")}, "results.csv: damaged: invalid literal"),
    ],
)
def test_what_is_no_finished_output_folder_is_refused(
    tmp_path: Path, changed: dict[str, str | None], message: str
) -> None:
    with pytest.raises(CamAuditError) as caught:
        read_results(write(tmp_path, **changed))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CamAuditError, match="not the output folder"):
        read_results(tmp_path / "gone")
