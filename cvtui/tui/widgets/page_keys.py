"""The keys of a page in lists that are not laid out yet."""

from __future__ import annotations

from typing import Any

from textual.widgets import OptionList

_move_page: Any = OptionList._move_page


def wait_for_lines() -> None:
    """Make a page key do nothing in a list without lines; Textual raises KeyError there (8.2.0 to 8.2.8).

    ctrl+p, a letter and page up before the first match is found is enough.
    """
    OptionList._move_page = _move_in_lines  # type: ignore[method-assign]


def _move_in_lines(self: OptionList, direction: Any) -> None:
    if (self.highlighted or 0) in self._index_to_line:
        _move_page(self, direction)
