"""Plain logs: lines that name a loss, with its number, and where they are; progress bars; tables of columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cvtui import door
from cvtui.runlog.foreign.decoding import decoded, notebook_output
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
    r"(?P<at>\d+)(?![\d]*(?:[A-Za-z]|-\d))(?:\s*(?:/|of)\s*(?P<of>\d+))?",
    re.IGNORECASE,
)
_BRACKETS = re.compile(
    r"\b(?:epoch|train(?=:))\b\s*(?:\((?P<split>\w+)\))?\s*[:=#]?\s*\[?\s*(?P<epoch>\d+)\s*\]?(?:\s*/\s*\d+)?\s*"
    r"\[\s*(?P<at>\d+)\s*/\s*(?P<of>\d+)",
    re.IGNORECASE,
)
"""`Train Epoch: 1 [640/60000`, `Epoch: [0][ 10/391]`, `Epoch(train) [1][100/391]`, timm's `Train: 0 [  50/391`."""
_PAIRED = re.compile(r"^\s*\[\s*(?P<epoch>\d+)\s*,\s*(?P<at>\d+)\s*\]")
"""`[1,  2000] loss: 2.173`, of PyTorch's first tutorial."""
_GLOG = re.compile(r"^[IWEF]\d{4} \S+ +\d+ \S+\] \[(?P<at>\d+)\] ")
"""`I1101 10:00:00.123 139 logging_writer.py:48] [100] loss=2.3`, of the writer that Flax's examples use."""
_BAR = re.compile(r"(?P<at>\d+)/(?P<of>\d+)\s*\[(?:\d+:)?\d+:\d\d<")
"""tqdm's `45/100 [00:03<00:04`."""
_BEHIND = re.compile(r"(?:\[\s*(?P<at>\d+)/\s*(?P<of>\d+)\]|\s(?P<a>\d+)/(?P<b>\d+))\s*$")
"""`loss: 2.3  [   64/60000]`, and the bar of a much copied CIFAR-10 program, `Acc: 50% (64/128) 1/391`."""
_HEAD = r"^(?:[IWEF]\d{4} \S+ +\d+ \S+\])?[\s\W\d]*(?:(?:INFO|DEBUG|mmengine|root)\b[\s\W]*)*"
_EVALUATED = re.compile(_HEAD + r"(?P<word>test|val(?:id(?:ation)?)?|eval(?:uation|uating)?)\b", re.IGNORECASE)
_PART = r"(?:train(?:ing)?|test(?:ing)?|val(?:id(?:ation)?)?|eval(?:uation|uating)?)"
_LABEL = re.compile(rf"(?<![\w./-]){_PART}(?![\w./-])", re.IGNORECASE)
"""A word that says of which half the numbers behind it are: `train: loss=0.3, acc=0.9 | valid: loss=0.5, acc=0.8`."""
_TURNED = re.compile(
    rf"\b(?P<what>loss|acc(?:uracy)?)\s*(?:[(\[]\s*(?P<inside>{_PART})\s*[)\]]|(?P<plain>[ ]{_PART}))"
    r"(?=\s*[:=]|\s+[\d.])",
    re.IGNORECASE,
)
"""`Loss (train): 0.3` and `Acc val = 0.8`."""
_BEHIND_VALUE = re.compile(rf"\s*[(\[]\s*(?P<part>{_PART})\s*[)\]]", re.IGNORECASE)
"""`loss 0.3 (train), loss 0.5 (val)`."""
_STARRED = re.compile(r"^\s*\*\s+\S")
"""PyTorch's examples sum up a validation in a line with a star."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_WANTED = re.compile(r"loss|acc|cross[ _]?entropy", re.IGNORECASE)
_MEASURE = re.compile(rf"{_WANTED.pattern}|\btop[-@_]?[15]\b", re.IGNORECASE)
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
    """Read the lines with a loss or an accuracy; of a notebook what was printed in it. OSError; RequestError.

    `Epoch 3: train_loss=0.5`, `step 12 loss 0.53`, `Epoch [1/10], Step [100/600], Loss: 0.3`. A step that begins
    anew in each epoch is counted on, where the line says how many there are.
    """
    raw = notebook_output(path, MOST) if path.suffix == ".ipynb" else decoded(door.read_input(path, MOST))
    text = _COLOURS.sub("", raw)
    lines = re.split(r"[\r\n]+", text)
    objects = [row for line in lines if (row := object_of(line)) is not None]
    if objects and len(objects) >= 0.8 * sum(bool(_WANTED.search(line)) for line in lines):
        return log_of(objects, KIND)
    reader = _Reader()
    found = [one for line in lines if (one := reader.read(line)) is not None]
    if not found:
        return _table(lines) or ScalarLog(KIND)
    return _placed(found)


class _Reader:
    """Reads line by line: an epoch that a line names holds for those behind it, as does a step that stands alone.

    A heading, such as `Test Error:`, holds down to an empty line or one that says where it is.
    """

    def __init__(self) -> None:
        self.epoch: int | None = None
        self.carried: tuple[int, int] | None = None
        self.heading = ""
        self.bars = _Bars()

    def read(self, line: str) -> Line | None:
        """Return the numbers of interest of the next line; None without."""
        brackets = _BRACKETS.search(line) or _PAIRED.search(line)
        places = _places(line)
        self._look(line, brackets, places)
        if not _WANTED.search(line):
            self.carried = None if _is_evaluated(line) else places.get("step", self.carried)
            return None
        split = brackets.groupdict().get("split") if brackets else None
        bar = None if brackets else _bar(line, known=self.epoch is not None and "epoch" not in places)
        if bar and "step" not in places and self.bars.of_validation(self.epoch, *bar):
            split = "val"
        values = _values(line, split or self.heading or None)
        if not values:
            return None
        at, of = _counted(brackets or _GLOG.match(line)) or bar or places.get("step") or (None, 0)
        if self.heading or _is_evaluated(line) or (split or "train").lower() not in ("train", "training"):
            at, of = None, 0  # its batches are the validation's
        self.carried = None if places else self.carried
        if at is None and self.carried:
            at, of = self.carried
        return Line(at, of, self.epoch, values)

    def _look(self, line: str, brackets: re.Match[str] | None, places: dict[str, tuple[int, int]]) -> None:
        """Note the epoch, and whether a heading begins or ends."""
        if brackets:
            self.epoch = int(brackets["epoch"])
        elif "epoch" in places:
            self.epoch = places["epoch"][0]
        if not line.strip() or brackets or places:
            self.heading = ""
        if line.rstrip().endswith(":") and (named := _EVALUATED.match(line)):
            self.heading = named["word"]


def _counted(match: re.Match[str] | None) -> tuple[int, int] | None:
    return (int(match["at"]), int(match.groupdict().get("of") or 0)) if match else None


def _bar(line: str, known: bool) -> tuple[int, int] | None:
    """Return (at, of) of a progress bar; those behind a line only where an earlier line named the epoch (known)."""
    if bar := _BAR.search(line):
        return int(bar["at"]), int(bar["of"])
    behind = _BEHIND.search(line) if known else None
    if behind is None:
        return None
    at, of = int(behind["at"] or behind["a"]), int(behind["of"] or behind["b"])
    return (at, of) if at <= of else None


class _Bars:
    """Progress bars of one epoch: one with another length, after the first came to its end, is the validation's."""

    def __init__(self) -> None:
        self.epoch: int | None = None
        self.length = 0
        self.done = False

    def of_validation(self, epoch: int | None, at: int, of: int) -> bool:
        if epoch is None:
            return False
        if epoch != self.epoch:
            self.epoch, self.length, self.done = epoch, of, False
        if of == self.length:
            self.done |= at >= 0.9 * of
            return False
        return self.done


def _placed(lines: Sequence[Line]) -> ScalarLog:
    """Return the log: by steps where some line has one, else by epochs, else counted."""
    log = ScalarLog(KIND)
    stepped = any(line.at is not None for line in lines)
    log.axis = "step" if stepped else "epoch"
    begin = min((line.epoch for line in lines if line.epoch is not None), default=1)
    last, turns, before, base, epoch, gap = -1, 0, -1, 0, begin, 0
    for counted, line in enumerate(lines):
        at = line.at
        if at is not None and line.of and at <= line.of:
            turns += line.epoch is None and at < before
            before = at
            at += line.of * (max(0, line.epoch - min(begin, 1)) if line.epoch is not None else turns)
        elif at is not None and line.epoch is not None:
            if line.epoch > epoch and at <= before:
                base += before + max(0, gap - at)  # it begins anew, and doesn't say how long an epoch is
            gap = at - before if line.epoch == epoch and at > before >= 0 else gap
            epoch, before = line.epoch, at
            at += base
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
    cells = [_cells(line) for line in lines]
    for place, names in enumerate(cells):
        above = cells[place - 1] if place else []
        if len(above) == len(names) > len(set(names)):  # a header of two lines, as MATLAB's
            names = [" ".join(pair).strip() for pair in zip(above, names, strict=True)]
        if len(names) < 2 or not any("loss" in name.lower() for name in names) or any(map(_is_number, names)):
            continue
        rows = [row for row in cells[place + 1 :] if len(row) == len(names) and sum(map(_is_number, row)) >= 2]
        if len(rows) >= _ROWS:
            objects = [{name.lower(): _number(cell) for name, cell in zip(names, row, strict=True) if _is_number(cell)}
                       for row in rows]  # fmt: skip
            return log_of(objects, "a table in a plain log")
    return None


def _cells(line: str) -> list[str]:
    """Return the cells of a line: between bars, where it begins with one (as in Markdown), else between spaces."""
    if re.match(r"\s*[|│┃]", line):
        return [cell.strip() for cell in re.split(r"[|│┃]", line.strip())[1:-1]]
    return re.sub(r"[|│┃]", " ", line).split()


def _is_number(text: str) -> bool:
    return re.fullmatch(_NUMBER + r"\s*%?", text, re.IGNORECASE) is not None


def _number(cell: str) -> float:
    return float(cell.rstrip("% ")) / 100 if cell.endswith("%") else float(cell)


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
    found: dict[str, float] = {}
    evaluated = _EVALUATED.match(line)
    told = evaluated["word"] if evaluated else "val" if _STARRED.match(line) else split
    line = _TURNED.sub(lambda match: f"{(match['inside'] or match['plain']).strip()} {match['what']}", line)
    parts = _Parts(line)
    for match in _PAIR.finditer(line):
        name = match["name"].strip().lower()
        if _PLACE.fullmatch(match[0]) or name in ("epoch", "step", "iter", "iteration", "batch"):
            continue
        value = float(match["value"])
        if match["of"] and "acc" in name and 0 < int(match["of"]) < 1 << 53:
            value /= int(match["of"])
        part = (parts.of(match, found) if _MEASURE.search(name) else None) or told
        named = f"{part.lower()}/{name}" if part and not _SPLITS.search(name) else name
        found[named.removeprefix("train/").removeprefix("training/")] = value / 100 if match["percent"] else value
    return found


class _Parts:
    """Which half of the data the numbers of one line are of, by the words between them."""

    def __init__(self, line: str) -> None:
        self.line = line
        pairs = [pair for pair in _PAIR.finditer(line) if _WANTED.search(pair["name"])]
        labels = list(_LABEL.finditer(line))
        self.trailing = bool(pairs and labels) and labels[0].start() > pairs[0].start("value")
        """The words stand behind the numbers."""
        names = [pair.span("name") for pair in pairs]
        self.labels = [(label.start(), label[0].lower(), any(start <= label.start() < end for start, end in names))
                       for label in labels]  # fmt: skip
        self.several = len({word[:3] for _, word, _ in self.labels}) > 1
        """More than one half is named."""

    def of(self, pair: re.Match[str], found: dict[str, float]) -> str | None:
        """Return the half that the words before (or right behind) a number name; None without.

        `best val acc 0.9, loss 0.3` says nothing of the loss: a name that holds its half speaks for those behind it
        only where another half is named too, and not for one that it has given already.
        """
        if self.trailing and (behind := _BEHIND_VALUE.match(self.line, pair.end())):
            return behind["part"]
        before = [label for label in self.labels if label[0] < pair.start("name")]
        if not before:
            return None
        _, word, within = before[-1]
        name = pair["name"].strip().lower()
        return None if within and (not self.several or f"{word} {name}" in found) else word
