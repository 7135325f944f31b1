"""The app as its screens see it: recipe, runs, and navigation between screens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cvtui.labs.claims import Claim
    from cvtui.recipe.recipe import Recipe
    from cvtui.runlog.folder import RunFolder
    from cvtui.tui.train import LiveView


class Session(Protocol):
    """The app, as its screens see it."""

    recipe: Recipe
    """Of the form."""
    runs: Path
    """Where run folders are made and listed."""
    places: list[Path]
    """Where they are listed from: `runs` first, then others, such as copies of other hosts' runs."""
    attach: RunFolder | None
    """A run to open at once."""
    started: list[RunFolder]
    """Runs of this session."""
    shown_run: tuple[str, str] | None
    """(name, state) of the run in the Train place."""
    prewarm: bool
    """True if an engine is kept loaded while the form is open."""

    def shown(self) -> None:
        """Notify that the first frame is there."""

    def set_shown_run(self, name: str, state: str) -> None: ...

    async def open_run(self, folder: RunFolder) -> None: ...

    def run_in_view(self) -> RunFolder | None:
        """Return the run in view, or under the cursor of the list; elsewhere the newest."""

    def shown_view(self) -> LiveView | None:
        """Return the run's view, where that is what the Train place shows."""

    async def action_go_to(self, name: str) -> None: ...

    async def use_net(self, net: str) -> None: ...

    async def calculate_claim(self, claim: Claim, predicted: str) -> None: ...

    async def action_new_run(self) -> None: ...

    def watch_end(self, folder: RunFolder, size: int = 0) -> None:
        """Have the end of a run told, by the terminal and as the user asked."""

    def follow_end(self, folder: RunFolder) -> None:
        """Have the terminal notify when a living run ends."""

    def offer_pause(self, parent: RunFolder, sentence: str) -> None:
        """Say that a fork slows its parent, with an action that pauses it."""

    def fork_shown_run(self) -> None: ...

    def open_log(self, path: Path) -> None:
        """Show another program's log, and what the doctor says of it."""
