"""Registry of rules: one small rule a fault, a pure function of a run's observations."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cvtui.doctor.catalogue import FAULTS
from cvtui.doctor.diagnosis import Diagnosis, Severity
from cvtui.doctor.observations import Observations
from cvtui.recipe.learning_rate import at_rate
from cvtui.text import compact, rounded


@dataclass(frozen=True)
class RuleResult:
    """What a rule reports of a fault.

    step: at which its evidence was complete, −1: before the first. The rest as in Diagnosis; what is left out comes
    from the catalogue.
    """

    sentence: str
    step: int = -1
    value: float | None = None
    threshold: float | None = None
    evidence: str = ""
    files: tuple[str, ...] = ()
    layer: str = ""
    cure: dict[str, Any] = field(default_factory=dict)
    advice: str = ""
    severity: Severity | None = None
    test: str = ""
    name: str = ""
    """Where less is known than the fault's own name says."""

    def diagnosis(self, fault_id: str, obs: Observations) -> Diagnosis:
        fault = FAULTS[fault_id]
        return Diagnosis(
            id=fault_id,
            name=self.name or fault.name,
            severity=self.severity or fault.severity,
            kind=fault.kind,
            step=self.step,
            layer=self.layer,
            sentence=self.sentence,
            evidence=self.evidence,
            files=self.files,
            value=self.value if self.value is None or math.isfinite(self.value) else None,
            threshold=self.threshold,
            source=fault.source,
            cure=_plain(self.cure, obs),
            advice=self.advice or fault.advice,
            test=self.test,
        )


def _plain(cure: dict[str, Any], obs: Observations) -> dict[str, Any]:
    """Return a cure as changes of the recipe.

    A cure names the rate that is trained at. Where the recipe multiplies its own (`scale_lr`), one that sets a rate or
    a batch size sets both, and the factor to none.
    """
    rate = obs.run.lr if obs.run is not None else None
    if not obs.recipe.get("scale_lr") or rate is None or not cure.keys() & {"lr", "batch_size"}:
        return cure
    return {**cure, **at_rate(cure.get("lr", short(rate)))}


@dataclass(frozen=True)
class Rule:
    id: str
    reads: frozenset[str]
    """What it looks at: facts, steps, layers, epochs, end. It is asked again when one of them is new."""
    check: Callable[[Observations], RuleResult | None]

    @property
    def limits(self) -> dict[str, float]:
        return FAULTS[self.id].limits


RULES: dict[str, Rule] = {}


def rule(
    fault_id: str, *reads: str
) -> Callable[[Callable[[Observations], RuleResult | None]], Callable[[Observations], RuleResult | None]]:
    """Register the rule of this fault."""
    assert fault_id in FAULTS

    def register(check: Callable[[Observations], RuleResult | None]) -> Callable[[Observations], RuleResult | None]:
        RULES[fault_id] = Rule(fault_id, frozenset(reads), check)
        return check

    return register


def limit(fault_id: str, name: str) -> float:
    """Return a threshold of the catalogue."""
    return FAULTS[fault_id].limits[name]


def nice(number: float) -> float:
    """Round to the nearest of …, 0.3, 1, 3, 10, 30, … (by ratio)."""
    if not number > 0 or not math.isfinite(number):
        return number
    power = math.floor(math.log10(number))
    return min((m * 10.0**power for m in (1, 3, 10)), key=lambda value: abs(math.log(number / value)))


def short(number: float) -> float:
    """Round to three digits: for a recipe's field."""
    return rounded(number, 3)


def some(names: list[str], most: int = 3, count: int = 0) -> str:
    """List names as `a, b, c and 4 more`.

    count: how many there are, where `names` holds only the first of them.
    """
    count = max(count, len(names))
    if count <= most:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""
    return f"{', '.join(names[:most])} and {count - len(names[:most]):,} more"


def percent(share: float) -> str:
    """0.1234 -> "12.3 %": three digits, however small."""
    return f"{compact(100 * share)} %"
