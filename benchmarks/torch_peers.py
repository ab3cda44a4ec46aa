"""The class activation maps of torchcam or pytorch-grad-cam, with an overlay each, as their manuals show it.

Waits for a line on stdin, does all the photos once, prints the seconds on the clock and of the processor, and waits
again; `throughput.py` starts it with the Python that has torch and the peers, which need not have cam-audit.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

NETS = {"resnet18": ("resnet18", "layer4"), "squeezenet": ("squeezenet1_1", "features")}


def main(peer: str, net: str, weights: str, photos: list[str], out: Path, shim: str) -> None:
    """Do the photos whenever a line comes in; `shim` is a module to import before torchvision, or "-"."""
    if shim != "-":
        sys.path.insert(0, str(Path(shim).parent))
        importlib.import_module(Path(shim).stem)
    torchvision = importlib.import_module("torchvision")
    name, layer = NETS[net]
    model = getattr(torchvision.models, name)(weights=None)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    model.load_state_dict({key: value.float() for key, value in state.items()}, strict=False)
    model.eval()
    draw = {"torchcam": torchcam, "grad-cam": grad_cam}[peer](model, layer, _preprocess)
    print("ready", flush=True)
    for _ in sys.stdin:
        begin, processor = time.perf_counter(), time.process_time()
        for number, photo in enumerate(photos):
            draw(Image.open(photo).convert("RGB")).save(out / f"{number}.png")
        print(time.perf_counter() - begin, time.process_time() - processor, flush=True)


Preprocess = Callable[[Image.Image], Any]


def _preprocess(image: Image.Image) -> Any:
    """The photo as the net was trained to get it: short side 224 pixels, ImageNet's mean and deviation."""
    scale = 224 / min(image.size)
    small = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR)
    rgb = (np.asarray(small, np.float32) / 255 - [0.485, 0.456, 0.406]) / np.float32([0.229, 0.224, 0.225])
    return torch.from_numpy(rgb.astype(np.float32)).permute(2, 0, 1)[None]


def torchcam(model: Any, layer: str, preprocess: Preprocess) -> Callable[[Image.Image], Image.Image]:
    """torchcam's CAM, or where the net's last layer is a convolution, its GradCAM."""
    from torchcam.methods import CAM, GradCAM
    from torchcam.utils import overlay_mask

    extractor = CAM(model, layer) if hasattr(model, "fc") else GradCAM(model, layer)

    def draw(image: Image.Image) -> Image.Image:
        scores = model(preprocess(image))
        (cam,) = extractor(scores.squeeze(0).argmax().item(), scores)
        return overlay_mask(image, Image.fromarray(cam.squeeze(0).detach().numpy(), mode="F"), alpha=0.5)

    return draw


def grad_cam(model: Any, layer: str, preprocess: Preprocess) -> Callable[[Image.Image], Image.Image]:
    """pytorch-grad-cam's GradCAM."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.image import show_cam_on_image

    extractor = GradCAM(model, [getattr(model, layer)])

    def draw(image: Image.Image) -> Image.Image:
        cam = extractor(preprocess(image))[0]
        large = np.asarray(Image.fromarray(cam).resize(image.size, Image.Resampling.BILINEAR))
        return Image.fromarray(show_cam_on_image(np.asarray(image, np.float32) / 255, large, use_rgb=True))

    return draw


if __name__ == "__main__":
    main(*sys.argv[1:4], Path(sys.argv[4]).read_text().splitlines(), Path(sys.argv[5]), sys.argv[6])
