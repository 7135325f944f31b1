"""The order of causes, pair by pair: of two faults found at once the earlier one is told."""

from __future__ import annotations

import itertools

import pytest

from cvtui.doctor import catalogue
from cvtui.doctor.diagnosis import Diagnosis
from cvtui.doctor.doctor import arrange

FIRST = ("F38", "F48", "F41", "F40", "F39", "F44", "F45", "F56")
"""Exact zeros, impossible losses, and weights that can't move."""
STATISTICS = ("F10", "F13", "F37", "F36", "F02", "F01", "F31", "F30", "F19", "F04", "F05", "F06", "F07", "F17", "F15",
              "F16", "F27")  # fmt: skip
AMONG = [("F38", "F41"), ("F38", "F39"), ("F38", "F42"), ("F38", "F34"), ("F48", "F39"), ("F48", "F40"),
         ("F41", "F43"), ("F41", "F39"), ("F40", "F42"), ("F39", "F42"), ("F43", "F11"), ("F44", "F25"),
         ("F45", "F26"), ("F46", "F23"), ("F47", "F23"), ("F42", "F34"), ("F49", "F18"), ("F49", "F19"),
         ("F49", "F21"), ("F50", "F16"), ("F50", "F01"), ("F50", "F07"), ("F50", "F03"), ("F50", "F33"),
         ("F50", "F36")]  # fmt: skip


def told(fault: str, step: int = 0) -> Diagnosis:
    one = catalogue[fault]
    return Diagnosis(id=fault, name=one.name, severity=one.severity, kind=one.kind, step=step, sentence=f"{fault}.")


@pytest.mark.parametrize(("cause", "effect"), [*itertools.product(FIRST, STATISTICS), *AMONG])
def test_the_cause_is_told_and_the_other_is_what_follows(cause: str, effect: str) -> None:
    for order in ([told(cause), told(effect, 20)], [told(effect, 20), told(cause)]):
        roots = arrange(order)
        assert [one.id for one in roots] == [cause]
        assert roots[0].consequences == (effect,)


def test_each_cause_lies_upstream_of_what_it_names() -> None:
    for fault in catalogue.values():
        late = [other for other in fault.causes if catalogue[other].order <= fault.order]
        assert fault.id not in FIRST or not late, f"{fault.id} comes after {late}"
