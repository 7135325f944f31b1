"""What fits where the net says `?`."""

from __future__ import annotations

import time

import pytest

from cvtui.calc import Size, expression
from cvtui.calc.dense import against_dense
from cvtui.calc.net.parser import parse
from cvtui.calc.solve import Solution, solve
from cvtui.calc.trace import trace
from cvtui.errors import RequestError


def solved(net: str, size: Size, wanted: Size | None = None) -> Solution:
    return solve(parse(net), size, 10, wanted, source=net)


def fits(solution: Solution) -> list[str]:
    (answer,) = solution.answers
    return [expression(fit.node) for fit in answer.fits]


def test_paddings_that_fit_are_listed_and_no_others() -> None:
    solution = solved("conv32f5s3p?", (32, 32, 3))
    assert set(fits(solution)) == {"conv32f5s3p0", "conv32f5s3p3"}
    assert all(fit.exact for fit in solution.answers[0].fits)


def test_where_no_padding_fits_every_one_is_shown_with_its_floor() -> None:
    """27 + 2P is odd, so a stride of 2 never divides it."""
    solution = solved("conv32f5s2p?", (32, 32, 3))
    (answer,) = solution.answers
    assert "none fits exactly, because 27 + 2P is odd for every P" in answer.summary
    found = {(fit.node.padding, fit.output) for fit in answer.fits}
    assert found == {((p, p), ((27 + 2 * p) // 2 + 1,) * 2) for p in range(5)}
    assert solution.table.output == (16, 16, 32)


def test_filter_stride_and_padding_are_solved_together_with_common_settings_first() -> None:
    solution = solved("conv32f?s?p?", (32, 32, 3), (16, 16, 32))
    found = fits(solution)
    assert found[:3] == ["conv32f2s2p0", "conv32s2p1", "conv32f5s2p2"]
    assert solution.table.output == (16, 16, 32)
    for one in found:
        assert trace(parse(one), (32, 32, 3)).output == (16, 16, 32)
    assert fits(solved("conv8f?s?p?", (32, 32, 3), (32, 32, 8)))[:4] == [
        "conv8p1",
        "conv8f5p2",
        "conv8f1p0",
        "conv8f7p3",
    ]
    assert fits(solved("conv96f?s?p?", (227, 227, 3), (55, 55, 96)))[0] == "conv96f11s4p0"


def test_every_setting_in_reach_is_found() -> None:
    """Against trying them all."""
    reached = {
        (f, s, p)
        for f in range(1, 12)
        for s in range(1, max(f, 4) + 1)
        for p in range(f)
        if 10 + 2 * p >= f and (10 + 2 * p - f) // s + 1 == 4
    }
    (answer,) = solved("conv1f?s?p?", (10, 10, 1), (4, 4, 1)).answers
    assert {(f.node.size[0], f.node.stride[0], f.node.padding and f.node.padding[0]) for f in answer.fits} == reached


def test_several_convs_are_solved_together() -> None:
    solution = solved("conv8f?s?p?-pool-conv8f5s?p?-fc", (32, 32, 3))
    assert len(solution.answers) == 2
    together = solved("conv8p?-pool-conv8f5s2p?", (32, 32, 3), (8, 8, 8))
    assert together.table.output == (8, 8, 8)
    assert together.nets[0] == "conv8p1-pool-conv8f5s2p2"


def test_axes_may_need_different_numbers() -> None:
    solution = solved("conv8f3s?p1", (32, 48, 3), (16, 12, 8))
    assert fits(solution) == ["conv8s2x4p1"]


def test_a_repeated_conv_gets_one_setting() -> None:
    assert solved("(conv8f?s?p?-relu)*2", (32, 32, 3), (8, 8, 8)).table.output == (8, 8, 8)


@pytest.mark.parametrize(
    ("net", "size", "wanted", "words"),
    [
        ("conv8f?s?p?", (32, 32, 3), (16, 16, 9), "the net gives 8 channels whatever stands for '?', not 9"),
        ("conv8f?s?p?", (32, 32, 3), (90, 90, 8), "no filter, stride and padding"),
        ("conv8f?p0", (1, 1, 3), (2, 2, 8), "no filter, stride and padding"),
        ("conv8f40p0s?", (8, 8, 3), None, "nothing in place of '?' fits"),
        ("conv8f?s?p?-" * 12 + "relu", (32, 32, 3), (7, 7, 8), ""),
        ("conv8f?s?p?", (10**9, 10**9, 3), (10**8, 10**8, 8), ""),
        ("conv8f1000000000s?p?", (10**9, 10**9, 3), (2, 2, 8), ""),
    ],
)
def test_what_cant_be_solved_is_told_within_a_second(net: str, size: Size, wanted: Size | None, words: str) -> None:
    began = time.process_time()
    try:
        solved(net, size, wanted)
    except RequestError as refusal:
        message = refusal.message
    else:
        message = ""
    assert words in message
    assert time.process_time() - began < 2  # of the processor; half a second here


def test_against_a_fully_connected_layer() -> None:
    """32x32x3 to 32x32x10 with 5x5 filters: W1·H1·C·W2·H2·K against F²·C·K."""
    (pair,) = against_dense(trace(parse("conv10f5"), (32, 32, 3)))
    assert pair.dense == 32 * 32 * 3 * 32 * 32 * 10
    assert pair.weights == 750
    assert pair.ratio == pytest.approx(pair.sparse * pair.shared)
    taps = sum(0 <= i + k - 2 < 32 for i in range(32) for k in range(5)) ** 2
    assert pair.connections == taps * 3 * 10
