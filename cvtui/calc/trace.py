"""From a net and an input size to its table: every layer's output, parameters, MACs and receptive field.

The table follows every keystroke of the net's text, so this must be quick: about 20 µs a layer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from cvtui.calc.net.nodes import (
    Activation,
    BatchNorm,
    Chain,
    Concat,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    LayerNorm,
    Linear,
    Node,
    Pair,
    Pool,
    Repeat,
    Residual,
    Softmax,
)
from cvtui.calc.notes import conv_note, pool_note
from cvtui.calc.pooling_windows import conv_output_size, extent, formula, pool_output_size, same_padding
from cvtui.calc.receptive_fields import FieldByAxis, Window, everything, identity, joined, slid
from cvtui.calc.sizes import MAX_SIDE
from cvtui.calc.table import Row, Size, Table, size_text, values
from cvtui.errors import RequestError


class UnknownLeft(RequestError):
    """A conv with a `?` was met: which one, and the (height, width) that comes in. `cvtui.calc.solve` answers."""

    def __init__(self, node: Conv, size: Pair, message: str, source: str) -> None:
        super().__init__(message, source=source, column=node.span[0])
        self.node = node
        self.size = size


class _Flow(NamedTuple):
    """State between two layers: a size, what its units see, and the row that made it.

    What units see is None where the input has no height and width; row −1 is the net's input.
    """

    size: Size
    field: FieldByAxis | None
    row: int


def trace(chain: Chain, size: Size, classes: int = 10, *, source: str = "") -> Table:
    """Trace a net on one input size into its layer table.

    size: (H, W, C), or (N,) for an input that is flat. classes: the outputs of a bare `fc`. source: the net's text, for
    the caret of an error. RequestError where a layer does not fit what it is given, with its column.
    """
    if len(size) not in (1, 3) or any(n < 1 for n in size):
        raise RequestError(f"input {size_text(size)}: every size is at least 1, as in 32x32x3")
    if any(n > MAX_SIDE for n in size):
        raise RequestError(f"input {size_text(size)}: a size is at most {MAX_SIDE:,}")
    if not 1 <= classes <= MAX_SIDE:
        raise RequestError(f"classes {classes}: at least 1 and at most {MAX_SIDE:,}")
    tracer = _Tracer(size, classes, source)
    tracer.chain(chain, _Flow(size, identity(size[:2]) if len(size) == 3 else None, -1), 0)
    return Table(size, classes, tuple(tracer.rows))


class _Tracer:
    def __init__(self, size: Size, classes: int, source: str) -> None:
        self.input = size
        self.classes = classes
        self.source = source
        self.rows: list[Row] = []
        self.counts: dict[str, int] = {}
        self.bare: Linear | None = None
        self.leaves: dict[type[Node], Callable[..., _Flow]] = {
            Conv: self.conv,
            Pool: self.pool,
            GlobalPool: self.global_pool,
            Linear: self.linear,
            Flatten: self.flatten,
            Activation: self.same,
            Dropout: self.same,
            Softmax: self.same,
            BatchNorm: self.normalise,
            LayerNorm: self.normalise,
        }

    def chain(self, chain: Chain, flow: _Flow, depth: int) -> _Flow:
        for part in chain.parts:
            flow = self.node(part, flow, depth)
        return flow

    def node(self, node: Node, flow: _Flow, depth: int) -> _Flow:
        if isinstance(node, Chain):
            return self.chain(node, flow, depth)
        if isinstance(node, Repeat):
            for _ in range(node.count):
                flow = self.chain(node.body, flow, depth)
            return flow
        if isinstance(node, Residual):
            return self.residual(node, flow, depth)
        if isinstance(node, Concat):
            return self.concat(node, flow, depth)
        return self.leaves[type(node)](node, flow, depth)

    # The layers.

    def conv(self, node: Conv, flow: _Flow, depth: int, kind: str = "conv") -> _Flow:
        size, field = self.mapped(node, flow)
        self.numbered(kind)
        if has_unknown(node):
            message = (
                f"layer {len(self.rows) + 1}, conv: '?' asks what fits; here a number is needed (`cvtui calc` answers)"
            )
            raise UnknownLeft(node, size[:2], message, self.source)
        channels = size[2]
        if channels % node.groups or node.filters % node.groups:
            what = f"{channels} input channels" if channels % node.groups else f"{node.filters} filters"
            raise self.misfit(node, kind, f"{what} can't be parted into {node.groups} groups")
        filters, stride = whole(node.size), whole(node.stride)
        if node.padding is None:
            padding = (same_padding(filters[0], node.dilation[0]), same_padding(filters[1], node.dilation[1]))
        else:
            padding = whole(node.padding)
        reach = (extent(filters[0], node.dilation[0]), extent(filters[1], node.dilation[1]))
        out = tuple(conv_output_size(size[i], filters[i], stride[i], padding[i], node.dilation[i]) for i in (0, 1))
        if 0 in out:
            raise self.misfit(node, kind, self.too_small(size[:2], padding, reach, "filter", filters))
        resolved = node if node.padding is not None else node.replaced(padding=padding)
        per_filter = filters[0] * filters[1] * (channels // node.groups)
        output = (out[0], out[1], node.filters)
        after = self.flow(output, slid(field, Window(filters, stride, padding, node.dilation), output[:2]))
        self.add_row(
            kind,
            resolved,
            node,
            depth,
            (flow,),
            after,
            weights=per_filter * node.filters,
            biases=node.filters if node.bias else 0,
            macs=per_filter * values(output),
            fan_in=per_filter,
            formula=_both(size, filters, stride, padding, node.dilation),
            note="" if kind == "proj" else conv_note(resolved, size[:2], node.padding is None),
        )
        return after

    def pool(self, node: Pool, flow: _Flow, depth: int) -> _Flow:
        kind = {"max": "pool", "average": "avgpool", "sum": "sumpool"}[node.kind]
        size, field = self.mapped(node, flow)
        stride = node.stride or node.size
        if any(2 * p > f for p, f in zip(node.padding, node.size, strict=True)):
            raise self.misfit(
                node,
                kind,
                f"padding {_by(node.padding)} is more than half of its {_by(node.size)} window (PyTorch refuses it)",
            )
        out = tuple(pool_output_size(size[i], node.size[i], stride[i], node.padding[i], node.ceil) for i in (0, 1))
        if 0 in out:
            raise self.misfit(node, kind, self.too_small(size[:2], node.padding, node.size, "window", node.size))
        resolved = node if node.stride is not None else node.replaced(stride=stride)
        output = (out[0], out[1], size[2])
        after = self.flow(output, slid(field, Window(node.size, stride, node.padding), output[:2]))
        self.add_row(
            kind,
            resolved,
            node,
            depth,
            (flow,),
            after,
            formula=_both(size, node.size, stride, node.padding, (1, 1), ceil=node.ceil),
            note=pool_note(resolved, size[:2]),
        )
        return after

    def global_pool(self, node: GlobalPool, flow: _Flow, depth: int) -> _Flow:
        size, field = self.mapped(node, flow)
        after = self.flow((1, 1, size[2]), everything(field, self.input[:2], (1, 1)))  # type: ignore[arg-type]
        self.add_row(
            "gap", node, node, depth, (flow,), after, formula=f"mean of {size[0]}·{size[1]} = {size[0] * size[1]:,}"
        )
        return after

    def linear(self, node: Linear, flow: _Flow, depth: int, kind: str = "fc") -> _Flow:
        self.numbered(kind)
        if node.outputs is None:
            self.bare = node
        outputs = node.outputs or self.classes
        inputs = values(flow.size)
        resolved = node if node.outputs else node.replaced(outputs=outputs)
        after = self.flow((outputs,), self.mixed(flow, (1, 1)))
        self.add_row(
            kind,
            resolved,
            node,
            depth,
            (flow,),
            after,
            weights=inputs * outputs,
            biases=outputs if node.bias else 0,
            macs=inputs * outputs,
            fan_in=inputs,
            formula="" if len(flow.size) == 1 else f"{flow.size[0]}·{flow.size[1]}·{flow.size[2]} = {inputs:,} inputs",
        )
        return after

    def flatten(self, node: Flatten, flow: _Flow, depth: int) -> _Flow:
        size = flow.size
        after = self.flow((values(size),), flow.field)
        product = "" if len(size) == 1 else f"{size[0]}·{size[1]}·{size[2]} = {values(size):,}"
        self.add_row("flatten", node, node, depth, (flow,), after, formula=product)
        return after

    def same(self, node: Node, flow: _Flow, depth: int) -> _Flow:
        """Layers that work number by number and keep the size."""
        kind = node.kind if isinstance(node, Activation) else "drop" if isinstance(node, Dropout) else "softmax"
        note = "part of the loss, not of the model" if kind == "softmax" else ""
        after = self.flow(flow.size, flow.field)
        self.add_row(kind, node, node, depth, (flow,), after, note=note)
        return after

    def normalise(self, node: Node, flow: _Flow, depth: int) -> _Flow:
        """bn: a scale and a shift per channel. ln: per number of the map; each output depends on the whole map."""
        size = flow.size
        if isinstance(node, BatchNorm):
            after = self.flow(size, flow.field)
            self.add_row("bn", node, node, depth, (flow,), after, weights=size[-1], biases=size[-1])
            return after
        count = values(size)
        after = self.flow(size, self.mixed(flow, size[:2] if len(size) == 3 else (1, 1)))
        self.add_row("ln", node, node, depth, (flow,), after, weights=count, biases=count)
        return after

    # Where branches part and meet.

    def residual(self, node: Residual, flow: _Flow, depth: int) -> _Flow:
        body = self.chain(node.body, flow, depth + 1)
        side = flow
        if body.size != flow.size:
            side = self.projection(node, flow, body.size, depth + 1)
        field = None if body.field is None or side.field is None else joined([body.field, side.field])
        after = self.flow(body.size, field)
        self.add_row("add", node, node, depth, (body, side), after, note=_uneven(after))
        return after

    def projection(self, node: Residual, flow: _Flow, to: Size, depth: int) -> _Flow:
        """Add the way around a residual body whose output has another shape: 1x1 filters, and a stride to step down."""
        if len(to) == 1:
            return self.linear(Linear(outputs=to[0], bias=False, span=node.span), flow, depth, kind="proj")
        if len(flow.size) == 1:
            raise self.misfit(node, "res", f"its body turns {size_text(flow.size)} into {size_text(to)}")
        stride = tuple(_step(n, places) for n, places in zip(flow.size[:2], to[:2], strict=True))
        if 0 in stride:
            raise self.misfit(
                node,
                "res",
                f"its body turns {size_text(flow.size)} into {size_text(to)}, where no 1x1 projection with a stride "
                "leads; pad the body's convs so that they keep the size",
            )
        conv = Conv(
            filters=to[2], size=(1, 1), stride=(stride[0], stride[1]), padding=(0, 0), bias=False, span=node.span
        )
        return self.conv(conv, flow, depth, kind="proj")

    def concat(self, node: Concat, flow: _Flow, depth: int) -> _Flow:
        ends = [self.chain(branch, flow, depth + 1) for branch in node.branches]
        first = ends[0].size
        for number, (end, branch) in enumerate(zip(ends, node.branches, strict=True), 1):
            if end.size[:-1] != first[:-1]:
                raise self.misfit(
                    branch,
                    "cat",
                    f"branch {number} gives {size_text(end.size)}, which can't join {size_text(first)} of branch 1",
                )
        total = sum(end.size[-1] for end in ends)
        output: Size = (total,) if len(first) == 1 else (first[0], first[1], total)
        fields = [end.field for end in ends if end.field is not None]
        after = self.flow(output, joined(fields) if len(fields) == len(ends) else None)
        channels = " + ".join(str(end.size[-1]) for end in ends)
        self.add_row("cat", node, node, depth, tuple(ends), after, formula=f"{channels} = {total}", note=_uneven(after))
        return after

    # Helpers.

    def flow(self, size: Size, field: FieldByAxis | None) -> _Flow:
        """Return the flow behind the row that comes next."""
        return _Flow(size, field, len(self.rows))

    def mixed(self, flow: _Flow, output: Pair) -> FieldByAxis | None:
        return None if flow.field is None else everything(flow.field, self.input[:2], output)  # type: ignore[arg-type]

    def mapped(self, node: Node, flow: _Flow) -> tuple[tuple[int, int, int], FieldByAxis]:
        """Return the flow, which must be a map: H x W x C."""
        if len(flow.size) == 1 or flow.field is None:
            word = "conv" if isinstance(node, Conv) else "pool" if isinstance(node, Pool) else "gap"
            where = "" if len(self.input) == 1 else "; it has to stand before the first fc or flatten"
            raise self.misfit(node, word, f"needs a map H x W x C, but is given {flow.size[0]} numbers{where}")
        return flow.size, flow.field

    def numbered(self, kind: str) -> None:
        """No bare fc stands before this layer."""
        if self.bare is not None and kind != "proj":
            message = "fc without a number has one output per class: only the last layer may be one"
            raise RequestError(message, source=self.source, column=self.bare.span[0])

    def misfit(self, node: Node, word: str, what: str) -> RequestError:
        message = f"layer {len(self.rows) + 1}, {word}: {what}"
        return RequestError(message, source=self.source, column=node.span[0])

    @staticmethod
    def too_small(size: Pair, padding: Pair, reach: Pair, word: str, window: Pair) -> str:
        padded = f" with padding {_by(padding)}" if any(padding) else ""
        spread = f" (spread over {_by(reach)})" if reach != window else ""
        return f"the {size[0]}x{size[1]} map{padded} is smaller than its {window[0]}x{window[1]} {word}{spread}"

    def add_row(
        self,
        kind: str,
        node: Node,
        source: Node,
        depth: int,
        sources: tuple[_Flow, ...],
        after: _Flow,
        *,
        weights: int = 0,
        biases: int = 0,
        macs: int = 0,
        fan_in: int = 0,
        formula: str = "",
        note: str = "",
    ) -> None:
        number = self.counts[kind] = self.counts.get(kind, 0) + 1
        field = None if after.field is None else after.field.seen()
        self.rows.append(
            Row(
                f"{kind}{number}", kind, node, source, depth, sources[0].size, after.size,
                weights, biases, macs, fan_in, field, formula, note, tuple(flow.row for flow in sources),
            )
        )  # fmt: skip


def _uneven(flow: _Flow) -> str:
    steps = flow.field.steps() if flow.field is not None else ""
    return f"the branches step over the input by {steps} pixels: what is seen is that of unit (0, 0)" if steps else ""


def has_unknown(node: Conv) -> bool:
    return None in node.size or None in node.stride or (node.padding is not None and None in node.padding)


def whole(pair: tuple[int | None, int | None] | None) -> Pair:
    """Return a pair that holds no `?` any more."""
    assert pair is not None
    first, second = pair
    assert first is not None
    assert second is not None
    return first, second


def _by(pair: Pair) -> str:
    return str(pair[0]) if pair[0] == pair[1] else f"{pair[0]}x{pair[1]}"


def _both(size: Size, f: Pair, s: Pair, p: Pair, d: Pair, *, ceil: bool = False) -> str:
    """Write the size formula: once where both axes agree, else for height and width."""
    high, wide = ((size[i], f[i], s[i], p[i], d[i]) for i in (0, 1))
    if high == wide:
        return formula(*wide, ceil=ceil)
    return f"{formula(*high, ceil=ceil)}, {formula(*wide, ceil=ceil)}"


def _step(n: int, places: int) -> int:
    """Return the smallest stride with which a 1-wide filter has so many places over n; 0 where there is none."""
    if places == 1:
        return n
    stride = (n - 1) // (places - 1) if places <= n else 0
    while stride > 1 and (n - 1) // (stride - 1) + 1 == places:
        stride -= 1
    return stride if stride and (n - 1) // stride + 1 == places else 0
