"""From the calculator's layer table to a PyTorch model; its modules have the table's names (`conv1`, `relu1` …)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cvtui.calc import (
    Activation,
    BatchNorm,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    LayerNorm,
    Linear,
    Node,
    Pool,
    Residual,
    Row,
    Softmax,
    Table,
)
from cvtui.calc.trace import whole


class SteppedConv2d(nn.Conv2d):
    """A 1x1 convolution with a stride: first every s-th pixel, then a stride of 1, which is the same.

    oneDNN's own backward pass for it (CPU, channels_last, AVX2; seen in torch 2.15) writes past the end of its buffer
    and kills the process, at once or much later.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride[0], :: self.stride[1]]
        return nn.functional.conv2d(x, self.weight, self.bias, groups=self.groups)


class FlatLinear(nn.Linear):
    """Fully connected; a map is flattened first, channel by channel (the implied `flatten`)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(1))


class ReLU(nn.ReLU):
    """In-place ReLU when the input is not needed for backward and no hook is attached (see Net.write_over)."""

    over = False

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(x) if self.over and not (self._forward_hooks and self._is_shown()) else torch.relu(x)

    def _is_shown(self) -> bool:
        """To a hook that is not ours? Ours have read the input as the output of the layer before."""
        homes = (str(getattr(hook, "__module__", "")) for hook in self._forward_hooks.values())
        return not all(home.startswith("cvtui.") for home in homes)


class BitDropout(nn.Dropout):
    """Each value is 0 with probability p, the others are divided by 1 − p (Srivastava 2014).

    On the CPU a value is decided by 16 random bits (p is rounded to 1/65536) and four values by one number drawn;
    PyTorch draws a number for each: 116 µs for 16,384 values, 40 so.
    """

    def forward(self, x: Tensor) -> Tensor:
        dropped = round(self.p * 65536)
        if not self.training or not x.is_cpu or dropped == 65536:
            return super().forward(x)
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(1 << 63), None).view(torch.int16)
        mask = torch.empty_like(x)
        in_memory = mask.as_strided((x.numel(),), (1,))
        torch.ge(bits[: x.numel()], dropped - 32768, out=in_memory)
        return x * mask.mul_(65536 / (65536 - dropped))


class SumPool2d(nn.AvgPool2d):
    """The sum over each window (zeros count as padding)."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, divisor_override=1
        )


class Add(nn.Module):
    """Where a residual block meets its way around (He 2016)."""

    def forward(self, body: Tensor, side: Tensor) -> Tensor:
        return body + side


class Cat(nn.Module):
    """Branches joined along the channels (GoogLeNet)."""

    def forward(self, *branches: Tensor) -> Tensor:
        return torch.cat(branches, 1)


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": ReLU,
    "leakyrelu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
}


def _conv(node: Conv, row: Row) -> nn.Module:
    stepped = node.size == (1, 1) and node.stride != (1, 1) and node.padding == (0, 0)
    return (SteppedConv2d if stepped else nn.Conv2d)(
        row.input[-1],
        node.filters,
        whole(node.size),
        stride=whole(node.stride),
        padding=whole(node.padding),
        dilation=node.dilation,
        groups=node.groups,
        bias=node.bias,
    )


def _pool(node: Pool, _: Row) -> nn.Module:
    kind = {"max": nn.MaxPool2d, "average": nn.AvgPool2d, "sum": SumPool2d}[node.kind]
    module: nn.Module = kind(  # type: ignore[call-arg]
        node.size, stride=node.stride, padding=node.padding, ceil_mode=node.ceil
    )
    return module


def _linear(node: Linear, row: Row) -> nn.Module:
    assert node.outputs is not None  # the table's nodes are resolved
    return FlatLinear(row.fan_in, node.outputs, bias=node.bias)


def _batch_norm(_: BatchNorm, row: Row) -> nn.Module:
    return nn.BatchNorm1d(row.input[0]) if len(row.input) == 1 else nn.BatchNorm2d(row.input[2])


def _layer_norm(_: LayerNorm, row: Row) -> nn.Module:
    size = row.input
    return nn.LayerNorm([size[2], size[0], size[1]] if len(size) == 3 else list(size))


MODULES: dict[type[Node], Callable[[Any, Row], nn.Module]] = {
    Conv: _conv,
    Pool: _pool,
    GlobalPool: lambda _, __: nn.AdaptiveAvgPool2d(1),
    Linear: _linear,
    Flatten: lambda _, __: nn.Flatten(),
    Activation: lambda node, _: ACTIVATIONS[node.kind](),
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    Dropout: lambda node, _: BitDropout(node.probability),
    Residual: lambda _, __: Add(),
    Concat: lambda _, __: Cat(),
}
"""By the class of a row's node: (node, row) -> module."""


class Look(Protocol):
    """What sees the outputs of a net's layers, in its own forward pass: a hook a layer would take twice as long."""

    def begin_pass(self) -> None:
        """Begin a forward pass."""

    def see(self, name: str, output: Tensor) -> None:
        """Take the output of the layer of this name, before the next one writes over it."""

    def end_pass(self, output: Tensor) -> None:
        """Take what the net puts out."""


class Net(nn.Module):
    """Runs the rows of a table in their order; called with N x C x H x W (or N x features), gives N x classes.

    `softmax` is no part of it: the loss takes logits.
    """

    look: Look | None = None
    """Sees the steps that are sampled."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        rows = [row for row in table.rows if not isinstance(row.node, Softmax)]
        for row in rows:
            self.add_module(row.name, MODULES[type(row.node)](row.node, row))
        self._plan = [(row.name, row.inputs) for row in rows]
        self._last_use = {source: number for number, row in enumerate(rows) for source in row.inputs}
        # A chain needs no book-keeping of outputs, and nearly all nets are one.
        self._is_chain = all(row.inputs == (number - 1,) for number, row in enumerate(rows))

    def forward(self, x: Tensor) -> Tensor:
        modules, look = self._modules, self.look
        if look is not None:
            look.begin_pass()
        elif self._is_chain:
            for name, _ in self._plan:
                x = modules[name](x)  # type: ignore[misc]
            return x.flatten(1)
        outputs = {-1: x}
        for number, (name, sources) in enumerate(self._plan):
            x = modules[name](*(outputs[source] for source in sources))  # type: ignore[misc]
            outputs[number] = x
            if look is not None:
                look.see(name, x)
            for source in sources:
                if self._last_use[source] == number:  # evaluation holds no more than it still needs
                    outputs.pop(source, None)
        x = x.flatten(1)
        if look is not None:
            look.end_pass(x)
        return x

    def __getstate__(self) -> Any:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[no-untyped-call]
        return {name: value for name, value in state.items() if name != "look"}

    def write_over(self) -> None:
        """Let each ReLU work in place where its input is not needed for the backward pass.

        That is where a layer made the input that needs it no more in its backward pass, and no other layer takes it: a
        step writes less memory (1.05 to 1.15 x as fast). Every bit stays; a step on which a foreign hook looks at the
        ReLU leaves its input alone. (Ours don't ask for that: a step that is watched would need one layer's output more
        than the others.)
        """
        rows = self.table.rows
        takers = Counter(source for row in rows for source in row.inputs)
        for row in rows:
            module = self._modules.get(row.name)
            source = row.inputs[0] if row.inputs else -1
            if isinstance(module, ReLU) and source >= 0 and takers[source] == 1:
                module.over = isinstance(rows[source].node, Conv | Linear | BatchNorm | Residual)

    def layers(self) -> dict[str, nn.Module]:
        """Return the modules by row name, in order of computation."""
        return dict(self.named_children())


def layers_by_name(model: nn.Module) -> dict[str, nn.Module]:
    """Return what computes: the layers of a net expression, the modules without children of PyTorch code."""
    if isinstance(model, Net):
        return model.layers()
    return {name: module for name, module in model.named_modules() if name and next(module.children(), None) is None}


def without_gradients(model: nn.Module) -> AbstractContextManager[Any]:
    """Make the context of an evaluation.

    A net of PyTorch code may ask for gradients within its forward pass (`torch.enable_grad`), or keep a tensor of an
    evaluation and train with it, which `torch.inference_mode` forbids.
    """
    return torch.inference_mode() if isinstance(model, Net) else torch.no_grad()
