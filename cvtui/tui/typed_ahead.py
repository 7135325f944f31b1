"""Keys that arrive faster than the focus moves: a slow line hands over `/words` at once."""

from __future__ import annotations

from collections import deque

from textual import events
from textual.app import App
from textual.widget import Widget
from textual.widgets import Input

KEPT = 64
"""Keys on their way at most; a line of words is shorter."""


class TypedAheadApp(App[None]):
    """An app whose keys reach a text field that has been opened by the key before them.

    Textual hands each key to the widget that has the focus when the key is read. Those read together with the key that
    opens a field all go to the list; what the list does not take comes back here, and goes to the field then.
    """

    def __init__(self) -> None:
        super().__init__()
        self._on_their_way: deque[tuple[events.Key, Widget | None]] = deque(maxlen=KEPT)

    async def on_event(self, event: events.Event) -> None:
        """Hand a key that nothing took to the text field that has got the focus meanwhile."""
        if isinstance(event, events.Key):
            if not event.is_forwarded:
                self._on_their_way.append((event, self.focused))
            elif self._missed(event) and self.focused is not None:
                self.focused._forward_event(events.Key(event.key, event.character))  # (8.2.2 has no `copy`)
                return
        await super().on_event(event)

    def _missed(self, event: events.Key) -> bool:
        """Return True if the focus went to a text field after the key was handed to another widget."""
        aimed = next((widget for key, widget in self._on_their_way if key is event), self.focused)
        return aimed is not self.focused and isinstance(self.focused, Input)
