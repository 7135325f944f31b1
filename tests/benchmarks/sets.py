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
