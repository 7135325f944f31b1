"""Window that explains a finding: evidence, threshold and its source, consequences, cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Static

from cvtui.doctor.catalogue import FAULTS
from cvtui.doctor.confidence import UNCLEAR
from cvtui.doctor.diagnosis import Diagnosis
from cvtui.doctor.pages import apart
from cvtui.text import clean, percent
from cvtui.tui.panes.findings import heading
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import keys_for
from cvtui.tui.widgets.modal import BoxModal
from cvtui.tui.widgets.moves import capital
from cvtui.tui.widgets.scroll import Scroll

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN_FILES = 4
"""Images of a finding that the window names."""
TESTS = {
    "rate/10": "Train 50 steps at a tenth of the rate: if the loss falls then, it was the rate.",
    "overfit": "Train on one batch alone: a net that can't memorise 32 images has another fault.",
    "zeroed": "Train with all inputs set to 0: if it does as well, the images don't reach the loss.",
}
"""The short tests that tell look-alikes apart, by the doctor's names for them."""


def changes_of(cure: dict[str, object]) -> str:
    """Return a cure as typed into the fork's line: `lr=0.001 init=he`."""
    import shlex

    return " ".join(shlex.quote(f"{name}={value}") for name, value in cure.items())


class FindingModal(BoxModal[str | None]):
    """Gives "cure", "go", "test" (the short test that would tell it from what looks like it) or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "dismiss('cure')", "Fork", tooltip="Fork the run with the cure applied"),
        Binding("h", "dismiss('go')", "Go to", tooltip="All panes show the run as it was when this was seen"),
        Binding(capital("T"), "test", "Test", tooltip="Run the short test that tells this from look-alikes"),
        Binding("escape,enter", "dismiss(None)", "Back"),
    ]
    DEFAULT_CSS = "FindingModal > .box { width: 84; }"

    def __init__(self, finding: Diagnosis) -> None:
        super().__init__()
        self.finding = finding

    def compose(self) -> ComposeResult:
        with Scroll(classes="box") as box:
            box.border_title = "Why"
            box.border_subtitle = _keys(self.finding)
            yield Static(Content("\n").join([*self.lines(), *self.neighbours()]))
            with Horizontal(classes="buttons"):
                label = "Fork with the cure (f)" if self.finding.cure else "Fork (f)"
                yield Button(label, id="cure", variant="primary", compact=True)
                yield Button("Back", id="back", compact=True)

    def lines(self) -> Iterator[Content]:
        one = self.finding
        yield heading(one)
        yield Content("")
        yield Content(clean(one.sentence))
        yield Content("")
        if one.evidence:
            yield _fact("evidence", clean(one.evidence))
        for place, file in enumerate(one.files[:SHOWN_FILES]):
            yield _fact("images" if not place else "", clean(file))
        if len(one.files) > SHOWN_FILES:
            yield _fact("", f"and {len(one.files) - SHOWN_FILES} more in `cvtui doctor`")
        if one.threshold is not None:
            yield _fact("threshold", f"{one.threshold:g}  (source: {clean(one.source)})")
        if one.severity != "note":
            unclear = "unclear, " if one.sure < UNCLEAR else ""
            yield _fact("confidence", f"{unclear}{percent(one.sure, 0)} ({_KINDS[one.kind]})")
        if one.consequences:
            names = [FAULTS[name].name if name in FAULTS else name for name in one.consequences]
            yield _fact("consequences", ", ".join(names))
        if one.advice:
            yield _fact("what to do", clean(one.advice))
        if one.cure:
            yield _fact("cure", clean(changes_of(one.cure)))
            yield _fact("", clean(one.tried))
        if one.test in TESTS:
            yield _fact("to be sure", f"{TESTS[one.test]} T runs it.")

    def neighbours(self) -> Iterator[Content]:
        """Yield the paragraph that tells it from its neighbours, below a heading."""
        if words := apart(self.finding.id):
            yield Content("")
            yield Content.styled("how to tell it from its neighbours", MUTED)
            yield Content(words)

    def action_test(self) -> None:
        if self.finding.test:
            self.dismiss("test")

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        self.dismiss("cure" if event.button.id == "cure" else None)


_KINDS = {
    "exact": "a rule that can't be broken by chance",
    "static": "seen before the first step",
    "heuristic": "stronger than in any healthy run",
}


def _keys(finding: Diagnosis) -> str:
    words = {"dismiss('cure')": "fork with the cure" if finding.cure else "fork", "dismiss('go')": "go to the step"}
    if finding.test in TESTS:
        words["test"] = "test"
    words["dismiss(None)"] = "back"
    return " · ".join(f"{keys_for(FindingModal, action)}: {text}" for action, text in words.items())


def _fact(name: str, text: str) -> Content:
    return Content.assemble((f"{name:<12} ", MUTED), text)
