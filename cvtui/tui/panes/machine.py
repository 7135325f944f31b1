"""The machine pane: processor, memory, GPUs and disk, what a step waits for data, and the time left."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from textual.content import Content

from cvtui.runlog.machine import Gpu, Machine
from cvtui.text import binary_size, clean, count, duration, percent
from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from cvtui.tui.panes.text_pane import TextPane
from cvtui.tui.panes.time_left import time_left_text
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from cvtui.runlog.history import History

BOUND = "bold $text-warning"
LOW_DISK = 2 << 30
"""Bytes left from which on the disk is shown as short."""


class MachinePane(TextPane):
    NAME = "machine"
    KEY = "M"
    TITLE = "Machine"

    def has_content(self, history: History) -> bool:
        """Return True for a run that has recorded its machine: one of five seconds or more."""
        return bool(history.machines)

    def key(self, history: History, view: ViewState) -> object:
        last = history.machines[-1].time if history.machines else None
        return (id(history.run), len(history.machines), last, view.cursor, view.alive)

    def draw(self, history: History, view: ViewState) -> None:
        record = machine_at(history, view.cursor)
        if record is None:
            self.query_one(StyledLines).set_lines([_row("", "nothing recorded before this step")])
            self.set_subtitle("")
            return
        lines = [_waits(record), _row("CPU", _cpu(record)), _row("memory", _memory(record))]
        lines += [_row("GPU", gpu_text(gpu)) for gpu in record.gpus]
        if record.disk_free is not None:
            left = f"{binary_size(record.disk_free)} left"
            lines.append(_row("disk", left, BOUND if record.disk_free < LOW_DISK else ""))
        if view.alive and view.cursor is None and (left := time_left_text(history)):
            lines.append(_row("time left", left))
        self.query_one(StyledLines).set_lines(lines)
        self.set_subtitle(f"at step {count(record.step)}")


def machine_at(history: History, step: int | None) -> Machine | None:
    """Return the record at or before `step` (None: the last one)."""
    records = history.machines
    place = len(records) if step is None else bisect_right(records, step, key=lambda record: record.step)
    return records[place - 1] if place else None


def short_text(record: Machine | None) -> str:
    """Return what the header has room for: the wait for data if it is much, else the processors."""
    if record is None:
        return ""
    if record.is_input_bound:
        return f"input-bound {percent(record.waited, 0)}"
    use = next((gpu.use for gpu in record.gpus if gpu.use is not None), None)
    if use is not None:
        return f"GPU {percent(use, 0)}"
    return f"CPU {percent(record.cpu, 0)}" if record.cpu is not None else ""


def _waits(record: Machine) -> StyledLine:
    took = f" of {_milliseconds(record.step_seconds)}" if record.step_seconds is not None else ""
    if record.waited is None:
        return _row("step", f"{took.removeprefix(' of ') or 'unknown'}; its wait for data is not known")
    if record.is_input_bound:
        return _row("step", f"input-bound: {percent(record.waited, 0)} of a step{took} waits for data", BOUND)
    return _row("step", f"{percent(record.waited, 0)} of a step{took} waits for data")


def _cpu(record: Machine) -> str:
    busy = f"{percent(record.cpu, 0)} of {record.cores} core{'s' if record.cores != 1 else ''} busy"
    own = f"this process {record.process:.1f} cores" if record.process is not None else ""
    return ", ".join(filter(None, [busy if record.cpu is not None else "", own])) or "unknown"


def _memory(record: Machine) -> str:
    held = f"{binary_size(record.memory)} held" if record.memory is not None else ""
    free = f"{binary_size(record.memory_free)} free" if record.memory_free is not None else ""
    return ", ".join(filter(None, [held, free])) or "unknown"


def gpu_text(gpu: Gpu) -> str:
    """Return a GPU's use and memory, or why its use is not known."""
    unknown = f"use unknown ({clean(gpu.why)})" if gpu.why else "use unknown"
    use = f"{percent(gpu.use, 0)} busy" if gpu.use is not None else unknown
    memory = ""
    if gpu.memory is not None and gpu.memory_total is not None:
        memory = f"{binary_size(gpu.memory)} of {binary_size(gpu.memory_total)}"
    return ", ".join(filter(None, [use, memory]))


def _milliseconds(seconds: float) -> str:
    return duration(seconds, decimal=True) if seconds >= 10 else f"{1000 * seconds:,.1f} ms"


def _row(what: str, value: str, style: str = "") -> StyledLine:
    return StyledLine(Content.styled(f"{what:<10}", MUTED), Content.styled(value, style) if style else Content(value))
