"""What is seen, taken out of a run folder: an HTML report, an SVG picture, CSV tables, TensorBoard events.

Reads a run folder like any other reader. Nothing here draws on a terminal or imports torch (tensorboard's writer is
fetched only when it is asked for).
"""

from __future__ import annotations

from cvtui.export.csv_tables import write_csv
from cvtui.export.report import write_html, write_svg
from cvtui.export.tensorboard import write_tensorboard

__all__ = ["write_csv", "write_html", "write_svg", "write_tensorboard"]
