"""Calls after the next refresh, for windows and widgets that may be gone by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.css.query import NoMatches

if TYPE_CHECKING:
    from textual.widget import Widget as _Widget
else:
    _Widget = object


class LateCalls(_Widget):
    """Mixin: what was to be called after the refresh is left out once the widget is removed, or on its way out.

    Textual calls it all the same, from the screen that is shown then, and its children are no longer there: `i` and
    `esc`, typed together, ended the program. Of a widget on its way out some children are gone before it is.
    """

    def call_after_refresh(self, callback: Any, *args: Any, **kwargs: Any) -> bool:
        """Call after the next refresh, if this is still there."""

        def call() -> Any:
            if not self.is_attached:
                return None
            try:
                return callback(*args, **kwargs)
            except NoMatches:
                if self.display:  # which no widget is that is on its way out
                    raise

        return super().call_after_refresh(call)
