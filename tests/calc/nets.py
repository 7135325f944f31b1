"""Random nets for hypothesis: small enough to run, odd enough to hurt (wide strides, ceil, groups, branches)."""

from __future__ import annotations

from hypothesis import strategies as st

from cvtui.calc import (
    ACTIVATIONS,
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
    Pool,
    Repeat,
    Residual,
    Softmax,
)


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    """Mostly the same for height and width."""
    numbers = st.integers(low, high)
    return numbers.map(lambda n: (n, n)) | numbers.map(lambda n: (n, n)) | st.tuples(numbers, numbers)


sides = st.integers(5, 16) | st.integers(5, 16) | st.integers(1, 16)
sizes = st.tuples(sides, sides, st.sampled_from((1, 2, 3, 4, 6)))

convs = st.builds(
    Conv,
    filters=st.sampled_from((1, 2, 3, 4, 6)),
    size=pairs(1, 3) | pairs(1, 5),
    stride=pairs(1, 3) | st.just((1, 1)),
    padding=st.none() | pairs(0, 3),
    dilation=st.just((1, 1)) | st.just((1, 1)) | pairs(1, 3),
    groups=st.sampled_from((1, 1, 1, 1, 1, 1, 1, 2, 3)),
    bias=st.booleans(),
)
keeping_convs = st.builds(Conv, filters=st.sampled_from((1, 2, 4)), size=st.sampled_from(((1, 1), (3, 3), (5, 3))))
pools = st.builds(
    Pool,
    kind=st.sampled_from(("max", "average", "sum")),
    size=pairs(1, 4),
    stride=st.none() | pairs(1, 4),
    padding=st.just((0, 0)) | pairs(0, 2),
    ceil=st.booleans(),
)
keeping_pools = st.just(Pool(kind="max", size=(3, 3), stride=(1, 1), padding=(1, 1)))
pointwise = st.one_of(
    st.sampled_from(ACTIVATIONS).map(lambda kind: Activation(kind=kind)),
    st.just(BatchNorm()),
    st.just(LayerNorm()),
    st.sampled_from((0.0, 0.25, 0.5)).map(lambda p: Dropout(probability=p)),
)
linears = st.builds(Linear, outputs=st.integers(1, 6), bias=st.booleans())


def _chain(parts: st.SearchStrategy[Node], most: int) -> st.SearchStrategy[Chain]:
    return st.lists(parts, min_size=1, max_size=most).map(lambda nodes: Chain(parts=tuple(nodes)))


def _grouped(body: st.SearchStrategy[Chain]) -> st.SearchStrategy[Node]:
    return st.one_of(
        body,
        st.builds(Repeat, body=body, count=st.integers(1, 3)),
        st.builds(Residual, body=body),
        st.builds(Concat, branches=st.lists(body, min_size=2, max_size=3).map(tuple)),
    )


# Blocks of layers that keep height and width come together again more often than any other.
kept = _chain(st.one_of(keeping_convs, keeping_pools, pointwise), 3)
blocks = st.one_of(convs, pools, pointwise, convs, pools, _grouped(kept), _grouped(_chain(convs | pools, 2)))
maps = st.one_of(blocks, blocks, _grouped(_chain(blocks, 2)))
ends = st.one_of(
    st.just(()),
    st.just(()),
    linears.map(lambda fc: (fc,)),
    st.just((GlobalPool(), Linear())),
    st.just((Flatten(), BatchNorm(), Linear(), Softmax())),
    linears.map(lambda fc: (GlobalPool(), Residual(body=Chain(parts=(fc, Activation()))), LayerNorm(), Linear())),
    linears.map(lambda fc: (Concat(branches=(Chain(parts=(fc,)), Chain(parts=(Flatten(),)))), Linear(), Softmax())),
)
nets = st.tuples(st.lists(maps, min_size=1, max_size=4), ends).map(lambda both: Chain(parts=(*both[0], *both[1])))
"""Whole nets; about half of them fit a random input of `sizes`."""
