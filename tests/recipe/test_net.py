"""The net expression: what it means, that it comes back as it went in, and that nothing breaks it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvtui.calc import (
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
from cvtui.calc.net.parser import LAYERS, format, parse  # noqa: A004
from cvtui.errors import RequestError
from tests.calc.nets import nets
from tests.examples import examples

RELU = Activation(kind="relu")
ODD = Conv(filters=8, size=(3, 5), stride=(2, 2), padding=(1, 2), dilation=(2, 2), groups=4)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("conv32", Conv(filters=32)),
        ("conv32f5", Conv(filters=32, size=(5, 5))),
        ("CONV8 F3x5 s2 P1x2 d2 g4", ODD),
        ("conv8g4d2p1x2s2f3x5", ODD),
        ("conv8nobias", Conv(filters=8, bias=False)),
        ("conv8f?s?xp?", None),
        ("conv8f?s2x?p?", Conv(filters=8, size=(None, None), stride=(2, None), padding=(None, None))),
        ("pool", Pool()),
        ("pool3s2p1ceil", Pool(size=(3, 3), stride=(2, 2), padding=(1, 1), ceil=True)),
        ("pools3", Pool(stride=(3, 3))),
        ("poolceil", Pool(ceil=True)),
        ("avgpool3x2", Pool(kind="average", size=(3, 2))),
        ("sumpool", Pool(kind="sum")),
        ("gap", GlobalPool()),
        ("fc10", Linear(outputs=10)),
        ("fc", Linear()),
        ("fc10nobias", Linear(outputs=10, bias=False)),
        ("flatten", Flatten()),
        ("bn", BatchNorm()),
        ("ln", LayerNorm()),
        ("drop", Dropout(probability=0.5)),
        ("drop0.25", Dropout(probability=0.25)),
        ("drop.1", Dropout(probability=0.1)),
        ("softmax", Softmax()),
        *((kind, Activation(kind=kind)) for kind in ("relu", "leakyrelu", "tanh", "sigmoid", "gelu", "silu", "elu")),
    ],
)  # fmt: skip
def test_a_layer_reads_as_its_node(text: str, node: Node | None) -> None:
    if node is None:
        with pytest.raises(RequestError):
            parse(text)
    else:
        assert parse(text) == Chain(parts=(node,))


def test_the_lectures_pattern_reads_as_it_is_written() -> None:
    net = parse("[(CONV32-RELU)*2 - POOL]*3 - (FC128-RELU)*1 - FC10, SOFTMAX")
    block = Chain(parts=(Repeat(body=Chain(parts=(Conv(filters=32), RELU)), count=2), Pool()))
    end = Repeat(body=Chain(parts=(Linear(outputs=128), RELU)), count=1)
    assert net == Chain(parts=(Repeat(body=block, count=3), end, Linear(outputs=10), Softmax()))


def test_branches_and_nesting() -> None:
    net = parse("res(conv8 - bn) - cat(conv4f1 | pool3s1p1 - conv4f1 | res(relu))*2")
    conv = Conv(filters=4, size=(1, 1))
    three = Pool(size=(3, 3), stride=(1, 1), padding=(1, 1))
    body = (Chain(parts=(conv,)), Chain(parts=(three, conv)), Chain(parts=(Residual(body=Chain(parts=(RELU,))),)))
    assert net.parts[0] == Residual(body=Chain(parts=(Conv(filters=8), BatchNorm())))
    assert net.parts[1] == Repeat(body=Chain(parts=(Concat(branches=body),)), count=2)


def test_spans_mark_the_layers_in_the_text() -> None:
    text = " conv32 f5 - ( relu-pool3s2 )*2 - res(fc10)"
    conv, group, residual = parse(text).parts
    assert text[slice(*conv.span)] == "conv32 f5"
    assert text[slice(*group.span)] == "( relu-pool3s2 )*2"
    assert isinstance(group, Repeat)
    assert [text[slice(*part.span)] for part in group.body.parts] == ["relu", "pool3s2"]
    assert text[slice(*residual.span)] == "res(fc10)"


@settings(max_examples=examples(500), deadline=None)
@given(nets)
def test_every_net_comes_back_from_its_text(net: Chain) -> None:
    assert parse(format(net)) == net


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 0, "empty"),
        ("conv32-", 7, "expected a layer or a bracket, found the end"),
        ("conv32--relu", 7, "found '-'"),
        ("mine.nets.Small", 0, "unknown layer 'mine'"),
        ("cnov32-relu", 0, "unknown layer 'cnov'; did you mean 'conv'?"),
        ("conv32-relv", 7, "did you mean 'relu'?"),
        ("conv32 relu", 7, "expected '-' or one of conv's options"),
        ("conv", 4, "number of filters"),
        ("convf3", 4, "number of filters"),
        ("conv0", 4, "at least 1"),
        ("conv32f0", 7, "at least 1, not 0"),
        ("conv32f3f3", 8, "'f' twice"),
        ("conv32f", 7, "expected a number after 'f'"),
        ("(conv32", 0, "never closed: expected ')'"),
        ("conv32-[relu)", 12, "expected '-' or ']', found ')'"),
        ("conv32)", 6, "found ')'"),
        ("relu*", 5, "a count after '*'"),
        ("relu*0", 5, "at least once"),
        ("relu*2*2", 6, "found '*'"),
        ("pool?", 4, "'?' asks for a conv's f, s or p"),
        ("pool3s?", 6, "'?' asks for a conv's f, s or p"),
        ("drop1", 4, "less than 1"),
        ("drop1.5", 4, "less than 1"),
        ("softmax-relu", 0, "only at the very end"),
        ("res(softmax)", 4, "softmax"),
        ("softmax*2", 0, "repeated"),
        ("res conv8", 4, "expected '(' after res"),
        ("cat(conv8)", 0, "at least two branches"),
        ("res(conv8|conv8)", 9, "'|' parts the branches of cat"),
        ("fc10.5", 4, "found '.'"),
        ("conv³²", 4, "number of filters"),
        ("conv32-🙂", 7, "found '🙂'"),
        ("conv99999999999", 4, "too large"),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, column: int, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(text)
    assert words in caught.value.message
    assert caught.value.column == column
    assert caught.value.source == text


@pytest.mark.parametrize(
    "text",
    [
        "conv1-" * 200_000,
        "a" * 1_000_000,
        "(" * 10_000 + "relu" + ")" * 10_000,
        "[(" * 5_000,
        "res(" * 10_000,
        "relu*1000000000",
        "((((relu*1000)*1000)*1000)*1000)*1000",
        "cat(" + "relu|" * 15_000 + "relu)",
        "9" * 99_999,
        "conv" + "9" * 50_000,
        "relu*" + "9" * 50_000,
        "drop0." + "0" * 50_000 + "1",
        " " * 99_999,
        "conv1f" * 16_000,
        "\x00" * 1000,
    ],
    ids=lambda text: f"{text[:8]}… {len(text)}",
)
def test_hostile_text_costs_no_more_than_a_second(text: str) -> None:
    began = time.process_time()
    with pytest.raises(RequestError):
        parse(text)
    assert time.process_time() - began < 1


pieces = st.sampled_from(
    ["-", "*", "(", ")", "[", "]", "|", ",", "?", " ", "x", ".", "f3", "s2", "p1", "32", "é", "ſ", "²"]
)


@settings(max_examples=examples(1000), deadline=None)
@given(st.lists(st.sampled_from((*LAYERS, "res", "cat")) | pieces, max_size=12).map("".join) | st.text(max_size=30))
def test_any_text_is_a_net_or_a_request_error(text: str) -> None:
    try:
        net = parse(text)
    except RequestError as refusal:
        error = refusal
    else:
        assert parse(format(net)) == net
        return
    assert error.column is not None
    assert 0 <= error.column <= len(text)


def test_nodes_are_frozen_and_compare_without_their_place() -> None:
    conv = Conv(filters=3, span=(4, 9))
    assert conv == Conv(filters=3)
    assert hash(conv) == hash(Conv(filters=3))
    assert conv.replaced(filters=4).span == (4, 9)
    with pytest.raises(AttributeError):
        conv.filters = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        Conv(size=(3, 3))  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Conv(filters=3, sized=(3, 3))  # type: ignore[call-arg]
