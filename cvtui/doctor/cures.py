"""Which changes of the recipe are offered: those that help in the doctor's own benchmark, which writes cures.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.resources import files

import msgspec

from cvtui.doctor.catalogue import OFFERED


class Tried(msgspec.Struct, frozen=True):
    """What a cure did to runs of the benchmark that had this diagnosis."""

    runs: int
    better: int
    """Runs that ended better, by more than half a point."""
    gain: float
    """Median change of the validation accuracy, −1..1."""
    worst: float

    @property
    def helps(self) -> bool:
        enough = self.runs >= OFFERED["runs"] and self.better >= OFFERED["share"] * self.runs
        return enough and self.gain >= OFFERED["gain"]

    @property
    def words(self) -> str:
        """`helped 12 of 12 runs of the benchmark, by 46 points (median)`."""
        points = 100 * self.gain
        return f"helped {self.better} of {self.runs} runs of the benchmark, by {points:.0f} points (median)"


def key(fields: Iterable[str]) -> str:
    """Return the fields of a cure as one word: `lr+warmup`; scale_lr = 0 only makes a rate the one meant."""
    return "+".join(sorted(set(fields) - {"scale_lr"}))


def _read() -> dict[str, dict[str, Tried]]:
    text = files("cvtui.doctor").joinpath("cures.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, dict[str, Tried]])


CURES = _read()
"""Diagnosis -> fields of the cure -> result of its trials."""


def tried(fault_id: str, cure: Iterable[str]) -> Tried | None:
    """None where it was never tried: then it is not offered."""
    return CURES.get(fault_id, {}).get(key(cure))
