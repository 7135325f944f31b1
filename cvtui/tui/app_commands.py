"""Commands of the palette that belong to no key of a place: places, jobs, the run in view, the look of the app."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.app import SystemCommand

from cvtui.tui.jobs.catalog import JOBS
from cvtui.tui.screens.base import SCREENS
from cvtui.tui.screens.themes import DARK

FULL_FPS = 10.0
"""Frames of a live run a second, where the line is not slow."""


def app_commands(app: Any) -> Iterator[SystemCommand]:
    """Make those that fit what the CvtuiApp, which imports this file, shows now."""
    for entry in SCREENS:
        yield SystemCommand(f"Go to {entry.title}", entry.about, partial(app.action_go_to, entry.name))
    yield SystemCommand("New run", "The form, as it was filled in", app.action_new_run)
    if app.shown_run is not None and app.shown_view() is None:
        yield SystemCommand("Back to the run", app.shown_run[0], app.action_show_run)
    for spec in JOBS:
        yield SystemCommand(spec.title, spec.about, partial(app.action_job, spec.name))
    if (view := app.shown_view()) is not None:
        yield SystemCommand("Evaluate", "How good the run is, and where it fails", view.action_evaluate)
        yield SystemCommand("Predict", "What the run says of a picture of your own", view.action_predict)
        if view.history.ranks.ranks:
            yield SystemCommand("Ranks", "Which process keeps the others waiting", partial(view.show_pane, "ranks"))
        yield SystemCommand("Doctor: test", "The short test of its first finding", app.action_doctor_test)
    if app.slowed is not None:
        yield SystemCommand(f"Pause {app.slowed.name}", "The parent of this fork", app.action_pause_parent)
    if app.jobs is not None and app.jobs.jobs:
        yield SystemCommand("Job", "The job that was started last", app.action_show_job)
    other = "Light" if app.theme == DARK.name else "Dark"
    yield SystemCommand(f"{other} theme", "Switch between dark and light", app.action_switch_theme)
    slow = app.fps < FULL_FPS
    yield SystemCommand(
        "All frames" if slow else "Fewer frames, for a slow line",
        f"{FULL_FPS:g} frames of a live run a second" if slow else "1 frame of a live run a second, as with --fps 1",
        app.action_slow_line,
    )
    yield SystemCommand("Keys", "The keys of this place", app.action_keys)
    yield SystemCommand(
        "Save a picture of the screen",
        "An SVG file in the working directory",
        lambda: app.set_timer(0.1, app.action_picture),
    )
    yield SystemCommand("Quit", "Quit; training may continue without the screen", app.action_leave)
