"""Videos and a camera's stream over HTTP, made by the tests themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from pictures import Rgb, encode

BOUNDARY = "frame"
FRAMES_PER_SECOND = 50


def flat(colour: tuple[int, int, int], width: int = 64, height: int = 48) -> Rgb:
    return np.full((height, width, 3), colour, np.uint8)


def write_video(path: Path, pictures: Sequence[Rgb], rate: float = 100) -> Path:
    """Motion JPEG in an AVI file, as every build of OpenCV writes it."""
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    for picture in pictures:
        writer.write(picture[..., ::-1])
    writer.release()
    return path


class Stream:
    """A camera that sends Motion JPEG over HTTP; `picture` is what it sees.

    `cut` ends every connection and refuses new ones, `fall_silent` keeps them and sends nothing more; `come_back` goes
    on. `connections` counts those that there were, `viewers` those that there are.
    """

    def __init__(self, picture: Rgb) -> None:
        self.picture = picture
        self.connections = 0
        self.viewers = 0
        self._sending = threading.Event()
        self._refusing = threading.Event()
        self._sending.set()
        stream = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                stream.serve(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}/video"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        if self._refusing.is_set():
            request.send_error(503)
            return
        self.connections += 1
        self.viewers += 1
        request.send_response(200)
        request.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY}")
        request.end_headers()
        try:
            while not self._refusing.is_set():
                if self._sending.is_set():
                    data = encode(self.picture, "JPEG", quality=95)
                    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                    request.wfile.write(head.encode() + data + b"\r\n")
                time.sleep(1 / FRAMES_PER_SECOND)
        except OSError:
            pass
        finally:
            self.viewers -= 1

    def cut(self) -> None:
        self._refusing.set()

    def fall_silent(self) -> None:
        self._sending.clear()

    def come_back(self) -> None:
        self._refusing.clear()
        self._sending.set()

    def close(self) -> None:
        self.cut()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def streaming(picture: Rgb) -> Iterator[Stream]:
    stream = Stream(picture)
    try:
        yield stream
    finally:
        stream.close()
