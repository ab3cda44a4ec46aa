"""The net that --net or --model names, downloaded first if the user agrees."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cam_audit.cli.process.forked import PASSED_ON
from cam_audit.cli.terminal import note
from cam_audit.errors import ModelError
from cam_audit.models.known import DEFAULT_NET, NETS, find_net, locate

# As in cam_audit.models.zoo.ZOO, which is too slow to import for --help.
ZOO_NAMES = ("resnet18", "squeezenet", "googlenet", "mobilenetv2")

download_option: Callable[[Any], Any] = click.option(
    "--download", is_flag=True,
    help=f"Download the net of --net without asking if it is not on this machine: {', '.join(ZOO_NAMES)}.",
)  # fmt: skip

provider_option: Callable[[Any], Any] = click.option(
    "--provider", multiple=True, metavar="NAME",
    help="An execution provider of onnxruntime that is to run the net, such as openvino or cuda. Repeatable, the first "
    "is preferred; the CPU does what they can't.  [default: cpu]",
)  # fmt: skip


def net_file(name: str | None, file: Path | None, *, download: bool = False) -> Path:
    """The file of the net that --net or --model names; the default one if neither does, which is mentioned.

    download: whether a net of the zoo that is absent is downloaded; on a terminal the user is asked otherwise.

    Raises click.UsageError if both are given, CamAuditError if there is no such net.
    """
    if name is not None and file is not None:
        raise click.UsageError("name the net by either --net NAME or --model FILE")
    if name is None and file is None:
        path = find_net(DEFAULT_NET)
        note(f"no --net and no --model, so {DEFAULT_NET} with ImageNet's classes is taken")
        return path
    if name in ZOO_NAMES and locate(name) is None:
        return _fetched(name, download)
    return file or find_net(name or DEFAULT_NET)


def pull(name: str) -> Path:
    """Download a net of the zoo into the cache folder, with a progress bar on a terminal; returns the file."""
    from tqdm import tqdm

    from cam_audit.models import zoo

    with tqdm(total=zoo.ZOO[name].size, unit="B", unit_scale=True, disable=None, dynamic_ncols=True) as bar:
        return zoo.pull(name, lambda done: _advance(bar, done))


def _fetched(name: str, download: bool) -> Path:
    """The file of a net of the zoo that is not on this machine, once it is."""
    if not (download or can_ask()):
        try:
            return find_net(name)
        except ModelError as error:
            raise ModelError(f"{error}, or add --download to this command") from None
    try:
        from cam_audit.models import zoo
    except ModelError as error:
        raise ModelError(f"the net {name} is not on this machine yet, and to download it: {error}") from None
    with _interruptible():
        size = f"{zoo.ZOO[name].size / 1e6:.1f} MB"
        question = f"The net {name} is not on this machine yet. Download {size} from {zoo.base_address()}?"
        if not download and not click.confirm(question, default=True, err=True):
            return find_net(name)
        path = pull(name)
    note(f"{name} ({NETS[name].licence}) is in {path} from now on")
    return path


def can_ask() -> bool:
    """Whether somebody sees a question and can answer it."""
    return sys.stdin.isatty() and sys.stderr.isatty()


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let signals come to this process, which a scan holds back until all modules are imported."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _advance(bar: Any, done: int) -> None:
    bar.update(done - bar.n)
