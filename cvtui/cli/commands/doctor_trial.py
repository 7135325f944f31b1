"""`cvtui doctor RUN --test`: the short test that tells a finding from what looks like it, and what it says."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cvtui.cli import out
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis
    from cvtui.recipe.recipe import Recipe
    from cvtui.runlog.history import History

BETTER = 0.9
"""Of the loss before, at the same steps: a rate that gives less was the cause."""
LAST = 20
"""Steps at the end of the test whose mean loss is compared."""


def run_test(history: History, found: Sequence[Diagnosis], runs: Path, *, as_json: bool) -> int:
    """Run the test of the first finding that has one; return the exit code.

    RequestError where no finding has a test, or no recipe trained the run.
    """
    from cvtui.runlog.origin import recipe_of

    parent = history.folder
    finding = next((one for one in found if one.test), None)
    recipe = recipe_of(parent, "tested")
    if finding is None:
        what = "no finding has a short test" if found else "nothing is wrong with it"
        raise RequestError(f"{parent.name!r}: {what}", hint=f"cvtui doctor {parent.name} says more" if found else "")
    if not as_json:
        out.line(f"{finding.name}: {finding.sentence}")
    code, answer = _slower(history, recipe, runs, as_json) if finding.test == "rate/10" else _one_batch(recipe)
    if as_json:
        told = {"finding": finding.as_json(), "test": finding.test, "answer": answer}
        out.json_line(told)
    else:
        out.line(answer)
    return code


def _slower(history: History, recipe: Recipe, runs: Path, as_json: bool) -> tuple[int, str]:
    """Train one epoch at a tenth of the rate; compare its loss with the run's own at the same steps."""
    from cvtui.cli.follow import follow
    from cvtui.recipe.learning_rate import at_rate, with_full_rate
    from cvtui.recipe.toml import dumps, override
    from cvtui.recipe.validation import check
    from cvtui.runlog import fork
    from cvtui.runlog.history import History

    rate = float(f"{with_full_rate(recipe).lr / 10:g}")
    changes = {name: str(value) for name, value in at_rate(rate, recipe.scale_lr).items()}
    checked = check(override(recipe, {"name": "", "epochs": "1", **changes}))
    child = fork.afresh(history.folder, runs, "", dumps(checked.recipe))
    if not as_json:
        out.line(f"the test: one epoch at a rate of {rate:g}, as {child.name}")
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        code = follow(child, checked, quiet=True, with_terminal=True)
    after = History(child)
    after.poll()
    end = after.steps_done
    before, now = _mean(history, end), _mean(after, end)
    if math.isnan(now):
        return code, "At a tenth of the rate there is no finite loss either: it is not the rate alone."
    against = f"at a tenth of the rate the loss was {now:.3g} by step {end:,}"
    if math.isnan(before):
        return code, f"{against.capitalize()}, and at the run's own it was not finite: it is the rate."
    words = "it is the rate" if now < BETTER * before else "it is not the rate alone"
    return code, f"{against.capitalize()}, at the run's own {before:.3g}: {words}."


def _mean(history: History, end: int) -> float:
    """Return the mean loss of the last steps before `end`; NaN where one of them has none."""
    series = history.steps
    stop = end - series.first
    losses = series.loss[max(0, stop - LAST) : max(0, stop)]
    return float(losses.mean()) if len(losses) else math.nan


def _one_batch(recipe: Recipe) -> tuple[int, str]:
    """Train on one batch alone, as `cvtui check` does."""
    from cvtui.cli.precheck_process import run_precheck
    from cvtui.doctor.checklist import checklist

    doctor = run_precheck(recipe)
    item = next(item for item in checklist(doctor.obs, doctor.all) if item.question == "the net can memorise one batch")
    words = {"ok": "net and loss can learn: look at the data and the rate", "fault": "net, loss or rate are at fault"}
    return 0, f"{item.question}? {item.answer}: {words.get(item.mark, 'not known')}."
