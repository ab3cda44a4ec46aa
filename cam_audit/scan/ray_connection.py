"""The connection to Ray. Nothing else imports Ray before there is one, so that a scan without it does not need it."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from cam_audit.errors import CamAuditError
from cam_audit.workers import available_cores

AUTO, LOCAL = "auto", "local"
CONNECT_SECONDS = 10


@contextlib.contextmanager
def connected(address: str, processors: int | None) -> Iterator[None]:
    """Connect to Ray; what was not connected before is disconnected at the end.

    address: of a cluster, AUTO for the one that this machine belongs to or else LOCAL, which starts one of so many
    `processors` here, and ends it. Raises CamAuditError where Ray is not installed or there is no cluster.
    """
    try:
        import ray
    except ImportError:
        raise CamAuditError("--ray needs Ray, which is not installed: pip install 'cam-audit[ray]'") from None
    if "://" in address:
        raise CamAuditError(f"--ray {address}: give the HOST:PORT of a cluster, on a node of which the scan must run")
    if ray.is_initialized():
        yield
        return
    # by a thread of its own, as Ray would answer SIGTERM in the main thread from now on; and as long as the connection
    # lasts, as Linux ends what it started when that thread ends
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_connect, address, processors or available_cores()).result()
        try:
            yield
        finally:
            ray.shutdown()


def _connect(address: str, processors: int) -> None:
    import ray

    # Ray prints what becomes of its workers to stdout, where formats are written
    ray._private.worker._worker_logs_enabled = False
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address not in (AUTO, LOCAL):
        _require_answer(address)
    if address != LOCAL:
        try:
            ray.init(address, **quiet)
            return
        except ConnectionError:
            if address != AUTO:
                raise _no_cluster(address) from None
    try:
        ray.init("local", num_cpus=processors, include_dashboard=False, **quiet)
    except Exception as error:
        # no memory, no place for its files, a machine that is too busy: Ray has no type for it
        raise CamAuditError(f"--ray {address}: Ray does not start here: {str(error).partition(chr(10))[0]}") from None


def _require_answer(address: str) -> None:
    """Raise CamAuditError where nobody listens at HOST:PORT: Ray would end this process after a minute."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError):
        raise _no_cluster(address) from None


def _no_cluster(address: str) -> CamAuditError:
    return CamAuditError(
        f"--ray {address}: no Ray cluster answers there; `ray start --head` starts one, and --ray local needs none"
    )
