"""Each promise of SECURITY.md names the tests that try it, and they are there."""

from __future__ import annotations

import re

import pytest
from commands import ROOT

PROMISES = (ROOT / "SECURITY.md").read_text(encoding="utf-8").split("## What is ")[2].partition("\n- ")[2].split("\n- ")


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.partition("**")[2].partition(".**")[0])
def test_a_promise_names_tests_that_there_are(promise: str) -> None:
    _, tests = promise.split("\n  Tests: ")
    named = re.findall(r"`(tests/[^`]+)`", tests)
    assert named
    assert [name for name in named if not (ROOT / name).is_file()] == []
