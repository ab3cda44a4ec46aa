"""Load, check and run CAM-ready ONNX files."""

from __future__ import annotations

import json
import math
import os
import random
import shlex
from collections.abc import Collection, Mapping, Sequence
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
from cam_audit.models.session import first_line, open_session

# float16 and int8 files keep fewer digits than the float32 nets that the identity holds for to 1e-5
IDENTITY_TOLERANCE = 1e-3

Array = NDArray[Any]


@dataclass(frozen=True)
class Prediction:
    """One forward pass: logits float32 (K,) before any softmax, activations float32 (C, h, w).

    `features`: what enters the last convolution, float32 (C', h, w), where it was asked for and the net offers it.
    `even`: the part of the activations that is the same in each cell, float32 (C,), of a net with a map for each image.
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
    for a given image; `has_even` whether the file tells what of such a map no cell has to itself.
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
    has_even: bool
    session: ort.InferenceSession

    def __reduce__(self) -> tuple[Any, ...]:
        # another process or machine loads the same file, which must be there
        return _load_same, (self.path, self.sha256)

    def run(self, rgb: NDArray[np.uint8], *, features: bool = False) -> Prediction:
        """One forward pass over an RGB image, uint8 (H, W, 3), at the size it has.

        features: whether to fetch what enters the last convolution, where the net offers that.

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
        if self.has_even:
            names.append(file_format.EVEN)
        values = dict(zip(names, self.session.run(names, {file_format.IMAGE: rgb[None]}), strict=True))
        logits, activations = values[file_format.LOGITS], values[file_format.ACTIVATIONS]
        as_loaded = logits.shape == (1, len(self.class_names)) and activations.shape[:2] == (1, self.channels)
        if not (as_loaded and activations.ndim == 4 and activations.size and np.isfinite(activations).all()):
            raise ModelError("its outputs have other shapes than when it was loaded, or activations are not numbers")
        entering, even = values.get(file_format.FEATURES), values.get(file_format.EVEN)
        if entering is not None and not self._fits(entering, activations):
            raise ModelError("its features have another shape than when it was loaded, or are not numbers")
        if even is not None and not (even.shape == activations.shape[:2] and np.isfinite(even).all()):
            raise ModelError("its output 'even' has another shape than when it was loaded, or is not numbers")
        return Prediction(
            logits[0],
            activations[0],
            None if entering is None else entering[0],
            None if even is None else even[0],
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

    def even(self, prediction: Prediction, class_index: int) -> float:
        """What all cells of a class's map have alike, by biases and gates, as part of the logit; 0 for an exact map."""
        if prediction.even is None:
            return 0.0
        return float(class_activation_map(prediction.even[:, None, None], self.cam_weight, class_index)[0, 0])

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


def load_model(path: str | Path) -> Model:
    """Load a CAM-ready ONNX file and prove that it is one.

    Checked on two different images of two sizes (of one, where the net has a fixed size): the mean over h, w
    of the map of class k, plus the bias, equals logit k to 1e-3 of the largest logit. Where there are `features`, too,
    that the last convolution makes the activations of them, with or without a ReLU, to 1e-3 of the largest.

    Raises ModelError where the file is missing, broken or not CAM-ready.

    Example:
        >>> import cam_audit
        >>> model = cam_audit.load_model("demo-biased.onnx")
        >>> model.class_names
        ('bird', 'cat', 'dog', 'jug', 'mug')
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise ModelError(f"{path}: no such model file")
    try:
        return _proved(path, open_session(path))
    except UnicodeDecodeError:
        # onnxruntime decodes a name when it is asked for it, and that may be anywhere
        raise ModelError(f"{path}: damaged, a name in it is not UTF-8 text") from None


def _proved(path: Path, session: ort.InferenceSession) -> Model:
    """The model of a session, if it obeys the file_format."""
    outputs = {output.name for output in session.get_outputs()}
    missing = [name for name in (file_format.LOGITS, file_format.ACTIVATIONS) if name not in outputs]
    inputs = session.get_inputs()
    if missing or [i.name for i in inputs] != [file_format.IMAGE] or inputs[0].type != "tensor(uint8)":
        lacks = f"no output {missing[0]!r}" if missing else f"no uint8 input {file_format.IMAGE!r}"
        raise ModelError(f"{path}: not CAM-ready, it has {lacks}; {_how_to_adapt(path)}")
    metadata = _Metadata(path, session.get_modelmeta().custom_metadata_map)
    input_size = metadata.input_size()
    fixed_size = any(isinstance(side, int) for side in inputs[0].shape[1:3])
    wanted = _wanted(outputs, path)
    values = _outputs(session, wanted, _check_image(input_size), path)
    cam_weight = values.get(file_format.CAM_WEIGHT)
    cam_bias = values.get(file_format.CAM_BIAS)
    if cam_weight is not None and cam_bias is None:
        cam_bias = np.zeros(len(cam_weight), np.float32)
    prediction = _checked(values, cam_weight, cam_bias, path)
    # The second image is oblong where sizes are free: a pooling window of a fixed size fails there.
    height, width = input_size
    other = input_size if fixed_size else (max(64, height * 3 // 4), max(64, width // 2))
    of_the_image = [name for name in wanted if name in file_format.OF_THE_IMAGE]
    again = _outputs(session, of_the_image, _check_image(other, seed=1), path)
    _checked(again, cam_weight, cam_bias, path)
    if file_format.FEATURES in wanted:
        _check_features(values, path)
        _check_features({**values, **again}, path)
    classes = metadata.strings(file_format.CLASSES_KEY)
    if len(classes) != prediction.logits.size:
        raise ModelError(f"{path}: {len(classes)} class names for {prediction.logits.size} classes")
    class_ids = metadata.strings(file_format.CLASS_IDS_KEY, optional=True) or ("",) * len(classes)
    map_kind = metadata.text(file_format.MAP_KEY, file_format.EXACT)
    if map_kind not in (file_format.EXACT, file_format.PER_IMAGE):
        raise ModelError(f"{path}: its metadata {file_format.METADATA_PREFIX}{file_format.MAP_KEY} is {map_kind!r}")
    if len(class_ids) != len(classes):
        raise ModelError(f"{path}: {len(class_ids)} class ids for {len(classes)} classes")
    return Model(
        path=path,
        sha256=sha256_of(path),
        net=metadata.text(file_format.NET_KEY),
        class_names=classes,
        class_ids=class_ids,
        input_size=input_size,
        fixed_size=fixed_size,
        map_size=(prediction.activations.shape[1], prediction.activations.shape[2]),
        activation_layer=metadata.text(file_format.ACTIVATION_LAYER_KEY),
        licence=metadata.text(file_format.LICENCE_KEY),
        cam_weight=cam_weight,
        cam_bias=cam_bias,
        feature_weight=values.get(file_format.FEATURE_WEIGHT),
        feature_bias=values.get(file_format.FEATURE_BIAS),
        map_kind=map_kind,
        has_even=file_format.EVEN in wanted and map_kind == file_format.PER_IMAGE,
        session=session,
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


def _load_same(path: Path, sha256: str) -> Model:
    """The model of a file that must not have changed; raises ModelError if it has."""
    model = load_model(path)
    if model.sha256 != sha256:
        raise ModelError(f"{path}: not the file that it was: its SHA-256 is {model.sha256[:12]}, not {sha256[:12]}")
    return model


HOW_TO_MAKE_ONE = "make the file again from the plain classifier with `cam-audit models adapt`"


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


def _checked(values: Mapping[str, Array], cam_weight: Array | None, cam_bias: Array | None, path: Path) -> Prediction:
    """The prediction in `values`, proved to obey the identity; raises ModelError where it does not."""
    for name, value in values.items():
        # an output may be a list or a dict too
        if not isinstance(value, np.ndarray) or value.dtype != np.float32 or not value.size:
            raise ModelError(f"{path}: not CAM-ready, its output {name!r} is not float32 numbers; {HOW_TO_MAKE_ONE}")
    if values[file_format.LOGITS].ndim != 2 or values[file_format.ACTIVATIONS].ndim != 4:
        raise ModelError(f"{path}: not CAM-ready, its outputs are not (N, K) and (N, C, h, w); {HOW_TO_MAKE_ONE}")
    prediction = Prediction(values[file_format.LOGITS][0], values[file_format.ACTIVATIONS][0])
    logits = prediction.logits
    means = prediction.activations.mean(axis=(1, 2), dtype=np.float64)
    if cam_weight is None or cam_bias is None:
        expected = means
    elif cam_weight.shape != (logits.size, means.size) or cam_bias.shape != logits.shape:
        raise ModelError(f"{path}: not CAM-ready, cam_weight is {cam_weight.shape} for {logits.size} classes")
    else:
        with np.errstate(all="ignore"):
            expected = cam_weight @ means + cam_bias
    if expected.shape != logits.shape:
        raise ModelError(f"{path}: not CAM-ready, {means.size} maps for {logits.size} classes; {HOW_TO_MAKE_ONE}")
    if not all(np.isfinite(values).all() for values in (logits, means, expected)):
        raise ModelError(f"{path}: the net gives scores, weights or activations that are not numbers")
    worst = float(np.abs(expected - logits).max() / max(1.0, float(np.abs(logits).max())))
    if worst > IDENTITY_TOLERANCE:
        raise ModelError(
            f"{path}: not CAM-ready, the mean of the map plus the bias misses the logit by {worst:.2g} (relative): "
            "the activations are not what the last linear layer averages; "
            f"{HOW_TO_MAKE_ONE}"
        )
    return prediction


def _check_features(values: Mapping[str, Array], path: Path) -> None:
    """Prove that the last convolution makes the activations of the features; raises ModelError where it does not."""
    activations = values[file_format.ACTIVATIONS][0]
    features, weight, bias = (values[name] for name in file_format.FEATURE_OUTPUTS)
    classes, *grid = activations.shape
    shapes = (1, *weight.shape[1:], *grid), (classes, *weight.shape[1:]), (classes,)
    if weight.ndim != 2 or (features.shape, weight.shape, bias.shape) != shapes:
        raise ModelError(
            f"{path}: not CAM-ready, features {features.shape}, feature_weight {weight.shape} and feature_bias "
            f"{bias.shape} do not fit activations {activations.shape}; {HOW_TO_MAKE_ONE}"
        )
    with np.errstate(all="ignore"):
        convolved = np.tensordot(weight, features[0], axes=1) + bias[:, None, None]
        misses = [float(np.abs(made - activations).max()) for made in (np.maximum(convolved, 0), convolved)]
    # a ReLU would hide what is infinitely negative
    worst = min(misses) / max(1.0, float(np.abs(activations).max())) if np.isfinite(convolved).all() else math.inf
    if worst > IDENTITY_TOLERANCE:
        raise ModelError(
            f"{path}: not CAM-ready, feature_weight and feature_bias make of its features what misses the activations "
            f"by {worst:.2g} (relative); {HOW_TO_MAKE_ONE}, or leave these three outputs out"
        )


@dataclass(frozen=True)
class _Metadata:
    path: Path
    values: Mapping[str, str]

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(file_format.METADATA_PREFIX + key, default)
        if value is None:
            raise ModelError(
                f"{self.path}: not CAM-ready, its metadata lacks {file_format.METADATA_PREFIX}{key}; {HOW_TO_MAKE_ONE}"
            )
        return value

    def strings(self, key: str, *, optional: bool = False) -> tuple[str, ...]:
        if optional and file_format.METADATA_PREFIX + key not in self.values:
            return ()
        value = self._json(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ModelError(f"{self.path}: its metadata {file_format.METADATA_PREFIX}{key} is not a list of names")
        return tuple(value)

    def input_size(self) -> tuple[int, int]:
        value = self._json(file_format.INPUT_SIZE_KEY)
        if not (
            isinstance(value, list)
            and len(value) == 2
            and all(type(side) is int and 8 <= side <= 8192 for side in value)
        ):
            raise ModelError(f"{self.path}: its metadata {file_format.METADATA_PREFIX}input_size is not [H, W]")
        return value[0], value[1]

    def _json(self, key: str) -> object:
        text = self.text(key)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ModelError(f"{self.path}: its metadata {file_format.METADATA_PREFIX}{key} is not JSON") from None
