"""Nets spelled without cvtui: each is run, and gives what the engine's own gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cvtui.calc import trace
from cvtui.calc.net.parser import parse
from cvtui.engine.handover.net_source import NoSource, net_source
from cvtui.engine.nn.model import Net
from cvtui.engine.nn.module_net import build_module
from cvtui.export.loader_script import loader_script
from cvtui.runlog.model_metadata import ModelMetadata

pytestmark = pytest.mark.torch

NETS = [
    "[(conv4-bn-relu)*2-pool3s2p1ceil-drop0.25]-avgpool3s1p1-conv6f3x1s2g2nobias-gelu-sumpool2-ln-(fc8-tanh)-fc-softmax",
    "conv4-res(conv4-relu-conv4)-relu-res(conv8s2-bn-silu)-cat(conv4f1|pool3s1p1-elu|conv2f5)-leakyrelu-gap-fc",
    "conv4d2-sigmoid-conv5f8p0-flatten",
]


def about(net: str, size: tuple[int, ...], **more: Any) -> ModelMetadata:
    return ModelMetadata(
        cvtui="", net=net, classes=list("abcde"), size=list(size), unit=255.0, preprocess={"name": "none", **more},
        mean=[0.0] * size[-1], std=[1.0] * size[-1],
    )  # fmt: skip


def drawn(model: nn.Module) -> dict[str, torch.Tensor]:
    """Weights and statistics that a trained net might have."""
    generator = torch.Generator().manual_seed(1)
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return dict(model.state_dict())


@pytest.mark.parametrize("net", NETS)
def test_a_net_expression_is_spelled_in_pytorch(net: str) -> None:
    size = (10, 12, 3) if "f8" not in net else (8, 8, 3)
    ours = Net(trace(parse(net), size, 5)).eval()
    weights = drawn(ours)
    source = net_source(about(net, size), weights)
    names: dict[str, Any] = {"torch": torch, "nn": nn}
    exec(f"{source.imports}\n{source.text}", names)
    names["net"].load_state_dict(weights)
    names["net"].eval()
    x = torch.randn(3, 3, *size[:2])
    with torch.no_grad():
        assert torch.allclose(eval(source.call, {**names, "x": x}), ours(x), rtol=1e-5, atol=1e-6)
    text = loader_script("safetensors", Path("m.safetensors"), about(net, size), False, source)
    compile(text, "m.py", "exec")
    assert "cvtui" not in text.split("\n", 2)[2]


@pytest.mark.parametrize(
    ("net", "size", "words"),
    [
        pytest.param("torchvision:resnet18", (32, 32, 1), ["num_classes=5", "net.conv1 = nn.Conv2d(1, 64"],
                     marks=pytest.mark.long),
        ("torchvision:squeezenet1_1", (32, 32, 3), ["'squeezenet1_1'", "num_classes=5"]),
        pytest.param("torchvision:vit_b_32", (64, 64, 3), ["image_size=64"], marks=pytest.mark.long),
        pytest.param("torchvision:googlenet", (64, 64, 3), ["aux_logits=False"], marks=pytest.mark.long),
        pytest.param("timm:resnet18", (32, 32, 1), ["pretrained=False, num_classes=5, in_chans=1"],
                     marks=pytest.mark.long),
        pytest.param("timm:vit_tiny_patch16_224", (64, 64, 3), ["img_size=(64, 64)"], marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_a_librarys_net_is_called_from_its_library(net: str, size: tuple[int, int, int], words: list[str]) -> None:
    if net.startswith("timm"):
        pytest.importorskip("timm")
    weights = drawn(build_module(net, size, 5).model)
    source = net_source(about(net, size), weights)  # it has compared the outputs
    assert all(word in source.text for word in words), source.text


def test_what_can_not_be_spelled_says_why() -> None:
    with pytest.raises(NoSource, match=r"the net is your own code \(mine:build\)"):
        net_source(about("mine:build", (8, 8, 1)), {})
    with pytest.raises(NoSource, match="zca, multiplies by a matrix; --onnx"):
        net_source(about("fc", (8, 8, 1), name="zca"), {})
    with pytest.raises(NoSource, match=r"can't be built here: .*fc1"):
        net_source(about("fc", (8, 8, 1)), {})
