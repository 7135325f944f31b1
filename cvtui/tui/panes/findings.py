"""The doctor's pane: what is wrong with the run, root causes first; enter says why, f forks with the cure applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message

from cvtui.text import clean, count
from cvtui.tui.panes.pane import Pane
from cvtui.tui.panes.styled_lines import StyledLine, StyledLines
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.filter_field import Keeps
from cvtui.tui.widgets.filtered_list import Filtered
from cvtui.tui.widgets.moves import moves

if TYPE_CHECKING:
    from cvtui.doctor import Diagnosis
    from cvtui.runlog.history import History

LOOKS = {"stop": ("✗", "$text-error"), "warn": ("▲", "$text-warning"), "note": ("·", MUTED)}
"""Severity -> glyph and colour."""


def heading(one: Diagnosis) -> Content:
    """Glyph, name and when: "▲ learning rate too high  at step 40"."""
    glyph, colour = LOOKS[one.severity]
    when = f"  at step {count(one.step)}" if one.step >= 0 else "  before the first step"
    where = f", {clean(one.layer)}" if one.layer else ""
    return Content.assemble((f"{glyph} {one.name}", f"bold {colour}"), (f"{when}{where}", MUTED))


class FindingsList(StyledLines):
    """One line a finding; the arrows choose one."""

    BINDING_GROUP_TITLE = "The doctor"
    BINDINGS: ClassVar[list[BindingType]] = [
        *moves("choose(-1)", "choose(1)", "Finding"),
        Binding("enter", "why", "Why", tooltip="The evidence, the threshold and its source, the cure"),
        Binding("f", "cure", "Fork", tooltip="Fork the run with the cure applied, and draw both curves"),
        Binding("h", "go", "Go to", tooltip="All panes show the run as it was when this was seen"),
    ]

    class Asked(Message, namespace="findings"):
        """A key was pressed on a finding. `what`: why, cure or go."""

        def __init__(self, finding: Diagnosis, what: str) -> None:
            super().__init__()
            self.finding, self.what = finding, what

    def __init__(self) -> None:
        super().__init__()
        self.findings: tuple[Diagnosis, ...] = ()
        """Those that are listed."""
        self.chosen = 0
        self._all: tuple[Diagnosis, ...] = ()
        self._empty = ""
        self._keeps: Keeps = lambda *_texts: True

    def show(self, findings: tuple[Diagnosis, ...], empty: str) -> None:
        """Show the findings, or `empty` if there are none. The cursor stays on its finding."""
        self._all, self._empty = findings, empty
        self._list()

    def narrow(self, keeps: Keeps) -> bool:
        """List the findings that are kept. Return False if none of them are."""
        self._keeps = keeps
        self._list()
        return bool(self.findings) or not self._all

    def _list(self) -> None:
        at = self.finding.id if self.finding is not None else ""
        findings = tuple(one for one in self._all if self._keeps(heading(one).plain, clean(one.sentence)))
        self.findings = findings
        empty = self._empty if not self._all else ""
        self.chosen = next((n for n, one in enumerate(findings) if one.id == at), 0)
        lines = [
            StyledLine(Content("  "), Content.assemble(heading(one), "\n", clean(one.sentence))) for one in findings
        ]
        self.marked = None
        self.set_lines(lines or [StyledLine(Content(""), Content.styled(empty, MUTED))])
        if findings:
            self.mark_line(self.chosen)

    @property
    def finding(self) -> Diagnosis | None:
        return self.findings[self.chosen] if self.chosen < len(self.findings) else None

    def action_choose(self, by: int) -> None:
        if self.findings:
            self.chosen = min(max(self.chosen + by, 0), len(self.findings) - 1)
            self.mark_line(self.chosen)

    def _ask(self, what: str) -> None:
        if self.finding is not None:
            self.post_message(self.Asked(self.finding, what))

    def action_why(self) -> None:
        self._ask("why")

    def action_cure(self) -> None:
        self._ask("cure")

    def action_go(self) -> None:
        self._ask("go")

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        return bool(self.findings) if action in ("why", "cure", "go") else True


class FindingsPane(Pane):
    NAME = "doctor"
    KEY = "H"
    TITLE = "Doctor"

    def compose(self) -> ComposeResult:
        listed = FindingsList()
        yield Filtered(listed, listed.narrow, "words of a finding")

    @property
    def list(self) -> FindingsList:
        return self.query_one(FindingsList)

    @property
    def text(self) -> str:
        return self.list.text

    def key(self, history: History, view: ViewState) -> object:
        return (view.findings, bool(len(history.steps)), view.alive)

    def draw(self, history: History, view: ViewState) -> None:
        if not len(history.steps):
            empty = "Nothing to judge yet." if view.alive else "Nothing to judge: no step was made."
        else:
            empty = f"✓ No problems found{' so far' if view.alive else ''}."
        self.list.show(view.findings, empty)
        faults = sum(one.severity != "note" for one in view.findings)
        self.set_subtitle(
            f"{faults} fault{'s' if faults != 1 else ''} · enter: why · f: fork with the cure" if view.findings else ""
        )
