"""Values of a tensor at fixed places, and statistics of many such rows at once.

Of a tensor of up to GATHERED values all are taken, of a larger one a value a stratum: its values in the order of memory
are cut into GATHERED pieces of one length, and each gives the value at one place, drawn once by a hash of the piece's
number. Two samples of one tensor thus look at the same places. (Every n-th value would do worse: of 32 channels of 8 x
8 maps it sees some columns alone, and the std came out a fifth off.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cvtui.engine.observe import statistics
from cvtui.engine.observe.statistics import as_real, flat_view, is_flat

GATHERED = 2048
"""The std of so many is off by 1.6 %; each costs a line of the cache, and twice as many made a sampled step of a net of
2 ms 1.1 times as long."""
RUNS, LONG = 256, 8
"""Of weights and gradients so many runs of so many values each, GATHERED in all. The std of 107 weights came out 1.1 %
off (at random places 1.4), of their gradients 2.7 (2.3); with runs of 16 that was 4.7, of single values 8.9."""
BINS = 32
WIDTH = 5 + 2 + BINS
"""Numbers of a described row: mean, std (population), min, max, share of zeros; the histogram's low, high, counts."""
MOST_PLACES = 256
"""Sizes of tensors whose places are kept: 16 KB each."""

Row = NDArray[np.float32]
Table = NDArray[np.float32]
"""Rows of one length."""


class Places:
    """Places of the gathered values by size of the tensor, on its device."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, torch.device], Tensor] = {}

    def of(self, count: int, device: torch.device) -> Tensor:
        key = count, device
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= MOST_PLACES:
                self._kept.clear()
            found = self._kept[key] = places(count, device)
        return found

    def gather(self, tensor: Tensor) -> Tensor:
        """Return a float32 copy of at most GATHERED values; nothing else is allocated."""
        tensor = as_real(tensor)
        count = tensor.numel()
        if count <= GATHERED:
            values = flat_view(tensor)
            return values.clone() if values.dtype == torch.float32 else values.float()
        index = self.of(count, tensor.device)
        if is_flat(tensor):
            values = tensor.as_strided((count,), (1,)).index_select(0, index)
        else:
            values = tensor[torch.unravel_index(index, tensor.shape)]
        return values if values.dtype == torch.float32 else values.float()


class Copies:
    """Gathered values of several tensors, of small and large ones in one piece each."""

    __slots__ = ("_apart", "_large", "_sizes", "_small")

    def __init__(
        self, sizes: Sequence[int], small: Tensor | None, large: Tensor | None, apart: list[Tensor] | None = None
    ) -> None:
        self._sizes, self._small, self._large, self._apart = sizes, small, large, apart

    def rows(self) -> list[Tensor]:
        """Return those of each tensor."""
        if self._apart is not None:
            return self._apart
        sizes = [size for size in self._sizes if size <= GATHERED]
        small = () if self._small is None else torch.split_with_sizes(self._small, sizes)
        runs = [LONG * runs_of(size)[0] for size in self._sizes if size > GATHERED]
        large = () if self._large is None else torch.split_with_sizes(self._large.flatten(), runs)
        parts = {True: iter(small), False: iter(large)}
        return [next(parts[size <= GATHERED]) for size in self._sizes]


class Windows:
    """What copies values of several tensors of the same sizes, sample after sample: weights, or gradients.

    Of a large one LONG neighbouring values each at some RUNS places, all equally far apart: so a copy of all tensors
    is two operations, and reads an eighth of the lines of memory that values at random places would need. That is
    fair to weights, whose neighbours say little of each other; the distance has no divisor in common with the number
    of values, so that the runs begin in every row and every column alike. (Of outputs it is not: neighbours are alike.)
    """

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self._tensors = list(tensors)
        self.sizes = [one.numel() for one in tensors]
        self._plain = can_be_joined(tensors)
        pairs = list(zip(tensors, self.sizes, strict=True)) if self._plain else []
        self._small = [one.as_strided((size,), (1,)) for one, size in pairs if size <= GATHERED]
        self._large = [_runs(one, size) for one, size in pairs if size > GATHERED]

    def copy(self, places: Places) -> Copies:
        """Return copies of them."""
        if not self._plain:
            return Copies(self.sizes, None, None, [places.gather(one) for one in self._tensors])
        small, large = self._small, self._large
        return Copies(self.sizes, torch.cat(small) if small else None, torch.cat(large) if large else None)


def _runs(tensor: Tensor, size: int) -> Tensor:
    runs, apart = runs_of(size)
    return tensor.as_strided((runs, LONG), (apart, 1))


def can_be_joined(tensors: Sequence[Tensor]) -> bool:
    """Return True for float32 tensors without gaps, on one device."""
    for one in tensors:
        if one.dtype != torch.float32 or not is_flat(one) or one.device != tensors[0].device:
            return False
    return True


@functools.cache
def runs_of(count: int) -> tuple[int, int]:
    """Return how many runs are taken of so many values, and how far their beginnings are apart.

    They are RUNS and reach the end within a hundredth, or some less and reach it.
    """
    down = (count - LONG) // (RUNS - 1)
    up = down + 1
    while down > 0 and math.gcd(down, count) > 1:
        down -= 1
    if down * (RUNS - 1) + LONG > 0.99 * count:
        return RUNS, down
    while math.gcd(up, count) > 1:
        up += 1
    return (count - LONG) // up + 1, up


def places(count: int, device: torch.device) -> Tensor:
    """Return one place a stratum, rising: GATHERED integers below `count`. No random number is drawn."""
    bounds = np.arange(GATHERED + 1, dtype=np.int64) * count // GATHERED
    found = bounds[:-1] + _DICE % (bounds[1:] - bounds[:-1])
    return torch.from_numpy(found).to(device)


def _dice() -> NDArray[np.int64]:
    dice = np.arange(GATHERED, dtype=np.int64)
    for factor in (0x45D9F3B, 0x45D9F3B):  # the bits of a 32-bit number, mixed twice
        dice = ((dice >> 16) ^ dice) * factor & 0xFFFFFFFF
    return (dice >> 16) ^ dice


_DICE = _dice()
"""A number a stratum, drawn once."""


def share(count: int) -> int | None:
    """Return n where one value in n is taken; None where all are."""
    return None if count <= GATHERED else round(count / GATHERED)


def describe(rows: Sequence[Tensor]) -> Tensor:
    """Describe gathered rows: rows x WIDTH, on their device, nothing read back.

    Histograms are over the finite values; where all are equal the range is widened by a half on both sides, and where
    none is finite its low is NaN.
    """
    if not rows:
        return torch.empty(0, WIDTH)
    rows = [row.to(rows[0].device) for row in rows]
    if statistics.on_cpu(rows[0]):
        return torch.from_numpy(_describe_by_length([row.numpy() for row in rows]))
    return _describe_together(rows)


def _describe_by_length(rows: Sequence[Row]) -> Table:
    """Describe rows where reading costs nothing, those of one length together."""
    found = np.empty((len(rows), WIDTH), np.float32)
    by_length: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(number)
    with np.errstate(all="ignore"):
        for numbers in by_length.values():
            found[numbers] = _describe_table(np.stack([rows[number] for number in numbers]))
    return found


def _describe_table(table: Table) -> Table:
    """Describe rows of one length. One that has a value that isn't finite, or a range beyond float32, goes alone."""
    low, high = table.min(1), table.max(1)
    span = high - low
    plain = span < 1e30
    if not plain.all():
        found = np.empty((len(table), WIDTH), np.float32)
        if plain.any():
            found[plain] = _describe_table(table[plain])
        for number in np.flatnonzero(~plain):
            found[number] = _describe(table[number])
        return found
    count = table.shape[1]
    mean = np.add.reduce(table, 1) / np.float32(count)
    apart = table - mean[:, None]
    std = np.sqrt(np.einsum("ij,ij->i", apart, apart) / np.float32(count))
    std[span == 0] = 0.0
    # (Along an axis it takes 2.5 times as long.)
    zeros = [1.0 - np.count_nonzero(row) / count for row in table != 0]
    same = span == 0
    least = np.where(same, low - np.float32(0.5), low)
    most = np.where(same, high + np.float32(0.5), high)
    np.subtract(table, least[:, None], out=apart)
    apart *= (BINS / np.maximum((most - least).astype(np.float64), 1e-37)).astype(np.float32)[:, None]
    bins = apart.astype(np.intp)
    bins += (np.arange(len(table)) * (BINS + 1))[:, None]
    counts = np.bincount(bins.ravel(), minlength=len(table) * (BINS + 1)).reshape(len(table), BINS + 1)
    counts[:, BINS - 1] += counts[:, BINS]
    found = np.empty((len(table), WIDTH), np.float32)
    for place, column in enumerate((mean, std, low, high, zeros, least, most)):
        found[:, place] = column
    found[:, 7:] = counts[:, :BINS]
    return found


def _describe(values: Row) -> Row:
    """Describe one row where reading costs nothing: plain numbers are quicker than tensors of one."""
    found = np.empty(WIDTH, np.float32)
    low, high, mean = values.min(), values.max(), np.float32(np.add.reduce(values) / len(values))
    apart = values - mean
    std = math.sqrt(float(np.dot(apart, apart)) / len(values))
    if not math.isfinite(std) and math.isfinite(mean):  # the squares were too large for float32
        std = float(values.std(dtype=np.float64))
    zeros = 1.0 - np.count_nonzero(values != 0) / len(values)
    found[:5] = mean, std if low < high else abs(0.0 * mean), low, high, zeros
    found[5:] = _histogram(values, float(low), float(high))
    return found


def _histogram(values: Row, low: float, high: float) -> Row:
    found = np.empty(2 + BINS, np.float32)
    if not math.isfinite(high - low):
        values = values[np.isfinite(values)]
        if not len(values):
            return np.full_like(found, math.nan)
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    span = high - low
    if span > 1e38:  # weights of a run that diverges: float32 can't hold the range
        values = values.astype(np.float64)
    bins = ((values - values.dtype.type(low)) * values.dtype.type(BINS / max(span, 1e-37))).astype(np.intp)
    counts = np.bincount(bins, minlength=BINS + 1)
    found[:2] = low, high
    found[2:] = counts[:BINS]
    found[-1] += counts[BINS:].sum()
    return found


def _describe_together(rows: Sequence[Tensor]) -> Tensor:
    """Describe all rows by the same few kernels."""
    table = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    count = torch.tensor([row.shape[0] for row in rows]).to(table.device)[:, None]
    there = torch.arange(table.shape[1], device=table.device) < count
    mean = table.sum(1, keepdim=True) / count
    std = torch.where(there, table - mean, 0.0).square().sum(1, keepdim=True).div(count).sqrt()
    low = torch.where(there, table, math.inf).amin(1, keepdim=True)
    high = torch.where(there, table, -math.inf).amax(1, keepdim=True)
    std = torch.where(low == high, (0.0 * mean).abs(), std)
    zeros = 1.0 - ((table != 0) & there).sum(1, keepdim=True) / count
    finite = table.isfinite() & there
    least = torch.where(finite, table, math.inf).amin(1, keepdim=True)
    most = torch.where(finite, table, -math.inf).amax(1, keepdim=True)
    same = least == most
    least, most = torch.where(same, least - 0.5, least), torch.where(same, most + 0.5, most)
    bins = ((table - least) * (BINS / (most - least))).nan_to_num_(0.0, 0.0, 0.0).clamp_(0, BINS - 1).long()
    counts = torch.zeros(len(rows), BINS, device=table.device).scatter_add_(1, bins, finite.float())
    least = torch.where(finite.any(1, keepdim=True), least, math.nan)
    return torch.cat([mean, std, low, high, zeros, least, most, counts], 1)


def distances(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """‖after − before‖ / ‖before‖ of each pair of rows (before, after), one number each."""
    if not pairs:
        return torch.empty(0)
    before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    moved = torch._foreach_norm(torch._foreach_sub(after, before))
    return torch.stack(moved) / torch.stack(torch._foreach_norm(before))


BOUNDED = {
    "tanh": (0.0, 0.97, math.tanh(5.0)),
    "sigmoid": (0.5, 0.47, 0.5 - 1.0 / (1.0 + math.exp(5.0))),
}
"""Middle of the outputs, and how far from it they are saturated and pinned, of each kind that can be."""


def saturation(row: Tensor, kind: str) -> Tensor:
    """[share of saturated outputs, share of pinned ones] of a tanh's or sigmoid's row."""
    middle, saturated, pinned = BOUNDED[kind]
    apart = (row - middle).abs()
    return torch.stack([(apart > saturated).float().mean(), (apart > pinned).float().mean()])
