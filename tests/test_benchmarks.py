"""Benchmarks are run by hand, so that a name which the package no longer has would go unnoticed."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

NEED_TORCH = {"net_learner", "torch_peers"}
BENCHMARKS = sorted(path.stem for path in (Path(__file__).parents[1] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("name", [name for name in BENCHMARKS if name not in NEED_TORCH])
def test_a_benchmark_finds_all_that_it_imports(name: str) -> None:
    importlib.import_module(name)
