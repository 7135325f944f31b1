"""A new run from a checkpoint of this one: which checkpoint, and what is changed in the recipe."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from cvtui.errors import RequestError
from cvtui.recipe.learning_rate import full_rate
from cvtui.recipe.recipe import AUTO, Recipe
from cvtui.recipe.toml import dumps, override
from cvtui.recipe.validation import check
from cvtui.runlog.events import CheckpointSaved
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.fork import afresh, checkpoints_of, fork
from cvtui.runlog.history import History
from cvtui.runlog.origin import recipe_of
from cvtui.text import clean, count, counted, percent
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.filtered_list import FilteredList
from cvtui.tui.widgets.modal import BoxModal

FROM_THERE = "Continues with that checkpoint's weights, optimizer state, step and epoch; this run stays as it is."
FROM_THE_START = "Starts at step 0 with new weights; this run stays as it is."
AFRESH = CheckpointSaved(step=0, epoch=0, path="", reason="asked")
"""Stands for no checkpoint at all."""

MORE_EPOCHS = 5
"""Offered where the checkpoint is the run's end."""


def parse_changes(text: str) -> dict[str, str]:
    """`lr=1e-4 epochs=40` -> {"lr": "1e-4", "epochs": "40"}. RequestError for a word that is no key=value."""
    try:
        words = shlex.split(text)
    except ValueError:
        raise RequestError("a quotation mark is not closed") from None
    changes = {}
    for word in words:
        key, equals, value = word.removeprefix("--").partition("=")
        if not equals:
            raise RequestError(f"{word!r} is no change; write key=value, such as lr=1e-4")
        changes[key] = value
    return changes


def changed_recipe(parent: RunFolder, saved: CheckpointSaved, text: str) -> Recipe:
    """Return the child's recipe. Raises RequestError if a change is invalid or leaves nothing to train."""
    changed = override(recipe_of(parent, "forked"), {"name": "", **parse_changes(text)})
    recipe = check(changed).recipe
    if saved.epoch >= recipe.epochs:
        raise RequestError(
            f"it has done {saved.epoch} of {recipe.epochs} epochs there; add epochs={saved.epoch + MORE_EPOCHS}, "
            "or fork earlier"
        )
    return recipe


def with_epochs_left(parent: RunFolder, saved: CheckpointSaved, changes: str) -> str:
    """Return the changes that the window opens with: of a checkpoint at the run's end with some more epochs."""
    epochs = parse_changes(changes).get("epochs", recipe_of(parent, "forked").epochs)
    if saved.epoch < int(epochs):
        return changes
    return f"{changes} epochs={saved.epoch + MORE_EPOCHS} ".lstrip()  # a space: one types on behind it


class ForkModal(BoxModal[RunFolder | None]):
    """Makes and starts the child; gives its folder, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "Cancel")]
    DEFAULT_CSS = """
    ForkModal > .box { width: 76; }
    ForkModal OptionList { max-height: 8; }
    ForkModal #fork-changes { width: 1fr; }
    ForkModal #fork-said.wrong { color: $text-error; }
    """

    def __init__(self, history: History, changes: str = "", epoch: int | None = None) -> None:
        """Fill in `changes` and select the last checkpoint up to `epoch` (default: the newest)."""
        super().__init__()
        self._history = history
        self._there: list[CheckpointSaved] = [*reversed(checkpoints_of(history)), AFRESH]
        self._at = next(place for place, saved in enumerate(self._there) if epoch is None or saved.epoch <= epoch)
        self._changes = with_epochs_left(history.folder, self._there[self._at], changes)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Fork: a new run from a checkpoint of this one"
            box.border_subtitle = "enter: start · " + hint(ForkModal, dismiss="cancel")
            lines = {str(place): self._line(saved) for place, saved in enumerate(self._there)}
            yield FilteredList(
                {key: line.plain for key, line in lines.items()},
                lambda key: Option(lines[key], id=key),
                words="epoch 12, best",
            )
            yield Static("\nChanges to its recipe:", markup=False)
            yield Input(
                self._changes,
                placeholder="lr=1e-4 epochs=40 name=slower",
                id="fork-changes",
                select_on_focus=False,  # what is filled in stays when one types on
                compact=True,
            )
            yield Static("", id="fork-said", markup=False)
            yield Static(
                FROM_THERE,
                classes="quiet",
                id="fork-about",
                markup=False,
            )
            with Horizontal(classes="buttons"):
                yield Button("Start", id="fork-start", variant="primary", compact=True)
                yield Button("Cancel", id="fork-cancel", compact=True)

    def _line(self, saved: CheckpointSaved) -> Content:
        if saved is AFRESH:
            return Content.assemble("from the start  ", ("with new weights", "$foreground 60%"))
        done = next((e.val_accuracy for e in self._history.epochs if e.epoch == saved.epoch), saved.val_accuracy)
        best = f"val {percent(done)}" if done is not None else ""
        text = f"epoch {saved.epoch:>3}  step {count(saved.step):>8}  {best:<12}  "
        return Content.assemble(text, (clean(Path(saved.path).name), "$foreground 60%"))

    def on_mount(self) -> None:
        self.query_one(FilteredList).go_to(str(self._at))
        self.query_one("#fork-changes").focus()
        self._check_changes()

    @property
    def saved(self) -> CheckpointSaved:
        return self._there[int(self.query_one(FilteredList).key or 0)]

    @on(Input.Changed)
    @on(OptionList.OptionHighlighted)
    def _check_changes(self) -> Recipe | None:
        """Show what is wrong with the changes, or what the child will train."""
        said = self.query_one("#fork-said", Static)
        self.query_one("#fork-about", Static).update(FROM_THE_START if self.saved is AFRESH else FROM_THERE)
        try:
            recipe = changed_recipe(self._history.folder, self.saved, self.query_one("#fork-changes", Input).value)
        except RequestError as error:
            said.update(f"✗ {clean(error.message)}")
            said.add_class("wrong")
            return None
        said.remove_class("wrong")
        left = recipe.epochs - self.saved.epoch
        more = counted(left, "epoch")
        more = (
            more
            if self.saved is AFRESH
            else f"{count(left)} more {more.partition(' ')[2]}, up to {count(recipe.epochs)}"
        )
        known = recipe.scale_lr and recipe.batch_size != AUTO
        rate = full_rate(recipe.lr, recipe.step_images, recipe.scale_lr)
        said.update(f"{more}, at a rate of {rate:g}" if known else more)
        return recipe

    @on(OptionList.OptionSelected)
    def _chosen(self) -> None:
        self.query_one("#fork-changes").focus()

    @on(Input.Submitted)
    @on(Button.Pressed, "#fork-start")
    def _start(self) -> None:
        recipe = self._check_changes()
        if recipe is None:
            return
        from cvtui.runlog.worker_process import launch

        parent = self._history.folder
        try:
            if self.saved is AFRESH:
                child = afresh(parent, parent.path.parent, recipe.name, dumps(recipe))
            else:
                child = fork(parent, self.saved, parent.path.parent, recipe.name, dumps(recipe))
            launch(child, detached=True)
        except RequestError as error:
            said = self.query_one("#fork-said", Static)
            said.update(f"✗ {clean(error.message)}")
            said.add_class("wrong")
            return
        self.dismiss(child)

    @on(Button.Pressed, "#fork-cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
