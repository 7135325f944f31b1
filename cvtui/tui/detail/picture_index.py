"""Which pictures a run has, and which of them belongs to a page, a moment and a layer. No Textual here."""

from __future__ import annotations

import io
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import numpy as np

from cvtui import door
from cvtui.tui.detail.raster_view import Image

if TYPE_CHECKING:
    from PIL import Image as Pillow

    from cvtui.runlog.events import EpochDone, PictureSaved
    from cvtui.runlog.history import History

MAPS = "feature maps"
CONFUSION = "confusion matrix"
FLOW = "gradient flow"
MISTAKES = "mistakes"
LOOKED_AT = "validation image"
"""The picture of the image itself; see cvtui/engine/observe/image_writer.py."""
_OF = "feature maps of "
LARGEST_PNG = 4 << 20
LARGEST_FILE = 64_000_000
"""Pixels of a picture's own file."""
SHOWN_SIDE = 512
"""Pixels that it is made smaller to."""


def picture_names(history: History) -> list[str]:
    """Return the pages: samples, filters, feature maps (all as one), mistakes, confusion matrix, gradient flow."""
    pages = dict.fromkeys(MAPS if layer_of(picture) else picture.name for picture in history.pictures)
    pages.pop(LOOKED_AT, None)
    if has_images(history):
        pages[MAPS] = None
    names = sorted(
        pages, key=lambda name: 0 if name == "samples" else 1 if name.startswith("filters") else 2 + (name != MAPS)
    )
    if any(epoch.confusion for epoch in history.epochs):
        names.append(CONFUSION)
    if len(history.layer_steps):
        names.append(FLOW)
    return names


def has_images(history: History) -> bool:
    """Return True if there could be feature maps: inputs are images, or unknown (a custom loop)."""
    size = history.run.data.get("input") if history.run is not None else None
    return history.run is not None and (not isinstance(size, list) or len(size) == 3)


def layer_of(picture: PictureSaved) -> str:
    """Return the layer of feature maps, "" for other pictures; older runs have it in the name alone."""
    return picture.layer or (picture.name.removeprefix(_OF) if picture.name.startswith(_OF) else "")


def image_of(picture: PictureSaved) -> int:
    """Return the index of the validation image (0 in older runs)."""
    return picture.image or 0


def map_layers(history: History) -> list[str]:
    """Return the layers that have feature maps, in order of computation."""
    return list(dict.fromkeys(layer for picture in history.pictures if (layer := layer_of(picture))))


def latest_image(history: History) -> int:
    """Return the validation image of the newest feature maps."""
    return next((image_of(picture) for picture in reversed(history.pictures) if layer_of(picture)), 0)


def validation_count(history: History) -> int | None:
    """Return the number of validation images; None if unknown."""
    count = history.run.data.get("validation") if history.run is not None else None
    return count if isinstance(count, int) and count > 0 else None


def newest(pictures: list[PictureSaved], until: int | None) -> PictureSaved | None:
    """Return the newest picture at or before step `until`, or the first if none is that old."""
    before = [picture for picture in pictures if until is None or picture.step <= until]
    return before[-1] if before else pictures[0] if pictures else None


def picture_at(history: History, name: str, until: int | None) -> PictureSaved | None:
    return newest([picture for picture in history.pictures if picture.name == name], until)


def maps_at(history: History, layer: str, image: int, until: int | None) -> PictureSaved | None:
    """Return the layer's feature maps of a validation image."""
    return newest([one for one in history.pictures if layer_of(one) == layer and image_of(one) == image], until)


def image_at(history: History, image: int, until: int | None) -> PictureSaved | None:
    """Return the picture of a validation image, with the model's prediction."""
    return newest([one for one in history.pictures if one.name == LOOKED_AT and image_of(one) == image], until)


def confusion_at(history: History, until: int | None) -> EpochDone | None:
    epochs = [epoch for epoch in history.epochs if epoch.confusion and (until is None or epoch.step <= until)]
    return epochs[-1] if epochs else None


def read_file(path: str) -> Image | None:
    """Return the pixels of a picture's own file, turned as its EXIF says; None if it is none, or too large."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    try:
        with door.opened_input(path) as file, Pillow.open(file) as opened:
            if opened.width * opened.height > LARGEST_FILE:
                return None
            opened.draft("RGB", (SHOWN_SIDE, SHOWN_SIDE))
            deep = opened.mode.startswith("I") or opened.mode == "F"  # which Pillow would cut off at 255
            image = _as_bytes(ImageOps.exif_transpose(opened)) if deep else opened
            image.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"), dtype=np.uint8)
    except Exception:  # Pillow's readers raise nearly anything on bytes that lie
        return None


def _as_bytes(image: Pillow.Image) -> Pillow.Image:
    """Return a picture of more than 8 bits a value with 8: its least is black, its largest white."""
    from PIL import Image as Pillow

    values = np.nan_to_num(np.asarray(image).astype(np.float64))
    span = np.ptp(values) or 1.0
    return Pillow.fromarray(((values - values.min()) / span * 255).round().astype(np.uint8))


def read_png(root: Path, path: str) -> Image | None:
    """Return the pixels of a PNG in the run folder; None if outside it, too large, or no picture."""
    try:
        if PurePath(path).suffix.lower() != ".png":
            return None
        data = door.read_inside(root, path, LARGEST_PNG)
        from PIL import Image as Pillow

        with Pillow.open(io.BytesIO(data), formats=["PNG"]) as opened:
            if opened.width * opened.height > LARGEST_PNG:
                return None
            return np.asarray(opened.convert("RGB"), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError):
        return None
