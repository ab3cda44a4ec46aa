"""`--output FORMAT=FILE` as a user gives it, rightly and wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run

from cam_audit.reports.formats import FORMATS

SCAN = ("scan", "photos", "--net", "tiny")


def test_a_format_goes_to_its_file(folder: Path) -> None:
    result = run(folder, *SCAN, "--output", "json=all.json", "--output", "csv=all.csv")
    assert "6 images" in result.stdout
    document = json.loads((folder / "all.json").read_text())
    assert document["images"][0]["path"] == "blue/0.png"
    assert (folder / "all.csv").read_bytes() == (folder / "cam-audit-out" / "results.csv").read_bytes()


def test_all_formats_go_to_their_files_in_the_output_folder_that_the_scan_makes(folder: Path) -> None:
    run(folder, *SCAN, *(word for name in FORMATS for word in ("--output", f"{name}=cam-audit-out/report.{name}")))
    out = folder / "cam-audit-out"
    assert json.loads((out / "report.sarif").read_text())["version"] == "2.1.0"
    assert all((out / f"report.{name}").stat().st_size for name in FORMATS)


def test_what_fails_is_known_to_the_formats(folder: Path) -> None:
    run(folder, *SCAN, "--fail-on", "warning")
    assert json.loads((folder / "cam-audit-out" / "run.json").read_text())["settings"]["fail_on"] == "warning"


def test_the_summary_of_a_github_step_is_added_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "step.md"
    place.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    run(folder, *SCAN, "--output", "markdown=a.md")
    assert place.read_text() == "# before\n"
    result = run(folder, *SCAN, "--output", "github=-", "--output", "markdown=a.md")
    assert result.stdout.startswith("::notice title=cam-audit::")
    assert place.read_text() == f"# before\n{(folder / 'a.md').read_text()}\n"


def test_a_step_summary_that_cannot_be_written_is_an_error_for_people(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "gone" / "step.md"))
    result = run(folder, *SCAN, "--output", "github=a.txt", code=2)
    assert f"GITHUB_STEP_SUMMARY: cannot write {folder / 'gone' / 'step.md'}: No such file" in result.stderr
    assert (folder / "a.txt").is_file()


def test_a_dash_leaves_stdout_to_the_format(folder: Path) -> None:
    result = run(folder, *SCAN, "--output", "json=-")
    assert json.loads(result.stdout)["schema_version"] == 1
    assert "6 images" in result.stderr


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (["jsn=a.json"], "'jsn' is no format; did you mean json?"),
        (["xyz=a"], f"'xyz' is no format; there are {', '.join(FORMATS)}"),
        (["json"], "say where to: json=FILE, or json=- for stdout"),
        (["json=photos"], "--output: photos is a folder; name a file in it"),
        (["json=gone/a.json"], "there is no folder gone; make it with `mkdir -p gone`"),
        (["json=-", "csv=-"], "two formats can't both go to stdout"),
        (["json=a", "csv=./a"], "two formats can't both go to a"),
        (["json=a", "csv=photos/../a"], "two formats can't both go to a"),
        *(
            ([f"json=cam-audit-out/{name}"], f"cam-audit-out/{name} is a file of the scan's own; name another")
            for name in (
                *("results.csv", "run.json", "findings.json", "report.html", "labels.csv", "RUN.json", ".lock"),
                *(".written", "run.json.part", "overlays", "journal/images.jsonl", "Parts/a.json"),
            )
        ),
        (["csv=A", "json=a"], "two formats can't both go to A"),
        (["json=/dev/null"], "/dev/null is a pipe or a device; name a file"),
        (["json=photos/red/0.png/a"], "--output: cannot write photos/red/0.png/a: Not a directory"),
        ([f"json={'n' * 300}"], "File name too long"),
    ],
)
def test_a_wrong_output_is_refused_before_anything_is_scanned(folder: Path, outputs: list[str], message: str) -> None:
    result = run(folder, *SCAN, *(word for output in outputs for word in ("--output", output)), code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_a_file_called_like_the_beginning_of_another_is_written_too(folder: Path) -> None:
    (folder / "b.part").write_text("mine")
    run(folder, *SCAN, "--output", "json=a.part", "--output", "csv=a", "--output", "json=b")
    assert json.loads((folder / "a.part").read_text())["schema_version"] == 1
    assert (folder / "a").read_text().startswith("path,")
    assert (folder / "b.part").read_text() == "mine"


@pytest.mark.parametrize("command", [["report", "cam-audit-out"], ["compare", "cam-audit-out", "cam-audit-out"]])
def test_no_command_overwrites_the_files_of_a_scan(folder: Path, command: list[str]) -> None:
    run(folder, *SCAN)
    (folder / "link").symlink_to("cam-audit-out")
    before = {path: path.read_bytes() for path in (folder / "cam-audit-out").rglob("*") if path.is_file()}
    for name in ("run.json", "findings.json", "results.csv", ".lock", "overlays", "overlays/red/0.png.png"):
        for out in ("cam-audit-out", "link", "photos/../link"):
            result = run(folder, *command, "--output", f"json={out}/{name}", code=2)
            assert f"--output: {out}/{name} is a f" in result.stderr
    for name in ("findings.json", "labels.csv", "journal/a.json"):
        result = run(folder, "baseline", "cam-audit-out", "-b", f"link/{name}", code=2)
        assert result.stderr.startswith(f"cam-audit: link/{name}: ")
    assert {path: path.read_bytes() for path in (folder / "cam-audit-out").rglob("*") if path.is_file()} == before
