"""Benchmarks and studies are run by hand: a name that the package no longer has would go unnoticed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

NEED_TORCH = {"net_learner", "torch_peers"}
# of packages that no extra of ours has
NEED_OTHERS = {"nets_of_torch": "timm", "nets_of_keras": "tf2onnx"}
ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(path.stem for folder in ("benchmarks", "study") for path in (ROOT / folder).glob("*.py"))


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in NEED_TORCH])
def test_a_script_finds_all_that_it_imports(name: str) -> None:
    if name in NEED_OTHERS:
        pytest.importorskip(NEED_OTHERS[name])
    importlib.import_module(name)
