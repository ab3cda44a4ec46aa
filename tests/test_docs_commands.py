"""Every `cam-audit` command in README.md and docs is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from cam_audit.cli import cam_audit as program

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(
    {
        match[1].strip()
        for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
        for match in re.finditer(r"^ {4}(?:\$ )?cam-audit ([^#\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
)


def test_there_are_commands_to_check() -> None:
    assert {"scan", "live", "report", "baseline", "compare", "models"} <= {words.split()[0] for words in COMMANDS}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_documented_command_is_taken(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # no file in the current folder may give options
    monkeypatch.chdir(tmp_path)
    command: click.Command = program
    arguments = shlex.split(words)
    while isinstance(command, click.Group):
        assert arguments[0] in command.commands
        command = command.commands[arguments.pop(0)]
    command.make_context(words, arguments)
