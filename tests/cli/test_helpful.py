"""What all commands share: `-q`, `-v`, help, the answer to a misspelt option, and completion."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from commands import environment, run

from cam_audit.cli.process.program import cam_audit as program

SCAN = ("scan", "photos", "--net", "tiny", "--overlays", "none")


def all_commands(group: click.Group = program, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from all_commands(command, (*path, name))
        else:
            yield (*path, name)


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command = program
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found
        command = found
    return command


COMMANDS = list(all_commands())


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_option_means_the_same_in_all_commands(path: tuple[str, ...]) -> None:
    options = {name: each for each in command_of(path).params if isinstance(each, click.Option) for name in each.opts}
    assert options["-q"].name == "quiet"
    assert options["-v"].name == "verbose"
    if "-o" in options:
        # where the command writes what it makes
        assert isinstance(options["-o"].type, click.Path)
        assert options["-o"].opts[1] in ("--output-folder", "--output-file")
    if "--output" in options:
        assert (options["--output"].opts, options["--output"].metavar) == (["--output"], "FORMAT=FILE")


def test_where_there_are_formats_and_places_they_are_told_apart() -> None:
    names = {path: {name for each in command_of(path).params for name in each.opts} for path in COMMANDS}
    assert {path[-1] for path in COMMANDS if "-o" in names[path]} == {"scan", "challenge", "adapt", "quantize"}
    assert {path[-1] for path in COMMANDS if "--output" in names[path]} == {"scan", "report", "compare"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scan photos --quite", "there is no option --quite; did you mean --quiet?"),
        ("scan photos --output-dir out", "there is no option --output-dir; did you mean -o?"),
        ("scan photos -j 4", "there is no option -j; did you mean --workers?"),
        ("scan photos --debug", "there is no option --debug; did you mean --verbose?"),
        ("scan photos --skip CA206", "there is no option --skip; did you mean --ignore?"),
        ("report out -o html=a.html", "there is no option -o; did you mean --output?"),
        ("models adapt a.onnx --output b.onnx", "there is no option --output; did you mean -o?"),
        ("scan photos --zzz", "there is no option --zzz (see"),
        ("-q scan photos", "there is no option -q here; options of a command come after its name"),
        ("scan photos -q -v", "either --quiet or --verbose"),
        ("help skan", "there is no command 'skan'; did you mean scan?"),
        ("help scan photos", "cam-audit scan has no commands, so there is no 'photos'"),
        ("explain CA2003", "there is no code 'CA2003'; did you mean CA203?"),
    ],
)
def test_a_mistake_is_one_line_that_names_what_was_meant(tmp_path: Path, line: str, message: str) -> None:
    result = run(tmp_path, *line.split(), code=2)
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.mark.parametrize("path", [("scan",), ("models",), ("models", "adapt")], ids=" ".join)
def test_help_shows_what_the_option_shows(tmp_path: Path, path: tuple[str, ...]) -> None:
    assert run(tmp_path, "help", *path).stdout == run(tmp_path, *path, "--help").stdout
    assert run(tmp_path, "help").stdout == run(tmp_path, "--help").stdout


def test_the_version_has_a_short_option(tmp_path: Path) -> None:
    assert run(tmp_path, "-V").stdout == run(tmp_path, "--version").stdout


def test_quiet_prints_nothing_but_what_was_asked_for(folder: Path) -> None:
    (folder / "photos" / "red").rename(folder / "photos" / "rouge")
    loud = run(folder, *SCAN)
    assert loud.stdout
    assert loud.stderr.startswith("note: ")
    result = run(folder, *SCAN, "-q", "--output", "csv=-")
    assert result.stdout == (folder / "cam-audit-out" / "results.csv").read_text()
    # or silence would be an all-clear
    assert result.stderr.startswith("cam-audit: cues could not be looked for: ")
    assert result.stderr.count("\n") == 1
    result = run(folder, "scan", "nowhere", "-q", code=2)
    assert result.stderr == "cam-audit: nowhere: no such folder\n"


def test_verbose_prints_each_step_with_its_time(folder: Path) -> None:
    steps = run(folder, *SCAN, "-v").stderr.splitlines()
    times = [float(step.split(" s  ")[0]) for step in steps]
    assert times == sorted(times)
    words = [step.split(" s  ")[1] for step in steps]
    assert words[0].startswith("net tiny from onnx_models/tiny.onnx, 4 classes")
    assert words[1] == "6 images to scan in photos"
    assert words[-1] == "wrote cam-audit-out/report.html"
    assert run(folder, *SCAN).stderr == ""


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("cam-audit sc", {"scan"}),
        ("cam-audit scan --ove", {"--overlays", "--overlay-size", "--overlay-format"}),
        ("cam-audit scan --fail-on ", {"error", "warning", "never"}),
        ("cam-audit models ad", {"adapt"}),
        ("cam-audit explain CA30", {"CA301", "CA302"}),
    ],
)
def test_a_shell_completes_commands_options_and_values(tmp_path: Path, words: str, completed: set[str]) -> None:
    split = words.split(" ")
    variables = {"_CAM_AUDIT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(split) - 1)}
    result = subprocess.run(
        [sys.executable, "-m", "cam_audit"],
        cwd=tmp_path, env={**environment(), **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert {line.split(",")[1] for line in result.stdout.splitlines()} == completed
    assert result.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_the_script_that_completes(tmp_path: Path, shell: str) -> None:
    variables = {**environment(), "_CAM_AUDIT_COMPLETE": f"{shell}_source"}
    script = subprocess.run(
        [sys.executable, "-m", "cam_audit"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=True
    ).stdout
    assert "cam-audit" in script
    assert f"_CAM_AUDIT_COMPLETE={shell}_complete" in script
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=script, text=True, check=True, env=os.environ)
