"""Plain logs: lines that name a loss, with its number, and where they are; progress bars; tables of columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvtui import door
from cvtui.runlog.foreign.objects import log_of, object_of
from cvtui.runlog.foreign.scalars import ScalarLog

MOST = 1 << 28
KIND = "a plain log"
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_PAIR = re.compile(
    r"(?P<name>[A-Za-z][\w./@-]*(?:[ ](?:loss|acc(?:uracy)?|lr|rate)\b)?)['\"]?"
    r"(?:\s*[:=]\s*|\s+(?:is|was|of)\s+|\s+)(?P<value>" + _NUMBER + r")(?![\w.])(?:/(?P<of>\d+))?(?P<percent>\s*%)?",
    re.IGNORECASE,
)  # fmt: skip
_PLACE = re.compile(
    r"\b(?P<word>epoch|global[ _]step|step|iter(?:ation)?|batch)s?\b['\"]?\s*[:=#]?\s*[\[(]?\s*"
    r"(?P<at>\d+)(?:\s*(?:/|of)\s*(?P<of>\d+))?",
    re.IGNORECASE,
)
_BRACKETS = re.compile(
    r"\bepoch\b\s*(?:\((?P<split>\w+)\))?\s*[:=#]?\s*\[?\s*(?P<epoch>\d+)\s*\]?(?:\s*/\s*\d+)?\s*"
    r"\[\s*(?P<at>\d+)\s*/\s*(?P<of>\d+)",
    re.IGNORECASE,
)
"""`Train Epoch: 1 [640/60000`, `Epoch: [0][ 10/391]`, `Epoch(train) [1][100/391]`."""
_BAR = re.compile(r"(?P<at>\d+)/(?P<of>\d+)\s*\[(?:\d+:)?\d+:\d\d<")
"""tqdm's `45/100 [00:03<00:04`."""
_HEAD = r"^[\s\W\d]*(?:(?:INFO|DEBUG|mmengine|root)\b[\s\W]*)*"
_EVALUATED = re.compile(_HEAD + r"(?P<word>test|val(?:id(?:ation)?)?|eval(?:uation|uating)?)\b", re.IGNORECASE)
_STARRED = re.compile(r"^\s*\*\s+\S")
"""PyTorch's examples sum up a validation in a line with a star."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_WANTED = re.compile(r"loss|acc", re.IGNORECASE)
_SPLITS = re.compile(r"train|val|test|eval", re.IGNORECASE)
_ROWS = 3
"""Rows below a header that make a table."""


class Line(NamedTuple):
    """Where a line is, and its numbers."""

    at: int | None
    of: int
    epoch: int | None
    values: dict[str, float]


def read_text(path: Path) -> ScalarLog:
    """Read the lines with a loss or an accuracy. OSError.

    `Epoch 3: train_loss=0.5`, `step 12 loss 0.53`, `Epoch [1/10], Step [100/600], Loss: 0.3`. A step that begins
    anew in each epoch is counted on, where the line says how many there are.
    """
    text = _COLOURS.sub("", door.read_input(path, MOST).decode("utf-8", "replace"))
    lines = re.split(r"[\r\n]+", text)
    objects = [row for line in lines if (row := object_of(line)) is not None]
    if objects and len(objects) >= 0.8 * sum(bool(_WANTED.search(line)) for line in lines):
        return log_of(objects, KIND)
    found = _lines(lines)
    if not found:
        return _table(lines) or ScalarLog(KIND)
    return _placed(found)


def _lines(lines: Sequence[str]) -> list[Line]:
    """Return the lines with a number of interest; an epoch that a line names holds for those behind it."""
    found: list[Line] = []
    epoch: int | None = None
    for line in lines:
        brackets, bar = _BRACKETS.search(line), _BAR.search(line)
        places = _places(line)
        if brackets:
            epoch = int(brackets["epoch"])
        elif "epoch" in places:
            epoch = places["epoch"][0]
        if not _WANTED.search(line):
            continue
        values = _values(line, brackets["split"] if brackets else None)
        if not values:
            continue
        counted = brackets or bar
        at, of = (int(counted["at"]), int(counted["of"])) if counted else places.get("step", (None, 0))
        if _is_evaluated(line) or (brackets and (brackets["split"] or "train").lower() not in ("train", "training")):
            at, of = None, 0  # its batches are the validation's
        found.append(Line(at, of, epoch, values))
    return found


def _placed(lines: Sequence[Line]) -> ScalarLog:
    """Return the log: by steps where some line has one, else by epochs, else counted."""
    log = ScalarLog(KIND)
    stepped = any(line.at is not None for line in lines)
    log.axis = "step" if stepped else "epoch"
    begin = min((line.epoch for line in lines if line.epoch is not None), default=1)
    last, turns, before = -1, 0, -1
    for counted, line in enumerate(lines):
        at = line.at
        if at is not None and line.of and at <= line.of:
            turns += line.epoch is None and at < before
            before = at
            at += line.of * (max(0, line.epoch - min(begin, 1)) if line.epoch is not None else turns)
        place = at if stepped else line.epoch
        if place is None:
            place = last if stepped and last >= 0 else counted
        if place < last and stepped and at is not None:
            log.notes[:] = ["its steps go back: those that came later count"]
        last = place
        for name, value in line.values.items():
            log.add(name, place, value)
    return log


def _table(lines: Sequence[str]) -> ScalarLog | None:
    """Return the log of a table: a line of names, one of them a loss, and rows of as many cells; None without one."""
    cells = [line.replace("|", " ").replace("│", " ").split() for line in lines]
    for place, names in enumerate(cells):
        if len(names) < 2 or not any("loss" in name.lower() for name in names) or any(map(_is_number, names)):
            continue
        rows = [row for row in cells[place + 1 :] if len(row) == len(names) and sum(map(_is_number, row)) >= 2]
        if len(rows) >= _ROWS:
            objects = [{name.lower(): float(cell) for name, cell in zip(names, row, strict=True) if _is_number(cell)}
                       for row in rows]  # fmt: skip
            return log_of(objects, "a table in a plain log")
    return None


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER, text, re.IGNORECASE) is not None


def _is_evaluated(line: str) -> bool:
    return bool(_EVALUATED.match(line) or _STARRED.match(line))


def _places(line: str) -> dict[str, tuple[int, int]]:
    """Return where a line is: {"epoch": (3, 10), "step": (12, 600)}; 0 where it doesn't say of how many."""
    found: dict[str, tuple[int, int]] = {}
    for match in _PLACE.finditer(line):
        word = "epoch" if match["word"].lower() == "epoch" else "step"
        found.setdefault(word, (int(match["at"][:15]), int((match["of"] or "0")[:15])))
    return found


def _values(line: str, split: str | None) -> dict[str, float]:
    """Return the numbers of a line by the words before them; per cent as shares. Places and times are left out.

    split: what the line says that it is of. In a line of a validation a name without a split of its own gets one.
    """
    found = {}
    evaluated = _EVALUATED.match(line)
    told = evaluated["word"] if evaluated else "val" if _STARRED.match(line) else split
    for match in _PAIR.finditer(line):
        name = match["name"].strip().lower()
        if _PLACE.fullmatch(match[0]) or name in ("epoch", "step", "iter", "iteration", "batch"):
            continue
        value = float(match["value"])
        if match["of"] and "acc" in name and 0 < int(match["of"]) < 1 << 53:
            value /= int(match["of"])
        named = f"{told.lower()}/{name}" if told and not _SPLITS.search(name) else name
        found[named] = value / 100 if match["percent"] else value
    return found
