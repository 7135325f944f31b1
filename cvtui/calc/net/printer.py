"""A net, or one layer of it, back as text: the inverse of `cvtui.calc.net.parser.parse`.

The text is canonical: what equals the default is left out, groups are round, and parsing it gives an equal net.
"""

from __future__ import annotations

from cvtui.calc.net.nodes import (
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

_POOLS = {"max": "pool", "average": "avgpool", "sum": "sumpool"}


def expression(node: Node) -> str:
    """Write a node as an expression: `Conv(filters=32, size=(5, 5))` -> `conv32f5`."""
    if isinstance(node, Conv):
        return _conv(node)
    if isinstance(node, Pool):
        text = _POOLS[node.kind] + ("" if node.size == (2, 2) else _pair(node.size))
        text += f"s{_pair(node.stride)}" if node.stride is not None else ""
        text += f"p{_pair(node.padding)}" if node.padding != (0, 0) else ""
        return text + ("ceil" if node.ceil else "")
    if isinstance(node, Linear):
        return f"fc{'' if node.outputs is None else node.outputs}{'' if node.bias else 'nobias'}"
    if isinstance(node, Activation):
        return node.kind
    if isinstance(node, Dropout):
        return "drop" if node.probability == 0.5 else f"drop{_decimal(node.probability)}"
    if isinstance(node, Residual):
        return f"res({_parts(node.body)})"
    if isinstance(node, Concat):
        return f"cat({'|'.join(_parts(branch) for branch in node.branches)})"
    if isinstance(node, Repeat):
        return f"{_repeated(node.body)}*{node.count}"
    if isinstance(node, Chain):
        return f"({_parts(node)})"
    return _WORDS[type(node)]


_WORDS: dict[type[Node], str] = {
    GlobalPool: "gap",
    Flatten: "flatten",
    BatchNorm: "bn",
    LayerNorm: "ln",
    Softmax: "softmax",
}


def net_expression(chain: Chain) -> str:
    """Write a whole net, without brackets around it."""
    return _parts(chain)


def _parts(chain: Chain) -> str:
    return "-".join(expression(part) for part in chain.parts)


def _repeated(body: Chain) -> str:
    alone = len(body.parts) == 1 and not isinstance(body.parts[0], Chain | Repeat)
    return expression(body.parts[0]) if alone else f"({_parts(body)})"


def _conv(node: Conv) -> str:
    text = f"conv{node.filters}"
    text += "" if node.size == (3, 3) else f"f{_pair(node.size)}"
    text += "" if node.stride == (1, 1) else f"s{_pair(node.stride)}"
    text += "" if node.padding is None else f"p{_pair(node.padding)}"
    text += "" if node.dilation == (1, 1) else f"d{_pair(node.dilation)}"
    text += "" if node.groups == 1 else f"g{node.groups}"
    return text + ("" if node.bias else "nobias")


def _pair(pair: tuple[int | None, int | None]) -> str:
    first, second = ("?" if n is None else str(n) for n in pair)
    return first if first == second else f"{first}x{second}"


def _decimal(value: float) -> str:
    """Shortest decimal without an exponent, which the grammar does not know (1e-05 -> 0.00001)."""
    text = repr(value)
    return text if "e" not in text else f"{value:.20f}".rstrip("0")
