"""Plain logs: lines that name a loss, with its number, and where they are."""

from __future__ import annotations

import re
from pathlib import Path

from cvtui import door
from cvtui.runlog.foreign.scalars import ScalarLog

MOST = 1 << 28
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
_PAIR = re.compile(
    r"(?P<name>[A-Za-z][\w./@-]*(?:[ ](?:loss|acc(?:uracy)?|lr|rate)\b)?)['\"]?\s*(?:[:=]\s*|\s)(?P<value>" + _NUMBER
    + r")(?![\w.])(?P<percent>\s*%)?",
    re.IGNORECASE,
)  # fmt: skip
_PLACE = re.compile(
    r"\b(?P<word>epoch|global[ _]step|step|iter(?:ation)?|batch)s?\b['\"]?\s*[:=#]?\s*[\[(]?\s*"
    r"(?P<at>\d+)(?:\s*(?:/|of)\s*(?P<of>\d+))?",
    re.IGNORECASE,
)
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_WANTED = re.compile(r"loss|acc", re.IGNORECASE)


def read_text(path: Path) -> ScalarLog:
    """Read the lines with a loss or an accuracy. OSError.

    `Epoch 3: train_loss=0.5`, `step 12 loss 0.53`, `Epoch [1/10], Step [100/600], Loss: 0.3`. A step that begins
    anew in each epoch is counted on, where the line says how many there are.
    """
    log = ScalarLog("a plain log")
    text = _COLOURS.sub("", door.read_input(path, MOST).decode("utf-8", "replace"))
    lines = []
    epoch, seen, stepped = 0, False, False
    for line in re.split(r"[\r\n]+", text):
        if not _WANTED.search(line):
            if found := _places(line).get("epoch"):
                epoch, seen = found[0], True
            continue
        places = _places(line)
        values = _values(line)
        if not values:
            continue
        epoch, seen = places.get("epoch", (epoch, 0))[0], seen or "epoch" in places
        at, of = places.get("step", (None, 0))
        stepped |= at is not None
        if at is not None and of and at <= of and "epoch" in places:
            at += max(0, epoch - 1) * of
        lines.append((at, epoch if seen else None, values))
    log.axis = "step" if stepped else "epoch"
    last = -1
    for counted, (at, own, values) in enumerate(lines):
        place = at if stepped else own
        if place is None:
            place = last if stepped and last >= 0 else counted
        if place < last and stepped and at is not None:
            log.notes[:] = ["its steps go back: those that came later count"]
        last = place
        for name, value in values.items():
            log.add(name, place, value)
    return log


def _places(line: str) -> dict[str, tuple[int, int]]:
    """Return where a line is: {"epoch": (3, 10), "step": (12, 600)}; 0 where it doesn't say of how many."""
    found: dict[str, tuple[int, int]] = {}
    for match in _PLACE.finditer(line):
        word = "epoch" if match["word"].lower() == "epoch" else "step"
        found.setdefault(word, (int(match["at"][:15]), int((match["of"] or "0")[:15])))
    return found


def _values(line: str) -> dict[str, float]:
    """Return the numbers of a line by the words before them; per cent as shares. Places and times are left out."""
    found = {}
    for match in _PAIR.finditer(line):
        name = match["name"].strip().lower()
        if _PLACE.fullmatch(match[0]) or name in ("epoch", "step", "iter", "iteration", "batch"):
            continue
        value = float(match["value"])
        found[name] = value / 100 if match["percent"] else value
    return found
