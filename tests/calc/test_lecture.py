"""The lecture's own examples, number by number, and the remarks where lecture and PyTorch differ."""

from __future__ import annotations

import pytest

from cvtui.calc import Row, Size, Table, trace
from cvtui.calc.net.parser import parse
from cvtui.errors import RequestError


def table(net: str, size: Size, classes: int = 10) -> Table:
    return trace(parse(net), size, classes, source=net)


def only(net: str, size: Size) -> Row:
    (row,) = table(net, size).rows
    return row


def test_six_5x5_filters_on_32x32x3() -> None:
    assert only("conv6f5p0", (32, 32, 3)).output == (28, 28, 6)


@pytest.mark.parametrize(("stride", "output"), [(1, 5), (2, 3)])
def test_a_3x3_filter_on_7x7(stride: int, output: int) -> None:
    row = only(f"conv1f3s{stride}p0", (7, 7, 1))
    assert row.output == (output, output, 1)
    assert row.note == ""


def test_a_3x3_filter_with_stride_3_does_not_fit_on_7x7() -> None:
    row = only("conv1f3s3p0", (7, 7, 1))
    assert row.output == (2, 2, 1)
    assert row.formula == "⌊(7 − 3)/3⌋ + 1 = 2"
    assert row.note == (
        "(7 − 3)/3 + 1 = 2.33: the filter does not fit; PyTorch takes 2 and never reads 1 row and 1 column; "
        "it fits with stride 1, 2 or 4, or padding 1"
    )
    for fits in ("conv1f3s1p0", "conv1f3s2p0", "conv1f3s4p0", "conv1f3s3p1"):
        assert "does not fit" not in only(fits, (7, 7, 1)).note


def test_padding_1_keeps_7x7() -> None:
    row = only("conv1f3p1", (7, 7, 1))
    assert row.output == (7, 7, 1)
    assert row.formula == "(7 + 2·1 − 3)/1 + 1 = 7"
    assert only("conv1f3", (7, 7, 1)).output == (7, 7, 1)


def test_ten_5x5_filters_with_padding_2() -> None:
    row = only("conv10f5s1p2", (32, 32, 3))
    assert row.output == (32, 32, 10)
    assert row.formula == "(32 + 2·2 − 5)/1 + 1 = 32"
    assert (row.weights, row.biases, row.parameters) == (750, 10, 760)
    assert row.counting == "(5·5·3 + 1) · 10 = 760"
    assert row.fan_in == 75
    assert row.macs == 32 * 32 * 10 * 75


def test_5x5_filters_without_padding_shrink_the_map_fast() -> None:
    assert [row.output[0] for row in table("conv6f5p0-relu-conv10f5p0-relu", (32, 32, 3)).rows] == [28, 28, 24, 24]


@pytest.mark.parametrize(("setting", "output"), [("f3s1p1", 32), ("f5s1p2", 32), ("f1s1p0", 32), ("f5s2p2", 16)])
def test_common_settings(setting: str, output: int) -> None:
    assert only(f"conv64{setting}", (32, 32, 3)).output == (output, output, 64)


def test_2x2_pooling_halves_and_has_no_parameters() -> None:
    row = only("pool", (224, 224, 64))
    assert (row.output, row.parameters, row.macs) == ((112, 112, 64), 0, 0)


def test_pooling_an_odd_map_is_told_as_the_lecture_and_as_pytorch_do_it() -> None:
    row = only("pool", (7, 7, 1))
    assert row.output == (3, 3, 1)
    assert row.note == "the lecture's ⌈7/2⌉ = 4; PyTorch's default takes 3 and never reads 1 row and 1 column (ceil: 4)"
    ceil = only("poolceil", (7, 7, 1))
    assert (ceil.output, ceil.formula, ceil.note) == ((4, 4, 1), "⌈(7 − 2)/2⌉ + 1 = 4", "")


def test_ceil_drops_a_window_that_would_start_in_the_padding() -> None:
    row = only("pool2s2p1ceil", (3, 3, 1))
    assert row.output == (2, 2, 1)
    assert row.formula == "⌈(3 + 2·1 − 2)/2⌉ + 1 − 1 = 2"


def test_lenets_numbers() -> None:
    rows = table("conv6f5p0-tanh-avgpool-conv16f5p0-tanh-avgpool-fc120-tanh-fc84-tanh-fc10", (32, 32, 1)).rows
    assert [row.parameters for row in rows if row.parameters] == [156, 2416, 48120, 10164, 850]
    assert [row.output[:2] for row in rows if row.kind in ("conv", "avgpool")] == [
        (28, 28), (14, 14), (10, 10), (5, 5),
    ]  # fmt: skip


def test_alexnets_first_layers() -> None:
    rows = table("conv96f11s4p0-relu-pool3s2-conv256f5", (227, 227, 3)).rows
    assert [row.output for row in rows] == [(55, 55, 96), (55, 55, 96), (27, 27, 96), (27, 27, 256)]
    assert rows[0].parameters == 34_944
    assert rows[3].receptive_field is not None
    assert rows[3].receptive_field.size == (51, 51)


def test_receptive_field_of_stacked_3x3_filters() -> None:
    """Two see 5x5, three see 7x7, as the lecture says; each pool doubles the step."""
    fields = [row.receptive_field for row in table("conv1*3-pool-conv1", (32, 32, 1)).rows]
    assert [field and field.size for field in fields] == [(3, 3), (5, 5), (7, 7), (8, 8), (12, 12)]
    assert [field and field.stride for field in fields] == [(1, 1)] * 3 + [(2, 2)] * 2
    assert [field and field.offset for field in fields] == [(-1, -1), (-2, -2), (-3, -3), (-3, -3), (-5, -5)]


def test_even_filters_have_no_padding_that_keeps_the_size() -> None:
    row = only("conv8f4", (32, 32, 3))
    assert row.output == (31, 31, 8)
    assert row.note == "(4 − 1)/2 is not whole: no padding keeps the size; p1 is taken"


def test_a_stride_over_the_filter_is_told() -> None:
    assert "steps over 1 of every 3 rows and 1 of every 3 columns" in only("conv8f2s3p0", (32, 32, 3)).note


def test_rows_that_a_residual_and_a_concatenation_add() -> None:
    rows = table("res(conv8s2-relu-conv8)-cat(conv4f1|pool3s1p1)-gap-fc", (32, 32, 3)).rows
    assert [row.name for row in rows] == [
        "conv1", "relu1", "conv2", "proj1", "add1", "conv3", "pool1", "cat1", "gap1", "fc1",
    ]  # fmt: skip
    assert [row.inputs for row in rows] == [(-1,), (0,), (1,), (-1,), (2, 3), (4,), (4,), (5, 6), (7,), (8,)]
    assert [row.depth for row in rows] == [1, 1, 1, 1, 0, 1, 1, 0, 0, 0]
    projection = rows[3]
    assert (projection.expression, projection.weights, projection.biases) == ("conv8f1s2p0nobias", 24, 0)
    assert rows[7].output == (16, 16, 12)
    assert rows[7].formula == "4 + 8 = 12"


def test_connections_are_counted_without_padding() -> None:
    """3 wide, F = 3, P = 1: the windows have 2, 3 and 2 taps on the input."""
    assert only("conv1", (3, 3, 1)).connections == 7 * 7
    assert only("conv1", (3, 3, 1)).connected == 49 / 81
    assert only("fc7", (3, 3, 2)).connected == 1
    assert only("relu", (3, 3, 2)).connected is None


@pytest.mark.parametrize(
    ("net", "size", "column", "words"),
    [
        ("conv3-pool*5-fc", (16, 16, 3), 6, "layer 6, pool: the 1x1 map is smaller than its 2x2 window"),
        ("relu-conv8f5p0", (3, 9, 1), 5, "layer 2, conv: the 3x9 map is smaller than its 5x5 filter"),
        ("conv8d9p0", (9, 9, 1), 0, "smaller than its 3x3 filter (spread over 19)"),
        ("fc8-conv8", (9, 9, 1), 4, "layer 2, conv: needs a map H x W x C, but is given 8 numbers"),
        ("conv8", (9,), 0, "layer 1, conv: needs a map"),
        ("conv8g2", (9, 9, 3), 0, "3 input channels can't be parted into 2 groups"),
        ("conv9g2", (9, 9, 4), 0, "9 filters can't be parted into 2 groups"),
        ("pool2p2", (9, 9, 3), 0, "more than half"),
        ("fc-relu-fc", (9,), 0, "only the last layer may be one"),
        ("conv8p?", (9, 9, 3), 0, "'?' asks what fits"),
        ("res(conv8p0)", (9, 9, 8), 0, "no 1x1 projection with a stride leads"),
        ("cat(relu|pool)", (8, 8, 1), 9, "branch 2 gives 4x4x1, which can't join 8x8x1 of branch 1"),
    ],
)
def test_a_net_that_does_not_fit(net: str, size: Size, column: int, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        table(net, size)
    assert words in caught.value.message
    assert (caught.value.source, caught.value.column) == (net, column)


def test_a_deep_net_is_traced_within_a_keystroke() -> None:
    """16 ms for 100 layers are asked, of the processor; best of ten."""
    import time

    net = "-".join(["conv32-bn-relu-res(conv32-relu)"] * 20) + "-gap-fc"
    times = []
    for _ in range(10):
        began = time.process_time()
        rows = table(net, (64, 64, 3)).rows
        times.append(time.process_time() - began)
    assert len(rows) > 100
    assert min(times) < 0.016
