"""Small multiples on the command line: a tiny loss curve of each run, all on the same two scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from cvtui.draw.small_multiples import axis_words, shared_scales, tiny_curve
from cvtui.runlog.history import History
from cvtui.runlog.tiny_loss import tiny_loss
from cvtui.text import cut_middle, fill, harmless, percent

if TYPE_CHECKING:
    from rich.text import Text

    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.run_summary import RunSummary

WIDE, HIGH = 24, 4
"""Least columns, and lines, of a curve."""


def grid(runs: Sequence[RunSummary], differs: Mapping[RunFolder, str], width: int) -> list[Text]:
    """Draw the runs, as many side by side as `width` has room for; each with its name, result and what differs."""
    from rich.text import Text

    curves = []
    for run in runs:
        history = History(run.folder)
        history.poll()
        curves.append(tiny_loss(history))
    shared = shared_scales(curves)
    if shared is None:
        return [Text("No losses.", "dim")]
    across = max(1, min(len(runs), (width + 2) // (WIDE + 2)))
    wide = (width + 2) // across - 2
    lines = [Text(axis_words(shared), "dim")]
    for start in range(0, len(runs), across):
        row = range(start, min(start + across, len(runs)))
        tiles = [_title(runs[n], wide) for n in row]
        lines.append(Text("  ").join(tiles))
        drawn = [tiny_curve(*curves[n], shared, wide, HIGH) if len(curves[n][0]) else [" " * wide] * HIGH for n in row]
        lines += [Text("  ".join(parts)) for parts in zip(*drawn, strict=True)]
        said = [fill(harmless(differs.get(runs[n].folder, "")), wide) for n in row]
        lines += [Text("  ".join(said), "dim"), Text()]
    return lines


def _title(run: RunSummary, width: int) -> Text:
    from rich.text import Text

    best = percent(run.best_val_accuracy) if run.best_val_accuracy is not None else run.state
    name = cut_middle(harmless(run.name), width - len(best) - 1)
    return Text.assemble((fill(name, width - len(best)), "bold"), best)
