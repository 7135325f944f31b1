"""The page of keys (`?`): made from the bindings of what is on the screen, so that it can't tell anything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import actions, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from cvtui.text import wrap
from cvtui.tui.widgets.bindings import bindings_of, hint
from cvtui.tui.widgets.filter_field import FilterField
from cvtui.tui.widgets.key_bar import spelled
from cvtui.tui.widgets.modal import Modal
from cvtui.tui.widgets.scroll import Scroll

WIDEST, FRAME = 0.92, 8
"""Share of the screen's columns that the page may take; its frame, padding and scroll bar."""
TYPING = ", also while typing"
"""How the meaning of a key ends that a text field doesn't take."""


@dataclass(frozen=True, slots=True)
class Keys:
    """One line of the page."""

    keys: str
    meaning: str


def keys_of(node: DOMNode, *, priority: bool = False) -> list[Keys]:
    """Return the keys that a widget's own classes bind and that do something now, one line an action.

    priority: only those that go first.
    """
    keys: dict[str, list[str]] = {}
    meanings: dict[str, list[str]] = {}
    for binding in bindings_of(type(node)):
        meaning = binding.tooltip or binding.description
        if meaning and (binding.priority or not priority) and _does_something(node, binding):
            # Places are one line each; "row up" and "row down" are one line together.
            action = binding.action if binding.tooltip else binding.action.partition("(")[0]
            known = keys.setdefault(action, [])
            if known and meaning.endswith(TYPING):
                meaning = f"{spelled(binding.key).replace(' ', ', ')}{TYPING}"
            known.append(spelled(binding.key))
            meanings.setdefault(action, []).append(meaning)
    return [Keys(" ".join(dict.fromkeys(keys[action])), _joined(meanings[action])) for action in keys]


def _does_something(node: DOMNode, binding: Binding) -> bool:
    place, name, parameters = actions.parse(binding.action)
    return bool(place) or node.check_action(name, parameters) is not False


def _joined(meanings: list[str]) -> str:
    first, *rest = dict.fromkeys(meanings)
    typing = [word for word in rest if word.endswith(TYPING)]
    others = [word[:1].lower() + word[1:] for word in rest if word not in typing]
    return "; ".join([", ".join([first, *others]), *typing])


def page(place: Screen[Any], app: DOMNode) -> list[tuple[str, list[Keys]]]:
    """Return (title, lines): what has the focus first, then the screen, its other widgets, and the app."""
    sections: list[tuple[str, list[Keys]]] = []
    seen: set[type] = set()
    chain = list(place.focused.ancestors_with_self) if place.focused is not None else []
    for node in [*(node for node in chain if node is not app), place, *shown_widgets(place)]:
        takes_keys = isinstance(node, Widget) and (node.can_focus or node.query("*:can-focus"))
        if type(node) not in seen and (takes_keys or node is place):
            seen.add(type(node))
            lines = [line for line in keys_of(node) if all(line not in known for _, known in sections)]
            if lines:
                sections.append((title_of(node), lines))
    return [*sections, ("Everywhere", keys_of(app, priority=place.is_modal))]


def shown_widgets(place: Screen[Any]) -> Iterator[Widget]:
    """Yield the displayed widgets of cvtui."""
    for widget in place.walk_children(Widget):
        if type(widget).__module__.startswith("cvtui.") and widget.is_mounted and _displayed(widget):
            yield widget


def _displayed(widget: Widget) -> bool:
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def title_of(node: DOMNode) -> str:
    """`LinePlot` -> "Line plot", unless the class has a title for its keys."""
    if node.BINDING_GROUP_TITLE:
        return node.BINDING_GROUP_TITLE
    name = type(node).__name__
    title = "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
    return title[:1].upper() + title[1:]


class HelpScreen(Modal[None]):
    """All keys of what is on the screen; `/` searches them."""

    AUTO_FOCUS = "Scroll"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "Back", tooltip="Show all keys again, then back"),
        Binding("slash", "filter", "Filter", tooltip="Search the keys: a word, or how a key is written"),
    ]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        & > #help {
            width: auto; min-width: 50; max-width: 92%; height: auto; max-height: 92%; padding: 1 2;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold; border-subtitle-color: $foreground 60%;
        }
        & Scroll { width: auto; max-width: 100%; height: auto; max-height: 100%; }
        & Static { width: auto; max-width: 100%; height: auto; }
    }
    """

    def __init__(self, title: str, about: str, sections: Iterable[tuple[str, list[Keys]]]) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._sections = list(sections)
        self._wide = max((len(line.keys) for _, lines in self._sections for line in lines), default=0)

    def compose(self) -> ComposeResult:
        with Vertical(id="help") as box:
            box.border_title = f"{self._title}: keys"
            box.border_subtitle = hint(HelpScreen, filter="search", back="back")
            yield FilterField("a word, or a key")
            with Scroll():
                yield Static(self._text(""))

    def _text(self, sought: str) -> Content:
        room = int(self.app.size.width * WIDEST) - FRAME - self._wide - 4
        parts: list[Content] = [Content.styled(self._about, "$foreground 75%")] if self._about else []
        for title, lines in self._sections:
            kept = [line for line in lines if found(sought, line, title)]
            if kept:
                parts.append(Content.styled(f"\n{title}", "bold $text-primary"))
            for line in kept:
                meaning = wrap(line.meaning, max(20, room), 9)  # what goes on below stands below its beginning
                indented = f"\n{' ' * (self._wide + 4)}".join(meaning)
                keys = f"  {line.keys.ljust(self._wide)}  "
                parts.append(Content.assemble((keys, "bold"), (indented, "$foreground 85%")))
        if len(parts) <= bool(self._about):
            parts.append(Content.styled(f"\nno match for {sought!r}", "$text-warning"))
        return Content("\n").join(parts)

    def action_filter(self) -> None:
        self.query_one(FilterField).reveal()

    def action_back(self) -> None:
        if self.query_one(FilterField).close():
            self.query_one(Scroll).focus()
        else:
            self.dismiss()

    @on(Input.Changed)
    def _search(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        self.query_one(Static).update(self._text(self.query_one(FilterField).value.strip()))

    @on(Input.Submitted)
    def _searched(self) -> None:
        self.query_one(Scroll).focus()


def found(sought: str, line: Keys, title: str = "") -> bool:
    """Return True if each word is in a line's meaning or section, or is one of its keys."""
    text = f"{title} {line.meaning}".lower()
    return all(word.lower() in text or word in line.keys.split() for word in sought.split())
