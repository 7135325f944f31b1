"""The four pictures of a layer, as lines of Content for a given room."""

from __future__ import annotations

from typing import NamedTuple

from textual.content import Content

from cvtui.calc import Row, Size, size_text
from cvtui.calc.matrix import FilterSpec, build
from cvtui.calc.table import ReceptiveField
from cvtui.draw.figures import Link, Links, Matrix
from cvtui.text import counted, percent
from cvtui.tui.calc.demo import Demo, demo_of, is_dense, show
from cvtui.tui.widgets import MUTED

VIEWS: dict[str, str] = {
    "filter": "the filter slides over the input",
    "field": "what one unit sees of the net's input",
    "connections": "which inputs an output is connected to",
    "matrix": "the layer as a matrix",
}

UNITS = 9
"""Inputs in the connection picture."""


class View(NamedTuple):
    """The picture's name, and the filter position or unit that it shows."""

    name: str
    position: int


def positions_of(row: Row | None, name: str) -> int:
    """How many places the view can be stepped through; 1 where there is nothing to step."""
    if row is None:
        return 1
    demo = demo_of(row)
    if name == "filter" and demo is not None:
        return demo.positions
    if name == "field" and len(row.output) == 3:
        return row.output[1]
    if name in ("connections", "matrix"):
        return len(_edges(row)[1]) or 1
    return 1


def draw(row: Row | None, view: View, size: Size, width: int, height: int) -> list[Content]:
    """Return at most `height` lines, none wider than `width`; `size` is that of the net's input."""
    if row is None:
        return []
    match view.name:
        case "filter":
            lines = _filter(row, view.position, width)
        case "field":
            lines = _field(row, view.position, size, width, height)
        case "connections":
            lines = _connections(row, view.position, width)
        case _:
            lines = _matrix(row, view.position, width, height)
    return [part for line in lines for part in line.wrap(width)][:height]


def _quiet(*lines: str) -> list[Content]:
    return [Content.styled(line, MUTED) for line in lines]


# ---------------------------------------------------------------- the sliding filter


def _filter(row: Row, position: int, width: int) -> list[Content]:
    demo = demo_of(row)
    if demo is None:
        if is_dense(row):
            return _quiet(
                "A fully connected layer has no filter that slides:", "each output has a weight for every input."
            )
        return _quiet(f"{row.expression}: no filter slides here", "(or it is too large to draw).")
    position %= demo.positions
    covered = {(tap.row, tap.column) for tap in demo.taps(position)}
    grid = _grid_lines(demo, covered)
    output = _output_lines(demo, position)
    weights = _weight_lines(demo)
    blocks = [(f"input {size_text(demo.size)}", grid)]
    if demo.kind == "conv":
        blocks.append((f"filter {size_text(demo.window)}", weights))
    blocks.append((f"output {size_text(demo.output)}", output))
    lines = _beside(blocks, width)
    lines += [Content(""), *_wrapped(demo.formula(position), width)]
    if demo.size != demo.real:
        lines += _quiet(f"shown for a {size_text(demo.size)} input, one channel (really {size_text(row.input)})")
    stride, padding = demo.stride, demo.padding
    steps = f"stride {size_text(stride)}, padding {size_text(padding)}"
    lines += _quiet(f"place {position + 1} of {demo.positions}; {steps}")
    return lines


def _grid_lines(demo: Demo, covered: set[tuple[int, int]]) -> list[Content]:
    lines = []
    for r in range(demo.padded[0]):
        cells = []
        for c in range(demo.padded[1]):
            value = demo.pixel(r, c)
            text = f"{'·' if value is None else value:>2} "
            if (r, c) in covered:
                cells.append((text, "bold $foreground on $primary 45%"))
            else:
                cells.append((text, "$foreground 50%" if value is None else "$foreground"))
        lines.append(Content.assemble(*cells))
    return lines


def _weight_lines(demo: Demo) -> list[Content]:
    return [
        Content.assemble(*[(f"{show(weight):>2} ", "$text-primary") for weight in weights]) for weights in demo.filter
    ]


def _output_lines(demo: Demo, position: int) -> list[Content]:
    lines = []
    for r in range(demo.output[0]):
        cells = []
        for c in range(demo.output[1]):
            number = r * demo.output[1] + c
            if number < position:
                cells.append((f"{show(demo.output_value(number)):>4} ", "$foreground 80%"))
            elif number == position:
                cells.append((f"{show(demo.output_value(number)):>4} ", "bold $foreground on $success 40%"))
            else:
                cells.append(("   · ", "$foreground 50%"))
        lines.append(Content.assemble(*cells))
    return lines


def _beside(blocks: list[tuple[str, list[Content]]], width: int) -> list[Content]:
    """Put blocks side by side under their titles; those without room go below."""
    widths = [max(len(title), *(line.cell_length for line in block)) for title, block in blocks]
    fits = 1
    while fits < len(blocks) and sum(widths[: fits + 1]) + 3 * fits <= width:
        fits += 1
    here, later = blocks[:fits], blocks[fits:]
    lines = [
        Content.assemble(*[(f"{title:<{wide}}   ", MUTED) for (title, _), wide in zip(here, widths, strict=False)])
    ]
    for number in range(max(len(block) for _, block in here)):
        parts = []
        for (_, block), wide in zip(here, widths, strict=False):
            line = block[number] if number < len(block) else Content("")
            parts += [line, Content(" " * (wide - line.cell_length + 3))]
        lines.append(Content.assemble(*parts))
    return [*lines, *(_beside(later, width) if later else [])]


def _wrapped(text: str, width: int) -> list[Content]:
    lines, line = [], ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = "  " + word
        else:
            line = f"{line} {word}" if line else word
    return [Content(one) for one in (*lines, line)]


# ---------------------------------------------------------------- the receptive field


def _field(row: Row, position: int, size: Size, width: int, height: int) -> list[Content]:
    seen = row.receptive_field
    if seen is None or len(size) != 3:
        return _quiet("The net's input is flat: every unit sees all of it.")
    unit = (row.output[0] // 2, position % row.output[1]) if len(row.output) == 3 else (0, 0)
    top, left = (seen.offset[i] + unit[i] * seen.stride[i] for i in (0, 1))
    bottom, right = top + seen.size[0], left + seen.size[1]
    lines = _map(size, (top, bottom, left, right), width, max(2, height - 4))
    return [*lines, *_field_text(row, seen, unit, (top, bottom, left, right), size)]


def _map(size: Size, span: tuple[int, int, int, int], width: int, height: int) -> list[Content]:
    """Draw the input in half blocks with the receptive field highlighted."""
    assert len(size) == 3
    scale = max(1, -(-size[1] // max(1, width)), -(-size[0] // (2 * height)))
    top, bottom, left, right = span
    wide, high = -(-size[1] // scale), -(-size[0] // scale)

    def lit(r: int, c: int) -> bool:
        return top < (r + 1) * scale and r * scale < bottom and left < (c + 1) * scale and c * scale < right

    colours = {True: "$primary", False: "$foreground 50%"}
    lines = []
    for r in range(0, high, 2):
        parts = []
        for c in range(wide):
            upper = colours[lit(r, c)]
            lower = colours[lit(r + 1, c)] if r + 1 < high else "$background"
            parts.append(("▀", f"{upper} on {lower}"))
        lines.append(Content.assemble(*parts))
    return lines


def _field_text(
    row: Row, seen: ReceptiveField, unit: tuple[int, int], span: tuple[int, int, int, int], size: Size
) -> list[Content]:
    assert len(size) == 3
    top, bottom, left, right = span
    name = f"unit ({unit[0]}, {unit[1]}) of {row.name}" if len(row.output) == 3 else f"each unit of {row.name}"
    inside = (min(bottom, size[0]) - max(top, 0)) * (min(right, size[1]) - max(left, 0))
    out = seen.size[0] * seen.size[1] - inside
    padding = f", {out} of them padding" if out > 0 else ""
    steps = f"its neighbours step by {size_text(seen.stride)}" if any(seen.stride) else "all units see the same"
    return [
        Content(""),
        Content(f"{name} sees {size_text(seen.size)} pixels{padding}"),
        *_quiet(f"rows {top} to {bottom - 1}, columns {left} to {right - 1} of {size_text(size[:2])}; {steps}"),
    ]


# ---------------------------------------------------------------- connections and matrix


def _edges(row: Row) -> tuple[int, list[list[tuple[int, int]]]]:
    """Return (number of inputs, for each output its edges (input, parameter number from 1)), in one small dimension."""
    if is_dense(row):
        inputs, outputs = min(UNITS, row.fan_in), min(6, row.output[0])
        return inputs, [[(i, o * inputs + i + 1) for i in range(inputs)] for o in range(outputs)]
    demo = demo_of(row)
    if demo is None:
        return 0, []
    n = min(UNITS, demo.real[1])
    reach = (demo.window[1] - 1) * demo.dilation[1] + 1
    outputs = max(0, (n + 2 * demo.padding[1] - reach) // demo.stride[1] + 1)
    joined = []
    for o in range(outputs):
        taps = [(o * demo.stride[1] + k * demo.dilation[1] - demo.padding[1], k + 1) for k in range(demo.window[1])]
        joined.append([(position, k) for position, k in taps if 0 <= position < n])
    return n, joined


def _connections(row: Row, position: int, width: int) -> list[Content]:
    from cvtui.draw.text_figures import draw as draw_figure

    inputs, joined = _edges(row)
    if not joined:
        return _quiet(f"{row.expression}: works number by number; nothing is joined to anything else.")
    unit = position % len(joined)
    dense, pooled = is_dense(row), row.kind.endswith("pool")
    links = [Link(0, i, o, 0 if pooled else k, lit=o == unit) for o, edges in enumerate(joined) for i, k in edges]
    one = Links(
        sizes=[inputs, len(joined)], links=links, lit=[[i for i, _ in joined[unit]], [unit]], names=["in", "out"]
    )
    lines = [Content.from_rich_text(line) for line in draw_figure(one, width)]
    count, most = sum(map(len, joined)), inputs * len(joined)
    lines += [Content(f"output {unit} is joined to {len(joined[unit])} of {inputs} inputs")]
    if not dense and not pooled:
        shared = [Link(0, i, o, k, lit=True) for o, edges in enumerate(joined) for i, k in edges]
        all_of = Links(sizes=[inputs, len(joined)], links=shared, names=["in", "out"])
        lines += [Content(""), *[Content.from_rich_text(line) for line in draw_figure(all_of, width)]]
        lines += [Content("edges of one colour are one parameter")]
    parameters = 0 if pooled else len({k for edges in joined for _, k in edges})
    text = (
        f"{count} of {most} possible connections, {counted(parameters, 'parameter')}"
        if not pooled
        else f"{count} of {most} possible connections, no parameters"
    )
    return [*lines, *_quiet(text, "one dimension, one channel")]


def _matrix(row: Row, position: int, width: int, height: int) -> list[Content]:
    from cvtui.draw.text_figures import draw as draw_figure

    inputs, joined = _edges(row)
    if not joined:
        return _quiet(f"{row.expression}: works number by number; it is no matrix of its own.")
    if row.kind == "pool":
        return _quiet("A maximum is not linear: max pooling is no matrix.", "(An average pool is one.)")
    values = [[0.0] * inputs for _ in joined]
    groups = [[0] * inputs for _ in joined]
    for o, edges in enumerate(joined):
        for i, k in edges:
            values[o][i], groups[o][i] = (float(k), k) if not row.kind.endswith("pool") else (1.0, 1)
    figure = Matrix(values=values, groups=groups, rows="output", columns="input")
    lines = [Content.from_rich_text(line) for line in draw_figure(figure, width)]
    zeros = sum(not group for line in groups for group in line) / (inputs * len(joined))
    kind = "every entry has a parameter of its own" if is_dense(row) else "Toeplitz: one parameter along each diagonal"
    lines += _quiet(f"{len(joined)}x{inputs}, {percent(zeros, 0)} zeros; {kind}", "one dimension, one channel")
    plane = _plane(row, width, height - 1)
    if plane is None:
        return lines
    drawn = [*(Content.from_rich_text(line) for line in draw_figure(plane[0], width)), *_quiet(plane[1])]
    if len(lines) + 1 + len(drawn) <= height:
        return [*lines, Content(""), *drawn]
    return [*drawn, *_quiet("n: in one dimension")] if position % 2 else [*lines, *_quiet("n: in two dimensions")]


def _plane(row: Row, width: int, height: int) -> tuple[Matrix, str] | None:
    """Return the doubly block Toeplitz matrix of a conv on a 4x4 input; None if there is no room."""
    demo = demo_of(row)
    if demo is None or demo.kind != "conv" or demo.dilation != (1, 1) or demo.stride[0] != demo.stride[1]:
        return None
    if demo.padding[0] != demo.padding[1] or max(demo.window) > 3 or min(demo.window) < 2:
        return None
    weights = tuple(weight for weights in demo.filter for weight in weights)
    spec = FilterSpec(weights, demo.window, (4, 4), stride=demo.stride[0], padding=demo.padding[0], correlate=True)
    if 0 in spec.output:
        return None
    matrix = build(spec)
    if matrix.rows + 3 > height or matrix.columns * 3 > width:
        return None
    groups = [[cell[0] + 1 if cell else 0 for cell in line] for line in matrix.entries]
    values = [[float(number) for number in line] for line in matrix.numbers()]
    shape = f"{matrix.rows}x{matrix.columns}, {percent(matrix.zeros, 0)} zeros, {counted(matrix.distinct, 'parameter')}"
    text = f"{matrix.kind} for a 4x4 input: {shape}"
    return Matrix(values=values, groups=groups), text
