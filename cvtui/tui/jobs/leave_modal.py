"""Window that asks whether to quit while jobs run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from cvtui.text import clean
from cvtui.tui.widgets.confirm_modal import ConfirmModal


class LeaveJobsModal(ConfirmModal):
    """Return True to cancel them and quit."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "dismiss(False)", "Stay"),
        Binding("y", "dismiss(True)", "Cancel and quit"),
    ]
    QUESTION, YES, NO = "Quit: a job is running", "Cancel and quit", "Stay"

    def __init__(self, titles: Sequence[str]) -> None:
        super().__init__(f"{clean(', '.join(titles))}: quitting cancels it.")
