"""Between a lab and its watchers: what it reports on the way, and how it is stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cvtui.draw.figures import AnyFigure, LabShown
from cvtui.runlog.commands import CommandReader
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from cvtui.text import rounded_or_none

PICTURE_SECONDS = 0.2
"""Between two pictures: five a second are enough to see it move, and a picture may take 10 ms to make."""
STOP_SECONDS = 0.05
"""Between two looks at commands.jsonl (2 µs each)."""

Knobs = Mapping[str, Any]


class Stopped(BaseException):
    """The lab was asked to stop. Not an Exception, so that no lab catches it by mistake."""


@dataclass(frozen=True, kw_only=True)
class LabResult:
    """What a lab has to say at its end."""

    figures: Sequence[AnyFigure]
    numbers: Mapping[str, Any]
    """Finite numbers, None, text, or lists of them, rounded where they are long."""
    claim_holds: bool | None
    """None where the knobs were turned to where the claim says nothing."""
    sentence: str
    """What came out, with its numbers."""


class Report(Protocol):
    """Called by a lab as often as it likes (every step of a loop); raises `Stopped` when it has to end.

    share: of the work that is done, 0..1. figures: makes the picture so far; called at most five times a second.
    doing: what it is at, in a word or two.
    """

    def __call__(
        self, share: float, doing: str = "", figures: Callable[[], Sequence[AnyFigure]] | None = None
    ) -> None: ...


def silent(share: float, doing: str = "", figures: Callable[[], Sequence[AnyFigure]] | None = None) -> None:
    """Discard reports."""


@dataclass
class FolderReport:
    """A `Report` that writes to a run folder and obeys its commands.jsonl."""

    folder: RunFolder
    name: str
    writer: EventWriter
    started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.commands = CommandReader(self.folder.commands)
        self.figures: Sequence[AnyFigure] = []
        self._looked = 0.0
        self._drawn = 0.0

    def __call__(self, share: float, doing: str = "", figures: Callable[[], Sequence[AnyFigure]] | None = None) -> None:
        now = time.monotonic()
        if now - self._looked >= STOP_SECONDS:
            self._looked = now
            if any(command.command == "stop" for command in self.commands.poll()):
                raise Stopped
        if now - self._drawn < PICTURE_SECONDS:
            return
        if figures is not None:
            self.figures = figures()
        self.write(LabShown(name=self.name, figures=list(self.figures), progress=min(1.0, share), doing=doing))
        self._drawn = time.monotonic()

    def write(self, shown: LabShown) -> None:
        import msgspec

        self.writer.write(msgspec.structs.replace(shown, seconds=round(time.monotonic() - self.started, 3)))

    def finish(self, result: LabResult) -> None:
        """Write the last figures and the result."""
        self.write(
            LabShown(
                name=self.name,
                figures=list(result.figures),
                numbers=dict(result.numbers),
                claim_holds=result.claim_holds,
                sentence=result.sentence,
                progress=1.0,
                done=True,
            )
        )


def round4(value: float) -> float | None:
    """Round to four digits; None for NaN and infinity."""
    return rounded_or_none(float(value), 4)
