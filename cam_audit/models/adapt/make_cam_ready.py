"""From a plain ONNX classifier to a proved CAM-ready file."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from cam_audit.errors import ModelError
from cam_audit.files import sha256_of
from cam_audit.models import file_format
from cam_audit.models.adapt.build import InputShape, build
from cam_audit.models.adapt.head import find_head
from cam_audit.models.adapt.image_input import find_image_input
from cam_audit.models.adapt.preprocessing import Preprocessing
from cam_audit.models.adapt.proof import Reference, check_against, find_output, run_reference
from cam_audit.models.adapt.source import read_source, to_bytes
from cam_audit.models.model import Model, load_model


@dataclass(frozen=True)
class AdaptedModel:
    """What `adapt` found and wrote: layers in words, as "'fc' (Gemm)", sizes (H, W) in pixels or cells.

    `features`: how many channels enter the last convolution, where the file offers these; None where it does not.
    """

    path: Path
    pooling: str
    classifier: str | None
    cut: str | None
    activation_layer: str
    channels: int
    features: int | None
    classes: int
    input_size: tuple[int, int]
    map_size: tuple[int, int]
    dynamic_batch: bool
    dynamic_size: bool

    @property
    def head(self) -> str:
        """The head in one line."""
        classifier = f"then {self.classifier}" if self.classifier else "nothing after it"
        cut = f"; {self.cut} cut off" if self.cut else ""
        return f"{self.activation_layer}, averaged by {self.pooling}, {classifier}{cut}"


def adapt(
    source: Path,
    target: Path,
    *,
    preprocessing: Preprocessing,
    classes: Sequence[str] | None,
    class_ids: Sequence[str] | None = None,
    net: str,
    input_size: tuple[int, int] | None = None,
    licence: str = "unknown",
    source_sha256: str | None = None,
) -> AdaptedModel:
    """Make a CAM-ready file of a plain ONNX classifier, prove it, and only then put it in place.

    `classes` names the outputs in order ("class 0", ... if None); `input_size` (H, W) defaults to the graph's
    fixed size, else 224 x 224; `source_sha256` to the hash of `source`. The proof: on three random images the
    logits are those of the source, and `load_model` finds its identity to hold.

    Raises ModelError where no class activation map is defined, the labels don't fit, or the proof fails.
    """
    with _naming(source):
        if target.resolve() == source.resolve():
            raise ModelError("the target is the source itself; give another file")
        graph = read_source(source)
        image = find_image_input(graph)
        size = image.size(input_size)
        head = find_head(graph, find_output(graph, image, size))
        reference = run_reference(graph, image, head, preprocessing, size)
        metadata = {
            file_format.VERSION_KEY: file_format.VERSION,
            file_format.NET_KEY: net,
            file_format.CLASSES_KEY: json.dumps(_names(classes, class_ids, reference), ensure_ascii=False),
            file_format.INPUT_SIZE_KEY: json.dumps(input_size or size),
            file_format.ACTIVATION_LAYER_KEY: head.activation_layer.name,
            file_format.SOURCE_SHA256_KEY: source_sha256 or sha256_of(source),
            file_format.LICENCE_KEY: licence,
        }
        if class_ids is not None:
            metadata[file_format.CLASS_IDS_KEY] = json.dumps(list(class_ids))
        candidates = (
            (accepts, build(graph, image, head, preprocessing, accepts, metadata))
            for accepts in _input_shapes(size, input_size or size)
        )
        accepts, model = _write_first_proved(candidates, reference, target)
    maps = model.run(np.zeros((*model.input_size, 3), np.uint8)).activations
    return AdaptedModel(
        path=target,
        pooling=str(head.pooling.layer),
        classifier=str(head.classifier.layer) if head.classifier else None,
        cut=str(head.cut) if head.cut else None,
        activation_layer=str(head.activation_layer),
        channels=maps.shape[0],
        features=None if model.feature_weight is None else model.feature_weight.shape[1],
        classes=len(model.class_names),
        input_size=model.input_size,
        map_size=(maps.shape[1], maps.shape[2]),
        dynamic_batch=accepts.batch is None,
        dynamic_size=accepts.size is None,
    )


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """Put the source's name in front of the errors of what is done to it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from None
    except UnicodeDecodeError:
        # protobuf finds out where a name is read first, which may be anywhere
        raise ModelError(f"{source}: damaged, a name in it is not UTF-8 text") from None


def _input_shapes(size: tuple[int, int], wanted: tuple[int, int]) -> Iterator[InputShape]:
    """What to try, best first: the scan runs one image at a time, so free sizes are worth more than a batch.

    Raises ModelError when free sizes are given up while another size than the source's is wanted.
    """
    yield from (InputShape(None, None), InputShape(1, None))
    if wanted != size:
        sizes = [f"{width}x{height}" for height, width in (size, wanted)]
        raise ModelError(f"its input is fixed at {sizes[0]} and cannot be {sizes[1]}; leave the size out")
    yield from (InputShape(None, size), InputShape(1, size))


def _names(classes: Sequence[str] | None, class_ids: Sequence[str] | None, reference: Reference) -> list[str]:
    """A name a class, made unique by the id or index."""
    count = reference.logits.shape[1]
    if classes is None:
        return [f"class {index}" for index in range(count)]
    for what, given in (("labels", classes), ("class ids", class_ids or classes)):
        if len(given) != count:
            raise ModelError(f"{len(given)} {what} for {count} classes; give one a class, in their order")
    marks = class_ids or [""] * count
    uses = Counter(classes)
    return [
        f"{name} ({mark or index})" if uses[name] > 1 else name
        for index, (name, mark) in enumerate(zip(classes, marks, strict=True))
    ]


def _write_first_proved(
    candidates: Iterable[tuple[InputShape, onnx.ModelProto]], reference: Reference, target: Path
) -> tuple[InputShape, Model]:
    """Write the first candidate that holds what it claims; raises ModelError where none does."""
    reason = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adapt-") as folder:
            draft = Path(folder) / target.name
            for accepts, model in candidates:
                draft.write_bytes(to_bytes(model))
                try:
                    proved = load_model(draft)
                    check_against(reference, draft, accepts)
                except ModelError as error:
                    reason = str(error).removeprefix(f"{draft}: ")
                    continue
                draft.replace(target)
                return accepts, proved
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror}") from None
    raise ModelError(f"the CAM-ready graph fails its proof, nothing is written: {reason}")
