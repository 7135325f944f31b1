"""How sure a finding is: the share of its kind that named a true cause in the doctor's benchmark (confidence.toml)."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import msgspec

UNCLEAR = 0.5
"""Below it a finding is told as unclear, with the test that would tell it from what looks like it."""


class Seen(msgspec.Struct, frozen=True):
    """Findings above a note that were told first: [how many, of which named a true cause]."""

    injected: tuple[int, int] = (0, 0)
    """In runs with faults that the benchmark injects, and in its healthy ones."""
    real: tuple[int, int] = (0, 0)
    """In other people's programs, their repairs, and unusual healthy runs."""


class Table(msgspec.Struct, frozen=True):
    """What was seen, by id."""

    weight: float
    """Real programs that the injected runs of an id count for, all together."""
    faults: dict[str, Seen]

    def confidence(self, fault_id: str) -> float:
        """Return the share that names a true cause, of findings of this id that are told first.

        What injected runs say (of an id that is not injected: what all real programs say) counts as `weight` programs.
        """
        seen = self.faults.get(fault_id, Seen())
        before = laplace(*seen.injected) if seen.injected[0] else self.all_real
        return (seen.real[1] + self.weight * before) / (seen.real[0] + self.weight)

    @property
    def all_real(self) -> float:
        """Return the same share of all ids, in real programs alone."""
        real = [one.real for one in self.faults.values()]
        return laplace(sum(said for said, _ in real), sum(right for _, right in real))


def laplace(said: int, right: int) -> float:
    return (right + 1) / (said + 2)


def read(text: str) -> Table:
    return msgspec.convert(tomllib.loads(text), Table)


TABLE = read(files("cvtui.doctor").joinpath("confidence.toml").read_text(encoding="utf-8"))
