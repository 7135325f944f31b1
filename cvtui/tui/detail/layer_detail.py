"""One layer over time: where its values lie, how they spread, what the updates move, its weights then and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from cvtui.draw.blocks import histogram as strip_of
from cvtui.draw.half_blocks import heat
from cvtui.draw.plot_data import Guide, Line
from cvtui.text import clean, count, significant
from cvtui.tui.detail.heat_colors import theme_color_map
from cvtui.tui.detail.layer_series import LayerSeries, layer_names, layer_series, spread
from cvtui.tui.detail.raster_view import RasterView
from cvtui.tui.panes.pane import whole_parts
from cvtui.tui.plot.line_plot import LinePlot
from cvtui.tui.widgets import MUTED
from cvtui.tui.widgets.modal import Modal
from cvtui.tui.widgets.moves import DOWN, UP

if TYPE_CHECKING:
    from cvtui.runlog.events import Histogram, LayerStats
    from cvtui.runlog.history import History

REFRESH_SECONDS = 1.0


class LayerDetail(Modal[None]):
    """Everything that the log holds of one layer; up and down go to its neighbours. Follows a living run."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "dismiss", "Back", tooltip="Back to all panes"),
        Binding(UP, "other(-1)", "Up", tooltip="The layer before this one"),
        Binding(DOWN, "other(1)", "Down", tooltip="The layer after this one"),
    ]
    DEFAULT_CSS = """
    LayerDetail {
        background: $background;
        & #rows { height: 1fr; }
        & .card {
            border: round $foreground 25%; padding: 0 1; height: 1fr; width: 1fr;
            border-title-color: $foreground 60%; border-subtitle-color: $foreground 60%;
        }
        & #heats, & #plots { layout: horizontal; height: 1fr; }
        & #weights { height: 6; }
    }
    """

    def __init__(self, history: History, name: str, until: int | None = None) -> None:
        super().__init__()
        self.history, self.shown, self.until = history, name, until
        self._drawn: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        with Vertical(id="rows"):
            with Horizontal(id="heats"):
                for name, title in (
                    ("activations", "Activations over time"),
                    ("gradients", "Gradients of the weights"),
                ):
                    with Container(classes="card", id=name) as card:
                        card.border_title = title
                        yield RasterView()
            with Horizontal(id="plots"):
                yield LinePlot("mean ± std", id="spread", classes="card")
                yield LinePlot("update ratio", id="ratio", classes="card")
                yield LinePlot("dead, zeros, saturated", id="shares", classes="card")
            with Container(classes="card", id="weights") as card:
                card.border_title = "Weights"
                yield Static(id="words")

    def on_mount(self) -> None:
        self.query_one("#ratio", LinePlot).log_y = True
        self.query_one("#shares", LinePlot).y_kind = "percent"
        self.draw()
        self.set_interval(REFRESH_SECONDS, self.draw)

    def action_other(self, by: int) -> None:
        names = layer_names(self.history)
        if self.shown in names:
            self.shown = names[(names.index(self.shown) + by) % len(names)]
            self.draw()

    def draw(self) -> None:
        """Redraw if there are new samples or another layer is chosen."""
        key = (self.shown, len(self.history.layer_steps), self.app.current_theme.dark, self.query_one("#heats").size)
        if key == self._drawn:
            return
        self._drawn = key
        series = layer_series(self.history, self.shown, self.until)
        with self.app.batch_update():
            self._draw_heat("activations", series, "histogram")
            self._draw_heat("gradients", series, "grad_histogram")
            self._draw_plots(series)
            self.query_one("#words", Static).update(_weights(series, max(16, min(64, self.size.width - 50))))

    def _draw_heat(self, name: str, series: LayerSeries, field: str) -> None:
        card = self.query_one(f"#{name}")
        heat_map = series.heat(field)
        view = card.query_one(RasterView)
        if heat_map is None:
            view.show(None)
            card.border_subtitle = "not recorded for this layer"
            return
        picture, low, high = heat_map
        view.show(heat(picture, theme_color_map(self.app.current_theme), 0.0))
        steps = f"→ steps {count(int(series.steps[0]))} to {count(int(series.steps[-1]))}"
        more = "brighter" if self.app.current_theme.dark else "darker"
        axes = f"↑ {significant(low)} to {significant(high)} · {steps} · {more} = more units"
        card.border_subtitle = whole_parts(axes, card)
        if name == "activations":
            card.border_title = f"{clean(self.shown)}: activations over time"

    def _draw_plots(self, series: LayerSeries) -> None:
        x, mean, std = series.steps, series.column("mean"), series.column("std")
        lines = [
            Line("mean + std", x, mean + std, "$primary", dim=True, legend=False, gaps=False),
            Line("mean − std", x, mean - std, "$primary", dim=True, legend=False, gaps=False),
            Line("mean", x, mean, "$primary", gaps=False),
            Line("std", x, std, "$warning", gaps=False),
        ]
        self.query_one("#spread", LinePlot).set_lines(lines if len(x) else [])
        ratio = self.query_one("#ratio", LinePlot)
        moved = series.column("update_ratio")
        ratio.set_lines([Line("‖Δw‖ / ‖w‖", x, moved, "$success", gaps=False)] if np.isfinite(moved).any() else [])
        ratio.set_guides([Guide(1e-3, "1e-3")])
        ratio.empty = "this layer has no weights" if len(x) else "no sample"
        shares = []
        for field, colour in (("dead", "$error"), ("zeros", "$foreground"), ("saturated", "$warning")):
            values = series.column(field)
            if np.isfinite(values).any():
                shares.append(Line(field, x, values, colour, gaps=False))
        self.query_one("#shares", LinePlot).set_lines(shares)


def _weights(series: LayerSeries, room: int) -> Content:
    """Draw the weights' histogram at the first sample and now, on one axis."""
    known = [stats for stats in series.stats if stats.weight_histogram is not None]
    if not known:
        return Content.styled("This layer has no weights, or they were not recorded.", MUTED)
    first, last = known[0], known[-1]
    assert first.weight_histogram is not None
    assert last.weight_histogram is not None
    low = min(first.weight_histogram.low, last.weight_histogram.low)
    high = max(first.weight_histogram.high, last.weight_histogram.high)
    lines = [_strip("at first", first, low, high, room), _strip("now", last, low, high, room)]
    axis = f"{'':<10}{significant(low)}{significant(high):>{max(1, room - len(significant(low)))}}"
    return Content("\n").join([*lines, Content.styled(axis, MUTED)])


def _strip(label: str, stats: LayerStats, low: float, high: float, room: int) -> Content:
    histogram: Histogram | None = stats.weight_histogram
    assert histogram is not None
    shares = spread(histogram, np.linspace(low, high, room + 1))
    bars = strip_of(shares.tolist(), room)
    text = f"  mean {significant(stats.weight_mean)}  std {significant(stats.weight_std)}"
    return Content.assemble((f"{label:<10}", MUTED), (bars, "$primary"), (text, MUTED))
