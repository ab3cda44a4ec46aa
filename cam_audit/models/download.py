"""Download one file: over HTTPS, of a known size and hash, going on where an earlier try was cut off."""

from __future__ import annotations

import http.client
import ipaddress
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cam_audit import __version__
from cam_audit.errors import ModelError
from cam_audit.files import sha256_of
from cam_audit.models.patience import GRACE_SECONDS, LEAST_BYTES_A_SECOND, Patience, patience
from cam_audit.text import cut

TIMEOUT_SECONDS = 30
BLOCK_BYTES = 1 << 16
MAX_SHOWN = 200
TOO_SLOW = (
    f"in {GRACE_SECONDS} seconds nothing came, or then less than {LEAST_BYTES_A_SECOND // 1000} KB a second; run it "
    "again to go on"
)

Progress = Callable[[int], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file known by its size in bytes and its SHA-256 (hex), and the addresses to try for it, in order."""

    addresses: tuple[str, ...]
    size: int
    sha256: str


def download(file: RemoteFile, target: Path, progress: Progress) -> None:
    """Download `file` to `target`, which appears only once its hash is right; its folder is made.

    What a cut connection leaves is kept beside it as `.part`, and a later call goes on from there. `progress`
    is called with the number of bytes that are there so far.

    Raises ModelError, with the reason for each address, where none of them gives the file, or a disk error.
    """
    part = target.with_name(target.name + ".part")
    reasons = []
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for address in file.addresses:
            try:
                _fetch(address, file, part, progress)
                _check_hash(file, part)
            except _Failure as failure:
                reasons.append(f"{address}: {failure}")
                continue
            part.replace(target)
            return
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror}") from None
    raise ModelError("the download failed: " + "; ".join(reasons))


class _Failure(Exception):
    """Why an address did not give the file; the next one may."""


def _fetch(address: str, file: RemoteFile, part: Path, progress: Progress) -> None:
    """Complete `part` from an address: what is there already is not asked for again."""
    done = part.stat().st_size if part.exists() else 0
    if done == file.size:
        return
    if done > file.size:
        done = 0
    with patience() as waiting, _open(address, done, waiting) as response:
        resumes = response.status == http.client.PARTIAL_CONTENT
        done = done if resumes else 0
        declared = response.headers.get("Content-Length", "")
        if re.fullmatch("[0-9]{1,15}", declared) and done + int(declared) != file.size:
            raise _Failure(f"{done + int(declared):,} bytes instead of {file.size:,}")
        with part.open("ab" if resumes else "wb") as output:
            for block in _blocks(response, waiting):
                done += len(block)
                if done > file.size:
                    raise _Failure(f"more than the {file.size:,} bytes that it should have")
                output.write(block)
                progress(done)
    if done < file.size:
        raise _Failure(f"the connection broke after {done:,} of {file.size:,} bytes; run it again to go on from there")


def _open(address: str, start: int, waiting: Patience) -> Any:
    """The response to a request for the bytes from `start` on, or for all of them where the server has no ranges."""
    _require_safe(address)
    headers = {"User-Agent": f"cam-audit/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    opener = urllib.request.build_opener(_SafeRedirects, *waiting.handlers)
    with _network_errors(waiting):
        response = opener.open(urllib.request.Request(address, headers=headers), timeout=TIMEOUT_SECONDS)
    given = response.headers.get("Content-Range", "")
    if response.status == http.client.PARTIAL_CONTENT and not given.startswith(f"bytes {start}-"):
        response.close()
        raise _Failure(f"asked for the bytes from {start:,} on, it sends {cut(given, MAX_SHOWN)!r}")
    return response


def _blocks(response: Any, waiting: Patience) -> Iterator[bytes]:
    while True:
        with _network_errors(waiting):
            # what is there, as a whole block may take long to come
            block = response.read1(BLOCK_BYTES)
        if waiting.ended:
            raise _Failure(TOO_SLOW)
        if not block:
            return
        waiting.received += len(block)
        yield block


@contextmanager
def _network_errors(waiting: Patience) -> Iterator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Failure(TOO_SLOW if waiting.ended else _reason(error)) from None


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server answers {error.code}"
    if isinstance(error, urllib.error.URLError):
        return f"cannot be reached ({cut(str(error.reason), MAX_SHOWN)})"
    if isinstance(error, ValueError):
        return f"it sends one to an address that is none ({cut(str(error), MAX_SHOWN)})"
    return f"the connection broke ({type(error).__name__}); run it again to go on"


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *request: Any) -> urllib.request.Request | None:
        _require_safe(request[-1])
        return super().redirect_request(*request)


def _require_safe(address: str) -> None:
    """Raise _Failure where an address is neither HTTPS nor on this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
        return
    raise _Failure(f"{cut(address, MAX_SHOWN)} is not HTTPS; refused")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_hash(file: RemoteFile, part: Path) -> None:
    found = sha256_of(part)
    if found != file.sha256:
        part.unlink()
        raise _Failure(f"a wrong file, its SHA-256 is {found} instead of {file.sha256}")
