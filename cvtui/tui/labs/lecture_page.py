"""The lecture's claims, a line each; enter opens the lab or the calculation that shows it."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from cvtui.labs.claims import CLAIMS, Claim, InLab, Question
from cvtui.labs.lecture import held
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.frame import Card
from cvtui.tui.widgets.modal import BoxModal

TEXT = 61
"""Cells of a claim."""


class ClaimList(OptionList):
    BINDING_GROUP_TITLE = "The lecture"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "cursor_up", "Claim above", show=False),
        Binding("down", "cursor_down", "Claim below", show=False),
        Binding("enter", "select", "Open", tooltip="Open the lab or the calculation of this claim"),
    ]
    DEFAULT_CSS = """
    ClaimList {
        width: 1fr; height: 1fr; padding: 0; border: none; background: transparent;
        scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: ellipsis;
        & > .option-list--option { padding: 0 1; }
        & > .option-list--option-highlighted { background: $foreground 8%; color: $foreground; text-style: none; }
        &:focus { border: none; background-tint: $foreground 0%; }
        &:focus > .option-list--option-highlighted { background: $primary 35%; color: $foreground; text-style: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__(*(Option(_prompt(one, False), id=str(one.number)) for one in CLAIMS))


def _prompt(one: Claim, seen: bool) -> Content:
    place = one.opens.name if isinstance(one.opens, InLab) else "calc"
    return Content.assemble(
        ("✓ " if seen else "  ", "$text-success"), (f"{one.number:>2} ", "bold"), one.text.ljust(TEXT), (place, MUTED)
    )


class LecturePage(Card):
    """The 28 claims; ✓: seen to hold on this machine."""

    SCOPED_CSS = False
    DEFAULT_CSS = """
    LecturePage { width: 1fr; height: 1fr; padding: 0; border-title-color: $foreground; }
    """

    class Chosen(Message):
        """A claim is to be shown."""

        def __init__(self, claim: Claim) -> None:
            super().__init__()
            self.claim = claim

    def __init__(self) -> None:
        super().__init__(id="lecture")
        self.border_title = "The lecture"

    def compose(self) -> ComposeResult:
        yield ClaimList()

    @property
    def list(self) -> ClaimList:
        return self.query_one(ClaimList)

    def on_mount(self) -> None:
        self.mark_held()

    def mark_held(self) -> None:
        """Tick the claims that have been seen to hold."""
        seen = held()
        for one in CLAIMS:
            self.list.replace_option_prompt(str(one.number), _prompt(one, one.number in seen))
        self.border_subtitle = Content(f"✓ {len(seen)} of {len(CLAIMS)} seen to hold")

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(CLAIMS[event.option_index]))


class PredictModal(BoxModal[int]):
    """Ask for a prediction. Return the answer's place from 0, or -1 if it was skipped."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(-1)", "Skip", tooltip="See it without a prediction"),
        *(Binding(f"{place + 1}", f"answer({place})", "Answer", show=False) for place in range(4)),
    ]
    DEFAULT_CSS = """
    PredictModal {
        & OptionList { height: auto; border: none; background: transparent; margin-top: 1; padding: 0; }
    }
    """

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Predict first"
            box.border_subtitle = "enter: answer · esc: skip"
            yield Static(self.question.text, markup=False)
            yield OptionList(*(Content(f"{place}  {text}") for place, text in enumerate(self.question.answers, 1)))

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(event.option_index)

    def action_answer(self, place: int) -> None:
        if place < len(self.question.answers):
            self.dismiss(place)


def outcome(question: Question, answer: int) -> str:
    """Say whether the prediction was right; "" if there was none."""
    if answer < 0:
        return ""
    if answer == question.right:
        return f"You predicted “{question.answers[answer]}”: right."
    return f"You predicted “{question.answers[answer]}”; it is “{question.answers[question.right]}”."
