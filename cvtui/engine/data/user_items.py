"""Items of a user's dataset: what may be an image, and the one format that a whole set is brought to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cvtui.calc.table import size_text
from cvtui.engine.data.decode import is_deep, to_rgb
from cvtui.engine.data.depth import Depth, ValueRange, unit_of
from cvtui.engine.data.labels import BadLabel, Label, plain_label
from cvtui.errors import RequestError

Kind = Literal["bytes", "deep", "share", "real", "point"]
LEAST_SPREAD = 16 / 255
"""Standard deviation of floats in 0..1 that may become 8 bits: rounding then adds noise of at most 2 % of it."""
IMAGE_KEYS, LABEL_KEYS = ("image", "img", "pixel_values"), ("label", "labels", "target")


class BadItem(Exception):
    """What is wrong with an item; the words begin with what it is about: "the image of item 3 is …"."""


class Picture(NamedTuple):
    """An image as its dataset gave it."""

    values: Tensor
    """H x W x C (of a point: features)."""
    kind: Kind
    """bytes: uint8; deep: other whole numbers, or a PIL image's floats; share: floats in 0..1; real: other floats."""

    def scaled_to(self, sides: tuple[int, ...] | None) -> Picture:
        """Return it at this height and width; a point, or with None, as it is."""
        if sides is None or self.kind == "point" or tuple(self.values.shape[:2]) == sides:
            return self
        return Picture(resized(self.values, sides), self.kind)


class Item(NamedTuple):
    """An item of a user's dataset."""

    picture: Picture
    label: Label


def read_item(item: Any, number: int) -> Item:
    """Read (image, label, …), or a dict of both. BadItem."""
    if isinstance(item, Mapping):
        pair = [next((item[key] for key in keys if key in item), None) for keys in (IMAGE_KEYS, LABEL_KEYS)]
        if pair[0] is None:
            raise BadItem(f"item {number} is a {type(item).__name__} without image and label, not a pair of them")
        item = tuple(pair)
    if not isinstance(item, tuple | list) or len(item) < 2:
        raise BadItem(f"item {number} is a {type(item).__name__}, not a pair of image and label")
    picture = read_picture(item[0], number)
    try:
        return Item(picture, plain_label(item[1]))
    except BadLabel as error:
        raise BadItem(f"the label of item {number} is {error}") from None


def read_picture(value: Any, number: int) -> Picture:
    """Read a PIL image, or a tensor or array: C x H x W, H x W x C, H x W, or one dimension (a point). BadItem."""
    if hasattr(value, "convert") and hasattr(value, "mode"):
        return _of_pillow(value)
    try:
        tensor = _tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise BadItem(f"the image of item {number} is a {_kind(value)}; it must be a PIL image, an array or a tensor "
                      "with values") from None  # fmt: skip
    if tensor.is_complex():
        raise BadItem(f"the image of item {number} holds complex numbers")
    if tensor.numel() == 0:
        raise BadItem(f"the image of item {number} is empty ({size_text(tensor.shape)})")
    if tensor.dim() == 1:
        return Picture(tensor.float(), "point")
    if tensor.dim() not in (2, 3):
        raise BadItem(f"the image of item {number} has {tensor.dim()} dimensions, not C x H x W")
    tensor = _channels_last(tensor, isinstance(value, np.ndarray))
    if tensor.dtype == torch.uint8:
        return Picture(tensor, "bytes")
    if not tensor.is_floating_point():
        return Picture(tensor.to(torch.int64), "deep")
    tensor = tensor.float()
    low, high = float(tensor.min()), float(tensor.max())
    return Picture(tensor, "share" if low >= 0.0 and high <= 1.0 else "real")


def _of_pillow(image: Any) -> Picture:
    if is_deep(image):
        values = np.asarray(image)
        number = torch.float64 if image.mode == "F" else torch.int64
        return Picture(torch.from_numpy(values.astype(np.float64)).to(number)[..., None], "deep")
    grey = image.mode in ("L", "1") and "transparency" not in image.info
    array = np.asarray(image.convert("L") if grey else to_rgb(image))
    return Picture(torch.from_numpy(np.array(array[..., None] if grey else array)), "bytes")


def _kind(value: Any) -> str:
    """Name the type, and what keeps the values of a tensor from being read."""
    if not isinstance(value, Tensor):
        return type(value).__name__
    layout = "" if value.layout == torch.strided else f" of layout {str(value.layout).removeprefix('torch.')}"
    return f"{type(value).__name__}{layout} on {value.device.type!r}"


def _tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().as_subclass(Tensor).cpu()  # tv_tensors.Image is a subclass
    array = np.asarray(value)
    if array.dtype.kind in "ui" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)  # also of the other byte order
    elif array.dtype.kind == "f" and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(np.array(array)) if array.dtype.kind in "uifb" else torch.as_tensor(value)


def _channels_last(tensor: Tensor, is_array: bool) -> Tensor:
    """H x W x C: the channels are the axis of 1 or 3, else of 4, else the first (of an array the shorter one)."""
    if tensor.dim() == 2:
        return tensor[..., None]
    first, last = tensor.shape[0], tensor.shape[-1]
    if first in (1, 3) or last in (1, 3):
        is_last = first not in (1, 3)
    elif first == 4 or last == 4:
        is_last = last == 4 and (is_array or first != 4)
    else:
        is_last = is_array and last < first
    return tensor if is_last else tensor.permute(1, 2, 0)


# ------------------------------------------------------------------ a whole set


class Summary:
    """What all pictures of a set have in common, collected one by one."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.shapes: Counter[tuple[int, ...]] = Counter()
        self.range: ValueRange | None = None
        """Of the pictures of kind `deep`."""
        self.byte_shares = True
        """Floats in 0..1 are multiples of 1/255."""
        self._sum = self._squares = 0.0
        self._count = 0

    def add(self, picture: Picture, number: int) -> None:
        """BadItem for values that are no picture's."""
        self.kinds[picture.kind] += 1
        self.shapes[tuple(picture.values.shape)] += 1
        if picture.kind == "deep":
            found = ValueRange.of(picture.values.numpy())
            if found is None:
                raise BadItem(f"the image of item {number} holds values that are NaN, infinite or beyond 32 bits")
            self.range = ValueRange.union([one for one in (self.range, found) if one is not None])
        elif picture.kind == "share":
            levels = picture.values * 255
            self.byte_shares = self.byte_shares and bool(((levels - levels.round()).abs() < 1e-3).all())
            self._sum += float(picture.values.sum(dtype=torch.float64))
            self._squares += float(picture.values.double().square().sum())
            self._count += picture.values.numel()

    def merge(self, other: Summary) -> None:
        """Add what another part has."""
        self.kinds += other.kinds
        self.shapes += other.shapes
        ranges = [one for one in (self.range, other.range) if one is not None]
        self.range = ValueRange.union(ranges) if ranges else None
        self.byte_shares = self.byte_shares and other.byte_shares
        self._sum, self._squares = self._sum + other._sum, self._squares + other._squares
        self._count += other._count

    @property
    def fits_bytes(self) -> bool:
        """Return True if floats in 0..1 lose nothing that matters as 8 bits."""
        if self.byte_shares or not self._count:
            return True
        mean = self._sum / self._count
        return max(0.0, self._squares / self._count - mean * mean) >= LEAST_SPREAD**2


class Format(NamedTuple):
    """The one format of a set's images."""

    shape: tuple[int, ...]
    """(H, W, C), or (features,) of points."""
    dtype: torch.dtype
    """uint8; uint16 where values have more than 8 bits; float32 of floats that 8 bits would blur, and of points."""
    depth: Depth | None
    """Scale of the pictures of kind `deep`."""

    def tensor(self, picture: Picture) -> Tensor:
        """Bring a picture to this format. BadItem where it is a point among images, or the other way round."""
        values = picture.values
        if values.dim() != len(self.shape) or (values.dim() == 1 and tuple(values.shape) != self.shape):
            raise BadItem(f"is {size_text(values.shape)}, the others {size_text(self.shape)}")
        if picture.kind == "point":
            return values
        values = picture.scaled_to(self.shape[:2]).values
        if values.shape[2] != self.shape[2]:
            if values.shape[2] != 1:
                raise BadItem(f"is {size_text(values.shape)}, the others {size_text(self.shape)}")
            values = values.expand(*self.shape)
        return self._values(values, picture.kind)

    def _values(self, values: Tensor, kind: Kind) -> Tensor:
        white = unit_of(self.dtype)
        if kind == "deep":
            assert self.depth is not None
            scaled = torch.from_numpy(self.depth.scaled(values.numpy()))
            if scaled.dtype == self.dtype:
                return scaled
            values, unit = scaled.double(), self.depth.white
        elif kind == "bytes":
            if self.dtype == torch.uint8:
                return values
            values, unit = values.double(), 255.0
        else:
            unit = 1.0
        values = values * (white / unit)
        if self.dtype == torch.float32:
            return values.to(torch.float32)
        return values.round().clamp(0, white).to(self.dtype)


def resized(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Scale H x W x C to this height and width (bilinear, antialiased); bytes stay bytes."""
    scaled = torch.nn.functional.interpolate(
        image.permute(2, 0, 1)[None].float(), size=list(shape), mode="bilinear", antialias=True, align_corners=False
    )[0].permute(1, 2, 0)
    if image.dtype == torch.uint8:
        return scaled.round().clamp(0, 255).to(torch.uint8)
    return scaled if image.is_floating_point() else scaled.round().to(image.dtype)


def format_of(found: Summary, shape: tuple[int, int] | None, bits: int, text: str) -> tuple[Format, tuple[str, ...]]:
    """Choose the format of a set, and say what is to be told of it.

    shape: height and width that are asked for; None: the images' own. bits: of `deep` pictures, 0: by their values.
    RequestError where there is no format for all of them.
    """
    points = [one for one in found.shapes if len(one) == 1]
    if points:
        if len(found.shapes) > 1:
            raise RequestError(f"data: {text}: its images differ: {_shapes(found)}")
        return Format(points[0], torch.float32, None), ()
    channels = sorted({one[2] for one in found.shapes})
    if len(channels) > 1 and not (channels[0] == 1 and len(channels) == 2):
        raise RequestError(f"data: {text}: its images differ in their channels: {_shapes(found)}")
    if 2 in channels:
        raise RequestError(
            f"data: {text}: its images have 2 channels ({_shapes(found)}); allowed: 1, 3, 4 or more",
            hint="leave one out, or add a third (of zeros, or their mean)",
        )
    sides = {one[:2] for one in found.shapes}
    high, wide = shape or next(iter(sides))[:2]
    depth = Depth.fitting(found.range, bits) if found.range is not None else None
    deep = depth is not None and not depth.exact
    blurred = found.kinds["real"] or not found.fits_bytes
    dtype = torch.float32 if blurred else torch.uint16 if deep else torch.uint8
    notes: tuple[str, ...] = ()
    if depth is not None and found.range is not None and (deep or bits):
        notes += (depth.note(found.range, bits),)
    if len(channels) > 1:
        notes += ("grey images among the others: they get three equal channels",)
    return Format((high, wide, channels[-1]), dtype, depth), notes


def _shapes(found: Summary) -> str:
    shapes = [size_text(shape) for shape, _ in found.shapes.most_common(4)]
    return ", ".join(shapes) + (f" and {len(found.shapes) - 4:,} more" if len(found.shapes) > 4 else "")
