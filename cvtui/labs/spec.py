"""What a lab is asked to do, as data: its page in the lecture, its claim, its knobs, and the one check of them all.

The experiments themselves lie in `cvtui.labs.experiments`, one file each, by the same names; the table of all labs in
`catalog.py`. Nothing here needs torch, so that the list, the help and a wrong knob answer at once.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cvtui.errors import RequestError, nearest

Kind = Literal["int", "float", "choice", "choices", "floats", "net", "flag"]
KnobValue = int | float | str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One setting of a lab; `kind` says how its text is read.

    int, float: a number from `low` to `high` (both allowed). floats: numbers with commas between, each in the range.
    choice: one of `choices`. choices: some of them with commas between, or `all`. net: a net expression.
    flag: on or off.
    """

    name: str
    kind: Kind
    default: KnobValue
    doc: str
    """One line."""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    def allowed(self) -> str:
        """Say what may be given: "1 to 64", "one of tanh, relu"."""
        match self.kind:
            case "int" | "float":
                return f"{self.low:g} to {self.high:g}" if abs(self.high) < 1e6 else f"{self.low:g} to {self.high:,.0f}"
            case "floats":
                return f"numbers from {self.low:g} to {self.high:g} with commas between"
            case "choice":
                return "one of " + ", ".join(self.choices)
            case "choices":
                return "all, or some of " + ", ".join(self.choices) + " with commas between"
            case "flag":
                return "on or off"
            case _:
                return "a net expression such as (fc16-relu)*2-fc"

    def check(self, value: object) -> KnobValue:
        """Convert to the knob's type. RequestError (option, value, what is allowed, nearest) if it can't be."""
        text = str(value).strip()
        match self.kind:
            case "int" | "float":
                return self._number(text)
            case "floats":
                return self._numbers(text)
            case "choice":
                return self._one_of(text)
            case "choices":
                return self._some_of(text)
            case "flag":
                return self._flag(text)
            case _:
                return self._net(text)

    def _refuse(self, value: str, more: str = "") -> RequestError:
        shown = ascii(value) if len(value) <= 60 else ascii(value[:60] + "…")
        return RequestError(f"--{self.name}: {shown} is not allowed; allowed: {self.allowed()}{more}")

    def _number(self, text: str) -> int | float:
        number: int | float
        try:
            number = int(text.replace("_", "")) if self.kind == "int" else float(text)
        except (ValueError, OverflowError):
            raise self._refuse(text, " (a whole number)" if self.kind == "int" else "") from None
        if not self.low <= number <= self.high:  # False for NaN as well
            raise self._refuse(text)
        return number

    def _numbers(self, text: str) -> str:
        """Return the list as text, each number in its shortest form; one to twelve of them."""
        words = [word for word in text.replace(",", " ").split() if word]
        try:
            numbers = [float(word) for word in words]
        except ValueError:
            raise self._refuse(text) from None
        if not numbers or len(numbers) > 12 or not all(self.low <= number <= self.high for number in numbers):
            raise self._refuse(text, "; one to twelve of them")
        return ",".join(f"{number:g}" for number in numbers)

    def _one_of(self, text: str) -> str:
        if text.lower() in self.choices:
            return text.lower()
        raise self._refuse(text, nearest(text, self.choices))

    def _some_of(self, text: str) -> str:
        words = [word for word in text.lower().replace(",", " ").split() if word]
        if "all" in words:
            return ",".join(self.choices)
        for word in words:
            if word not in self.choices:
                raise self._refuse(word, nearest(word, ("all", *self.choices)))
        if not words:
            raise self._refuse(text)
        return ",".join(dict.fromkeys(words))

    def _flag(self, text: str) -> bool:
        if text.lower() in ("on", "true", "yes", "1"):
            return True
        if text.lower() in ("off", "false", "no", "0"):
            return False
        raise self._refuse(text)

    def _net(self, text: str) -> str:
        from cvtui.calc.net.parser import format as written
        from cvtui.calc.net.parser import parse

        if not text and self.default == "":
            return ""
        try:
            return written(parse(text))
        except RequestError as error:
            raise RequestError(
                f"--{self.name}: {error.message}", hint=error.hint, source=error.source or text, column=error.column
            ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """One experiment of the lecture."""

    name: str
    title: str
    page: str
    """The lecture's page that makes the claim, by its heading."""
    claim: str
    """One sentence."""
    notice: str
    """What to look at in the picture, in one to three sentences."""
    knobs: tuple[Knob, ...]
    parallel: bool = False
    """Whether it gains from several cores; nets as small as most labs' are fastest on one (and many times slower on
    three where a core is taken by something else)."""

    def knob(self, name: str) -> Knob:
        """By name, hyphens or underscores. RequestError with the nearest where there is none of that name."""
        wanted = name.replace("_", "-")
        for knob in self.all_knobs:
            if knob.name == wanted:
                return knob
        names = [knob.name for knob in self.all_knobs]
        raise RequestError(f"lab {self.name} has no knob {name!a}; it has: {', '.join(names)}{nearest(wanted, names)}")

    def command(self, knobs: Mapping[str, object]) -> str:
        """Return the command line that runs it with these knobs; those at their default are left out."""
        words = ["cvtui", "lab", self.name]
        for name, value in knobs.items():
            knob = self.knob(name)
            if knob.check(value) != knob.check(knob.default):
                words += [
                    f"--{knob.name}",
                    ("on" if knob.check(value) else "off") if knob.kind == "flag" else f"{value}",
                ]
        return shlex.join(words)

    @property
    def all_knobs(self) -> tuple[Knob, ...]:
        """Its own, and those that every lab has."""
        return self.knobs + COMMON


COMMON = (
    Knob(
        name="seed",
        kind="int",
        default=0,
        low=0,
        high=2**31 - 1,
        doc="random seed; the same seed gives the same result",
    ),
    Knob(
        name="threads",
        kind="int",
        default=0,
        low=0,
        high=1024,
        doc="CPU threads; 0: one for small nets, else all cores but one",
    ),
)
