"""The bar at the foot of every place: the keys that do something right now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

if TYPE_CHECKING:
    from textual.binding import ActiveBinding, Binding

SIGNS = {
    "question_mark": "?",
    "plus": "+",
    "equals_sign": "=",
    "minus": "-",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "slash": "/",
    "ctrl+left": "ctrl+←",
    "ctrl+right": "ctrl+→",
    "shift+left": "shift+←",
    "shift+right": "shift+→",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "escape": "esc",
    "delete": "del",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
}
"""How keys are written that Textual calls by a word."""


def spelled(keys: str) -> str:
    """How one key, or several with commas between, are written for people."""
    names = [name.strip() for name in keys.split(",")]
    capitals = {f"shift+{name.lower()}" for name in names if len(name) == 1 and name.isupper()}
    return " ".join(_spelled(name) for name in names if name not in capitals)


def _spelled(key: str) -> str:
    return SIGNS.get(key, key.upper() if key[:1] == "f" and key[1:].isdigit() else key)


TABS = ("tab", "shift+tab")
"""Keys that Textual lists first; where another does the same, that one is shown."""
ALWAYS = ("keys", "leave")
"""Actions whose keys stand at the right end of every bar, whatever else there is room for."""


class KeyBar(Widget):
    """A single widget where Textual's Footer is one a key: the keys change with the focus, and often."""

    ALLOW_SELECT = False
    DEFAULT_CSS = "KeyBar { dock: bottom; height: 1; background: $panel; color: $foreground; }"

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._updated)

    def _updated(self, screen: Screen[object]) -> None:
        if screen is self.screen:
            self.refresh()

    def render(self) -> Content:
        """Keys from the left as far as they fit; those that can't do anything now are faint."""
        self._places = []
        parts: list[Content] = []
        bindings = self.screen.active_bindings
        last = self._last(bindings)
        at, width = 1, self.size.width - sum(len(sign) + len(word) + 3 for _, sign, word in last)
        said: set[str] = set()
        otherwise = {active.binding.action for key, active in bindings.items() if key not in TABS}
        for key, (_, binding, enabled, _) in bindings.items():
            if key in TABS and binding.action in otherwise:
                continue
            shown = binding.show or (
                key == "escape" and isinstance(self.screen.focused, Input)
            )  # letters are text there
            if not shown or not binding.description or binding.action in said or _plain(binding) in ALWAYS:
                continue
            if key.startswith("shift+") and len(key) == 7 and key[-1].isalpha():
                continue  # a capital letter as some terminals send it, where a text field takes the letter itself
            said.add(binding.action)
            sign = binding.key_display or spelled(key)
            wide = len(sign) + len(binding.description) + 1
            if at + wide + 1 > width:
                break
            tone = "bold $text-primary" if enabled else "$foreground 35%"
            words = "$foreground 75%" if enabled else "$foreground 35%"
            parts.append(Content.assemble((sign, tone), " ", (binding.description, words), "  "))
            if enabled:
                self._places.append((at, at + wide, key))
            at += wide + 2
        parts.append(Content(" " * max(0, width - at)))
        at = max(at, width)
        for key, sign, word in last:
            parts.append(Content.assemble((sign, "bold $text-primary"), " ", (word, "$foreground 75%"), "  "))
            self._places.append((at, at + len(sign) + len(word) + 1, key))
            at += len(sign) + len(word) + 3
        return Content.assemble(" ", *parts)

    @staticmethod
    def _last(bindings: Mapping[str, ActiveBinding]) -> list[tuple[str, str, str]]:
        """Return (key, how it is written, word) of help and quit: with other keys while a text field has the focus."""
        found: dict[str, tuple[str, str, str]] = {}
        for key, active in sorted(bindings.items(), key=lambda item: not item[1].binding.show):
            action = _plain(active.binding)
            if action in ALWAYS and action not in found:
                found[action] = (key, active.binding.key_display or spelled(key), active.binding.description)
        return [found[action] for action in ALWAYS if action in found]

    def on_click(self, event: events.Click) -> None:
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)


def _plain(binding: Binding) -> str:
    """Return the action without the node that has it: `app.keys` is `keys`."""
    return binding.action.rpartition(".")[2]
