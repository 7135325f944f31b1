"""Which learning rate? The search of `cvtui lr-find` over the form, drawn while it goes, and "use it"."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from cvtui.compare.lr_figure import range_curve
from cvtui.compare.lr_range_rule import NoBracket
from cvtui.compare.lr_search import FoundRate, LrFinder
from cvtui.draw.figures import AnyFigure, Curve, Curves
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import check
from cvtui.text import clean, percent
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.bindings import hint
from cvtui.tui.widgets.figures_view import FiguresView
from cvtui.tui.widgets.modal import BoxModal

POLL_SECONDS = 0.25
BAR = 36


class LrSearch(BoxModal[float | None]):
    """Learning rate search; returns the rate to use, or None. Leaving stops its runs; their folders stay."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "use", "Use it"),
        Binding("escape", "dismiss(None)", "Leave"),
    ]
    DEFAULT_CSS = """
    LrSearch > .box { width: 84; }
    LrSearch FiguresView { margin-top: 1; }
    """

    def __init__(self, recipe: Recipe, runs: Path) -> None:
        super().__init__()
        self._recipe = recipe
        self._runs = runs
        self._finder: LrFinder | None = None
        self.result: FoundRate | None = None
        self.error = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="box") as box:
            box.border_title = "Which learning rate?"
            box.border_subtitle = hint(LrSearch, dismiss="leave")
            yield Static("starting …", id="lr-words", markup=False)
            yield FiguresView()
            yield Static("", id="lr-trials")
            with Horizontal(classes="buttons"):
                yield Button("Use it", id="lr-use", variant="primary", compact=True, disabled=True)
                yield Button("Leave", id="lr-leave", compact=True)

    def on_mount(self) -> None:
        try:
            self._finder = LrFinder(check(self._recipe), self._runs)
        except RequestError as error:
            self._show_error(error.message)
            return
        self.query_one(FiguresView).set_tall(min(24, self.size.height - 8))
        self._timer = self.set_interval(POLL_SECONDS, self._poll)

    def on_unmount(self) -> None:
        if self._finder is not None and self.result is None:
            self._finder.stop()

    def _poll(self) -> None:
        finder = self._finder
        assert finder is not None
        try:
            unfinished = finder.step()
        except (NoBracket, RequestError) as failure:
            self._timer.stop()
            self._show_error(str(failure))
            return
        filled = round(finder.share * BAR)
        bar = "━" * filled + "╌" * (BAR - filled)
        self.query_one("#lr-words", Static).update(f"{finder.words}\n{bar} {finder.share:4.0%}")
        self.query_one(FiguresView).show(self._figures(finder))
        if not unfinished:
            self._timer.stop()
            self._done(finder)

    def _figures(self, finder: LrFinder) -> list[AnyFigure]:
        """Return the range test's curve, or those of the three runs."""
        if finder.bracket is None:
            steps = finder.race.racers[0].history.steps
            curve = Curve(name="loss", x=steps.lr.tolist(), y=steps.loss.tolist())
            if len(steps) < 2:
                return []
            return [Curves(title="Range test", x_label="learning rate", y_label="loss", log_x=True, curves=[curve])]
        curves = [
            Curve(name=racer.label, x=list(range(len(racer.history.steps))), y=racer.history.steps.loss.tolist())
            for racer in finder.race.racers
            if len(racer.history.steps) > 1
        ]
        if not curves:
            return [range_curve(finder.bracket)]
        return [Curves(title=range_curve(finder.bracket).title, x_label="step", y_label="loss", curves=curves)]

    def _done(self, finder: LrFinder) -> None:
        result = finder.found
        assert result is not None
        self.result = result
        lines = []
        for trial in result.trials:
            chosen = trial.lr == result.lr
            loss = f"{trial.val_loss:.4f}" if math.isfinite(trial.val_loss) else "not finite"
            accuracy = percent(trial.val_accuracy) if trial.val_accuracy is not None else "–"
            text = f"{'●' if chosen else ' '} lr {trial.lr:<9g} validation loss {loss:<11} {accuracy:>7}  "
            lines.append(Content.assemble((text, "bold" if chosen else ""), (trial.verdict.name, MUTED)))
        self.query_one("#lr-trials", Static).update(Content("\n").join(lines))
        box = self.query_one(".box", Vertical)
        if result.lr is None:
            self._show_error("none of the three learned; take a rate at the low end of the bracket")
            return
        text = f"lr {result.lr:g}: the lowest validation loss of the three short runs"
        self.query_one("#lr-words", Static).update(text)
        button = self.query_one("#lr-use", Button)
        button.label, button.disabled = f"Use {result.lr:g}", False
        button.refresh(layout=True)
        button.focus()
        box.border_subtitle = hint(LrSearch, use="use it", dismiss="leave")

    def _show_error(self, text: str) -> None:
        self.error = text
        self.query_one("#lr-words", Static).update(Content.styled(f"✗ {clean(text)}", "$text-error"))

    @on(Button.Pressed, "#lr-use")
    def action_use(self) -> None:
        if self.result is not None and self.result.lr is not None:
            self.dismiss(self.result.lr)

    @on(Button.Pressed, "#lr-leave")
    def _leave(self) -> None:
        self.dismiss(None)
