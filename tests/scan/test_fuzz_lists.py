"""No list that a user gives with the data set ends a command otherwise than well or with one line."""

from __future__ import annotations

import pytest
from fuzz_lists import fuzz_lists


# before annotations were asked whether they are objects, 1 of 400 ended in a traceback
@pytest.mark.parametrize("files", [range(300), pytest.param(range(300, 10_000), marks=pytest.mark.slow)])
def test_mutated_lists_are_read_or_refused_in_a_line(files: range) -> None:
    outcome = fuzz_lists(files)
    assert not outcome.faults
    assert outcome.runs["refused"] > len(files) // 5
    assert outcome.runs["well"] > len(files) // 5
