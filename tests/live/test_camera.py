"""What `--camera` names, and the thread that reads it; there is no camera here, so devices are stand-ins."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from live_views import reading
from pictures import BLUE, GREEN, RED, Rgb, encode
from streams import flat, streaming, write_video

from cam_audit.live import camera as camera_module
from cam_audit.live import source as source_module
from cam_audit.live.camera import TRIES, Camera, Frame
from cam_audit.live.source import CameraError, Kind, Source, cameras_that_open, parse_source, why_closed

DEVICE = Source(Kind.DEVICE, "camera 0", 0)


class StandIn:
    """A device driver: gives `pictures`, then nothing, or blocks where one is an event, until that is set."""

    def __init__(self, pictures: Sequence[Rgb | threading.Event], *, opens: bool = True) -> None:
        self._pictures = iter(pictures)
        self._opens = opens
        self.released = False

    def isOpened(self) -> bool:
        return self._opens

    def get(self, _: int) -> float:
        return 0.0

    def read(self) -> tuple[bool, Rgb | None]:
        picture = next(self._pictures, None)
        if isinstance(picture, threading.Event):
            picture.wait(30)
            picture = None
        return picture is not None, None if picture is None else picture[..., ::-1]

    def release(self) -> None:
        self.released = True


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_module, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(source_module, "READ_SECONDS", 0.5)
    monkeypatch.setattr(source_module, "OPEN_SECONDS", 1.0)


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[StandIn]]:
    """Let the given stand-ins be what is opened, one after the other, and after them what does not open."""

    def plug(*devices: StandIn) -> list[StandIn]:
        opened: list[StandIn] = []

        def open_capture(_: Source) -> StandIn:
            opened.append(devices[len(opened)] if len(opened) < len(devices) else StandIn([], opens=False))
            return opened[-1]

        monkeypatch.setattr(camera_module, "open_capture", open_capture)
        monkeypatch.setattr(source_module, "open_capture", open_capture)
        return opened

    return plug


def all_frames(camera: Camera) -> list[Frame]:
    frames = []
    while not camera.frames.ended:
        frame = camera.frames.take(10)
        if frame is not None:
            frames.append(frame)
    return frames


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_for_colour(camera: Camera, colour: tuple[int, int, int]) -> None:
    def seen() -> bool:
        frame = camera.frames.take(1)
        return frame is not None and np.abs(frame.rgb.mean(axis=(0, 1)) - colour).max() < 8

    wait_for(seen)


def test_a_video_file_gives_its_pictures_in_rgb_and_in_their_order_at_its_own_speed(tmp_path: Path) -> None:
    colours = [RED, GREEN, BLUE, (250, 250, 250), (0, 0, 0)]
    path = write_video(tmp_path / "film.avi", [flat(colour) for colour in colours], rate=10)
    with reading(parse_source(str(path))) as camera:
        frames = all_frames(camera)
    assert [frame.number for frame in frames] == [0, 1, 2, 3, 4]
    for frame, colour in zip(frames, colours, strict=True):
        assert frame.rgb.shape == (48, 64, 3)
        assert np.abs(frame.rgb.mean(axis=(0, 1)) - colour).max() < 8
    # never faster than it was filmed: 4 gaps of a tenth of a second
    assert frames[-1].taken - frames[0].taken > 0.3


def test_a_file_that_loops_starts_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.avi", [flat(RED), flat(BLUE)])
    with reading(parse_source(str(path)), loop=True) as camera:
        for _ in range(3):
            wait_for_colour(camera, BLUE)
            wait_for_colour(camera, RED)


def test_who_comes_late_gets_the_newest_picture(plug_in: Callable[..., list[StandIn]]) -> None:
    end = threading.Event()
    plug_in(StandIn([flat((level, 0, 0)) for level in range(100)] + [end]))
    with reading(DEVICE) as camera:
        wait_for(lambda: camera._number == 100)
        frame = camera.frames.take(1)
        end.set()
    assert frame is not None
    assert (frame.number, frame.rgb[0, 0, 0]) == (99, 99)


@pytest.mark.parametrize("failure", ["cut", "fall_silent"])
def test_a_stream_that_stops_in_the_middle_and_comes_back_goes_on(failure: str) -> None:
    with streaming(flat(RED)) as stream, reading(parse_source(stream.address)) as camera:
        wait_for_colour(camera, RED)
        assert camera.notice is None
        getattr(stream, failure)()
        wait_for(lambda: camera.notice)
        assert camera.notice.startswith(f"{stream.address}: no picture; trying again (")
        stream.picture = flat(BLUE)
        stream.come_back()
        wait_for_colour(camera, BLUE)
        assert camera.notice is None
        assert stream.connections >= 2


def test_a_stream_that_does_not_come_back_is_an_error_after_some_tries() -> None:
    with streaming(flat(RED)) as stream, reading(parse_source(stream.address)) as camera:
        wait_for_colour(camera, RED)
        stream.cut()
        with pytest.raises(CameraError, match=re.escape(f"{stream.address}: the picture was lost, and did not come")):
            all_frames(camera)


def test_a_slow_net_sees_the_present_of_a_stream() -> None:
    with streaming(flat(RED)) as stream, reading(parse_source(stream.address)) as camera:
        wait_for_colour(camera, RED)
        # long enough for dozens of red pictures, which a queue would give first
        time.sleep(1)
        stream.picture = flat(BLUE)
        time.sleep(0.5)
        frame = camera.frames.take(5)
        assert frame is not None
        assert frame.rgb[..., 2].mean() > 200


def test_a_device_unplugged_while_running_is_tried_again_and_every_capture_is_released(
    plug_in: Callable[..., list[StandIn]],
) -> None:
    opened = plug_in(StandIn([flat(RED)]), StandIn([], opens=False), StandIn([flat(BLUE)] * 3))
    with (
        reading(DEVICE) as camera,
        pytest.raises(CameraError, match=f"camera 0: the picture was lost.* {TRIES} tries"),
    ):
        all_frames(camera)
    # those tries count from the last picture on
    assert len(opened) == 3 + TRIES
    assert camera._number == 4
    assert all(device.released for device in opened)


@pytest.mark.parametrize(
    ("device", "why"),
    [
        (StandIn([]), "it gives no picture, another program may be using it"),
        (StandIn([], opens=False), "no such camera"),
    ],
)
def test_a_device_that_never_gives_a_picture_is_given_up_at_once(
    plug_in: Callable[..., list[StandIn]], device: StandIn, why: str
) -> None:
    opened = plug_in(device)
    with reading(DEVICE) as camera, pytest.raises(CameraError, match=f"camera 0: {why}"):
        all_frames(camera)
    assert len(opened) == 1
    assert device.released


def test_leaving_the_block_releases_the_device_also_after_an_error(plug_in: Callable[..., list[StandIn]]) -> None:
    opened = plug_in(StandIn([flat(RED)] * 100000))

    def interrupted() -> None:
        with reading(DEVICE) as camera:
            camera.frames.take(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [device.released for device in opened] == [True]


def test_a_driver_that_hangs_is_given_up(
    plug_in: Callable[..., list[StandIn]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_module, "STUCK_SECONDS", 0.2)
    monkeypatch.setattr(camera_module, "OPEN_SECONDS", -1)
    monkeypatch.setattr(camera_module, "READ_SECONDS", -1)
    hangs = threading.Event()
    plug_in(StandIn([flat(RED), hangs]))
    with reading(DEVICE) as camera:
        camera.require_answer()
        wait_for(lambda: camera._number == 1)
        time.sleep(0.5)
        with pytest.raises(CameraError, match="camera 0: no answer in"):
            camera.require_answer()
    # the block was left although the driver still hangs
    assert any(thread.name == "camera" for thread in threading.enumerate())
    hangs.set()


def test_sources_by_number_device_file_address_and_file(tmp_path: Path) -> None:
    film = tmp_path / "1"
    film.touch()
    assert parse_source("0") == Source(Kind.DEVICE, "camera 0", 0)
    assert parse_source("/dev/video3") == Source(Kind.DEVICE, "/dev/video3", 3)
    assert parse_source("/dev/cam").target == "/dev/cam"
    assert parse_source(str(film)) == Source(Kind.FILE, str(film), str(film))
    assert parse_source("rtsp://host/a").target == "rtsp://host/a"
    # 200 would be OpenCV's Video4Linux with camera 0
    assert parse_source("200") == Source(Kind.DEVICE, "camera 200", "/dev/video200")


def test_a_password_is_opened_but_not_shown() -> None:
    source = parse_source("rtsp://me:secret@host:554/a@b")
    assert source.name == "rtsp://me:***@host:554/a@b"
    assert source.target == "rtsp://me:secret@host:554/a@b"


def test_a_missing_file_says_what_camera_takes() -> None:
    with pytest.raises(CameraError, match=r"fiml.mp4: no such file; a camera is a number, a video file, or an http"):
        parse_source("fiml.mp4")


@pytest.mark.parametrize("name", ["photo.txt", "folder"])
def test_what_is_no_video_is_said_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "photo.txt").write_text("no video")
    with (
        reading(parse_source(str(tmp_path / name))) as camera,
        pytest.raises(CameraError, match="not a video that can"),
    ):
        all_frames(camera)


def test_a_photo_is_a_video_of_one_picture(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(encode(flat(GREEN)))
    with reading(parse_source(str(tmp_path / "photo.png"))) as camera:
        assert [frame.rgb[0, 0].tolist() for frame in all_frames(camera)] == [list(GREEN)]


@pytest.mark.skipif(not Path("/dev").is_dir(), reason="device files are Unix's")
def test_a_fake_device_is_named_with_the_likeliest_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module.sys, "platform", "linux")
    assert why_closed(parse_source("57")) == "no such camera, there is no /dev/video57"
    assert why_closed(parse_source("/dev/no-such-camera")) == "no such camera"
    assert why_closed(parse_source("/dev/null")) == "not a camera, or another program uses it"
    with (
        reading(parse_source("/dev/null")) as camera,
        pytest.raises(CameraError, match="/dev/null: not a camera"),
    ):
        all_frames(camera)


def test_only_cameras_that_open_in_time_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()

    def open_capture(source: Source) -> StandIn:
        if source.target == 2:
            hangs.wait(30)
        return StandIn([], opens=source.target in (1, 3))

    monkeypatch.setattr(source_module, "open_capture", open_capture)
    monkeypatch.setattr(source_module, "_camera_numbers", lambda: range(4))
    assert cameras_that_open() == [1, 3]
    hangs.set()


def test_a_connection_that_nobody_answers_is_given_up() -> None:
    with streaming(flat(RED)) as stream:
        stream.fall_silent()
        with (
            reading(parse_source(stream.address)) as camera,
            pytest.raises(CameraError, match="nothing answers there"),
        ):
            all_frames(camera)


def test_opencv_is_asked_for_its_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(cv2, "VideoCapture", lambda *arguments: asked.append(arguments))
    source_module.open_capture(parse_source("rtsp://host/a"))
    assert asked == [
        (
            "rtsp://host/a",
            cv2.CAP_FFMPEG,
            [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 500],
        )
    ]
