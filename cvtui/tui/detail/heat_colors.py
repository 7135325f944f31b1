"""Colours of heat maps: zero looks like the theme's background, high values stand out from it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from textual.color import Color
from textual.theme import Theme

from cvtui.draw.half_blocks import Image, colour_map

FADE_STEPS = 48
"""Number of the 256 colours that fade from the background into the map."""


def theme_color_map(theme: Theme) -> Image:
    """256 colours, (256, 3): the first is the theme's background; on light grounds they grow darker."""
    return _map(Color.parse(theme.background or ("#000000" if theme.dark else "#ffffff")).rgb, theme.dark)


@lru_cache(maxsize=8)
def _map(background: tuple[int, int, int], dark: bool) -> Image:
    table = colour_map("magma", dark).astype(np.float64)
    share = np.clip(1 - np.arange(256) / FADE_STEPS, 0, 1)[:, None]
    return np.asarray(np.rint(table * (1 - share) + np.array(background) * share), dtype=np.uint8)
