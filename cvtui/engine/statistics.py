"""Numbers about one tensor, computed where it lies, in a fixed number of passes and without reading anything back.

Mean, std, min, max, zeros, saturated and dead are exact over all values. Only the histogram of a large tensor is
taken from a sample: at most 16,384 values at an even stride.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

BINS = 32
SAMPLE = 16_384


def flat_view(tensor: Tensor) -> Tensor:
    """All values in one dimension, in the order of memory (a copy would cost as much as a statistic)."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).reshape(-1)
    return tensor.reshape(-1)


def stride_for(count: int) -> int:
    """The smallest stride that takes at most SAMPLE of `count` values and shares no factor with it.

    A stride of 128 over maps of 32 x 32 would see nothing but column 0, where the padding is.
    """
    stride = -(-count // SAMPLE)
    while stride > 1 and math.gcd(stride, count) != 1:
        stride += 1
    return stride


def moments(values: Tensor) -> Tensor:
    """[mean, std (population), min, max, share of zeros] of a flat tensor."""
    variance, mean = torch.var_mean(values, correction=0)
    low, high = torch.aminmax(values)
    zeros = 1.0 - torch.count_nonzero(values) / values.numel()
    return torch.stack([mean, variance.sqrt(), low, high, zeros.to(mean.dtype)])


def saturated(values: Tensor, kind: str) -> Tensor | None:
    """Share with |tanh| > 0.97, or sigmoid outside 0.03..0.97; None for what can't saturate."""
    if kind == "tanh":
        return (values.abs() > 0.97).float().mean()
    if kind == "sigmoid":
        return ((values - 0.5).abs() > 0.47).float().mean()
    return None


def alive_channels(output: Tensor) -> Tensor:
    """bool, C: channels of N x C x H x W (features of N x C) with a value other than 0 for any image or place."""
    axes = [axis for axis in range(output.dim()) if axis != 1]
    if output.dim() == 1 or not axes:
        return output != 0
    return output.detach().abs().amax(axes) != 0


def histogram(values: Tensor) -> Tensor:
    """[low, high, 32 counts] over the finite ones of a flat tensor's values (a strided sample of a large one).

    Where all values are equal the range is widened by a half on both sides; where none is finite, low is NaN.
    """
    sample = values[:: stride_for(values.numel())].float()
    if sample.device.type == "cpu":
        return _histogram_on_cpu(sample)
    finite = sample.isfinite()
    low = torch.where(finite, sample, math.inf).min()
    high = torch.where(finite, sample, -math.inf).max()
    low, high = torch.where(low == high, low - 0.5, low), torch.where(low == high, high + 0.5, high)
    place = ((sample - low) * (BINS / (high - low))).nan_to_num(0.0).clamp(0, BINS - 1).long()
    counts = torch.zeros(BINS, device=sample.device).index_add_(0, place, finite.float())
    low = torch.where(finite.any(), low, math.nan)
    return torch.cat([low[None], high[None], counts])


def _histogram_on_cpu(sample: Tensor) -> Tensor:
    """The same by torch.histc, which wants plain numbers; on the CPU reading them back costs nothing."""
    low, high = (bound.item() for bound in torch.aminmax(sample))
    if not (math.isfinite(low) and math.isfinite(high)):
        sample = sample[sample.isfinite()]
        if not len(sample):
            return torch.full((BINS + 2,), math.nan)
        low, high = (bound.item() for bound in torch.aminmax(sample))
    if low == high:
        low, high = low - 0.5, high + 0.5
        if low == high:  # so large that a half is nothing
            low, high = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    counts = torch.histc(sample, BINS, low, high)
    return torch.cat([torch.tensor([low, high]), counts])
