"""What is trained: the same net, data, optimiser and batch for everybody, as a recipe and as plain PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

STAGE = "[res(conv{c}s2-bn-relu-conv{c}-bn)-relu-res(conv{c}-bn-relu-conv{c}-bn)-relu]"
RESNET18 = "-".join(
    [
        "conv64-bn-relu",
        "[res(conv64-bn-relu-conv64-bn)-relu]*2",
        *(STAGE.format(c=c) for c in (128, 256, 512)),
        "gap-fc",
    ]
)


@dataclass(frozen=True)
class Case:
    name: str
    what: str
    fields: dict[str, Any]
    """Of the recipe."""
    net: Callable[[], nn.Module]
    small: bool = False
    """One of those on which Lightning and fastai are to be beaten by far."""


def digits_net() -> nn.Module:
    """8x8: the default recipe's net."""
    from torch import nn

    layers: list[nn.Module] = []
    channels = 1
    for _ in range(2):
        for _ in range(2):
            layers += [nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
            channels = 32
        layers += [nn.MaxPool2d(2), nn.Dropout(0.25)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 2 * 2, 10))


def cifar_net() -> nn.Module:
    """32x32x3: the lecture's pattern."""
    from torch import nn

    layers: list[nn.Module] = []
    channels = 3
    for _ in range(3):
        for _ in range(2):
            layers += [nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU()]
            channels = 32
        layers += [nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, 10))


def mlp() -> nn.Module:
    from torch import nn

    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def resnet18() -> nn.Module:
    """ResNet-18 (He 2016) with a first convolution of 3x3 and no first pooling, as is usual at 32x32."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1)
            self.bn1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1)
            self.bn2 = nn.BatchNorm2d(after)
            self.relu = nn.ReLU()
            self.side: nn.Module = nn.Identity()
            if stride != 1 or before != after:
                self.side = nn.Conv2d(before, after, 1, stride, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = self.relu(self.bn1(self.conv1(x)))
            return self.relu(self.bn2(self.conv2(out)) + self.side(x))

    layers: list[nn.Module] = [nn.Conv2d(3, 64, 3, 1, 1), nn.BatchNorm2d(64), nn.ReLU()]
    channels = 64
    for after, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        layers.append(Block(channels, after, stride))
        channels = after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


MANY = "tests.benchmarks.sets:digits"
_ADAMW = {"optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01}
CASES = {
    case.name: case
    for case in (
        Case(
            "digits",
            "8x8x1, [(conv32-bn-relu)*2-pool-drop0.25]*2-fc, batch 32",
            {"data": MANY, "net": "[(conv32-bn-relu)*2-pool-drop0.25]*2-fc", "batch_size": 32, **_ADAMW},
            digits_net,
            small=True,
        ),
        Case(
            "mlp",
            "8x8x1, fc256-relu-fc128-relu-fc, batch 64",
            {"data": MANY, "net": "fc256-relu-fc128-relu-fc", "batch_size": 64, **_ADAMW},
            mlp,
            small=True,
        ),
        Case(
            "cifar",
            "32x32x3, [(conv32-relu)*2-pool]*3-(fc128-relu)-fc, batch 64",
            {"data": "shapes", "net": "[(conv32-relu)*2-pool]*3-(fc128-relu)-fc", "batch_size": 64, **_ADAMW},
            cifar_net,
        ),
        Case(
            "resnet18",
            "32x32x3, ResNet-18 as an expression with res(…), batch 32",
            {"data": "shapes", "net": RESNET18, "batch_size": 32, **_ADAMW},
            resnet18,
        ),
    )
}
"""AdamW throughout: what most people take, and what costs most besides the net."""
