"""Sizes as they are typed: `32x32x3`, `28x28` (one channel), `784` (flat); a module's: `3x16x112x112`, `77:int`."""

from __future__ import annotations

from typing import NamedTuple

from cvtui.calc.table import Size, size_text
from cvtui.errors import RequestError

MAX_SIDE = 10**9


def parse_size(text: str, option: str = "--input", *, channels_first: bool = False) -> Size:
    """`HxWxC` (or `CxHxW` with `channels_first`), `HxW`, or `N`; RequestError names the option and what is allowed."""
    form = "3x32x32" if channels_first else "32x32x3"
    wrong = f"{option} {text[:40]!r}: sizes are whole numbers from 1 to {MAX_SIDE:,}, as in {form}, 28x28 or 784"
    parts = [part.strip() for part in text.lower().replace("×", "x").replace(",", "x").split("x")]
    if len(parts) > 3 or not all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts):
        raise RequestError(wrong)
    numbers = [int(part) for part in parts]
    if not all(1 <= number <= MAX_SIDE for number in numbers):
        raise RequestError(wrong)
    if len(numbers) == 1:
        return (numbers[0],)
    if len(numbers) == 2:
        return numbers[0], numbers[1], 1
    if channels_first:
        return numbers[1], numbers[2], numbers[0]
    return numbers[0], numbers[1], numbers[2]


class InputShape(NamedTuple):
    """One argument of a module's forward, in PyTorch's order and without the batch: 3x16x112x112, 77:int."""

    shape: tuple[int, ...]
    integers: bool = False
    """Token numbers and the like (int64) rather than floats."""

    def __str__(self) -> str:
        return size_text(self.shape) + (":int" if self.integers else "")


def image_shape(size: Size) -> InputShape:
    """Return (H, W, C), or (N,), in PyTorch's order."""
    return InputShape(size if len(size) == 1 else (size[2], size[0], size[1]))


def as_read(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return (C, H, W) as H, W, C; other shapes as they are."""
    return (shape[1], shape[2], shape[0]) if len(shape) == 3 else shape


def inputs_text(inputs: tuple[InputShape, ...]) -> str:
    """Write what goes in: one image as H x W x C, everything else in PyTorch's order."""
    if len(inputs) == 1 and not inputs[0].integers:
        return size_text(as_read(inputs[0].shape))
    return ", ".join(map(str, inputs))


def parse_inputs(text: str, option: str = "--input", *, channels_first: bool = False) -> tuple[InputShape, ...]:
    """Parse what a module's forward takes: an image as in `parse_size`, or shapes in PyTorch's order.

    In PyTorch's order are: four numbers and more (C x T x H x W), several inputs parted by commas
    (`3x224x224,77:int`), and whatever has a kind (`8x16000:float`, C x L). Two numbers alone are left to the net:
    C x L where it begins with a 1-d convolution, else H x W of one channel.
    """
    words = [word.strip().lower().replace("×", "x") for word in text.split(",")]
    several = len(words) > 1 and any("x" in word or ":" in word for word in words)
    if not several and ":" not in text and words[0].count("x") < 3:
        return (image_shape(parse_size(text, option, channels_first=channels_first)),)
    return tuple(_input_shape(word, text, option) for word in words)


def _input_shape(word: str, text: str, option: str) -> InputShape:
    sides, _, kind = word.partition(":")
    parts = [part.strip() for part in sides.split("x")]
    right = all(part.isascii() and part.isdigit() and len(part) <= 10 for part in parts)
    if not right or not all(1 <= int(part) <= MAX_SIDE for part in parts) or kind not in ("", "int", "float"):
        raise RequestError(
            f"{option} {text[:60]!r}: shapes are whole numbers from 1 to {MAX_SIDE:,} in PyTorch's order, :int for "
            f"whole numbers, as in 3x16x112x112 or 3x224x224,77:int"
        )
    return InputShape(tuple(map(int, parts)), kind == "int")
