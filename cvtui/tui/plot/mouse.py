"""The mouse on a plot: the wheel zooms, a drag selects, moves the view or takes the cursor along, a click puts it."""

from __future__ import annotations

from textual import events
from textual.widget import Widget

from cvtui.draw.plot_scene import PlotFrame, Scene
from cvtui.draw.plot_view import Drag, within
from cvtui.draw.scales import Limits, moved, sound

ZOOM = 0.8
"""Width of the view after one notch of the wheel, as a share of the width before."""


class PlotMouse(Widget):
    """The part of `LinePlot` that follows the pointer."""

    cursor_x: float | None
    _view_x: Limits | None
    _view_y: Limits | None
    _drag: Drag | None = None

    @property
    def _frame(self) -> PlotFrame | None:
        raise NotImplementedError

    def _scene(self) -> Scene:
        raise NotImplementedError

    def _look_at(self, x: Limits | None, y: Limits | None) -> None:
        raise NotImplementedError

    def _zoom_x(self, factor: float, around: float) -> None:
        raise NotImplementedError

    def _zoom_y(self, factor: float, around: float) -> None:
        raise NotImplementedError

    def _put_cursor(self, x: float) -> None:
        raise NotImplementedError

    def action_pan(self, share: float) -> None:
        raise NotImplementedError

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._wheel(event, ZOOM)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._wheel(event, 1 / ZOOM)

    def on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        event.stop()
        self.action_pan(-0.1)

    def on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        event.stop()
        self.action_pan(0.1)

    def _wheel(self, event: events.MouseEvent, factor: float) -> None:
        frame, at = self._frame, event.get_content_offset(self)
        if frame is None or at is None:
            return
        event.stop()
        if event.shift or event.ctrl:
            self._zoom_y(factor, frame.y_share(at.y))
        else:
            self._zoom_x(factor, min(1.0, max(0.0, frame.x_share(at.x))))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        frame, at = self._frame, event.get_content_offset(self)
        if frame is None or at is None:
            return
        event.stop()
        selects = self._view_x is None or event.shift or event.ctrl or event.button == 3
        cursor = None if self.cursor_x is None else frame.column_of(self.cursor_x)
        carries = cursor is not None and abs(frame.left + cursor // 2 - at.x) <= 1 and event.button == 1
        self._drag = Drag(at.x, at.y, frame, selects, carries and not (event.shift or event.ctrl))
        self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        drag = self._drag
        if drag is None:
            return
        at = event.get_content_offset_capture(self)
        drag.moved |= abs(at.x - drag.x) > 1 or abs(at.y - drag.y) > 1
        if not drag.moved:
            return
        event.stop()
        if drag.carries:
            self._put_cursor(drag.frame.x_at(at.x))
        elif drag.selects:
            drag.selection = (drag.frame.x_at(drag.x), drag.frame.x_at(at.x))
            self.refresh()
        else:
            self._drag_view(drag, at.x - drag.x, at.y - drag.y)

    def _drag_view(self, drag: Drag, right: int, down: int) -> None:
        """Move the view so that what was under the pointer at the start of the drag stays under it."""
        frame, home = drag.frame, self._scene().x_home()
        if home is None:
            return
        across, up = frame.across, frame.up
        x = within(moved(across.limits, frame.x_share(0) - frame.x_share(right), across.kind), home, across.kind)
        y = self._view_y
        if y is not None:
            y = moved(up.limits, frame.y_share(0) - frame.y_share(down), up.kind)
        self._look_at(x, y)

    def on_mouse_up(self, event: events.MouseUp) -> None:
        drag, self._drag = self._drag, None
        if drag is None:
            return
        event.stop()
        self.release_mouse()
        self.refresh()
        if not drag.moved:
            self._put_cursor(drag.frame.x_at(drag.x))
        elif drag.carries:
            pass
        elif drag.selection is not None:
            low, high = sorted(drag.selection)
            home = self._scene().x_home()
            limits = Limits(low, high) if home is None else Limits(max(low, home.low), min(high, home.high))
            if sound(limits, drag.frame.across.kind):
                self._look_at(limits, self._view_y)
