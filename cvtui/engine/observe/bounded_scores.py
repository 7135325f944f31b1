"""Scores that can't leave −1..1 before a cross-entropy: those of a tanh, and cosines that nothing multiplies."""

from __future__ import annotations

from cvtui.engine.observe.autograd_graph import Node, first_input, stem, through, walk

SHAPES = {"View", "UnsafeView", "ReshapeAlias", "Reshape", "Squeeze", "Unsqueeze", "ToCopy", "Clone", "Alias",
          "Contiguous", "T", "Transpose", "Permute"}  # fmt: skip
NODES = 64


def bounded_scores(start: Node | None) -> str:
    """Return "tanh" or "cosine" where the graph's first log-softmax is given just that; "" of anything else."""
    for node in walk(start, NODES):
        if stem(node) == "LogSoftmaxBackward":
            return _named(through(first_input(node), SHAPES))
    return ""


def _named(node: Node | None) -> str:
    if node is None:
        return ""
    if stem(node) == "TanhBackward":
        return "tanh"
    if stem(node) in ("MmBackward", "LinearBackward") and len(node.next_functions) >= 2:
        sides = [through(follower, SHAPES) for follower, _ in node.next_functions[:2]]
        if all(side is not None and _is_normalised(side) for side in sides):
            return "cosine"
    return ""


def _is_normalised(node: Node) -> bool:
    """Return True of x / |x|, as F.normalize makes it: a division by a norm of the same tensor."""
    if stem(node) != "DivBackward" or len(node.next_functions) < 2:
        return False
    below: Node | None = node.next_functions[1][0]
    for _ in range(4):
        if below is None:
            return False
        if "Norm" in stem(below):
            return below.next_functions[0][0] is node.next_functions[0][0]
        below = first_input(below)
    return False
