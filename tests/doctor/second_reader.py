"""Second reader of a run's log, for each number, step and layer that a finding names.

It shares no code with the doctor: second_log.py reads the lines as plain JSON and keeps every step, sentences.toml says
what sentences look like, and one check a kind asks the log. A sentence that no shape fits is itself a fault, so a new
sentence needs a new shape.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.doctor import (
    second_check_up,
    second_checks,
    second_epochs,
    second_evidence,
    second_facts,
    second_heads,
    second_kinds,
    second_loss,
    second_signs,
)
from tests.doctor.second_log import PATTERNS, Said, SecondReader, Untrue, number

PLACES = {
    "sentences": (second_checks, second_facts, second_loss, second_epochs, second_signs, second_kinds, second_heads),
    "evidence": (second_evidence, second_facts, second_loss, second_signs, second_kinds, second_heads),
    "answers": (second_check_up,),
}
NOT_THERE = (KeyError, IndexError, TypeError, ValueError, ZeroDivisionError, StopIteration)


class Shape(NamedTuple):
    pattern: re.Pattern[str]
    check: Callable[..., None]


def _read() -> dict[str, dict[str, list[Shape]]]:
    told = tomllib.loads((Path(__file__).parent / "sentences.toml").read_text(encoding="utf-8"))
    return {
        place: {name: [_shape(row, modules) for row in rows] for name, rows in told[place].items()}
        for place, modules in PLACES.items()
    }


def _shape(row: Mapping[str, str], modules: tuple[Any, ...]) -> Shape:
    text = row["shape"]
    for name, pattern in PATTERNS.items():
        text = re.sub(r"\{(\w+):" + name + r"\}", partial(lambda pattern, m: f"(?P<{m[1]}>{pattern})", pattern), text)
        text = text.replace("{" + name + "}", pattern)
    check = next(found for module in modules if (found := getattr(module, row["check"], None)))
    return Shape(re.compile(text), check)


SHAPES = _read()


def _match(place: str, name: str, text: str) -> tuple[Callable[..., None], Said] | None:
    for shape in SHAPES[place].get(name, []):
        if match := shape.pattern.fullmatch(text):
            return shape.check, {key: value or "" for key, value in match.groupdict().items()}
    return None


def faults(log: SecondReader, said: Said) -> list[str]:
    """List false statements in a finding (a record `finding`, or what is like it)."""
    sentence, evidence = said["sentence"], said.get("evidence", "")
    words = f"{said['id']} {sentence!r} ({evidence!r})"
    found = _match("sentences", said["id"], sentence)
    if found is None:
        return [f"no such sentence is known: {words}"]
    check, parts = found
    asked: list[Callable[[], None]] = [lambda: check(log, parts, said), lambda: log.common(said, parts)]
    if evidence:
        beside = _match("evidence", said["id"], evidence)
        if beside is None:
            return [f"no such evidence is known: {words}"]
        spans = {key: parts[key] for key in ("a", "b", "m") if key in parts}
        asked.append(lambda: beside[0](log, beside[1] if spans.keys() & beside[1] else spans | beside[1], said))
    return [f"{words}: {why}" for ask in asked if (why := _why(ask))]


def _why(ask: Callable[[], None]) -> str:
    try:
        ask()
    except Untrue as untrue:
        return str(untrue)
    except NOT_THERE as error:
        return f"it is not in the log ({type(error).__name__}: {error})"
    return ""


def answer_faults(log: SecondReader, question: str, answer: str) -> list[str]:
    """List false statements in an answer of the check-up."""
    found = _match("answers", "check-up", answer)
    if found is None:
        return [f"no such answer is known: {question}: {answer!r}"]
    why = _why(lambda: found[0](log, found[1]))
    return [f"{question}: {answer!r}: {why}"] if why else []


def end_faults(log: SecondReader) -> list[str]:
    """List false statements in the reason of the record `end`."""
    reason, end = log.end.get("reason", ""), log.end
    found = []
    if match := re.fullmatch(r"(the loss|a gradient|the validation loss) was (NaN|infinite) at step ([\d,]+)", reason):
        step = int(number(match[3]))
        column = {"the loss": log.loss, "a gradient": log.norm}.get(match[1])
        if column is not None and column.get(step, 0.0) is not None:
            found.append(f"end {reason!r}: the log has {column.get(step)}")
        if column is None and log.epochs[max(log.epochs)]["val_loss"] is not None:
            found.append(f"end {reason!r}: the log has {log.epochs[max(log.epochs)]}")
        if step != end["step"]:
            found.append(f"end {reason!r}: its step is {end['step']}")
    elif reason and reason != "stopped when asked":
        found.append(f"no such reason is known: {reason!r}")
    return found
