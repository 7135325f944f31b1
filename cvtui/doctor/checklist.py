"""What was looked at before a run, as a list: each question with its answer in numbers, also where all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np

from cvtui.doctor.case import Case
from cvtui.doctor.diagnosis import Diagnosis
from cvtui.doctor.registry import limit

Mark = Literal["ok", "doubt", "fault", "unknown"]
"""doubt: beyond a limit, or worth a note, and too early to call it a fault."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    question: str
    mark: Mark
    answer: str
    findings: list[str] = []
    """Ids of what was found wrong there."""


class _Question(msgspec.Struct, frozen=True):
    words: str
    ids: tuple[str, ...]
    """Findings that answer it with no."""
    answer: Callable[[Case], str]
    """The numbers; "" where nothing is known."""
    doubtful: Callable[[Case], bool] = lambda case: False


def checklist(case: Case, found: list[Diagnosis]) -> list[Item]:
    """case: fed with a check-up's records; found: everything that the rules say of it."""
    faults = {one.id for one in found if one.severity != "note"}
    notes = {one.id for one in found} - faults
    items = []
    for question in QUESTIONS:
        answer, wrong = question.answer(case), [name for name in question.ids if name in faults]
        doubt = question.doubtful(case) or any(name in notes for name in question.ids)
        mark: Mark = "fault" if wrong else "unknown" if not answer else "doubt" if doubt else "ok"
        items.append(Item(question=question.words, mark=mark, answer=answer or "not known", findings=wrong))
    items.append(_by_heart(case))
    return items


def learnt(case: Case) -> bool | None:
    """Did the net learn one batch by heart? None where that was not tried."""
    right = case.facts.overfit_accuracy
    return None if right is None else right >= 0.95 and case.facts.overfit_loss is not None


def _by_heart(case: Case) -> Item:
    facts = case.facts
    images, steps = facts.overfit_images or 0, facts.overfit_steps or 0
    ok = learnt(case)
    if ok is None:
        return Item(question="one batch can be learnt by heart", mark="unknown", answer="not tried")
    right = facts.overfit_accuracy or 0.0
    loss = "not finite" if facts.overfit_loss is None else f"{facts.overfit_loss:.3g}"
    answer = f"{right:.0%} of {images} images after {steps} steps, loss {loss}"
    better = [rate for rate, cost, share in facts.overfit_rates if share >= 0.95 and cost >= 0]
    if not ok and better:
        answer += f"; it can at a rate of {better[0]:g}"
    elif not ok:
        answer += "; nor at a tenth, a hundredth or ten times of the rate" if facts.overfit_rates else ""
    elif facts.zeroed_loss is not None:
        answer += f" ({facts.zeroed_loss:.3g} when it sees nothing)"
    return Item(question="one batch can be learnt by heart", mark="ok" if ok else "fault", answer=answer)


def _images(case: Case) -> str:
    bad = case.facts.bad_count
    return "" if bad is None else f"{bad:,} images with NaN or infinity"


def _labels(case: Case) -> str:
    span = case.facts.label_range
    return f"{span[0]} to {span[1]}, {case.classes:,} classes, {case.facts.outputs or 0:,} outputs" if span else ""


def _balance(case: Case) -> str:
    counts = [count for count in case.facts.label_counts if count]
    return f"{min(counts):,} to {max(counts):,} images a class" if counts else ""


def _both_sets(case: Case) -> str:
    return "" if case.facts.overlap is None else f"{case.facts.overlap:,} validation images are training images too"


def _fit(case: Case) -> str:
    facts = case.facts
    if facts.neighbours_train is None or facts.neighbours_validation is None:
        return ""
    return (
        f"near neighbours agree in {facts.neighbours_train:.0%} (training), {facts.neighbours_validation:.0%} "
        f"(validation); chance {facts.neighbours_chance or 0:.0%}"
    )


def _inputs(case: Case) -> str:
    facts = case.facts
    if facts.input_mean is None or facts.input_std is None:
        return ""
    return f"mean {facts.input_mean:.2g}, standard deviation {facts.input_std:.3g}"


def _mixed(case: Case) -> str:
    seen, sizes = case.facts.batch_classes, case.facts.batch_sizes
    return f"{np.mean(seen):.3g} classes on average in batches of {max(sizes[: len(seen)])}" if seen else ""


def _first_loss(case: Case) -> str:
    first, guess = case.first_loss, case.label_entropy
    if first is None:
        return ""
    return f"{first:.4g}" + (f", a guess costs {guess:.4g}" if guess and case.is_cross_entropy else "")


def _gradients(case: Case) -> str:
    facts = case.facts
    if facts.parameters is None:
        return ""
    missing = max(facts.left_out_count or 0, len(facts.left_out))
    missing += max(facts.no_gradient_count or 0, len(facts.no_gradient))
    return f"{facts.parameters - missing:,} of {facts.parameters:,} parameters"


def _moves(case: Case) -> str:
    places = case.layers.weighted()
    if not places or not len(case.layers):
        return ""
    ratios = case.layers.of("update_ratio")[:, places]
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return ""
    words = f"by {ratios.min():.1e} to {ratios.max():.1e} of their size a step"
    return f"{words}; beyond {limit('F01', 'ratio'):g}, which is too far if it lasts" if _far(case) else words


def _far(case: Case) -> bool:
    """Beyond the limit that the doctor holds a run to?"""
    ratios = case.layers.of("update_ratio")[:, case.layers.weighted()]
    return bool((ratios > limit("F01", "ratio")).any())


def _schedule(case: Case) -> str:
    rates = case.facts.rates
    return f"from {rates[0][1]:.3g} over {max(r for _, r in rates):.3g} to {rates[-1][1]:.2g}" if rates else ""


QUESTIONS = (
    _Question("images are finite", ("F28",), _images),
    _Question("labels are in range, outputs are as many", ("F27",), _labels),
    _Question("classes are in balance", ("F24",), _balance),
    _Question("no image is in both sets", ("F20",), _both_sets),
    _Question("labels fit the images", ("F13", "F14", "F21"), _fit),
    _Question("inputs are normalised", ("F11",), _inputs),
    _Question("batches are mixed", ("F12",), _mixed),
    _Question("the first loss is that of a guess", ("F10", "F15", "F16", "F17", "F09"), _first_loss),
    _Question("all parameters get gradients", ("F26", "F25", "F08"), _gradients),
    _Question(
        "weights move, and not too far", ("F01", "F31", "F30", "F02", "F29", "F04", "F05", "F06", "L02"), _moves, _far
    ),
    _Question("the rate lasts", ("F32",), _schedule),
)
