"""Run a command in the tests' own process, where they can put something in the place of its parts."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from cam_audit import cli

Command = Callable[..., tuple[str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `cam-audit`; gives stdout and stderr, once the exit code is as expected.

    `typed` is what somebody types on the terminal, None where there is none.
    """

    def call(*arguments: str, code: int = 0, typed: str | None = None) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["cam-audit", *arguments])
        # which would end the tests too, and take what they print away from pytest
        monkeypatch.setattr("cam_audit.cli.end", sys.exit)
        monkeypatch.setattr("cam_audit.cli.open_streams", lambda: None)
        for asking in ("net", "presets"):
            monkeypatch.setattr(f"cam_audit.cli.{asking}.can_ask", lambda: typed is not None)
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed or ""))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        output = capsys.readouterr()
        assert (ended.value.code or 0) == code, output.err
        return output

    return call
