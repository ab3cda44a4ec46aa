"""What runs in a worker process of Ray: it gets a function and some items, and gives back their results.

What is large and the same for many tasks, nets above all, is sent once: it is a parcel in Ray's object store, which
each process unpacks once. Where pickled things refer to such a thing, they name its parcel, and results name the item
that they are about, so that neither is copied for each image.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import io
import os
import pickle
import platform
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import ray
from ray import cloudpickle

from cam_audit.errors import CamAuditError
from cam_audit.findings.audited_net import AuditedNet
from cam_audit.folders import AnyFolder, read_in
from cam_audit.models.model import Model, load_model
from cam_audit.models.session import set_up_runtime
from cam_audit.records import ImageSource
from cam_audit.scan.chunk import ChunkResult, scan_chunk
from cam_audit.scan.image import ScanJob
from cam_audit.scan.options import versions
from cam_audit.version import __version__

# In the output folder while a scan writes there, so that workers can tell whether theirs is the same one.
TOKEN_FILE = ".workers"
TOKEN_BYTES = 64

Key = tuple[Any, ...]
"""What a thing is called in a pickle that it is left out of: its parcel, or its place in one, or among the items."""


def packed(thing: object, key_of: Callable[[object], Key | None]) -> bytes:
    """A thing as bytes, functions by what they do; things that have a key are named by it. Raises PicklingError."""
    file = io.BytesIO()
    packer = cloudpickle.Pickler(file, protocol=5)
    packer.persistent_id = key_of
    packer.dump(thing)
    return file.getvalue()


def unpacked(data: bytes, find: Callable[[Key], Any]) -> Any:
    """What `packed` made bytes of; `find` has the things that are named by keys."""
    unpacker = pickle.Unpickler(io.BytesIO(data))
    unpacker.persistent_load = find  # type: ignore[method-assign]
    return unpacker.load()


@dataclass(frozen=True)
class PackedModel:
    """A net as it travels: its file, which is proved again where it arrives."""

    path: Path
    file: bytes
    sha256: str
    providers: tuple[str, ...]

    @classmethod
    def of(cls, model: Model) -> PackedModel:
        """Read the file of a net that is loaded."""
        return cls(model.path, model.path.read_bytes(), model.sha256, model.providers)

    def load(self) -> Model:
        """The same net in this process. Raises CamAuditError where it is not the same, or run by something else."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, self.path.name)
            file.write_bytes(self.file)
            model = load_model(file, self.providers)
        if model.sha256 != self.sha256 or model.providers != self.providers:
            raise CamAuditError(
                f"{self.path}: a worker on {platform.node()} has another net, or runs it by another provider"
            )
        return replace(model, path=self.path)


@dataclass(frozen=True)
class ThisScan:
    """What workers must know of a scan.

    programs: the versions that its results depend on; folder: its current one; seconds: after which a worker process
    ends itself that is still at one item.
    """

    programs: Mapping[str, str]
    folder: str
    seconds: float


def programs_here() -> dict[str, str]:
    """The versions that results depend on, of this process."""
    return {"cam-audit": __version__, **versions()}


def work(scan: ThisScan, parcels: Mapping[str, ray.ObjectRef], function: str, items: bytes) -> bytes:
    """Apply the function of a parcel to each of some items; items and results as `packed` has them.

    parcels: all that there are, by their names. Raises CamAuditError where this process has other versions, and
    whatever the function raises.
    """
    _set_up(scan.folder)
    here = programs_here()
    for name, version in scan.programs.items():
        if here.get(name) != version:
            raise CamAuditError(
                f"a worker on {platform.node()} has {name} {here.get(name)}, not {version}; install the same on all "
                "nodes"
            )
    _kept.keep(parcels)
    do = _kept.thing(function)
    things = unpacked(items, _kept.find)
    keys = {id(thing): ("item", number) for number, thing in enumerate(things)}
    results = []
    try:
        for thing in things:
            # a decoder that hangs can't be ended otherwise
            faulthandler.dump_traceback_later(scan.seconds, exit=True)
            results.append(do(thing))
    finally:
        faulthandler.cancel_dump_traceback_later()
    return packed(results, lambda thing: keys.get(id(thing)))


class _Kept:
    """The parcels that this process has unpacked."""

    def __init__(self) -> None:
        self._refs: Mapping[str, ray.ObjectRef] = {}
        self._things: dict[str, Any] = {}

    def keep(self, parcels: Mapping[str, ray.ObjectRef]) -> None:
        """Forget what is in none of these."""
        self._refs = parcels
        self._things = {name: thing for name, thing in self._things.items() if name in parcels}

    def thing(self, name: str) -> Any:
        """What a parcel holds."""
        if name not in self._things:
            try:
                thing = unpacked(ray.get(self._refs[name]), self.find)
            except OSError as error:
                # the output folder, which is held open
                raise CamAuditError(f"{error.filename}: {error.strerror} on the node {platform.node()}") from None
            self._things[name] = thing.load() if isinstance(thing, PackedModel) else thing
        return self._things[name]

    def find(self, key: Key) -> Any:
        """What a key stands for: a parcel, or an observation of the audited net in one."""
        name, *place = key
        thing = self.thing(name)
        if place:
            assert isinstance(thing, AuditedNet)
            label, number = place
            return thing.groups[label][number]
        return thing


_kept = _Kept()


@functools.cache
def _set_up(folder: str) -> None:
    """Prepare this process, which is ours: an image at a time, by one thread, and paths as the scan has them."""
    # a node may lack it, where no path is relative to it
    with contextlib.suppress(OSError):
        os.chdir(folder)
    cv2.setNumThreads(1)
    set_up_runtime()


def scan_there(job: ScanJob, token: str, source: ImageSource) -> ChunkResult:
    """`scan_chunk` of one image; token: what is in the TOKEN_FILE of the output folder."""
    _require_shared(source.root, job.out, token)
    return scan_chunk(job, [source])


@functools.lru_cache(maxsize=4)
def _require_shared(root: str, out: AnyFolder | None, token: str) -> None:
    """Raise CamAuditError where this machine lacks the data set, or has another output folder by that name."""
    node = platform.node()
    if not os.path.exists(root):
        raise CamAuditError(f"{root}: not there on the node {node}; all nodes must have the data set, at the same path")
    if out is None:
        return
    found = b""
    with contextlib.suppress(OSError):
        found = read_in(out, TOKEN_FILE, TOKEN_BYTES)
    if found != token.encode():
        raise CamAuditError(
            f"{out}: not the same folder on the node {node}; all nodes must share the output folder, or let none draw "
            "by --overlays none"
        )
