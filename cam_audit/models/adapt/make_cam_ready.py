"""From a plain ONNX classifier to a proved CAM-ready file."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from cam_audit.errors import ModelError, NotOnnxError
from cam_audit.files import sha256_of
from cam_audit.models import file_format
from cam_audit.models.adapt.build import InputShape, build
from cam_audit.models.adapt.even import even_share
from cam_audit.models.adapt.exporters import names_within, size_within
from cam_audit.models.adapt.head import find_head
from cam_audit.models.adapt.image_input import ImageInput, find_image_input
from cam_audit.models.adapt.preprocessing import PRESETS, Preprocessing
from cam_audit.models.adapt.proof import Reference, check_against, find_output, run_reference
from cam_audit.models.adapt.shapes import at_one_size
from cam_audit.models.adapt.sizes import why_size_matters
from cam_audit.models.adapt.source import Graph, read_source, to_bytes
from cam_audit.models.adapt.within import find_within
from cam_audit.models.model import Model, load_model


@dataclass(frozen=True)
class AdaptedModel:
    """What `adapt` found and wrote: layers in words, as "'fc' (Gemm)", sizes (H, W) in pixels or cells.

    `layers` come between `pooling` and the logits. `features`: how many channels enter the last convolution, where the
    file offers these; None where it does not. `exact`: whether the map is the paper's, not one made for each image.
    `even_share`: how much of what makes up the largest logit no cell has to itself, on average over random images,
    0..1; 0 for an exact map. `why_fixed`: why only one size is taken; "" where others are. `notes`: what was taken as
    what, in sentences. `named`: whether labels or the file's own metadata gave the names of the classes.
    `preprocessed_within`: whether the net scales its own input.
    """

    path: Path
    pooling: str
    layers: tuple[str, ...]
    cut: str | None
    activation_layer: str
    channels: int
    features: int | None
    classes: int
    named: bool
    class_names: tuple[str, ...]
    input_size: tuple[int, int]
    map_size: tuple[int, int]
    dynamic_batch: bool
    dynamic_size: bool
    preprocessing: Preprocessing
    preprocessed_within: bool
    exact: bool
    even_share: float
    why_fixed: str
    notes: tuple[str, ...]

    @property
    def head(self) -> str:
        """The head in one line."""
        after = f"then {', '.join(self.layers)}" if self.layers else "nothing after it"
        cut = f"; {self.cut} cut off" if self.cut else ""
        return f"{self.activation_layer}, pooled by {self.pooling}, {after}{cut}"


def adapt(
    source: Path,
    target: Path,
    *,
    preprocessing: Preprocessing | None,
    classes: Sequence[str] | None,
    class_ids: Sequence[str] | None = None,
    net: str,
    input_size: tuple[int, int] | None = None,
    output: str | None = None,
    per_image: bool = False,
    licence: str = "unknown",
    source_sha256: str | None = None,
) -> AdaptedModel:
    """Make a CAM-ready file of a plain ONNX classifier, prove it, and only then put it in place.

    `preprocessing` None is what the graph leaves to do if it scales its own input, else ImageNet's. `classes` names the
    outputs in order (the file's own names or "class 0", ... if None); `input_size` (H, W) defaults to the graph's fixed
    size, else the metadata's, else 224 x 224; `output` names the graph's output to take where it has several;
    `per_image` takes nets that read each cell of a map by weights of its own, too; `source_sha256` defaults to the hash
    of `source`. The proof: on three random images the logits are those of the source, and `load_model` finds its
    identity to hold.

    Raises ModelError where the scores are no sum over the cells of a map, the labels don't fit, or the proof fails.
    """
    with _naming(source):
        if target.resolve() == source.resolve():
            raise ModelError("the target is the source itself; give another file")
        graph = read_source(source)
        image = find_image_input(graph)
        size = image.size(input_size or size_within(graph.model))
        preprocessing, within, notes = _preprocessing(graph, image, preprocessing)
        name = find_output(graph, image, size, output)
        blank = image.preprocess(np.zeros((image.batch or 1, *size, 3), np.uint8), preprocessing)
        sized, shapes = at_one_size(graph, {image.name: blank})
        head = find_head(sized, name, shapes, batch=image.batch or 1, size=size, per_image=per_image)
        if head.single:
            notes.append(
                "one score z: taken as the two classes 'class 0' with 0 and 'class 1' with z, whose softmax is the "
                "sigmoid of z; a net that gives a quantity, not a class, is none for a scan"
            )
        if head.several:
            notes.append(
                "it ends in a sigmoid, so several classes may be true of an image: all above .5 are predictions"
            )
        reference = run_reference(graph, image, head, preprocessing, size)
        named = names_within(graph.model) if classes is None else None
        if named and len(named[1]) == reference.logits.shape[1]:
            classes = named[1]
            notes.append(f"the names of the classes are those of the file's metadata {named[0]!r}")
        metadata = {
            file_format.VERSION_KEY: file_format.VERSION,
            file_format.NET_KEY: net,
            file_format.CLASSES_KEY: json.dumps(_names(classes, class_ids, reference), ensure_ascii=False),
            file_format.INPUT_SIZE_KEY: json.dumps(input_size or size),
            file_format.ACTIVATION_LAYER_KEY: head.activation_layer.name,
            file_format.SOURCE_SHA256_KEY: source_sha256 or sha256_of(source),
            file_format.LICENCE_KEY: licence,
            file_format.MAP_KEY: file_format.EXACT if head.exact else file_format.PER_IMAGE,
            file_format.SCORES_KEY: file_format.SIGMOID if head.several else file_format.SOFTMAX,
        }
        if class_ids is not None:
            metadata[file_format.CLASS_IDS_KEY] = json.dumps(list(class_ids))
        why_fixed = why_size_matters(graph, image, head, size)
        candidates = (
            (accepts, build(graph, image, head, preprocessing, accepts, metadata))
            for accepts in _input_shapes(size, input_size or size, why_fixed)
        )
        accepts, model, failed = _write_first_proved(candidates, reference, target)
    maps = model.run(np.zeros((*model.input_size, 3), np.uint8)).activations
    return AdaptedModel(
        path=target,
        pooling=" and ".join(map(str, head.poolings)),
        layers=tuple(map(str, head.layers)),
        cut=str(head.cut) if head.cut else None,
        activation_layer=str(head.activation_layer),
        channels=maps.shape[0],
        features=None if model.feature_weight is None else model.feature_weight.shape[1],
        classes=len(model.class_names),
        named=classes is not None,
        class_names=model.class_names,
        input_size=model.input_size,
        map_size=(maps.shape[1], maps.shape[2]),
        dynamic_batch=accepts.batch is None,
        dynamic_size=accepts.size is None,
        preprocessing=preprocessing,
        preprocessed_within=within,
        exact=head.exact,
        even_share=0.0 if head.exact else even_share(model, reference.runs.images),
        why_fixed="" if accepts.size is None else why_fixed or failed,
        notes=tuple(notes),
    )


def _preprocessing(
    graph: Graph, image: ImageInput, given: Preprocessing | None
) -> tuple[Preprocessing, bool, list[str]]:
    """The preprocessing to put in front, whether the net has its own, and what to say of it.

    Raises ModelError where one would be put on another.
    """
    notes = []
    if image.channels == 1:
        notes.append("one channel: grey, 0.299 R + 0.587 G + 0.114 B")
    within = find_within(graph, image)
    if within is None:
        return given or PRESETS["imagenet"], False, notes
    left, layers = within
    takes = "0..255" if left.scale == 1 else "0..1"
    done = f", scaled by {', '.join(map(str, layers))}" if layers else ""
    if given is not None and replace(given, bgr=False) != left:
        numbers = "--scale 1" if left.scale == 1 else "--preset unit"
        raise ModelError(
            f"preprocessing is in the net already: it takes {takes}{done}; leave --preset, --mean, --std and --scale "
            f"out, or give `{numbers}`"
        )
    notes.append(f"preprocessing is in the net: it takes {takes}{done}, so no other is put in front")
    return given or left, True, notes


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """Put the source's name in front of the errors of what is done to it."""
    try:
        yield
    except NotOnnxError:
        raise
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from None
    except UnicodeDecodeError:
        # protobuf finds out where a name is read first, which may be anywhere
        raise ModelError(f"{source}: damaged, a name in it is not UTF-8 text") from None


def _input_shapes(size: tuple[int, int], wanted: tuple[int, int], why_fixed: str) -> Iterator[InputShape]:
    """What to try, best first: the scan runs one image at a time, so free sizes are worth more than a batch.

    Raises ModelError when free sizes are given up while another size than the source's is wanted.
    """
    if not why_fixed:
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
) -> tuple[InputShape, Model, str]:
    """Write the first candidate that holds what it claims; raises ModelError where none does.

    The text is why the one before it failed.
    """
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
                return accepts, proved, reason
    except OSError as error:
        raise ModelError(f"cannot write {target}: {error.strerror}") from None
    raise ModelError(f"the CAM-ready graph fails its proof, nothing is written: {reason}")
