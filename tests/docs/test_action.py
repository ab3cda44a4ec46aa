"""The files for others' pipelines: valid by their published schemas, and what they run does what they say.

Neither runners nor containers are at hand here: the steps of the action are run by a shell, and the Dockerfile is read.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import ROOT, environment
from data_sets import net

from cam_audit.cli.process.program import cam_audit as program

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
(HOOK,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", "action.yml"),
        *(("vendor.github-workflows", str(file.relative_to(ROOT))) for file in WORKFLOWS),
    ],
)
def test_a_file_is_valid_by_the_published_schema(schema: str, file: str) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema, which has the schemas, is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, file]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def step(name: str) -> dict[str, Any]:
    (found,) = (each for each in ACTION["runs"]["steps"] if each.get("name") == name)
    return dict(found)


def run_step(folder: Path, name: str, **inputs: str) -> tuple[int, dict[str, str], str]:
    """Run a step of the action as a runner does; its exit code, its outputs, and what it printed."""
    given = {key: str(value.get("default", "")) for key, value in ACTION["inputs"].items()} | inputs
    variables = {
        key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match[1]], value)
        for key, value in step(name).get("env", {}).items()
    }
    # the command as a program on the path
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "cam-audit").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cam_audit "$@"\n')
    (tools / "cam-audit").chmod(0o755)
    outputs = folder / "outputs"
    outputs.write_text("")
    result = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step(name)["run"]],
        cwd=folder,
        env={
            **environment(),
            **variables,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(outputs),
            "XDG_CACHE_HOME": str(folder),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, dict(line.split("=", 1) for line in outputs.read_text().splitlines()), result.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_the_action_scans_and_tells_its_exit_code(scanned: Path) -> None:
    inputs = {"dataset": "photos", "net": "tiny", "arguments": "--overlays=none\n\n--top=2\n"}
    code, outputs, printed = run_step(scanned, "Scan", **inputs)
    assert (code, outputs) == (1, {"exit-code": "1"})
    assert "::error" in printed
    assert json.loads((scanned / "cam-audit.sarif").read_text())["version"] == "2.1.0"
    settings = json.loads((scanned / "cam-audit-out" / "run.json").read_text())["settings"]
    assert (settings["overlays"], settings["settings"]["top"]) == ("none", 2)
    code, outputs, _ = run_step(scanned, "Scan", **inputs, **{"fail-on": "never"})
    assert (code, outputs) == (0, {"exit-code": "0"})


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_the_action_takes_a_model_a_baseline_and_odd_names(scanned: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "cam_audit", "baseline", "cam-audit-out", "-b", "a b.json"],
        cwd=scanned, env=environment(), check=True, capture_output=True,
    )  # fmt: skip
    (scanned / "onnx_models" / "tiny.onnx").rename(scanned / "my net.onnx")
    (scanned / "photos").rename(scanned / "$(touch stolen)")
    names = {"dataset": "$(touch stolen)", "model": "my net.onnx", "output-folder": "-out", "sarif": "a.sarif"}
    code, outputs, _ = run_step(scanned, "Scan", **names, baseline="a b.json", arguments="--exclude=* *")
    assert (code, outputs) == (0, {"exit-code": "0"})
    assert (scanned / "-out" / "report.html").is_file()
    assert not (scanned / "stolen").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
def test_a_scan_that_cannot_be_done_sends_nothing(scanned: Path) -> None:
    assert run_step(scanned, "Scan", dataset="gone", net="tiny")[:2] == (2, {"exit-code": "2"})
    assert "outputs.exit-code != '2'" in step("Send the findings to code scanning")["if"]


def test_the_action_installs_itself_and_sends_what_it_wrote() -> None:
    assert '"$GITHUB_ACTION_PATH[imagenet]"' in step("Install cam-audit")["run"]
    assert step("Send the findings to code scanning")["with"]["sarif_file"] == "${{ inputs.sarif }}"
    assert step("Keep the output folder")["with"]["path"] == "${{ inputs.output-folder }}"
    used = set(re.findall(r"inputs\.([\w-]+)", json.dumps(ACTION["runs"])))
    assert used == set(ACTION["inputs"])


def test_the_hook_is_a_command() -> None:
    _, name, *options = shlex.split(HOOK["entry"])
    command = program.get_command(None, name)  # type: ignore[arg-type]
    assert command
    command.make_context(name, [*options, "photos"])
    assert {key: HOOK[key] for key in ("id", "language", "pass_filenames")} == {
        "id": "cam-audit",
        "language": "python",
        "pass_filenames": False,
    }


def instructions() -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def test_the_image_is_slim_and_scans_as_a_user_without_rights() -> None:
    lines = instructions()
    assert {name for name, _ in lines} <= {"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "CMD"}
    assert all(words.startswith("python:3.12-slim") for name, words in lines if name == "FROM")
    last = [name for name, _ in lines]
    # nothing is installed by the user, and nothing runs as root
    assert last.index("USER") > max(number for number, name in enumerate(last) if name in ("RUN", "COPY"))
    assert dict(lines)["USER"] == "1000"
    # SECURITY.md begins its command with `timeout`, so no entry point may come before it
    assert "ENTRYPOINT" not in dict(lines)
    assert json.loads(dict(lines)["CMD"]) == ["cam-audit", "--help"]


def test_the_image_gets_all_that_the_wheel_is_made_of() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert all((ROOT / name).exists() for name in kept)
    assert {"cam_audit", "setup.cfg", "setup.py", "pyproject.toml", "docs/findings.md", "README.md", "LICENSE"} <= kept


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell")
def test_the_shell_of_the_image_is_well_formed() -> None:
    for name, words in instructions():
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", words], check=True)


def test_the_net_of_the_image_is_made_where_scans_look_for_it(tmp_path: Path) -> None:
    (made,) = re.findall(r'python -c "(.*?)"', DOCKERFILE)
    net(red=100, ant=0).write(tmp_path / "efficientnet-lite0.onnx")
    variables = {**environment(), "CAM_AUDIT_MODELS": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-c", made], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(result.stdout.strip()) == tmp_path / "efficientnet-lite0.onnx"
