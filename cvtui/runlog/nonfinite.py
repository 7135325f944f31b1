"""Non-finite numbers in a log, which JSON has no word for: NaN, infinite, or missing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from cvtui.runlog.events import Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.record_limits import BROKEN
from cvtui.runlog.tail import Tail

WORDS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_STEPS = b'{"type":"steps",'


def word(value: float | None) -> str:
    """Return `nan`, `inf` or `-inf`; "" for a finite number, and for None."""
    if value is None or math.isfinite(value):
        return ""
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def words_of(numbers: Mapping[str, float | None]) -> dict[str, str]:
    """Map each name whose number is not finite to its word."""
    return {name: said for name, value in numbers.items() if (said := word(value))}


def places_of(columns: Mapping[str, Sequence[float | None]]) -> dict[str, dict[str, list[int]]]:
    """Map column -> word -> places in its list, for `Steps.not_finite`.

    A loss's null means NaN by itself.
    """
    found: dict[str, dict[str, list[int]]] = {}
    for name, values in columns.items():
        for place, value in enumerate(values):
            if (said := word(value)) and (name, said) != ("loss", "nan"):
                found.setdefault(name, {}).setdefault(said, []).append(place)
    return found


_steps = msgspec.json.Decoder(Steps)


def nonfinite_steps(folder: RunFolder) -> dict[str, dict[int, float]]:
    """Map column -> step -> NaN or ±infinity, as the log tells it.

    Steps that are done again after a resume count as they were the last time. A loss that is null without a word is
    NaN.
    """
    found: dict[str, dict[int, float]] = {"loss": {}, "grad_norm": {}}
    for _, line in Tail(folder.events).lines():
        if not line.startswith(_STEPS) or (b"null" not in line and not any(found.values())):
            continue
        try:
            row = _steps.decode(line)
        except BROKEN:
            continue
        for values in found.values():
            if values and next(reversed(values)) >= row.first:
                for step in [step for step in values if step >= row.first]:
                    del values[step]
        said = {row.first + place: math.nan for place, value in enumerate(row.loss) if value is None}
        for name, words in row.not_finite.items():
            told = {
                row.first + place: WORDS[each]
                for each, places in words.items() if each in WORDS
                for place in places if 0 <= place < len(row.loss)
            }  # fmt: skip
            if name == "loss":
                said |= told
            elif name in found:
                found[name].update(sorted(told.items()))
        found["loss"].update(sorted(said.items()))
    return found
