"""Workers on Ray: the nodes of a cluster, or processes on this machine, in the place of threads.

Each thread here hands a few images at a time to a task and waits for it, so that order, windows and the journal are
those of a scan by threads. A task whose worker dies is done again, then in halves, down to the one image.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from typing import Any, TypeVar

import ray
from ray import exceptions

from cam_audit.errors import CamAuditError
from cam_audit.findings.audited_net import AuditedNet
from cam_audit.findings.sample import Collected
from cam_audit.folders import AnyFolder, remove_in, replacing_in
from cam_audit.models.model import Model
from cam_audit.records import ImageSource, SkippedImage
from cam_audit.scan.chunk import ChunkResult, Workers
from cam_audit.scan.image import ScanJob
from cam_audit.scan.ray_worker import (
    TOKEN_BYTES,
    TOKEN_FILE,
    Key,
    PackedModel,
    ThisScan,
    packed,
    programs_here,
    scan_there,
    unpacked,
    work,
)
from cam_audit.text import count
from cam_audit.workers import available_cores, in_order

Item = TypeVar("Item")
Result = TypeVar("Result")

# Images a task: enough that what a task itself costs, about a millisecond, does not count, and few enough to lose.
MOST_IMAGES = 32
ITEMS = 8
# Each processor has one task under way and one waiting.
TASKS_PER_PROCESSOR = 2
# So often a task is tried before it is halved, and so often where a node has left, for which no image can do anything.
TRIES, TRIES_ELSEWHERE = 2, 20
# Within so long a worker must be done with an image: noise of 179 megapixels takes 72 to decode.
SECONDS = 300
# What the worker processes find in their environment: what the command sets for itself (`cli.process`).
ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",
    "OPENCV_LOG_LEVEL": "SILENT",
    "ORT_DISABLE_TELEMETRY": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(512 << 20),
    "MALLOC_ARENA_MAX": "1",
}


@contextlib.contextmanager
def ray_workers(
    out: AnyFolder | None, images: int, tasks: int | None, note: Callable[[str], None]
) -> Iterator[Workers]:
    """Workers on the Ray that this process is connected to.

    out: the output folder, which workers must share where they draw overlays; images: how many there are; tasks: at
    most so many are under way, by default TASKS_PER_PROCESSOR; note: gets the nodes, and what was lost.
    """
    nodes = sum(node["Alive"] for node in ray.nodes())
    processors = max(1, int(ray.cluster_resources().get("CPU", 0)))
    note(f"Ray {ray.__version__}: {count(nodes, 'node')} with {count(processors, 'processor')}")
    at_once = tasks if tasks and tasks < processors else TASKS_PER_PROCESSOR * processors
    token = secrets.token_hex(TOKEN_BYTES // 2)
    if out is not None:
        with replacing_in(out, TOKEN_FILE) as file:
            file.write(token)
    tasks_of = _Tasks(at_once, token)
    try:
        yield Workers(
            threads=at_once,
            each=partial(in_order, available_cores()),
            passes=tasks_of.passes,
            scan=tasks_of.scan,
            images=max(1, min(MOST_IMAGES, images // (2 * at_once))),
        )
    finally:
        tasks_of.end()
        if out is not None:
            with contextlib.suppress(OSError):
                remove_in(out, TOKEN_FILE)
        for words, times in tasks_of.lost.items():
            note(f"{words}, {count(times, 'time')}; what it had to do was done again")


class _Tasks:
    """Hands work to tasks of Ray; any number of threads may call its methods at the same time.

    `lost`: what tasks ended by, and how often.
    """

    def __init__(self, at_once: int, token: str) -> None:
        self._at_once, self._token = at_once, token
        self._work = ray.remote(work).options(num_cpus=1, max_retries=0, runtime_env={"env_vars": ENVIRONMENT})
        self._scan = ThisScan(programs_here(), os.getcwd(), SECONDS)
        self._lock = threading.RLock()
        self._parcels: dict[str, ray.ObjectRef] = {}
        # by the identity of a thing, which is kept alive for that, its parcel's name
        self._sent: dict[int, tuple[object, str]] = {}
        self._observations: dict[int, Key] = {}
        self._scanning: tuple[ScanJob, str] | None = None
        self._under_way: set[ray.ObjectRef] = set()
        self._ended = False
        self.lost: Counter[str] = Counter()

    def scan(self, job: ScanJob, sources: Sequence[ImageSource]) -> Sequence[ChunkResult]:
        """`chunk.one_by_one` in a worker; an image that ends it again and again is skipped."""
        with self._lock:
            if self._scanning is None or self._scanning[0] is not job:
                self._scanning = job, self._send(partial(scan_there, job, self._token))
            function = self._scanning[1]
        return self._done(function, sources, _skipped)

    def passes(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """`map` in workers, several items at a time. Raises CamAuditError for an item that ends its worker."""
        name = self._send(function)
        remaining = iter(items)
        batches = iter(lambda: list(islice(remaining, ITEMS)), [])
        try:
            yield from chain.from_iterable(
                in_order(self._at_once, lambda batch: self._done(name, batch, _given_up), batches)
            )
        finally:
            with self._lock:
                self._sent.pop(id(function))
                self._parcels.pop(name)

    def end(self) -> None:
        """End all tasks that are under way, as after an interruption."""
        self._ended = True
        for task in list(self._under_way):
            ray.cancel(task, force=True)
        # or Ray might be shut down under threads that ask it for results
        for _ in range(100):
            if not self._under_way:
                break
            time.sleep(0.1)

    def _done(
        self,
        function: str,
        items: Sequence[Item],
        lost: Callable[[Item, str], Any],
        tries: int | None = None,
    ) -> list[Any]:
        """The results of a function that was sent, in the order of the items."""
        reason, crashed, left = "", 0, 0
        while crashed < (tries or TRIES):
            try:
                return self._once(function, items)
            except exceptions.RayTaskError as error:
                raise error.cause from None
            except (exceptions.NodeDiedError, exceptions.ObjectLostError):
                reason, left = "a node left", left + 1
            except exceptions.OutOfMemoryError:
                reason, crashed = "memory ran out on a node", crashed + 1
            except exceptions.WorkerCrashedError:
                reason, crashed = "a worker process was killed or crashed", crashed + 1
            except exceptions.RayError as error:
                raise CamAuditError(f"Ray gave up: {str(error).splitlines()[0]}") from None
            if self._ended:
                raise CamAuditError("the scan was ended")
            if left > TRIES_ELSEWHERE:
                raise CamAuditError("Ray's nodes leave again and again")
            with self._lock:
                self.lost[reason] += 1
        if len(items) == 1:
            return [lost(items[0], reason)]
        half = len(items) // 2
        return [
            result
            for part in (items[:half], items[half:])
            for result in self._done(function, part, lost, TRIES if len(part) == 1 else 1)
        ]

    def _once(self, function: str, items: Sequence[Item]) -> list[Any]:
        data = packed(items, self._key_of)
        with self._lock:
            if self._ended:
                raise CamAuditError("the scan was ended")
            task = self._work.remote(self._scan, dict(self._parcels), function, data)
            self._under_way.add(task)
        try:
            results: list[Any] = unpacked(ray.get(task), lambda key: items[key[1]])
            return results
        finally:
            with self._lock:
                self._under_way.discard(task)

    def _send(self, thing: object) -> str:
        """Put a thing into the object store, where it is not there yet; the name of its parcel."""
        with self._lock:
            if id(thing) not in self._sent:
                name = uuid.uuid4().hex
                content = PackedModel.of(thing) if isinstance(thing, Model) else thing
                data = packed(content, lambda inner: None if inner is thing else self._key_of(inner))
                self._parcels[name] = ray.put(data)
                self._sent[id(thing)] = thing, name
                if isinstance(thing, AuditedNet):
                    self._observations = {
                        id(observation): (name, label, number)
                        for label, group in thing.groups.items()
                        for number, observation in enumerate(group)
                    }
            return self._sent[id(thing)][1]

    def _key_of(self, thing: object) -> Key | None:
        if isinstance(thing, (Model, AuditedNet)):
            return (self._send(thing),)
        return self._observations.get(id(thing))


def _skipped(source: ImageSource, reason: str) -> ChunkResult:
    return ChunkResult((SkippedImage(source, f"scanning it, {reason}"),), Collected())


def _given_up(item: object, reason: str) -> Any:
    raise CamAuditError(f"in the audit of the images, {reason} each time that it was tried")
