"""What the second reader knows of a run: its log as plain JSON, each step by itself, and how a told number is compared.

No line of this is shared with the doctor, nor with cvtui.runlog.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any, TypeAlias

Said: TypeAlias = dict[str, Any]

NUM = r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
INT = r"\d[\d,]*"
NAME = r"[\w.#]+"
LIST = r".+?"
MEAN = rf"{NUM} \((?:step {INT}|mean of steps {INT} to {INT})\)"
RISE = rf"(?:no loss was finite|the loss rose from {MEAN} to {MEAN}|the loss was {MEAN})"
MOVED = (
    rf"(?:; steps? {INT}(?: and {INT})? moved the weights of {NAME} by {NUM} %(?: and {NUM} %)? of their size"
    rf"(?:; healthy runs hardly ever exceed {NUM} %)?)"
)
CHANGE = rf" At step {INT} the rate was changed by hand(?: from {NUM})? to {NUM}\."
RATE = rf"(?:{NUM} at step {INT}|up to {NUM})"
GUESS = rf"(?:random guessing costs {NUM}|the first loss was {NUM})"
PATTERNS = {
    "MOVED": MOVED, "RISE": RISE, "CHANGE": CHANGE, "MEAN": MEAN, "RATE": RATE, "GUESS": GUESS, "LIST": LIST,
    "NAME": NAME, "NUM": NUM, "INT": INT,
}  # fmt: skip
"""What the words in capitals stand for in sentences.toml."""
DYNAMIC = {"F01", "F02", "F03", "F04", "F05", "F06", "F07", "F19", "F31", "F36", "F37"}
"""They speak of what happened at a step, so a change of the rate by hand before it belongs to the story."""
MATRIX = ("conv", "fc")


class Untrue(Exception):
    pass


def number(text: str) -> float:
    return float(text.replace(",", ""))


def numbers(text: str, pattern: str = NUM) -> list[float]:
    return [number(found) for found in re.findall(pattern, text)]


def need(true: object, words: str) -> None:
    if not true:
        raise Untrue(words)


def near(told: str, real: float | None, digits: int = 3, what: str = "") -> None:
    """Require that a told number is the real one, rounded to `digits` or as many as are told."""
    need(real is not None and not math.isnan(real), f"{what} {told}: nothing of that kind is in the log")
    value = Decimal(told.replace(",", ""))
    shown = max(digits, len(value.normalize().as_tuple().digits)) if "e" not in told else digits
    unit = 10.0 ** (value.adjusted() - shown + 1) if value else 10.0**-digits
    assert real is not None
    if math.isfinite(float(value)) and math.isinf(real):
        raise Untrue(f"{what} {told}: it was infinite")
    need(abs(real - float(value)) <= 0.56 * unit + 1e-12, f"{what} {told}: the log has {real!r}")


class SecondReader:
    def __init__(self) -> None:
        self.run: Said = {}
        self.loss: dict[int, float | None] = {}
        self.rate: dict[int, float] = {}
        self.right: dict[int, float | None] = {}
        self.norm: dict[int, float | None] = {}
        self.looks: dict[int, Said] = {}
        self.epochs: dict[int, Said] = {}
        self.facts: Said = {}
        self.hands: list[Said] = []
        self.set_to: dict[int, float] = {}
        """Step -> the last rate that it was given: by hand, or a plateau's lower one after it."""
        self.findings: list[Said] = []
        self.end: Said = {}

    # ------------------------------------------------------------------ reading

    def feed(self, line: bytes | str) -> Said:
        """One line of events.jsonl; the record."""
        record: Said = json.loads(line)
        match record["type"]:
            case "run":
                if record.get("step") is not None:
                    self._forget(record["step"])
                self.run, self.end = record, {}
            case "steps":
                self._steps(record)
            case "layers":
                self.looks[record["step"]] = record
            case "epoch":
                self.epochs[record["epoch"]] = record
            case "facts":
                modes = self.facts.get("mode_losses", []) + record.get("mode_losses", [])
                self.facts |= {k: v for k, v in record.items() if v not in (None, [], {}, "")} | {"mode_losses": modes}
            case "command" if record["command"] == "set_lr":
                self._rate_set(record)
            case "finding":
                self.findings.append(record)
            case "end":
                self.end = record
        return record

    def _steps(self, record: Said) -> None:
        count = len(record["loss"])
        rates = record.get("lr") or [record["rate"]] * count
        empty = [None] * count
        for place in range(count):
            step = record["first"] + place
            self.loss[step], self.rate[step] = record["loss"][place], rates[place]
            self.right[step] = (record.get("accuracy") or empty)[place]
            self.norm[step] = (record.get("grad_norm") or empty)[place]

    def _rate_set(self, record: Said) -> None:
        self.set_to[record["step"]] = record["value"]
        if not record.get("words", "").startswith("plateau"):
            self.hands.append(record)

    def _forget(self, step: int) -> None:
        for table in (self.loss, self.rate, self.right, self.norm):
            for gone in [s for s in table if s >= step]:
                del table[gone]
        self.looks = {s: look for s, look in self.looks.items() if s <= step}
        self.epochs = {n: e for n, e in self.epochs.items() if e["step"] <= step}
        self.hands = [hand for hand in self.hands if hand["step"] <= step]

    # ------------------------------------------------------------------ asking

    def common(self, said: Said, parts: Said) -> None:
        sentence, step = said["sentence"], said["step"]
        need(step <= max(self.loss, default=0) + 1, f"step {step} has not come yet")
        if said.get("layer") and self.looks and said["id"] not in ("F26",) and not said["id"].startswith("L"):
            need(said["layer"] in self._names(), f"no layer {said['layer']}")
        for told in re.findall(CHANGE, sentence):
            self._change(told)
        hands = [hand for hand in self.hands if hand["step"] <= self._about(said, parts)]
        if said["id"] in DYNAMIC and hands:
            need("changed by hand" in sentence, f"the rate was set at step {hands[-1]['step']}, and it does not say so")

    def _about(self, said: Said, parts: Said) -> int:
        """Return the step that the finding is about: of a rate, that of the sample which shows it."""
        looked = numbers(parts.get("moved", "").partition("moved the weights")[0], INT)
        return int(looked[-1]) if looked else int(said["step"])

    def _names(self) -> set[str]:
        named = {row["name"] for look in self.looks.values() for row in look["layers"]} | {"loss"}
        named |= {row["name"] for row in self.run.get("layers", [])}
        named |= {module["name"] for module in self.facts.get("modules", [])}
        return named | {weight["layer"] for weight in self.facts.get("weights", [])}

    def asked(self, name: str) -> Any:
        """Return a field of the recipe; of a loop under cvtui.watch, what was seen of it."""
        return self.run["recipe"][name] if name in self.run["recipe"] else self.facts[name]

    def _change(self, told: str) -> None:
        step = numbers(told)[0]
        hands = [hand for hand in self.hands if hand["step"] == step]
        need(hands, f"no rate was set at step {step:g}")
        texts = re.findall(NUM, told)
        near(texts[-1], self.set_to[int(step)], what="set to")
        if int(step) in self.rate:
            near(texts[-1], self.rate[int(step)], what="the rate after it")
        if len(texts) == 3 and int(step) - 1 in self.rate:
            words = re.findall(NUM, hands[-1].get("words", ""))  # what the schedule would have given this step
            near_either = [self.rate[int(step) - 1], *map(number, words[:1])]
            need(any(is_near(texts[1], rate) for rate in near_either), f"the rate before it was {near_either}")

    def row(self, step: int, layer: str) -> Said:
        return next(row for row in self.looks[step]["layers"] if row["name"] == layer)

    def mean(self, column: dict[int, float | None], first: int, last: int) -> float:
        need(all(step in column for step in range(first, last + 1)), f"steps {first} to {last} are not all there")
        known = [value for step in range(first, last + 1) if (value := column[step]) is not None]
        need(known, f"steps {first} to {last} have no finite number")
        return math.fsum(known) / len(known)

    def told_mean(self, text: str) -> tuple[float, int, int]:
        """(mean, first step, last step) of `2.31 (step 0)` or `0.4 (mean of steps 20 to 29)`, which must be so."""
        told, *steps = re.findall(NUM, text)
        first, last = int(number(steps[0])), int(number(steps[-1]))
        real = self.mean(self.loss, first, last)
        near(told, real, what="the loss")
        return real, first, last

    def rise(self, text: str, by: int) -> None:
        """Check the words about the loss up to step `by`."""
        if text == "no loss was finite":
            need(not any(self.loss.get(step) is not None for step in range(by + 1)), "there were finite losses")
            return
        means = [self.told_mean(part) for part in re.findall(MEAN, text)]
        now, _, last = means[-1]
        need((0 if "rose" in text else by - 20) <= last <= by, f"step {last} is not what was there at step {by}")
        if "rose" in text:
            need(now > means[0][0] and means[0][2] < last, "it did not rise")

    def whole(self, first: int, last: int) -> bool:
        return all(self.loss.get(step) is not None for step in range(first, last + 1))

    def moved_at(self, text: str) -> list[int]:
        """Return the steps of the samples that are told."""
        return [int(number(step)) for step in re.findall(INT, text.partition("moved the weights of ")[0])]

    def moved(self, text: str) -> float:
        """Return the geometric mean of the update ratios that are told."""
        if not text:
            return math.nan
        tail = text.partition("moved the weights of ")[2]
        layer = tail.split(" by ")[0]
        shares = re.findall(rf"({NUM}) %", tail.partition("; healthy")[0])
        steps = self.moved_at(text)
        need(len(steps) == len(shares), "as many steps as shares")
        real = [self.row(step, layer)["update_ratio"] for step in steps]
        for share, ratio in zip(shares, real, strict=True):
            near(share, 100 * ratio, what=f"update ratio of {layer}")
        if "healthy" in tail:
            bound = number(re.findall(rf"exceed ({NUM}) %", tail)[0])
            need(max(map(number, shares)) > bound, f"{shares} % is not beyond {bound} %")
            near(f"{bound:g}", 6.7)
        return math.exp(math.fsum(map(math.log, real)) / len(real))

    def the_rate(self, text: str, by: int) -> None:
        if not text.startswith("up to"):
            need(int(number(re.findall(NUM, text)[1])) <= by, "that step comes later")
        if text.startswith("up to"):
            told = text.removeprefix("up to ")
            highest = [max(self.rate[s] for s in self.rate if s <= last) for last in (by, by - 9) if last in self.rate]
            need(any(is_near(told, real) for real in highest), f"the highest rate by step {by} was {highest}")
        else:
            told, step = re.findall(NUM, text)
            near(told, self.rate[int(number(step))], what=f"the rate of step {step}")

    def entropy(self) -> float:
        counts = [count for count in self.facts.get("label_counts", []) if count]
        if len(counts) > 1:
            return -math.fsum(count / sum(counts) * math.log(count / sum(counts)) for count in counts)
        names = self.run["data"].get("classes")
        return math.log(len(names) if names else self.facts.get("classes") or self.facts["outputs"])

    def first_losses(self) -> list[float]:
        known = [self.facts.get("first_loss"), self.loss.get(0)]
        return [loss for loss in known if loss is not None]

    def guess(self, text: str) -> None:
        (told,) = re.findall(NUM, text)
        if text.startswith("random guessing"):
            need(str(self.run["recipe"].get("loss", "cross-entropy")).startswith("cross-entropy"), "no cross-entropy")
            near(told, self.entropy(), what="a guess")
        else:
            need(any(is_near(told, loss) for loss in self.first_losses()), f"the first loss was {self.first_losses()}")


def is_near(told: str, real: float, digits: int = 3) -> bool:
    try:
        near(told, real, digits)
    except Untrue:
        return False
    return True


def nice(value: float) -> float:
    """Return the nearest of 1, 3, 10, 30 …, by ratio."""
    steps = [m * 10.0**power for power in range(-12, 40) for m in (1, 3)]
    return min(steps, key=lambda step: abs(math.log(step / value)))
