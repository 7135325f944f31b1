"""The layers table's data: health, histogram strips, columns that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvtui.draw.columns import fit
from cvtui.runlog.events import Histogram, LayersSampled, LayerStats
from cvtui.runlog.history import History
from cvtui.tui.panes.layer_rows import filtered, groups, health, layer_rows, strip
from cvtui.tui.panes.layers_table import LayersTable, mean_and_std, widths_of
from tests.tui.written_runs import WrittenRun


def stats(**changes: Any) -> LayerStats:
    fields: dict[str, Any] = {
        "name": "relu1", "kind": "relu", "mean": 0.4, "std": 0.6, "min": 0.0, "max": 3.0, "zeros": 0.5, "dead": 0.02,
        "grad_norm": 0.3, "update_ratio": 1e-3,
    }  # fmt: skip
    return LayerStats(**(fields | changes))


SIZES = st.builds(lambda digits, power: digits * 10.0**power, st.floats(1, 9.99), st.integers(-9, 8)) | st.just(0.0)


@given(st.builds(lambda size, sign: size * sign, SIZES, st.sampled_from([1, -1])), SIZES)
def test_mean_and_std_fit_their_column_whatever_they_are(mean: float, std: float) -> None:
    (column,) = (one for one in LayersTable.COLUMNS if one.key == "mean")
    text = mean_and_std(stats(mean=mean, std=std))
    assert len(text) <= column.least
    shown = [float(part.replace("−", "-")) for part in text.split(" ± ")]
    assert shown == [pytest.approx(value, rel=0.2) for value in (mean, std)]


@pytest.mark.parametrize(
    ("changes", "level", "column"),
    [
        ({}, "good", ""),
        ({"zeros": 0.7, "dead": 0.4, "saturated": 0.2}, "good", ""),
        ({"dead": 0.5}, "warn", "dead"),
        ({"dead": 0.8}, "bad", "dead"),
        ({"saturated": 0.3}, "warn", "saturated"),
        ({"saturated": 0.9}, "bad", "saturated"),
        ({"mean": None, "std": None}, "bad", "mean"),
        ({"std": 0.0}, "bad", "mean"),
        ({"zeros": 0.99}, "warn", "zeros"),
        ({"grad_norm": 0.0}, "warn", "gradient"),
        ({"update_ratio": 0.5}, "warn", "update"),
        ({"std": 40.0}, "warn", "mean"),
        ({"std": 0.01}, "warn", "mean"),
    ],
)
def test_health(changes: dict[str, Any], level: str, column: str) -> None:
    found = health(stats(**changes), predicted_std=0.6)
    assert (found.level, found.column) == (level, column)
    assert bool(found.problem) == (level != "good")


def test_without_a_sample_there_is_no_health() -> None:
    assert health(None, 1.0).level == "none"


def test_a_strip_is_as_high_as_its_fullest_bin() -> None:
    bars, left = strip(Histogram(-1.0, 1.0, [0] * 15 + [64, 16, 4, 1] + [0] * 13), 32)
    assert bars[15:19] == "█▄▂▁"  # square roots: 8, 4, 2, 1 of 8
    assert bars.strip() == "█▄▂▁"
    assert left == 16


@given(st.lists(st.integers(0, 10_000), min_size=32, max_size=32), st.integers(1, 32))
def test_a_strip_shows_every_count(counts: list[int], width: int) -> None:
    bars, left = strip(Histogram(0.0, 1.0, counts), width)
    assert len(bars) == width
    assert left == 0
    assert (bars.strip() == "") == (sum(counts) == 0)


@pytest.mark.parametrize(("low", "high", "left"), [(0.0, 4.0, 0), (-4.0, 0.0, 16), (-1.0, 3.0, 4), (-2.0, -2.0, 16)])
def test_where_zero_lies(low: float, high: float, left: int) -> None:
    assert strip(Histogram(low, high, [1] * 32), 16)[1] == left


def fitted(width: int, **asked: int) -> dict[str, int]:
    return fit(LayersTable.COLUMNS, {**widths_of([]), **asked}, width, together=True)


@given(st.integers(20, 250))
def test_columns_fit(width: int) -> None:
    wide = fitted(width, name=8)
    assert sum(wide.values()) + 2 * (len(wide) - 1) <= max(width, 29)  # glyph, name, mean ± std: they stay
    assert {"health", "name", "mean"} <= set(wide)
    assert ("low" in wide) == ("high" in wide)


def test_a_wider_table_only_gains_columns() -> None:
    before: set[str] = set()
    for width in range(20, 220):
        now = set(fitted(width))
        assert before <= now
        before = now
    assert len(before) == len(LayersTable.COLUMNS)


def test_rows_join_the_table_with_the_last_sample(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    history = History(run.folder)
    history.poll()
    rows, step = layer_rows(history)
    assert step is None
    assert [row.name for row in rows] == [layer.name for layer in run.layers]
    assert all(row.stats is None for row in rows)
    run.step(25)
    history.poll()
    rows, step = layer_rows(history)
    assert step == 20
    assert {row.name for row in rows if row.stats is not None} == {layer.name for layer in run.layers if layer.watched}
    assert rows[0].predicted_std == 1.1


def test_rows_named_after_a_layer_follow_it_and_the_unseen_say_why(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    first, second = (layer.name for layer in run.layers[:2])
    seen = [stats(name=f"{second}/relu"), stats(name=f"{first}#2"), stats(name=first)]
    weights = stats(name=second, mean=None, std=None)
    run.write(LayersSampled(step=0, layers=[*seen, weights], unseen={second: "not called in this step"}))
    history = History(run.folder)
    history.poll()
    rows, _ = layer_rows(history)
    assert [row.name for row in rows[:4]] == [first, f"{first}#2", second, f"{second}/relu"]
    assert (rows[2].unseen, rows[2].health.level) == ("not called in this step", "none")


def test_a_filter_and_a_group_narrow_150_rows(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    kinds = ("fc", "gelu", "layernorm", "attention", "maxpool2d")
    names = [f"blocks.{place // 5}.{kinds[place % 5]}" for place in range(150)]
    rows = [stats(name=name, kind=name.rpartition(".")[2]) for name in names]
    rows[7] = stats(name=names[7], kind="layernorm", std=0.0, mean=1.0)
    run.write(run._started(layers=[], prediction={}))
    run.write(LayersSampled(step=0, layers=rows))
    history = History(run.folder)
    history.poll()
    shown, _ = layer_rows(history)
    assert groups(shown) == ["weights", "activations", "norms", "attention", "other"]
    assert [row.name for row in filtered(shown, "", "attention")] == names[3::5]
    assert [row.name for row in filtered(shown, "blocks.3. norms")] == ["blocks.3.layernorm"]
    assert [row.name for row in filtered(shown, "check")] == [names[7]]


def test_a_norm_that_begins_at_zero_is_well() -> None:
    assert health(stats(kind="batchnorm", mean=0.0, std=0.0, zeros=1.0, weight_norm=0.0), None).level == "good"
    assert health(stats(kind="batchnorm", mean=0.0, std=0.0, zeros=1.0, weight_norm=1.0), None).level == "bad"


def test_layers_without_a_table_are_shown_too(tmp_path: Path) -> None:
    run = WrittenRun(tmp_path)
    run.write(run._started(layers=[], prediction={}))
    run.write(LayersSampled(step=0, layers=[stats(name="block.0.conv")]))
    history = History(run.folder)
    history.poll()
    (row,) = layer_rows(history)[0]
    assert (row.name, row.expression, row.predicted_std) == ("block.0.conv", "relu", None)
