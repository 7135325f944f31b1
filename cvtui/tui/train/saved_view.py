"""The choices of the live view that are remembered: from a view to plain values, and back."""

from __future__ import annotations

from typing import Any

from cvtui import settings
from cvtui.tui.panes.registry import NAMES
from cvtui.tui.panes.view_state import SMOOTHINGS, X_AXES, ViewState


def remembered() -> tuple[ViewState, str]:
    """Return (the saved view, the maximised pane or ""); unknown values count as not saved."""
    kept = settings.load()
    fresh = ViewState()
    axis, smoothing, log_y, full_y, alone = (
        kept.get(name) for name in ("x_axis", "smoothing", "log_y", "full_y", "alone")
    )
    names = [name for name, _ in SMOOTHINGS]
    view = ViewState(
        x_axis=axis if axis in X_AXES else fresh.x_axis,
        smoothing=names.index(smoothing) if smoothing in names else fresh.smoothing,
        log_y=_strings(log_y) & frozenset(NAMES),
        full_y=_strings(full_y) & frozenset(NAMES),
    )
    return view, alone if alone in NAMES else ""


def remember(view: ViewState, alone: str) -> None:
    settings.keep(
        x_axis=view.x_axis,
        smoothing=view.smoothing_name,
        log_y=sorted(view.log_y),
        full_y=sorted(view.full_y),
        alone=alone,
    )


def _strings(value: Any) -> frozenset[str]:
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else frozenset()
