"""Convolution as a matrix, against PyTorch's and against its definition."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cvtui.calc.matrix import MODES, FilterSpec, Matrix, build, parse_numbers, rank, sliding, times
from tests.examples import examples


def test_the_lectures_toeplitz_matrix() -> None:
    """Weights 1 2 3 on 5 numbers, full."""
    matrix = build(FilterSpec((1, 2, 3), (3,), (5,)))
    assert matrix.numbers() == [
        [1, 0, 0, 0, 0],
        [2, 1, 0, 0, 0],
        [3, 2, 1, 0, 0],
        [0, 3, 2, 1, 0],
        [0, 0, 3, 2, 1],
        [0, 0, 0, 3, 2],
        [0, 0, 0, 0, 3],
    ]
    assert matrix.kind == "Toeplitz matrix"
    assert matrix.zeros == 20 / 35
    assert matrix.distinct == 3
    assert rank(matrix.numbers()) == 5


def test_the_lectures_circulant_matrix() -> None:
    matrix = build(FilterSpec((1, 2, 3), (3,), (4,), circular=True))
    assert matrix.numbers() == [[1, 0, 3, 2], [2, 1, 0, 3], [3, 2, 1, 0], [0, 3, 2, 1]]
    assert matrix.kind == "circulant matrix"


def test_convolution_is_cross_correlation_with_the_filter_flipped() -> None:
    for mode in MODES:
        flipped = build(FilterSpec((3, 2, 1), (3,), (6,), mode, correlate=True)).numbers()
        assert build(FilterSpec((1, 2, 3), (3,), (6,), mode)).numbers() == flipped


def test_two_dimensions_are_block_toeplitz_and_block_circulant() -> None:
    """Blocks are equal along every block diagonal, and each block is itself Toeplitz (or circulant)."""
    for circular in (False, True):
        matrix = build(FilterSpec(tuple(range(1, 10)), (3, 3), (4, 5), circular=circular))
        (_, wide), (high, across) = matrix.spec.output, matrix.spec.size
        numbers = matrix.numbers()
        assert matrix.kind == f"doubly block {'circulant' if circular else 'Toeplitz'} matrix"
        for i in range(matrix.rows):
            for j in range(matrix.columns):
                below = (i // wide + 1, i % wide, j // across + 1, j % across)
                beside = (i // wide, i % wide + 1, j // across, j % across + 1)
                for a, b, c, d in (below, beside):
                    if circular:
                        a, b, c, d = a % high, b % wide, c % high, d % across
                    if a * wide + b < matrix.rows and b < wide and c < high and d < across:
                        assert numbers[a * wide + b][c * across + d] == numbers[i][j]


def numbers(count: int) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(-9, 9), min_size=count, max_size=count).map(tuple)


@st.composite
def specs(draw: st.DrawFn) -> FilterSpec:
    dimensions = draw(st.integers(1, 2))
    most = 9 if dimensions == 1 else 5
    shape = tuple(draw(st.integers(1, 4)) for _ in range(dimensions))
    return FilterSpec(
        weights=draw(numbers(prod(shape))),
        shape=shape,
        size=tuple(draw(st.integers(1, most)) for _ in range(dimensions)),
        mode=draw(st.sampled_from(MODES)),
        stride=draw(st.integers(1, 3)),
        padding=draw(st.none() | st.integers(0, 3)),
        circular=draw(st.booleans()),
        correlate=draw(st.booleans()),
    )


def by_pytorch(spec: FilterSpec, x: tuple[int, ...]) -> list[int]:
    """conv1d or conv2d over an input that is padded by hand (PyTorch itself has no full mode)."""
    weights = torch.tensor(spec.weights, dtype=torch.double).reshape(1, 1, *spec.shape)
    if not spec.correlate:
        weights = weights.flip(*range(2, weights.dim()))
    padded = torch.tensor(x, dtype=torch.double).reshape(spec.size)
    for axis, (f, n) in enumerate(zip(spec.shape, spec.size, strict=True)):
        if spec.padding is not None:
            before = after = spec.padding
        elif spec.circular:
            before, after = (0, f - 1) if spec.correlate else (f - 1, 0)
        elif spec.mode == "same":
            before = (f - 1) // 2 if spec.correlate else f // 2
            after = f - 1 - before
        else:
            before = after = f - 1 if spec.mode == "full" else 0
        positions = torch.arange(-before, n + after)
        inside = (positions >= 0) & (positions < n)
        padded = padded.index_select(axis, positions % n)
        if not spec.circular:
            padded = padded * inside.reshape([-1 if axis == one else 1 for one in range(len(spec.size))])
    convolve = torch.nn.functional.conv1d if len(spec.size) == 1 else torch.nn.functional.conv2d
    return [round(number) for number in convolve(padded[None, None], weights, stride=spec.stride).flatten().tolist()]


@settings(max_examples=examples(200), deadline=None)
@given(specs(), st.data())
def test_matrix_times_input_is_pytorchs_convolution(spec: FilterSpec, data: st.DataObject) -> None:
    assume(0 not in spec.output)
    x = data.draw(numbers(prod(spec.size)))
    matrix = build(spec)
    y = times(matrix.numbers(), x)
    assert y == by_pytorch(spec, x)
    assert y == [answer for _, answer in sliding(spec, x)]
    assert len(y) == prod(spec.output)


@settings(max_examples=examples(150), deadline=None)
@given(st.integers(1, 7).flatmap(lambda n: st.lists(numbers(n), min_size=1, max_size=7)))
def test_rank_is_exact(rows: list[tuple[int, ...]]) -> None:
    assert rank(rows) == int(torch.linalg.matrix_rank(torch.tensor(rows, dtype=torch.double)))


def test_rank_of_fractions() -> None:
    third = Fraction(1, 3)
    assert rank([[1, 2], [third, 2 * third]]) == 1
    assert rank([[1, 2], [third, third]]) == 2
    assert rank([[0, 0]]) == 0


def test_numbers_are_read_exactly() -> None:
    assert parse_numbers("1 -2,0.5 −1/3") == [1, -2, Fraction(1, 2), Fraction(-1, 3)]
    for wrong in ("a", "1e9", "1_0", "nan", "²"):
        with pytest.raises(ValueError, match=r".*"):
            parse_numbers(wrong)


def test_a_circular_filter_longer_than_its_input_adds_up() -> None:
    matrix: Matrix = build(FilterSpec((1, 2, 4), (3,), (2,), circular=True, correlate=True))
    assert matrix.numbers() == [[5, 2], [2, 5]]
    assert matrix.distinct == 3
