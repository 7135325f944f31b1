"""Text and numbers for people: made harmless to a terminal, in few digits, in units. Standard library only."""

from __future__ import annotations

import math
import re
import unicodedata

NONE = "–"
"""What stands for a value that is missing."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


def harmless(text: str, *, lines: bool = False) -> str:
    """`text` with every control and direction character as U+FFFD, in one line (`lines`: newlines stay)."""
    if text.isprintable():
        return text
    blank = "\t" if lines else "\n\t"
    return "".join(
        sign if _is_shown(sign, before) or (lines and sign == "\n") else " " if sign in blank else "\ufffd"
        for before, sign in zip(" " + text, text, strict=False)
    )


def _is_shown(sign: str, before: str) -> bool:
    """Return whether a terminal may get a character; a joiner only in scripts that are spelled with it (Persian)."""
    return sign.isprintable() or (sign in "\u200c\u200d" and unicodedata.category(before) in ("Lo", "Mn", "Mc"))


def clean(text: str) -> str:
    """`text` in one line, without terminal escapes; control characters become blanks, tabs up to four."""
    plain = _ESCAPES.sub("", text).expandtabs(4)
    if plain.isprintable():
        return plain
    return "".join(char if _is_shown(char, before) else " " for before, char in zip(" " + plain, plain, strict=False))


def encodable(name: str) -> str:
    """Return a name as UTF-8 can write it: a file's may hold other bytes."""
    return name.encode("utf-8", "backslashreplace").decode()


def error_line(error: BaseException, most: int = 200) -> str:
    """Kind and message of an error in one line, the message cut after `most` characters."""
    message = " ".join(str(error).split())[:most]
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def rounded(number: float, digits: int) -> float:
    """Round to significant digits: 9 tell every float32 from its neighbours."""
    return float(f"{number:.{digits}g}")


def rounded_or_none(number: float, digits: int) -> float | None:
    """As `rounded`, None for what is not finite: JSON has no NaN."""
    return rounded(number, digits) if math.isfinite(number) else None


def rounded_share(share: float, digits: int) -> float | None:
    """As `rounded_or_none`, but 1 only if it is exactly 1: what is almost sure is not said to be sure."""
    found = rounded_or_none(share, digits)
    return share if found == 1 else found


def cells(text: str) -> int:
    """Return the cells of a terminal that `text` takes: two for a wide character, none for a mark on the one before."""
    return len(text) if text.isascii() else sum(map(_cells_of, text))


def _cells_of(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _head(text: str, width: int) -> str:
    """Return as much of the beginning as fits."""
    if text.isascii():
        return text[: max(0, width)]
    for place, char in enumerate(text):
        width -= _cells_of(char)
        if width < 0:
            return text[:place]
    return text


def cut(text: str, width: int) -> str:
    """Cut at the end, where it takes more cells than `width`: `digits-aug…`, never with two … in a row."""
    return text if cells(text) <= width else _head(text, width - 1).rstrip("…") + "…" if width > 0 else ""


def cut_start(text: str, width: int) -> str:
    """Cut at the beginning: of a path its end tells more. `…les/cat-17.png`."""
    return text if cells(text) <= width else "…" + _head(text[::-1], width - 1)[::-1] if width > 0 else ""


def cut_middle(text: str, width: int) -> str:
    """Cut a name in its middle: what tells names apart stands at either end. `digits-a…lr-0.001`."""
    if cells(text) <= width:
        return text
    if width < 3:
        return cut(text, width)
    end = (width - 1) // 2
    return f"{_head(text, width - 1 - end)}…{_head(text[::-1], end)[::-1]}"


def fill(text: str, width: int, *, right: bool = False) -> str:
    """Make it `width` cells wide: cut at its end, or with blanks behind it (`right`: before it)."""
    text = cut(text, width)
    blank = " " * (width - cells(text))
    return blank + text if right else text + blank


def wrap(text: str, width: int, lines: int) -> list[str]:
    """Wrap into at most so many lines of `width` cells; what is cut ends in an ellipsis."""
    rows = [""]
    width = max(2, width)  # of one wide character
    for word in text.split():
        while word:
            begun = f"{rows[-1]} " if rows[-1] else ""
            room = width - cells(begun)
            if cells(word) > room and begun and (cells(word) <= width or room < 1):
                rows.append("")
                continue
            part = _head(word, room)
            rows[-1], word = begun + part if part else rows[-1], word[len(part) :]
            if word:
                rows.append("")
    if len(rows) > lines:
        rows[lines - 1 :] = [cut(f"{rows[lines - 1]}…", width)]
    return rows


def count(number: int) -> str:
    """1204 -> "1,204"."""
    return f"{number:,}"


def whole_range(low: int, high: int, bound: str = "") -> str:
    """1, 360 -> "1 to 360"; 1, 1 -> "1". bound: before the upper end, "at most "."""
    return f"{low:,} to {bound}{high:,}" if high > low else f"{low:,}"


def counted(number: int, noun: str) -> str:
    """1204, "row" -> "1,204 rows"; 1, "row" -> "1 row"; 2, "class" -> "2 classes"; 2, "epoch" -> "2 epochs"."""
    if number == 1:
        return f"1 {noun}"
    hisses = noun.endswith(("s", "x", "ch", "sh")) and not noun.endswith("epoch")
    return f"{number:,} {noun}{'es' if hisses else 's'}"


def significant(value: float | None, digits: int = 3) -> str:
    """0.012345 -> "0.0123", 1 -> "1.00", 12345 -> "1.2e4", None -> "–": always `digits` digits, for columns."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return str(value)
    if value == 0:
        return "0"
    size = abs(value)
    if 10**-digits <= size < 10**digits:
        power = int(f"{size:.{digits - 1}e}".partition("e")[2])  # of the rounded value: 0.009999 is 0.0100
        return f"{value:.{max(0, digits - 1 - power)}f}"
    return _exponent(f"{value:.{max(0, digits - 2)}e}")


def tiny(value: float | None) -> str:
    """As `significant`, with exponents from 0.01 down: for columns of numbers that spread over decades."""
    if value is None or not 0 < abs(value) < 0.01:
        return significant(value)
    return _exponent(f"{value:.1e}")


def compact(value: float | None, digits: int = 3) -> str:
    """As few letters as say it: 1 -> "1", 0.002 -> "0.002", 12345 -> "12345", 1.3e6 -> "1.3e6", None, NaN -> "–".

    (No sign before a zero.)
    """
    if value is None or not math.isfinite(value):
        return NONE
    if value != 0 and not 1e-4 <= abs(value) < 1e5:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        return f"{mantissa}e{int(exponent)}"
    return f"{value:z.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def _exponent(text: str) -> str:
    """1.2e-05 -> "1.2e-5"."""
    mantissa, exponent = text.split("e")
    return f"{mantissa}e{int(exponent)}"


def percent(share: float | None, decimals: int = 1) -> str:
    """0.98534 -> "98.5 %", None, NaN -> "–". 100 % and 0 % are said only when exact."""
    if share is None or not math.isfinite(share):
        return NONE
    text = f"{100 * share:.{decimals}f}"
    edge = 10.0**-decimals
    if share < 1 and float(text) >= 100:
        text = f"{100 - edge:.{decimals}f}"
    elif share > 0 and float(text) <= 0:
        text = f"{edge:.{decimals}f}"
    return f"{text} %"


def duration(seconds: float | None, *, decimal: bool = False) -> str:
    """7.4 -> "7 s" ("7.4 s" with `decimal`), 65 -> "1:05", 3725 -> "1:02:05", 200000 -> "2 d 7 h", None -> "–"."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if decimal and seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}:{minutes:02d}:{rest:02d}"
    return f"{hours // 24} d {hours % 24} h"


def binary_size(amount: float | None) -> str:
    """Bytes in the unit that leaves the fewest digits: 1536 -> "1.5 KiB", 93700000 -> "89.4 MiB", None -> "–"."""
    if amount is None or not math.isfinite(amount) or amount < 0:
        return NONE
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if amount < 1024 or unit == "TiB":
            break
        amount /= 1024
    return f"{amount:,.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:,.1f} {unit}"
