"""Exact statistics of one tensor, computed on its device in a fixed number of passes, nothing read back.

What a few thousand of its values tell well enough is in gathered.py.

Working space is bounded: a tensor of more than WHOLE values is gone through in pieces, so that a statistic never holds
more than 256 MB beside the step. (In one piece, the zeros of 8.6e9 values asked a GPU for 64 GiB, and ended the run.)

The operations are chosen by the clock (131,072 floats, one CPU thread): var_mean takes 850 µs, the mean and then
the mean square of what is left 60; count_nonzero 620, numpy's 17.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

WHOLE = 1 << 24
"""Values that are worked on at once. Each needs at most 13 bytes: a float32 of a bfloat16, its distance from the mean,
or (on CUDA) a bool and the 8 bytes of an index; 218 MB."""


Number = Tensor | float
"""A scalar on its device; where reading it costs nothing it may be a plain number, which is quicker to work out."""


def on_cpu(tensor: Tensor) -> bool:
    """Return True where reading a number costs nothing."""
    return tensor.device.type == "cpu"


def as_real(tensor: Tensor) -> Tensor:
    """Return complex numbers as their two parts side by side, all else as it is."""
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def flat_view(tensor: Tensor) -> Tensor:
    """Flatten in the order of memory (a copy would cost as much as a statistic)."""
    if tensor.is_contiguous():
        return tensor.view(-1)
    if is_flat(tensor):
        return tensor.as_strided((tensor.numel(),), (1,))  # (half the time of permute and reshape)
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


def moments(tensor: Tensor) -> Tensor:
    """[mean, std (population), min, max, share of zeros]; of complex numbers those of their parts."""
    tensor = as_real(tensor)
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


def norm(tensor: Tensor) -> Tensor:
    """2-norm over all values, in float32."""
    tensor = as_real(tensor)
    if tensor.numel() <= WHOLE or (is_flat(tensor) and tensor.dtype == torch.float32):  # neither makes a large copy
        return _norm(flat_view(tensor).float())
    return _norm(torch.stack([_norm(values) for values in pieces(tensor)]))


def _norm(values: Tensor) -> Tensor:
    result: Tensor = torch.linalg.vector_norm(values)
    return result


def norms_of(tensors: list[Tensor]) -> Sequence[Tensor]:
    """2-norms over all values, in float32: one pass of one operation."""
    if all(tensor.dtype == torch.float32 for tensor in tensors):
        return torch._foreach_norm(tensors) if tensors else []
    return [norm(tensor) for tensor in tensors]


class KnownNorms:
    """Norms of gradients in float32, by parameter; each counts until its gradient changes."""

    def __init__(self) -> None:
        self._noted: list[tuple[Sequence[Tensor], list[Tensor | None], list[int], Sequence[Tensor]]] = []
        """Parameters, their gradients, the gradients' versions and norms."""

    def note(self, parameters: Sequence[Tensor], norms: Sequence[Tensor]) -> None:
        """Take the norms of these parameters' gradients."""
        gradients = [one.grad for one in parameters]
        self._noted.append((parameters, gradients, [-1 if one is None else one._version for one in gradients], norms))

    def forget(self) -> None:
        """Let go of all gradients."""
        self._noted.clear()

    def of(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        """Return the norms of these gradients; None where it is not known."""
        found: list[Tensor | None] = [None] * len(parameters)
        for noted, held, versions, norms in self._noted:
            places = {id(one): place for place, one in enumerate(noted)}
            for number, gradient in enumerate(gradients):
                place = places.get(id(parameters[number]))
                if place is None or gradient is None or held[place] is not gradient:
                    continue
                same = gradient._version == versions[place] and norms[place].dtype == torch.float32
                found[number] = norms[place] if same else None
        return found


def all_finite(tensor: Tensor) -> Tensor:
    """Return a bool scalar: no value is NaN or infinite.

    Without the three copies that isfinite makes.
    """
    if not tensor.numel() or not tensor.is_floating_point():
        return torch.ones((), dtype=torch.bool, device=tensor.device)
    return torch.stack([torch.stack(torch.aminmax(values)).isfinite().all() for values in pieces(tensor)]).all()


def answer_entropy(said: Tensor, classes: int) -> Number:
    """Entropy, in nats, of the predicted classes: said N, each below `classes`."""
    if on_cpu(said):
        found = np.bincount(said.numpy(), minlength=1)
        known = found[found > 0] / len(said)
        return max(0.0, -float((known * np.log(known)).sum()))
    counts = torch.zeros(classes, device=said.device)
    shares = counts.index_add_(0, said, torch.ones(len(said), device=said.device)) / len(said)
    return -(shares * shares.clamp_min(1e-12).log()).sum()


def channel_sums(output: Tensor) -> Tensor:
    """Sum over all axes but that of the channels (1): C.

    Of outputs that are never negative (ReLU) it is 0 where a channel is dead.
    """
    if output.dim() == 4 and output.is_contiguous(memory_format=torch.channels_last):
        return flat_view(output).view(-1, output.shape[1]).sum(0)
    if output.dim() > 2 and on_cpu(output) and output.is_contiguous():
        # Of 64 x 16 x 32 x 32 values 120 µs, as long as their sum alone; over the axes at once 270 to 400.
        return output.flatten(2).sum(2).sum(0)
    axes = [axis for axis in range(output.dim()) if axis != 1]
    return output.sum(axes) if output.dim() > 1 else output
