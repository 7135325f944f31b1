"""Names of runs that nobody chose: `pics-3`, the third run on a folder of that name, and its fork `pics-3-lr1e-3`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

_LONGEST = 20
_NOT_TOLD = ("name", "threads", "keep", "watch_every")
"""Fields that say nothing of what a run does differently."""


def stem_of(data: str) -> str:
    """Return the word for a data set: the last part of what it is called, without its ending."""
    last = re.split(r"[/\\:]", data.rstrip("/\\"))[-1].split("(")[0].rsplit(".", 1)[0]
    return _word(last)[:_LONGEST].strip("-") or "run"


def order_of(name: str) -> list[str | int]:
    """Return what names are sorted by: `pics-2` comes before `pics-10`."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", name.lower()))]


def next_number(stem: str, names: Iterable[str]) -> int:
    """Return the first number behind those that runs have, their forks included."""
    pattern = re.compile(re.escape(stem) + r"-(\d{1,9})(-.*)?")
    return 1 + max((int(found[1]) for name in names if (found := pattern.fullmatch(name))), default=0)


def child_name(parent: str, before: str, after: str, otherwise: str) -> str:
    """Return the name of a run that was made from `parent`: its number, and what differs between two recipes (TOML)."""
    known = re.fullmatch(r"(.+?-\d{1,9})-.+", parent)
    words = [_change(key, value) for key, value in _differing(before, after)][:2]
    return f"{known[1] if known else parent}-{'-'.join(words) or otherwise}"


def race_names(data: str, taken: Iterable[str], varied: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the names of runs that differ by these fields: `pics-4-lr1e-2`, `pics-4-lr1e-3`, all with one number."""
    stem = stem_of(data)
    number = next_number(stem, taken)
    races = [list(fields.items())[:3] for fields in varied]
    powers = {key for fields in races for key, value in fields if _is_small(value)}
    return [
        f"{stem}-{number}-{'-'.join(_change(key, value, powers=key in powers) for key, value in fields)}"
        for fields in races
    ]


def _is_small(value: Any) -> bool:
    return isinstance(value, float) and 0 < abs(value) < 0.1


def _differing(before: str, after: str) -> list[tuple[str, Any]]:
    try:
        old, new = tomllib.loads(before), tomllib.loads(after)
    except tomllib.TOMLDecodeError:
        return []
    named = [
        (key, stem_of(value) if key == "data" and isinstance(value, str) else value)
        for key, value in new.items()
        if key not in _NOT_TOLD and old.get(key) != value
    ]
    # The same data are called by another path where a run is forked from another folder.
    return [(key, value) for key, value in named if key != "data" or value != stem_of(str(old.get(key, "")))]


def _change(key: str, value: Any, *, powers: bool = False) -> str:
    """Return `lr1e-3` for a number, `adamw` for a word, `net` for what is long.

    powers: `lr1e-1` for 0.1 too, where it stands beside 0.01.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return _word(key)
    if isinstance(value, str):
        word = _word(value)
        return word if 0 < len(word) <= 12 and word != "none" else _word(key)
    text = f"{value:.3g}"
    if 0 < abs(value) < (1 if powers else 0.1):
        digits, power = f"{value:.2e}".split("e")
        text = f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
    return _word(key) + text.replace("e+0", "e").replace("e+", "e")


def _word(text: str) -> str:
    return re.sub(r"[\W_]+", "-", text.lower()).strip("-")
