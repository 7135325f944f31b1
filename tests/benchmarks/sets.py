"""A set of MNIST's length without MNIST: the digits, forty times over.

An epoch of the 1,437 digits has 23 steps of 64, and then one would mostly measure the ends of epochs.
"""

from __future__ import annotations

from typing import Any

TIMES = 40


def digits() -> Any:
    """(training, validation), as `data = "tests.benchmarks.sets:digits"` wants them; also what the peers get."""
    from torch.utils.data import TensorDataset

    from cvtui.engine.data.embedded import digits as read

    split = read()
    (images, labels), validation = _pair(split.train), _pair(split.validation)
    return TensorDataset(images.repeat(TIMES, 1, 1, 1), labels.repeat(TIMES)), TensorDataset(*validation)


def shapes() -> Any:
    """Return the drawn shapes, for the peers."""
    from torch.utils.data import TensorDataset

    from cvtui.engine.data.embedded import shapes as read

    split = read()
    return tuple(TensorDataset(*_pair(part)) for part in (split.train, split.validation))


def _pair(part: Any) -> tuple[Any, Any]:
    """Images N x C x H x W and labels of a part that lies in memory."""
    return part.pixels.permute(0, 3, 1, 2), part.labels


def __getattr__(name: str) -> Any:
    """`patterns_32x3`: a function that makes 2,048 + 256 images of 32 x 32 in 3 channels, ten classes."""
    kind, _, shape = name.partition("_")
    if kind != "patterns" or not shape:
        raise AttributeError(name)
    side, channels = map(int, shape.split("x"))
    return lambda: patterns(side, channels)


def patterns(side: int, channels: int) -> Any:
    """Each class is a random picture under noise: learnt in an epoch or two, by nets of any kind."""
    import torch
    from torch.utils.data import TensorDataset

    made = torch.Generator().manual_seed(side * 10 + channels)
    pictures = torch.randn(10, channels, side, side, generator=made)

    def part(count: int) -> TensorDataset:
        labels = torch.arange(count) % 10
        images = 128 + 32 * (pictures[labels] + torch.randn(count, channels, side, side, generator=made))
        return TensorDataset(images.clamp(0, 255).to(torch.uint8), labels)

    return part(2048), part(256)
