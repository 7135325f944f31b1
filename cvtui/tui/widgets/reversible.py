"""Reverse video in a style sheet, for lists and lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.style import Style as VisualStyle
    from textual.widget import Widget as _Widget
else:
    _Widget = object


class Reversible(_Widget):
    """Mixin: `text-style: reverse` of a component class is drawn. Textual 8 drops it, bold and underline it keeps."""

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> VisualStyle:
        style = super().get_visual_style(*component_classes, partial=partial)
        if any(self.get_component_styles(name).text_style.reverse for name in component_classes):
            return replace(style, reverse=True)
        return style
