"""Pictures per second and latency of the live window beside bare forward passes, and memory over many pictures.

    xvfb-run -s '-screen 0 1280x800x24' python benchmarks/live.py --net squeezenet

A film of 640x480 pictures plays a fifth faster than the net alone could follow. Each round runs bare calls of the net
on one thread, on pictures of the right size from memory, and then the live session with its window, which runs the
net on one thread, too. Latency is from a picture's end of reading to the moment at which the window has dealt with it.
The machine may be busy: what counts are the ratios, taken round by round, of which the median and the range are
printed. Memory is the process's resident set while a looped film goes by.
"""

from __future__ import annotations

import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import click
import cv2
import numpy as np
import onnxruntime as ort

from cam_audit.live import loop, watch
from cam_audit.live.loop import LiveSettings, live
from cam_audit.live.source import parse_source
from cam_audit.live.watch import Seen
from cam_audit.live.window import Window, why_no_window
from cam_audit.models.known import find_net
from cam_audit.models.model import Model, Prediction, load_model

WIDTH, HEIGHT = 640, 480
FILM_FRAMES = 100
FASTER = 1.2


class TimedWindow(Window):
    """A window that notes how old each picture is when the window has dealt with it."""

    latencies: ClassVar[list[float]] = []
    taken: ClassVar[float | None] = None

    def key(self) -> int:
        key = super().key()
        if TimedWindow.taken is not None:
            TimedWindow.latencies.append(time.perf_counter() - TimedWindow.taken)
            TimedWindow.taken = None
        return key


@click.command()
@click.option("--net", default="squeezenet", show_default=True)
@click.option("--size", type=int, help="Shortest side at which pictures enter the net.  [default: the net's]")
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=6.0, show_default=True, help="Time of bare calls, and of live pictures, a round.")
@click.option("--memory", default=5000, show_default=True, help="Pictures over which memory is watched; 0: none.")
def main(net: str, size: int | None, rounds: int, seconds: float, memory: int) -> None:
    """Measure and print."""
    reason = why_no_window()
    if reason:
        sys.exit(f"a window is needed, but {reason}; see the first lines of this file")
    model = load_model(find_net(net))
    loop.Window = TimedWindow  # type: ignore[misc]
    pictures = [_picture(index) for index in range(FILM_FRAMES)]
    fitted = [model.fit(picture, size) for picture in pictures]
    _bare(model, fitted, 1.0)
    network = f"{fitted[0].shape[1]}x{fitted[0].shape[0]}"
    print(f"{net} at {network}, pictures of {WIDTH}x{HEIGHT}, {rounds} rounds, {platform.machine()}")
    print(f"Python {platform.python_version()}, onnxruntime {ort.__version__}, OpenCV {cv2.__version__}")
    bare, looked_at, shown = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            bare.append(_bare(model, fitted, seconds))
            film = _film(Path(folder, "film.avi"), pictures, FASTER * bare[-1])
            rates = _live(model, film, size, round(seconds * bare[-1]))
            looked_at.append(rates[0])
            shown.append(rates[1])
        print(f"{'bare forward passes':28} {_spread(bare)} a second")
        print(f"{'live: looked at by the net':28} {_spread(looked_at)} pictures a second")
        print(f"{'live: shown':28} {_spread(shown)} pictures a second")
        for words, rates in (("looked at / bare", looked_at), ("shown / bare", shown)):
            print(f"{words:28} {_spread([rate / alone for rate, alone in zip(rates, bare, strict=True)], 2)}")
        milliseconds = sorted(1000 * latency for latency in TimedWindow.latencies)
        percentile = milliseconds[int(0.95 * len(milliseconds))]
        print(f"{'one forward pass':28} {1000 / statistics.median(bare):6.1f} ms")
        print(f"{'latency, median and p95':28} {statistics.median(milliseconds):6.1f} ms  {percentile:.1f} ms")
        if memory:
            _watch_memory(model, film, size, memory)


def _picture(index: int) -> np.ndarray:
    """Soft blobs that wander, as easy to compress as a room is."""
    x, y = np.meshgrid(np.linspace(0, 6, WIDTH), np.linspace(0, 4, HEIGHT))
    phase = index / 8
    waves = [np.sin(x * (1 + k) + phase) * np.cos(y * (2 - k / 2) - phase * k) for k in range(3)]
    noise = np.random.default_rng(index).normal(0, 4, (HEIGHT, WIDTH, 3))
    return np.clip(128 + 100 * np.stack(waves, axis=-1) + noise, 0, 255).astype(np.uint8)


def _film(path: Path, pictures: list[np.ndarray], rate: float) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (WIDTH, HEIGHT))
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


def _bare(model: Model, fitted: list[np.ndarray], seconds: float) -> float:
    begin, passes = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        model.run(fitted[passes % len(fitted)])
        passes += 1
    return passes / (time.perf_counter() - begin)


def _live(model: Model, film: Path, size: int | None, frames: int) -> tuple[float, float]:
    """Pictures a second that the net looked at and that were shown, from the first that was shown to the last."""
    moments: list[float] = []
    passes = 0
    run_net = watch.run_net

    def counted(model: Model, fitted: np.ndarray) -> Prediction:
        nonlocal passes
        passes += bool(moments)
        return run_net(model, fitted)

    def on_seen(seen: Seen) -> None:
        moments.append(time.perf_counter())
        TimedWindow.taken = seen.frame.taken

    watch.run_net = counted
    _watch(model, film, LiveSettings(size=size, loop=True, frames=frames), on_seen)
    watch.run_net = run_net
    seconds = moments[-1] - moments[0]
    return passes / seconds, (len(moments) - 1) / seconds


def _watch_memory(model: Model, film: Path, size: int | None, frames: int) -> None:
    resident: list[float] = []
    count = 0

    def on_seen(_: Seen) -> None:
        nonlocal count
        count += 1
        if count % (frames // 10) == 0:
            resident.append(_resident_megabytes())

    _watch(model, film, LiveSettings(size=size, loop=True, frames=frames), on_seen)
    print(f"memory at each tenth of {frames:,} pictures, MB: {' '.join(f'{value:.1f}' for value in resident)}")


def _watch(model: Model, film: Path, settings: LiveSettings, on_seen: object) -> None:
    live(
        model,
        parse_source(str(film)),
        settings,
        windowed=True,
        on_seen=on_seen,  # type: ignore[arg-type]
        on_snapshot=lambda seen, view: "",
        on_notice=print,
    )


def _resident_megabytes() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _spread(values: list[float], digits: int = 1) -> str:
    return f"{statistics.median(values):6.{digits}f}  ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
