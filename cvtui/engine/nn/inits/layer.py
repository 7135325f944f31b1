"""Where weights stand: what an initialisation may know of its layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn

from cvtui.calc import Activation, BatchNorm, Dropout, LayerNorm, Linear, Pool
from cvtui.engine.nn.model import Net

Weighted: TypeAlias = nn.Conv2d | nn.Linear


class Place(NamedTuple):
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


def places(net: Net) -> Iterator[Place]:
    """Every conv and fc (projections of residual blocks too), in order of computation."""
    layers = net.layers()
    after = _followers(net)
    for number, row in enumerate(net.table.rows):
        module = layers.get(row.name)
        if isinstance(module, nn.Conv2d | nn.Linear):
            yield Place(row.name, module, row.fan_in, _fan_out(row.node), _activation(net, after, number))


def _fan_out(node: Any) -> int:
    if isinstance(node, Linear):
        assert node.outputs is not None  # the table's nodes are resolved
        return node.outputs
    return int(node.size[0] * node.size[1] * (node.filters // node.groups))


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
