"""The doctor's findings in words, and the exit code that they give a script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis

TESTS = {
    "rate/10": "train one epoch at a tenth of the rate; if that learns, it was the rate",
    "overfit": "see whether the net can memorise one batch",
    "zeroed": "compare the loss of one batch with that of inputs that are all 0",
}
SEVERITIES = ("note", "warn", "stop")
SIGNS = {"stop": ("✗", "red"), "warn": ("▲", "yellow"), "note": ("·", "dim")}


def exit_code(found: Sequence[Diagnosis], ci: str | None) -> int:
    """Return 1 where a finding is at least as severe as `--ci` says, else 0."""
    least = SEVERITIES.index(ci) if ci else len(SEVERITIES)
    return int(any(SEVERITIES.index(one.severity) >= least for one in found))


def consequences(roots: Sequence[Diagnosis], found: Sequence[Diagnosis]) -> list[Diagnosis]:
    """Return the findings that are no root cause."""
    names = {root.id for root in roots}
    return [one for one in found if one.id not in names]


def certainty(one: Diagnosis) -> str:
    """Say how sure a finding is, and of one that is unclear what would tell it from others."""
    from cvtui.doctor.confidence import UNCLEAR
    from cvtui.text import percent

    if one.sure >= UNCLEAR:
        return f"confidence {percent(one.sure, 0)}"
    return f"unclear (confidence {percent(one.sure, 0)})" + ("; a short test tells" if one.test in TESTS else "")


def finding_lines(one: Diagnosis, run: str = "", axis: str = "step", sure: bool = True) -> list[Any]:
    """Return a finding as rich Texts: what, why, and what to do.

    run: the one that its test can be put to. axis: what its step counts. sure: say its confidence.
    """
    from rich.padding import Padding
    from rich.text import Text

    from cvtui.doctor import catalogue
    from cvtui.text import harmless

    sign, style = SIGNS[one.severity]
    head = Text.assemble(
        (f"{sign} {one.name}", f"{style} bold" if one.severity != "note" else "bold"), (f"  {one.id}", "dim")
    )
    if one.severity != "note" and sure:
        head.append(f"  {certainty(one)}", "dim")
    lines: list[Any] = [head, Padding(Text(harmless(one.sentence)), (0, 0, 0, 2))]
    about = [f"seen: {one.evidence}"] if one.evidence else []
    if one.threshold is not None and one.value is not None:
        about.append(f"limit {one.threshold:.3g} ({one.source})")
    if one.layer:
        about.append(f"layer {one.layer}")
    about.append(f"{axis} {one.step:,}" if one.step >= 0 else "before the first step")
    lines.append(Padding(Text(harmless("; ".join(about)), "dim"), (0, 0, 0, 2)))
    for file in one.files:
        lines.append(Padding(Text(harmless(file), "dim"), (0, 0, 0, 4)))
    changes = ", ".join(f"{name} = {value}" for name, value in one.cure.items())
    cure = f"{one.advice} Here: {changes} ({one.tried})." if changes else one.advice
    lines.append(Padding(Text(harmless(cure)), (0, 0, 0, 2)))
    if one.test in TESTS:
        way = f"`cvtui doctor {run} --test`: " if run else ""
        lines.append(Padding(Text(f"To be sure: {way}{TESTS[one.test]}.", "dim"), (0, 0, 0, 2)))
    if one.consequences:
        names = ", ".join(f"{catalogue[name].name} ({name})" for name in one.consequences)
        lines.append(Padding(Text(f"Consequences: {names}.", "dim"), (0, 0, 0, 2)))
    return lines
