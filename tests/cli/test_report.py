"""`cam-audit report` and the report that every scan writes, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from canonical import canonical_report
from commands import run
from finished_scan import write_scan

SCAN = ("scan", "photos", "--net", "tiny")


def data_of(file: Path) -> dict:
    """The data that the page's script draws the images from."""
    text = file.read_text(encoding="utf-8")
    return json.loads(text.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def test_a_scan_ends_with_a_report_and_names_it(folder: Path) -> None:
    result = run(folder, *SCAN)
    assert result.stdout.splitlines()[-3].split() == ["report.html", "cam-audit-out/report.html"]
    data = data_of(folder / "cam-audit-out" / "report.html")
    assert [row[0] for row in data["images"]] == [f"{c}/{i}.png" for c in ("blue", "green", "red") for i in (0, 1)]
    images = [dict(zip(data["fields"], row, strict=True)) for row in data["images"]]
    assert all(image["sheet"] is not None for image in images), "every overlay lies beside the report"
    assert data["folder"] == "."


def test_a_scan_without_overlays_says_so_in_its_report(folder: Path) -> None:
    run(folder, *SCAN, "--overlays", "none")
    data = data_of(folder / "cam-audit-out" / "report.html")
    assert data["sheets"] == []


def test_a_damaged_image_does_not_cost_the_report(folder: Path) -> None:
    (folder / "photos" / "red" / "2.png").write_bytes(b"no picture")
    run(folder, *SCAN, code=3)
    data = data_of(folder / "cam-audit-out" / "report.html")
    assert next(row[2] for row in data["images"] if row[0] == "red/2.png")


def test_another_scan_into_the_folder_takes_the_old_report_away_first(folder: Path) -> None:
    run(folder, *SCAN)
    (folder / "cam-audit-out" / "report.html").write_text("old")
    run(folder, *SCAN, "--limit", "2")
    assert len(data_of(folder / "cam-audit-out" / "report.html")["images"]) == 2


def test_the_report_is_made_again_without_the_net_and_the_photos(folder: Path) -> None:
    run(folder, *SCAN)
    report = folder / "cam-audit-out" / "report.html"
    before = report.read_bytes()
    report.unlink()
    (folder / "onnx_models" / "tiny.onnx").unlink()
    (folder / "photos").rename(folder / "elsewhere")
    result = run(folder, "report", "cam-audit-out")
    assert result.stdout == "cam-audit-out/report.html\n"
    assert result.stderr == ""
    assert report.read_bytes() == before


def test_other_formats_are_written_instead_and_see_the_overlays_from_where_they_are(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "pages" / "audit").mkdir(parents=True)
    write_scan(tmp_path / "out", canonical_report())
    result = run(tmp_path, "report", "out", "--output", "html=pages/audit/index.html", "--output", "csv=-")
    assert result.stdout.startswith("path,status")
    assert data_of(tmp_path / "pages" / "audit" / "index.html")["folder"] == "../../out"
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photos"], "photos: not the output folder of a cam-audit scan, there is no run.json in it"),
        (["gone"], "`cam-audit scan DATASET -o gone` makes one"),
        ([], "Missing argument 'OUT'"),
        (["photos", "--output", "htm=a"], "'htm' is no format; did you mean html?"),
    ],
)
def test_what_is_no_output_folder_is_refused(folder: Path, arguments: list[str], message: str) -> None:
    result = run(folder, "report", *arguments, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_folder_that_cannot_be_written_to_is_told(folder: Path) -> None:
    run(folder, *SCAN)
    report = folder / "cam-audit-out" / "report.html"
    report.unlink()
    report.mkdir()
    assert "cannot write cam-audit-out/report.html" in run(folder, "report", "cam-audit-out", code=2).stderr
