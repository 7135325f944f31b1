"""What reaches a run from outside while it trains: commands in its folder, and signals."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from cvtui.runlog.events import Command, CommandApplied

if TYPE_CHECKING:
    from cvtui.engine.journal import Journal
    from cvtui.engine.training import Training
    from cvtui.engine.watch import Watch
    from cvtui.runlog.commands import CommandReader

POLL_SECONDS = 0.05
"""How often commands.jsonl is looked at (one `stat`, 2 µs): well within the 200 ms that are promised."""
SAME_SIGNAL_SECONDS = 0.5
"""A ctrl+c reaches the whole process group, and the program in front hands it on as well: that is one signal."""


class StopAsked(Exception):
    """The run is to end here, with a checkpoint."""

    def __init__(self, reason: str, code: int = 0) -> None:
        super().__init__(reason)
        self.code = code
        """Exit code of the process."""


class Signals:
    """SIGINT and SIGTERM ask for a clean stop, a second one ends the process at once; SIGHUP (the terminal is gone)
    means nothing to a training."""

    def __init__(self) -> None:
        self.number = 0
        """The signal that came; 0 is none."""
        self._when = 0.0

    @classmethod
    def install(cls) -> Signals:
        signals = cls()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signals._came)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return signals

    def _came(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.number and now - self._when > SAME_SIGNAL_SECONDS:
            os._exit(128 + number)
        if not self.number:
            self.number, self._when = number, now

    def over(self) -> None:
        """All is saved and said: a second signal must not change the exit code while Python takes itself down."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def check(self) -> None:
        """Raises StopAsked when a signal has come."""
        if self.number:
            raise StopAsked(f"stopped by {signal.Signals(self.number).name}", 128 + self.number)


class Saves(Protocol):
    """What `save` calls: writes a checkpoint because somebody asked for it; the words for the log: did it succeed?"""

    def __call__(self) -> str: ...


class Looks(Protocol):
    """What `look` calls: makes the feature maps of a validation image; the words for the log."""

    def __call__(self, number: int) -> str: ...


class Control:
    """Obeys commands at any moment between two batches, of training and of validation alike."""

    def __init__(
        self,
        training: Training,
        journal: Journal,
        watch: Watch,
        reader: CommandReader,
        signals: Signals,
        save: Saves,
        look: Looks,
    ) -> None:
        self.training = training
        self.journal = journal
        self.watch = watch
        self.reader = reader
        self.signals = signals
        self.save = save
        self.look = look
        self.paused = False
        self._next_poll = 0.0

    def obey(self) -> None:
        """Called between batches: 0.2 µs when there is nothing to look at. Blocks while the run is paused.

        StopAsked for a stop; Diverged (see Journal.flush) when the steps before a command turn out to be so.
        """
        if self.signals.number:
            self.signals.check()
        now = time.perf_counter()
        if now < self._next_poll:
            return
        self._next_poll = now + POLL_SECONDS
        self._apply_all()
        if self.paused:
            self._wait()

    def _wait(self) -> None:
        """Sleeps until `resume`; other commands are obeyed meanwhile, and the clocks stand still."""
        begun = time.perf_counter()
        try:
            while self.paused:
                time.sleep(POLL_SECONDS / 2)
                self.signals.check()
                self._apply_all()
                self.journal.flush_when_due()
        finally:
            self._leave_out(time.perf_counter() - begun)

    def _leave_out(self, seconds: float) -> None:
        """The clocks of the training stood still so long."""
        self.training.clock.leave_out(seconds)
        self.watch.forget_time(seconds)

    def _apply_all(self) -> None:
        for command in self.reader.poll():
            self._apply(command)

    def _apply(self, command: Command) -> None:
        training = self.training
        words: str = command.command
        stop = False
        match command.command:
            case "pause":
                words = "already paused" if self.paused else "paused"
                self.paused = True
            case "resume":
                words = "resumed" if self.paused else "not paused"
                self.paused = False
            case "set_lr":
                assert command.value is not None
                before = training.schedule.lr_at(training.step)
                training.schedule = training.schedule.moved_to(training.step, command.value)
                words = f"rate {before:.3g} → {command.value:.3g}"
            case "save":
                words = self.save()
            case "stop":
                words, stop = "stopped", True
            case "look":
                assert command.value is not None
                begun = time.perf_counter()
                words = self.look(int(command.value))
                if not self.paused:  # a pause leaves out its whole length
                    self._leave_out(time.perf_counter() - begun)
        self.journal.write(
            CommandApplied(
                step=training.step, time=time.time(), command=command.command, value=command.value, words=words
            )
        )
        if stop:
            raise StopAsked("stopped when asked")
