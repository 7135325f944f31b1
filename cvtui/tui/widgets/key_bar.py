"""The bar at the foot of every place: the keys that do something right now."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

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
    "pageup": "page up",
    "pagedown": "page down",
    "escape": "esc",
}
"""How keys are written that Textual calls by a word."""


def spelled(keys: str) -> str:
    """How one key, or several with commas between, are written for people."""
    return " ".join(SIGNS.get(key.strip(), key.strip()) for key in keys.split(","))


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
        at, width = 1, self.size.width
        said: set[str] = set()
        for key, (_, binding, enabled, _) in self.screen.active_bindings.items():
            if not binding.show or not binding.description or binding.action in said:
                continue
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
        return Content.assemble(" ", *parts)

    def on_click(self, event: events.Click) -> None:
        for start, end, key in self._places:
            if start <= event.x < end:
                self.app.simulate_key(key)
