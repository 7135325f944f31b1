"""Picture with a map over it: where values are small the picture in grey, where they are large the map's colour."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import ArrayLike

from cvtui.draw.half_blocks import Image, colour_map
from cvtui.runlog.explanation import SIGNED, Explained

MOST = 0.8
"""Share of the map's colour where its value is largest."""
REACH = 99.5
"""Percentile of the absolute values that gets the full colour: single pixels would leave the others pale."""


def overlaid(image: Image, values: ArrayLike, signed: bool) -> Image:
    """Lay values (h, w) over an image (h, w, 3); signed: those below 0 blue, above 0 orange; else magma."""
    given = np.nan_to_num(np.asarray(values, np.float64))
    reach = float(np.percentile(np.abs(given), REACH)) or float(np.abs(given).max()) or 1.0
    share = np.clip(given / reach, -1, 1)
    place = (share + 1) / 2 if signed else np.clip(share, 0, 1)
    colours = colour_map("diverging" if signed else "magma")[np.rint(place * 255).astype(np.uint8)]
    grey = np.repeat(image.astype(np.float64).mean(axis=2, keepdims=True), 3, axis=2)
    weight = np.abs(share if signed else np.clip(share, 0, 1))[..., None] * MOST
    return np.asarray(np.rint(grey * (1 - weight) + colours * weight), dtype=np.uint8)


def picture_of(found: Explained) -> Image:
    """Return the explained image with its map over it."""
    from PIL import Image as Pillow

    with Pillow.open(io.BytesIO(base64.b64decode(found.png)), formats=["PNG"]) as opened:
        image = np.asarray(opened.convert("RGB"), dtype=np.uint8)
    return overlaid(image, np.array(found.values).reshape(found.height, found.width), found.method in SIGNED)
