"""What happened in a run, in order, as lines for the log: epochs, commands, checkpoints, findings, words of the run."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cvtui.runlog.origin import saved_weights_hint
from cvtui.runlog.slower import before_any_step, slower_options, slower_rate, times_slower
from cvtui.text import clean, count, counted, percent, significant

if TYPE_CHECKING:
    from cvtui.runlog.events import CheckpointSaved, CommandApplied, EpochDone, Finding, Log, RunEnded, RunStarted
    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History

Tone = Literal["plain", "quiet", "good", "warn", "bad", "mark"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the log. `when` is Unix time, None where the record has none."""

    when: float | None
    glyph: str
    text: str
    tone: Tone = "plain"
    step: float = 0.0
    """Steps done when it happened."""

    @property
    def clock(self) -> str:
        return time.strftime("%H:%M:%S", time.localtime(self.when)) if self.when is not None else ""


class LogEntries:
    """Turns a growing history into entries, each record once."""

    def __init__(self) -> None:
        self._begin(None)

    def _begin(self, run: RunStarted | None) -> None:
        self._run = run
        self._counts = {"epochs": 0, "commands": 0, "checkpoints": 0, "findings": 0}
        self._last_log: Log | None = None
        self._logs_seen = 0
        self._ended = False
        self._has_start = False

    def update(self, history: History) -> tuple[bool, list[Entry]]:
        """Return (True if all earlier entries are void, new entries).

        They are void when another process took over, or the log was rewound.
        """
        shrunk = any(len(getattr(history, name)) < seen for name, seen in self._counts.items())
        void = shrunk or (self._run is not None and history.run is not self._run)
        if void or self._run is None:
            nothing_yet = not self._has_start and not any(self._counts.values()) and self._last_log is None
            void = void or not nothing_yet
            self._begin(history.run)
        news = sorted(self._new_entries(history), key=lambda item: item[0])
        return void, [replace(entry, step=place[0]) for place, entry in news]

    def _new_entries(self, history: History) -> list[tuple[tuple[float, int], Entry]]:
        """Return new records with their order: the step, then the order in which the engine works within a step."""
        news: list[tuple[tuple[float, int], Entry]] = []
        if history.run is not None and not self._has_start:
            self._has_start = True
            resumed = history.run.step or 0
            news.append(((resumed, 6 if resumed else 0), _started(history.run)))
        news += self._texts(history)
        for command in self._new("commands", history):
            if command.command not in ("save", "look"):  # a checkpoint has its own line; a look changes nothing
                news.append(((command.step, 2), _command(command)))
        total = history.run.recipe.get("epochs") if history.run is not None else None
        for epoch in self._new("epochs", history):
            news.append(((epoch.step, 3), _epoch(epoch, total)))
        for saved in self._new("checkpoints", history):
            if saved.reason not in ("last", "best"):  # those two come with every epoch; its line has a star
                news.append(((saved.step, 4), _saved(saved)))
        for finding in self._new("findings", history):
            news.append(((finding.step, 5), _finding(finding)))
        if history.end is not None and not self._ended:
            self._ended = True
            last = max((place[0] for place, _ in news), default=0.0)  # steps are done until a NaN is read back
            news.append(((max(history.end.step + 0.5, last), 9), _ending(history.end)))
        return news

    def _texts(self, history: History) -> list[tuple[tuple[float, int], Entry]]:
        """Return the run's own words that are new."""
        fresh, missed = self._new_logs(history)
        found = []
        if missed:
            left_out = f"{counted(missed, 'line')} left out here: events.jsonl has them"
            found.append((_place_of(history, fresh[0]), Entry(None, "…", left_out, "quiet")))
        for log in fresh:
            tone: Tone = "bad" if log.level == "error" else "warn" if log.level == "warning" else "plain"
            entry = Entry(log.time, "!" if tone != "plain" else " ", clean(log.text), tone)
            found.append((_place_of(history, log), entry))
        return found

    def _new(self, name: str, history: History) -> list[Any]:
        records = getattr(history, name)
        fresh = records[self._counts[name] :]
        self._counts[name] = len(records)
        return list(fresh)

    def _new_logs(self, history: History) -> tuple[list[Log], int]:
        """Return the new texts that are kept, and how many came before them."""
        fresh: list[Log] = []
        for log in reversed(history.logs):
            if log is self._last_log:
                break
            fresh.append(log)
        if fresh:
            self._last_log = fresh[0]
        total, seen = history.logs_dropped + len(history.logs), self._logs_seen
        self._logs_seen = total
        return fresh[::-1], total - seen - len(fresh) if fresh else 0


def _place_of(history: History, log: Log) -> tuple[float, int]:
    """Return the order of a text: after the epoch of its step where that was over, or the resume that it followed."""
    if log.step is None:
        return _step_at(history, log.time), 7
    run = history.run
    if run is not None and run.step and log.step == run.step and run.time is not None and run.time <= log.time:
        return log.step, 6  # as the start of a fork
    over = any(epoch.step == log.step and epoch.time < log.time for epoch in reversed(history.epochs))
    return log.step, 5 if over else 1


def _step_at(history: History, when: float) -> float:
    """Return the step of the last epoch or command before a time: exact enough to sort text in."""
    run = history.run
    begun = run is not None and (run.time is None or run.time <= when)  # else it was said before the run was resumed
    known = [float(run.step or 0) if run is not None and begun else 0.0]
    known += [epoch.step for epoch in history.epochs if epoch.time <= when]
    known += [command.step for command in history.commands if command.time <= when]
    return max(known)


def _started(run: RunStarted) -> Entry:
    first = f"resumed at step {count(run.step)}" if run.step else "started"
    threads = f", {run.threads} thread{'s' if run.threads != 1 else ''}" if run.device.startswith("cpu") else ""
    steps = f": {counted(run.total_steps, 'step')}" if run.total_steps else ""  # a custom loop need not tell it
    return Entry(run.time, "▶", f"{first} on {clean(run.device)}{threads}{steps}", "mark")


def _epoch(epoch: EpochDone, total: object) -> Entry:
    width = len(str(total)) if isinstance(total, int) else 1
    text = f"epoch {epoch.epoch:>{width}}: {significant(epoch.train_loss)}"
    if epoch.val_loss is not None:
        text += f" val {significant(epoch.val_loss)}"
    if epoch.val_accuracy is not None:
        text += f" {percent(epoch.val_accuracy)}"
    return Entry(epoch.time, "★" if epoch.best else " ", text, "good" if epoch.best else "plain")


def _command(command: CommandApplied) -> Entry:
    glyph = {"pause": "‖", "resume": "▶", "stop": "■"}.get(command.command, "→")
    text = command.words or command.command.replace("_", " ")
    return Entry(command.time, glyph, f"{clean(text)} (step {count(command.step)})", "mark")


def _saved(saved: CheckpointSaved) -> Entry:
    return Entry(None, "↓", f"saved {clean(saved.path)} (step {count(saved.step)})", "quiet")


def _finding(finding: Finding) -> Entry:
    tone: Tone = {"stop": "bad", "warn": "warn"}.get(finding.severity, "plain")  # type: ignore[assignment]
    words = clean(finding.sentence) + (f" First: {clean(finding.files[0])}" if finding.files else "")
    return Entry(None, "✗" if tone == "bad" else "▲" if tone == "warn" else "·", words, tone)


def _ending(end: RunEnded) -> Entry:
    glyph, tone = END_STYLE[end.status]
    after = f" at step {count(end.step)}" + (f": {clean(end.reason)}" if end.reason else "")
    return Entry(end.time, glyph, end.status + after, tone)


END_STYLE: dict[str, tuple[str, Tone]] = {
    "finished": ("✓", "good"),
    "stopped": ("■", "mark"),
    "diverged": ("✗", "bad"),
    "failed": ("✗", "bad"),
}


def next_step(state: str, history: History) -> str:
    """Return what to do about a run that ended early, in one line; "" for other runs."""
    if history.run is not None and history.run.kind != "engine":
        return _next_step_of_custom_loop(state, history)
    last = max(history.checkpoints, key=lambda saved: saved.step, default=None)
    kept = f"{clean(last.path)} holds step {count(last.step)}; " if last is not None else "no checkpoint was saved; "
    lower = f" --lr {slower_rate(history)}" if state == "diverged" else ""
    resume = f"u, or `cvtui resume {run_argument(history.folder)}{lower}`, continues from there"
    repeat = f"`cvtui {clean(relative_path(history.folder.recipe))}` starts it again"
    go_on = repeat if last is None else resume
    match state:
        case "diverged" if before_any_step(history):
            told = f"`cvtui doctor {run_argument(history.folder)}` tells more"
            return f"What to do: no step had been taken, so no rate helps; {told}, and {repeat}."
        case "diverged":
            options = slower_options(history)
            slower = " with a lower rate" + (f" ({options})" if options else "")
            return f"What to do: {kept}" + (
                f"{resume} at 1/{times_slower(history):g} of the rate." if last else f"{repeat}{slower}."
            )
        case "lost" if history.trouble:
            return f"What to do: {clean(history.trouble)}. Make room; {kept}{go_on}."
        case "lost" if history.log_is_cut:
            return f"What to do: events.jsonl is cut off within its first record, so nothing can be shown; {repeat}."
        case "lost":
            return f"What to do: the process ended without an error message (killed, or out of memory); {kept}{go_on}."
        case "failed":
            return f"What to do: fix what the lines above say; {kept}{go_on}."
        case "stopped" if last is not None:
            return f"{kept}{resume}."
    return ""


def _next_step_of_custom_loop(state: str, history: History) -> str:
    """Return the same for a run without a recipe: only its script can continue it."""
    early = ("diverged", "lost", "failed", "stopped")
    return f"What to do: {clean(saved_weights_hint(history.folder))}." if state in early else ""


def run_argument(folder: RunFolder) -> str:
    """Return the run as a command's argument: its name if in `runs`, else its path."""
    path = relative_path(folder.path)
    return clean(folder.name if path == str(Path("runs") / folder.name) else path)


def relative_path(path: Path) -> str:
    """Return a path relative to the working directory if it lies below it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
