"""Image files as pixels, whatever their format, and the one-line reason of those that can't be read."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cvtui.engine.data.depth import Depth, ValueRange
from cvtui.engine.data.jpeg2000 import bits_of
from cvtui.engine.data.pillow_plugins import open_plugin
from cvtui.engine.data.tiff_bands import bands_of
from cvtui.engine.runtime import forks  # noqa: F401  # what decodes may be forked beside a thread that imports
from cvtui.recipe.datasets.packed import Packed

if TYPE_CHECKING:
    from PIL.Image import Image


MOST_PIXELS = 64_000_000
"""A larger image is not decoded: a file of some kB may unpack to gigabytes (a decompression bomb)."""
LARGE_PIXELS = 8_000_000
"""Larger ones are decoded one at a time: sixteen at once, of 60 million pixels each, would be 6 GB."""

_large = threading.Lock()


def _unlock() -> None:
    """Let a forked process begin without the lock that another thread may have held."""
    global _large
    _large = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)
Deep = tuple[list[NDArray[np.float32]], ValueRange]
"""Planes of a picture with more than 8 bits a value (one, or red, green and blue), and its range before scaling."""


class Unreadable(Exception):
    """A file that is no image, or none that is wanted; the words say why."""


def decode(path: str, shape: tuple[int, int], depth: Depth | None = None) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Decode an image file to height x width x 3.

    It is turned as its EXIF says, scaled to cover the shape, cut to its middle. depth: the scale of its set's images
    with more than 8 bits a value; by default such an image becomes 8 bits on the scale of its own values.
    """
    found = _read(path, shape)
    if isinstance(found, tuple):
        planes, values = found
        whole = np.stack(planes * 3 if len(planes) == 1 else planes, axis=2)
        return Depth.fitting(values).as_bytes(whole) if depth is None else depth.scaled(whole)
    return found if depth is None else depth.widened(found)


def look(path: str, shape: tuple[int, int]) -> NDArray[np.uint8] | ValueRange:
    """Decode an image of 8 bits a value; of one with more return the range of its values."""
    found = _read(path, shape)
    return found[1] if isinstance(found, tuple) else found


def _read(path: str, shape: tuple[int, int]) -> NDArray[np.uint8] | Deep:
    """Read and fit one picture. Unreadable."""
    from PIL import Image, ImageOps

    open_plugin(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(_source(path)) as opened:
                opened.draft("RGB", (2 * shape[1], 2 * shape[0]))  # a JPEG is decoded smaller, several times as fast
                with _turn(opened.width * opened.height):
                    if (deep := _planes(opened, path)) is not None:
                        return _fitted(deep, shape)
                    image = to_rgb(ImageOps.exif_transpose(opened))
                    fitted = ImageOps.fit(image, (shape[1], shape[0]), Image.Resampling.BILINEAR)
                    return np.asarray(fitted, dtype=np.uint8)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise Unreadable("its pixels are too many") from None
    except Exception as error:  # Pillow's readers raise nearly anything on bytes that lie
        if bands := bands_of(path):
            raise Unreadable(f"it has {bands} bands; 1, 3 and 4 are read") from None
        words = " ".join(str(error).replace(path, "").replace("''", "").split()) or type(error).__name__
        raise Unreadable("it can't be decoded: " + words[:80]) from None


def _source(path: str) -> Any:
    """Return what Pillow opens: a path, or the bytes of an image inside another file."""
    return path.opened() if isinstance(path, Packed) else path


@contextmanager
def _turn(pixels: int) -> Iterator[None]:
    """Wait until no other large image is being decoded. Unreadable where it is too large itself."""
    if pixels > MOST_PIXELS:
        raise Unreadable(f"{pixels:,} pixels are too many")
    if pixels <= LARGE_PIXELS:
        yield
        return
    with _large:
        yield


# ------------------------------------------------------------------ more than 8 bits


def _planes(opened: Image, path: str) -> list[Image] | None:
    """Return the planes of a picture with more than 8 bits a value, as floats; None of any other."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    bits = bits_of(opened)
    if is_deep(opened):
        turned = np.asarray(ImageOps.exif_transpose(opened)).astype(np.float32)
        if 8 < bits < 16:  # Pillow shifts the values of a JPEG 2000 up to 16 bits
            turned /= 1 << (16 - bits)
        return [Pillow.fromarray(turned)]
    if bits > 8:
        raise Unreadable(f"it is JPEG 2000 of {bits} bits, whose white Pillow reads as black; make it PNG or TIFF")
    if opened.mode not in ("RGB", "RGBA") or not any(_other_half(tile) for tile in getattr(opened, "tile", ())):
        return None
    low = _low_bytes(path)
    values = np.asarray(opened).astype(np.float32) * 256 + low
    if values.shape[2] == 4:  # transparent: on white
        share = values[..., 3:] / 65535
        values = values[..., :3] * share + 65535 * (1 - share)
    orientation = opened.getexif().get(0x0112, 1)
    return [_oriented(Pillow.fromarray(np.ascontiguousarray(values[..., plane])), orientation) for plane in range(3)]


def is_deep(image: Image) -> bool:
    """Return True for a picture of one channel with 16 or 32 bits a value."""
    return image.mode.startswith("I") or image.mode == "F"


def _other_half(tile: Any) -> Any | None:
    """Return the tile with the raw mode that reads the low byte of each value, where Pillow reads the high one."""
    arguments = tile.args if isinstance(tile.args, tuple) else (tile.args,)
    word = arguments[0] if arguments else None
    swaps = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}
    if not isinstance(word, str) or word[:-1] not in ("RGB;16", "RGBA;16", "RGBX;16"):
        return None
    other = word[:-1] + swaps[word[-1]]
    return tile._replace(args=(other, *arguments[1:]) if isinstance(tile.args, tuple) else other)


def _low_bytes(path: str) -> NDArray[np.float32]:
    """Read the low bytes of a colour picture with 16 bits a value, of which Pillow keeps the high ones."""
    from PIL import Image

    with Image.open(_source(path)) as again:
        changed: Any = again
        changed.tile = [_other_half(tile) or tile for tile in changed.tile]
        return np.asarray(again).astype(np.float32)


def _oriented(plane: Image, orientation: int) -> Image:
    from PIL import Image

    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }.get(orientation)  # fmt: skip
    return plane if turn is None else plane.transpose(turn)


def _fitted(planes: list[Image], shape: tuple[int, int]) -> Deep:
    from PIL import Image, ImageOps

    ranges = [ValueRange.of(np.asarray(plane)) for plane in planes]
    found = [one for one in ranges if one is not None]
    if len(found) < len(ranges):
        raise Unreadable("it holds values that are NaN, infinite or beyond 32 bits")
    fit = [ImageOps.fit(plane, (shape[1], shape[0]), Image.Resampling.BILINEAR) for plane in planes]
    return [np.asarray(plane, dtype=np.float32) for plane in fit], ValueRange.union(found)


# ------------------------------------------------------------------ 8 bits


def to_rgb(image: Image) -> Image:
    """Grey, palette, CMYK, 16 bits and floats on their own scale, transparent (on white): all become RGB of 8 bits."""
    from PIL import Image as Pillow

    if is_deep(image):
        values = np.asarray(image)
        depth = Depth.fitting(ValueRange.of(values) or ValueRange(0, 255, True))
        image = Pillow.fromarray(depth.as_bytes(values))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Pillow.new("RGBA", image.size, (255, 255, 255, 255))
        image = Pillow.alpha_composite(ground, image)
    return image.convert("RGB")


def shown(path: str) -> str:
    """Return the last two parts of a path, without what a terminal would obey."""
    name = "/".join(path.split(os.sep)[-2:])
    return name if name.isprintable() else ascii(name)[1:-1]
