"""Numbers about one tensor, computed where it lies, in a fixed number of passes and without reading anything back.

Mean, std, min, max, zeros, saturated and dead are exact over all values. Only the histogram of a large tensor is
taken from a sample: at most 16,384 values at an even stride.

The operations are chosen by the clock (131,072 floats, one CPU thread): var_mean takes 850 µs, the mean and then
the mean square of what is left 60; count_nonzero 620, numpy's 17; histc of a sample 160, numpy's bincount 45.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

BINS = 32
PINNED_TANH = math.tanh(5.0)
PINNED_SIGMOID = 0.5 - 1.0 / (1.0 + math.exp(5.0))
SAMPLE = 16_384


def on_cpu(tensor: Tensor) -> bool:
    """Does it lie where reading a number costs nothing?"""
    return tensor.device.type == "cpu"


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
    """[mean, std (population), min, max, share of zeros] of a flat tensor of floats."""
    count = values.numel()
    mean = values.mean()
    # sum adds in pairs; vector_norm and dot don't, and lose the fifth digit of a million values.
    std = ((values - mean).square_().sum() / count).sqrt()
    low, high = torch.aminmax(values)
    if on_cpu(values):
        nonzero = mean.new_tensor(np.count_nonzero(values.numpy() != 0), dtype=torch.float64)
    else:
        nonzero = (values != 0).count_nonzero()
    return torch.stack([mean, std, low, high, (1.0 - nonzero / count).to(mean.dtype)])


def saturated(values: Tensor, kind: str) -> Tensor | None:
    """Share with |tanh| > 0.97, or sigmoid outside 0.03..0.97; None for what can't saturate."""
    if kind == "tanh":
        return (values.abs() > 0.97).float().mean()
    if kind == "sigmoid":
        return ((values - 0.5).abs() > 0.47).float().mean()
    return None


def pinned(values: Tensor, kind: str) -> Tensor | None:
    """Share of outputs whose input lies beyond 5 on either side: |tanh| > 0.9999, sigmoid outside 0.0067..0.9933."""
    if kind == "tanh":
        return (values.abs() > PINNED_TANH).float().mean()
    if kind == "sigmoid":
        return ((values - 0.5).abs() > PINNED_SIGMOID).float().mean()
    return None


def answer_entropy(output: Tensor) -> Tensor:
    """Entropy, in nats, of the largest outputs' places: output N x C."""
    counts = torch.zeros(output.shape[1], device=output.device)
    shares = counts.index_add_(0, output.argmax(1), torch.ones(len(output), device=output.device)) / len(output)
    return -(shares * shares.clamp_min(1e-12).log()).sum()


def alive_channels(output: Tensor) -> Tensor:
    """bool, C: channels of N x C x H x W (features of N x C) that are above 0 for some image and place; for outputs
    that are never negative, those of ReLU."""
    if output.dim() == 4 and output.is_contiguous(memory_format=torch.channels_last):
        output = output.permute(0, 2, 3, 1).reshape(-1, output.shape[1])
    axes = [axis for axis in range(output.dim()) if axis != 1]
    return (output.amax(axes) if output.dim() > 1 else output) != 0


def histogram(values: Tensor) -> Tensor:
    """[low, high, 32 counts] over the finite ones of a flat tensor's values (a strided sample of a large one).

    Where all values are equal the range is widened by a half on both sides; where none is finite, low is NaN.
    """
    sample = values[:: stride_for(values.numel())].float()
    if on_cpu(sample):
        return _histogram_on_cpu(sample)
    finite = sample.isfinite()
    low = torch.where(finite, sample, math.inf).min()
    high = torch.where(finite, sample, -math.inf).max()
    same = low == high
    low, high = torch.where(same, low - 0.5, low), torch.where(same, high + 0.5, high)
    bins = ((sample - low) * (BINS / (high - low))).nan_to_num_(0.0, 0.0, 0.0).clamp_(0, BINS - 1).long()
    counts = torch.zeros(BINS, device=sample.device).index_add_(0, bins, finite.float())
    return torch.cat([torch.where(finite.any(), low, math.nan)[None], high[None], counts])


def _histogram_on_cpu(sample: Tensor) -> Tensor:
    """The same; here reading the range back costs nothing, and plain numbers are quicker than tensors of one."""
    low, high = (bound.item() for bound in torch.aminmax(sample))
    if not (math.isfinite(low) and math.isfinite(high)):
        sample = sample[sample.isfinite()]
        if not len(sample):
            return torch.full((BINS + 2,), math.nan)
        low, high = (bound.item() for bound in torch.aminmax(sample))
    if low == high:
        low, high = low - 0.5, high + 0.5
    if high - low > 1e38:  # weights of a run that diverges: float32 can't hold the range
        sample = sample.double()
    places = (sample.numpy() - np.float32(low)) * np.float32(BINS / max(high - low, 1e-37))
    counts = np.bincount(np.minimum(places, np.float32(BINS - 1)).astype(np.int32), minlength=BINS)
    return torch.tensor([low, high, *counts.tolist()])
