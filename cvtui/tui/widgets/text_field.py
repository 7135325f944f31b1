"""A text field whose wrong part is underlined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.widgets import Input

if TYPE_CHECKING:
    from textual.validation import ValidationResult


class Underline:
    """Marks a place in an Input's text: a rich highlighter (called with the text, gives it back with styles)."""

    def __init__(self) -> None:
        self.column: int | None = None
        self.color = "red"

    def __call__(self, text: Text | str) -> Text:
        if isinstance(text, str):
            text = Text(text, no_wrap=True, end="")
        if self.column is not None and len(text):
            start = min(self.column, len(text) - 1)
            text.stylize(f"underline bold {self.color}", start, word_end(text.plain, start))
        return text


def word_end(text: str, start: int) -> int:
    """Where the layer or bracket that begins at `start` ends."""
    end = start + 1
    while end < len(text) and text[start].isalnum() and (text[end].isalnum() or text[end] in ".?"):
        end += 1
    return end


class TextField(Input):
    """A one-line Input that leaves up and down to the form."""

    DEFAULT_CSS = """
    TextField {
        background: $surface; padding: 0 1; border: none; height: 1;
        &:hover { background: $surface-lighten-1; }
        &:focus { background: $primary 30%; background-tint: $foreground 0%; border: none; }
        &.-wrong { color: $text-error; }
        &.-wrong:focus { color: $foreground; }
    }
    """

    def __init__(self, value: str, placeholder: str = "", *, classes: str = "") -> None:
        # Not `compact`: that toggles a class, and with it the styles are worked out twice (6 ms a field).
        self.underline = Underline()
        super().__init__(
            value,
            placeholder,
            highlighter=self.underline,  # type: ignore[arg-type]
            classes=classes,
            select_on_focus=len(value) < 10,  # a number is typed anew, a net is mended
        )
        self.cursor_blink = False

    def validate(self, _value: str) -> ValidationResult | None:
        """Do nothing: the form validates. Input's own way toggles two classes a field (6 ms)."""
        return None

    def mark(self, column: int | None) -> None:
        if self.underline.column != column:
            self.underline.column = column
            self.underline.color = self.app.theme_variables.get("error", "red")
            self.refresh()
