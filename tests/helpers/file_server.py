"""A server of files on this machine, and one that stands in for the ONNX Model Zoo with a small net."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import onnx
import pytest
from plain_nets import CLASSES, flat_pool, gemm, plain

from cam_audit.models import zoo
from cam_audit.models.class_list import ClassList


@dataclass
class Server:
    """Files by path, and what the requests for them asked for."""

    port: int
    answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)

    def __getitem__(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def has(self, path: str, answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        self.answers[path] = answer
        return self[path]


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "*")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.requests.append((self.path, self.headers["Range"]))
            found.answers.get(self.path, lambda handler: handler.send_error(404))(self)

        def log_message(self, *message: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        found = Server(listening.server_address[1])
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        listening.shutdown()
        thread.join()


def gives(data: bytes, *, ranges: bool = True) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers["Range"] if ranges else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        handler.send_response(206 if asked else 200)
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start:])

    return answer


def stand_in_for_the_zoo(server: Server, monkeypatch: pytest.MonkeyPatch) -> onnx.ModelProto:
    """A small net with a softmax, which the second address serves as each of the zoo's; the classes are its own."""
    net = plain(lambda n, t: n.op("Softmax", gemm(n, flat_pool(n, t))))
    data = net.SerializeToString()
    for name, facts in zoo.ZOO.items():
        known = replace(facts, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        monkeypatch.setitem(zoo.ZOO, name, known)
        server.has(
            f"/mirror/legacy_models/resolve/main/validated/vision/classification/{facts.folder}/model/{facts.stem}.onnx",
            gives(data),
        )
    classes = tuple("abcde"[:CLASSES]), tuple(f"n{index}" for index in range(CLASSES))
    monkeypatch.setattr(zoo, "imagenet_classes", lambda: ClassList(*classes))
    monkeypatch.setenv("CAM_AUDIT_MODEL_URL", server["/mirror/"])
    return net
