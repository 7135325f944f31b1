"""The layers of a net as data: what the net expression says, before any size is known.

Every size is (height, width). `span` is the place in the expression (first column, column after the last),
so that an error can underline it; it takes no part in comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self, TypeAlias

from cvtui.frozen import Frozen

Pair: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]

ACTIVATIONS = ("relu", "leakyrelu", "tanh", "sigmoid", "gelu", "silu", "elu")


class Node(Frozen):
    """A layer, or a group of them."""

    span: Span = (0, 0)
    uncompared = frozenset({"span"})
    inside = ""
    """The field in which the nodes inside it are."""

    def children(self) -> tuple[Node, ...]:
        """Return the nodes inside it, in order."""
        held: Node | tuple[Node, ...] = getattr(self, self.inside, ())
        return held if isinstance(held, tuple) else (held,)

    def mapped(self, change: Callable[[Node], Node]) -> Self:
        """Return the same with every node directly inside it changed."""
        held = getattr(self, self.inside, None)
        if held is None:
            return self
        return self.replaced(**{self.inside: tuple(map(change, held)) if isinstance(held, tuple) else change(held)})


class Conv(Node):
    """`convK[fF][sS][pP][dD][gG][nobias]`: K filters.

    Padding None is the zero padding dilation·(F−1)/2 that keeps the size (rounded down where that is no whole number).
    An entry of `size`, `stride` or `padding` that is None inside the pair stands for `?` (to be solved for).
    """

    filters: int
    size: tuple[int | None, int | None] = (3, 3)
    stride: tuple[int | None, int | None] = (1, 1)
    padding: tuple[int | None, int | None] | None = None
    dilation: Pair = (1, 1)
    groups: int = 1
    bias: bool = True


class Pool(Node):
    """`pool`, `avgpool`, `sumpool`: window `size`, stride None is the window's own size.

    `ceil` is PyTorch's ceil_mode. Padding of a maximum is −∞, of a mean or a sum it is counted zeros.
    """

    kind: Literal["max", "average", "sum"] = "max"
    size: Pair = (2, 2)
    stride: Pair | None = None
    padding: Pair = (0, 0)
    ceil: bool = False


class GlobalPool(Node):
    """`gap`: the mean of each channel over the whole map; output 1 x 1 x C."""


class Linear(Node):
    """`fcN`: fully connected; `outputs` None (a bare `fc`) is the number of classes. Flattens a map."""

    outputs: int | None = None
    bias: bool = True


class Flatten(Node):
    """A map as one row of numbers, channel by channel (PyTorch's order)."""


class Activation(Node):
    kind: str = "relu"


class BatchNorm(Node):
    pass


class LayerNorm(Node):
    """Normalises over channels, height and width of one image (`LayerNorm([C, H, W])`), or over the features."""


class Dropout(Node):
    probability: float = 0.5


class Softmax(Node):
    """Only at the very end; it belongs to the loss and is not built into the model."""


class Residual(Node):
    """`res(chain)`: adds its input to its output, through a 1x1 convolution (stride, no bias) where shapes differ."""

    inside = "body"
    body: Chain


class Concat(Node):
    """`cat(chain|chain|…)`: branches side by side, joined along the channels."""

    inside = "branches"
    branches: tuple[Chain, ...]


class Repeat(Node):
    """`block*N`: kept as it is written; the tracer unrolls it."""

    inside = "body"
    body: Chain
    count: int


class Chain(Node):
    """Layers one behind the other."""

    inside = "parts"
    parts: tuple[Node, ...]
