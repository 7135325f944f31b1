"""Checklist of a pre-flight check: each question with its answer in numbers, also where all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np

from cvtui.doctor.diagnosis import Diagnosis
from cvtui.doctor.observations import Observations
from cvtui.doctor.registry import limit, some
from cvtui.text import whole_range

Mark = Literal["ok", "doubt", "fault", "unknown"]
"""doubt: beyond a limit, or worth a note, and too early to call it a fault."""


class ChecklistItem(msgspec.Struct, frozen=True, kw_only=True):
    question: str
    mark: Mark
    answer: str
    findings: list[str] = []
    """Ids of what was found wrong there."""


class _Question(msgspec.Struct, frozen=True):
    words: str
    ids: tuple[str, ...]
    """Findings that answer it with no."""
    answer: Callable[[Observations], str]
    """The numbers; "" where nothing is known."""
    doubtful: Callable[[Observations], bool] = lambda _: False


def checklist(obs: Observations, found: list[Diagnosis]) -> list[ChecklistItem]:
    """Answer each question of the pre-flight check.

    obs: fed with a check's records; found: everything that the rules say of it.
    """
    faults = {one.id for one in found if one.severity != "note"}
    notes = {one.id for one in found} - faults
    if _asked_to_freeze(obs):
        notes.discard("F26")  # that the rest gets no gradient is what the recipe asks for
    items = []
    for question in QUESTIONS:
        answer, wrong = question.answer(obs), [name for name in question.ids if name in faults]
        doubt = question.doubtful(obs) or any(name in notes for name in question.ids)
        mark: Mark = "fault" if wrong else "unknown" if not answer else "doubt" if doubt else "ok"
        items.append(ChecklistItem(question=question.words, mark=mark, answer=answer or "not known", findings=wrong))
    if obs.facts.frozen_compared is not None:
        items.append(_frozen(obs))
    items.append(_one_batch(obs))
    return items


def _asked_to_freeze(obs: Observations) -> bool:
    return bool(obs.facts.frozen and not obs.own_loop and obs.recipe.get("freeze"))


def _frozen(obs: Observations) -> ChecklistItem:
    compared, changed = obs.facts.frozen_compared or 0, obs.facts.frozen_changed
    answer = f"{compared - len(changed):,} of {compared:,} tensors unchanged, to the last bit, by the first steps"
    answer += f"; not {some(changed)}" if changed else ""
    return ChecklistItem(question="frozen parts stay as they are", mark="fault" if changed else "ok", answer=answer)


def memorised(obs: Observations) -> bool | None:
    """Return True if the net has memorised one batch; None where that was not tried."""
    right = obs.facts.overfit_accuracy
    return None if right is None else right >= 0.95 and obs.facts.overfit_loss is not None


def _one_batch(obs: Observations) -> ChecklistItem:
    facts = obs.facts
    images, steps = facts.overfit_images or 0, facts.overfit_steps or 0
    ok = memorised(obs)
    if ok is None:
        return ChecklistItem(question="the net can memorise one batch", mark="unknown", answer="not tried")
    right = facts.overfit_accuracy or 0.0
    loss = "not finite" if facts.overfit_loss is None else f"{facts.overfit_loss:.3g}"
    answer = f"{right:.0%} of {images} images after {steps} steps, loss {loss}"
    better = [rate for rate, cost, share in facts.overfit_rates if share >= 0.95 and cost >= 0]
    if not ok and better:
        answer += f"; it can at a rate of {better[0]:g}"
    elif not ok:
        answer += "; nor at a tenth, a hundredth or ten times of the rate" if facts.overfit_rates else ""
    elif facts.zeroed_loss is not None:
        answer += f" ({facts.zeroed_loss:.3g} with blanked images)"
    return ChecklistItem(question="the net can memorise one batch", mark="ok" if ok else "fault", answer=answer)


def _images(obs: Observations) -> str:
    bad = obs.facts.bad_count
    return "" if bad is None else f"{bad:,} images with NaN or infinity"


def _labels(obs: Observations) -> str:
    span = obs.facts.label_range
    if not span:
        return ""
    empty = _without_images(obs)
    words = f"{span[0]} to {span[1]}, {obs.classes:,} classes, {obs.facts.outputs or 0:,} outputs"
    return words + (f"; {empty:,} class{'es' * (empty > 1)} without a training image" if empty else "")


def _without_images(obs: Observations) -> int:
    """Count the classes that no training image has; 0 where not all labels are known."""
    counts = obs.facts.label_counts
    return counts.count(0) if sum(counts) == obs.facts.train else 0


def _balance(obs: Observations) -> str:
    counts = [count for count in obs.facts.label_counts if count]
    if not counts:
        return ""
    return f"{whole_range(min(counts), max(counts))} image{'s' * (max(counts) > 1)} a class"


def _both_sets(obs: Observations) -> str:
    return "" if obs.facts.overlap is None else f"{obs.facts.overlap:,} validation images are training images too"


def _fit(obs: Observations) -> str:
    facts = obs.facts
    if facts.neighbours_train is None or facts.neighbours_validation is None:
        return ""
    return (
        f"near neighbours agree in {facts.neighbours_train:.0%} (training), {facts.neighbours_validation:.0%} "
        f"(validation); chance {facts.neighbours_chance or 0:.0%}"
    )


def _inputs(obs: Observations) -> str:
    facts = obs.facts
    if facts.input_mean is None or facts.input_std is None:
        return ""
    return f"mean {facts.input_mean:.2g}, standard deviation {facts.input_std:.3g}"


def _mixed(obs: Observations) -> str:
    seen, sizes = obs.facts.batch_classes, obs.facts.batch_sizes
    return f"{np.mean(seen):.3g} classes on average in batches of {max(sizes[: len(seen)])}" if seen else ""


def _first_loss(obs: Observations) -> str:
    first, guess = obs.first_loss, obs.label_entropy
    if first is None:
        return ""
    return f"{first:.4g}" + (f"; random guessing: {guess:.4g}" if guess and obs.is_cross_entropy else "")


def _gradients(obs: Observations) -> str:
    facts = obs.facts
    if facts.parameters is None:
        return ""
    missing = max(facts.left_out_count or 0, len(facts.left_out))
    missing += max(facts.no_gradient_count or 0, len(facts.no_gradient))
    count = f"{facts.parameters - missing:,} of {facts.parameters:,} parameters"
    frozen = max(facts.frozen_count or 0, len(facts.frozen))
    return f"{count}; {frozen:,} more are frozen, as the recipe asks" if _asked_to_freeze(obs) else count


def _moves(obs: Observations) -> str:
    places = obs.layers.weighted()
    if not places or not len(obs.layers):
        return ""
    ratios = obs.layers.of("update_ratio")[:, places]
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return ""
    words = f"by {ratios.min():.1e} to {ratios.max():.1e} of their size a step"
    return f"{words}; beyond {limit('F01', 'ratio'):g}, which is too far if it lasts" if _far(obs) else words


def _far(obs: Observations) -> bool:
    """Return True if an update ratio is beyond the limit that the doctor holds a run to."""
    ratios = obs.layers.of("update_ratio")[:, obs.layers.weighted()]
    return bool((ratios > limit("F01", "ratio")).any())


def _schedule(obs: Observations) -> str:
    rates = obs.facts.rates
    return f"{rates[0][1]:.3g} → {max(r for _, r in rates):.3g} → {rates[-1][1]:.2g}" if rates else ""


QUESTIONS = (
    _Question("images are finite", ("F28",), _images),
    _Question("labels in range, one output per class", ("F27",), _labels, lambda obs: _without_images(obs) > 0),
    _Question("classes are in balance", ("F24",), _balance),
    _Question("no image is in both sets", ("F20",), _both_sets),
    _Question("labels fit the images", ("F13", "F14", "F21"), _fit),
    _Question("inputs are normalised", ("F11",), _inputs),
    _Question("batches are mixed", ("F12",), _mixed),
    _Question("initial loss close to random guessing", ("F10", "F15", "F16", "F17", "F09"), _first_loss),
    _Question("all parameters get gradients", ("F26", "F25", "F08"), _gradients),
    _Question(
        "weights move, and not too far", ("F01", "F31", "F30", "F02", "F29", "F04", "F05", "F06", "L02"), _moves, _far
    ),
    _Question("the schedule covers the run", ("F32",), _schedule),
)
