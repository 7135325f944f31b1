"""The app: its screens, and the keys that hold everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.markup import escape
from textual.screen import Screen

from cvtui import settings
from cvtui.errors import RequestError
from cvtui.recipe.recipe import Recipe
from cvtui.runlog.folder import RunFolder, runs_below
from cvtui.tui import terminal_keys, timers
from cvtui.tui.app_commands import FULL_FPS, app_commands
from cvtui.tui.jobs.catalog import JOBS, spec_of
from cvtui.tui.leaving_app import LeavingApp
from cvtui.tui.plot.theme_colors import shows_colours
from cvtui.tui.screens.base import SCREENS, BaseScreen, ScreenEntry, TopBar
from cvtui.tui.screens.themes import DARK, FEW_COLOURS, LIGHT
from cvtui.tui.widgets.moves import capital

if TYPE_CHECKING:
    from cvtui.labs.claims import Claim
    from cvtui.notify.hooks import EndHooks
    from cvtui.tui.end_notice import EndNotice
    from cvtui.tui.jobs.job_list import JobList
    from cvtui.tui.screens.train import TrainScreen
    from cvtui.tui.train import LiveView


timers.fire_single_shots_late()
terminal_keys.let_alt_digits_through()
terminal_keys.take_escape_and_the_next_key_apart()
terminal_keys.take_pastes_as_text()
terminal_keys.know_all_signs()


def _palette() -> type[Provider]:
    from cvtui.tui.palette import Palette

    return Palette


class CvtuiApp(LeavingApp):
    """`recipe` fills the form; runs are made in `runs` and listed from there; `attach` is a run folder to open at once.

    Closing it never stops a training: the engine is a process with a session of its own.
    """

    TITLE = "cvtui"
    DEFAULT_MODE = SCREENS[0].name
    MODES: ClassVar[dict[str, Any]] = {entry.name: entry.screen for entry in SCREENS[1:]}
    """Without the first place, which is the default screen: Textual puts that on its stack before it composes. The
    first screen of a mode it composes before, where tasks are eager (Python 3.12 and newer), and an Input that is
    made then asks in vain for the current screen."""
    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(p.key, f"go_to('{p.name}')", p.title, show=False, tooltip=f"{p.title}: {p.about}") for p in SCREENS),
        *(
            Binding(
                f"f{p.key},alt+{p.key}",
                f"go_to('{p.name}')",
                p.title,
                show=False,
                priority=True,
                tooltip=f"{p.title}, also while typing",
            )
            for p in SCREENS
        ),
        Binding("question_mark", "keys", "Keys", key_display="?", tooltip="The keys of this place"),
        Binding("f9", "keys", "Keys", show=False, priority=True, tooltip="The keys of this place, also while typing"),
        Binding("ctrl+p", "command_palette", "Commands", show=False, priority=True, tooltip="Find any command by name"),
        *(
            Binding(capital(spec.key), f"job('{spec.name}')", spec.title, show=False, tooltip=spec.about)
            for spec in JOBS
        ),
        Binding(capital("T"), "doctor_test", "Test", show=False, tooltip="The doctor's short test of a finding"),
        Binding(capital("J"), "show_job", "Job", show=False, tooltip="The job that was started last: bar and output"),
        Binding("t", "switch_theme", "Theme", show=False, tooltip="Dark or light"),
        Binding("q", "leave", "Quit", tooltip="Quit (asks whether training should continue)"),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True, tooltip="Quit, also while typing"),
    ]
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[set[Any]] = {_palette}
    CSS = (
        """
    Toast { background: $panel; }
    Input > .input--placeholder { color: $foreground 65%; }
    """
        + FEW_COLOURS
    )

    def __init__(
        self,
        recipe: Recipe | None = None,
        runs: Path = Path("runs"),
        attach: Path | None = None,
        *,
        places: Sequence[Path] = (),
        prewarm: bool = True,
        fps: float = FULL_FPS,
        shown: Callable[[], None] = lambda: None,
        hooks: EndHooks | None = None,
    ) -> None:
        """`fps`: frames of a live run a second, at most. `shown`: called after the first frame.

        `prewarm`: keep an engine with PyTorch loaded while the form is open (it predicts, and Start is instant).
        `hooks`: what is told when a run that is started here ends. `places`: further folders of runs.
        Raises RequestError if `attach` is not a run folder.
        """
        super().__init__()
        self.prewarm = prewarm
        self.fps = fps
        self.shown = shown
        self.hooks = hooks
        self.end_notice: EndNotice | None = None
        self.recipe = recipe or Recipe()
        self.runs = runs
        self.places = list(dict.fromkeys([runs, *places]))
        self.attach = RunFolder.open(attach) if attach is not None else None
        self.slowed: RunFolder | None = None
        """A parent that its fork slows, until it is paused."""
        self.shown_run: tuple[str, str] | None = None
        """(name, state) of the run in the Train place."""
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = LIGHT.name if settings.load().get("theme") == LIGHT.name else DARK.name

    # ------------------------------------------------------------------ places

    def get_default_screen(self) -> BaseScreen:
        return self._first.screen()

    @property
    def _first(self) -> ScreenEntry:
        return next(entry for entry in SCREENS if entry.name == self.DEFAULT_MODE)

    def on_mount(self) -> None:
        self.set_class(not shows_colours(self), "-few-colours")
        self.add_mode(self.DEFAULT_MODE, self._first.screen)  # for going back to it: it is never made a second time

    async def action_go_to(self, name: str) -> None:
        from textual.command import CommandPalette

        while isinstance(self.screen, CommandPalette) or type(self.screen).__name__ == "HelpScreen":
            await self.pop_screen()
        await self.switch_mode(name)

    async def action_place(self, number: int) -> None:
        """Go to a place by its digit, from a window; the window is there again when one comes back."""
        await self.action_go_to(SCREENS[number - 1].name)

    async def train_screen(self) -> TrainScreen:
        """Switch to the Train screen."""
        from cvtui.tui.screens.train import TrainScreen

        await self.action_go_to("train")
        while len(self.screen_stack) > 1:  # windows on what was shown there before
            await self.pop_screen()
        screen = self.get_screen_stack("train")[0]
        assert isinstance(screen, TrainScreen)
        return screen

    async def open_run(self, folder: RunFolder) -> None:
        """Open a run, live or ended, on the Train screen."""
        await (await self.train_screen()).show_folder(folder)

    def fork_shown_run(self) -> None:
        """Open the fork window for the run on the Train screen."""
        view = self.get_screen_stack("train")[0].query_one("LiveView")
        view.call_after_refresh(view.action_fork)  # type: ignore[attr-defined]

    async def action_show_run(self) -> None:
        (await self.train_screen()).action_show_run()

    async def action_new_run(self) -> None:
        await (await self.train_screen()).action_new_run()

    async def use_net(self, net: str) -> None:
        """Put a net into the form of the Train screen."""
        screen = await self.train_screen()
        await screen.action_new_run()
        if screen.form_view is not None:
            await screen.form_view.set_net(net)

    async def calculate_claim(self, claim: Claim, predicted: str) -> None:
        """Open the Calc place on a claim of the lecture."""
        from cvtui.tui.screens.calc import CalcScreen

        await self.switch_mode("calc")
        screen = self.get_screen_stack("calc")[0]
        assert isinstance(screen, CalcScreen)
        await screen.show_claim(claim, predicted)

    def set_shown_run(self, name: str, state: str) -> None:
        """Update the run on the Train screen, and its state, in the top bar of every screen."""
        self.shown_run = (name, state)
        for bar in self.screen.query(TopBar):
            bar.run = self.shown_run

    @property
    def base_screen(self) -> BaseScreen:
        """Return the screen that is shown, below any window."""
        screen = self.screen_stack[0]
        assert isinstance(screen, BaseScreen)
        return screen

    # ------------------------------------------------------------------ keys that hold everywhere

    def action_keys(self) -> None:
        from textual.command import CommandPalette

        from cvtui.tui.screens.help import HelpScreen, page, title_of

        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss()
        elif self.screen is not self.base_screen and not isinstance(self.screen, CommandPalette):
            self.push_screen(HelpScreen(title_of(self.screen), "", page(self.screen, self)))
        else:
            facts = next(facts for facts in SCREENS if facts.name == self.base_screen.NAME)
            self.push_screen(HelpScreen(facts.title, facts.about, page(self.base_screen, self)))

    def action_switch_theme(self) -> None:
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name
        settings.keep(theme=self.theme)

    def get_system_commands(self, _screen: Screen[Any]) -> Iterable[SystemCommand]:
        return app_commands(self)

    def action_slow_line(self) -> None:
        """Draw a live run once a second, or as often as usual again."""
        self.fps = 1.0 if self.fps >= FULL_FPS else FULL_FPS
        for view in self.get_screen_stack("train")[0].query("LiveView"):
            view.set_pace()  # type: ignore[attr-defined]

    def offer_pause(self, parent: RunFolder, sentence: str) -> None:
        """Say that a fork slows its parent, with an action that pauses it; the palette has it too."""
        self.slowed = parent
        text = "[@click=app.pause_parent]Pause it[/] (or ctrl+p, Pause)"
        self.notify(f"{escape(sentence)}. {text}", title="Slower", severity="warning", timeout=30)

    def action_pause_parent(self) -> None:
        """Pause the run that its fork slows."""
        from cvtui.runlog.events import Command

        parent, self.slowed = self.slowed, None
        if parent is None:
            return
        try:
            parent.send(Command(command="pause", time=time.time()))
        except RequestError as error:
            self.notify(error.message, severity="error", markup=False)
        else:
            self.notify(f"{parent.name} pauses; space goes on with it, on its screen", markup=False)

    def action_picture(self) -> None:
        """Save the screen as an SVG file."""
        try:
            path = self.save_screenshot(time.strftime("cvtui-%Y-%m-%d-%H%M%S.svg"))
        except OSError as error:
            self.notify(f"No picture was saved: {error.strerror}", severity="error", markup=False)
        else:
            self.notify(path, title="Saved", markup=False)

    # ------------------------------------------------------------------ jobs

    def action_job(self, name: str) -> None:
        """Ask for the options of a job on the run that is in view, or under the cursor of the list."""
        spec = spec_of(name)
        folder, recipe = self.run_in_view(), None
        if spec.needs == "recipe":
            recipe = self._recipe_in_view(folder)
            if recipe is None:
                return
        elif folder is None:
            self.notify(f"{spec.title}: there is no run yet.", severity="warning", markup=False)
            return
        self._job_list().ask(spec, folder, recipe)

    def open_log(self, path: Path) -> None:
        """Show another program's log, and what the doctor says of it: a job, since it may take its time to read."""
        self._job_list().start(f"Log: {path.name}", ["doctor", str(path), "--curves"], from_top=True)

    def action_show_job(self) -> None:
        self._job_list().show()

    def action_doctor_test(self) -> None:
        """Run the short test of the first finding that has one."""
        view = self.shown_view()
        if view is None:
            self.notify("The doctor tests a run that is in view: open one first.", severity="warning", markup=False)
        elif not view.findings.test_first():
            self.notify("The doctor has no finding with a test.", markup=False)

    def _job_list(self) -> JobList:
        if self.jobs is None:
            from cvtui.tui.jobs.job_list import JobList

            self.jobs = JobList(self, self.runs)
        return self.jobs

    def shown_view(self) -> LiveView | None:
        """Return the run's view, where that is what the Train place shows."""
        from cvtui.tui.screens.train import TrainScreen

        screen = self.base_screen
        return screen.view if isinstance(screen, TrainScreen) and screen.shows_run else None

    def run_in_view(self) -> RunFolder | None:
        """Return the run in view, or under the cursor of the list; elsewhere the newest."""
        chosen = getattr(self.base_screen, "chosen_run", None)
        if chosen is not None:
            return chosen.folder  # type: ignore[no-any-return]
        view = self.shown_view()
        return view.folder if view is not None else next(iter(runs_below(self.places)), None)

    def _recipe_in_view(self, folder: RunFolder | None) -> Recipe | None:
        """Return the form's recipe where the form is in view, else the run's; None (it is said) where that is wrong."""
        from cvtui.runlog.origin import recipe_of
        from cvtui.tui.screens.train import TrainScreen

        screen = self.base_screen
        form = screen.form_view if isinstance(screen, TrainScreen) and not screen.shows_run else None
        try:
            recipe = form.valid_recipe if form is not None else recipe_of(folder, "repeated") if folder else self.recipe
        except RequestError as error:
            self.notify(f"{error.message}; {error.hint}", severity="error", markup=False)
            return None
        if recipe is None:
            self.notify("The form's recipe is not valid yet.", severity="warning", markup=False)
        return recipe

    # ------------------------------------------------------------------ the end of runs

    def watch_end(self, folder: RunFolder, size: int = 0) -> None:
        """Have the end of a run told; `size`: bytes of its log before it was resumed."""
        if not self.is_leaving:
            self.follow_end(folder, size)
        if not self.hooks:
            return
        from cvtui.notify.start import watch_end

        try:
            watch_end(folder, self.hooks, size)
        except OSError as error:
            self.notify(f"Its end will not be told: {error.strerror}", severity="error", markup=False)

    def follow_end(self, folder: RunFolder, size: int = 0) -> None:
        """Have the terminal notify when a living run ends; `size` as for `watch_end`."""
        if self.end_notice is None:
            from cvtui.tui.end_notice import EndNotice

            self.end_notice = EndNotice(self, self.write_to_terminal)
        self.end_notice.follow(folder, size)

    def write_to_terminal(self, text: str) -> None:
        """Write an escape sequence past Textual's screen; a headless app writes nothing."""
        if not self.is_headless and self._driver is not None:
            self._driver.write(text)
