"""Keys, pastes and clicks that arrive faster than the focus moves: a slow line hands over `/words` at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.errors import NoWidget
from textual.widget import Widget
from textual.widgets import Input

KEPT = 64
"""Keys on their way at most; a line of words is shorter."""
ROUNDS = 2
"""From the focus up to the app: the first is the key's own, the second that of what it brought about."""
PATIENCE = 0.5
"""Seconds that a key waits for the one before it at most."""


class TypedAheadApp(App[None]):
    """An app whose keys and pastes reach what the keys and clicks before them opened.

    Textual hands each key to the widget that has the focus when the key is read. Of those read together, a list that
    the first one opens gets none, nor does the field that a choice goes on to. So the next is handed over once the one
    before it has gone its way: a callback climbs behind it, through the queues of all widgets up to the app. What opens
    more slowly than that gets its keys by the second way: those that nothing took come back here, and go to the field.
    """

    def __init__(self) -> None:
        super().__init__()
        self._on_their_way: deque[tuple[events.Key, Widget | None]] = deque(maxlen=KEPT)
        self._held_input: deque[events.InputEvent | events.Paste] = deque()
        self._key_under_way: asyncio.TimerHandle | None = None

    async def on_event(self, event: events.Event) -> None:
        """Hand input over in its order; a key that nothing took goes to the text field that has got the focus since."""
        if isinstance(event, events.InputEvent | events.Paste) and not event.is_forwarded:
            if isinstance(event, events.Paste):
                event = in_one_line(event)
            if self._key_under_way is not None and (self._held_input or changes_focus(event)):
                self._held_input.append(event)
            else:
                await self._hand_over(event)
            return
        if isinstance(event, events.Key) and self._missed(event) and self.focused is not None:
            self.focused._forward_event(events.Key(event.key, event.character))  # (8.2.2 has no `copy`)
            return
        await super().on_event(event)

    async def _hand_over(self, event: events.InputEvent | events.Paste) -> None:
        if not changes_focus(event):
            await super().on_event(event)
            return
        aimed = self._aim(event)
        if isinstance(event, events.Key):
            self._on_their_way.append((event, self.focused))
        # The time is for a widget that goes while the callback is in its queue.
        handle = asyncio.get_running_loop().call_later(PATIENCE, self._next_input)
        self._key_under_way = handle
        await super().on_event(event)
        self._climb(aimed, handle, ROUNDS)

    def _aim(self, event: events.InputEvent | events.Paste | None = None) -> DOMNode:
        if isinstance(event, events.MouseEvent):
            with contextlib.suppress(NoWidget):
                return self.mouse_captured or self.get_widget_at(event.x, event.y)[0]
        return self.focused or (self.screen if self._screen_stacks.get(self._current_mode) else self)

    def _climb(self, pump: DOMNode | None, handle: asyncio.TimerHandle, rounds: int) -> None:
        """Have the next queue on the way call this, once it has worked off what it holds."""
        if handle is not self._key_under_way:
            return
        while pump is not None and pump is not self:
            if pump.call_later(self._climb, pump.parent, handle, rounds):
                return
            pump = pump.parent  # that one has closed
        self.call_later(self._arrived, handle, rounds - 1)

    def _arrived(self, handle: asyncio.TimerHandle, rounds: int) -> None:
        if rounds:
            self._climb(self._aim(), handle, rounds)
        elif handle is self._key_under_way:
            self.call_later(self._next, handle)

    def _next_input(self) -> None:
        self.call_later(self._next, self._key_under_way)

    async def _next(self, handle: asyncio.TimerHandle | None) -> None:
        """Hand the next over; `handle`: of the one before it."""
        if handle is None or handle is not self._key_under_way:
            return
        handle.cancel()
        self._key_under_way = None
        while self._held_input and self._key_under_way is None:
            await self._hand_over(self._held_input.popleft())

    def _missed(self, event: events.Key) -> bool:
        """Return True if the focus went to a text field after the key was handed to another widget."""
        aimed = next((widget for key, widget in self._on_their_way if key is event), self.focused)
        return aimed is not self.focused and isinstance(self.focused, Input)


def changes_focus(event: events.Event) -> bool:
    """Return True for a key, a paste and a click; False for the mouse's moves and its wheel."""
    return isinstance(event, events.Key | events.Paste | events.MouseDown | events.MouseUp)


def in_one_line(event: events.Paste) -> events.Paste:
    """Return a paste without ends of lines: of several lines a field would take the first, and say nothing."""
    lines = event.text.splitlines()
    return events.Paste(" ".join(line.strip() for line in lines if line.strip())) if len(lines) > 1 else event
