"""Statistics of one tensor, computed on its device in a fixed number of passes, nothing read back.

Mean, std, min, max, zeros, saturated and dead are exact over all values. Only the histogram of a large tensor is
taken from a sample: at most 16,384 values at an even stride.

Working space is bounded: a tensor of more than WHOLE values is gone through in pieces, so that a statistic never holds
more than 256 MB beside the step. (In one piece, the zeros of 8.6e9 values asked a GPU for 64 GiB, and ended the run.)

The operations are chosen by the clock (131,072 floats, one CPU thread): var_mean takes 850 µs, the mean and then
the mean square of what is left 60; count_nonzero 620, numpy's 17; histc of a sample 160, numpy's bincount 45.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

BINS = 32
PINNED_TANH = math.tanh(5.0)
PINNED_SIGMOID = 0.5 - 1.0 / (1.0 + math.exp(5.0))
SAMPLE = 16_384
WHOLE = 1 << 24
"""Values that are worked on at once. Each needs at most 13 bytes: a float32 of a bfloat16, its distance from the mean,
or (on CUDA) a bool and the 8 bytes of an index; 218 MB."""


def on_cpu(tensor: Tensor) -> bool:
    """Return True where reading a number costs nothing."""
    return tensor.device.type == "cpu"


def flat_view(tensor: Tensor) -> Tensor:
    """Flatten in the order of memory (a copy would cost as much as a statistic)."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        return tensor.permute(0, 2, 3, 1).reshape(-1)
    return tensor.reshape(-1)


def is_flat(tensor: Tensor) -> bool:
    """Return True if `flat_view` of it is a view."""
    return tensor.is_contiguous() or (tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last))


def pieces(tensor: Tensor) -> Iterator[Tensor]:
    """Yield all values as flat float32 tensors of at most WHOLE each."""
    if tensor.numel() <= WHOLE:
        yield flat_view(tensor).float()
    elif is_flat(tensor):
        for piece in torch.split(flat_view(tensor), WHOLE):
            yield piece.float()
    else:  # a view of every second column, say: flattened as a whole it would be copied as a whole
        row = tensor[0].numel()
        for part in torch.split(tensor, max(1, WHOLE // row)) if len(tensor) > 1 else tensor:
            yield from pieces(part)


def _total(tensor: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    """Sum of `of` (a scalar) over all pieces, in float64 (which MPS has not)."""
    wide = torch.float32 if tensor.device.type == "mps" else torch.float64
    return torch.stack([of(piece).to(wide) for piece in pieces(tensor)]).sum()


def stride_for(count: int, most: int = SAMPLE) -> int:
    """Smallest stride that takes at most `most` of `count` values and shares no factor with it.

    A stride of 128 over maps of 32 x 32 would see nothing but column 0, where the padding is.
    """
    stride = -(-count // most)
    while stride > 1 and math.gcd(stride, count) != 1:
        stride += 1
    return stride


def moments(tensor: Tensor) -> Tensor:
    """[mean, std (population), min, max, share of zeros]."""
    count = tensor.numel()
    if count > WHOLE:
        return _moments_in_pieces(tensor)
    values = flat_view(tensor).float()
    mean = values.mean()
    # sum adds in pairs; vector_norm and dot don't, and lose the fifth digit of a million values.
    std = ((values - mean).square_().sum() / count).sqrt()
    low, high = torch.aminmax(values)
    return torch.stack([mean, std, low, high, (1.0 - _nonzero(values) / count).to(mean.dtype)])


def _moments_in_pieces(tensor: Tensor) -> Tensor:
    """`moments` of a large tensor; sums of the pieces are added in float64, which is no less exact."""
    count = tensor.numel()
    in_place = is_flat(tensor) and tensor.dtype == torch.float32  # adds up without a copy, as a small one does
    mean = flat_view(tensor).mean() if in_place else (_total(tensor, torch.sum) / count).float()
    std = (_total(tensor, lambda values: (values - mean).square_().sum()) / count).sqrt()
    ends = torch.stack([torch.stack(torch.aminmax(values)) for values in pieces(tensor)])
    zeros = 1.0 - _total(tensor, _nonzero) / count
    return torch.stack([mean, std.float(), ends[:, 0].amin(), ends[:, 1].amax(), zeros.float()])


def _nonzero(values: Tensor) -> Tensor:
    """Count of values of a flat tensor that are not 0: a scalar."""
    if on_cpu(values):
        return torch.tensor(np.count_nonzero(values.numpy() != 0), dtype=torch.float64)
    return (values != 0).count_nonzero()


def zeros(tensor: Tensor) -> Tensor:
    """Share of values that are exactly 0."""
    counts = [(values != 0).count_nonzero() for values in pieces(tensor)]
    return 1.0 - torch.stack(counts).sum() / tensor.numel()


def norm(tensor: Tensor) -> Tensor:
    """2-norm over all values, in float32."""
    if tensor.numel() <= WHOLE or (is_flat(tensor) and tensor.dtype == torch.float32):  # neither makes a large copy
        return _norm(flat_view(tensor).float())
    return _norm(torch.stack([_norm(values) for values in pieces(tensor)]))


def _norm(values: Tensor) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(values)
    return result


def all_finite(tensor: Tensor) -> Tensor:
    """Return a bool scalar: no value is NaN or infinite.

    Without the three copies that isfinite makes.
    """
    if not tensor.numel() or not tensor.is_floating_point():
        return torch.ones((), dtype=torch.bool, device=tensor.device)
    return torch.stack([torch.stack(torch.aminmax(values)).isfinite().all() for values in pieces(tensor)]).all()


def saturated(tensor: Tensor, kind: str) -> Tensor | None:
    """Share with |tanh| > 0.97, or sigmoid outside 0.03..0.97; None for what can't saturate."""
    if kind == "tanh":
        return _share(tensor, lambda values: values.abs() > 0.97)
    if kind == "sigmoid":
        return _share(tensor, lambda values: (values - 0.5).abs() > 0.47)
    return None


def pinned(tensor: Tensor, kind: str) -> Tensor | None:
    """Share of outputs whose input lies beyond 5 on either side: |tanh| > 0.9999, sigmoid outside 0.0067..0.9933."""
    if kind == "tanh":
        return _share(tensor, lambda values: values.abs() > PINNED_TANH)
    if kind == "sigmoid":
        return _share(tensor, lambda values: (values - 0.5).abs() > PINNED_SIGMOID)
    return None


def _share(tensor: Tensor, holds: Callable[[Tensor], Tensor]) -> Tensor:
    """Share of the values for which it holds."""
    if tensor.numel() <= WHOLE:
        return holds(flat_view(tensor).float()).float().mean()
    return (_total(tensor, lambda values: holds(values).count_nonzero()) / tensor.numel()).float()


def answer_entropy(output: Tensor) -> Tensor:
    """Entropy, in nats, of the predicted classes: output N x C."""
    counts = torch.zeros(output.shape[1], device=output.device)
    shares = counts.index_add_(0, output.argmax(1), torch.ones(len(output), device=output.device)) / len(output)
    return -(shares * shares.clamp_min(1e-12).log()).sum()


def alive_channels(output: Tensor) -> Tensor:
    """Channels that are above 0 anywhere, of outputs that are never negative (ReLU): bool, C.

    output: N x C x H x W, or N x C.
    """
    if output.dim() == 4 and output.is_contiguous(memory_format=torch.channels_last):
        output = output.permute(0, 2, 3, 1).reshape(-1, output.shape[1])
    axes = [axis for axis in range(output.dim()) if axis != 1]
    return (output.amax(axes) if output.dim() > 1 else output) != 0


def every(tensor: Tensor, stride: int) -> Tensor:
    """Every n-th value, in the order of `flat_view`; a copy of no more than these."""
    if is_flat(tensor) or tensor.numel() <= WHOLE:
        return flat_view(tensor)[::stride]
    indices = torch.arange(0, tensor.numel(), stride, device=tensor.device)
    return tensor[torch.unravel_index(indices, tensor.shape)]


def histogram(tensor: Tensor) -> Tensor:
    """[low, high, 32 counts] over the finite values (a strided sample of a large tensor).

    Where all values are equal the range is widened by a half on both sides; where none is finite, low is NaN.
    """
    sample = every(tensor, stride_for(tensor.numel())).float()
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
    """`histogram` where reading the range back costs nothing, and plain numbers are quicker than tensors of one."""
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
    bins = (sample.numpy() - np.float32(low)) * np.float32(BINS / max(high - low, 1e-37))
    counts = np.bincount(np.minimum(bins, np.float32(BINS - 1)).astype(np.int32), minlength=BINS)
    return torch.tensor([low, high, *counts.tolist()])
