"""How many times lower a run that diverged is to go on: one answer, wherever it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cvtui.recipe.learning_rate import options_at

if TYPE_CHECKING:
    from cvtui.runlog.history import History

USUAL = 10.0
"""Where the doctor names no rate: what it divides by at a loss that is not finite (F03)."""


def before_any_step(history: History) -> bool:
    """Return whether a run diverged with its very first loss: no rate has had a part in it."""
    return history.end is not None and history.end.status == "diverged" and history.end.step == 0


def times_slower(history: History) -> float:
    """Return what to divide the rate by: as the doctor's cure in the log does, else ten.

    The cure is measured (it goes by how far the steps moved the weights); a tenth beside it were a second truth.
    """
    asked = history.run.lr if history.run is not None else None
    for finding in reversed(history.findings):
        rate = finding.cure.get("lr")
        if asked and isinstance(rate, int | float) and 0 < rate < asked:
            return float(f"{asked / rate:.2g}")
    return USUAL


def slower_rate(history: History) -> str:
    """Return it as `cvtui resume --lr` takes it: `/10`, of what the rate would be at that step."""
    return f"/{times_slower(history):g}"


def slower_options(history: History) -> str:
    """Return the options that train at it from the start, whatever the recipe scales its own by; "" without a rate."""
    run = history.run
    if run is None or run.lr is None:
        return ""
    return options_at(run.lr / times_slower(history), run.recipe.get("scale_lr"))
