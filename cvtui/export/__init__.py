"""Exports of a run folder: HTML report, SVG picture, CSV tables, TensorBoard events, model card.

Reads a run folder like any other reader. Nothing here draws on a terminal or imports torch (tensorboard's writer is
fetched only when it is asked for).
"""

from __future__ import annotations

from cvtui.export.csv_tables import write_csv
from cvtui.export.loader_script import script_path, write_loader_script
from cvtui.export.model_card import write_model_card
from cvtui.export.report import write_html, write_svg
from cvtui.export.tensorboard import write_tensorboard

__all__ = [
    "script_path",
    "write_csv",
    "write_html",
    "write_loader_script",
    "write_model_card",
    "write_svg",
    "write_tensorboard",
]
