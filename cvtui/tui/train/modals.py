"""The questions that the live view asks: a new rate, stop or not, leave or not; and the words behind `v`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from cvtui.errors import RequestError
from cvtui.recipe.learning_rate import parse_rate
from cvtui.text import clean, compact, significant
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.confirm_modal import ConfirmModal
from cvtui.tui.widgets.modal import BoxModal
from cvtui.tui.widgets.scroll import Scroll

if TYPE_CHECKING:
    from cvtui.runlog.events import EpochDone


class RateModal(BoxModal[float | None]):
    """Asks for a new learning rate; gives it, or None. Enter takes it, escape leaves all as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]
    DEFAULT_CSS = """
    RateModal #new-rate { width: 1fr; margin-top: 1; }
    RateModal #said.wrong { color: $text-error; }
    """

    def __init__(
        self, now: float, lr: float | None, groups: Mapping[str, float] | None = None, *, custom_loop: bool = False
    ) -> None:
        """`now`: the rate of the last step; `lr`: the recipe's, as a reminder; `groups`: rates of several, by name.

        `custom_loop`: the run is a script's own, with its own scheduler or none.
        """
        super().__init__()
        self.now = now
        self.groups = groups or {}
        self.group = ""
        """The group that the new rate is for; "": all of them."""
        self._asked = lr
        self._custom_loop = custom_loop

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Change the learning rate"
            known = "when it began" if self._custom_loop else "the recipe's highest"
            recipe = "" if self._asked is None else f"  ({known}: {compact(self._asked)})"
            yield Static(f"now {compact(self.now)}{recipe}", markup=False)
            yield Input(placeholder="0.001, or /10, or *2", id="new-rate", compact=True)
            yield Static("", id="said", markup=False)
            then = (
                "A scheduler of the script goes on from it, or puts its own rate back; the log would say so."
                if self._custom_loop
                else "What is left of the schedule is scaled to pass through the new rate."
            )
            yield Static(then, classes="quiet", markup=False)
            if self.groups:
                rates = ", ".join(f"{clean(name)} {compact(rate)}" for name, rate in self.groups.items())
                words = f"Groups: {rates}. A number alone scales all; NAME NUMBER sets one."
                yield Static(words, classes="quiet", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Change", id="take", variant="primary", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        self._show_value("")

    def _show_value(self, text: str) -> float | None:
        said = self.query_one("#said", Static)
        said.remove_class("wrong")
        if not text.strip():
            said.update(" ")
            return None
        self.group = next((name for name in self.groups if text.strip().startswith(f"{name} ")), "")
        now = self.groups[self.group] if self.group else self.now
        try:
            value = parse_rate(text.strip().removeprefix(self.group), now, "rate", may_be_0=True)
        except RequestError as error:
            said.update(f"✗ {error.message.removeprefix('rate: ')}")
            said.add_class("wrong")
            return None
        which = f"{clean(self.group)}: " if self.group else ""
        said.update(f"{which}{compact(now)} → {compact(value)}" + (": the weights stand still" if value == 0 else ""))
        return value

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._show_value(event.value)

    @on(Input.Submitted)
    @on(Button.Pressed, "#take")
    def _submit(self) -> None:
        value = self._show_value(self.query_one(Input).value)
        if value is not None:
            self.dismiss(value)

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)


class StopModal(ConfirmModal):
    """Asks whether the run should end now (True) or go on (False)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(False)", "Keep training"),
        Binding("y", "dismiss(True)", "Stop training"),
    ]
    QUESTION, YES, NO = "Stop the run?", "Stop training", "Keep training"

    def __init__(self, *, custom_loop: bool = False) -> None:
        """`custom_loop`: the run is a script's own, which saves and resumes by itself."""
        super().__init__(
            "The weights are not saved by this: s saves them. The loop of the script ends at its next step; only the "
            "script can train on."
            if custom_loop
            else "The model is saved first. A stopped run is finished; u continues it later."
        )


Leaving = Literal["keep", "stop", "stay"]


class LeaveModal(BoxModal[Leaving]):
    """On leaving while the run lives: keep training, stop after saving, or stay here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "dismiss('keep')", "Quit", tooltip="Quit; training continues in the background"),
        Binding("x", "dismiss('stop')", "Stop", tooltip="Stop training (a run of cvtui is saved first), quit"),
        Binding("escape", "dismiss('stay')", "Stay"),
    ]

    def __init__(self, name: str, *, custom_loop: bool = False) -> None:
        """`custom_loop`: the run is a script's own, which no stop saves."""
        super().__init__()
        self._name_of_run = clean(name)
        self._custom_loop = custom_loop

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Quit: what should happen to the run?"
            yield Static(f"{self._name_of_run} is still training.", markup=False)
            yield Static(
                f"If you keep it, training continues in the background: `cvtui attach {self._name_of_run}`.",
                classes="quiet",
                markup=False,
            )
            with Horizontal(classes="buttons"):
                yield Button("Keep training (q)", id="keep", variant="primary", compact=True)
                stop = "Stop unsaved (x)" if self._custom_loop else "Save and stop (x)"
                yield Button(stop, id="stop", variant="warning", compact=True)
                yield Button("Stay", id="stay", compact=True)

    def on_mount(self) -> None:
        self.query_one("#keep").focus()

    @on(Button.Pressed, "#keep")
    def _keep(self) -> None:
        self.dismiss("keep")

    @on(Button.Pressed, "#stop")
    def _stop(self) -> None:
        self.dismiss("stop")

    @on(Button.Pressed, "#stay")
    def _stay(self) -> None:
        self.dismiss("stay")


WHY = """\
The two curves are not measured the same way, so validation can lie below training without anything being wrong:

[b]While or after.[/b] The training loss of an epoch is the mean over its batches, taken while the weights moved: its \
first half comes from a worse network. It is drawn at the epoch's middle for that reason. Validation is measured once, \
at the epoch's end, with the better weights. While learning is fast this alone puts validation below.

[b]With or without noise.[/b] Dropout, augmentation and batch statistics make training harder on purpose. They are off \
when the network is validated.

[b]Other images.[/b] The validation images are fewer and may happen to be easier. That gap stays the same size from \
epoch to epoch.

When to look closer: validation far [i]above[/i] training and rising while training falls is overfitting. Validation \
below training to the end, with dropout on, says that there is room for a larger network or less dropout.\
"""


class WhyModal(BoxModal[None]):
    """Why validation can lie below training, with this run's own last numbers."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "dismiss(None)", "Back"),
        Binding("v", "dismiss(None)", "Why?", show=False, tooltip="Back"),
    ]
    DEFAULT_CSS = "WhyModal > .box { width: 78; }"

    def __init__(self, last: EpochDone | None) -> None:
        """`last`: the run's last epoch, if there is one."""
        super().__init__()
        self._last = last

    def compose(self) -> ComposeResult:
        with Scroll(classes="box") as box:
            box.border_title = "Why can validation lie below training?"
            box.border_subtitle = hint(WhyModal, dismiss="back")
            if self._last is not None:
                train, val = significant(self._last.train_loss), significant(self._last.val_loss)
                numbers = f"training {train} (mean over the epoch), validation {val} (after it)."
                yield Static(f"Epoch {self._last.epoch} of this run: {numbers}\n", markup=False)
            yield Static(WHY)
