"""PyTorch as the oracle: a net's tree built as modules, without the calculator.

Nothing here asks cvtui for a shape: each layer is built for the tensor that the layers before it gave, and PyTorch
refuses what does not fit.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from cvtui.calc import (
    Activation,
    BatchNorm,
    Chain,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    LayerNorm,
    Linear,
    Node,
    Pool,
    Repeat,
    Residual,
    Softmax,
)
from cvtui.calc.table import Size

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leakyrelu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
}


class Built:
    """Modules in the order of the calculator's rows, each with the shape it gave; `module` runs the whole net.

    smooth: activations, maxima and layer norms are replaced by what passes a gradient on everywhere and depends on the
    same numbers, to see receptive fields.
    """

    def __init__(self, chain: Chain, shape: tuple[int, ...], classes: int = 10, *, smooth: bool = False) -> None:
        self.classes = classes
        self.smooth = smooth
        self.layers: list[tuple[nn.Module, tuple[int, ...]]] = []
        with torch.no_grad():
            self.module, _ = self._chain(chain, torch.rand(2, *shape))

    def _chain(self, chain: Chain, x: Tensor) -> tuple[nn.Module, Tensor]:
        modules = []
        for part in chain.parts:
            module, x = self._node(part, x)
            modules.append(module)
        return nn.Sequential(*modules), x

    def _node(self, node: Node, x: Tensor) -> tuple[nn.Module, Tensor]:
        if isinstance(node, Chain):
            return self._chain(node, x)
        if isinstance(node, Repeat):
            return self._chain(Chain(parts=(node.body,) * node.count), x)
        if isinstance(node, Residual):
            body, y = self._chain(node.body, x)
            side: nn.Module = nn.Identity() if y.shape == x.shape else self._leaf(_projection(x, y), x)[0]
            return self._noted(_Sum(body, side), y)
        if isinstance(node, Concat):
            branches = [self._chain(branch, x) for branch in node.branches]
            joined = torch.cat([y for _, y in branches], 1)
            return self._noted(_Joined([module for module, _ in branches]), joined)
        if isinstance(node, Conv | Pool | GlobalPool) and x.dim() != 4:
            raise RuntimeError("a map is needed")
        return self._leaf(self._layer(node, x), x)

    def _leaf(self, module: nn.Module, x: Tensor) -> tuple[nn.Module, Tensor]:
        return self._noted(module, module(x))

    def _noted(self, module: nn.Module, y: Tensor) -> tuple[nn.Module, Tensor]:
        self.layers.append((module, tuple(y.shape[1:])))
        return module, y

    def _layer(self, node: Node, x: Tensor) -> nn.Module:
        match node:
            case Conv():
                return _conv(node, x)
            case Pool():
                return self._pool(node)
            case GlobalPool():
                return nn.AdaptiveAvgPool2d(1)
            case Linear():
                return nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), node.outputs or self.classes, node.bias))
            case Flatten():
                return nn.Flatten()
            case Activation() | Softmax():
                return self._activation(node)
            case BatchNorm():
                return _batch_norm(x)
            case LayerNorm():
                return (_MixingNorm if self.smooth else nn.LayerNorm)(x.shape[1:])
            case Dropout():
                return nn.Dropout(node.probability)
        raise AssertionError(node)

    def _pool(self, node: Pool) -> nn.Module:
        if node.kind == "max" and not self.smooth:
            return nn.MaxPool2d(node.size, node.stride, node.padding, ceil_mode=node.ceil)
        divisor = 1 if node.kind == "sum" else None
        return nn.AvgPool2d(node.size, node.stride, node.padding, node.ceil, True, divisor)

    def _activation(self, node: Activation | Softmax) -> nn.Module:
        if self.smooth:
            return nn.Identity()
        return nn.LogSoftmax(1) if isinstance(node, Softmax) else ACTIVATIONS[node.kind]()


def _batch_norm(x: Tensor) -> nn.Module:
    return (nn.BatchNorm2d if x.dim() == 4 else nn.BatchNorm1d)(x.shape[1]).eval()


def _conv(node: Conv, x: Tensor) -> nn.Conv2d:
    size, stride = _pair(node.size), _pair(node.stride)
    same = (node.dilation[0] * (size[0] - 1) // 2, node.dilation[1] * (size[1] - 1) // 2)
    padding = same if node.padding is None else _pair(node.padding)
    return nn.Conv2d(x.shape[1], node.filters, size, stride, padding, node.dilation, node.groups, node.bias)


def _pair(of: tuple[int | None, int | None]) -> tuple[int, int]:
    """Both entries of a pair that is known."""
    high, wide = of
    assert high is not None
    assert wide is not None
    return high, wide


class _MixingNorm(nn.LayerNorm):
    """Depends on the same numbers as a layer norm, with a gradient that never vanishes.

    The real one's does where its input can only scale (one number, or a multiple of one).
    """

    def forward(self, x: Tensor) -> Tensor:
        return (x + x.flatten(1).sum(1).reshape(-1, *[1] * (x.dim() - 1))) * self.weight


class _Sum(nn.Module):
    def __init__(self, body: nn.Module, side: nn.Module) -> None:
        super().__init__()
        self.body, self.side = body, side

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.side(x)


class _Joined(nn.Module):
    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def _projection(x: Tensor, y: Tensor) -> nn.Module:
    """Return the first of all strides with which a 1x1 convolution turns x into y."""
    if y.dim() == 2:
        return nn.Sequential(nn.Flatten(), nn.Linear(x[0].numel(), y.shape[1], bias=False))
    if x.dim() == 4:
        strides = [next((s for s in range(1, n + 1) if _places(n, s) == y.shape[axis]), 0)
                   for axis, n in ((2, x.shape[2]), (3, x.shape[3]))]  # fmt: skip
        if all(strides):
            return nn.Conv2d(x.shape[1], y.shape[1], 1, (strides[0], strides[1]), bias=False)
    raise RuntimeError("no projection")


@cache
def _places(n: int, stride: int) -> int:
    """Count the outputs of a 1-wide convolution over n numbers."""
    return torch.nn.functional.conv1d(torch.zeros(1, 1, n), torch.ones(1, 1, 1), stride=stride).shape[2]


def own_parameters(module: nn.Module) -> tuple[int, int]:
    """Weights and biases of a row's module, without those of the rows inside it."""
    if isinstance(module, _Sum | _Joined):
        return 0, 0
    counted = {"weight": 0, "bias": 0}
    for name, parameter in module.named_parameters():
        counted[name.rpartition(".")[2]] += parameter.numel()
    return counted["weight"], counted["bias"]


def as_size(shape: tuple[int, ...]) -> Size:
    """PyTorch's (C, H, W) as the calculator's (H, W, C)."""
    if len(shape) == 3:
        return shape[1], shape[2], shape[0]
    (outputs,) = shape
    return (outputs,)


def as_shape(size: tuple[int, ...]) -> tuple[int, ...]:
    return (size[2], size[0], size[1]) if len(size) == 3 else size
