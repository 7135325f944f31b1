"""Layer information available to initializers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from torch import Tensor, nn

from cvtui.calc import Activation, BatchNorm, Conv, Dropout, LayerNorm, Linear, Node, Pool
from cvtui.calc.trace import whole
from cvtui.engine.nn.model import Net

Weighted: TypeAlias = nn.Conv2d | nn.Linear


class LayerInit(NamedTuple):
    """One conv or fc of a net."""

    name: str
    module: Weighted
    fan_in: int
    """Din: inputs of one unit, F²·C for a conv (per group)."""
    fan_out: int
    """Dout: units that one input reaches at a stride of 1, F²·K for a conv (per group)."""
    activation: str
    """What its outputs go through next (`relu`), norms, pooling and dropout passed over; "" for none, or a sum."""

    @property
    def weight(self) -> Tensor:
        return self.module.weight


def layers_of(net: nn.Module) -> Iterator[LayerInit]:
    """Yield every conv and fc (projections of residual blocks too), in order of computation.

    Of PyTorch code in the order of its modules; what comes after a layer is not known there, and taken for a ReLU.
    """
    if not isinstance(net, Net):
        yield from _of_code(net)
        return
    layers = net.layers()
    after = _followers(net)
    for number, row in enumerate(net.table.rows):
        module = layers.get(row.name)
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield LayerInit(row.name, module, row.fan_in, _fan_out(row.node), _activation(net, after, number))


def _of_code(net: nn.Module) -> Iterator[LayerInit]:
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            weight = module.weight
            groups = module.groups if isinstance(module, nn.Conv2d) else 1
            yield LayerInit(name, module, weight[0].numel(), weight[:, 0].numel() // groups, "relu")


def _fan_out(node: Node) -> int:
    match node:
        case Linear(outputs=int(outputs)):
            return outputs
        case Conv():
            high, wide = whole(node.size)
            return high * wide * (node.filters // node.groups)
        case _:
            raise TypeError(f"{type(node).__name__} has no weights to initialise")


def _followers(net: Net) -> dict[int, int]:
    """Row number -> the first row that takes its output."""
    found: dict[int, int] = {}
    for number, row in enumerate(net.table.rows):
        for source in row.inputs:
            found.setdefault(source, number)
    return found


def _activation(net: Net, after: dict[int, int], number: int) -> str:
    while (following := after.get(number)) is not None:
        row = net.table.rows[following]
        if isinstance(row.node, Activation):
            return row.kind
        if not isinstance(row.node, BatchNorm | LayerNorm | Pool | Dropout):
            return ""
        number = following
    return ""
