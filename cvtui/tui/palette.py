"""The command palette (ctrl+p): every action of every place from its bindings, and runs and labs by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from textual import actions
from textual.app import SystemCommand
from textual.binding import Binding
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.dom import DOMNode
from textual.screen import Screen

from cvtui.runlog.folder import RunFolder, runs_below
from cvtui.runlog.foreign.listing import logs_below
from cvtui.text import clean
from cvtui.tui.screens.base import SCREENS, ScreenEntry
from cvtui.tui.screens.help import shown_widgets, title_of
from cvtui.tui.widgets import page_keys
from cvtui.tui.widgets.bindings import bindings_of
from cvtui.tui.widgets.key_bar import spelled
from cvtui.tui.widgets.moves import jumps, moves

if TYPE_CHECKING:
    from textual.app import App

    from cvtui.tui.session import Session

page_keys.wait_for_lines()

MOVES = {binding.description for binding in [*moves("", ""), *jumps("", "", "", "")]}
MOVES |= {"Place", "Back", "Next", "Before", "Previous", "Choose", "Choice before", "Next choice"}
MOVES |= {"Step back", "Sort back"}
"""What the hands do, and nobody looks up by name."""
SHARE_OF_HELP = 0.2
"""Score of a command whose explanation holds the words, against one whose name does (up to 1)."""


RUN_ACTIONS = {
    "evaluate": "How good the run is, and where it fails",
    "predict": "What the run says of a picture of your own",
    "fork": "A new run from a checkpoint of this one",
    "rate": "Change the learning rate while it trains",
}
"""Actions of a run's view that are offered wherever there is a run."""


class Palette(Provider):
    """All commands, worked out once for each opening."""

    async def startup(self) -> None:
        app = self.app
        here = distinct([*app.get_system_commands(self.screen), *of_a_run(app), *actions_here(app, self.screen)])
        self._here = here
        self._all = distinct([*here, *actions_elsewhere(app), *by_name(app)])

    async def discover(self) -> Hits:
        for title, about, callback, _ in sorted(self._here, key=lambda command: command.title):
            yield DiscoveryHit(title, callback, help=about)

    async def search(self, query: str) -> Hits:
        matcher, words = self.matcher(query), query.lower().split()
        for title, about, callback, _ in self._all:
            score = matcher.match(title)
            if score <= 0 and all(word in f"{title} {about}".lower() for word in words):
                score = SHARE_OF_HELP
            if score > 0:
                yield Hit(score, matcher.highlight(title), callback, help=about)


def _session(app: App[Any]) -> Session:
    return cast("Session", app)


def distinct(commands: Iterable[SystemCommand]) -> list[SystemCommand]:
    """Return the commands without a second one of the same title."""
    return list({command.title.lower(): command for command in reversed(list(commands))}.values())[::-1]


def command_of(binding: Binding, title: str, callback: Any) -> SystemCommand:
    about = str(binding.tooltip or binding.description)
    return SystemCommand(title, f"{about} ({binding.key_display or spelled(binding.key)})", callback)


def actions_here(app: App[Any], screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Yield what can be done on the screen: of what has the focus, of the screen, of its other widgets."""
    chain = list(screen.focused.ancestors_with_self) if screen.focused is not None else []
    nodes = [*(node for node in chain if node is not app), screen, *shown_widgets(screen)]
    seen: set[type] = set()
    titles: set[str] = set()
    for node in nodes:
        if type(node) in seen:
            continue
        seen.add(type(node))
        for binding in _named(type(node)):
            if _allowed(node, binding):
                known = binding.description in titles
                title = f"{title_of(node)}: {binding.description}" if known else binding.description
                titles.add(binding.description)
                yield command_of(binding, title, partial(app.run_action, binding.action, node))


def actions_elsewhere(app: App[Any]) -> Iterator[SystemCommand]:
    """Yield the actions of the other places: each goes there first."""
    for entry in SCREENS:
        if entry.name != app.current_mode:
            module, _, name = entry.import_path.partition(":")
            kinds = [getattr(import_module(module), name), *_kinds(app, entry.name)]
            for kind in kinds:
                for binding in _named(kind):
                    title = f"{entry.title}: {binding.description}"
                    yield command_of(binding, title, partial(_go_and_do, app, entry, kind, binding.action))


async def _go_and_do(app: App[Any], entry: ScreenEntry, kind: type[DOMNode], action: str) -> None:
    await _session(app).action_go_to(entry.name)
    screen = app.get_screen_stack(entry.name)[0]
    node: DOMNode | None = screen
    if not isinstance(screen, kind):
        node = next((one for one in shown_widgets(screen) if type(one) is kind), None)
    if node is not None:
        app.call_after_refresh(app.run_action, action, node)


def _kinds(app: App[Any], name: str) -> list[type[DOMNode]]:
    """Return the kinds of widgets, beside the screen itself, whose actions a place offers now."""
    if name != "train":
        return []
    from cvtui.tui.form.form_view import FormView
    from cvtui.tui.train import LiveView

    return [LiveView if _session(app).shown_run is not None else FormView]


def of_a_run(app: App[Any]) -> Iterator[SystemCommand]:
    """Yield what can be done with the run in view, or under the cursor of the list; elsewhere with the newest."""
    folder = _session(app).run_in_view()
    if folder is not None:
        for action, about in RUN_ACTIONS.items():
            title = action.capitalize()
            yield SystemCommand(title, f"{about} ({clean(folder.name)})", partial(_on_run, app, folder, action))


async def _on_run(app: App[Any], folder: RunFolder, action: str) -> None:
    await _session(app).open_run(folder)
    view = _session(app).shown_view()
    if view is not None and view.check_action(action, ()):
        view.call_after_refresh(app.run_action, action, view)
    else:
        app.notify(f"{clean(folder.name)} is not training: its rate can't be changed.", markup=False)


async def open_lab(app: App[Any], name: str) -> None:
    """Open a lab's page on the Labs screen."""
    from cvtui.tui.labs.labs_view import LabsView

    await _session(app).action_go_to("labs")
    await app.get_screen_stack("labs")[0].query_one(LabsView).open_lab(name)


def by_name(app: App[Any]) -> Iterator[SystemCommand]:
    """Yield every run, every log of another program and every lab."""
    from cvtui.labs.lookup import labs

    for folder in runs_below(_session(app).places):
        yield SystemCommand(f"Open run {clean(folder.name)}", str(folder.path), partial(_session(app).open_run, folder))
    for path in logs_below(_session(app).places):
        about = "Another program's log: its curves, and what the doctor says of them"
        yield SystemCommand(f"Open log {clean(str(path))}", about, partial(_session(app).open_log, path))
    for name, lab in labs().items():
        yield SystemCommand(f"Open lab {name}", lab.title, partial(open_lab, app, name))


def _named(kind: type) -> Iterator[Binding]:
    for binding in bindings_of(kind):
        if binding.description and binding.description not in MOVES:
            yield binding


def _allowed(node: DOMNode, binding: Binding) -> bool:
    place, name, parameters = actions.parse(binding.action)
    return not place and node.check_action(name, parameters) is True
