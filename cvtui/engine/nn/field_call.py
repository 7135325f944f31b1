"""A call of a function of torch, as the rules of receptive fields read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

from cvtui.calc.tensor_fields import FieldImage, TensorField

Known: TypeAlias = TensorField | None
"""None: not known."""


class Call:
    """One call of a function: its arguments by place or by name, and the shape that came out."""

    def __init__(
        self,
        image: FieldImage,
        field_of: Callable[[Any], Known],
        given: list[Tensor],
        args: Any,
        kwargs: Any,
        output: Tensor,
    ) -> None:
        self.args, self.kwargs = args, kwargs
        self.image, self.field_of = image, field_of
        self.fields = [field for field in map(field_of, given) if field is not None]
        self.tensor: Tensor = given[0]
        self.shape = tuple(output.shape)

    @property
    def one(self) -> TensorField:
        """The field of the first argument; LookupError where that is a constant."""
        found = self.field_of(self.tensor)
        if found is None:
            raise LookupError
        return found

    def at(self, place: int, name: str, usual: Any = None) -> Any:
        return self.args[place] if len(self.args) > place else self.kwargs.get(name, usual)

    def field(self, place: int, name: str) -> Known:
        return self.field_of(self.at(place, name))

    def apart(self, name: str) -> frozenset[int]:
        """Return the axis along which units of different origin now stand: constants, of which none sees a pixel."""
        if name == "pad":
            pad = list(self.at(1, "pad"))
            return frozenset(-1 - place for place in range(len(pad) // 2) if any(pad[2 * place : 2 * place + 2]))
        if name not in ("cat", "concat", "stack"):
            return frozenset()
        several = self.at(0, "tensors")
        alike = len(self.fields) == len(several) and len({one.field.axes for one in self.fields}) == 1
        return frozenset() if alike else frozenset([from_end(self.at(1, "dim", 0), len(self.shape))])

    def axes(self, places: Any) -> set[int]:
        """Axes from the end; None: all."""
        n = self.tensor.dim()
        if places is None or (isinstance(places, tuple | list) and not places):
            return set(range(-n, 0))
        return {from_end(place, n) for place in (places if isinstance(places, tuple | list) else (places,))}


def from_end(axis: int, n: int) -> int:
    return axis if axis < 0 else axis - n


def pair(of: Any) -> tuple[int, int]:
    if isinstance(of, int):
        return of, of
    return (int(of[0]), int(of[-1]))
