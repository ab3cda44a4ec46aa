"""Nets of the ONNX Model Zoo: where they are, what they expect, and how they become CAM-ready."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cam_audit.models.adapt import PRESETS, Preprocessing, adapt
from cam_audit.models.class_list import imagenet_classes
from cam_audit.models.download import Progress, RemoteFile, download
from cam_audit.models.known import NETS, cache_folder

BASE_ADDRESS = "https://huggingface.co/onnxmodelzoo"
ADDRESS_VARIABLE = "CAM_AUDIT_MODEL_URL"
# Below the base address; the second is the zoo as it was laid out in its own repository.
PATHS = (
    "{stem}/resolve/main/{stem}.onnx",
    "legacy_models/resolve/main/validated/vision/classification/{folder}/model/{stem}.onnx",
)


@dataclass(frozen=True)
class ZooNet:
    """A file of the zoo, its folder there, size in bytes and SHA-256, and the preprocessing of its model card."""

    stem: str
    folder: str
    size: int
    sha256: str
    preprocessing: Preprocessing = PRESETS["imagenet"]


ZOO = {
    "resnet18": ZooNet(
        "resnet18-v1-7",
        "resnet",
        46_820_737,
        "4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c",
    ),
    "squeezenet": ZooNet(
        "squeezenet1.1-7",
        "squeezenet",
        4_956_208,
        "1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088",
    ),
    "googlenet": ZooNet(
        "googlenet-9",
        "inception_and_googlenet/googlenet",
        28_020_232,
        "bd979d99d10d9acf84c5a67252bcae4992bf4e1afdab046cb0ea370e6f01ee38",
        Preprocessing(1.0, (123.68, 116.779, 103.939), (1.0, 1.0, 1.0), bgr=True),
    ),
    "mobilenetv2": ZooNet(
        "mobilenetv2-7",
        "mobilenet",
        14_246_826,
        "c1c513582d56afceff8516c73804e484c81c6a830712ab6d682253f4a3cd042f",
    ),
}


def base_address() -> str:
    """Where the zoo is: BASE_ADDRESS, or the mirror that $CAM_AUDIT_MODEL_URL names."""
    return (os.environ.get(ADDRESS_VARIABLE) or BASE_ADDRESS).rstrip("/")


def remote_file(net: ZooNet) -> RemoteFile:
    """Where a net is downloaded from."""
    addresses = tuple(f"{base_address()}/{path.format(stem=net.stem, folder=net.folder)}" for path in PATHS)
    return RemoteFile(addresses, net.size, net.sha256)


def pull(name: str, progress: Progress) -> Path:
    """Download a net of ZOO, make it CAM-ready and put it in the cache folder; returns the file.

    `progress` is called with the bytes downloaded so far. Raises ModelError where the download or the proof fails.
    """
    net = ZOO[name]
    classes = imagenet_classes()
    source = cache_folder().parent / "downloads" / f"{net.stem}.onnx"
    download(remote_file(net), source, progress)
    try:
        return adapt(
            source,
            cache_folder() / f"{name}.onnx",
            preprocessing=net.preprocessing,
            classes=classes.names,
            class_ids=classes.ids,
            net=name,
            licence=NETS[name].licence,
        ).path
    finally:
        source.unlink()
