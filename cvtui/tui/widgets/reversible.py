"""The cursor of lists, and reverse video in a style sheet, for lists and lines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cvtui.tui.plot.theme_colors import readable_strip

if TYPE_CHECKING:
    from textual.strip import Strip
    from textual.style import Style as VisualStyle
    from textual.widget import Widget as _Widget
else:
    _Widget = object


def cursor_style(name: str) -> str:
    """Return the style sheet of a list's cursor: a shade; quiet words are none on Textual's full colour."""
    return f"""
    {name} {{
        & > .option-list--option-highlighted {{ background: $foreground 8%; color: $foreground; text-style: none; }}
        &:focus > .option-list--option-highlighted {{
            background: $primary 35%; color: $foreground; text-style: none;
        }}
    }}
    """


class Reversible(_Widget):
    """Mixin: `text-style: reverse` of a component class is drawn. Textual 8 drops it, bold and underline it keeps."""

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> VisualStyle:
        style = super().get_visual_style(*component_classes, partial=partial)
        if any(self.get_component_styles(name).text_style.reverse for name in component_classes):
            return replace(style, reverse=True)
        return style

    def render_line(self, y: int) -> Strip:
        """Draw a line whose quiet words can be read under the cursor too."""
        return readable_strip(super().render_line(y))
