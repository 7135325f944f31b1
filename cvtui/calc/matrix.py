"""Convolution as a matrix: y = T x, in one and in two dimensions, with exact numbers.

True convolution flips the filter: y[n] = Σ w[k]·x[n − k]. Cross-correlation does not: y[i] = Σ w[k]·x[i·s + k − p], and
that is what PyTorch's Conv layers compute. Both are linear in x, so each is a matrix: Toeplitz in 1-D (constant along
every diagonal), doubly block Toeplitz in 2-D, and circulant or doubly block circulant when the borders wrap around.

Numbers are ints or Fractions. `entries` holds, instead of numbers, which parameter stands where.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm, prod
from typing import Literal, NamedTuple, TypeAlias

Number: TypeAlias = int | Fraction
Mode: TypeAlias = Literal["full", "same", "valid"]
MODES: tuple[Mode, ...] = ("full", "same", "valid")

MAX_ENTRIES = 250_000


class FilterSpec(NamedTuple):
    """A filter that slides over an input. Shapes are (n,) or (height, width); a `padding` wins over the `mode`."""

    weights: tuple[Number, ...]
    shape: tuple[int, ...]
    """The filter's."""
    size: tuple[int, ...]
    """The input's."""
    mode: Mode = "full"
    stride: int = 1
    padding: int | None = None
    circular: bool = False
    correlate: bool = False

    @property
    def before(self) -> tuple[int, ...]:
        """Zeros put before the input on each axis (circular: by how much the first window hangs over)."""
        if self.padding is not None:
            return (self.padding,) * len(self.shape)
        return tuple(_before(f, self.mode, self.correlate, self.circular) for f in self.shape)

    @property
    def output(self) -> tuple[int, ...]:
        """The output's shape; a 0 where the filter does not fit."""
        return tuple(self._places(axis) for axis in range(len(self.shape)))

    def _places(self, axis: int) -> int:
        n, f = self.size[axis], self.shape[axis]
        if self.circular and self.padding is None:
            return -(-n // self.stride)
        if self.padding is not None:
            room = n + 2 * self.padding - f
        else:
            room = {"full": n + f - 2, "same": n - 1, "valid": n - f}[self.mode]
        return room // self.stride + 1 if room >= 0 else 0


class Matrix(NamedTuple):
    """`entries[i][j]` are the numbers of the parameters that join input j to output i: none (a zero) or one.

    Several only where a circular filter is longer than its input; they add up.
    """

    spec: FilterSpec
    entries: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def rows(self) -> int:
        return len(self.entries)

    @property
    def columns(self) -> int:
        return prod(self.spec.size)

    def numbers(self) -> list[list[Number]]:
        """T with the filter's numbers in place."""
        weights = self.spec.weights
        return [[sum((weights[k] for k in cell), 0) for cell in row] for row in self.entries]

    @property
    def zeros(self) -> float:
        """The share of entries that hold no parameter."""
        return sum(not cell for row in self.entries for cell in row) / max(1, self.rows * self.columns)

    @property
    def distinct(self) -> int:
        """How many parameters stand in the matrix."""
        return len({k for row in self.entries for cell in row for k in cell})

    @property
    def kind(self) -> str:
        """What the lecture calls it."""
        flat = len(self.spec.size) == 1
        if self.spec.stride > 1:
            base = "circulant" if self.spec.circular else "Toeplitz"
            return f"every {_ordinal(self.spec.stride)} row of a {'' if flat else 'doubly block '}{base} matrix"
        if self.spec.circular:
            return "circulant matrix" if flat else "doubly block circulant matrix"
        return "Toeplitz matrix" if flat else "doubly block Toeplitz matrix"


def build(spec: FilterSpec) -> Matrix:
    """Build the matrix of a filter.

    The caller sees to it that `output` has no zero and that it isn't too large.
    """
    places, inputs = spec.output, prod(spec.size)
    taps = [_unravel(k, spec.shape) for k in range(prod(spec.shape))]
    rows = []
    for number in range(prod(places)):
        place = _unravel(number, places)
        row: list[tuple[int, ...]] = [()] * inputs
        for k, tap in enumerate(taps):
            position = _position(spec, place, tap)
            if position is not None:
                row[position] = (*row[position], k)
        rows.append(tuple(row))
    return Matrix(spec, tuple(rows))


def times(matrix: Sequence[Sequence[Number]], x: Sequence[Number]) -> list[Number]:
    """T x."""
    return [sum((entry * value for entry, value in zip(row, x, strict=True) if entry), 0) for row in matrix]


def sliding(spec: FilterSpec, x: Sequence[Number]) -> list[tuple[list[tuple[Number, Number]], Number]]:
    """Return the window's own way: each output's products (weight, input; 0 for padding) in order, and their sum.

    Written without the matrix, over the padded input, so that the two answers check each other.
    """
    shape, size, places = spec.shape, spec.size, spec.output
    weights = list(spec.weights) if spec.correlate else list(reversed(spec.weights))
    answers = []
    for number in range(prod(places)):
        place = _unravel(number, places)
        products: list[tuple[Number, Number]] = []
        for k, weight in enumerate(weights):
            tap = _unravel(k, shape)
            at = [i * spec.stride + t - p for i, t, p in zip(place, tap, spec.before, strict=True)]
            if spec.circular:
                at = [a % n for a, n in zip(at, size, strict=True)]
            inside = all(0 <= a < n for a, n in zip(at, size, strict=True))
            products.append((weight, x[_ravel(at, size)] if inside else 0))
        answers.append((products, sum((weight * value for weight, value in products), 0)))
    return answers


def rank(matrix: Sequence[Sequence[Number]]) -> int:
    """Return the exact rank, by elimination without fractions (Bareiss)."""
    scale = 1
    for row in matrix:
        for entry in row:
            if isinstance(entry, Fraction):
                scale = lcm(scale, entry.denominator)
    rows = [[int(entry * scale) for entry in row] for row in matrix]
    found, before = 0, 1
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        top, head = rows[found], rows[found][column]
        for i in range(found + 1, len(rows)):
            factor = rows[i][column]
            rows[i] = [(head * a - factor * b) // before for a, b in zip(rows[i], top, strict=True)]
        before = head
        found += 1
        if found == len(rows):
            break
    return found


def parse_numbers(text: str) -> list[Number]:
    """`1 2 3`, `1, 0.5, -1/3`: ints where whole, else Fractions; ValueError for anything else."""
    return [_number(word) for word in text.replace(",", " ").replace(";", " ").replace("−", "-").split()]


def show(number: Number) -> str:
    """`3`, `-1/2`, with the typographic minus."""
    return str(number).replace("-", "−")


def _number(word: str) -> Number:
    if len(word) > 40 or not word.isascii() or "e" in word.lower() or "_" in word:
        raise ValueError(word)
    value = Fraction(word)
    return value.numerator if value.denominator == 1 else value


def _before(f: int, mode: Mode, correlate: bool, circular: bool) -> int:
    """How far the first window hangs over the input's start."""
    if circular:
        # The lecture's circulant matrix: y[n] = Σ w[k]·x[(n − k) mod N]; correlation looks ahead instead.
        return 0 if correlate else f - 1
    if mode == "full":
        return f - 1
    if mode == "valid":
        return 0
    # Even filters: PyTorch's padding='same' puts the odd zero behind; numpy's convolve takes the middle of the full.
    return (f - 1) // 2 if correlate else f // 2


def _position(spec: FilterSpec, place: Sequence[int], tap: Sequence[int]) -> int | None:
    """Which input number meets this parameter at this place; None on padding."""
    at = []
    for i, t, f, n, p in zip(place, tap, spec.shape, spec.size, spec.before, strict=True):
        one = i * spec.stride - p + (t if spec.correlate else f - 1 - t)
        if spec.circular:
            one %= n
        elif not 0 <= one < n:
            return None
        at.append(one)
    return _ravel(at, spec.size)


def _unravel(number: int, shape: Sequence[int]) -> tuple[int, ...]:
    """Row by row: 7 in a 3x5 grid is (1, 2)."""
    if len(shape) == 1:
        return (number,)
    return divmod(number, shape[1])


def _ravel(place: Sequence[int], shape: Sequence[int]) -> int:
    return place[0] if len(shape) == 1 else place[0] * shape[1] + place[1]


def _ordinal(number: int) -> str:
    return {2: "2nd", 3: "3rd"}.get(number, f"{number}th")
