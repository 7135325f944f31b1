"""Write image grids as PNGs and log a `picture` record for each."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cvtui import door
from cvtui.engine.data.depth import UNITS
from cvtui.engine.observe.feature_maps import LARGEST_TILE, FeatureMaps
from cvtui.runlog.events import PictureSaved
from cvtui.runlog.folder import RunFolder
from cvtui.text import encodable

LOOKED_AT = "validation image"
"""Name of the picture of the image itself whose feature maps are shown."""


GAP = (44, 54, 78)
"""Colour between the tiles: no grey, so that a tile that is all black is seen as one."""
WHITE, BETWEEN = 254, 255
"""Numbers of white, and of GAP, in a sheet of greys; 0 is black."""
_PALETTE = bytes(level for grey in range(BETWEEN) for level in [round(255 * grey / WHITE)] * 3) + bytes(GAP)


class ImageWriter:
    """Writer of image grids into a run folder. OSError when the disk refuses."""

    def __init__(self, folder: RunFolder, on_saved: Callable[..., None]) -> None:
        self.folder = folder
        self.on_saved = on_saved
        """Takes the records of one or more pictures."""
        self._put: Callable[[str, bytes], None] | None = None
        self._saved: list[PictureSaved] = []

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write the pictures of this block into a folder that is opened once, and their records at its end.

        (Each by itself took 0.6 ms of the CPU, two thirds of them for the system's calls.)
        """
        if self._put is not None:
            yield
            return
        try:
            with door.filling(self.folder.pictures) as self._put:
                yield
        finally:
            self._put = None
            saved, self._saved = self._saved, []
            if saved:
                self.on_saved(*saved)

    def write(
        self,
        step: int,
        name: str,
        tiles: Tensor,
        note: str,
        *,
        around_zero: bool = False,
        low: float | None = None,
        high: float | None = None,
        **more: Any,
    ) -> None:
        """Write tiles as one PNG and its record.

        tiles: N x C x H x W, any range. more: other fields of the record.
        """
        if tiles.shape[-1] > LARGEST_TILE or tiles.shape[-2] > LARGEST_TILE:
            smaller = (min(tiles.shape[-2], LARGEST_TILE), min(tiles.shape[-1], LARGEST_TILE))
            tiles = nn.functional.adaptive_avg_pool2d(tiles, smaller)
        if low is high is None and tiles.shape[1] != 3:  # of any range: no value of a pixel is lost
            data = png_of_greys(grey_sheet(tiles.cpu(), around_zero=around_zero))
        else:
            data = png(sheet_of(tiles.cpu(), around_zero=around_zero, low=low, high=high))
        which = f"-of-{more['image']}" if more.get("image") is not None else ""
        file = f"{re.sub(r'[^A-Za-z0-9._#-]+', '-', name)[:120]}{which}-{step:06d}.png"
        with self.together():
            assert self._put is not None
            self._put(file, data)
            path = f"{self.folder.pictures.name}/{file}"
            if "names" in more:
                more["names"] = [encodable(name) for name in more["names"]]
            columns = columns_of(len(tiles))
            self._saved.append(PictureSaved(step=step, name=name, path=path, note=note, columns=columns, **more))

    def write_feature_maps(
        self,
        step: int,
        number: int,
        image: Tensor,
        result: FeatureMaps,
        truth: str,
        classes: list[str],
        place: str = "",
    ) -> None:
        """Write the feature maps of a validation image, then the image with the prediction.

        image: C x H x W, any range. It comes last: a reader that waits for it has the maps already. place: where the
        image lies.
        """
        with self.together():
            self._write_feature_maps(step, number, image, result, truth, classes, place)

    def _write_feature_maps(
        self, step: int, number: int, image: Tensor, result: FeatureMaps, truth: str, classes: list[str], place: str
    ) -> None:
        for layer, (values, channels, height, width) in result.maps.items():
            shown = f"the first {len(values)} of {channels}" if channels > len(values) else f"{channels}"
            note = f"{shown} channel{'s' * (channels != 1)}, {height}x{width}; dark: low, bright: high"
            self.write(step, f"feature maps of {layer}", values[:, None], note, layer=layer, image=number)
        said, share = "", None
        if result.shares is not None and bool(result.shares.isfinite().all()):
            best = int(result.shares.argmax())
            said = classes[best] if best < len(classes) else str(best)
            share = round(float(result.shares[best]), 4)
        white = UNITS.get(image.dtype)
        tile = image.float()
        tile = tile if tile.shape[0] in (1, 3) else tile.mean(0, keepdim=True)
        self.write(
            step, LOOKED_AT, tile[None], "", low=None if white is None else 0.0, high=white,
            image=number, truth=truth, said=said, share=share, names=[place] if place else [],
        )  # fmt: skip


def png(sheet: Tensor) -> bytes:
    """Encode uint8 H x W x 3 as a PNG, without Pillow: to import it in mid-training takes as long as ten pictures.

    At zlib's level 1: 16 tiles of 64 x 64 take 2.2 ms and 94 KB, at level 6 13.7 ms and 85 KB.
    """
    height, width, _ = sheet.shape
    return _png(sheet.numpy().reshape(height, -1), width, colour=2, level=1)


def png_of_greys(sheet: NDArray[np.uint8]) -> bytes:
    """Encode a `grey_sheet` as a PNG with a palette.

    Not compressed: a third of the bytes of colours, which takes 16 maps of 64 x 64 to 76 KB in 0.05 ms.
    """
    return _png(sheet, sheet.shape[1], colour=3, level=0)


def _png(lines: NDArray[np.uint8], width: int, *, colour: int, level: int) -> bytes:
    """Return the file. colour, level: PNG's kind of pixels (3: of a palette), and zlib's level."""
    filtered = np.zeros((len(lines), 1 + lines.shape[1]), np.uint8)  # each line begins with its filter, none
    filtered[:, 1:] = lines
    head = struct.pack(">IIBBBBB", width, len(lines), 8, colour, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"PLTE", _PALETTE)][: 2 if colour == 3 else 1]
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes(), level)), (b"IEND", b"")]
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, data in chunks:
        parts += [struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(name + data))]
    return b"".join(parts)


def _range(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the least and the largest finite value; 0 and 1 without any."""
    low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
    if math.isfinite(low) and math.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)


def columns_of(count: int) -> int:
    """Tiles a row: wider than high, as screens are."""
    return min(count, max(1, math.ceil(math.sqrt(count * 2))))


def sheet_of(tiles: Tensor, *, around_zero: bool, low: float | None = None, high: float | None = None) -> Tensor:
    """Arrange tiles in rows, one pixel apart: uint8 H x W x 3; of neither 1 nor 3 channels their mean.

    The smallest value is black, the largest white; with around_zero 0 is the middle grey.
    """
    levels = _levels(tiles, 255, around_zero=around_zero, low=low, high=high)
    return torch.from_numpy(_arranged(levels, np.array(GAP, np.uint8)))


def grey_sheet(tiles: Tensor, *, around_zero: bool) -> NDArray[np.uint8]:
    """Arrange tiles as `sheet_of` does, the mean of their channels, in numbers from 0 to WHITE: H x W."""
    tiles = tiles if tiles.shape[1] == 1 else tiles.mean(1, keepdim=True)
    return _arranged(_levels(tiles, WHITE, around_zero=around_zero), np.array([BETWEEN], np.uint8))[:, :, 0]


def _levels(
    tiles: Tensor, white: int, *, around_zero: bool, low: float | None = None, high: float | None = None
) -> NDArray[np.uint8]:
    """Return tiles as whole numbers from 0, black, to `white`: N x C x H x W, C 1 or 3."""
    if tiles.shape[1] not in (1, 3):  # of two channels, or four, there is no colour picture
        tiles = tiles.mean(1, keepdim=True)
    values = tiles.float().numpy()  # on small pictures its operations take a third of PyTorch's time
    least, most = _range(values)
    if around_zero:
        reach = max(abs(least), abs(most))
        low, high = -reach, reach
    low, high = least if low is None else low, most if high is None else high
    span = high - low if high > low else 1.0
    with np.errstate(all="ignore"):
        levels = (values - np.float32(low)) / np.float32(span) * np.float32(white)
        found: NDArray[np.uint8] = np.fmin(np.fmax(levels, 0), white).round().astype(np.uint8)  # NaN is black
    return found


def _arranged(levels: NDArray[np.uint8], gap: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return N x C x H x W side by side, as many columns as `columns_of` says: H x W x the numbers of `gap`."""
    count, _, height, width = levels.shape
    columns = columns_of(count)
    rows = -(-count // columns)
    sheet = np.empty((rows, height + 1, columns, width + 1, len(gap)), np.uint8)
    sheet[:] = gap
    for row in range(rows):
        part = levels[row * columns : (row + 1) * columns].transpose(2, 0, 3, 1)  # H x columns x W x 1 or 3
        sheet[row, :height, : part.shape[1], :width] = part
    return np.ascontiguousarray(sheet.reshape(rows * (height + 1), columns * (width + 1), len(gap))[:-1, :-1])
