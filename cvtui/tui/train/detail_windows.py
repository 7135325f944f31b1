"""The windows that a run's view opens: pictures, evaluation, predictions, a layer over time, and why."""

from __future__ import annotations

from textual.widget import Widget

from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from cvtui.tui.panes.layers_table import LayersTable
from cvtui.tui.panes.view_state import ViewState
from cvtui.tui.train.modals import WhyModal
from cvtui.tui.widgets.late_calls import LateCalls


class DetailWindows(LateCalls, Widget):
    """Part of a run's view: each action opens a window on the run, at the moment that is shown."""

    folder: RunFolder
    history: History
    view: ViewState

    def action_pictures(self) -> None:
        from cvtui.tui.detail.pictures_view import PicturesView

        self.app.push_screen(PicturesView(self.history, self.view.cursor))

    def action_evaluate(self) -> None:
        from cvtui.tui.detail.evaluation_view import EvaluationView

        self.app.push_screen(EvaluationView(self.folder))

    def action_predict(self) -> None:
        from cvtui.tui.detail.predict_view import PredictView

        self.app.push_screen(PredictView(self.folder))

    def on_layers_table_opened(self) -> None:
        self.action_layer()

    def action_layer(self) -> None:
        """Open the layer under the Layers pane's cursor, over time."""
        from cvtui.tui.detail.layer_detail import LayerDetail
        from cvtui.tui.detail.layer_series import layer_names

        row = self.query_one(LayersTable).row
        names = layer_names(self.history)
        if not names:
            self.notify("No layer has been sampled.", severity="warning")
            return
        name = row.name if row is not None and row.name in names else names[0]
        self.app.push_screen(LayerDetail(self.history, name, self.view.cursor))

    def action_why(self) -> None:
        self.app.push_screen(WhyModal(self.history.epochs[-1] if self.history.epochs else None))
