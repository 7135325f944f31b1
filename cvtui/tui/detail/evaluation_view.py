"""The evaluation of a run as a page: the numbers kept beside it, or made anew by a process of their own."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content
from textual.widgets import Static

from cvtui import door
from cvtui.draw.evaluation_text import sections
from cvtui.runlog.evaluation import EvaluateAsk, Evaluation, decode, evaluate_command, read_evaluation
from cvtui.runlog.mistakes import Progress
from cvtui.text import count
from cvtui.tui.child_process import ChildProcess
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.filter_field import Keeps
from cvtui.tui.widgets.filtered_list import Filtered
from cvtui.tui.widgets.modal import CardModal
from cvtui.tui.widgets.moves import capital
from cvtui.tui.widgets.scroll import Scroll

if TYPE_CHECKING:
    from cvtui.runlog.evaluation import Told
    from cvtui.runlog.folder import RunFolder

REFRESH_SECONDS = 0.2
LISTED = 50


class EvaluationView(CardModal[None]):
    """One page to scroll: accuracy with its interval, classes, calibration, confusion matrix, slices, images."""

    AUTO_FOCUS = "#page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", "Back", tooltip="Back to all panes; ends an evaluation under way"),
        Binding("e", "again", "Evaluate", tooltip="Evaluate the best checkpoint again"),
        Binding("right,left", "split", "Test", tooltip="The test images, or again those for validation"),
        Binding(
            capital("F"), "calibrate", "Calibrate", tooltip="Fit a temperature on the validation images and keep it"
        ),
    ]
    DEFAULT_CSS = """
    EvaluationView {
        & #page { height: 1fr; background: $background; scrollbar-gutter: stable; scrollbar-size-vertical: 1; }
        & #text { width: 1fr; height: auto; }
    }
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.folder = folder
        self.split = "validation"
        self.found: Evaluation | None = None
        self.words = ""
        self._process: ChildProcess | None = None
        self._answered = False
        self._keeps: Keeps | None = None
        """Of the filter, while words are typed there."""

    def compose(self) -> ComposeResult:
        with Container(id="card"):
            yield Filtered(Scroll(Static(id="text"), id="page"), self._narrow, "words of a class, a slice or an image")

    def on_mount(self) -> None:
        self.query_one("#card").border_subtitle = hint(
            EvaluationView, again="again", split="test or validation", calibrate="calibrate", dismiss="back"
        )
        self._timer = self.set_interval(REFRESH_SECONDS, self._poll, pause=True)
        self._open()

    def on_unmount(self) -> None:
        self._end()

    def on_resize(self) -> None:
        self._show()

    def _open(self) -> None:
        """Show what was kept; evaluate where there is nothing."""
        self.found = read_evaluation(self.folder, self.split)
        if self.found is None:
            self._start()
        else:
            self.words = f"of {time.strftime('%Y-%m-%d %H:%M', time.localtime(self.found.time))}"
            saved = door.state(self.folder.checkpoints / self.found.checkpoint)
            if saved is not None and saved.st_mtime > self.found.time:
                self.words += ", before the checkpoint that is there now: e evaluates it"
        self._show()

    # ------------------------------------------------------------------ keys

    def action_again(self) -> None:
        self._start()

    def action_split(self) -> None:
        self._end()
        self.split = "test" if self.split == "validation" else "validation"
        self._open()

    def action_calibrate(self) -> None:
        self.split = "validation"
        self._start(calibrate=True)

    # ------------------------------------------------------------------ the process

    def _start(self, calibrate: bool = False) -> None:
        self._end()
        ask = EvaluateAsk(run=str(self.folder.path), split="test" if self.split == "test" else "", calibrate=calibrate)
        command, environment = evaluate_command(self.folder)
        self.words, self._answered = "starting PyTorch …", False
        try:
            self._process = ChildProcess(command, environment, stdin=True)
        except OSError as error:
            self.words = error.strerror or str(error)
        else:
            with contextlib.suppress(OSError):  # it has ended: its last line says why
                self._process.send(msgspec.json.encode(ask) + b"\n", last=True)
            self._timer.resume()
        self._show()

    def _end(self) -> None:
        """End an evaluation that is under way."""
        if self._process is not None:
            self._timer.pause()
            self._process.close()
            self._process = None

    def _poll(self) -> None:
        if self._process is None:
            return
        code, records = self._process.code, self._process.records(decode)
        for told in records:
            self._take(told)
        if code is not None:
            if not self._answered:
                self.words = self._process.why_ended
            self._end()
        if records or code is not None:
            self._show()

    def _take(self, told: Told) -> None:
        if isinstance(told, Progress):
            self.words = f"evaluated {count(told.done)} of {count(told.of)} images"
        elif isinstance(told, Evaluation):
            self.found, self.words, self._answered = told, "evaluated now", True

    # ------------------------------------------------------------------ what is shown

    def _show(self) -> None:
        what = "test images" if self.split == "test" else "validation images"
        self.query_one("#card").border_title = f"Evaluation, {what}: {self.words}"
        text = self.query_one("#text", Static)
        if self.found is None:
            text.update(Content.styled(self.words, MUTED))
            return
        lines: list[Content] = []
        for title, rows in sections(self.found, max(40, text.container_size.width), LISTED, self._keeps):
            lines += [Content.styled(title, "bold"), *map(Content, rows), Content("")]
        text.update(Content("\n").join(lines))

    def _narrow(self, keeps: Keeps) -> bool:
        self._keeps = None if keeps("") else keeps
        self._show()
        self.query_one("#page").scroll_home(animate=False)
        return self.found is None or self._keeps is None or bool(str(self.query_one("#text", Static).content).strip())
