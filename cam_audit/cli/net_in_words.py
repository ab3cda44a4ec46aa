"""Words about a net that several commands print, and the file that one writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from cam_audit.cli.terminal import terminal_width
from cam_audit.text import printable

if TYPE_CHECKING:
    from cam_audit.models.adapt import Preprocessing

# Of a long list, how many names are shown.
SHOWN = 8

DYNAMIC = ", other sizes too"
FIXED = " only; a scan squeezes every image to it"
PER_IMAGE = "; exact for each image, as what follows the pooling is not linear"

File = click.Path(path_type=Path)


def show(fields: Mapping[str, str]) -> None:
    """Print names and texts, a pair a line, in two columns."""
    width = max(map(len, fields))
    for name, text in fields.items():
        line = printable(f"{name:{width}}  {text}")
        columns = terminal_width() or len(line)
        indent = " " * (width + 2)
        click.echo("\n".join(wrap(line, columns, subsequent_indent=indent, break_long_words=False)))


def target_of(file: Path, output: Path | None, ending: str) -> Path:
    """The file to write: `output`, or FILE's name with another ending beside it.

    Raises click.BadParameter where that is FILE itself.
    """
    target = output or file.with_name(file.name.removesuffix(".onnx") + ending)
    if target.resolve() == file.resolve():
        raise click.BadParameter(f"it would overwrite {file}", param_hint="-o")
    return target


def features_in_words(channels: int) -> str:
    """How many channels enter the last convolution."""
    return f"{channels} channels enter the last convolution, by which classes are taken to parts"


def preprocessing_in_words(preprocessing: Preprocessing | None) -> str:
    """What is done to an image's pixels; None: not in the form that `adapt` gives it."""
    if preprocessing is None:
        return "in the graph, not in the form that `adapt` gives it"
    mean, std = (
        ", ".join(f"{value / preprocessing.scale:.4g}" for value in values)
        for values in (preprocessing.mean, preprocessing.std)
    )
    order = ", channels then as BGR" if preprocessing.bgr else ""
    return f"RGB 0..255 minus ({mean}), divided by ({std}){order}"
