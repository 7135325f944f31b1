"""The app begun in a place other than Train, whose form costs as much again as most of what is asked elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvtui.tui.app import CvtuiApp
from cvtui.tui.screens.base import SCREENS


def begun_at(place: str, runs: Path, **more: Any) -> CvtuiApp:
    """Return the app with `place` for its first screen, as Train is a user's."""
    return _KINDS[place](runs=runs, prewarm=False, **more)


def _kind(place: str) -> type[CvtuiApp]:
    others = {entry.name: entry.screen for entry in SCREENS if entry.name != place}
    return type("CvtuiApp", (CvtuiApp,), {"DEFAULT_MODE": place, "MODES": others})


_KINDS = {entry.name: _kind(entry.name) for entry in SCREENS[1:]}
