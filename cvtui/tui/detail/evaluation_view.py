"""The evaluation of a run as a page: the numbers kept beside it, or made anew by a process of their own."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from cvtui import door
from cvtui.draw.evaluation_text import sections
from cvtui.runlog.evaluation import EvaluateAsk, Evaluation, decode, evaluate_command, read_evaluation
from cvtui.runlog.mistakes import Progress
from cvtui.text import clean, count
from cvtui.tui.child_process import last_line, start_child
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.modal import Modal

if TYPE_CHECKING:
    from cvtui.runlog.folder import RunFolder

REFRESH_SECONDS = 0.2
MOST_READ = 64 << 20
KEYS = "r evaluate again · t test or validation · c calibrate · escape back"
LISTED = 50


class EvaluationView(Modal[None]):
    """One page to scroll: accuracy with its interval, classes, calibration, confusion matrix, slices, images."""

    AUTO_FOCUS = "#page"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,e", "dismiss", "Back", tooltip="Back to all panes; ends an evaluation under way"),
        Binding("r", "again", "Again", tooltip="Evaluate the best checkpoint again"),
        Binding("t", "split", "Test", tooltip="The test images, or again those for validation"),
        Binding("c", "calibrate", "Calibrate", tooltip="Fit a temperature on the validation images and keep it"),
    ]
    DEFAULT_CSS = """
    EvaluationView {
        background: $background;
        & #card {
            border: round $foreground 25%; padding: 0 1; height: 1fr;
            border-title-color: $foreground; border-subtitle-color: $foreground 60%;
        }
        & #page { height: 1fr; background: $background; }
        & #text { width: 1fr; height: auto; }
    }
    """

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self.folder = folder
        self.split = "validation"
        self.found: Evaluation | None = None
        self.words = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._rest, self._read_to = b"", 0
        self._answered = False

    def compose(self) -> ComposeResult:
        with Container(id="card"), VerticalScroll(id="page"):
            yield Static(id="text")

    def on_mount(self) -> None:
        self.query_one("#card").border_subtitle = KEYS
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
                self.words += ", before the checkpoint that is there now: r evaluates it"
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
        self._told, self._rest, self._read_to = tempfile.TemporaryFile(), b"", 0  # noqa: SIM115 (closed by _end)
        self.words, self._answered = "starting PyTorch …", False
        try:
            self._process, self._errors = start_child(
                command, stdin=subprocess.PIPE, stdout=self._told, env=environment
            )
        except OSError as error:
            self._told.close()
            self.words = error.strerror or str(error)
            self._show()
            return
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(ask) + b"\n")
        self._process.stdin.close()
        self._timer.resume()
        self._show()

    def _end(self) -> None:
        """End an evaluation that is under way."""
        if self._process is None:
            return
        self._timer.pause()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._errors.close()
        self._told.close()
        self._process = None

    def _poll(self) -> None:
        if self._process is None:
            return
        code = self._process.poll()
        data = os.pread(self._told.fileno(), MOST_READ, self._read_to)  # a seek would move the writer too
        self._read_to += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._take(line)
        if code is not None:
            if not self._answered:
                self.words = clean(last_line(self._errors)) or "its process ended without an error message"
            self._end()
        if lines or code is not None:
            self._show()

    def _take(self, line: bytes) -> None:
        try:
            told = decode(line)
        except msgspec.MsgspecError:
            return
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
        for title, rows in sections(self.found, max(40, self.size.width - 6), LISTED):
            lines += [Content.styled(title, "bold"), *map(Content, rows), Content("")]
        text.update(Content("\n").join(lines))
