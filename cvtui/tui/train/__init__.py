"""The live view of one run: `LiveView(folder)`."""

from cvtui.tui.train.live_view import LiveView

__all__ = ["LiveView"]
