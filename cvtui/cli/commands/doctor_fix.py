"""`cvtui doctor RUN --fix`: train again with the cure applied, and say what that gained."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cvtui.cli import out
from cvtui.errors import RequestError

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis
    from cvtui.recipe.recipe import Recipe
    from cvtui.runlog.events import CheckpointSaved
    from cvtui.runlog.history import History


def fix(history: History, found: Sequence[Diagnosis], runs: Path, *, as_json: bool) -> int:
    """Apply the first cure that there is; return the exit code of the run that follows.

    It forks from the last checkpoint before the fault was seen; without one, it starts anew. RequestError where no
    finding has a cure that is a change of the recipe.
    """
    from cvtui.cli.follow import follow
    from cvtui.recipe.toml import dumps
    from cvtui.recipe.validation import check
    from cvtui.runlog import fork as run_fork
    from cvtui.runlog.history import History
    from cvtui.runlog.origin import recipe_of

    parent = history.folder
    finding = next((one for one in found if one.cure), None)
    before = recipe_of(parent, "trained again")
    if finding is None:
        what = "no change of the recipe is known to help" if found else "nothing is wrong with it"
        raise RequestError(f"{parent.name!r}: {what}", hint=f"cvtui doctor {parent.name} says more" if found else "")
    recipe = _cured(before, finding)
    saved = _before(history, finding.step, recipe.epochs)
    checked = check(recipe)
    text = dumps(checked.recipe)
    child = run_fork.afresh(parent, runs, "", text) if saved is None else run_fork.fork(parent, saved, runs, "", text)
    changes = ", ".join(f"{name} {value}" for name, value in finding.cure.items())
    if not as_json:
        where = f"from epoch {saved.epoch}" if saved is not None else "from the start"
        out.line(f"{finding.name}: {finding.sentence}")
        out.line(f"the cure: {changes}, {where}, as {child.name}")
        out.line()
    with contextlib.redirect_stdout(sys.stderr if as_json else sys.stdout):
        code = follow(child, checked, quiet=True, with_terminal=True)
    after = History(child)
    after.poll()
    _report(history, after, finding, changes, as_json)
    return code


def _cured(recipe: Recipe, finding: Diagnosis) -> Recipe:
    from cvtui.recipe.toml import override

    changes = {name: repr(value) if isinstance(value, float) else str(value) for name, value in finding.cure.items()}
    return override(recipe, {"name": "", **changes})


def _before(history: History, step: int, epochs: int) -> CheckpointSaved | None:
    """Return the last checkpoint from before the fault was seen, if there is one."""
    from cvtui.runlog.fork import checkpoints_of

    early = [saved for saved in checkpoints_of(history) if 0 < saved.step <= step and saved.epoch < epochs]
    return early[-1] if early else None


def _report(before: History, after: History, finding: Diagnosis, changes: str, as_json: bool) -> None:
    """Print the best validation accuracy of both runs."""
    first, second = _best(before), _best(after)
    gain = second - first if first is not None and second is not None else None
    if as_json:
        told: dict[str, Any] = {
            "finding": finding.as_json(), "run": after.folder.name, "state": after.state(),
            "before": first, "after": second, "gain": gain,
        }  # fmt: skip
        out.json_line(told)
        return
    words = [f"{value:.2%}" if value is not None else "none" for value in (first, second)]
    more = f" ({100 * gain:+.1f} points)" if gain is not None else ""
    out.line()
    out.line(f"best validation accuracy: {words[0]} before, {words[1]} with {changes}{more}")
    out.line(f"compare   cvtui compare {before.folder.name} {after.folder.name}")


def _best(history: History) -> float | None:
    return max((epoch.val_accuracy for epoch in history.epochs if epoch.val_accuracy is not None), default=None)
