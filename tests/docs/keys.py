"""docs/keys.md, made from the bindings of all screens, windows, panes and lists."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from textual.binding import Binding
from textual.dom import DOMNode

import cvtui.tui
from cvtui.tui.app import CvtuiApp
from cvtui.tui.screens.base import SCREENS, BaseScreen
from cvtui.tui.train import LiveView
from cvtui.tui.widgets.confirm_modal import ConfirmModal
from cvtui.tui.widgets.key_bar import spelled
from cvtui.tui.widgets.modal import Modal

HEAD = """\
# Keys

Made from the bindings of the program by `python -m tests.make_docs`. On the screen `?` shows those that do something
where you are, what has the focus first; `/` searches them. `ctrl+p` finds every action by name.

A letter means one thing over the whole program; only in a question with two answers `y` is yes and `n` is no. In a text
field letters and digits are text: there F1 to F4 or alt+digit go to the places, F9 is `?` and ctrl+q is `q`; `esc`
leaves the field.

`esc` goes back and never ends a run or a lab. `x` asks before it ends a run; a run that was stopped goes on with `u`,
one that was deleted comes back with `U`; a lab or job that was stopped can be started again.
"""


def classes() -> list[type[DOMNode]]:
    """Return every class of the screen that binds keys."""
    found: dict[type[DOMNode], None] = {}
    for module in pkgutil.walk_packages(cvtui.tui.__path__, "cvtui.tui."):
        for entry in vars(importlib.import_module(module.name)).values():
            if isinstance(entry, type) and issubclass(entry, DOMNode) and entry.__module__ == module.name:
                found[entry] = None
    return sorted((one for one in found if own_bindings(one)), key=_place)


def own_bindings(node: type[DOMNode]) -> list[Binding]:
    """Return the bindings that a class writes down itself."""
    entries = node.__dict__.get("BINDINGS", ())
    return [entry if isinstance(entry, Binding) else Binding(*entry) for entry in entries]


def _place(node: type[DOMNode]) -> tuple[int, str, str]:
    """Order the classes: app, places, the run's view, windows, the rest."""
    kinds = (CvtuiApp, BaseScreen, LiveView, Modal)
    kind = next((number for number, base in enumerate(kinds) if issubclass(node, base)), len(kinds))
    return kind, node.__module__ if kind == 1 else "", title(node)


def title(node: type[DOMNode]) -> str:
    """Return the heading of a class: `LayerDetail` is "Layer detail"."""
    if node is CvtuiApp:
        return "Everywhere"
    if node is Modal:
        return "Every window"
    known = {entry.import_path.partition(":")[2]: f"Place {entry.title}" for entry in SCREENS}
    name = node.__name__
    words = "".join(f" {sign.lower()}" if sign.isupper() else sign for sign in name).strip()
    return known.get(name, "A run" if node is LiveView else words[:1].upper() + words[1:])


def is_answer(node: type[DOMNode], key: str) -> bool:
    """Return True for yes and no of a question."""
    return issubclass(node, ConfirmModal) and key in ("y", "n")


def meanings() -> dict[str, dict[str, list[str]]]:
    """Return letter -> meaning -> the classes that give it."""
    found: dict[str, dict[str, list[str]]] = {}
    for node in classes():
        for binding in own_bindings(node):
            for key in spelled(binding.key).split():
                letter = key.removeprefix("ctrl+")
                if len(letter) == 1 and letter.isalpha() and not is_answer(node, key):
                    found.setdefault(key, {}).setdefault(binding.description, []).append(title(node))
    return found


def _order(key: str) -> tuple[bool, str, bool]:
    return key.startswith("ctrl+"), key.lower(), key.isupper()


def page() -> str:
    letters = meanings()
    lines = [HEAD, "## Letters\n", "| key | meaning | where |", "|---|---|---|"]
    for key in sorted(letters, key=_order):
        for meaning, places in letters[key].items():
            lines.append(f"| {_code(key)} | {meaning} | {', '.join(dict.fromkeys(places))} |")
    for node in classes():
        lines += [f"\n## {title(node)}\n", "| key | what it does |", "|---|---|", *_rows(node)]
    return "\n".join(lines) + "\n"


def _rows(node: type[DOMNode]) -> Iterator[str]:
    for binding in own_bindings(node):
        keys = " ".join(_code(key) for key in spelled(binding.key).split())
        yield f"| {keys} | {str(binding.tooltip or binding.description).replace('|', chr(92) + '|')} |"


def _code(key: str) -> str:
    return f"`{key}`"
