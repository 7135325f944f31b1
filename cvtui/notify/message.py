"""What is told of a run: its state, name, best value and folder, as environment and as text."""

from __future__ import annotations

from pathlib import Path

import msgspec

from cvtui.runlog.run_summary import RunSummary
from cvtui.text import clean, count, duration, percent

WORDS = {
    "finished": "finished",
    "stopped": "was stopped",
    "diverged": "diverged",
    "failed": "failed",
    "lost": "is lost",
    "stalled": "stalled",
}
"""Each state that is told, as a verb."""


class EndMessage(msgspec.Struct, frozen=True):
    """Message of a run's end: `environment` for a command, `title` and `body` for a person."""

    state: str
    title: str
    body: str
    environment: dict[str, str]


def message_of(run: RunSummary, state: str, *, silence: float = 0.0) -> EndMessage:
    """Word the state of a run. `silence`: seconds without a record, of a stalled one."""
    best = run.best_val_accuracy
    reason = clean(run.reason)
    if state == "lost":
        reason = "its process ended without a word; `cvtui resume` continues it"
    elif state == "stalled":
        reason = f"no new record for {duration(silence)}; its process is alive"
    parts = [
        reason,
        f"best validation accuracy {percent(best, 2)}" if best is not None else "",
        f"{count(run.epochs)} of {count(run.epochs_asked)} epochs" if run.epochs_asked else "",
        duration(run.seconds) if run.seconds else "",
    ]
    return EndMessage(
        state,
        f"{clean(run.name)} {WORDS[state]}",
        "; ".join(filter(None, parts)) or "no epoch was finished",
        {
            "CVTUI_STATE": state,
            "CVTUI_RUN": _text(run.name),
            "CVTUI_BEST": "" if best is None else f"{best:.6g}",
            "CVTUI_FOLDER": _text(str(Path(run.folder.path).absolute())),
            "CVTUI_EPOCHS": str(run.epochs),
            "CVTUI_REASON": reason,
        },
    )


def example() -> EndMessage:
    """Return the message of `cvtui notify --test`."""
    run = {"CVTUI_STATE": "finished", "CVTUI_RUN": "test", "CVTUI_BEST": "", "CVTUI_FOLDER": "", "CVTUI_EPOCHS": "0"}
    return EndMessage("finished", "test", "this is how the end of a run is told", {**run, "CVTUI_REASON": ""})


def _text(value: str) -> str:
    return value.replace("\0", "")
