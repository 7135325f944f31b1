"""Fixup initialization: residual nets without norms (Zhang, Dauphin & Ma 2019).

Every block begins as the identity, and one step of the net changes it by a size that does not grow with its depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cvtui.calc import Residual, Row
from cvtui.engine.nn.inits.fans import he
from cvtui.engine.nn.inits.layer import layers_of
from cvtui.engine.nn.model import Net


@dataclass(frozen=True)
class Branch:
    """The body of one `res(…)`, by the names of its convs and fcs."""

    layers: frozenset[str]
    last: frozenset[str]
    """Those after which no other comes; two or more where the body ends in `cat` or in another block's sum."""
    depth: int
    """m: the most layers on one way through."""


def fixup(net: Net, generator: torch.Generator) -> None:
    """Draw He's weights and rescale residual branches (Zhang 2019, rules 1 and 2).

    Those in a branch of m layers times L^(−1 / (2m − 2)), L the number of blocks; 0 for the last layer of each branch
    and for the classifier. So a block begins as its way around, the logits as 0 and the loss as ln C.

    Of rule 3, scalar biases before and a multiplier behind the layers, our nets have only the biases: each conv's and
    fc's own, one per unit, which begin at 0 and can learn what a scalar would (not where `nobias` is written). A
    projection is no part of the branch and keeps He's weights. A net without blocks gets He's and a classifier of 0.
    """
    branches = branches_of(net)
    inner = {name: branch for branch in reversed(branches) for name in branch.layers}  # the innermost has the last word
    zero = frozenset().union(*(branch.last for branch in branches))
    classifier = ""
    for layer in layers_of(net):
        he(layer, generator)
        branch = inner.get(layer.name)
        if layer.name in zero:
            layer.weight.zero_()
        elif branch is not None and branch.depth > 1:
            layer.weight.mul_(len(branches) ** (-1.0 / (2 * branch.depth - 2)))
        classifier = layer.name
    if classifier:
        net.get_submodule(classifier).weight.zero_()  # type: ignore[operator]


def branches_of(net: Net) -> list[Branch]:
    """Return the residual blocks that have a conv or fc in their body, inner ones before those around them."""
    weighted = {layer.name for layer in layers_of(net)}
    found = []
    for number, row in enumerate(net.table.rows):
        if row.kind == "add" and isinstance(row.node, Residual):
            branch = _branch(net.table.rows, number, weighted)
            if branch.layers:
                found.append(branch)
    return found


def _branch(rows: tuple[Row, ...], add: int, weighted: set[str]) -> Branch:
    body, side = rows[add].inputs
    start = rows[side].inputs[0] if side >= 0 and rows[side].kind == "proj" else side
    depths: dict[int, int] = {}
    layers: set[str] = set()

    def depth(number: int) -> int:
        """Return the most convs and fcs on one way from the block's input to this row."""
        if number == start or number < 0:
            return 0
        if number not in depths:
            here = rows[number].name in weighted
            if here:
                layers.add(rows[number].name)
            depths[number] = here + max(depth(source) for source in rows[number].inputs)
        return depths[number]

    def ends(number: int) -> set[str]:
        if number == start or number < 0:
            return set()
        if rows[number].name in weighted:
            return {rows[number].name}
        return set().union(*(ends(source) for source in rows[number].inputs))

    deepest = depth(body)
    return Branch(frozenset(layers), frozenset(ends(body)), deepest)
