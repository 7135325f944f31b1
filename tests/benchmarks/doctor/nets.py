"""The nets of the benchmark: as expressions for recipes, and as modules for hand-written loops."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

EXPRESSIONS: dict[str, dict[str, str]] = {
    "mlp": {"digits": "fc64-relu-fc32-relu-fc", "shapes": "avgpool2-fc64-relu-fc32-relu-fc"},
    "cnn": {"digits": "conv8-relu-pool-conv16-relu-pool-fc", "shapes": "conv8f5s2-relu-pool-conv16-relu-pool-fc"},
    "bn": {
        "digits": "conv8-bn-relu-pool-conv16-bn-relu-pool-fc",
        "shapes": "conv8f5s2-bn-relu-pool-conv16-bn-relu-pool-fc",
    },
    "bn-mlp": {"digits": "fc64-bn-relu-fc32-bn-relu-fc", "shapes": "avgpool2-fc64-bn-relu-fc32-bn-relu-fc"},
    "bn-gap": {
        "digits": "conv8-bn-relu-conv16-bn-relu-pool-conv16-bn-relu-gap-fc",
        "shapes": "conv8f5s2-bn-relu-conv16-bn-relu-pool-conv16-bn-relu-gap-fc",
    },
    "deep-mlp": {"digits": "(fc48-relu)*6-fc", "shapes": "avgpool2-(fc48-relu)*6-fc"},
    "deep-cnn": {
        "digits": "(conv8-relu)*3-pool-(conv16-relu)*3-pool-fc",
        "shapes": "conv8f5s2-relu-(conv8-relu)*2-pool-(conv16-relu)*3-pool-fc",
    },
    "tanh-mlp": {"digits": "fc64-tanh-fc32-tanh-fc", "shapes": "avgpool2-fc64-tanh-fc32-tanh-fc"},
    "tanh-cnn": {"digits": "conv8-tanh-pool-conv16-tanh-pool-fc", "shapes": "conv8f5s2-tanh-pool-conv16-tanh-pool-fc"},
    "gelu-cnn": {"digits": "conv8-gelu-pool-conv16-gelu-pool-fc", "shapes": "conv8f5s2-gelu-pool-conv16-gelu-pool-fc"},
    "res": {
        "digits": "conv8-bn-relu-res(conv8-bn-relu-conv8-bn)-relu-pool-fc",
        "shapes": "conv8f5s2-bn-relu-res(conv8-bn-relu-conv8-bn)-relu-pool-pool-fc",
    },
    "dropout": {
        "digits": "conv8-relu-pool-drop0.25-fc64-relu-drop0.3-fc",
        "shapes": "conv8f5s2-relu-pool-drop0.2-fc64-relu-drop0.3-fc",
    },
}


def _mlp(channels: int, side: int, outputs: int, activation: Callable[[], nn.Module], depth: int = 2) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    width = channels * side * side
    for _ in range(depth):
        layers += [nn.Linear(width, 64), activation()]
        width = 64
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _cnn(channels: int, side: int, outputs: int, activation: Callable[[], nn.Module], norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    before, stride = channels, side // 8
    for filters in (8, 16):
        layers.append(nn.Conv2d(before, filters, 3, stride=stride, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(filters)] if norm else []
        layers += [activation(), nn.MaxPool2d(2)]
        before, stride = filters, 1
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, outputs))


def _bn_mlp(channels: int, side: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    width = channels * side * side
    for _ in range(2):
        layers += [nn.Linear(width, 64), nn.BatchNorm1d(64), nn.ReLU()]
        width = 64
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def _bn_gap(channels: int, side: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    before, stride = channels, side // 8
    for filters in (8, 16, 16):
        layers += [nn.Conv2d(before, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
        before, stride = filters, 1
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, outputs))


MODULES: dict[str, Callable[[int, int, int], nn.Sequential]] = {
    "mlp": lambda channels, side, outputs: _mlp(channels, side, outputs, nn.ReLU),
    "cnn": lambda channels, side, outputs: _cnn(channels, side, outputs, nn.ReLU, False),
    "bn": lambda channels, side, outputs: _cnn(channels, side, outputs, nn.ReLU, True),
    "deep-mlp": lambda channels, side, outputs: _mlp(channels, side, outputs, nn.ReLU, 5),
    "tanh-mlp": lambda channels, side, outputs: _mlp(channels, side, outputs, nn.Tanh),
    "sigmoid-mlp": lambda channels, side, outputs: _mlp(channels, side, outputs, nn.Sigmoid),
    "tanh-cnn": lambda channels, side, outputs: _cnn(channels, side, outputs, nn.Tanh, False),
    "bn-mlp": _bn_mlp,
    "bn-gap": _bn_gap,
}
"""name -> (channels of the input, its side, outputs) -> module that gives logits."""
