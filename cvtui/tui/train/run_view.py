"""What the parts of the live view ask of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from textual.app import App
    from textual.message import Message

    from cvtui.runlog.folder import RunFolder
    from cvtui.runlog.history import History
    from cvtui.tui.panes.view_state import ViewState
    from cvtui.tui.train.pane_grid import PaneGrid


class RunView(Protocol):
    """The live view, as its parts see it: one run, how it is shown, and the panes that show it."""

    folder: RunFolder
    history: History
    view: ViewState

    @property
    def app(self) -> App[Any]: ...

    @property
    def grid(self) -> PaneGrid: ...

    def change_view(self, **changes: Any) -> None:
        """Replace fields of the view state and redraw."""

    def show_step(self, step: int | None) -> None:
        """Move the time cursor of all panes; None follows the run."""

    def post_message(self, message: Message, /) -> bool: ...
