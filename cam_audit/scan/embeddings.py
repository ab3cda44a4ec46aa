"""Embeddings of images: the net's last activations, averaged over the picture, for programs that map or cluster images.

Images are read a second time for them, one after the other, so that those of a large data set are never in memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cam_audit.errors import CamAuditError, ImageError
from cam_audit.files import replacing
from cam_audit.records import ImageSource
from cam_audit.reports.parquet import require_pyarrow
from cam_audit.scan.image import ScanJob, run_again
from cam_audit.scan.observer import Observer
from cam_audit.text import as_utf8
from cam_audit.workers import in_order

SUFFIXES = (".npz", ".parquet")
# Of a Parquet file, whose rows are written in groups.
ROWS = 1024

Embedding: TypeAlias = NDArray[np.float32]


def require_format(file: Path) -> None:
    """Raise CamAuditError where no file of this name can be written, for its format or for want of a package."""
    if file.suffix not in SUFFIXES:
        raise CamAuditError(f"--embeddings: {file} ends neither in .npz nor in .parquet")
    if file.suffix == ".parquet":
        require_pyarrow()


def write_embeddings(
    file: Path, job: ScanJob, sources: Sequence[ImageSource], workers: int, observer: Observer | None = None
) -> None:
    """Write the embedding of each image, float32 (C,), to an .npz or .parquet file.

    Both have the images in the order of `sources`, with path and label; an .npz as arrays `embeddings` (N, C), `paths`
    and `labels` (N,), a .parquet as columns `path`, `label` and `embedding`. An image that can't be read has NaN.
    Raises CamAuditError where the file can't be written.
    """
    require_format(file)
    observer = observer or Observer()
    observer.on_stage("embeddings", len(sources))
    write = _write_npz if file.suffix == ".npz" else _write_parquet
    with replacing(file, binary=True) as stream:
        write(
            stream, sources, job.model.channels, _told(in_order(workers, partial(embedding_of, job), sources), observer)
        )


def embedding_of(job: ScanJob, source: ImageSource) -> Embedding:
    """The activations of an image, averaged over its cells, float32 (C,); NaN where it can't be read or run."""
    try:
        prediction = run_again(job, source)
    except ImageError:
        return np.full(job.model.channels, np.nan, np.float32)
    pooled: Embedding = prediction.activations.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)
    return pooled


def _told(embeddings: Iterable[Embedding], observer: Observer) -> Iterator[Embedding]:
    for embedding in embeddings:
        yield embedding
        observer.on_image()


def _write_npz(
    stream: IO[bytes], sources: Sequence[ImageSource], channels: int, embeddings: Iterable[Embedding]
) -> None:
    with zipfile.ZipFile(stream, "w") as archive:
        # by a ZipInfo, whose time is always the same
        with archive.open(zipfile.ZipInfo("embeddings.npy"), "w", force_zip64=True) as member:
            shape = {"descr": "<f4", "fortran_order": False, "shape": (len(sources), channels)}
            np.lib.format.write_array_header_1_0(member, shape)
            for embedding in embeddings:
                member.write(embedding.astype("<f4").tobytes())
        for name, words in (("paths", [each.name for each in sources]), ("labels", [each.label for each in sources])):
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.array([as_utf8(word) for word in words], np.str_))


def _write_parquet(
    stream: IO[bytes], sources: Sequence[ImageSource], channels: int, embeddings: Iterable[Embedding]
) -> None:
    arrow = require_pyarrow()
    vector = arrow.list_(arrow.float32(), channels)
    schema = arrow.schema([("path", arrow.string()), ("label", arrow.string()), ("embedding", vector)])
    rows = iter(embeddings)
    with arrow.parquet.ParquetWriter(stream, schema) as writer:
        for begin in range(0, len(sources), ROWS):
            some = sources[begin : begin + ROWS]
            values = np.concatenate([next(rows) for _ in some])
            columns = [
                arrow.array([as_utf8(each.name) for each in some], arrow.string()),
                arrow.array([as_utf8(each.label) for each in some], arrow.string()),
                arrow.FixedSizeListArray.from_arrays(arrow.array(values), channels),
            ]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
