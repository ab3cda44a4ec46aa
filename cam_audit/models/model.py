"""Load, check and run CAM-ready ONNX files."""

from __future__ import annotations

import math
import os
import random
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from cam_audit.cam import class_activation_map
from cam_audit.errors import ModelError
from cam_audit.files import sha256_of
from cam_audit.images.resize import network_size, resize
from cam_audit.models import file_format
from cam_audit.models.export_help import not_onnx
from cam_audit.models.file_metadata import HOW_TO_MAKE_ONE, FileMetadata
from cam_audit.models.identity import check_features, check_identity
from cam_audit.models.session import first_line, open_session

Array = NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """One forward pass: logits float32 (K,) before any softmax, activations float32 (C, h, w).

    `features`: what enters the last convolution, float32 (C', h, w), and `even`: the part of the activations that all
    cells have alike, float32 (C,), where they were asked for and the net offers them.
    """

    logits: NDArray[np.float32]
    activations: NDArray[np.float32]
    features: NDArray[np.float32] | None = None
    even: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Model:
    """A CAM-ready net; make one with `load_model`. Any number of threads may call `run` at the same time.

    `input_size` is (H, W) in pixels, `fixed_size` whether the net takes no other; `map_size` (h, w) the cells of
    the map at that size; `cam_weight` float32 (K, C) and `cam_bias` (K,), both None where activations[k] is
    the map of class k; `feature_weight` float32 (K, C') and `feature_bias` (K,), the last convolution of such a net,
    both None where its file does not offer what enters it; `class_ids` WordNet ids or ""; `sha256` of the file, as hex.
    `map_kind` is "exact" where the map is that of the paper, "per-image" where what follows the pooling is linear only
    for a given image. `scores` is "softmax" or, where several classes may be true of an image, "sigmoid". `fallback`:
    what is to be said if the CPU runs it, or some of it, though other providers were asked for; else "".
    """

    path: Path
    sha256: str
    net: str
    class_names: tuple[str, ...]
    class_ids: tuple[str, ...]
    input_size: tuple[int, int]
    fixed_size: bool
    map_size: tuple[int, int]
    activation_layer: str
    licence: str
    cam_weight: NDArray[np.float32] | None
    cam_bias: NDArray[np.float32] | None
    feature_weight: NDArray[np.float32] | None
    feature_bias: NDArray[np.float32] | None
    map_kind: str
    scores: str
    session: ort.InferenceSession
    fallback: str = ""

    def __reduce__(self) -> tuple[Any, ...]:
        # another process or machine loads the same file, which must be there
        return _load_same, (self.path, self.sha256, self.providers)

    def run(self, rgb: NDArray[np.uint8], *, features: bool = False, even: bool = False) -> Prediction:
        """One forward pass over an RGB image, uint8 (H, W, 3), at the size it has.

        features, even: whether to fetch these, too, where the net offers them.

        Raises ModelError where the outputs are not what they were when the net was loaded, which a net may compute
        from the image, and whatever onnxruntime raises.

        Example:
            >>> import cam_audit, numpy
            >>> model = cam_audit.load_model("demo-biased.onnx")
            >>> prediction = model.run(numpy.zeros((96, 128, 3), numpy.uint8))
            >>> prediction.logits.shape, prediction.activations.ndim
            ((5,), 3)
        """
        names = [file_format.LOGITS, file_format.ACTIVATIONS]
        if features and self.feature_weight is not None:
            names.append(file_format.FEATURES)
        if even and self._has_even:
            names.append(file_format.EVEN)
        values = dict(zip(names, self.session.run(names, {file_format.IMAGE: rgb[None]}), strict=True))
        logits, activations = values[file_format.LOGITS], values[file_format.ACTIVATIONS]
        as_loaded = logits.shape == (1, len(self.class_names)) and activations.shape[:2] == (1, self.channels)
        if not (as_loaded and activations.ndim == 4 and activations.size and np.isfinite(activations).all()):
            raise ModelError("its outputs have other shapes than when it was loaded, or activations are not numbers")
        entering = values.get(file_format.FEATURES)
        if entering is not None and not self._fits(entering, activations):
            raise ModelError("its features have another shape than when it was loaded, or are not numbers")
        alike = values.get(file_format.EVEN)
        if alike is not None and not (alike.shape == (1, self.channels) and np.isfinite(alike).all()):
            raise ModelError("its output 'even' has another shape than it should, or is not numbers")
        return Prediction(
            logits[0],
            activations[0],
            None if entering is None else entering[0],
            None if alike is None else alike[0],
        )

    def _fits(self, features: Array, activations: Array) -> bool:
        assert self.feature_weight is not None
        expected = 1, self.feature_weight.shape[1], *activations.shape[2:]
        return features.shape == expected and bool(np.isfinite(features).all())

    def fit(self, rgb: NDArray[np.uint8], shortest: int | None = None) -> NDArray[np.uint8]:
        """An image at the size at which it enters the net: its shortest side `shortest` pixels, the net's own if None.

        A net of a fixed size gets the whole image squeezed to that size.
        """
        if self.fixed_size:
            height, width = self.input_size
        else:
            target = shortest or min(self.input_size)
            width, height = network_size(rgb.shape[1], rgb.shape[0], target, self.cell)
        return resize(rgb, width, height)

    def cam(self, prediction: Prediction, class_index: int) -> NDArray[np.float32]:
        """The raw class activation map of one class, float32 (h, w), in units of the logit."""
        return class_activation_map(prediction.activations, self.cam_weight, class_index)

    def even_share(self, prediction: Prediction, class_index: int) -> float | None:
        """How much of a class's score no cell of its map accounts for, 0..1; None where `even` was not fetched.

        That is what biases and gates give to all cells alike, as a share of it and of what each cell has to itself.
        """
        if prediction.even is None:
            return None
        weight = None if self.cam_weight is None else self.cam_weight[class_index]
        even = float(prediction.even[class_index] if weight is None else weight @ prediction.even)
        own = float(np.abs(self.cam(prediction, class_index) - even).mean())
        alike = abs(even + (0.0 if self.cam_bias is None else float(self.cam_bias[class_index])))
        return alike / max(alike + own, 1e-12)

    @cached_property
    def _has_even(self) -> bool:
        return self.map_kind == file_format.PER_IMAGE and file_format.EVEN in {
            output.name for output in self.session.get_outputs()
        }

    def probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of logits (K,), float64 (K,): a softmax that sums to 1, or a sigmoid for each class, as `scores` says."""
        return sigmoid(logits) if self.scores == file_format.SIGMOID else softmax(logits)

    def predicts(self, logits: NDArray[np.float32], class_index: int) -> bool:
        """Whether a class is predicted: it has the largest logit or, of a sigmoid, a probability above .5."""
        above = self.scores == file_format.SIGMOID and float(logits[class_index]) > 0
        return above or int(logits.argmax()) == class_index

    def predicted(self, logits: NDArray[np.float32]) -> tuple[int, ...]:
        """The classes that are predicted, the most probable first."""
        if self.scores == file_format.SOFTMAX:
            return (int(logits.argmax()),)
        order = np.argsort(-logits, kind="stable")
        return tuple(int(k) for k in order if self.predicts(logits, int(k)))

    def deciding(self, logits: NDArray[np.float32], labels: Sequence[int]) -> int:
        """Of the classes of an image, the one that decides whether the prediction is right: it is if this is predicted.

        By softmax that is the one with the largest logit, as one of them is enough; by sigmoid the one with the
        smallest, as all have to be predicted.
        """
        best = min if self.scores == file_format.SIGMOID else max
        # of two that are as large, only the first may be predicted
        return best(labels, key=lambda index: (self.predicts(logits, index), float(logits[index])))

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers that run the net, the first preferred."""
        return tuple(self.session.get_providers())

    @property
    def channels(self) -> int:
        """How many activation maps there are, C."""
        return len(self.class_names) if self.cam_weight is None else int(self.cam_weight.shape[1])

    @property
    def separable(self) -> bool:
        """Whether the score of a class comes apart over channels: by `cam_weight`, or by `feature_weight`."""
        return self.cam_weight is not None or self.feature_weight is not None

    @property
    def cell(self) -> int:
        """The pixels that one cell of the map spans."""
        return max(1, round(self.input_size[0] / self.map_size[0]))

    @cached_property
    def mean_weight(self) -> NDArray[np.float32]:
        """The mean of `cam_weight` over the classes, float32 (C,); zeros where there is none."""
        if self.cam_weight is None:
            return np.zeros(len(self.class_names), np.float32)
        return self.cam_weight.mean(axis=0, dtype=np.float32)  # type: ignore[no-any-return]


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities, float64 (K,), that sum to 1."""
    powers = np.exp(logits.astype(np.float64) - float(logits.max()))
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Probabilities, float64 (K,), of each class for itself: 1 / (1 + exp(-z))."""
    # tanh, as exp overflows where z is very negative
    probabilities: NDArray[np.float64] = (1 + np.tanh(logits.astype(np.float64) / 2)) / 2
    return probabilities


def load_model(path: str | Path, provider: str | Sequence[str] = ()) -> Model:
    """Load a CAM-ready ONNX file and prove that it is one.

    provider: onnxruntime's execution providers that are to run it, such as "cuda", the first preferred. The CPU does
    what they can't, and `Model.fallback` says so.

    Checked on two different images of two sizes (of one, where the net has a fixed size): the mean over h, w
    of the map of class k, plus the bias, equals logit k to 1e-3 of the largest logit. Where there are `features`, too,
    that the last convolution makes the activations of them, with or without a ReLU, to 1e-3 of the largest. And that
    other providers than the CPU compute the same as it does, to 1e-3 of the largest value of each output.

    Raises ModelError where the file is missing, broken, of another format (with the lines that export it) or not
    CAM-ready, or a provider computes something else; CamAuditError for a provider that is not there.

    Example:
        >>> import cam_audit
        >>> model = cam_audit.load_model("demo-biased.onnx")
        >>> model.class_names
        ('bird', 'cat', 'dog', 'jug', 'mug')
    """
    path = Path(path)
    providers = _full_names((provider,) if isinstance(provider, str) else provider)
    if not os.path.isfile(path):
        raise not_onnx(path) or ModelError(f"{path}: no such model file")
    try:
        session = open_session(path)
    except ModelError as error:
        raise not_onnx(path) or error from None
    try:
        return _proved(path, session, providers)
    except UnicodeDecodeError:
        # onnxruntime decodes a name when it is asked for it, and that may be anywhere
        raise ModelError(f"{path}: damaged, a name in it is not UTF-8 text") from None


def _full_names(providers: Sequence[str]) -> tuple[str, ...]:
    """Providers as onnxruntime calls them; the CPU alone is none."""
    if not providers:
        return ()
    from cam_audit.models.providers import CPU, full_names

    names = full_names(providers)
    return () if names == (CPU,) else names


def _proved(path: Path, session: ort.InferenceSession, providers: Sequence[str]) -> Model:
    """The model of a session on the CPU, if it obeys `file_format`, to be run by `providers`."""
    outputs = {output.name for output in session.get_outputs()}
    missing = [name for name in (file_format.LOGITS, file_format.ACTIVATIONS) if name not in outputs]
    inputs = session.get_inputs()
    if missing or [i.name for i in inputs] != [file_format.IMAGE] or inputs[0].type != "tensor(uint8)":
        lacks = f"no output {missing[0]!r}" if missing else f"no uint8 input {file_format.IMAGE!r}"
        raise ModelError(f"{path}: not CAM-ready, it has {lacks}; {_how_to_adapt(path)}")
    metadata = FileMetadata(path, session.get_modelmeta().custom_metadata_map)
    input_size = metadata.input_size()
    fixed_size = any(isinstance(side, int) for side in inputs[0].shape[1:3])
    wanted = _wanted(outputs, path)
    image = _check_image(input_size)
    values = _outputs(session, wanted, image, path)
    cam_weight = values.get(file_format.CAM_WEIGHT)
    cam_bias = values.get(file_format.CAM_BIAS)
    if cam_weight is not None and cam_bias is None:
        cam_bias = np.zeros(len(cam_weight), np.float32)
    check_identity(values, cam_weight, cam_bias, path)
    # The second image is oblong where sizes are free: a pooling window of a fixed size fails there.
    height, width = input_size
    other = input_size if fixed_size else (max(64, height * 3 // 4), max(64, width // 2))
    of_the_image = [name for name in wanted if name in file_format.OF_THE_IMAGE]
    other_image = _check_image(other, seed=1)
    again = _outputs(session, of_the_image, other_image, path)
    check_identity(again, cam_weight, cam_bias, path)
    if file_format.FEATURES in wanted:
        check_features(values, path)
        check_features({**values, **again}, path)
    classes = metadata.strings(file_format.CLASSES_KEY)
    count = values[file_format.LOGITS].shape[1]
    if len(classes) != count:
        raise ModelError(f"{path}: {len(classes)} class names for {count} classes")
    class_ids = metadata.strings(file_format.CLASS_IDS_KEY, optional=True) or ("",) * len(classes)
    if len(class_ids) != len(classes):
        raise ModelError(f"{path}: {len(class_ids)} class ids for {len(classes)} classes")
    elsewhere, fallback = None, ""
    if providers:
        from cam_audit.models.providers import session_on

        elsewhere, fallback = session_on(path, providers, [(image, values), (other_image, again)])
    return Model(
        path=path,
        sha256=sha256_of(path),
        net=metadata.text(file_format.NET_KEY),
        class_names=classes,
        class_ids=class_ids,
        input_size=input_size,
        fixed_size=fixed_size,
        map_size=values[file_format.ACTIVATIONS].shape[2:],
        activation_layer=metadata.text(file_format.ACTIVATION_LAYER_KEY),
        licence=metadata.text(file_format.LICENCE_KEY),
        cam_weight=cam_weight,
        cam_bias=cam_bias,
        feature_weight=values.get(file_format.FEATURE_WEIGHT),
        feature_bias=values.get(file_format.FEATURE_BIAS),
        map_kind=metadata.choice(file_format.MAP_KEY, (file_format.EXACT, file_format.PER_IMAGE)),
        scores=metadata.choice(file_format.SCORES_KEY, (file_format.SOFTMAX, file_format.SIGMOID)),
        session=elsewhere or session,
        fallback=fallback,
    )


def _wanted(outputs: Collection[str], path: Path) -> list[str]:
    """Those of a file's outputs that are looked at; raises ModelError where some of the features are missing."""
    wanted = [name for name in file_format.OUTPUTS if name in outputs]
    offered = [name for name in file_format.FEATURE_OUTPUTS if name in outputs]
    if file_format.CAM_WEIGHT in outputs:
        return [name for name in wanted if name not in offered]
    if offered and len(offered) < len(file_format.FEATURE_OUTPUTS):
        missing = next(name for name in file_format.FEATURE_OUTPUTS if name not in outputs)
        raise ModelError(f"{path}: not CAM-ready, it has {offered[0]!r} but no output {missing!r}; {HOW_TO_MAKE_ONE}")
    return wanted


def _load_same(path: Path, sha256: str, providers: Sequence[str]) -> Model:
    """The model of a file that must not have changed; raises ModelError if it has."""
    model = load_model(path, providers)
    if model.sha256 != sha256:
        raise ModelError(f"{path}: not the file that it was: its SHA-256 is {model.sha256[:12]}, not {sha256[:12]}")
    return model


def _how_to_adapt(path: Path) -> str:
    """The way out for what looks like a plain classifier."""
    command = shlex.join(["cam-audit", "models", "adapt", str(path), "-o", str(path.with_suffix(".cam.onnx"))])
    return f"make it so with `{command}`, adding --labels FILE and --preset as it was trained"


def _check_image(size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    # by Python's generator: numpy's would have to be imported
    noise = random.Random(seed).randbytes(math.prod(size) * 3)
    return np.frombuffer(noise, np.uint8).reshape(*size, 3)


def _outputs(
    session: ort.InferenceSession, names: Sequence[str], rgb: NDArray[np.uint8], path: Path
) -> dict[str, Array]:
    try:
        return dict(zip(names, session.run(names, {file_format.IMAGE: rgb[None]}), strict=True))
    except Exception as error:
        size = f"{rgb.shape[1]}x{rgb.shape[0]}"
        raise ModelError(f"{path}: the net cannot be run at {size}: {first_line(error)}") from None
