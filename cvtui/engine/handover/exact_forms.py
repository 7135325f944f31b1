"""Layers that the ONNX exporter gets wrong or can't write, computed in another form that is the same.

Tried with torch 2.14.1, onnxscript 0.7.2 and onnxruntime 1.32.0 on every layer of net expressions, 50 of torch.nn and
on the models that docs/export.md names: `divisor_override` is ignored without a word (a sum pool comes out as a mean),
an adaptive max pool whose input is no multiple of its output is refused, and so is RReLU; a mean by `scatter_reduce`
is the last value of each group, and `logsigmoid` minus infinity below about -18. What else is wrong is found by the
check of each export.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class ExactForms(TorchFunctionMode):
    """Within it, a call that the exporter gets wrong is computed in its other form."""

    def __torch_function__(
        self, func: Callable[..., Any], _types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        form = FORMS.get(func)
        other = form(*args, **(kwargs or {})) if form is not None else None
        return func(*args, **(kwargs or {})) if other is None else other


def _of_each(value: int | Sequence[int], axes: int) -> list[int]:
    return [value] * axes if isinstance(value, int) else list(value) * (axes if len(value) == 1 else 1)


def _average_pool(axes: int, plain: Callable[..., Tensor]) -> Callable[..., Tensor | None]:
    def pool(
        x: Tensor,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,  # noqa: ARG001  (a divisor makes it of no effect)
        divisor_override: int | None = None,
    ) -> Tensor | None:
        """Average over the window with its zeros, times its size over the divisor."""
        if divisor_override is None:
            return None
        kernel, pads = _of_each(kernel_size, axes), _of_each(padding, axes)
        steps = _of_each(stride, axes) if stride else kernel
        more = [
            _beyond(size, *of_axis) if ceil_mode else 0
            for size, *of_axis in zip(x.shape[-axes:], kernel, steps, pads, strict=True)
        ]
        around = [side for pad, end in zip(reversed(pads), reversed(more), strict=True) for side in (pad, pad + end)]
        x = F.pad(x, around) if any(around) else x
        window = 1
        for size in kernel:
            window *= size
        return plain(x, kernel, steps) * (window / divisor_override)

    return pool


def _beyond(size: int, kernel: int, step: int, pad: int) -> int:
    """Return how far the last window of a ceil pool reaches beyond the padding."""
    last = -(-(size + 2 * pad - kernel) // step)
    if last * step >= size + pad:  # a window that begins in the padding behind is dropped
        last -= 1
    return max(0, last * step + kernel - size - 2 * pad)


def _adaptive_max_pool(axes: int) -> Callable[..., Tensor | None]:
    def pool(x: Tensor, output_size: int | Sequence[int | None], return_indices: bool = False) -> Tensor | None:
        """Maximum axis by axis, a slice a window."""
        asked = [output_size] * axes if isinstance(output_size, int) else list(output_size)
        sizes = list(x.shape[-axes:])
        wanted = [size if out is None else out for size, out in zip(sizes, asked, strict=True)]
        if return_indices or all(size % out == 0 for size, out in zip(sizes, wanted, strict=True)):
            return None
        for axis, (size, out) in enumerate(zip(sizes, wanted, strict=True), -axes):
            starts = [number * size // out for number in range(out)]
            ends = [-(-(number + 1) * size // out) for number in range(out)]
            parts = [x.narrow(axis, a, b - a).amax(axis, keepdim=True) for a, b in zip(starts, ends, strict=True)]
            x = torch.cat(parts, axis)
        return x

    return pool


def _rrelu(
    x: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor | None:
    """Leaky ReLU of the mean slope, which it is in evaluation."""
    return None if training else F.leaky_relu(x, (lower + upper) / 2, inplace)


def _scatter_reduce(
    x: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor | None:
    """Mean as a sum over a count."""
    if reduce != "mean" or not x.is_floating_point():
        return None
    count = torch.zeros_like(x).scatter_add(dim, index, torch.ones_like(index, dtype=x.dtype))
    if include_self:
        return x.scatter_add(dim, index, src) / (count + 1)
    mean = torch.zeros_like(x).scatter_add(dim, index, src) / count.clamp_min(1)
    return torch.where(count > 0, mean, x)


def _scatter_reduce_in_place(x: Tensor, *args: Any, **kwargs: Any) -> Tensor | None:
    mean = _scatter_reduce(x, *args, **kwargs)
    return None if mean is None else x.copy_(mean)


def _log_sigmoid(x: Tensor) -> Tensor:
    return -F.softplus(-x)


FORMS: dict[Callable[..., Any], Callable[..., Tensor | None]] = {
    F.avg_pool2d: _average_pool(2, F.avg_pool2d),
    F.avg_pool3d: _average_pool(3, F.avg_pool3d),
    F.adaptive_max_pool1d: _adaptive_max_pool(1),
    F.adaptive_max_pool2d: _adaptive_max_pool(2),
    F.adaptive_max_pool3d: _adaptive_max_pool(3),
    torch.adaptive_max_pool1d: _adaptive_max_pool(1),
    F.rrelu: _rrelu,
    F.logsigmoid: _log_sigmoid,
    torch.scatter_reduce: _scatter_reduce,
    Tensor.scatter_reduce: _scatter_reduce,
    Tensor.scatter_reduce_: _scatter_reduce_in_place,
}
"""By the function of PyTorch; None from a form: this call is exported as it is."""
