"""No file of an output folder, no review and no baseline ends a command otherwise than well or with one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz_results import fuzz
from small_scans import prepare


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos, a net, and the results of a scan in `undisturbed`."""
    return prepare(tmp_path_factory.mktemp("fuzzed"))


# before there were tables of fields, 103 of 7,079 runs ended in a traceback, and 26 in a line of thousands of letters
@pytest.mark.parametrize("files", [range(30), pytest.param(range(30, 2000), marks=pytest.mark.slow)])
def test_mutated_results_end_no_command_otherwise_than_well_or_with_a_line(
    files: range, scanned: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scanned)
    outcome = fuzz(Path("undisturbed"), files)
    assert not outcome.faults
    # most of them change something that counts, and many something that does not
    assert outcome.runs["refused"] > len(files) // 2
    assert outcome.runs["well"] > len(files) // 2
