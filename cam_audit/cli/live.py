"""`cam-audit live`: watch what a net looks at in what a camera sees."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from cam_audit.cli.helpful import HelpfulCommand
from cam_audit.cli.net import download_option, net_file, provider_option
from cam_audit.cli.process.exits import Exit
from cam_audit.cli.process.streams import failure_of_stdout
from cam_audit.cli.terminal import note, say
from cam_audit.text import count

if TYPE_CHECKING:
    from cam_audit.cli.snapshots import Snapshots
    from cam_audit.live.source import Source
    from cam_audit.live.view import View
    from cam_audit.live.watch import Seen
    from cam_audit.models.model import Model

DEFAULT_FOLDER = Path("cam-audit-live")
TOP = 3


@click.command(cls=HelpfulCommand, short_help="Show what the net looks at in a camera's picture.")
@click.argument("source", required=False, metavar="[SOURCE]")
@click.option("--net", metavar="NAME", help="A net known by name, e.g. squeezenet.  [default: efficientnet-lite0]")
@download_option
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="A CAM-ready ONNX file of your own.")
@provider_option
@click.option(
    "--camera", metavar="NUMBER|FILE|ADDRESS",
    help="The same as SOURCE.  [default: 0]",
)  # fmt: skip
@click.option(
    "--save", "folder", type=click.Path(path_type=Path), metavar="DIR",
    help=f"Folder for snapshots, taken by the key s or --every.  [default: {DEFAULT_FOLDER}, made by the key s]",
)  # fmt: skip
@click.option(
    "--every", type=click.FloatRange(0, min_open=True), metavar="SECONDS",
    help="Save a snapshot every so often.  [default: by the key s; without a window, every picture]",
)  # fmt: skip
@click.option("--frames", type=click.IntRange(1), metavar="N", help="End after N pictures.")
@click.option(
    "--size", type=click.IntRange(16, 4096), metavar="N",
    help="Shortest side at which pictures enter the net; larger: finer maps, perhaps worse scores.  [default: the "
    "net's]",
)  # fmt: skip
@click.option(
    "--smooth", type=click.FloatRange(0, 1), default=0.0, show_default=True, metavar="0..1",
    help="Share of the map before that stays in the next. What is smoothed is not what the net sees in this picture.",
)  # fmt: skip
@click.option("--loop", is_flag=True, help="Start a video file again at its end.")
@click.option(
    "--no-window", is_flag=True, help="Show nothing: save snapshots, or print a line of classes and scores a picture."
)
def live(
    source: str | None,
    net: str | None,
    download: bool,
    model: Path | None,
    provider: tuple[str, ...],
    camera: str | None,
    folder: Path | None,
    every: float | None,
    frames: int | None,
    size: int | None,
    smooth: float,
    loop: bool,
    no_window: bool,
) -> int:
    """Show what the net looks at in what a camera sees, side by side, with the three best classes.

    SOURCE is a camera's number (the first is 0, the default), a video file, or an http or rtsp address.

    Keys: space freezes, s saves a snapshot, 1 2 3 show the map of the first, second or third class, c chooses a class
    to compare with, + and - change the input size, h shows the keys, q or Esc closes.

    Without a window, and without --save, each picture is a line on stdout: its number, then classes and scores, with
    tabs between.
    """
    from cam_audit.cli.process.libraries import set_up_libraries
    from cam_audit.live.loop import LiveSettings
    from cam_audit.live.loop import live as watch
    from cam_audit.live.source import CameraError, parse_source
    from cam_audit.live.window import why_no_window
    from cam_audit.models.model import load_model
    from cam_audit.workers import available_cores

    if every is not None and folder is None:
        raise click.UsageError("--every says how often to save; say where to with --save DIR")
    if source is not None and camera is not None:
        raise click.UsageError("name the camera by either SOURCE or --camera")
    opened = parse_source(source or camera or "0")
    file = net_file(net, model, download=download)
    set_up_libraries(available_cores())
    loaded = load_model(file, provider)
    if loaded.fallback:
        note(loaded.fallback)
    reason = None if no_window else why_no_window()
    if reason:
        note(f"no window, as {reason}")
    windowed = not (no_window or reason)
    if folder is not None and not windowed and every is None:
        every = 0.0
    settings = LiveSettings(size=size, smooth=smooth, loop=loop, frames=frames, every=every)
    saving = _Saving(folder, loaded, {**asdict(settings), "camera": opened.name})
    try:
        with _ending_by_signals():
            watch(
                loaded,
                opened,
                settings,
                windowed=windowed,
                on_seen=saving.prepare if windowed or folder else partial(_print_line, loaded),
                on_snapshot=saving.save,
                on_notice=note,
            )
    except CameraError as error:
        raise CameraError(f"{error}{_other_cameras(opened)}") from None
    except _Unread:
        # `exits.end` tells why
        pass
    finally:
        saving.sum_up()
    return Exit.CLEAN


class _Unread(Exception):
    """The lines go nowhere, and without a window nothing else would end the session."""


class _Saving:
    """Snapshots in `folder`, or in DEFAULT_FOLDER once the first is asked for; the path of each goes to stdout."""

    def __init__(self, folder: Path | None, model: Model, settings: Mapping[str, object]) -> None:
        self._folder = folder
        self._model = model
        self._settings = settings
        self._snapshots: Snapshots | None = None

    def prepare(self, _: Seen) -> None:
        """Make the folder of --save when there is something to save, before the first is asked for."""
        if self._folder is not None and self._snapshots is None:
            self._open(self._folder)

    def save(self, seen: Seen, view: View) -> str:
        snapshots = self._snapshots or self._open(self._folder or DEFAULT_FOLDER)
        path = snapshots.save(seen, view)
        click.echo(path)
        return f"saved {path}"

    def sum_up(self) -> None:
        if self._snapshots is not None:
            say(f"{count(self._snapshots.saved, 'snapshot')} in {self._snapshots.folder}", err=True)

    def _open(self, folder: Path) -> Snapshots:
        from cam_audit.cli.snapshots import Snapshots

        self._snapshots = Snapshots(folder, self._model, self._settings)
        return self._snapshots


def _print_line(model: Model, seen: Seen) -> None:
    from cam_audit.scan.image import top_scores

    scores = top_scores(model, model.probabilities(seen.prediction.logits), TOP)
    cells = [str(seen.frame.number), *(cell for s in scores for cell in (s.class_name, f"{s.probability:.6f}"))]
    click.echo("\t".join(cells))
    if failure_of_stdout():
        raise _Unread


def _other_cameras(source: Source) -> str:
    """What to name instead, for the end of a message; "" where it is not about cameras."""
    from cam_audit.live.source import Kind, cameras_that_open

    if source.kind is Kind.FILE:
        return ""
    return f"; cameras that open: {', '.join(map(str, cameras_that_open())) or 'none'}"


@contextlib.contextmanager
def _ending_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that camera and window are released."""

    def end(number: int, _: FrameType | None) -> None:
        # a shell's code for a program that a signal ended
        sys.exit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = [(number, signal.signal(number, end)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
