"""What `load_model` says of a file that it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest

from cam_audit.errors import ModelError
from cam_audit.models.model import load_model


def refusal(path: Path) -> str:
    """The message with which a file is refused: one line that begins with the file and is not long."""
    with pytest.raises(ModelError) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert len(message.replace(str(path), "")) < 500
    return message
