"""Numbers and foreign text as people read them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from cvtui import text as words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0.0, "0"), (1.0, "1.00"), (2.302585, "2.30"), (0.012345, "0.0123"), (123.4, "123"),
        (12345.0, "1.2e4"), (0.000123, "1.2e-4"), (-0.5, "-0.500"), (math.nan, "nan"), (math.inf, "inf"),
        (0.0099999, "0.0100"), (9.9999, "10.0"),
    ],
)  # fmt: skip
def test_significant(value: float | None, text: str) -> None:
    assert words.significant(value) == text


@given(st.floats(-1e300, 1e300))
def test_significant_is_short_and_near(value: float) -> None:
    text = words.significant(value)
    assert len(text) <= 9
    assert float(text) == pytest.approx(value, rel=0.06, abs=1e-300)


@pytest.mark.parametrize(
    ("share", "text"),
    [(1.0, "100.0 %"), (0.99999, "99.9 %"), (0.0, "0.0 %"), (1e-6, "0.1 %"), (0.5, "50.0 %"), (None, "–")],
)
def test_only_what_is_whole_is_called_whole(share: float | None, text: str) -> None:
    assert words.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (59.4, "59 s"), (65, "1:05"), (3725, "1:02:05"), (200_000, "2 d 7 h"), (None, "–"), (math.nan, "–")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(1.3e-3, "1.3e-3"), (0.0, "0"), (0.25, "0.250"), (-2e-7, "-2.0e-7"), (None, "–")]
)
def test_tiny(value: float | None, text: str) -> None:
    assert words.tiny(value) == text


def test_short_durations_may_have_a_decimal() -> None:
    assert [words.duration(seconds, decimal=True) for seconds in (0.04, 3.46, 9.96)] == ["0.0 s", "3.5 s", "10 s"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.002, "0.002"), (5e-5, "5e-5"), (0.1, "0.1"), (1.0, "1"), (None, "–"), (math.nan, "–"), (12345.0, "12345"),
        (1.25e6, "1.25e6"), (-3e-7, "-3e-7"), (0.0, "0"), (-0.0, "0"),
    ],
)  # fmt: skip
def test_compact(value: float | None, text: str) -> None:
    assert words.compact(value) == text


@given(st.floats(-1e300, 1e300))
def test_compact_is_near(value: float) -> None:
    assert float(words.compact(value)) == pytest.approx(value, rel=0.006, abs=1e-300)


@pytest.mark.parametrize(
    ("amount", "text"),
    [(12, "12 B"), (1536, "1.5 KiB"), (1024**2 * 89.4, "89.4 MiB"), (9e15, "8,185 TiB"), (None, "–"), (-1, "–")],
)
def test_binary_size(amount: float | None, text: str) -> None:
    assert words.binary_size(amount) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_nine_digits_tell_a_float32_from_every_other(value: float) -> None:
    assert np.float32(words.rounded(value, 9)) == np.float32(value)


def test_what_is_not_finite_is_none_in_json() -> None:
    assert words.rounded_or_none(math.nan, 4) is None
    assert words.rounded_or_none(1.23456, 4) == 1.235
    assert words.percent(words.rounded_share(1 - 1e-12, 9)) == "99.9 %"
    assert words.percent(words.rounded_share(1.0, 9)) == "100.0 %"
    assert words.rounded_share(0.123456789, 4) == 0.1235
    assert words.rounded_share(math.nan, 4) is None


def test_an_error_in_one_line() -> None:
    assert words.error_line(ValueError("a\n  b\tc")) == "ValueError: a b c"
    assert words.error_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert words.error_line(ValueError("x" * 300), most=5) == "ValueError: xxxxx"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("a\tb\rc", "a   b c"),
        ("\x1bc\x00", " "),
        ("[bold]kept[/bold]", "[bold]kept[/bold]"),
        ("می\u200cخواهم क्\u200dष", "می\u200cخواهم क्\u200dष"),  # Persian and Hindi are spelled with joiners
        ("a\u200cb\u200b\u202e", "a b  "),
    ],
)
def test_foreign_text_can_not_move_the_cursor(text: str, plain: str) -> None:
    assert words.clean(text) == plain
    assert words.harmless(plain) == plain


@given(st.text())
def test_clean_text_is_printable(text: str) -> None:
    assert all(char.isprintable() or char in "\u200c\u200d" for char in words.clean(text))


def test_counted() -> None:
    nouns = {"row": "rows", "class": "classes", "batch": "batches", "epoch": "epochs", "box": "boxes"}
    assert {noun: words.counted(1204, noun) for noun in nouns} == {one: f"1,204 {many}" for one, many in nouns.items()}
    assert words.counted(1, "epoch") == "1 epoch"


WIDE = st.text(st.sampled_from("ab 猫の犬é🐕 café\u0301x"), max_size=40)


@given(WIDE, st.integers(0, 20), st.integers(1, 4))
def test_cut_filled_and_wrapped_text_takes_the_cells_that_it_may(text: str, width: int, lines: int) -> None:
    """Of every letter: a class may be called 猫の写真, and its column stands beside others."""
    assert words.cells(text) == cell_len(text)
    for cut in (words.cut, words.cut_start, words.cut_middle):
        assert cell_len(cut(text, width)) <= width
        assert cut(text, cell_len(text)) == text
    assert cell_len(words.fill(text, width)) == width
    assert words.fill(text, width, right=True).endswith(words.cut(text, width))
    rows = words.wrap(text, width, lines)
    assert len(rows) <= lines
    assert max(map(cell_len, rows)) <= max(2, width)
    assert "".join(words.wrap(text, width, 1000)).replace(" ", "") == "".join(text.split())


def test_what_is_cut_says_so() -> None:
    assert words.cut("犬猫犬猫", 5) == "犬猫…"
    assert words.cut("net [(conv-…p]*2-fc", 13) == "net [(conv-…", "one mark, not two"
    assert words.cut_start("data/犬.png", 7) == "…犬.png"
    assert words.cut_middle("猫の写真と犬", 8) == "猫の…犬"
    assert words.fill("犬", 4) + "|" == "犬  |"
    assert words.wrap("naïve café/ein sehr langer", 10, 2) == ["naïve", "café/ein…"]
    assert words.wrap("猫の写真と長い名前", 10, 2) == ["猫の写真と", "長い名前"]
