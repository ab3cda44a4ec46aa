"""What the docs show of the library runs: the examples of public docstrings, the script, the notebook."""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import ROOT, environment

import cam_audit
from cam_audit.demo import write_dataset

# What other programs may import (docs/design.md): each has an example.
PUBLIC = {
    "cam_audit.scan.audit": ("audit",),
    "cam_audit.scan.audit_report": ("AuditReport", "AuditReport.to_pandas", "AuditReport.save"),
    "cam_audit.scan.observer": ("Observer",),
    "cam_audit.scan.chunk": ("scan",),
    "cam_audit.models.model": ("load_model", "Model.run"),
    "cam_audit.cam": ("class_activation_map",),
    "cam_audit.overlay": ("cam_overlay",),
}


@pytest.fixture(scope="session")
def _drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    write_dataset(folder / "photos", shuffled=False, images_per_class=24)
    for name in ("dog", "mug"):
        shutil.rmtree(folder / "photos" / name)
    shutil.copy(ROOT / "cam_audit" / "demo" / "demo-biased.onnx", folder)
    return folder


@pytest.fixture
def folder(_drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: photos of birds, cats on red and jugs, and the net that learnt the red."""
    work = Path(shutil.copytree(_drawn, tmp_path / "work"))
    monkeypatch.chdir(work)
    # what is found with a foreground net depends on whether there is one
    monkeypatch.setattr("cam_audit.scan.foreground_net.foreground_net", lambda name, model: None)
    return work


def _examples() -> Iterator[doctest.DocTest]:
    """Every docstring of the package that shows an example."""
    package = Path(cam_audit.__file__).parent
    for file in sorted(package.rglob("*.py")):
        if ">>>" in file.read_text(encoding="utf-8"):
            name = ".".join((package.name, *file.relative_to(package).with_suffix("").parts))
            found = doctest.DocTestFinder().find(importlib.import_module(name), name)
            yield from (example for example in found if example.examples)


EXAMPLES = {example.name: example for example in _examples()}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_it_says(folder: Path, name: str) -> None:
    pytest.importorskip("pandas")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert runner.run(EXAMPLES[name], clear_globs=False).failed == 0


def test_every_public_name_has_an_example() -> None:
    shown = {name for names in PUBLIC.values() for name in names}
    assert {f"{module}.{name}" for module, names in PUBLIC.items() for name in names} <= EXAMPLES.keys()
    for name in dir(cam_audit):
        if callable(getattr(cam_audit, name)) and not isinstance(getattr(cam_audit, name), type):
            assert name in shown


def test_the_package_lists_its_public_names() -> None:
    assert dir(cam_audit) == sorted(cam_audit.__all__)
    assert all(hasattr(cam_audit, name) for name in dir(cam_audit))


def test_the_script_audits_and_ends_as_it_says(folder: Path) -> None:
    command = [sys.executable, str(ROOT / "docs" / "audit.py"), "photos", "demo-biased.onnx"]
    ran = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 1, ran.stderr
    assert ran.stdout.startswith("error: 'cat' may be recognised by its ")
    assert (folder / "audit-out" / "report.html").is_file()


@pytest.mark.slow
def test_the_notebook_runs_and_shows_the_report(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "examples" / "audit.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "stored outputs would go stale"
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    (page,) = [data["text/html"] for data in shown if "data:image/jpeg" in data.get("text/html", "")]
    # birds are a third or a fourth one, by whether there is a foreground net
    assert re.search("Suspicious: in [34] of 5 classes", page)
    assert page.count("<img") >= 6
    assert (folder / "audit-out" / "report.html").is_file()
