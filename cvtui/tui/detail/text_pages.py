"""What Pictures draws with characters: confusion matrix, gradient flow, the row of pages, the list of layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from cvtui.draw.bars import log_bar
from cvtui.text import clean, counted, cut_middle, cut_start, fill, percent, significant
from cvtui.tui.detail.heat_colors import theme_color_map
from cvtui.tui.detail.picture_index import CONFUSION, FLOW
from cvtui.tui.widgets import MUTED

if TYPE_CHECKING:
    from textual.theme import Theme

    from cvtui.runlog.events import LayersSampled


def gradient_flow(sample: LayersSampled, width: int) -> Content:
    """Draw one bar a layer, first to last: the logarithm of its gradient norm.

    Vanishing and exploding gradients show as a slope.
    """
    norms = [(layer.name, layer.grad_norm) for layer in sample.layers if layer.grad_norm is not None]
    known = [norm for _, norm in norms if norm > 0]
    if not known:
        return Content.styled("No gradient was recorded.", MUTED)
    low, high = min(known) / 3, max(known)
    label = min(24, max(len(name) for name, _ in norms))
    room = max(8, width - label - 14)
    lines = [Content.styled("norm of each layer's gradient, log scale; first layer first", MUTED)]
    for name, norm in norms:
        filled = log_bar(norm, low, high, room)
        title = (f"{clean(name)[:label]:<{label}}  ", MUTED)
        lines.append(Content.assemble(title, (f"{filled:<{room}}", "$primary"), f"  {significant(norm)}"))
    first, last = norms[0][1], norms[-1][1]
    if first and last:
        lines.append(Content.styled(f"first / last: {significant(first / last)}", MUTED))
    return Content("\n").join(lines)


MATRIX_CELL = 3
"""Cells of a count at least; a matrix that has less room is told in words."""


def confusion(matrix: list[list[int]], names: list[str], width: int, lines: int, theme: Theme) -> Content:
    """Draw the counts, true class by row, predicted by column, shaded by the share of the row.

    Of a matrix that doesn't fit into `width` cells and `lines` lines: its most frequent confusions.
    """
    size = len(matrix)
    names = names if len(names) == size else [str(number) for number in range(size)]
    longest = max(map(cell_len, names), default=1)
    cell = max(MATRIX_CELL, max((len(str(number)) for row in matrix for number in row), default=1) + 1)
    label = min(longest, 12)
    if label + 2 + size * cell + RIGHT > width or size + 2 > lines:
        return most_confused(matrix, names, width, lines)
    cell = max(cell, min(longest + 1, (width - label - 2 - RIGHT) // max(1, size)))
    table = theme_color_map(theme)
    head = " " * (label + 2) + "".join(_right(name, cell) for name in names)
    drawn = [Content.styled(f"{'true':<{label}}  predicted", MUTED), Content.styled(head, MUTED)]
    for number_of_row, (name, row) in enumerate(zip(names, matrix, strict=True)):
        total = max(1, sum(row))
        parts: list[Content | tuple[str, str]] = [(f"{set_cell_size(name, label)}  ", MUTED)]
        for number in row:
            red, green, blue = (int(part) for part in table[min(255, round(255 * number / total))])
            ink = "#000000" if 0.3 * red + 0.59 * green + 0.11 * blue > 128 else "#ffffff"
            text = (str(number) if number else "·").rjust(cell)[:cell]
            parts.append((text, f"{ink} on #{red:02x}{green:02x}{blue:02x}"))
        parts.append((f"  {percent(row[number_of_row] / total, 0):>5} right", MUTED))
        drawn.append(Content.assemble(*parts))
    return Content("\n").join(line.truncate(width, ellipsis=True) for line in drawn)


RIGHT = 13
"""Cells of the share that is right, beside a row."""


def _right(name: str, cell: int) -> str:
    """Return a name, cut to one cell less than there is, at the right end."""
    kept = name if cell_len(name) < cell else set_cell_size(name, cell - 1)
    return " " * (cell - cell_len(kept)) + kept


def most_confused(matrix: list[list[int]], names: list[str], width: int, lines: int) -> Content:
    """List the most frequent confusions, and the classes that are right least often."""
    totals = [max(1, sum(row)) for row in matrix]
    wrong = [(n, i, j) for i, row in enumerate(matrix) for j, n in enumerate(row) if n and i != j]
    wrong.sort(key=lambda one: (-one[0], -one[0] / totals[one[1]]))
    weakest = sorted((row[i] / totals[i], i) for i, row in enumerate(matrix) if sum(row))
    room = max(1, (lines - 5) // 2)
    wide = max(8, (width - 30) // 2)
    told = f"{counted(len(matrix), 'class')}: too many for a matrix here. The most frequent confusions:"
    drawn = [Content.styled(told, MUTED)]
    for number, i, j in wrong[:room]:
        share = f"{number} of {totals[i]} ({percent(number / totals[i], 0)})"
        drawn.append(
            Content.assemble(_name(names[i], wide), (" taken for ", MUTED), _name(names[j], wide), f" {share}")
        )
    drawn += [Content(""), Content.styled("Classes with the lowest accuracy:", MUTED)]
    for right, i in weakest[: lines - len(drawn)]:
        drawn.append(Content.assemble(_name(names[i], width - 10), f" {percent(right, 0):>5}"))
    return Content("\n").join(line.truncate(width, ellipsis=True) for line in drawn)


def _name(name: str, width: int) -> str:
    return set_cell_size(cut_middle(name, width), width)


SHORT = {CONFUSION: "confusion", FLOW: "gradient flow"}


def page_tabs(names: list[str], here: str, width: int) -> Content:
    """All pages in one line; where there is no room for all, those around the one that is shown."""
    titles = {name: SHORT.get(name) or clean(name.partition(" of ")[0])[:24] for name in names}
    first, last = 0, len(names)
    while last - first > 1 and sum(len(titles[name]) + 2 for name in names[first:last]) + 4 > width:
        index = names.index(here) if here in names else 0
        if index - first > last - 1 - index:
            first += 1
        else:
            last -= 1
    parts: list[tuple[str, str]] = [("‹ ", MUTED)] if first else []
    for name in names[first:last]:
        parts.append((f" {titles[name]} ", "bold $foreground on $primary 35%" if name == here else MUTED))
    if last < len(names):
        parts.append((" ›", MUTED))
    return Content.assemble(*parts).truncate(width, ellipsis=True)


def layer_list(layers: list[str], index: int, room: int, width: int) -> Content:
    """Return as many layers around the chosen one as fit."""
    first = min(max(0, index - room // 2), max(0, len(layers) - room))
    lines = []
    for number in range(first, min(len(layers), first + room)):
        name = clean(layers[number])
        name = cut_start(name, width - 2)
        mark, style = ("▸ ", "bold $foreground on $primary 35%") if number == index else ("  ", MUTED)
        lines.append(Content.styled(fill(f"{mark}{name}", width), style))
    return Content("\n").join(lines)
