"""The commands that docs/ci.md gives to CI, run as they stand there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import ROOT, run
from tiny_net import colour_net

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
SECTION = PAGE.split("\n## Jobs to copy\n")[1].split("\n## ")[0]
(OPTIONS,) = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)
FILES = dict(re.findall(r"^`([^`]+)`,[^`]*\n\n```yaml\n(.*?)```", SECTION, re.MULTILINE | re.DOTALL))
SET_UP = re.findall(r"^    cam-audit (.*)$", SECTION, re.MULTILINE)


def commands(node: Any) -> Iterator[str]:
    """What a job's `run:`, `script:` and `entry:` have."""
    if isinstance(node, list):
        for item in node:
            yield from commands(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("run", "script", "before_script", "entry"):
                yield from [value] if isinstance(value, str) else value
            else:
                yield from commands(value)


JOBS = {file: list(commands(yaml.safe_load(text))) for file, text in FILES.items()}


@pytest.fixture
def project(scanned: Path) -> Path:
    """A project that follows the page up to its jobs: a net, photos, options and a baseline."""
    colour_net().write(scanned / "my.cam.onnx")
    for line, code in zip(SET_UP, (1, 0), strict=True):
        run(scanned, *shlex.split(line), code=code)
    (scanned / "pyproject.toml").write_text(OPTIONS)
    return scanned


def test_the_page_has_a_job_for_each() -> None:
    assert list(JOBS) == [".github/workflows/cam-audit.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"]
    for words in JOBS.values():
        assert sum(word.startswith("cam-audit ") for word in words) == 1
        others = [word for word in words if not word.startswith("cam-audit ")]
        assert all(re.fullmatch(r"pip install cam-audit|apt-get .*", word) for word in others)


@pytest.mark.parametrize("file", JOBS)
def test_the_commands_of_a_job_run(project: Path, file: str) -> None:
    (command,) = [word for word in JOBS[file] if word.startswith("cam-audit ")]
    result = run(project, *shlex.split(command)[1:])
    assert "options from pyproject.toml: model, baseline" in result.stderr
    assert "0 new, 3 known, 0 stale" in result.stdout
    for output in re.findall(r"--output \w+=(\S+)", command):
        assert (project / output).stat().st_size > 0


@pytest.mark.parametrize("file", [file for file in JOBS if "pre-commit" not in file])
def test_a_job_uploads_what_its_command_writes(file: str) -> None:
    (command,) = [word for word in JOBS[file] if word.startswith("cam-audit ")]
    written = re.findall(r"--output \w+=(\S+)", command)
    uploads = FILES[file].split(command)[1]
    assert written
    for name in (*written, "cam-audit-out"):
        assert re.search(rf"(: |- ){re.escape(name)}$", uploads, re.MULTILINE)
