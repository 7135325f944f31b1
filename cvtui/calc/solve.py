"""What fits where the net says `?`: `conv32f5s2p?` alone, or together with the output that is wanted.

The convs with a `?` are taken in the order in which the data meet them. What divides without a rest comes first; where
an output is wanted, the settings that are used everywhere come first: an odd filter (3, 5, 1, 7) with the padding that
keeps the size, or one as large as its stride.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

from cvtui.calc.net.nodes import Chain, Conv, Node, Pair, Repeat
from cvtui.calc.net.printer import expression
from cvtui.calc.pooling_windows import conv_output_size, extent, formula, left_over, same_padding
from cvtui.calc.table import Size, Table, size_text
from cvtui.calc.trace import UnknownLeft, trace
from cvtui.errors import RequestError

MAX_WORK = 5_000
"""Layers traced in the search for a wanted output: about half a second."""
_FILTERS = (3, 5, 1, 7, 2, 4, 9, 11, 6, 8, 10)


class Fit(NamedTuple):
    """One way to fill a conv's `?`."""

    node: Conv
    size: Pair
    output: Pair
    exact: bool
    """Whether the division is whole on both axes, so that the filter reads the whole padded input."""

    @property
    def works_out(self) -> str:
        axes = []
        for axis in (0, 1):
            f, s, p, d = _axis(self.node, axis)
            axes.append(formula(self.size[axis], f, s, p, d))
        return axes[0] if axes[0] == axes[1] else ", ".join(axes)


class Answer(NamedTuple):
    """What is known about one conv with a `?`; `fits` begins with the one that was taken."""

    node: Conv
    size: Pair
    fits: list[Fit]

    @property
    def summary(self) -> str:
        exact = [fit for fit in self.fits if fit.exact]
        asked = expression(self.node)
        where = f"{asked} on {self.size[0]}x{self.size[1]}"
        if exact:
            return f"{where}: {len(exact)} fit{'s' if len(exact) == 1 else ''} exactly"
        return f"{where}: none fits exactly{_why(self)}; with PyTorch's floor:"


class Solution(NamedTuple):
    """The net with numbers in place of every `?`, and what else there was."""

    chain: Chain
    table: Table
    answers: list[Answer]
    nets: list[str]
    """With a wanted output and several convs with `?`: the nets that reach it, as text, common settings first."""


def solve(chain: Chain, size: Size, classes: int, wanted: Size | None = None, *, source: str = "") -> Solution:
    """Fill every `?`. Without `wanted`, each by itself; with it, together, so that the net's output is of that size."""
    if wanted is not None:
        return _reached(chain, size, classes, wanted, source)
    answers: list[Answer] = []
    while True:
        try:
            return Solution(chain, trace(chain, size, classes, source=source), answers, [])
        except UnknownLeft as unknown:
            fits = _candidates(unknown.node, unknown.size)
            if not fits:
                raise _nothing_fits(unknown, source) from None
            shown = [fit for fit in fits if fit.exact] or fits
            answers.append(Answer(unknown.node, unknown.size, shown))
            chain = _filled(chain, unknown.node, shown[0].node)


def _reached(chain: Chain, size: Size, classes: int, wanted: Size, source: str) -> Solution:
    """Both axes with the same numbers where that can be, else each axis for itself (`s2x4`)."""
    try:
        answers, found = _reach(chain, size, classes, wanted, source)
    except _OutOfReach:
        if len(size) == 1 or len(wanted) == 1 or (size[0] == size[1] and wanted[0] == wanted[1]):
            raise
        (_, c), (_, k) = (size[1:], wanted[1:])
        high, _ = _reach(chain, (size[0], size[0], c), classes, (wanted[0], wanted[0], k), source)
        wide, _ = _reach(chain, (size[1], size[1], c), classes, (wanted[1], wanted[1], k), source)
        answers = [_crossed(*both) for both in zip(high, wide, strict=True)]
        found = []
    net = chain
    for answer in answers:
        net = _filled(net, answer.node, answer.fits[0].node)
    table = trace(net, size, classes, source=source)
    if table.output != wanted:
        raise _out_of_reach(wanted, {table.output}, cut=False)
    nets = ["-".join(expression(part) for part in one.parts) for one in found]
    return Solution(net, table, answers, nets if len(answers) > 1 else [])


def _reach(chain: Chain, size: Size, classes: int, wanted: Size, source: str) -> tuple[list[Answer], list[Chain]]:
    """Search depth first over the convs with `?`; settings that give the same size go on as one."""
    work, layers = 0, _layers(chain)
    found: list[tuple[Chain, list[Answer]]] = []
    outputs: set[Size] = set()

    def search(net: Chain, answers: list[Answer]) -> None:
        nonlocal work
        work += layers
        if work > MAX_WORK:
            return
        try:
            table = trace(net, size, classes, source=source)
        except UnknownLeft as unknown:
            for fits in _grouped(unknown, _in_repeat(chain, unknown.node)):
                answer = Answer(unknown.node, unknown.size, fits)
                search(_filled(net, unknown.node, fits[0].node), [*answers, answer])
            return
        except RequestError:
            if not answers:
                raise
            return
        if table.output != wanted and not answers:  # nothing was asked
            raise RequestError(f"--output {size_text(wanted)}: the net gives {size_text(table.output)}")
        outputs.add(table.output)
        if table.output == wanted:
            found.append((net, answers))

    search(chain, [])
    if not found:
        raise _out_of_reach(wanted, outputs, work > MAX_WORK)
    return _ranked(found)


def _ranked(found: list[tuple[Chain, list[Answer]]]) -> tuple[list[Answer], list[Chain]]:
    """Return the most usual answers, and all nets that reach the size, most usual first."""
    found.sort(key=lambda one: [_usualness(answer.fits[0]) for answer in one[1]])
    answers = found[0][1]
    if len(answers) == 1:  # one conv: every setting that reaches the size, over all groups
        every = sorted((fit for _, (answer,) in found for fit in answer.fits), key=_usualness)
        answers = [Answer(answers[0].node, answers[0].size, every)]
    return answers, [net for net, _ in found]


def _crossed(high: Answer, wide: Answer) -> Answer:
    """One setting for the height and one for the width, with the same filter where both axes have such a setting."""
    one = high.fits[0]
    other = next((fit for fit in wide.fits if fit.node.size[1] == one.node.size[0]), wide.fits[0])
    size = (high.size[0], wide.size[1])
    return Answer(high.node, size, [_fit(high.node, size, _axis(one.node, 0)[:3], _axis(other.node, 1)[:3])])


def _grouped(unknown: UnknownLeft, repeated: bool) -> list[list[Fit]]:
    """Candidates by the size that they give; a conv that is repeated meets other sizes later, so each stands alone."""
    groups: dict[object, list[Fit]] = {}
    for number, fit in enumerate(_candidates(unknown.node, unknown.size)):
        groups.setdefault(number if repeated else fit.output, []).append(fit)
    return [sorted(fits, key=_usualness) for fits in groups.values()]


def _candidates(node: Conv, size: Pair) -> list[Fit]:
    """Every sensible setting of a conv on a map of this size, common ones first."""
    heights = [setting for setting in _settings(node, 0, size[0])]
    widths = [setting for setting in _settings(node, 1, size[1])]
    square = [one for one in heights if one in set(widths)]
    fits = sorted((_fit(node, size, one, one) for one in square), key=_commonness)
    if not any(fit.exact for fit in fits) and (size[0] != size[1] or heights != widths):
        pairs = product(_exact(node, 0, size[0], heights), _exact(node, 1, size[1], widths))
        fits = sorted((_fit(node, size, high, wide) for high, wide in pairs), key=_commonness) + fits
    return fits


def _settings(node: Conv, axis: int, n: int) -> list[tuple[int, int, int]]:
    """(F, S, P) along one axis that leave at least one place."""
    f_given, s_given, d = node.size[axis], node.stride[axis], node.dilation[axis]
    p_given = node.padding[axis] if node.padding is not None else None
    settings = []
    for f in (f_given,) if f_given is not None else _FILTERS:
        strides = (s_given,) if s_given is not None else range(1, min(max(f, 4), 16) + 1)
        if node.padding is None:
            paddings: tuple[int, ...] = (same_padding(f, d),)
        else:
            paddings = (p_given,) if p_given is not None else (*range(min(extent(f, d), 64)), same_padding(f, d))
        settings += [(f, s, p) for s, p in product(strides, dict.fromkeys(paddings)) if conv_output_size(n, f, s, p, d)]
    return settings


def _exact(node: Conv, axis: int, n: int, settings: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    return [(f, s, p) for f, s, p in settings if not left_over(n, f, s, p, node.dilation[axis])][:8]


def _fit(node: Conv, size: Pair, high: tuple[int, int, int], wide: tuple[int, int, int]) -> Fit:
    (fh, sh, ph), (fw, sw, pw) = high, wide
    filled = node.replaced(size=(fh, fw), stride=(sh, sw), padding=None if node.padding is None else (ph, pw))
    axes = [(n, *setting, d) for n, setting, d in zip(size, (high, wide), node.dilation, strict=True)]
    first, second = (conv_output_size(*axis) for axis in axes)
    return Fit(filled, size, (first, second), not any(left_over(*axis) for axis in axes))


def _commonness(fit: Fit) -> tuple[bool, int, int, int]:
    """Sorts settings: whole division, small stride, a usual filter, padding near the one that keeps the size."""
    f, s, p, d = _axis(fit.node, 1)
    rank = _FILTERS.index(f) if f in _FILTERS else len(_FILTERS)
    return not fit.exact, s, rank, abs(p - same_padding(f, d))


def _usualness(fit: Fit) -> tuple[bool, bool, int, int, int]:
    """Sorts settings that reach a wanted size: the usual ones before the others, each by `_commonness`."""
    f, s, p, d = _axis(fit.node, 1)
    usual = (f in (1, 3, 5, 7) and p == same_padding(f, d)) or (f == s and p == 0)
    return not usual, *_commonness(fit)


def _axis(node: Conv, axis: int) -> tuple[int, int, int, int]:
    f, s, d = node.size[axis], node.stride[axis], node.dilation[axis]
    assert f is not None
    assert s is not None
    p = same_padding(f, d) if node.padding is None else node.padding[axis]
    assert p is not None
    return f, s, p, d


def _filled(node: Chain, old: Conv, new: Conv) -> Chain:
    """Return the tree with one conv (known by its place in the text) in place of another."""

    def walk(part: Node) -> Node:
        return new if part.span == old.span and part == old else part.mapped(walk)

    return node.mapped(walk)


def _layers(node: Node) -> int:
    """Count the layers of a part when it is unrolled."""
    count = node.count if isinstance(node, Repeat) else 1
    return count * (sum(map(_layers, node.children())) if node.inside else 1)


def _in_repeat(chain: Chain, node: Conv) -> bool:
    """Return True if the conv stands inside a part with `*N`."""
    inside: list[Node] = [chain]
    while inside:
        part = inside.pop()
        if isinstance(part, Repeat) and part.span[0] <= node.span[0] < part.span[1]:
            return True
        inside += part.children()
    return False


def _why(answer: Answer) -> str:
    """Give the lecture's reason where only the padding is asked: 32 − 5 + 2P is odd, the stride is 2."""
    if None in answer.node.size or None in answer.node.stride:
        return ""
    for axis in (1, 0):
        f, s, _, d = _axis(answer.fits[0].node, axis)
        room, paddings = answer.size[axis] - extent(f, d), min(extent(f, d), 64)
        if all((room + 2 * p) % s for p in range(paddings)):
            odd = " is odd for every P" if s == 2 else f" is no multiple of {s} for any P up to {paddings - 1}"
            return f", because {room} + 2P{odd}"
    return ""


def _nothing_fits(unknown: UnknownLeft, source: str) -> RequestError:
    high, wide = unknown.size
    message = f"{expression(unknown.node)}: nothing in place of '?' fits a {high}x{wide} map"
    return RequestError(message, source=source, column=unknown.node.span[0])


class _OutOfReach(RequestError):
    """Nothing in place of the `?` gives the wanted output."""


def _out_of_reach(wanted: Size, outputs: set[Size], cut: bool) -> RequestError:
    if cut:
        return _OutOfReach(f"--output {size_text(wanted)}: too many '?' to try them all; put numbers for some of them")
    channels = {size[-1] for size in outputs}
    if outputs and wanted[-1] not in channels:
        given = " or ".join(map(str, sorted(channels)))
        gives = f"the net gives {given} channels whatever stands for '?', not {wanted[-1]}"
        return _OutOfReach(f"--output {size_text(wanted)}: {gives}")
    near = sorted(outputs, key=lambda size: abs(size[0] - wanted[0]) if len(size) == len(wanted) else 10**9)[:3]
    reached = f"; the nearest are {', '.join(map(size_text, near))}" if near else ""
    return _OutOfReach(f"--output {size_text(wanted)}: no filter, stride and padding in place of '?' gives it{reached}")
