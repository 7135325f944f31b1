"""The layers of a net as data: what the net expression says, before any size is known.

Every size is (height, width). `span` is the place in the expression (first column, column after the last),
so that an error can underline it; it takes no part in comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Pair: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]

ACTIVATIONS = ("relu", "leakyrelu", "tanh", "sigmoid", "gelu", "silu", "elu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    span: Span = field(default=(0, 0), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(Node):
    """`pool`, `avgpool`, `sumpool`: window `size`, stride None is the window's own size.

    `ceil` is PyTorch's ceil_mode. Padding of a maximum is −∞, of a mean or a sum it is counted zeros.
    """

    kind: Literal["max", "average", "sum"] = "max"
    size: Pair = (2, 2)
    stride: Pair | None = None
    padding: Pair = (0, 0)
    ceil: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalPool(Node):
    """`gap`: the mean of each channel over the whole map; output 1 x 1 x C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Node):
    """`fcN`: fully connected; `outputs` None (a bare `fc`) is the number of classes. Flattens a map."""

    outputs: int | None = None
    bias: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Node):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation(Node):
    kind: str = "relu"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm(Node):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerNorm(Node):
    """Normalises over channels, height and width of one image (`LayerNorm([C, H, W])`), or over the features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout(Node):
    probability: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax(Node):
    """Only at the very end; it belongs to the loss and is not built into the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual(Node):
    """`res(chain)`: adds its input to its output, through a 1x1 convolution (stride, no bias) where shapes differ."""

    body: Chain


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Node):
    """`cat(chain|chain|…)`: branches side by side, joined along the channels."""

    branches: tuple[Chain, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Node):
    """`block*N`: kept as it is written; the tracer unrolls it."""

    body: Chain
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain(Node):
    parts: tuple[Node, ...]
