"""The list of labs, each with the state of its last run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets.option_list import Option

from cvtui.labs.lookup import labs
from cvtui.tui.labs.lab_run import LabRun
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.item_list import ItemList

LECTURE = "lecture"
"""The list's first entry: the claims in the lecture's order."""


class LabList(ItemList):
    """List of all labs, each with the state of its last run in this session."""

    BINDING_GROUP_TITLE = "The list"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", tooltip="Show some labs: by name, title or claim"),
        Binding("escape", "all", "All labs", show=False, tooltip="Show all labs again"),
        Binding("enter", "select", "Open", tooltip="Open the lab"),
        Binding("right", "select", "Open", show=False, tooltip="Open the lab"),
    ]
    DEFAULT_CSS = """
    LabList {
        width: 1fr; height: 1fr; padding: 0; border: none; background: transparent;
        scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: ellipsis;
        & > .option-list--option { padding: 0 1; }
        &:focus { border: none; background-tint: $foreground 0%; }
    }
    """

    def __init__(self, ask_filter: Callable[[], None]) -> None:
        """`ask_filter` opens the field: called rather than told, so that keys typed ahead find it."""
        self._ask_filter = ask_filter
        self._prompts = {LECTURE: Content.styled("  The lecture", "bold")}
        self._prompts |= {name: _prompt(name, None, True) for name in labs()}
        super().__init__(*(Option(prompt, id=name) for name, prompt in self._prompts.items()))

    class AllAsked(Message):
        """Request to show all labs again."""

    def mark_runs(self, runs: dict[str, LabRun], titles: bool) -> None:
        """Mark the labs that have been run; `titles`: also show their titles."""
        for name in labs():
            prompt = _prompt(name, runs.get(name), titles)
            if prompt != self._prompts[name]:
                self._prompts[name] = prompt
                if name in self.names:
                    self.replace_option_prompt(name, prompt)

    @property
    def names(self) -> list[str]:
        """The labs that are listed."""
        return [str(option.id) for option in self.options]

    @property
    def name_here(self) -> str:
        return (self.names or list(self._prompts))[self.highlighted or 0]

    def list_only(self, names: Sequence[str]) -> None:
        """List these labs; the cursor stays on its own where it is among them."""
        if list(names) == self.names:
            return
        here = self.name_here
        self.clear_options()
        self.add_options([Option(self._prompts[name], id=name) for name in names])
        if names:
            self.highlighted = names.index(here) if here in names else 0

    def action_filter(self) -> None:
        self._ask_filter()

    def action_all(self) -> None:
        self.post_message(self.AllAsked())

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        return action != "all" or len(self.names) < len(self._prompts)


SIGNS: dict[bool | None, tuple[str, str]] = {
    True: ("✓", "$text-success"),
    False: ("✗", "$text-error"),
    None: ("·", "$text-warning"),
}
"""Whether the claim holds."""


def _prompt(name: str, run: LabRun | None, title: bool) -> Content:
    if run is None:
        sign, style = " ", ""
    elif run.alive:
        sign, style = "●", "$text-primary"
    elif run.state == "done" and run.shown is not None:
        sign, style = SIGNS[run.shown.claim_holds]
    else:
        sign, style = {"stopped": ("■", "$text-warning")}.get(run.state, ("✗", "$text-error"))
    parts: list[tuple[str, str]] = [(f"{sign} ", style), (name.ljust(14) if title else name, "bold")]
    return Content.assemble(*parts, (labs()[name].title, MUTED) if title else "")
