"""`cam-audit live` in a real window: keys are pressed, the window is closed, and its pixels are looked at."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT
from live_views import holds, panel_size, reading, shrunk
from pictures import BLUE, RED, Rgb, square
from PIL import Image
from streams import Stream, streaming
from tiny_net import colour_net

from cam_audit.live.picture import BOX, NOTICE_INK
from cam_audit.live.source import parse_source
from cam_audit.models.model import Model
from cam_audit.overlay import cam_overlay

pytestmark = pytest.mark.window

SECONDS = 60
# short beside SECONDS, as a window is waited for by pictures of it
IMPORT_SECONDS, IMPORT_ATTEMPTS = 5, 6
RED_SCENE, BLUE_SCENE = (square(colour, 64, 48, 96, width=320, height=240) for colour in (RED, BLUE))


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Desktop:
    """A screen of its own, with a window manager: windows have a button that closes them."""

    def __init__(self) -> None:
        read, write = os.pipe()
        screen = ["Xvfb", "-screen", "0", "1300x800x24", "-nolisten", "tcp", "-displayfd", str(write)]
        self._screen = subprocess.Popen(screen, pass_fds=[write], stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as display:
            self.display = f":{display.readline().strip()}"
        self.environment = {**os.environ, "DISPLAY": self.display}
        self._manager = subprocess.Popen(["openbox"], env=self.environment, stderr=subprocess.DEVNULL)

    def close(self) -> None:
        for process in (self._manager, self._screen):
            process.terminate()
            process.wait(SECONDS)

    def xdotool(self, *arguments: str) -> str:
        command = ["xdotool", *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False).stdout

    def picture(self, window: str) -> Rgb:
        """What is on the screen, of one window without its frame."""
        command = ["import", "-window", window, "png:-"]
        # ImageMagick may wait for ever for an event that came before it listened
        for _ in range(IMPORT_ATTEMPTS):
            with contextlib.suppress(subprocess.TimeoutExpired):
                done = subprocess.run(
                    command, env=self.environment, capture_output=True, check=True, timeout=IMPORT_SECONDS
                )
                return np.asarray(Image.open(io.BytesIO(done.stdout)).convert("RGB"))
        raise TimeoutError(f"`{' '.join(command)}` hung {IMPORT_ATTEMPTS} times")


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    desktop = Desktop()
    yield desktop
    desktop.close()


@pytest.fixture
def stream() -> Iterator[Stream]:
    with streaming(RED_SCENE) as stream:
        yield stream


class Session:
    """`cam-audit live` with its window on a desktop."""

    def __init__(self, desktop: Desktop, folder: Path, *arguments: str) -> None:
        self._desktop = desktop
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cam_audit", "live", "--model", str(folder / "tiny.onnx"), *arguments],
            cwd=folder,
            env={**desktop.environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(self._find)
        wait_for(lambda: desktop.xdotool("getwindowfocus").strip() == self.window)

    def _find(self) -> bool:
        assert self.process.poll() is None, self.process.communicate()
        self.window = self._desktop.xdotool("search", "--onlyvisible", "--name", "cam-audit live").strip()
        return bool(self.window)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._desktop.xdotool("key", key)
            # a key each time that the window is looked after
            time.sleep(0.1)

    def resize(self, width: int, height: int) -> None:
        self._desktop.xdotool("windowsize", "--sync", self.window, str(width), str(height))

    def picture(self) -> Rgb:
        return self._desktop.picture(self.window)

    def shows(self, part: Callable[[int, int], Rgb]) -> bool:
        """Whether the picture that `part` makes for a panel's (width, height) is on the screen, pixel for pixel."""
        page = self.picture()
        size = panel_size(page)
        return size is not None and holds(page, part(*size))

    def ended(self) -> tuple[int, str, str]:
        out, messages = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, messages


@pytest.fixture
def live(desktop: Desktop, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    colour_net().write(tmp_path / "tiny.onnx")
    sessions: list[Session] = []

    def start(*arguments: str) -> Session:
        sessions.append(Session(desktop, tmp_path, *arguments))
        return sessions[-1]

    yield start
    for session in sessions:
        session.process.kill()
        session.process.communicate()


@pytest.fixture
def seen(stream: Stream) -> Rgb:
    """The stream's picture as it is received."""
    with reading(parse_source(stream.address)) as camera:
        frame = camera.frames.take(SECONDS)
    assert frame is not None
    return frame.rgb


@pytest.fixture
def part(model: Model, seen: Rgb) -> Callable[..., Callable[[int, int], Rgb]]:
    """The camera's picture, or the overlay of a class at an input size, for a panel of any size."""

    def make(index: int | None = None, size: int | None = None) -> Callable[[int, int], Rgb]:
        prediction = model.run(model.fit(seen, size))

        def panel(width: int, height: int) -> Rgb:
            image = shrunk(seen, width, height)
            return image if index is None else cam_overlay(image, model.cam(prediction, index))

        return panel

    return make


RED_CLASS, GREEN_CLASS, BLUE_CLASS, OTHER_CLASS = range(4)


def test_camera_and_overlay_stand_side_by_side_sharp_at_any_size(
    live: Callable[..., Session], stream: Stream, part: Callable[..., Callable[[int, int], Rgb]]
) -> None:
    session = live("--camera", stream.address)
    for size in (None, (760, 400), (1250, 700)):
        if size:
            session.resize(*size)
            wait_for(lambda size=size: session.picture().shape[1::-1] == size)
        wait_for(lambda: session.shows(part()))
        assert session.shows(part(RED_CLASS))


def test_keys_choose_the_map_compare_and_change_the_input_size(
    live: Callable[..., Session], stream: Stream, part: Callable[..., Callable[[int, int], Rgb]]
) -> None:
    session = live("--camera", stream.address)
    wait_for(lambda: session.shows(part(RED_CLASS)))
    session.press("space", "plus")
    wait_for(lambda: session.shows(part(RED_CLASS, 40)))
    session.press("minus", "minus")
    wait_for(lambda: session.shows(part(RED_CLASS, 24)))
    session.press("plus", "c", "o", "t", "h", "Return")
    wait_for(lambda: session.shows(part(OTHER_CLASS)))
    assert session.shows(part(RED_CLASS))
    session.press("c", "Tab", "Return")
    wait_for(lambda: not session.shows(part(OTHER_CLASS)))
    # the scores of a red square: red, other, and far behind green and blue, whose maps are flat
    session.press("c", "Return", "2")
    wait_for(lambda: session.shows(part(OTHER_CLASS)))
    assert not session.shows(part(RED_CLASS))
    session.press("1")
    wait_for(lambda: session.shows(part(RED_CLASS)))


def test_h_shows_the_keys_and_hides_them(live: Callable[..., Session], stream: Stream) -> None:
    session = live("--camera", stream.address)

    def box() -> float:
        return float((session.picture() == BOX).all(axis=-1).mean())

    assert box() < 0.01
    session.press("h")
    wait_for(lambda: box() > 0.1)
    session.press("h")
    wait_for(lambda: box() < 0.01)


def test_space_freezes_the_picture_until_it_is_pressed_again(live: Callable[..., Session], stream: Stream) -> None:
    session = live("--camera", stream.address)

    def blue() -> bool:
        page = session.picture().astype(int)
        return bool(((page[..., 2] > 150) & (page[..., 0] < 90)).mean() > 0.02)

    session.press("space")
    stream.picture = BLUE_SCENE
    time.sleep(1)
    assert not blue()
    session.press("space")
    wait_for(blue)


def test_s_saves_what_is_shown(live: Callable[..., Session], stream: Stream, seen: Rgb) -> None:
    session = live("--camera", stream.address)
    session.press("space", "2", "s")
    assert session.process.stdout is not None
    path = session.folder / session.process.stdout.readline().strip()
    assert path.parent.name == "cam-audit-live"
    np.testing.assert_array_equal(np.asarray(Image.open(path)), seen)
    row = (path.parent / "results.csv").read_text().splitlines()[1].split(",")
    assert row[0] == path.name
    assert row[6] == "red"
    # the class of the map is the second one
    assert row[13] == row[8] == "other"
    session.press("q")
    code, _, messages = session.ended()
    assert (code, messages) == (0, "1 snapshot in cam-audit-live\n")


@pytest.mark.parametrize("key", ["q", "Escape", "alt+F4"])
def test_q_escape_and_the_windows_button_close_it_and_release_the_camera(
    live: Callable[..., Session], stream: Stream, key: str
) -> None:
    session = live("--camera", stream.address)
    assert stream.viewers == 1
    # the window manager's key for its closing button
    session.press(key)
    assert session.ended() == (0, "", "")
    wait_for(lambda: stream.viewers == 0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_closes_it_and_releases_the_camera(
    live: Callable[..., Session], stream: Stream, number: int, code: int
) -> None:
    session = live("--camera", stream.address)
    session.process.send_signal(number)
    assert session.ended()[0] == code
    wait_for(lambda: stream.viewers == 0)


def test_a_stream_that_stops_is_told_in_the_window_and_goes_on_when_it_comes_back(
    live: Callable[..., Session], stream: Stream
) -> None:
    session = live("--camera", stream.address)

    def notice() -> bool:
        return bool((session.picture() == NOTICE_INK).all(axis=-1).any())

    assert not notice()
    stream.cut()
    wait_for(notice)
    stream.come_back()
    wait_for(lambda: not notice())
    session.press("q")
    code, _, messages = session.ended()
    assert code == 0
    assert messages.startswith(f"note: {stream.address}: no picture; trying again (1 of 5)\n")


def test_frames_end_it_and_every_saves(live: Callable[..., Session], stream: Stream) -> None:
    session = live("--camera", stream.address, "--frames", "40", "--save", "shots", "--every", "0.2")
    code, out, messages = session.ended()
    assert code == 0
    assert len(out.splitlines()) >= 2
    assert messages == f"{len(out.splitlines())} snapshots in shots\n"
