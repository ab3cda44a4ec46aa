"""Nets of torchvision, timm and transformers, and heads that people put on, with random weights, for `nets`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from nets import Logits, Net
from torch import nn
from torch.nn import functional

CLASSES = 10
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

TORCHVISION = """
resnet18 resnet50 resnext50_32x4d densenet121 squeezenet1_1 googlenet inception_v3 shufflenet_v2_x0_5
mobilenet_v2 mobilenet_v3_small mobilenet_v3_large mnasnet0_5 efficientnet_b0 efficientnet_v2_s regnet_x_400mf
regnet_y_400mf
""".split()
TIMM = """
mobilenetv3_small_100 lcnet_050 tinynet_e mobilenetv4_conv_small tf_mobilenetv3_small_100 repghostnet_050 regnety_002
hardcorenas_a mnasnet_small ghostnet_100 ghostnetv2_100 spnasnet_100 fbnetc_100 mixnet_s efficientnet_b0
tf_efficientnet_lite0 tf_efficientnet_b0 rexnet_100 hgnetv2_b0 mobileone_s0 ese_vovnet19b_dw efficientnet_es repvgg_a0
cs3darknet_s gernet_s nf_regnet_b0 resnest14d skresnet18 legacy_seresnet18 resnet18 resnet26d ecaresnet26t
hrnet_w18_small densenet121 selecsls42 dla34 hgnet_tiny regnetz_b16 dpn48b res2net50_26w_4s resnetv2_50
resnetv2_50x1_bit cspresnet50 legacy_xception xception41 inception_v4
""".split()
MODERN = """
convnext_atto convnextv2_atto convnext_zepto_rms inception_next_atto poolformer_s12 convformer_s18 caformer_s18
mambaout_femto edgenext_xx_small fasternet_t0 starnet_s1 repvit_m0_9 rdnet_tiny focalnet_tiny_srf fastvit_t8
""".split()
TRANSFORMERS = """
efficientvit_b0 efficientvit_m0 efficientformer_l1 efficientformerv2_s0 mobilevit_xxs mobilevitv2_050
vit_relpos_small_patch16_224 mixer_s32_224 resmlp_12_224 gmlp_s16_224 swin_tiny_patch4_window7_224
swinv2_cr_tiny_ns_224 twins_svt_small twins_pcpvt_small pvt_v2_b0 levit_128s coatnet_nano_rw_224 maxvit_rmlp_pico_rw_256
visformer_tiny nest_tiny davit_tiny gcvit_xxtiny hiera_tiny_224 beit_base_patch16_224 tiny_vit_5m_224 swiftformer_xs
shvit_s1 vit_tiny_patch16_224 deit_tiny_distilled_patch16_224 cait_xxs24_224 xcit_nano_12_p16_224 convit_tiny
coat_lite_tiny pit_ti_224 crossvit_tiny_240
""".split()


def nets() -> list[Net]:
    """All of them, each as a name and how it is made."""
    return [
        *(_net("torchvision", name, _torchvision(name), size=128) for name in TORCHVISION),
        _net("torchvision", "alexnet", _torchvision("alexnet"), size=224, dynamic=False),
        _net("torchvision", "vgg11_bn", _torchvision("vgg11_bn"), size=224, dynamic=False),
        _net("torchvision", "alexnet, --per-image", _torchvision("alexnet"), size=224, dynamic=False, per_image=True),
        _net("torchvision", "vgg11_bn, --per-image", _torchvision("vgg11_bn"), size=224, dynamic=False, per_image=True),
        *(_net("timm", f"timm {name}", _timm(name), size=128) for name in TIMM),
        _net("timm", "timm vgg11", _timm("vgg11"), size=224, dynamic=False),
        _net("timm", "timm vgg11, 448 pixels", _timm("vgg11"), size=448, dynamic=False),
        _net("convolutional, modern", "convnext_tiny", _torchvision("convnext_tiny"), size=128),
        *(_net("convolutional, modern", f"timm {name}", _timm(name), size=128) for name in MODERN),
        *(
            _net("transformers", name, _torchvision(name), size=224)
            for name in ("swin_t", "swin_v2_t", "maxvit_t", "vit_b_32")
        ),
        *(
            _net("transformers", f"timm {name}", _timm(name), size=_own_size(name), dynamic=False)
            for name in TRANSFORMERS
        ),
        _net("transformers", "timm vit_tiny, averaged", _averaged_vit, size=224, dynamic=False),
        _net("transformers", "swin_t, dynamo", _torchvision("swin_t"), size=224, dynamic=False, dynamo=True),
        _net(
            "transformers",
            "timm swin_tiny, dynamo",
            _timm("swin_tiny_patch4_window7_224"),
            size=224,
            dynamic=False,
            dynamo=True,
        ),
        _net("transformers", "HF Swin", _hf_swin, size=224, dynamic=False),
        _net("transformers", "HF Swin, dynamo", _hf_swin, size=224, dynamic=False, dynamo=True),
        _net("transformers", "HF ConvNextV2", _hf_convnext, size=128),
        _net("transformers", "HF ViT", _hf_vit, size=224, dynamic=False),
        _net("torchvision", "resnet18, dynamo", _torchvision("resnet18"), size=128, dynamo=True),
        _net("torchvision", "mobilenet_v3_small, dynamo", _torchvision("mobilenet_v3_small"), size=128, dynamo=True),
        _net("convolutional, modern", "timm convnext_atto, dynamo", _timm("convnext_atto"), size=128, dynamo=True),
        *(_net("heads", name, functools.partial(_with_head, head), size=64) for name, head in HEADS.items()),
        *(
            _net(
                "heads",
                f"{name}, --per-image",
                functools.partial(_with_head, head),
                size=64,
                dynamic=False,
                per_image=True,
            )
            for name, head in FLATTENED.items()
        ),
    ]


def _net(
    group: str,
    name: str,
    make: Callable[[], nn.Module],
    *,
    size: int,
    dynamic: bool = True,
    dynamo: bool = False,
    per_image: bool = False,
) -> Net:
    return Net(group, name, functools.partial(_export, make, size, dynamic, dynamo), per_image)


def _export(make: Callable[[], nn.Module], size: int, dynamic: bool, dynamo: bool, path: Path) -> Logits:
    torch.manual_seed(0)
    net = _shaken(make()).eval()
    example = torch.randn(1, 3, size, size)
    if dynamo:
        shapes = ({0: "N", 2: "H", 3: "W"},) if dynamic else None
        torch.onnx.export(net, (example,), path, dynamo=True, dynamic_shapes=shapes, external_data=False, verbose=False)
    else:
        axes = {"image": {0: "N", 2: "H", 3: "W"}} if dynamic else None
        torch.onnx.export(
            net, (example,), path, dynamo=False, opset_version=17, input_names=["image"], dynamic_axes=axes
        )

    @torch.no_grad()
    def logits(rgb: np.ndarray) -> np.ndarray:
        pixels = (torch.from_numpy(rgb) / 255 - MEAN) / STD
        made = net(pixels.permute(2, 0, 1)[None]).reshape(-1)
        return made.numpy()

    return logits


def _shaken(net: nn.Module) -> nn.Module:
    """No weight zero, no norm at its start: what a layer does shall be seen."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    with torch.no_grad():
        for parameter in net.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return net


def _torchvision(name: str) -> Callable[[], nn.Module]:
    extra = {"init_weights": True, "aux_logits": False} if name in ("googlenet", "inception_v3") else {}
    return lambda: torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **extra)


def _timm(name: str, **options: object) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        return timm.create_model(name, num_classes=CLASSES, exportable=True, **options)

    return make


def _own_size(name: str) -> int:
    return int(timm.get_pretrained_cfg(name).input_size[-1])


def _averaged_vit() -> nn.Module:
    return timm.create_model("vit_tiny_patch16_224", num_classes=CLASSES, global_pool="avg")


class _LogitsOf(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.net(pixel_values=image).logits


def _hf_swin() -> nn.Module:
    from transformers import SwinConfig, SwinForImageClassification

    return _LogitsOf(SwinForImageClassification(SwinConfig(num_labels=CLASSES, embed_dim=48, depths=[1, 1, 2, 1])))


def _hf_convnext() -> nn.Module:
    from transformers import ConvNextV2Config, ConvNextV2ForImageClassification

    config = ConvNextV2Config(num_labels=CLASSES, hidden_sizes=[24, 48, 96, 192], depths=[1, 1, 2, 1])
    return _LogitsOf(ConvNextV2ForImageClassification(config))


def _hf_vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(num_labels=CLASSES, hidden_size=96, num_hidden_layers=3, num_attention_heads=3)
    return _LogitsOf(ViTForImageClassification(config))


WIDTH, HIDDEN, CELLS = 64, 32, 64


class _WithHead(nn.Module):
    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        widths = [3, 16, 32, WIDTH]
        self.body = nn.Sequential(
            *(
                layer
                for before, after in itertools.pairwise(widths)
                for layer in (nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU())
            )
        )
        self.head = head

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(image))


def _with_head(make: Callable[[], nn.Module]) -> nn.Module:
    return _WithHead(make())


class _Of(nn.Module):
    """A function as a module, with modules that it uses."""

    def __init__(self, function: Callable[..., torch.Tensor], *used: nn.Module) -> None:
        super().__init__()
        self.function = function
        self.used = nn.ModuleList(used)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x, *self.used)


def _pooled(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *layers)


def _mlp(gate: nn.Module) -> Callable[[], nn.Module]:
    return lambda: _pooled(nn.Linear(WIDTH, HIDDEN), gate, nn.Dropout(), nn.Linear(HIDDEN, CLASSES))


def _gem(x: torch.Tensor, power: float = 3.0) -> torch.Tensor:
    return functional.adaptive_avg_pool2d(x.clamp(min=1e-6).pow(power), 1).pow(1 / power).flatten(1)


def _both(x: torch.Tensor) -> torch.Tensor:
    return torch.cat([functional.adaptive_max_pool2d(x, 1), functional.adaptive_avg_pool2d(x, 1)], 1).flatten(1)


def _linear(width: int = WIDTH, classes: int = CLASSES) -> nn.Module:
    return nn.Linear(width, classes)


def _fastai() -> nn.Module:
    return nn.Sequential(
        _Of(_both),
        nn.BatchNorm1d(2 * WIDTH),
        nn.Dropout(0.25),
        nn.Linear(2 * WIDTH, HIDDEN, bias=False),
        nn.ReLU(),
        nn.BatchNorm1d(HIDDEN),
        nn.Dropout(0.5),
        nn.Linear(HIDDEN, CLASSES, bias=False),
    )


def _attention_pooling(x: torch.Tensor, score: nn.Module, last: nn.Module) -> torch.Tensor:
    weight = score(x).flatten(2).softmax(-1)
    return last((x.flatten(2) * weight).sum(-1))


HEADS: dict[str, Callable[[], nn.Module]] = {
    "Linear": lambda: _pooled(_linear()),
    "Dropout, Linear": lambda: _pooled(nn.Dropout(), _linear()),
    "BatchNorm, Linear": lambda: _pooled(nn.BatchNorm1d(WIDTH), _linear()),
    "LayerNorm, Linear": lambda: _pooled(nn.LayerNorm(WIDTH), _linear()),
    "ReLU, Linear": lambda: _pooled(nn.ReLU(), _linear()),
    "Linear, Linear": lambda: _pooled(_linear(WIDTH, HIDDEN), _linear(HIDDEN)),
    "Linear, BatchNorm, Linear": lambda: _pooled(_linear(WIDTH, HIDDEN), nn.BatchNorm1d(HIDDEN), _linear(HIDDEN)),
    "Linear, ReLU, Linear": _mlp(nn.ReLU()),
    "Linear, GELU, Linear": _mlp(nn.GELU()),
    "Linear, GELU by tanh, Linear": _mlp(nn.GELU(approximate="tanh")),
    "Linear, SiLU, Linear": _mlp(nn.SiLU()),
    "Linear, Hardswish, Linear": _mlp(nn.Hardswish()),
    "Linear, Tanh, Linear": _mlp(nn.Tanh()),
    "Linear, Sigmoid, Linear": _mlp(nn.Sigmoid()),
    "Linear, LeakyReLU, Linear": _mlp(nn.LeakyReLU(0.1)),
    "Linear, ELU, Linear": _mlp(nn.ELU()),
    "Linear, PReLU, Linear": _mlp(nn.PReLU(HIDDEN)),
    "Linear, Mish, Linear": _mlp(nn.Mish()),
    "three of Linear, ReLU": lambda: _pooled(
        _linear(WIDTH, HIDDEN), nn.ReLU(), _linear(HIDDEN, HIDDEN), nn.ReLU(), _linear(HIDDEN)
    ),
    "Linear, BatchNorm, ReLU, Linear": lambda: _pooled(
        _linear(WIDTH, HIDDEN), nn.BatchNorm1d(HIDDEN), nn.ReLU(), _linear(HIDDEN)
    ),
    "LayerNorm, Linear, GELU, Linear": lambda: _pooled(
        nn.LayerNorm(WIDTH), _linear(WIDTH, HIDDEN), nn.GELU(), _linear(HIDDEN)
    ),
    "fastai's": _fastai,
    "GeM, Linear": lambda: nn.Sequential(_Of(_gem), _linear()),
    "max, Linear": lambda: nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), _linear()),
    "max and average, Linear": lambda: nn.Sequential(_Of(_both), _linear(2 * WIDTH)),
    "cosine of unit vectors": lambda: _pooled(
        _Of(
            lambda x, last: 16 * functional.linear(functional.normalize(x), functional.normalize(last.weight)),
            _linear(),
        )
    ),
    "Linear over a temperature": lambda: _pooled(_linear(), _Of(lambda x: x / 1.7)),
    "1x1 Conv": lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(WIDTH, CLASSES, 1), nn.Flatten()),
    "1x1 Conv, ReLU, 1x1 Conv": lambda: nn.Sequential(
        nn.AdaptiveAvgPool2d(1), nn.Conv2d(WIDTH, HIDDEN, 1), nn.ReLU(), nn.Conv2d(HIDDEN, CLASSES, 1), nn.Flatten()
    ),
    "1x1 Conv before the average": lambda: nn.Sequential(
        nn.Conv2d(WIDTH, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ),
    "one logit": lambda: _pooled(_linear(WIDTH, 1)),
    "gated: Linear times the sigmoid of another": lambda: _pooled(
        nn.Linear(WIDTH, 2 * HIDDEN), nn.GLU(), _linear(HIDDEN)
    ),
    "residual block, Linear": lambda: _pooled(
        _Of(lambda x, a, b: x + b(a(x).relu()), _linear(WIDTH, HIDDEN), _linear(HIDDEN, WIDTH)), _linear()
    ),
    "mean of rows, then of columns": lambda: nn.Sequential(_Of(lambda x: x.mean(3).mean(2)), _linear()),
    "flattened, then mean": lambda: nn.Sequential(_Of(lambda x: x.flatten(2).mean(2)), _linear()),
    "average weighted by attention": lambda: _Of(_attention_pooling, nn.Conv2d(WIDTH, 1, 1), _linear()),
}
FLATTENED: dict[str, Callable[[], nn.Module]] = {
    "Flatten, Linear": lambda: nn.Sequential(nn.Flatten(), _linear(CELLS * WIDTH)),
    "Flatten, Linear, ReLU, Linear": lambda: nn.Sequential(
        nn.Flatten(), _linear(CELLS * WIDTH, HIDDEN), nn.ReLU(), _linear(HIDDEN)
    ),
}
