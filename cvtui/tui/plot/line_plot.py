"""Curves in the terminal: `LinePlot`.

It is given lines, marks and guides, and draws them in braille with two axes. Zooming and moving are its own business
and survive new data. What turns numbers into dots is in `draw.braille`, what goes where in `draw.plot_drawing`;
neither knows of Textual.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Self

from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from cvtui.draw.plot_data import Guide, Line, Mark, Track, told_apart
from cvtui.draw.plot_drawing import DrawnPlot, RasterCache, draw
from cvtui.draw.plot_scene import WHOLE, PlotFrame, Scene
from cvtui.draw.plot_view import within
from cvtui.draw.scales import Limits, Scale, moved, sound, zoomed
from cvtui.tui.plot.mouse import ZOOM, PlotMouse
from cvtui.tui.plot.theme_colors import Palette, shows_colours

__all__ = ["Guide", "Line", "LinePlot", "Mark"]


class LinePlot(PlotMouse, can_focus=True):
    """A figure with curves.

    Wheel: zoom x at the pointer (with shift or ctrl: y). Drag: select a range to zoom into; when zoomed, move the view
    (then shift, ctrl or the right button selects). Click: put the cursor there; a drag that begins on
    it takes it along. Keys: see BINDINGS.
    """

    ALLOW_SELECT = False
    BINDING_GROUP_TITLE = "The plot"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom(1)", "Zoom in", show=False),
        Binding("minus", "zoom(-1)", "Zoom out", show=False),
        Binding("shift+left", "pan(-0.2)", "Move left", show=False),
        Binding("shift+right", "pan(0.2)", "Move right", show=False),
        Binding("r", "reset_zoom", "Reset", show=False),
        Binding("y", "next_range", "Range", show=False, tooltip="y axis: without spikes, with them, logarithmic"),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "line-plot--axis",
        "line-plot--label",
        "line-plot--title",
        "line-plot--legend",
        "line-plot--grid",
        "line-plot--guide",
        "line-plot--mark",
        "line-plot--now",
        "line-plot--cursor",
        "line-plot--selection",
        "line-plot--warning",
        "line-plot--error",
        "line-plot--empty",
        *(f"line-plot--series-{number}" for number in range(1, 9)),
    }
    DEFAULT_CSS = """
    LinePlot {
        width: 1fr; height: 1fr; background: transparent; color: $foreground;
        & .line-plot--axis { color: $foreground 50%; }
        &:focus .line-plot--axis { color: $foreground 60%; }
        & .line-plot--label { color: $foreground 65%; }
        & .line-plot--title { color: $foreground; text-style: bold; }
        & .line-plot--legend { color: $foreground 80%; }
        & .line-plot--grid { color: $foreground 15%; }
        & .line-plot--guide { color: $foreground 60%; }
        & .line-plot--mark { color: $warning; }
        & .line-plot--now { color: $foreground 70%; }
        & .line-plot--cursor { color: $foreground; }
        & .line-plot--selection { background: $primary 30%; }
        & .line-plot--warning { color: $text-warning; }
        & .line-plot--error { color: $error; text-style: bold; }
        & .line-plot--empty { color: $foreground 60%; }
        & .line-plot--series-1 { color: $primary; }
        & .line-plot--series-2 { color: $accent; }
        & .line-plot--series-3 { color: $success; }
        & .line-plot--series-4 { color: #b07fe0; }
        & .line-plot--series-5 { color: #45c4cf; }
        & .line-plot--series-6 { color: #f08fc0; }
        & .line-plot--series-7 { color: #d9c94a; }
        & .line-plot--series-8 { color: #c08a5a; }
    }
    """

    title: reactive[str] = reactive("")
    """In the first row, with the legend beside it when there is room."""
    x_kind: reactive[str] = reactive("step")
    """step, epoch, samples (whole numbers), time (seconds), number, rate."""
    y_kind: reactive[str] = reactive("number")
    """number, percent (of shares 0 … 1), rate."""
    x_label: reactive[str | None] = reactive(None)
    """None: what the kind of x is called."""
    log_x: reactive[bool] = reactive(False)
    log_y: reactive[bool] = reactive(False)
    """Values of 0 and below are left out and counted on the plot; with none above 0 the axis is linear and says so."""
    full_y: reactive[bool] = reactive(False)
    """Whether a linear axis reaches to every spike, instead of marking a few at its edge."""
    now: reactive[float | None] = reactive(None)
    """Where the run is: an upright line of its own."""
    cursor_x: reactive[float | None] = reactive(None)
    """An upright line with the values at it in the legend: each line's last sample at or before it."""
    x_ends: reactive[tuple[float | None, float | None]] = reactive((None, None))
    """Ends of the x axis when not zoomed; None: those of the data."""
    y_ends: reactive[tuple[float | None, float | None]] = reactive((None, None))
    """The same of y; None: such that all in view fits."""
    empty: reactive[str] = reactive("waiting for the first step")
    """Said in the middle while there is no line."""
    legend: reactive[bool] = reactive(True)

    class Zoomed(Message):
        """The person changed what is in view; None stands for all of it."""

        def __init__(self, plot: LinePlot, x: Limits | None, y: Limits | None) -> None:
            super().__init__()
            self.plot, self.x, self.y = plot, x, y

        @property
        def control(self) -> LinePlot:
            return self.plot

    class CursorMoved(Message):
        """The person put the cursor on the sample at x."""

        def __init__(self, plot: LinePlot, x: float) -> None:
            super().__init__()
            self.plot, self.x = plot, x

        @property
        def control(self) -> LinePlot:
            return self.plot

    def __init__(
        self,
        title: str = "",
        *,
        x_kind: str = "step",
        y_kind: str = "number",
        name: str | None = None,
        id: str | None = None,  # noqa: A002 (Textual's name)
        classes: str | None = None,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self.set_reactive(LinePlot.title, title)
        self.set_reactive(LinePlot.x_kind, x_kind)
        self.set_reactive(LinePlot.y_kind, y_kind)
        self._tracks: list[Track] = []
        self._marks: list[Mark] = []
        self._guides: list[Guide] = []
        self._view_x: Limits | None = None
        self._view_y: Limits | None = None
        self._cache = RasterCache()
        self._palette = Palette(self)
        self._picture: DrawnPlot | None = None
        self._strips: list[Strip] = []
        self._key: tuple[object, ...] = (None, None, 0)
        self._stale = True
        self._drag = None
        self._corner: int | None = None

    # ------------------------------------------------------------------ what is shown

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Show these lines instead of those before. A line of the same name that has only grown costs little."""
        if self.is_attached and not shows_colours(self.app):
            lines = told_apart(lines)
        known: dict[str, list[Track]] = {}
        for track in self._tracks:
            known.setdefault(track.line.name, []).append(track)
        self._tracks = []
        for line in lines:
            same = known.get(line.name)
            if same:
                track = same.pop(0)
                track.take(line)
            else:
                track = Track(line)
            self._tracks.append(track)
        self._cache.forget(self._tracks)
        if self._scene().key() != self._key[0]:
            self.refresh()

    def set_marks(self, marks: Sequence[Mark]) -> None:
        if list(marks) != self._marks:
            self._marks = list(marks)
            self.refresh()

    def set_guides(self, guides: Sequence[Guide]) -> None:
        if list(guides) != self._guides:
            self._guides = list(guides)
            self.refresh()

    @property
    def lines(self) -> list[Line]:
        return [track.line for track in self._tracks]

    @property
    def marks(self) -> list[Mark]:
        return list(self._marks)

    @property
    def guides(self) -> list[Guide]:
        return list(self._guides)

    @property
    def text(self) -> str:
        """The picture without colours."""
        return "\n".join(strip.text for strip in self._drawn())

    # ------------------------------------------------------------------ drawing

    def _scene(self) -> Scene:
        drag = self._drag
        return Scene(
            title=self.title,
            tracks=self._tracks,
            marks=self._marks,
            guides=self._guides,
            now=self.now,
            cursor=self.cursor_x,
            selection=drag.selection if drag is not None else None,
            x_kind=self.x_kind,
            y_kind=self.y_kind,
            x_label=self.x_label,
            log_x=self.log_x,
            log_y=self.log_y,
            robust=not self.full_y,
            home=self.x_ends,
            y_home=self.y_ends,
            view_x=self._view_x,
            view_y=self._view_y,
            empty=self.empty,
            legend=self.legend,
        )

    def _drawn(self) -> list[Strip]:
        """Return the strips of the whole picture; redrawn only when data, size, view or theme have changed."""
        size = self.size
        if not self._stale and size == self._key[1]:
            return self._strips
        self._stale = False
        scene = self._scene()
        key = (scene.key(), size, self._palette.version)
        if key != self._key:
            self._picture = draw(scene, size.width, size.height, self._cache, self._corner)
            self._corner = self._picture.corner
            canvas = self._picture.canvas
            self._strips = [Strip(row, canvas.width) for row in canvas.segments(self._palette.style)]
            self._key = key
        return self._strips

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """As in Textual; what was drawn is compared with what should be before it is used again."""
        self._stale = True
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def render_line(self, y: int) -> Strip:
        strips = self._drawn()
        return strips[y] if 0 <= y < len(strips) else Strip.blank(self.size.width, self.rich_style)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._palette.forget()
        self._stale = True

    @property
    def _frame(self) -> PlotFrame | None:
        self._drawn()
        return self._picture.frame if self._picture is not None else None

    # ------------------------------------------------------------------ zoom

    @property
    def view(self) -> tuple[Limits | None, Limits | None]:
        """What x and y are zoomed to; None: all."""
        return self._view_x, self._view_y

    def reveal(self, x: float) -> None:
        """Where x is out of a zoomed view, moves that so that x is in its middle."""
        view, home = self._view_x, self._scene().x_home()
        if view is None or home is None or view.low <= x <= view.high:
            return
        kind = self._scene().x_scale_kind
        place = float(Scale(view, kind).to_dots(x, 2))
        self._look_at(within(moved(view, place - 0.5, kind), home, kind), self._view_y)

    def reset_zoom(self) -> None:
        """Show all of it again, and follow new data."""
        if self._view_x is not None or self._view_y is not None:
            self._look_at(None, None)

    def _look_at(self, x: Limits | None, y: Limits | None) -> None:
        home = self._scene().x_home()
        if x is not None and home is not None and x.low <= home.low and x.high >= home.high:
            x = None  # zoomed out as far as there is something: follow again
        if (x, y) == (self._view_x, self._view_y):
            return
        self._view_x, self._view_y = x, y
        self.refresh()
        self.post_message(self.Zoomed(self, x, y))

    def _zoom_x(self, factor: float, around: float) -> None:
        frame = self._frame
        home = self._scene().x_home()
        if frame is None or home is None:
            return
        kind = frame.across.kind
        limits = within(zoomed(frame.across.limits, around, factor, kind), home, kind)
        least = 2.0 if self.x_kind in WHOLE and kind == "linear" and self.x_kind != "epoch" else 0.0
        if factor >= 1 or (sound(limits, kind) and limits.high - limits.low >= least):
            self._look_at(limits, self._view_y)

    def _zoom_y(self, factor: float, around: float) -> None:
        frame = self._frame
        if frame is None:
            return
        limits = zoomed(frame.up.limits, around, factor, frame.up.kind)
        if sound(limits, frame.up.kind):
            self._look_at(self._view_x, limits)

    def action_zoom(self, way: int) -> None:
        """Closer (1) or further (−1), around the cursor or the middle."""
        frame = self._frame
        around = 0.5
        if frame is not None and self.cursor_x is not None and frame.column_of(self.cursor_x) is not None:
            around = float(frame.across.to_dots(self.cursor_x, 2))
        self._zoom_x(ZOOM if way > 0 else 1 / ZOOM, around)

    def action_pan(self, share: float) -> None:
        """Move the view by a share of its width."""
        home = self._scene().x_home()
        if self._view_x is not None and home is not None and (frame := self._frame) is not None:
            kind = frame.across.kind
            self._look_at(within(moved(self._view_x, share, kind), home, kind), self._view_y)

    def action_reset_zoom(self) -> None:
        self.reset_zoom()

    def action_next_range(self) -> None:
        """Show the y axis without its spikes, then with them, then logarithmic."""
        self._view_y = None
        self.full_y, self.log_y = not self.full_y and not self.log_y, self.full_y

    # ------------------------------------------------------------------ mouse

    def _put_cursor(self, x: float) -> None:
        """On the sample nearest to x, of the line that has most of them."""
        tracks = [track for track in self._tracks if len(track.x)]
        if not tracks:
            return
        nearest = max(tracks, key=lambda track: len(track.x)).nearest(x)
        if nearest is not None and nearest != self.cursor_x:
            self.cursor_x = nearest
            self.post_message(self.CursorMoved(self, nearest))
