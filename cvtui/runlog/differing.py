"""What tells the runs of a list apart: the recipe's fields in which they differ, in few words a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cvtui.recipe.learning_rate import recorded_rate
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.run_summary import RunSummary
from cvtui.text import cut_middle

LONGEST = 24
"""Cells of a value: a longer one, as the path of a folder, would hide all that come after it."""
_SAID_ELSEWHERE = frozenset({"name"})
_SHORT = {"optimizer": "opt", "batch_size": "batch", "weight_decay": "decay", "label_smoothing": "smoothing"}


def differing(runs: Sequence[RunSummary]) -> dict[RunFolder, str]:
    """Return for each run its values of the fields that differ, the most telling first; "" where none does.

    Most telling is the field of most values; among equals the order of the recipe counts.
    """
    values: list[dict[str, str]] = [_values(run) for run in runs]
    fields = dict.fromkeys(name for known in values for name in known)
    usual = _texts(msgspec.structs.asdict(Recipe()))  # of a field that an older recipe lacks
    counts = {name: len({known.get(name, usual.get(name, "")) for known in values}) for name in fields}
    telling = sorted((name for name, different in counts.items() if different > 1), key=lambda name: -counts[name])
    return {
        run.folder: " · ".join(
            f"{_SHORT.get(name, name)} {cut_middle(known[name], LONGEST)}" for name in telling if known.get(name)
        )
        for run, known in zip(runs, values, strict=True)
    }


def _values(run: RunSummary) -> dict[str, str]:
    """Return the recipe as text; `lr` is the rate that it was trained at."""
    fields = {name: value for name, value in run.recipe.items() if name not in _SAID_ELSEWHERE}
    if (rate := recorded_rate(run.recipe)) is not None:
        fields["lr"] = rate
    return _texts(fields)


def _texts(fields: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in fields.items()}
