"""A scan that asks for Ray where Ray is not installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_scans import scan

from cam_audit.errors import CamAuditError
from cam_audit.scan.options import Options


def test_without_ray_one_line_says_what_to_install(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(drawn)
    # Python takes this for a module that is not there
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CamAuditError) as error:
        scan(out=tmp_path / "out", ray="local")
    assert str(error.value) == "--ray needs Ray, which is not installed: pip install 'cam-audit[ray]'"
    assert not (tmp_path / "out").exists()


def test_an_address_is_a_word() -> None:
    with pytest.raises(CamAuditError, match="ray can't be ''"):
        Options(Path("photos"), ray="")
