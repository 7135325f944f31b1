"""Immutable records that cost nothing at import."""

from __future__ import annotations

from typing import Any, ClassVar, Self, dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Frozen:
    """Base of immutable records: `@dataclass(frozen=True, kw_only=True)` without its cost at import.

    That one compiles eight methods a class, 2 ms each time: a third of the start of `cvtui calc` for its fifteen nodes.
    """

    fields: ClassVar[frozenset[str]] = frozenset()
    required: ClassVar[frozenset[str]] = frozenset()
    uncompared: ClassVar[frozenset[str]] = frozenset()
    """Fields that equality, hash and repr pass over."""

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
        """Return the same with other values for some fields."""
        return type(self)(**{**self.__dict__, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} can't be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} can't be deleted")

    def _compared(self) -> list[tuple[str, object]]:
        return [(name, getattr(self, name)) for name in sorted(self.fields - self.uncompared)]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self._compared()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._compared())})"
