"""Image files as uint8 pixels, whatever their format, and the one-line reason of those that can't be read."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.data.pillow_plugins import open_plugin

if TYPE_CHECKING:
    from PIL.Image import Image


MOST_PIXELS = 64_000_000
"""A larger image is not decoded: a file of some kB may unpack to gigabytes (a decompression bomb)."""


class Unreadable(Exception):
    """A file that is no image, or none that is wanted; the words say why."""


def decode(path: str, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode an image file to height x width x 3.

    It is turned as its EXIF says, scaled to cover the shape, cut to its middle.
    """
    from PIL import Image, ImageOps

    open_plugin(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise Unreadable(f"{opened.width}x{opened.height} pixels are too many")
                opened.draft("RGB", (2 * shape[1], 2 * shape[0]))  # a JPEG is decoded smaller, several times as fast
                image = to_rgb(ImageOps.exif_transpose(opened))
                high, wide = shape
                fitted = ImageOps.fit(image, (wide, high), Image.Resampling.BILINEAR)
                return np.asarray(fitted, dtype=np.uint8)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable("its pixels are too many") from None
    except Exception as error:  # Pillow's readers raise nearly anything on bytes that lie
        words = " ".join(str(error).replace(path, "").replace("''", "").split()) or type(error).__name__
        raise Unreadable("it can't be decoded: " + words[:80]) from None


def to_rgb(image: Image) -> Image:
    """Grey, palette, CMYK, 16 bits, floats, transparent (on white): all become RGB of 8 bits."""
    from PIL import Image as Pillow

    if image.mode.startswith("I") or image.mode == "F":  # 16 and 32 bits: Pillow would cut them off at 255
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max(initial=0) > 255 else 255.0
        image = Pillow.fromarray((values.clip(0, top) * (255 / top)).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Pillow.new("RGBA", image.size, (255, 255, 255, 255))
        image = Pillow.alpha_composite(ground, image)
    return image.convert("RGB")


def shown(path: str) -> str:
    """Return the last two parts of a path, without what a terminal would obey."""
    name = "/".join(path.split(os.sep)[-2:])
    return name if name.isprintable() else ascii(name)[1:-1]
