"""`cvtui matrix`: a convolution written as a matrix, y = T x."""

from __future__ import annotations

from math import prod
from typing import Any

import click

from cvtui.calc.matrix import (
    MAX_ENTRIES,
    MODES,
    FilterSpec,
    Matrix,
    Mode,
    Number,
    build,
    parse_numbers,
    rank,
    sliding,
    times,
)
from cvtui.calc.table import size_text
from cvtui.cli import out
from cvtui.errors import RequestError, nearest

MAX_TEXT = 10_000
MAX_SIDE = 10_000
RANK_WORK = 4_000_000
"""Rows · columns · the smaller of both: up to here the exact rank takes less than half a second."""


HELP = """Write a convolution as a matrix: y = T x.

\b
cvtui matrix --filter "1 2 3" --size 5              the Toeplitz matrix of the lecture
cvtui matrix --filter "1 2 3" --size 5 --circular   the circulant one
cvtui matrix --filter 3x3 --size 5x5 --mode valid   doubly block Toeplitz

A filter given as a shape has the parameters 1, 2, 3, … row by row. Entries that share a parameter share a
colour. With it come the share of zeros, the number of distinct parameters, the rank, and y = T x beside the
sliding window's own answer.

\b
--json prints {"kind", "operation", "shape": [rows, columns], "output": [...], "matrix": [[...]],
  "zeros": share, "distinct", "rank" (null where it would take long), "x": [...], "y": [...]}
"""


@click.command(help=HELP)
@click.option(
    "--filter", "filter_text", metavar="W", required=True, help='"1 2 3", "1 2; 3 4" (rows), or a shape: 3x3.'
)
@click.option("--size", "size_given", metavar="N", required=True, help="The input's size: 5 or 5x5.")
@click.option("--mode", metavar="MODE", default="full", show_default=True, help="full, same or valid.")
@click.option("--stride", type=int, default=1, show_default=True, metavar="N", help="Steps between two windows.")
@click.option(
    "--padding", type=int, metavar="N", help="Zeros on each side, as PyTorch counts them; in place of --mode."
)
@click.option("--circular", is_flag=True, help="The borders wrap around (circulant matrix).")
@click.option("--correlate", is_flag=True, help="Cross-correlation, which PyTorch computes: the filter is not flipped.")
@click.option("--input", "input_text", metavar="X", help='The input\'s numbers, "1 0 2 …". Default: 1, 2, 3, …')
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object (above) instead.")
def matrix(
    filter_text: str,
    size_given: str,
    mode: str,
    stride: int,
    padding: int | None,
    circular: bool,
    correlate: bool,
    input_text: str | None,
    as_json: bool,
) -> None:
    """Write a convolution as a matrix: y = T x."""
    spec = _spec(filter_text, size_given, mode, stride, padding, circular, correlate)
    x = _input(input_text, prod(spec.size))
    built = build(spec)
    numbers = built.numbers()
    y = times(numbers, x)
    slid = [answer for _, answer in sliding(spec, x)]
    if y != slid:  # two ways of working it out; if they ever differ, neither may be shown
        raise AssertionError("the matrix and the sliding window disagree")
    if as_json:
        out.json_line(_json(built, numbers, x, y))
        return
    from cvtui.cli.output.matrix_view import print_matrix

    print_matrix(out.console(markup=True), built, numbers, x, y, _rank(built, numbers))


def _spec(
    filter_text: str, size_given: str, mode: str, stride: int, padding: int | None, circular: bool, correlate: bool
) -> FilterSpec:
    weights, shape = _filter(filter_text)
    size = _shape("--size", size_given)
    if len(size) != len(shape):
        raise RequestError(
            f"--size {size_given!r}: the filter has {len(shape)} dimension{'s' * (len(shape) > 1)}, "
            f"so --size has too: {'5' if len(shape) == 1 else '5x5'}"
        )
    chosen: Mode | None = next((one for one in MODES if one == mode.lower()), None)
    if chosen is None:
        raise RequestError(f"--mode {mode!r}: full, same or valid{nearest(mode, MODES)}")
    if not 1 <= stride <= MAX_SIDE:
        raise RequestError(f"--stride {stride}: from 1 to {MAX_SIDE:,}")
    if padding is not None and not 0 <= padding <= MAX_SIDE:
        raise RequestError(f"--padding {padding}: from 0 to {MAX_SIDE:,}")
    spec = FilterSpec(weights, shape, size, chosen, stride, padding, circular, correlate)
    if 0 in spec.output:
        allowed = "" if padding is not None else "; --mode full or same lets it hang over"
        raise RequestError(f"--filter: {size_text(shape)} is larger than the input of {size_text(size)}{allowed}")
    if prod(spec.output) * prod(size) > MAX_ENTRIES or prod(spec.output) * prod(shape) > 4 * MAX_ENTRIES:
        raise RequestError(
            f"--size {size_given}: the matrix would be {prod(spec.output):,} x {prod(size):,}; "
            f"at most {MAX_ENTRIES:,} entries are written out"
        )
    return spec


def _filter(text: str) -> tuple[tuple[Number, ...], tuple[int, ...]]:
    """Parse the filter: numbers, rows of numbers separated by `;`, or only a shape (numbered 1, 2, 3 …)."""
    wrong = RequestError(f'--filter {text[:40]!r}: numbers ("1 2 3"), rows of numbers ("1 2; 3 4") or a shape (3x3)')
    if len(text) > MAX_TEXT:
        raise RequestError(f"--filter: at most {MAX_TEXT:,} characters")
    sides = text.lower().replace("×", "x").split("x")
    if len(sides) == 2 and all(side.strip().isascii() and side.strip().isdigit() for side in sides):
        shape = _shape("--filter", text)
        if prod(shape) > MAX_TEXT:
            raise RequestError(f"--filter {text}: at most {MAX_TEXT:,} numbers")
        return tuple(range(1, prod(shape) + 1)), shape
    try:
        rows = [parse_numbers(row) for row in text.split(";")]
    except (ValueError, ZeroDivisionError):
        raise wrong from None
    if not rows[0] or any(len(row) != len(rows[0]) for row in rows):
        raise wrong
    if ";" not in text:
        return tuple(rows[0]), (len(rows[0]),)
    return tuple(number for row in rows for number in row), (len(rows), len(rows[0]))


def _shape(option: str, text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.lower().replace("×", "x").split("x")]
    if len(parts) > 2 or not all(part.isascii() and part.isdigit() and len(part) < 8 for part in parts):
        raise RequestError(f"{option} {text[:40]!r}: a whole number or two (5 or 5x5)")
    numbers = tuple(int(part) for part in parts)
    if not all(1 <= number <= MAX_SIDE for number in numbers):
        raise RequestError(f"{option} {text[:40]!r}: from 1 to {MAX_SIDE:,}")
    return numbers


def _input(text: str | None, count: int) -> list[Number]:
    if text is None:
        return list(range(1, count + 1))
    try:
        x = parse_numbers(text) if len(text) <= MAX_TEXT * 10 else []
    except (ValueError, ZeroDivisionError):
        raise RequestError(f'--input {text[:40]!r}: numbers, as in "1 0 2.5 -1/3"') from None
    if len(x) != count:
        raise RequestError(f"--input: {len(x):,} numbers, but --size asks for {count:,}")
    return x


def _rank(built: Matrix, numbers: list[list[Number]]) -> int | None:
    """Return the exact rank, or None where it would take long."""
    rows, columns = built.rows, built.columns
    return rank(numbers) if rows * columns * min(rows, columns) <= RANK_WORK else None


def _json(built: Matrix, numbers: list[list[Number]], x: list[Number], y: list[Number]) -> dict[str, Any]:
    return {
        "kind": built.kind,
        "operation": "cross-correlation" if built.spec.correlate else "convolution",
        "shape": [built.rows, built.columns],
        "output": list(built.spec.output),
        "matrix": [[_plain(number) for number in row] for row in numbers],
        "zeros": built.zeros,
        "distinct": built.distinct,
        "rank": _rank(built, numbers),
        "x": [_plain(number) for number in x],
        "y": [_plain(number) for number in y],
    }


def _plain(number: Number) -> int | float:
    return number if isinstance(number, int) else float(number)
