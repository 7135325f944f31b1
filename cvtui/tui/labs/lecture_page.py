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
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.filtered_list import FilteredList
from cvtui.tui.widgets.frame import Card
from cvtui.tui.widgets.item_list import ItemList
from cvtui.tui.widgets.modal import BoxModal

TEXT = 58
"""Cells of a claim: on 80 columns those of the longest lab's name are left."""


class ClaimList(ItemList):
    BINDING_GROUP_TITLE = "The lecture"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Open", tooltip="Open the lab or the calculation of this claim"),
    ]
    DEFAULT_CSS = """
    ClaimList {
        scrollbar-size-vertical: 1; text-wrap: nowrap; text-overflow: ellipsis;
        & > .option-list--option { padding: 0 1; }
        &:focus { border: none; background-tint: $foreground 0%; }
    }
    """


def _prompt(one: Claim, seen: bool) -> Content:
    sign = "✓ " if seen else "  "
    number, text = (f"{one.number:>2} ", "bold"), one.text.ljust(TEXT)
    return Content.assemble((sign, "$text-success"), number, text, (_place(one), MUTED))


def _place(one: Claim) -> str:
    return one.opens.name if isinstance(one.opens, InLab) else "calc"


class LecturePage(Card):
    """The 28 claims; ✓: seen to hold on this machine."""

    SCOPED_CSS = False
    DEFAULT_CSS = """
    LecturePage {
        width: 1fr; height: 1fr; padding: 0; border-title-color: $foreground;
        & FilteredList { height: 1fr; }
        & ClaimList { width: 1fr; height: 1fr; max-height: 100%; }
    }
    """

    class Chosen(Message):
        """A claim is to be shown."""

        def __init__(self, claim: Claim) -> None:
            super().__init__()
            self.claim = claim

    def __init__(self) -> None:
        super().__init__(id="lecture")
        self.border_title = "The lecture"
        self._seen: set[int] = set()

    def compose(self) -> ComposeResult:
        claims = {str(one.number): one for one in CLAIMS}
        texts = {key: f"{key} {one.text} {_place(one)}" for key, one in claims.items()}
        yield FilteredList(
            texts,
            lambda key: Option(_prompt(claims[key], int(key) in self._seen), id=key),
            ClaimList(compact=True),
            "words of a claim, or of its lab",
        )

    @property
    def list(self) -> ClaimList:
        return self.query_one(ClaimList)

    def on_mount(self) -> None:
        self.mark_held()

    def mark_held(self) -> None:
        """Tick the claims that have been seen to hold."""
        self._seen = {*held()}
        self.query_one(FilteredList).update()
        self.border_subtitle = Content(f"✓ {len(self._seen)} of {len(CLAIMS)} seen to hold")

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.post_message(self.Chosen(CLAIMS[int(event.option_id or 1) - 1]))


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
            box.border_subtitle = "enter: answer · " + hint(PredictModal, answer="skip")
            yield Static(self.question.text, markup=False)
            answers = (Content(f"{place}  {text}") for place, text in enumerate(self.question.answers, 1))
            yield ItemList(*answers, compact=True)

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
