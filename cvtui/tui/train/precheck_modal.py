"""`cvtui check` on the screen: a look at a recipe in a process of its own, and its list of questions and answers."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from cvtui.errors import process_error
from cvtui.own_python import own_module
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.toml import dumps
from cvtui.text import clean
from cvtui.tui.child_process import ChildProcess
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.modal import BoxModal
from cvtui.tui.widgets.scroll import Scroll

POLL_SECONDS = 0.1
MARKS = {"ok": ("✓", "$text-success"), "fault": ("▲", "$text-warning"), "unknown": ("·", MUTED)}


class PrecheckModal(BoxModal[None]):
    """Starts the check when it is shown; leaving ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter", "dismiss(None)", "Back")]
    DEFAULT_CSS = "PrecheckModal > .box { width: 88; }"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self._recipe = recipe
        self._process: ChildProcess | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="cvtui-check-")
        self.result: dict[str, Any] | None = None
        """What the check said, once it is there."""

    def compose(self) -> ComposeResult:
        with Scroll(classes="box") as box:
            box.border_title = "Pre-flight check"
            box.border_subtitle = hint(PrecheckModal, dismiss="back")
            yield Static("… data, first steps, and whether the net can memorise one batch (some seconds)", id="check")

    def on_mount(self) -> None:
        recipe = Path(self._folder.name) / "recipe.toml"
        recipe.write_text(dumps(self._recipe), encoding="utf-8")
        command = own_module("cvtui", "check", str(recipe), "--json")
        try:
            self._process = ChildProcess(command)
        except OSError as error:
            self.query_one("#check", Static).update(f"✗ the check can't be started: {error.strerror or error}")
            return
        self._timer = self.set_interval(POLL_SECONDS, self._poll)

    def on_unmount(self) -> None:
        if self._process is not None:
            self._process.close(gently=True)
        self._folder.cleanup()

    def _poll(self) -> None:
        assert self._process is not None
        code = self._process.code
        if code is None:
            return
        self._timer.stop()
        try:
            self.result = msgspec.json.decode(self._process.read(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError):
            message = clean(process_error(self._process.last_line, code))
            self.query_one("#check", Static).update(Content.styled(f"✗ {message}", "$text-error"))
            return
        self.query_one("#check", Static).update(Content("\n").join(self.lines(self.result)))

    def lines(self, result: dict[str, Any]) -> list[Content]:
        """One line a question, and below them what was found."""
        lines = []
        for item in result.get("checks", []):
            glyph, colour = MARKS.get(str(item.get("mark")), MARKS["unknown"])
            question, answer = clean(str(item.get("question", ""))), clean(str(item.get("answer", "")))
            lines.append(Content.assemble((f"{glyph} {question:<40.40} ", colour), (answer, MUTED)))
        for finding in result.get("findings", []):
            lines.append(Content(""))
            lines.append(Content.styled(f"▲ {clean(str(finding.get('name', '')))}", "bold $text-warning"))
            lines.append(Content(clean(str(finding.get("sentence", "")))))
        return lines
