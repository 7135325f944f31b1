"""The remarks of a row: where a window does not fit, what the lecture says and what PyTorch does.

Never a refusal: half of all valid convolutions leave something over.
"""

from __future__ import annotations

from cvtui.calc.net.nodes import Conv, Pair, Pool
from cvtui.calc.pooling_windows import conv_output_size, extent, left_over, pool_output_size


def conv_note(node: Conv, size: Pair, implied: bool) -> str:
    """Remarks on a resolved conv over a map of this (height, width); `implied`: its padding was not written."""
    axes = [_axis(node, size, axis) for axis in (0, 1)]
    notes = []
    if implied and any(d * (f - 1) % 2 for _, f, _, _, d in axes):
        even = [(f, d) for _, f, _, _, d in axes if d * (f - 1) % 2]
        halves = f"{even[0][1]}·({even[0][0]} − 1)/2" if even[0][1] > 1 else f"({even[0][0]} − 1)/2"
        notes.append(
            f"{halves} is not whole: no padding keeps the size; p{(even[0][0] - 1) * even[0][1] // 2} is taken"
        )
    rest = [left_over(*axis) for axis in axes]
    if any(rest):
        notes.append(_misfit(axes, rest))
    if any(s > f and d == 1 for _, f, s, _, d in axes):
        notes.append(_stepped_over(axes))
    return "; ".join(notes)


def pool_note(node: Pool, size: Pair) -> str:
    """Remarks on pooling: the lecture rounds up (⌈W/2⌉), PyTorch rounds down unless told `ceil`."""
    assert node.stride is not None
    axes = [(size[i], node.size[i], node.stride[i], node.padding[i], 1) for i in (0, 1)]
    rest = [left_over(*axis) for axis in axes]
    if node.ceil or not any(rest):
        return ""
    down = [pool_output_size(n, f, s, p) for n, f, s, p, _ in axes]
    up = [pool_output_size(n, f, s, p, ceil=True) for n, f, s, p, _ in axes]
    unread = _unread(axes, rest)
    if down == up:
        return f"PyTorch {unread}; ceil would not change that" if unread else ""
    which = 1 if rest[1] and down[1] != up[1] else 0
    n, f, s, p, _ = axes[which]
    rule = f"⌈{n}/{s}⌉" if f == s and not p else f"⌈({n}{f' + 2·{p}' if p else ''} − {f})/{s}⌉ + 1"
    return f"the lecture's {rule} = {up[which]}; PyTorch's default takes {down[which]} and {unread} (ceil: {up[which]})"


def _axis(node: Conv, size: Pair, axis: int) -> tuple[int, int, int, int, int]:
    assert node.padding is not None
    f, s, p = node.size[axis], node.stride[axis], node.padding[axis]
    assert f is not None
    assert s is not None
    assert p is not None
    return size[axis], f, s, p, node.dilation[axis]


def _misfit(axes: list[tuple[int, int, int, int, int]], rest: list[int]) -> str:
    n, f, s, p, d = axes[1] if rest[1] else axes[0]
    room = n + 2 * p - extent(f, d)
    padded = f"{n} + 2·{p}" if p else f"{n}"
    reach = f"{f}" if d == 1 else f"{d}·({f} − 1) − 1"
    places = conv_output_size(n, f, s, p, d)
    exact = f"{room / s + 1:.2f}".rstrip("0")
    return (
        f"({padded} − {reach})/{s} + 1 = {exact}: the filter does not fit; "
        f"PyTorch takes {places} and {_unread(axes, rest)}{_ways_out(n, f, s, p, d)}"
    )


def _ways_out(n: int, f: int, s: int, p: int, d: int) -> str:
    """Strides and paddings near the given ones with which the division is whole."""
    room = n + 2 * p - extent(f, d)
    strides = [str(t) for t in range(1, min(max(2 * s, 4), 64) + 1) if room % t == 0][-4:]
    paddings = [str(q) for q in range(min(extent(f, d), 64)) if q != p and (room + 2 * (q - p)) % s == 0][:3]
    ways = [f"{word} {_either(found)}" for word, found in (("stride", strides), ("padding", paddings)) if found]
    return f"; it fits with {', or '.join(ways)}" if ways else ""


def _unread(axes: list[tuple[int, int, int, int, int]], rest: list[int]) -> str:
    """Describe what lies at the far edges and no window reads: `never reads 1 row and 1 column`."""
    real = [max(0, over - axis[3]) for axis, over in zip(axes, rest, strict=True)]
    counts, where = (real, "") if any(real) else (rest, " of padding")
    words = [
        f"{count} {word}{'s' if count > 1 else ''}"
        for count, word in zip(counts, ("row", "column"), strict=True)
        if count
    ]
    return f"never reads {' and '.join(words)}{where}" if words else ""


def _stepped_over(axes: list[tuple[int, int, int, int, int]]) -> str:
    words = [
        f"{s - f} of every {s} {word}"
        for (_, f, s, _, d), word in zip(axes, ("rows", "columns"), strict=True)
        if s > f and d == 1
    ]
    return f"the stride is larger than the filter: it steps over {' and '.join(words)}"


def _either(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
