"""How a convolution's matrix looks in the terminal: numbers where they fit, else cells; one colour per parameter."""

from __future__ import annotations

from typing import NamedTuple

from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

from cvtui.calc.matrix import FilterSpec, Matrix, Number, build, rank, show, sliding
from cvtui.calc.table import size_text
from cvtui.cli.output.markup import escaped

COLOURS = (
    "#4e9af1", "#f2a541", "#5fd38d", "#e85d75", "#b58df1", "#3fc9c9", "#f27ab0", "#c9c93f",
    "#8fb4d9", "#d98e5f", "#8fd98f", "#d95f5f", "#d9b8f2", "#5fb0a0", "#f2c6dd", "#a0a05f",
)  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
MOST_ROWS = 100
MOST_SUMS = 12
TYPICAL = 8
"""The side of the input for which the rank is told where the asked matrix is too large."""


class _Layout(NamedTuple):
    """How wide an entry is drawn; `numbers` False: as cells."""

    numbers: bool
    width: int


def print_matrix(
    console: Console,
    built: Matrix,
    numbers: list[list[Number]],
    x: list[Number],
    y: list[Number],
    full_rank: int | None,
) -> None:
    """Print the matrix with its facts, and y = T x worked out both ways."""
    spec = built.spec
    name = "Cross-correlation" if spec.correlate else "Convolution"
    what = f"filter of {size_text(spec.shape)} on {size_text(spec.size)}, {_borders(spec)}"
    article = "" if spec.stride > 1 else "a "
    console.print(f"[bold]{name}[/], {what}: y = T x.", highlight=False)
    console.print(f"T is {built.rows} x {built.columns}: {article}{built.kind}.", highlight=False)
    console.print(f"[dim]{escaped(_definition(spec))}[/]\n", highlight=False)
    _print_rows(console, built, numbers, x, y)
    _print_facts(console, built, full_rank)
    _print_sums(console, spec, x, y)


def _print_rows(console: Console, built: Matrix, numbers: list[list[Number]], x: list[Number], y: list[Number]) -> None:
    layout = _layout(built, numbers, console.width)
    inputs, outputs = [show(number) for number in x], [show(number) for number in y]
    vectors = max(map(len, inputs)) + max(map(len, outputs)) + 18
    beside = layout.numbers and _width(built, layout) + vectors <= console.width and built.columns <= 3 * built.rows
    segments: list[Segment] = []
    rows = min(built.rows, MOST_ROWS)
    block = built.spec.output[1] if len(built.spec.output) == 2 else 0
    high = max(rows, built.columns) if beside else rows
    middle = high // 2
    for number in range(high):
        if number < rows:
            if block and number and number % block == 0 and not beside:
                segments += [Segment("  " + "┄" * (_width(built, layout) - 2), Style.parse("dim")), Segment.line()]
            segments += _row(built, numbers, number, layout, console)
        else:
            segments.append(Segment(" " * (_width(built, layout) + 1)))
        if beside:
            left = inputs[number] if number < len(inputs) else None
            right = outputs[number] if number < len(outputs) else None
            segments.append(Segment("  ·  " if number == middle else "     "))
            segments.append(_bracketed(left, max(map(len, inputs))))
            segments.append(Segment("  =  " if number == middle else "     "))
            segments.append(_bracketed(right, max(map(len, outputs))))
        segments.append(Segment.line())
    console.print(Segments(segments), end="")
    if rows < built.rows:
        console.print(f"[dim]… {built.rows - rows} rows more (--json prints them all)[/]", highlight=False)
    if _width(built, layout) > console.width:
        console.print("[dim]wider than this terminal: the right-hand part is cut[/]")


def _row(built: Matrix, numbers: list[list[Number]], number: int, layout: _Layout, console: Console) -> list[Segment]:
    """One row of T between its brackets; blocks of a 2-D input are parted."""
    part = built.spec.size[1] if len(built.spec.size) == 2 else 0
    segments = [Segment("[ ")]
    coloured = console.color_system is not None and not console.no_color
    for column, cell in enumerate(built.entries[number]):
        if part and column and column % part == 0:
            segments.append(Segment("┊ " if layout.width > 1 else "┊", Style.parse("dim")))
        if not cell:
            text, style = ("0" if layout.numbers else "·"), "dim"
            filled = f"{text:>{layout.width - 1}} " if layout.width > 1 else text
            segments.append(Segment(filled, Style.parse(style)))
            continue
        colour = Style.parse(COLOURS[cell[0] % len(COLOURS)])
        if layout.numbers:
            segments.append(Segment(f"{show(numbers[number][column]):>{layout.width - 1}} ", colour))
        else:
            letter = "█" if coloured else LETTERS[cell[0] % len(LETTERS)]
            segments.append(Segment(letter * max(1, layout.width - 1) + " " * (layout.width > 1), colour))
    width = console.width - 1
    return [*_cropped(segments, width), Segment("]")]


def _cropped(segments: list[Segment], width: int) -> list[Segment]:
    kept, room = [], width
    for segment in segments:
        if room <= 0:
            break
        kept.append(Segment(segment.text[:room], segment.style))
        room -= len(segment.text)
    return kept


def _layout(built: Matrix, numbers: list[list[Number]], width: int) -> _Layout:
    """Numbers if a row fits into the terminal, else cells of two characters, else of one."""
    longest = max((len(show(number)) for row in numbers for number in row), default=1)
    for layout in (_Layout(True, longest + 1), _Layout(False, 2)):
        if _width(built, layout) <= width:
            return layout
    return _Layout(False, 1)


def _width(built: Matrix, layout: _Layout) -> int:
    """Characters of a row with its brackets."""
    blocks = built.spec.size[0] - 1 if len(built.spec.size) == 2 else 0
    return 3 + built.columns * layout.width + blocks * (2 if layout.width > 1 else 1)


def _print_facts(console: Console, built: Matrix, full_rank: int | None) -> None:
    entries = built.rows * built.columns
    console.print()
    console.print(
        f"{built.zeros:.1%} of the {entries:,} entries are zeros (sparse connections); the others are "
        f"{built.distinct:,} distinct parameter{'s' * (built.distinct != 1)} (shared), where a fully connected layer "
        f"has {entries:,}.",
        highlight=False,
    )
    most = min(built.rows, built.columns)
    if full_rank is not None:
        word = "full" if full_rank == most else f"{most - full_rank} short of full"
        console.print(f"Rank {full_rank} ({word}: at most {most}).", highlight=False)
        return
    spec = built.spec
    small = spec._replace(size=tuple(min(n, max(f + 1, TYPICAL)) for n, f in zip(spec.size, spec.shape, strict=True)))
    if max(small.size) <= 2 * TYPICAL:
        twin = build(small)
        console.print(
            f"Rank of the same on {size_text(small.size)}: {rank(twin.numbers())}, "
            f"at most {min(twin.rows, twin.columns)}.",
            highlight=False,
        )


def _print_sums(console: Console, spec: FilterSpec, x: list[Number], y: list[Number]) -> None:
    """Write out the sliding window for the first outputs, term by term, each with T x beside it."""
    console.print("\n[bold]The sliding window's own answer[/], its products in the order of the window:")
    answers = sliding(spec, x)[:MOST_SUMS]
    for number, (products, answer) in enumerate(answers):
        place = "{}, {}".format(*divmod(number, spec.output[1])) if len(spec.output) == 2 else str(number)
        terms = " + ".join(f"{_factor(weight)}·{_factor(value)}" for weight, value in products)
        longest = console.width - 38
        terms = terms if len(terms) <= longest else terms[: max(0, longest - 2)] + " …"
        console.print(f"  y\\[{place}] = {terms} = [bold]{show(answer)}[/]  (T x: {show(y[number])})", highlight=False)
    if len(y) > len(answers):
        console.print(f"  [dim]… {len(y) - len(answers)} more[/]", highlight=False)
    console.print(f"[green]All {len(y)} equal T x.[/]", highlight=False)


def _definition(spec: FilterSpec) -> str:
    flat = len(spec.size) == 1
    if spec.correlate:
        formula = "y[i] = Σ w[k]·x[i + k]" if flat else "y[i, j] = Σ w[k, l]·x[i + k, j + l]"
        return f"{formula}; the filter is not flipped, as in PyTorch"
    formula = "y[n] = Σ w[k]·x[n − k]" if flat else "y[i, j] = Σ w[k, l]·x[i − k, j − l]"
    return f"{formula}; flipped (PyTorch does not: --correlate)"


def _borders(spec: FilterSpec) -> str:
    stride = f", stride {spec.stride}" if spec.stride > 1 else ""
    if spec.padding is not None:
        return f"{'circular ' if spec.circular else ''}padding {spec.padding}{stride}"
    return f"{'circular' if spec.circular else spec.mode}{stride}"


def _factor(number: Number) -> str:
    text = show(number)
    return f"({text})" if text[0] == "−" or "/" in text else text


def _bracketed(text: str | None, width: int) -> Segment:
    return Segment(f"[ {text:>{width}} ]" if text is not None else " " * (width + 4))
