"""The curve of a learning-rate range test as a figure."""

from __future__ import annotations

from cvtui.compare.lr_range_rule import Bracket
from cvtui.draw.figures import Curve, Curves


def range_curve(found: Bracket) -> Curves:
    """Loss over log lr, with the bracket in its title."""
    return Curves(
        title=f"Range test: bracket {found.low:.2g} to {found.high:.2g}, its guess {found.pick:.2g}",
        x_label="learning rate",
        y_label="loss",
        log_x=True,
        curves=[Curve(name="loss", x=found.lr.tolist(), y=found.loss.tolist())],
    )
