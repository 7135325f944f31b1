"""The layers of a net as data: what the net expression says, before any size is known.

Every size is (height, width). `span` is the place in the expression (first column, column after the last),
so that an error can underline it; it takes no part in comparisons.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, TypeAlias, dataclass_transform

Pair: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]

ACTIVATIONS = ("relu", "leakyrelu", "tanh", "sigmoid", "gelu", "silu", "elu")


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Frozen:
    """What `@dataclass(frozen=True, kw_only=True)` gives, without its cost at import.

    That one compiles eight methods a class, 2 ms each time: a third of the start of `cvtui calc` for these fifteen.
    """

    fields: ClassVar[frozenset[str]] = frozenset()
    required: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        own = cls.__annotations__
        cls.fields = cls.fields.union(own)
        cls.required = cls.required.union(name for name in own if not hasattr(cls, name))

    def __init__(self, **values: Any) -> None:
        if not values.keys() <= self.fields or not self.required <= values.keys():
            wrong = sorted((values.keys() - self.fields) | (self.required - values.keys()))
            raise TypeError(f"{type(self).__name__}: unknown or missing {', '.join(wrong)}")
        self.__dict__.update(values)

    def replaced(self, **changes: Any) -> Self:
        """The same with other values for some fields."""
        return type(self)(**{**self.__dict__, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} can't be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} can't be deleted")

    def _compared(self) -> list[tuple[str, object]]:
        return [(name, getattr(self, name)) for name in sorted(self.fields) if name != "span"]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self._compared()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._compared())})"


class Node(Frozen):
    """A layer, or a group of them."""

    span: Span = (0, 0)


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

    body: Chain


class Concat(Node):
    """`cat(chain|chain|…)`: branches side by side, joined along the channels."""

    branches: tuple[Chain, ...]


class Repeat(Node):
    """`block*N`: kept as it is written; the tracer unrolls it."""

    body: Chain
    count: int


class Chain(Node):
    parts: tuple[Node, ...]
