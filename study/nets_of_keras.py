"""Keras applications and heads with random weights, by tf2onnx, for `nets`; preprocessing within a net stays there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow
import tf2onnx
from keras import layers
from nets import Logits, Net

from cam_audit.models.adapt import PRESETS

CLASSES = 10
APPLICATIONS = {
    "ResNet50": "caffe",
    "ResNet50V2": "tf",
    "MobileNet": "tf",
    "MobileNetV2": "tf",
    "MobileNetV3Small": None,
    "EfficientNetB0": None,
    "EfficientNetV2B0": None,
    "DenseNet121": "imagenet",
    "InceptionV3": "tf",
    "Xception": "tf",
    "NASNetMobile": "tf",
    "ConvNeXtTiny": None,
    "VGG16": "caffe",
}
SIZES = {"InceptionV3": 139, "Xception": 128, "VGG16": 64, "NASNetMobile": 224}


def nets() -> list[Net]:
    """All of them, with free sizes where Keras gives these."""
    return [
        *(
            Net("Keras", name, functools.partial(_export, functools.partial(_application, name), preset), preset=preset)
            for name, preset in APPLICATIONS.items()
        ),
        *(
            Net("Keras", name, functools.partial(_export, functools.partial(_with_head, head), "unit"), preset="unit")
            for name, head in HEADS.items()
        ),
    ]


def _application(name: str) -> keras.Model:
    size = SIZES.get(name, 128)
    return getattr(keras.applications, name)(
        weights=None, classes=CLASSES, input_shape=(size, size, 3), classifier_activation=None
    )


def _with_head(head: Callable[[keras.KerasTensor], keras.KerasTensor]) -> keras.Model:
    image = x = keras.Input((None, None, 3))
    for width in (16, 32, 64):
        x = layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
    return keras.Model(image, head(x))


def _export(make: Callable[[], keras.Model], preset: str | None, path: Path) -> Logits:
    keras.utils.set_random_seed(0)
    model = make()
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            random = np.random.default_rng(0)
            scale, shift, mean, variance = (
                (weight.shape for weight in layer.weights) if len(layer.weights) == 4 else ((),) * 4
            )
            if scale:
                layer.set_weights(
                    [
                        random.uniform(0.8, 1.2, scale),
                        random.normal(0, 0.1, shift),
                        random.normal(0, 0.1, mean),
                        random.uniform(0.5, 1.5, variance),
                    ]
                )
    signature = [tensorflow.TensorSpec((None, *model.input_shape[1:]), tensorflow.float32, name="image")]
    function = tensorflow.function(lambda image: model(image, training=False), input_signature=signature)
    tf2onnx.convert.from_function(function, input_signature=signature, opset=17, output_path=str(path))

    def logits(rgb: np.ndarray) -> np.ndarray:
        pixels = PRESETS[preset].apply(rgb) if preset else rgb
        return np.asarray(model(pixels[None].astype(np.float32), training=False)).reshape(-1)

    return logits


def _pooled(*after: layers.Layer) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
    def head(x: keras.KerasTensor) -> keras.KerasTensor:
        x = layers.GlobalAveragePooling2D()(x)
        for layer in after:
            x = layer(x)
        return x

    return head


HEADS: dict[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    "average, Dense": _pooled(layers.Dropout(0.2), layers.Dense(CLASSES)),
    "average, Dense by ReLU, Dense": _pooled(layers.Dense(32, activation="relu"), layers.Dense(CLASSES)),
    "average, BatchNorm, Dense": _pooled(layers.BatchNormalization(), layers.Dense(CLASSES)),
    "average, LayerNorm, Dense": _pooled(layers.LayerNormalization(), layers.Dense(CLASSES)),
    "average, Dense by GELU, Dense": _pooled(layers.Dense(32, activation="gelu"), layers.Dense(CLASSES)),
    "average, Dense by swish, Dense": _pooled(layers.Dense(32, activation="swish"), layers.Dense(CLASSES)),
    "average, Dense of one score": _pooled(layers.Dense(1)),
    "maximum, Dense": lambda x: layers.Dense(CLASSES)(layers.GlobalMaxPooling2D()(x)),
}
