"""Models that are ready to export, without a run."""

from __future__ import annotations

import torch

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.engine.data.preprocess import Preprocess
from cvtui.engine.handover.trained import Trained
from cvtui.engine.nn.model import Net
from cvtui.engine.nn.module_net import build_module
from cvtui.recipe.net_target import is_target
from cvtui.runlog.model_metadata import ModelMetadata, mean_and_std

CLASSES = ("cat", "dog", "Fuß")


def trained_of(
    net: str, size: tuple[int, int, int] = (8, 8, 3), preprocess: str = "standardise", images: int = 6
) -> Trained:
    """Return a net as drawn, with batch-norm statistics of their own, and random images."""
    torch.manual_seed(0)
    if is_target(net):
        model = build_module(net, size, len(CLASSES)).model
    else:
        model = Net(trace(parse(net), size, len(CLASSES)))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    scale, shift, values = [1 / 60] * size[2], [-2.0 + n / 4 for n in range(size[2])], size[0] * size[1] * size[2]
    state = {"name": preprocess, "scale": scale, "shift": shift}
    tensors = {"mean": torch.rand(values), "matrix": torch.eye(values) + 0.01} if preprocess == "zca" else {}
    made = Preprocess.of_state({**state, **tensors})
    mean, std = mean_and_std(scale, shift, 255.0)
    about = ModelMetadata(
        cvtui="0", net=net, classes=list(CLASSES), size=list(size), unit=255.0, preprocess=state, mean=mean, std=std,
        temperature=1.5,
    )  # fmt: skip
    pixels = torch.randint(0, 256, (images, *size), dtype=torch.uint8)
    return Trained(model.eval().requires_grad_(False), made, pixels, [CLASSES[0]] * images, about)
