"""What a choice by name is, and how it is written: as a call, such as `normal(0.02)` or `step(30, 60, 90)`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Generic, NamedTuple, TypeVar

from cvtui.errors import RequestError, nearest
from cvtui.frozen import Frozen
from cvtui.recipe.span import Span


class Parameter(Span):
    """A number in a choice's brackets."""

    default: float
    doc: str


Values = Mapping[str, Any]
"""The parameters of a choice, by name."""


class Choice(Frozen):
    """An entry of a table of choices."""

    name: str
    summary: str
    """One line."""
    formula: str
    parameters: Mapping[str, Parameter] = {}
    many: str = ""
    """The name under which any number of values without a name is gathered: `epochs` of step(30, 60, 90)."""
    bounds: tuple[str, ...] = ()
    """Two parameters that are the ends of a range: the second must not be less than the first."""

    def defaults(self) -> dict[str, Any]:
        """Return its parameters where nothing is written in brackets."""
        values: dict[str, Any] = {name: parameter.default for name, parameter in self.parameters.items()}
        return {**values, self.many: ()} if self.many else values

    def usage(self) -> str:
        """Return how it is written: `adam(beta1=0.9, beta2=0.999, eps=1e-08)`."""
        words = [f"{self.many}…"] if self.many else []
        words += [f"{name}={parameter.default:g}" for name, parameter in self.parameters.items()]
        return f"{self.name}({', '.join(words)})" if words else self.name


AnyChoice = TypeVar("AnyChoice", bound=Choice)


def table_of(*choices: AnyChoice) -> dict[str, AnyChoice]:
    """Make a table of choices by name."""
    return {choice.name: choice for choice in choices}


ALIASES = {
    "center": "centre",
    "standardize": "standardise",
    "crossentropy": "cross-entropy",
    "rand-augment": "randaugment",
    "auto-augment": "autoaugment",
    "trivialaugmentwide": "trivialaugment",
    "trivial-augment": "trivialaugment",
    "random-erasing": "erasing",
    "randomerasing": "erasing",
    "randomresizedcrop": "resized-crop",
    "random-resized-crop": "resized-crop",
}
"""Other people's spellings of our names."""

Entry = TypeVar("Entry")


def normalized(name: str) -> str:
    """Return a name as the tables spell it: case, `_` for `-` and American spelling are free."""
    word = name.strip().lower().replace("_", "-")
    return ALIASES.get(word, word)


def find(name: str, table: Mapping[str, Entry], label: str = "") -> Entry:
    """Return the entry of that name, however it is spelt (see `normalized`). RequestError where there is none."""
    entry = table.get(normalized(name))
    if entry is None:
        raise unknown(name, table, label)
    return entry


def unknown(name: str, table: Mapping[str, Any], label: str = "", besides: Sequence[str] = ()) -> RequestError:
    """Make the error for a name that is not known: what is allowed (also `besides` the table's names), the nearest."""
    return RequestError(
        f"{label + ': ' if label else ''}{name.strip()!r} is not known; "
        f"allowed: {', '.join([*table, *besides])}{nearest(normalized(name), tuple(table))}"
    )


class Chosen(NamedTuple, Generic[AnyChoice]):
    """A choice as it was written: its entry, and a value for every parameter."""

    spec: AnyChoice
    values: dict[str, Any]

    @property
    def name(self) -> str:
        return self.spec.name


def parse_choice(text: str, table: Mapping[str, AnyChoice], label: str = "") -> Chosen[AnyChoice]:
    """Parse `"normal(0.02)"` into its entry and {"std": 0.02}, with the default of what is not written.

    Values without a name go to the parameters in order (or all to `many`, as a tuple). `label` is what errors call the
    field. RequestError for an unknown name or parameter, a value that is no number or out of range, a broken bracket.
    """
    before = f"{label}: " if label else ""
    name, bracket, rest = text.strip().partition("(")
    choice = find(name, table, label)
    values = choice.defaults()
    if not bracket:
        return Chosen(choice, values)
    inside, closed, after = rest.partition(")")
    if not closed or after.strip():
        raise RequestError(f"{before}{text.strip()!r} must end in one ')', as in {choice.usage()}")
    given: set[str] = set()
    unnamed: list[float] = []
    for number, word in enumerate(inside.split(",") if inside.strip() else []):
        key, equals, value = word.rpartition("=")
        if not equals and choice.many:
            unnamed.append(_number(value, f"{before}{choice.many} of {choice.name}"))
            continue
        key = key.strip() if equals else _nth(choice, number, before)
        if key not in choice.parameters:
            allowed = tuple(choice.parameters)
            takes = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
            raise RequestError(f"{before}{choice.name} has no parameter {key!r}; {takes}{nearest(key, allowed)}")
        if key in given:
            raise RequestError(f"{before}{choice.name} has {key!r} twice")
        given.add(key)
        values[key] = _in_range(value, choice, key, before)
    if choice.bounds and values[choice.bounds[0]] > values[choice.bounds[1]]:
        low, high = (f"{name} {values[name]:g}" for name in choice.bounds)
        raise RequestError(f"{before}{choice.name} goes from {low} to {high}; allowed: {' <= '.join(choice.bounds)}")
    if choice.many:
        values[choice.many] = _rising(unnamed, f"{before}{choice.many} of {choice.name}")
    return Chosen(choice, values)


def parse_chain(text: str, table: Mapping[str, AnyChoice], label: str = "") -> list[Chosen[AnyChoice]]:
    """Parse `"flip, shift(2)"` into its choices, in order; none for "" and `none`. RequestError as there."""
    words = [word for word in re.split(r",(?![^(]*\))", text) if word.strip()]
    if [word.strip().lower() for word in words] in ([], ["none"]):
        return []
    return [parse_choice(word, table, label) for word in words]


def _nth(choice: Choice, number: int, before: str) -> str:
    names = tuple(choice.parameters)
    if number >= len(names):
        raise RequestError(f"{before}{choice.name} takes {len(names) or 'no'} values; it is written {choice.usage()}")
    return names[number]


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise RequestError(f"{what}: {text.strip()!r} is not a number") from None


def _in_range(text: str, choice: Choice, key: str, before: str) -> float:
    parameter = choice.parameters[key]
    value = _number(text, f"{before}{key} of {choice.name}")
    if not parameter.holds(value):
        raise RequestError(
            f"{before}{key} of {choice.name} ({parameter.doc}) can't be {text.strip()}; allowed: {parameter.in_words()}"
        )
    return value


def _rising(values: list[float], what: str) -> tuple[float, ...]:
    for value in values:
        if not Span(low=0.0, open_low=True).holds(value):
            raise RequestError(f"{what}: {value:g} is not allowed; they are numbers above 0")
    for before, after in pairwise(values):
        if after <= before:
            raise RequestError(f"{what}: {after:g} after {before:g}; they must rise")
    return tuple(values)
