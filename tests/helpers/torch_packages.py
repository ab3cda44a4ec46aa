"""torchvision, where it works with the torch that is installed."""

from __future__ import annotations

import contextlib
import importlib
import sys
from types import ModuleType

import pytest
from commands import ROOT


def torchvision_or_skip() -> ModuleType:
    """The package; the test is skipped where it does not work with this torch."""
    sys.path.insert(0, str(ROOT.parent / "shared" / "models"))
    with contextlib.suppress(ModuleNotFoundError):
        # registers what CPU builds of torch lack; without it torchvision may or may not import
        importlib.import_module("torchvision_cpu")
    del sys.path[0]
    try:
        return importlib.import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision does not work with this torch: {error}")
