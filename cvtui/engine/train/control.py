"""Commands and signals that reach a run while it trains."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from cvtui.runlog.events import Command, CommandApplied

if TYPE_CHECKING:
    from cvtui.engine.observe.clock import Clock
    from cvtui.engine.observe.layer_watch import LayerWatch
    from cvtui.engine.observe.recorder import StepRecorder
    from cvtui.runlog.commands import CommandReader

POLL_SECONDS = 0.05
"""How often commands.jsonl is looked at (one `stat`, 2 µs): well within the 200 ms that are promised."""
SAME_SIGNAL_SECONDS = 0.5
"""A ctrl+c reaches the whole process group, and the program in front hands it on as well: that is one signal."""


STOPPING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGUSR1] if hasattr(signal, "SIGUSR1") else [])]
"""Signals that ask for a stop with a checkpoint (Windows has no SIGUSR1)."""


class StopRequested(Exception):
    """Request to end the run here, with a checkpoint."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code
        """Exit code of the process."""


class Signals:
    """SIGINT and SIGTERM ask for a clean stop, and so does SIGUSR1, which Slurm sends before a job's time is up.

    SIGHUP is ignored. A second one ends the process at once.
    """

    def __init__(self) -> None:
        self.number = 0
        """The signal that came; 0 is none."""
        self._when = 0.0

    @classmethod
    def install(cls) -> Signals:
        signals = cls()
        for number in STOPPING:
            signal.signal(number, signals._on_signal)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return signals

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number and now - self._when > SAME_SIGNAL_SECONDS:
            os._exit(128 + number)
        if not self.number:
            self.number, self._when = number, now

    def ignore(self) -> None:
        """Ignore signals from here on.

        A second one must not change the exit code while Python takes itself down.
        """
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)

    def check(self) -> None:
        """Raise StopRequested when a signal has come."""
        if self.number:
            raise StopRequested(f"stopped by {signal.Signals(self.number).name}", 128 + self.number)


class ControlledRun(Protocol):
    """Run that commands act on: the trainer, or a loop under `cvtui.watch`."""

    @property
    def step(self) -> int:
        """Number of steps done."""

    @property
    def clock(self) -> Clock:
        """Clock of the run, which leaves out pauses."""

    def set_lr(self, value: float) -> float:
        """Set the learning rate from here on; return the one before."""

    def set_group_lr(self, name: str, value: float) -> str:
        """Set the rate of one parameter group; return the message for the log."""

    def save(self) -> str:
        """Write a checkpoint; return the message for the log."""

    def look(self, number: int) -> str:
        """Write the feature maps of a validation image; return the message for the log."""


class Control:
    """Apply queued commands between batches, in the engine and in `cvtui.watch`.

    `signals` belong to the process that is a trainer and nothing else.
    """

    def __init__(
        self,
        run: ControlledRun,
        recorder: StepRecorder,
        watch: LayerWatch,
        reader: CommandReader,
        signals: Signals | None = None,
    ) -> None:
        self.run = run
        self.recorder = recorder
        self.watch = watch
        self.reader = reader
        self.signals = signals
        self.paused = False
        self._next_poll = 0.0

    def apply_pending(self) -> None:
        """Apply what has come; called between batches. Blocks while the run is paused.

        It costs 0.2 µs when there is nothing to look at. Raises StopRequested for a stop; Diverged (see
        StepRecorder.flush) when the steps before a command turn out to be so.
        """
        if self.signals is not None:
            self._check_signals()
        now = time.perf_counter()
        if now < self._next_poll:
            return
        self._next_poll = now + POLL_SECONDS
        self._apply_all()
        if self.paused:
            self._wait()

    def _check_signals(self) -> None:
        if self.signals is not None and self.signals.number:
            self.signals.check()

    def _wait(self) -> None:
        """Sleep until `resume`; other commands are applied meanwhile, and the clocks stand still."""
        begun = time.perf_counter()
        try:
            while self.paused:
                time.sleep(POLL_SECONDS / 2)
                self._check_signals()
                self._apply_all()
                self.recorder.flush_when_due()
        finally:
            self._exclude(time.perf_counter() - begun)

    def _exclude(self, seconds: float) -> None:
        """Leave these seconds out of the clocks of the run and of watching."""
        self.run.clock.exclude(seconds)
        self.watch.exclude_time(seconds)

    def pending(self) -> list[Command]:
        """Return the commands that have come since the last look."""
        return self.reader.poll()

    def _apply_all(self) -> None:
        for command in self.pending():
            self._apply_one(command)

    def _apply_one(self, command: Command) -> None:
        """Apply one command and log it. Raises StopRequested for a stop."""
        message = self._apply(command)
        self.recorder.write(
            CommandApplied(
                step=self.run.step, time=time.time(), command=command.command, value=command.value, words=message
            )
        )
        if command.command == "stop":
            raise StopRequested("stopped when asked")

    def _apply(self, command: Command) -> str:
        """Apply one command; return the message for the log."""
        match command.command:
            case "pause":
                before, self.paused = self.paused, True
                return "already paused" if before else "paused"
            case "resume":
                before, self.paused = self.paused, False
                return "resumed" if before else "not paused"
            case "set_lr":
                assert command.value is not None
                if command.group:
                    return self.run.set_group_lr(command.group, command.value)
                return f"rate {self.run.set_lr(command.value):.3g} → {command.value:.3g}"
            case "save":
                return self.run.save()
            case "look":
                assert command.value is not None
                begun = time.perf_counter()
                self.recorder.flush()  # the steps before it: one that ends the run must not count as a failed look
                message = self.run.look(int(command.value))
                if not self.paused:  # a pause leaves out its whole length
                    self._exclude(time.perf_counter() - begun)
                return message
        return "stopped"
