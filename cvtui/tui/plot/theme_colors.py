"""From the names of styles in a drawing to colours of the theme that can be read on its ground."""

from __future__ import annotations

from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.color import Color, ColorParseError
from textual.strip import Strip
from textual.widget import Widget

CONTRAST = 3.0
"""Least contrast of a curve to the ground: WCAG 2.2's for graphical objects."""
WORDS = 4.5
"""Least contrast of words to the ground: WCAG 2.2's, level AA."""
_FAINT = 0.5
"""How much of a faint curve's colour is left on the ground."""
_OWN = {"name": "label", "value": "title", "cursor-label": "cursor"}
"""Names that have no component class of their own, and the one they take their colour from."""


def shows_shades(app: App[Any]) -> bool:
    """Return True if the terminal has so many colours that a mosaic of them is a picture: 256 and more."""
    return app.is_headless or app.console.color_system in ("256", "truecolor", "windows")


def shows_colours(app: App[Any]) -> bool:
    """Return True if colours can tell curves and areas apart; False with NO_COLOR and on terminals of 16 colours."""
    return not app.no_color and shows_shades(app)


def luminance(color: Color) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: Color, other: Color) -> float:
    """Contrast ratio, 1 … 21, WCAG 2.2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def readable(color: Color, ground: Color, least: float = CONTRAST) -> Color:
    """Move a colour towards white or black until it stands out from the ground."""
    if color.ansi is not None or ground.ansi is not None:
        return color
    goal = Color(255, 255, 255) if luminance(ground) < 0.18 else Color(0, 0, 0)
    for share in range(11):
        moved = color.blend(goal, share / 10)
        if contrast(moved, ground) >= least:
            return moved
    return goal


def readable_words(style: Style) -> Style:
    """Move a style's ink away from its own ground as far as words need."""
    if not (style.color and style.bgcolor and style.color.triplet and style.bgcolor.triplet):
        return style
    ink, ground = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    return style + Style(color=readable(ink, ground, WORDS).rich_color)


def readable_strip(strip: Strip) -> Strip:
    """Move the ink of a line's letters and digits as far from their ground as words need."""
    return Strip(
        [
            Segment(text, readable_words(style) if style and any(map(str.isalnum, text)) else style, control)
            for text, style, control in strip
        ],
        strip.cell_length,
    )


class Palette:
    """Styles by name for one widget: `axis`, `series-2`, `dim series-2`, `$success`, `#ff8800`, `selected …`.

    `words …` is the same colour, as far from the ground as words need.
    """

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._styles: dict[str, Style] = {}
        self.version = 0

    def forget(self) -> None:
        """After a change of theme or style sheet."""
        self._styles.clear()
        self.version += 1

    def style(self, name: str) -> Style:
        if name not in self._styles:
            self._styles[name] = self._make(name)
        return self._styles[name]

    def _make(self, name: str) -> Style:
        ground = self._widget.background_colors[1]
        if name.startswith("selected "):
            plain = self.style(name.removeprefix("selected "))
            shade = ground + self._widget.get_component_styles("line-plot--selection").background
            return plain + Style(bgcolor=shade.rich_color)
        on = Style(bgcolor=ground.rich_color) if ground.a else Style()
        if not name:
            return on
        least = WORDS if name.startswith("words ") else CONTRAST
        name = name.removeprefix("words ")
        faint, name = name.startswith("dim ") and least == CONTRAST, name.removeprefix("dim ")
        if name[0] in "$#=" or name.startswith("series-"):
            color = readable(self._curve_color(name), ground, least)
            if color.ansi is not None:
                return on + Style(color=color.rich_color, dim=faint)
            return on + Style(color=(readable(ground.blend(color, _FAINT), ground) if faint else color).rich_color)
        component = self._widget.get_component_styles(f"line-plot--{_OWN.get(name, name)}")
        color = component.color if component.color.ansi is not None else ground + component.color
        if name in ("mark", "guide", "error", "warning"):
            color = readable(color, ground, WORDS if name in ("error", "warning") else least)
        style = on + Style(color=color.rich_color) + (component.text_style if name != "value" else Style())
        if name == "name":
            return style + Style(italic=True)
        return style + Style(reverse=True) if name == "cursor-label" else style

    def _curve_color(self, name: str) -> Color:
        if name.startswith("series-"):
            return self._widget.get_component_styles(f"line-plot--{name}").color
        text = name if name.startswith("#") else self._widget.app.theme_variables.get(name[1:], name[1:])
        try:
            return Color.parse(text)
        except ColorParseError:
            return self._widget.get_component_styles("line-plot--series-1").color
