"""The page of keys (`?`): made from the bindings of what is on the screen, so that it can't tell anything else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.widgets import Static

from cvtui.tui.widgets.key_bar import spelled
from cvtui.tui.widgets.modal import Modal

if TYPE_CHECKING:
    from cvtui.tui.screens.base import BaseScreen


@dataclass(frozen=True, slots=True)
class Keys:
    """One line of the page."""

    keys: str
    meaning: str


def keys_of(node: DOMNode) -> list[Keys]:
    """Return the keys that a widget's own classes bind, one line an action."""
    keys: dict[str, list[str]] = {}
    meanings: dict[str, list[str]] = {}
    for cls in type(node).__mro__:
        if not cls.__module__.startswith("cvtui."):
            continue
        for entry in cls.__dict__.get("BINDINGS", ()):
            binding = entry if isinstance(entry, Binding) else Binding(*entry)
            meaning = binding.tooltip or binding.description
            if meaning:
                # Places are one line each; "row up" and "row down" are one line together.
                action = binding.action if binding.tooltip else binding.action.partition("(")[0]
                keys.setdefault(action, []).append(spelled(binding.key))
                meanings.setdefault(action, []).append(meaning)
        if not cls.__dict__.get("_inherit_bindings", True):
            break  # as Textual: what its bases bind is not bound here
    return [Keys(" ".join(dict.fromkeys(keys[action])), _joined(meanings[action])) for action in keys]


def _joined(meanings: list[str]) -> str:
    first, *rest = dict.fromkeys(meanings)
    return ", ".join([first, *(word[:1].lower() + word[1:] for word in rest)])


def page(place: BaseScreen, app: DOMNode) -> list[tuple[str, list[Keys]]]:
    """Return (title, lines) for the screen, the widgets in it, and the app."""
    sections: list[tuple[str, list[Keys]]] = []
    seen: set[type] = set()
    for node in [place, *place.own_widgets()]:
        if type(node) not in seen and (node.can_focus or node.query("*:can-focus") or node is place):
            seen.add(type(node))
            lines = keys_of(node)
            if lines and all(lines != known for _, known in sections):
                sections.append((title_of(node), lines))
    return [*sections, ("Everywhere", keys_of(app))]


def title_of(node: DOMNode) -> str:
    """`LinePlot` -> "Line plot", unless the class has a title for its keys."""
    if node.BINDING_GROUP_TITLE:
        return node.BINDING_GROUP_TITLE
    name = type(node).__name__
    title = "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
    return title[:1].upper() + title[1:]


class HelpScreen(Modal[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,q,f1", "dismiss", "Back")]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        & > #help {
            width: auto; min-width: 50; max-width: 92%; height: auto; max-height: 92%; padding: 1 2;
            background: $surface; border: round $primary;
            border-title-color: $text-primary; border-title-style: bold; border-subtitle-color: $foreground 60%;
        }
        & Static { width: auto; max-width: 100%; height: auto; }
    }
    """

    def __init__(self, title: str, about: str, sections: Iterable[tuple[str, list[Keys]]]) -> None:
        super().__init__()
        self._title = title
        self._about = about
        self._sections = list(sections)

    def compose(self) -> ComposeResult:
        wide = max((len(line.keys) for _, lines in self._sections for line in lines), default=0)
        with VerticalScroll(id="help") as box:
            box.border_title = f"{self._title}: keys"
            box.border_subtitle = "esc: back"
            parts: list[Content] = [Content.styled(self._about, "$foreground 75%")]
            for title, lines in self._sections:
                parts.append(Content.styled(f"\n{title}", "bold $text-primary"))
                parts += [
                    Content.assemble((f"  {line.keys.ljust(wide)}  ", "bold"), (line.meaning, "$foreground 85%"))
                    for line in lines
                ]
            yield Static(Content("\n").join(parts))
