"""The Train screen before a run: the form on the left, the preview on the right, Start below."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from cvtui.recipe.recipe import Recipe
from cvtui.tui.form.field_row import FieldRow, explanation, shortened
from cvtui.tui.form.fit_line import FitLine
from cvtui.tui.form.followers import Followers
from cvtui.tui.form.form import Form
from cvtui.tui.form.start_button import StartButton
from cvtui.tui.form.status_line import status_line
from cvtui.tui.form.tabs import Tabs
from cvtui.tui.widgets.frame import Frame
from cvtui.tui.widgets.moves import moves

if TYPE_CHECKING:
    from cvtui.tui.form.field_values import Problem
    from cvtui.tui.form.preview import Preview
    from cvtui.tui.form.validation import Validation
    from cvtui.tui.prewarm import PrewarmedEngine

PREDICT_AFTER = 0.3
"""Seconds without a keystroke before the engine is asked."""
SLOW = 0.03
"""An examination that took longer (a net of thousands of layers) waits for a pause in the typing, too."""


class FormView(Widget):
    """Form and preview of a recipe. Posts `Start` with a valid one."""

    BINDING_GROUP_TITLE = "The form"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "start", "Start", tooltip="Start the run"),
        Binding("ctrl+l", "find_lr", "Find lr", tooltip="Find a good learning rate: a range test and three short runs"),
        Binding("ctrl+k", "check", "Check", tooltip="Pre-flight check: data, first steps, memorising one batch"),
        Binding("ctrl+y", "fit", "Fit", tooltip="Fill in the recipe that fits the data, or what was there before"),
        Binding("ctrl+o", "fold", "Preview", tooltip="Show the preview, or the form again, where both don't fit"),
        *moves("move(-1)", "move(1)", "The field", letters=False),
        Binding("escape", "leave_field", "Leave field", show=False, tooltip="Leave the text field (letters are keys)"),
    ]
    SCOPED_CSS = False  # some rules begin at the screen, which knows how large the terminal is
    DEFAULT_CSS = """
    FormView {
        layout: horizontal; width: 1fr; height: 1fr;
        & #form-side {
            width: 46%; min-width: 64; max-width: 100; height: 1fr; padding: 0; border-title-color: $foreground;
        }
        & #explanation { height: 3; padding: 0 1; color: $foreground; }
        & #explanation.-long { height: auto; min-height: 3; max-height: 9; }
        & #start-bar { height: 1; }
        & #status { width: 1fr; height: 1; padding: 0 1; }
    }
    Screen.-tall FormView {
        & #form-side { padding: 1 0 0 0; }
        & #explanation { height: 4; padding: 0 1 1 1; }
        & #explanation.-long { height: auto; min-height: 4; max-height: 12; }
    }
    Screen.-narrow FormView {
        layout: vertical;
        & Tabs { display: block; }
        & #form-side { width: 1fr; max-width: 100%; border: none; padding: 0; }
        & #explanation { background: $panel; }
        & Preview { display: none; }
        &.-preview #form-side { display: none; }
        &.-preview Preview { display: block; }
    }
    """

    class Start(Message):
        def __init__(self, recipe: Recipe) -> None:
            super().__init__()
            self.recipe = recipe

    def __init__(self, recipe: Recipe, runs: Path, *, prewarm: bool = True) -> None:
        super().__init__()
        self._recipe = recipe
        self._runs = runs
        self._prewarm = prewarm
        self._engine: PrewarmedEngine | None = None
        self._preview: Preview | None = None
        self._validation: Validation | None = None
        self._predict_timer: Timer | None = None
        self._validate_timer: Timer | None = None
        self._cost = 0.0
        self._waiting: Recipe | None = None
        self._followers = Followers(recipe)
        self._left = "data"
        """The field that escape left last."""

    def compose(self) -> ComposeResult:
        yield Tabs()
        with Frame(id="form-side") as card:  # not a Card: its 50 widgets would be styled anew (25 ms)
            card.border_title = "Recipe"
            yield Form(self._recipe)
            yield FitLine()
            yield Static(id="explanation")
            with Horizontal(id="start-bar"):
                yield StartButton(id="start")
                yield Static(id="status")

    @property
    def form(self) -> Form:
        return self.query_one(Form)

    @property
    def preview(self) -> Preview:
        assert self._preview is not None, "it comes after the first frame"
        return self._preview

    @property
    def engine(self) -> PrewarmedEngine:
        assert self._engine is not None, "it comes after the first frame"
        return self._engine

    @property
    def validation(self) -> Validation:
        """What can be said about the form as it stood at the last look."""
        assert self._validation is not None, "it comes after the first frame"
        return self._validation

    # ------------------------------------------------------------------ following what is typed

    def on_mount(self) -> None:
        # The app paints nothing before its own message loop runs; what costs time waits for the frame after that.
        self.app.call_later(self.screen.call_after_refresh, self._after_first_frame)

    def _after_first_frame(self) -> None:
        self._complete()  # a worker: it ends with the screen

    @work(group="complete")
    async def _complete(self) -> None:
        """Load and show what the first frame did without: calculator, preview, engine, numpy."""
        from cvtui.tui.form.preview import Preview
        from cvtui.tui.prewarm import PrewarmedEngine

        self._engine = PrewarmedEngine(self._engine_changed, enabled=self._prewarm)
        preview = Preview()
        await self.mount(preview)
        if not self.is_attached:  # left in the meantime
            return
        self._preview = preview
        self.validate()
        self.open()
        await preview.add_plot()

    @property
    def complete(self) -> bool:
        """Return True once everything but the curve is there."""
        return self._validation is not None

    def open(self) -> None:
        """Start the prewarmed engine and ask for predictions; called whenever the form is shown."""
        if self._validation is not None:
            recipe = self._validation.recipe
            self.engine.start(recipe.threads if recipe is not None else 0)
            self._ask()

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def on_unmount(self) -> None:
        self.close()

    @on(Form.Changed)
    async def _changed(self, event: Form.Changed) -> None:
        event.stop()
        await self._followers.follow(self.form)
        if self._validate_timer is not None:
            self._validate_timer.stop()
            self._validate_timer = None
        if self._cost > SLOW or (self._validation is not None and self.form.path_differs(self._validation.texts)):
            self._validate_timer = self.set_timer(PREDICT_AFTER, self.validate)
        else:
            self.validate()

    def validate(self, *, again: bool = False) -> None:
        """Validate the form and show the result; the engine is asked after a pause.

        `again`: also if no text has changed, since the outside may have (a name is taken now).
        """
        from cvtui.tui.form.validation import validate

        if self._preview is None or self._engine is None:  # each field says at its mount that it has changed
            return
        texts = self.form.texts
        if self._validation is not None and texts == self._validation.texts and not again:
            return
        self._waiting = None  # for the engine's word, before a start
        began = time.perf_counter()
        with self.app.batch_update():
            self._validation = validate(texts, self._runs)
            self.form.show_problems(self.problems)
            self._preview.show(self._validation, self._engine)
            self.query_one(FitLine).look(texts)
            self._show_status(self._validation)
            self._explain(self.form.current)
        self.refresh_bindings()
        self._cost = time.perf_counter() - began
        if self._predict_timer is not None:
            self._predict_timer.stop()
        self._predict_timer = self.set_timer(PREDICT_AFTER, self._ask)

    def _ask(self) -> None:
        if self._validation is not None and self._validation.recipe is not None:
            self.engine.predict(self._validation.recipe)

    def _engine_changed(self) -> None:
        # The engine calls from the event loop, not from the screen's own queue: also while the screen is taken apart,
        # when its widgets are gone one by one and `is_mounted` is still true.
        if self.is_attached and self.app.is_running and self._validation is not None:
            self.preview.show_predictions(self.validation, self.engine)
            problems = self._engine_problems(self.validation)
            if problems is not None:
                self.form.show_problems(problems)
                self._explain(self.form.current)
            self._show_status(self.validation)
            if self._waiting is not None and not self._pending(self._waiting):
                self._start_or_refuse(self._waiting)

    def _pending(self, recipe: Recipe) -> bool:
        """Return True while an answer of the engine about `recipe` is on its way."""
        return self.engine.will_answer(recipe) and self.engine.answered != recipe

    @property
    def problems(self) -> Mapping[str, Problem]:
        """Problems of the form as it stood at the last look; those that only the engine finds once it has answered."""
        validation = self.validation
        return (self._engine_problems(validation) if validation.ready else None) or validation.problems

    def _engine_problems(self, validation: Validation) -> dict[str, Problem] | None:
        """Return what the engine found in this recipe; None where it has not answered about it."""
        recipe, answer = validation.recipe, self.engine.answer
        if recipe is None or answer is None or self.engine.answered != recipe:
            return None
        from cvtui.tui.form.validation import engine_problems

        return engine_problems(recipe, answer)

    def _show_status(self, validation: Validation) -> None:
        status = self.query_one("#status", Static)
        problems = self.problems
        self.query_one("#start").set_class(bool(problems), "-blocked")
        status.update(status_line(validation, problems, waiting=self._waiting is not None), layout=False)  # one line

    @on(Form.Focused)
    def _field_focused(self, event: Form.Focused) -> None:
        event.stop()
        self._explain(event.row)

    def _explain(self, row: FieldRow | None) -> None:
        if row is not None:
            validation = self._validation
            known = validation.data if validation is not None and row.field.name == "data" else None
            notes = known.notes if known is not None else ()
            place = self.query_one("#explanation", Static)
            text, long = explanation(row.field, row.text, row.problem, notes), row.problem is not None or bool(notes)
            place.set_class(long, "-long")
            # Only a long one is as high as its text: a layout takes a quarter of an arrow key's time.
            place.update(text if long else shortened(text, place.size.width - 2), layout=long)

    # ------------------------------------------------------------------ what can be done

    @property
    def valid_recipe(self) -> Recipe | None:
        """The form's recipe; None while something in it is wrong."""
        return self._validation.recipe if self._validation is not None else None

    async def fill(self, recipe: Recipe) -> None:
        """Fill every field from `recipe`."""
        await self.form.fill(recipe)

    async def set_net(self, net: str) -> None:
        await self.form.rows["net"].set_text(net)

    @on(StartButton.Pressed)
    def _start_pressed(self, event: StartButton.Pressed) -> None:
        event.stop()
        self.action_start()

    @on(Form.Submitted)
    def _submitted(self, event: Form.Submitted) -> None:
        event.stop()
        self.query_one("#start").focus()

    def action_start(self) -> None:
        """Start, or focus the first invalid field; what only the engine can judge waits for its answer."""
        self.validate(again=True)
        if self._validation is None:  # ctrl+r was quicker than the first look: it counts all the same
            self.set_timer(0.02, self.action_start)
            return
        from cvtui.tui.form.validation import judged_by_engine

        recipe = self.validation.recipe
        if recipe is not None and self.problems:  # the file that it refused may be another by now
            self._waiting = recipe
            self.engine.ask_again(recipe)
        elif recipe is not None and judged_by_engine(recipe) and self._pending(recipe):
            self._waiting = recipe
            self.engine.predict(recipe)
        else:
            self._start_or_refuse(recipe)
            return
        self._show_status(self.validation)

    def _start_or_refuse(self, recipe: Recipe | None) -> None:
        self._waiting = None
        self._show_status(self.validation)
        problems = self.problems
        if recipe is not None and not problems:
            self.post_message(self.Start(recipe))
            return
        self.fold(False)
        first = next(name for name in self.form.rows if name in problems)
        self.form.focus_field(first)
        self.app.notify(f"{first}: {problems[first].message}", severity="error", markup=False)

    def action_check(self) -> None:
        """`cvtui check` of the form as it stands."""
        self.validate(again=True)
        if self._validation is None or self._validation.recipe is None:
            self.app.notify("Fix the form first.", severity="error")
            return
        from cvtui.tui.train.precheck_modal import PrecheckModal

        self.app.push_screen(PrecheckModal(self._validation.recipe))

    def action_find_lr(self) -> None:
        """Search the learning rate for the form's recipe; the chosen one goes into the field."""
        self.validate(again=True)
        if self._validation is None or self._validation.recipe is None:
            self.app.notify("Fix the form first.", severity="error")
            return
        from cvtui.tui.form.lr_search import LrSearch

        async def apply(rate: float | None) -> None:
            if rate is not None:
                await self.form.rows["lr"].set_text(f"{rate:g}")
                if self.form.rows["scale_lr"].text.strip() not in ("", "0"):
                    await self.form.rows["scale_lr"].set_text("0")  # it was found for this batch size
                self.form.focus_field("lr")

        self.app.push_screen(LrSearch(self._validation.recipe, self._runs), apply)

    def check_action(self, action: str, _parameters: tuple[object, ...]) -> bool | None:
        if action == "fit":
            return self.query_one(FitLine).live
        return action != "fold" or self.screen.has_class("-narrow")

    async def action_fit(self) -> None:
        """Fill in what fits the data, or take it back: the fields that the user has not set."""
        for name, text in self.query_one(FitLine).take(self.form.texts).items():
            await self.form.rows[name].set_text(text)

    def action_leave_field(self) -> None:
        self.fold(False)
        current = self.form.current
        self._left = current.field.name if current is not None else self._left
        self.can_focus = True  # on the button, the next enter would start a training
        self.screen.set_focus(self)

    def on_blur(self) -> None:
        self.can_focus = False

    def action_move(self, _by: int) -> None:
        """Focus the field that was left last."""
        self.form.focus_field(self._left)

    def action_fold(self) -> None:
        self.fold(not self.has_class("-preview"))

    @on(Tabs.Asked)
    def _tab_asked(self, event: Tabs.Asked) -> None:
        event.stop()
        self.fold(event.preview)

    def fold(self, preview: bool) -> None:
        """On a narrow screen: the preview instead of the form, or the form again."""
        self.set_class(preview, "-preview")
        self.query_one(Tabs).show(preview)
        if preview and self._preview is not None:
            self._preview.table.focus()
        elif self.form.current is None and self.has_focus_within:
            self.form.focus_field("data")
