"""The line of the form that offers a recipe which fits the chosen data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widget import Widget

if TYPE_CHECKING:
    from cvtui.tui.form.fit_offer import FitOffer


class FitLine(Widget):
    """One line, shown while there is something to take or to take back."""

    DEFAULT_CSS = """
    FitLine {
        height: 1; width: 1fr; display: none; padding: 0 1; color: $foreground;
        &.-on { display: block; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._offer: FitOffer | None = None
        self.line = ""

    def look(self, texts: Mapping[str, str]) -> None:
        """Show what is offered for what stands in the form now."""
        from cvtui.tui.form.fit_offer import FitOffer

        if self._offer is None:
            self._offer = FitOffer()
        self._offer.look(texts)
        self.line = self._words()
        self.set_class(bool(self.line), "-on")
        self.refresh()

    @property
    def live(self) -> bool:
        """Return True while there is something to take or to take back."""
        return bool(self.line)

    def take(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return the texts to fill in: what is offered, else what stood there before."""
        return self._offer.take(texts) if self._offer is not None else {}

    def _words(self) -> str:
        assert self._offer is not None
        if self._offer.offered:
            names = ", ".join(name.replace("_", " ") for name in self._offer.offered)
            return f"ctrl+y: fit the recipe to this data: {names}"
        return "fitted to this data; ctrl+y: back as before" if self._offer.taken else ""

    def render(self) -> Content:
        sign = "◆ " if self._offer is not None and self._offer.offered else "✓ "
        text = Content.assemble((sign, "$text-primary"), self.line)
        return text.truncate(max(1, self.size.width), ellipsis=True)
