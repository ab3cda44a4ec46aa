"""`--output FORMAT=FILE` as a user gives it, rightly and wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run

SCAN = ("scan", "photos", "--net", "tiny")


def test_a_format_goes_to_its_file(folder: Path) -> None:
    result = run(folder, *SCAN, "--output", "json=all.json", "--output", "csv=all.csv")
    assert "6 images" in result.stdout
    document = json.loads((folder / "all.json").read_text())
    assert document["images"][0]["path"] == "blue/0.png"
    assert (folder / "all.csv").read_bytes() == (folder / "cam-audit-out" / "results.csv").read_bytes()


def test_a_dash_leaves_stdout_to_the_format(folder: Path) -> None:
    result = run(folder, *SCAN, "--output", "json=-")
    assert json.loads(result.stdout)["schema_version"] == 1
    assert "6 images" in result.stderr


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["jsn=a.json"], "'jsn' is no format; did you mean json?"),
        (["xyz=a"], "'xyz' is no format; there are csv, json"),
        (["json"], "say where to: json=FILE, or json=- for stdout"),
        (["json=photos"], "--output: photos is a folder; name a file in it"),
        (["json=gone/a.json"], "there is no folder gone; make it with `mkdir -p gone`"),
        (["json=-", "csv=-"], "two formats can't both go to stdout"),
    ],
)
def test_a_wrong_output_is_refused_before_anything_is_scanned(folder: Path, outputs: list[str], message: str) -> None:
    result = run(folder, *SCAN, *(word for output in outputs for word in ("--output", output)), code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
