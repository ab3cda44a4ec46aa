"""Options from a file: which file, which options, and that the command line wins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run
from tiny_net import colour_net

from cam_audit.cli.scan import scan

OPTIONS = {name[2:]: option for option in scan.params for name in option.opts if name.startswith("--")}


def settings(folder: Path, out: str = "cam-audit-out") -> dict[str, object]:
    """What run.json says of the settings."""
    task = json.loads((folder / out / "run.json").read_text())["settings"]
    return {**task, **task["settings"]}


def test_options_come_from_pyproject(folder: Path) -> None:
    (folder / "pyproject.toml").write_text(
        '[project]\nname = "x"\n'
        '[tool.cam-audit]\nnet = "tiny"\noutput-folder = "out"\ntop = 2\nfollow_links = true\noverlays = "none"\n'
        'output = ["json=all.json", "csv=all.csv"]\n'
    )
    result = run(folder, "scan", "photos")
    found = settings(folder, "out")
    assert (found["top"], found["follow_links"], found["overlays"]) == (2, True, "none")
    assert (folder / "all.json").exists()
    assert (folder / "all.csv").exists()
    assert (
        result.stderr == "note: options from pyproject.toml: net, output-folder, top, follow_links, overlays, output\n"
    )


def test_options_come_from_setup_cfg(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    (folder / "setup.cfg").write_text(
        "[metadata]\nname = 100%\n"
        "[cam-audit]\nnet = tiny\noutput_folder = out\ntop = 2\nfollow-links = yes\n"
        "output =\n    json=all.json\n    csv=all.csv\n"
    )
    result = run(folder, "scan", "photos")
    found = settings(folder, "out")
    assert (found["top"], found["follow_links"]) == (2, True)
    assert (folder / "all.json").exists()
    assert (folder / "all.csv").exists()
    assert "options from setup.cfg" in result.stderr


def test_the_command_line_wins(folder: Path) -> None:
    colour_net().write(folder / "mine.onnx")
    (folder / "pyproject.toml").write_text(
        '[tool.cam-audit]\nnet = "gone"\ntop = 2\nfollow-links = true\noutput = ["json=all.json"]\nmasks = "gone"\n'
        "fresh = true\n"
    )
    (folder / "boxes").mkdir()
    (folder / "boxes" / "classes.txt").write_text("red\n")
    for name in ("red", "green", "blue"):
        (folder / "boxes" / name).mkdir()
        for index in range(2):
            (folder / "boxes" / name / f"{index}.txt").write_text("0 0.5 0.5 0.25 0.25\n")
    run(
        folder,
        *("scan", "photos", "--model", "mine.onnx", "--top", "1", "--no-follow-links", "--output", "csv=all.csv"),
        *("--boxes", "boxes", "--resume"),
    )
    found = settings(folder)
    assert (found["top"], found["follow_links"], found["masks"], found["boxes"]) == (1, False, None, "boxes")
    assert not (folder / "all.json").exists()
    assert (folder / "all.csv").exists()


def test_a_named_file_is_taken_instead_of_those_in_the_folder(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.cam-audit]\ntop = 99\n")
    (folder / "ci").mkdir()
    (folder / "ci" / "audit.ini").write_text("[cam-audit]\nnet = tiny\ntop = 1\n")
    result = run(folder, "scan", "photos", "--config", "ci/audit.ini")
    assert settings(folder)["top"] == 1
    assert "options from ci/audit.ini: net, top" in result.stderr


def test_every_option_of_scan_can_stand_in_a_file(folder: Path) -> None:
    """A value of the wrong type is refused with the option's own name, so no option is unknown."""
    for name in OPTIONS.keys() - {"config"}:
        (folder / "pyproject.toml").write_text(f"[tool.cam-audit]\n{name} = 1.5\n")
        result = run(folder, "scan", "photos", code=2)
        assert f"pyproject.toml, [tool.cam-audit]: {name!r} must be " in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("pyproject.toml", 'fail_onn = "error"', "there is no option 'fail_onn'; did you mean 'fail-on'?"),
        ("pyproject.toml", "zzz = 1", "there is no option 'zzz'; `cam-audit scan --help` lists them"),
        ("pyproject.toml", 'config = "x"', "there is no option 'config'"),
        ("pyproject.toml", 'o = "x"', "there is no option 'o'"),
        ("pyproject.toml", 'top = "3"', "'top' must be a whole number, not '3'"),
        ("pyproject.toml", "top = true", "'top' must be a whole number, not True"),
        ("pyproject.toml", "top = 99", "'top': 99 is not in the range"),
        ("pyproject.toml", "net = 5", "'net' must be a string, not 5"),
        ("pyproject.toml", 'follow-links = "yes"', "'follow-links' must be true or false"),
        ("pyproject.toml", 'output = "json=a"', "'output' must be a list of strings"),
        ("pyproject.toml", 'output = ["jsn=a"]', "'output': 'jsn' is no format; did you mean json?"),
        ("pyproject.toml", 'fail-on = "eror"', "'fail-on': 'eror' is not one of"),
        ("pyproject.toml", 'fail-on = "error"\nfail_on = "never"', "'fail-on' is there twice"),
        ("pyproject.toml", "top = ", "not TOML"),
        ("setup.cfg", "top = three", "'top': 'three' is not a valid integer range"),
        ("setup.cfg", "follow-links = perhaps", "'follow-links': 'perhaps' is not a valid boolean"),
        ("setup.cfg", "tap = 3", "there is no option 'tap'; did you mean 'top'?"),
        ("setup.cfg", "top = 3\ntop = 3", "damaged"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_in_one_line(folder: Path, file: str, text: str, message: str) -> None:
    section = "[tool.cam-audit]" if file.endswith(".toml") else "[cam-audit]"
    (folder / file).write_text(f"{section}\n{text}\n")
    result = run(folder, "scan", "photos", "--net", "tiny", code=2)
    assert message in result.stderr
    assert file in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--config gone.toml", "gone.toml: cannot be read"),
        ("--config photos", "photos: cannot be read"),
        ("--config empty.toml", "empty.toml: there is no section [tool.cam-audit] in it"),
        ("--config empty.cfg", "empty.cfg: there is no section [cam-audit] in it"),
        ("--config table.toml", "table.toml: tool.cam-audit must be a table"),
        ("--config photos/red/0.png", "photos/red/0.png: not a text file in UTF-8"),
    ],
)
def test_a_wrong_file_is_refused(folder: Path, line: str, message: str) -> None:
    (folder / "empty.toml").touch()
    (folder / "empty.cfg").touch()
    (folder / "table.toml").write_text("[tool]\ncam-audit = 1\n")
    result = run(folder, "scan", "photos", *line.split(), code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_two_files_with_a_section_are_refused(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.cam-audit]\nnet = "tiny"\n')
    (folder / "setup.cfg").write_text("[cam-audit]\nnet = tiny\n")
    result = run(folder, "scan", "photos", code=2)
    assert "both pyproject.toml and setup.cfg have a section for cam-audit" in result.stderr


def test_help_tells_of_the_file(folder: Path) -> None:
    assert "[tool.cam-audit]" in " ".join(run(folder, "scan", "--help").stdout.split())
