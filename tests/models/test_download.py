"""Downloads against a server of our own on this machine, which does what servers do on bad days."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import numpy as np
import onnx
import pytest
from file_server import Server, gives, serving, stand_in_for_the_zoo
from plain_nets import expected_activations, picture

from cam_audit.errors import ModelError
from cam_audit.models import known, patience, zoo
from cam_audit.models.adapt import Preprocessing
from cam_audit.models.download import RemoteFile, download
from cam_audit.models.model import load_model

DATA = np.random.default_rng(0).bytes(300_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving(monkeypatch) as found:
        yield found


def breaks_off(data: bytes, after: int) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:after])

    return answer


def never_ends(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    # bounded all the same, so that a client without a limit fails the test instead of filling the disk
    for _ in range(2000):
        try:
            handler.wfile.write(bytes(1 << 16))
        except OSError:
            return


def redirects(address: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.end_headers()

    return answer


def remote(*addresses: str, data: bytes = DATA) -> RemoteFile:
    return RemoteFile(addresses, len(data), hashlib.sha256(data).hexdigest())


def ignore(done: int) -> None:
    pass


def refusal(file: RemoteFile, target: Path) -> str:
    with pytest.raises(ModelError) as caught:
        download(file, target, ignore)
    assert not target.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_arrives_whole_and_progress_counts_its_bytes(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "net.onnx"
    counts: list[int] = []
    download(remote(server.has("/net", gives(DATA))), target, counts.append)
    assert target.read_bytes() == DATA
    assert counts == sorted(counts)
    assert counts[-1] == len(DATA)
    assert list(target.parent.iterdir()) == [target]


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    server.has("/cdn", gives(DATA))
    download(remote(server.has("/net", redirects("/cdn"))), tmp_path / "net", ignore)
    assert (tmp_path / "net").read_bytes() == DATA
    assert [path for path, _ in server.requests] == ["/net", "/cdn"]


def test_what_is_not_found_at_the_first_address_is_taken_from_the_second(server: Server, tmp_path: Path) -> None:
    download(remote(server["/gone"], server.has("/net", gives(DATA))), tmp_path / "net", ignore)
    assert (tmp_path / "net").read_bytes() == DATA


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    address = server.has("/net", breaks_off(DATA, 100_000))
    message = refusal(remote(address), tmp_path / "net")
    assert "the connection broke after 100,000 of 300,000 bytes; run it again" in message
    server.has("/net", gives(DATA))
    counts: list[int] = []
    download(remote(address), tmp_path / "net", counts.append)
    assert (tmp_path / "net").read_bytes() == DATA
    assert server.requests[-1] == ("/net", "bytes=100000-")
    assert counts[0] > 100_000


def test_what_one_address_left_the_next_one_completes(server: Server, tmp_path: Path) -> None:
    first, second = server.has("/first", breaks_off(DATA, 100_000)), server.has("/second", gives(DATA))
    download(remote(first, second), tmp_path / "net", ignore)
    assert (tmp_path / "net").read_bytes() == DATA
    assert server.requests == [("/first", None), ("/second", "bytes=100000-")]


def test_a_server_without_ranges_starts_from_the_beginning(server: Server, tmp_path: Path) -> None:
    (tmp_path / "net.part").write_bytes(DATA[:1000])
    download(remote(server.has("/net", gives(DATA, ranges=False))), tmp_path / "net", ignore)
    assert (tmp_path / "net").read_bytes() == DATA


def test_the_rest_is_not_taken_from_elsewhere_in_the_file(server: Server, tmp_path: Path) -> None:
    def wrong_rest(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{len(DATA) - 1}/{len(DATA)}")
        handler.end_headers()
        handler.wfile.write(DATA)

    (tmp_path / "net.part").write_bytes(DATA[:1000])
    assert "asked for the bytes from 1,000 on" in refusal(remote(server.has("/net", wrong_rest)), tmp_path / "net")


@pytest.mark.parametrize("left", [DATA, DATA + b"more"], ids=["complete", "too long"])
def test_what_was_left_is_checked_before_it_is_used(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "net.part").write_bytes(left)
    download(remote(server.has("/net", gives(DATA))), tmp_path / "net", ignore)
    assert (tmp_path / "net").read_bytes() == DATA
    assert len(server.requests) == (left != DATA)


def test_a_file_of_another_hash_is_thrown_away(server: Server, tmp_path: Path) -> None:
    wrong = bytes(len(DATA))
    message = refusal(remote(server.has("/net", gives(wrong))), tmp_path / "net")
    assert f"its SHA-256 is {hashlib.sha256(wrong).hexdigest()} instead of" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (gives(DATA[:-1]), "299,999 bytes instead of 300,000"),
        (gives(b"<html>sign in</html>"), "20 bytes instead of 300,000"),
        (never_ends, "more than the 300,000 bytes"),
        (lambda handler: handler.send_error(503), "the server answers 503"),
        (lambda handler: handler.wfile.write(b"no HTTP at all\r\n\r\n"), "the connection broke"),
        (redirects("http://mirror.invalid/net"), "http://mirror.invalid/net is not HTTPS; refused"),
        (redirects("ftp://127.0.0.1/net"), "not HTTPS; refused"),
    ],
)
def test_a_server_that_gives_something_else(
    server: Server, tmp_path: Path, answer: Callable[[BaseHTTPRequestHandler], None], message: str
) -> None:
    assert message in refusal(remote(server.has("/net", answer)), tmp_path / "net")
    part = tmp_path / "net.part"
    assert not part.exists() or part.stat().st_size <= len(DATA)


def test_no_network_is_said_for_each_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    addresses = f"http://127.0.0.1:{port}/first", f"http://localhost:{port}/second"
    message = refusal(remote(*addresses), tmp_path / "net")
    assert message.count("cannot be reached") == 2
    assert all(address in message for address in addresses)


@pytest.mark.parametrize(
    "address",
    ["http://example.org/net", "http://127.0.0.1.example.org/net", "http://10.0.0.1/net", "file:///etc/hostname"],
)
def test_only_https_but_for_this_machine(tmp_path: Path, address: str) -> None:
    assert f"{address} is not HTTPS; refused" in refusal(remote(address), tmp_path / "net")


def test_a_folder_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="cannot write"):
        download(remote(server.has("/net", gives(DATA))), tmp_path / "file" / "net", ignore)


@pytest.fixture
def stand_in(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> onnx.ModelProto:
    """A small net that a server on this machine serves as each of the zoo's."""
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name, appauthor: str(tmp_path / "cache"))
    monkeypatch.delenv("CAM_AUDIT_MODELS", raising=False)
    return stand_in_for_the_zoo(server, monkeypatch)


@pytest.mark.parametrize("name", zoo.ZOO)
def test_a_pulled_net_is_cam_ready_with_its_preprocessing_and_found_by_name(
    stand_in: onnx.ModelProto, server: Server, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = zoo.pull(name, ignore)
    assert path == known.find_net(name) == tmp_path / "cache" / "models" / f"{name}.onnx"
    model = load_model(path)
    assert model.class_names == tuple("abcde")
    assert model.class_ids == ("n0", "n1", "n2", "n3", "n4")
    assert model.licence == known.NETS[name].licence
    # as the model cards write it down
    if name == "googlenet":
        expected = Preprocessing(1.0, (123.68, 116.779, 103.939), (1.0, 1.0, 1.0), bgr=True)
    else:
        expected = Preprocessing(1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    rgb = picture(40, 56)
    activations = expected_activations(rgb, expected)
    np.testing.assert_allclose(model.run(rgb).activations, activations, rtol=1e-4, atol=1e-4 * activations.max())
    stem = zoo.ZOO[name].stem
    assert server.requests[0] == (f"/mirror/{stem}/resolve/main/{stem}.onnx", None)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != f"{name}.onnx"]


def test_the_zoo_is_reached_over_https_unless_a_mirror_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_AUDIT_MODEL_URL", "")
    assert zoo.remote_file(zoo.ZOO["googlenet"]).addresses == (
        "https://huggingface.co/onnxmodelzoo/googlenet-9/resolve/main/googlenet-9.onnx",
        "https://huggingface.co/onnxmodelzoo/legacy_models/resolve/main/validated/vision/classification/"
        "inception_and_googlenet/googlenet/model/googlenet-9.onnx",
    )


def test_every_net_of_the_zoo_offers_pull_first() -> None:
    for name, facts in zoo.ZOO.items():
        assert known.NETS[name].ways == (f"cam-audit models pull {name}", f"python scripts/export_onnx.py --net {name}")
        assert known.NETS[name].megabytes == pytest.approx(facts.size / 1e6, abs=0.05)


def says(*parts: bytes, without_end: bytes = b"", seconds: float = 0.0) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with these bytes as they are, and then with others again and again, so many seconds apart."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        try:
            handler.wfile.write(b"".join(parts))
            while without_end:
                handler.wfile.write(without_end)
                time.sleep(seconds)
        except OSError:
            return

    return answer


OK, MOVED = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nLocation: "
ODD = {
    "a length of odd digits": says(OK, "Content-Length: ²\r\n\r\nabc".encode()),
    "a length of 5,000 digits": says(OK, b"Content-Length: ", b"9" * 5000, b"\r\n\r\nabc"),
    "a negative length": says(OK, b"Content-Length: -1\r\n\r\nabc"),
    "chunks of no length": says(OK, b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "a location that is none": says(MOVED, b"http://[\r\n\r\n"),
    "a location without a host": says(MOVED, b"https:///x\r\n\r\n"),
    "a location of bytes": says(MOVED, b"https://\xff\xfe/\r\n\r\n"),
    "a location of 60,000 letters": says(MOVED, b"http://", b"a" * 60_000, b"/\r\n\r\n"),
    "a label of 300 letters": says(MOVED, b"https://", b"a" * 300, b"/\r\n\r\n"),
    "a location of no port": says(MOVED, b"https://127.0.0.1:x/\r\n\r\n"),
    "a file as location": says(MOVED, b"file:///etc/passwd\r\n\r\n"),
    "a range of 5,000 digits": says(b"HTTP/1.1 206 Partial\r\nContent-Range: bytes ", b"9" * 5000, b"\r\n\r\n"),
    "no HTTP": says(bytes(1000)),
    "headers without end": says(OK, without_end=b"a: b\r\n"),
}
SLOW = {
    "continue without end": says(without_end=b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue now and then": says(without_end=b"HTTP/1.1 100 Continue\r\n\r\n", seconds=0.1),
    "a letter of a header now and then": says(OK, without_end=b"a", seconds=0.1),
    "a byte now and then": says(OK, b"\r\n", without_end=b"a", seconds=0.1),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_answers_are_told_in_one_short_line(kind: str, server: Server, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the download failed: ") as error:
        download(remote(server.has("/net", ODD[kind])), tmp_path / "net.onnx", lambda done: None)
    assert len(str(error.value)) < 400
    assert "\n" not in str(error.value)
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize("kind", SLOW)
def test_a_server_that_keeps_one_waiting_is_left(
    kind: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # without a bound, these tests never end
    monkeypatch.setattr(patience, "GRACE_SECONDS", 0.5)
    with pytest.raises(ModelError, match="seconds nothing came, or then less than 10 KB a second; run it again"):
        download(remote(server.has("/net", SLOW[kind])), tmp_path / "net.onnx", lambda done: None)
