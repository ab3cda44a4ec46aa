"""The net that --net or --model names; it is loaded while OpenCV and the rest of the program are imported."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cam_audit.cli.terminal import note
from cam_audit.files import sha256_of
from cam_audit.models.known import DEFAULT_NET, find_net

if TYPE_CHECKING:
    from cam_audit.models.model import Model


def begin_to_load(name: str | None, file: Path | None) -> Future[Model]:
    """The net that --net or --model names, loaded by a thread; the default one where neither does, which is mentioned.

    Raises click.UsageError where both do, CamAuditError where there is no such net. The Future raises ModelError.
    """
    if name is not None and file is not None:
        raise click.UsageError("name the net by either --net NAME or --model FILE")
    path = file or find_net(DEFAULT_NET if name is None else name)
    if name is None and file is None:
        note(f"no --net and no --model, so {DEFAULT_NET} with ImageNet's classes is taken")
    threads = ThreadPoolExecutor(2)
    try:
        # beside the import of numpy and onnxruntime
        digest = threads.submit(sha256_of, path)
        from cam_audit.models.model import load_model

        return threads.submit(load_model, path, digest)
    finally:
        threads.shutdown(wait=False)
