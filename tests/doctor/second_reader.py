"""A second reader of a run's log: is each number, step and layer that a finding names really there?

It shares no code with the doctor: it reads the lines as plain JSON, keeps every step, and takes each sentence apart by a
grammar of its own. A sentence that no shape fits is itself a fault, so a new sentence needs a new check.

    log = SecondReader()
    for line in events: log.feed(line)
    log.faults({"id": "F01", "sentence": …, "evidence": …, "layer": …, "step": …})   # [] where all is true
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

Said: TypeAlias = dict[str, Any]

NUM = r"-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
INT = r"\d[\d,]*"
NAME = r"[\w.#]+"
LIST = r".+?"
MEAN = rf"{NUM} \((?:step {INT}|mean of steps {INT} to {INT})\)"
RISE = rf"(?:no loss was finite|the loss rose from {MEAN} to {MEAN}|the loss was(?: still)? {MEAN})"
MOVED = (
    rf"(?:; steps? {INT}(?: and {INT})? moved the weights of {NAME} by {NUM} %(?: and {NUM} %)? of their size"
    rf"(?:; healthy runs hardly ever exceed {NUM} %)?)"
)
CHANGE = rf" At step {INT} the rate was changed by hand(?: from {NUM})? to {NUM}\."
RATE = rf"(?:{NUM} at step {INT}|up to {NUM})"
GUESS = rf"(?:a guess costs {NUM}|the first loss was {NUM})"
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
    """Is this number, rounded to so many digits (or as many as are told), the one that is told?"""
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
            case "command":
                if record["command"] == "set_lr" and not record.get("words", "").startswith("plateau"):
                    self.hands.append(record)
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

    def _forget(self, step: int) -> None:
        for table in (self.loss, self.rate, self.right, self.norm):
            for gone in [s for s in table if s >= step]:
                del table[gone]
        self.looks = {s: look for s, look in self.looks.items() if s <= step}
        self.epochs = {n: e for n, e in self.epochs.items() if e["step"] <= step}
        self.hands = [hand for hand in self.hands if hand["step"] <= step]

    # ------------------------------------------------------------------ asking

    def faults(self, said: Said) -> list[str]:
        """What is not true in this finding (a record `finding`, or what is like it)."""
        found = []
        name, sentence, evidence = said["id"], said["sentence"], said.get("evidence", "")
        shapes = SHAPES.get(name, [])
        matches = [(check, match) for shape, check in shapes if (match := re.fullmatch(shape, sentence))]
        if not matches:
            return [f"no such sentence is known: {name} {sentence!r}"]
        check, match = matches[0]
        parts = {key: value or "" for key, value in match.groupdict().items()}
        for ask in (lambda: check(self, parts, said), lambda: self._evidence(name, evidence, said, parts),
                    lambda: self._common(said, parts)):  # fmt: skip
            try:
                ask()
            except Untrue as untrue:
                found.append(f"{name} {sentence!r} ({evidence!r}): {untrue}")
            except (KeyError, IndexError, TypeError, ValueError) as error:
                found.append(f"{name} {sentence!r} ({evidence!r}): not in the log ({type(error).__name__}: {error})")
        return found

    def _common(self, said: Said, parts: Said) -> None:
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
        """The step that the finding is about: of a rate, that of the look which shows it."""
        looked = numbers(re.findall(r"moved the weights", parts.get("moved", "")) and parts["moved"].partition("moved")[0]
                         or "", INT)  # fmt: skip
        return int(looked[-1]) if looked else int(said["step"])

    def _names(self) -> set[str]:
        named = {row["name"] for look in self.looks.values() for row in look["layers"]}
        return named | {row["name"] for row in self.run.get("layers", [])} | {
            module["name"] for module in self.facts.get("modules", [])} | {"loss"}  # fmt: skip

    def _change(self, told: str) -> None:
        step, *rates = numbers(told)
        hands = [hand for hand in self.hands if hand["step"] == step]
        need(hands, f"no rate was set at step {step:g}")
        texts = re.findall(NUM, told)
        near(texts[-1], hands[-1]["value"], what="set to")
        if int(step) in self.rate:
            near(texts[-1], self.rate[int(step)], what="the rate after it")
        if len(texts) == 3 and int(step) - 1 in self.rate:
            words = re.findall(NUM, hands[-1].get("words", ""))  # what the schedule would have given this step
            near_either = [self.rate[int(step) - 1], *map(number, words[:1])]
            need(any(_is_near(texts[1], rate) for rate in near_either), f"the rate before it was {near_either}")

    def row(self, step: int, layer: str) -> Said:
        return next(row for row in self.looks[step]["layers"] if row["name"] == layer)

    def mean(self, column: dict[int, float | None], first: int, last: int) -> float:
        need(all(step in column for step in range(first, last + 1)), f"steps {first} to {last} are not all there")
        known = [value for step in range(first, last + 1) if (value := column[step]) is not None]
        return math.fsum(known) / len(known)

    def told_mean(self, text: str) -> tuple[float, int, int]:
        """(mean, first step, last step) of `2.31 (step 0)` or `0.4 (mean of steps 20 to 29)`, which must be so."""
        told, *steps = re.findall(NUM, text)
        first, last = int(number(steps[0])), int(number(steps[-1]))
        real = self.mean(self.loss, first, last)
        near(told, real, what="the loss")
        return real, first, last

    def rise(self, text: str, by: int) -> None:
        """What is told of the loss up to step `by`."""
        if text == "no loss was finite":
            need(not any(self.loss.get(step) is not None for step in range(by + 1)), "there were finite losses")
            return
        means = [self.told_mean(part) for part in re.findall(MEAN, text)]
        now, first, last = means[-1]
        need(by - 20 <= last <= by, f"step {last} is not what was there at step {by}")
        before = [self.mean(self.loss, step - 9, step) for step in range(first) if self._whole(step - 9, step)]
        if "rose" in text:
            need(now > means[0][0] and means[0][2] < last, "it did not rise")
        elif "still" in text:
            need(not before or min(before) > 0.7 * now, f"it had been at {min(before, default=0):.3g}")

    def _whole(self, first: int, last: int) -> bool:
        return all(self.loss.get(step) is not None for step in range(first, last + 1))

    def moved(self, text: str) -> float:
        """The geometric mean of the update ratios that are told."""
        if not text:
            return math.nan
        head, _, tail = text.partition("moved the weights of ")
        layer = tail.split(" by ")[0]
        shares = re.findall(rf"({NUM}) %", tail.partition("; healthy")[0])
        steps = [int(number(step)) for step in re.findall(INT, head)]
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
        if text.startswith("up to"):
            told = text.removeprefix("up to ")
            highest = [max(self.rate[s] for s in self.rate if s <= last) for last in (by, by - 9) if last in self.rate]
            need(any(_is_near(told, real) for real in highest), f"the highest rate by step {by} was {highest}")
        else:
            told, step = re.findall(NUM, text)
            near(told, self.rate[int(number(step))], what=f"the rate of step {step}")

    def entropy(self) -> float:
        counts = [count for count in self.facts.get("label_counts", []) if count]
        if len(counts) > 1:
            return -math.fsum(count / sum(counts) * math.log(count / sum(counts)) for count in counts)
        return math.log(len(self.run["data"]["classes"]))

    def first_losses(self) -> list[float]:
        known = [self.facts.get("first_loss"), self.loss.get(0), self.run.get("prediction", {}).get("start_loss")]
        return [loss for loss in known if loss is not None]

    def guess(self, text: str) -> None:
        (told,) = re.findall(NUM, text)
        if text.startswith("a guess"):
            need(str(self.run["recipe"].get("loss", "cross-entropy")).startswith("cross-entropy"), "no cross-entropy")
            near(told, self.entropy(), what="a guess")
        else:
            need(any(_is_near(told, loss) for loss in self.first_losses()), f"the first loss was {self.first_losses()}")

    # ------------------------------------------------------------------ the evidence

    def _evidence(self, name: str, text: str, said: Said, parts: Said) -> None:
        if not text:
            return
        for shape, ask in EVIDENCE.get(name, []):
            if match := re.fullmatch(shape, text):
                ask(self, match, said, parts)
                return
        raise Untrue(f"no such evidence is known: {text!r}")


def _is_near(told: str, real: float, digits: int = 3) -> bool:
    try:
        near(told, real, digits)
    except Untrue:
        return False
    return True


def nice(value: float) -> float:
    """The nearest of 1, 3, 10, 30 …, by ratio."""
    steps = [m * 10.0**power for power in range(-12, 40) for m in (1, 3)]
    return min(steps, key=lambda step: abs(math.log(step / value)))


# ---------------------------------------------------------------------- the sentences


def too_high(log: SecondReader, parts: Said, said: Said) -> None:
    by = int(number(parts["by"]))
    need(by == said["step"], f"its step is {said['step']}")
    if parts["gone"]:
        looked = sorted(step for step in log.looks if step <= by)[-2:]
        for step in looked:
            norms = [row["grad_norm"] for row in log.looks[step]["layers"] if row.get("grad_norm") is not None]
            need(not any(norms), f"the gradients of step {step} were {norms}")
    log.rise(parts["rise"], by)
    ratio = log.moved(parts["moved"])
    if parts.get("rate"):
        log.the_rate(parts["rate"], by)
    if parts.get("times"):
        times = 10.0 if math.isnan(ratio) else min(max(nice(ratio / 0.01), 3.0), 1000.0)
        need(number(parts["times"]) == times, f"{times:g} times by its own measure")
    if said["id"] == "F31":
        need(log.run["recipe"].get("warmup", "0") in ("0", "", "0ep"), "it was warmed up")


def batch_rate(log: SecondReader, parts: Said, said: Said) -> None:
    recipe = log.run["recipe"]
    need(number(parts["batch"]) == recipe["batch_size"], "another batch size")
    near(parts["rate"], max([recipe["lr"], *log.rate.values()]), what="rate")
    if parts["rise"] or parts["gone_rise"]:
        log.rise(parts["rise"] or parts["gone_rise"], int(number(parts["by"] or parts["gone_by"])))
    else:
        near(parts["share"], 100 * log.row(int(number(parts["look"])), parts["layer"])["update_ratio"])


def too_low(log: SecondReader, parts: Said, said: Said) -> None:
    step = int(number(parts["step"]))
    need(step == said["step"], "its step")
    ratio = log.row(step, parts["layer"])["update_ratio"]
    near(parts["share"], 100 * ratio, what="update ratio")
    need(number(parts["share"]) < number(parts["limit"]), f"{parts['share']} % is not less than {parts['limit']} %")
    moving = [row["update_ratio"] for row in log.looks[step]["layers"] if row.get("update_ratio")]
    need(sum(other < ratio for other in moving) <= len(moving) / 2 >= sum(other > ratio for other in moving) - 1,
         f"it is not the middle one of {sorted(moving)}")  # fmt: skip
    if parts["loss"]:
        _, _, last = log.told_mean(parts["loss"])
        need(step - 20 <= last <= step, "not the loss of that time")
        log.guess(parts["guess"])
    log.the_rate(parts["rate"], step)
    need(number(parts["times"]) == min(max(nice(3e-3 / ratio), 3.0), 1e6), "another factor by its own measure")


def not_finite(log: SecondReader, parts: Said, said: Said) -> None:
    step = int(number(parts["step"]))
    column = log.loss if parts["what"] == "loss" else log.norm
    need(step in column and column[step] is None, f"the {parts['what']} of step {step} was {column.get(step)}")
    if parts["had"]:
        told, at = parts["had"], int(number(parts["at"]))
        near(told, log.loss[at], what=f"the loss of step {at}")
        need(all(log.loss.get(s) is None for s in range(at + 1, step)), "there was a later one")
    if parts["where"]:
        told = [one["sentence"] for one in log.findings if one["id"] == "not-finite"]
        need(any(parts["where"] in sentence for sentence in told), f"the trainer says {told}")


def first_bad(log: SecondReader, parts: Said, said: Said) -> None:
    """What the trainer says itself."""
    step, per_epoch = int(number(parts["step"])), log.run["steps_per_epoch"]
    epoch, place = divmod(step, per_epoch)
    need((number(parts["epoch"]), number(parts["batch"]), number(parts["of"])) == (epoch + 1, place + 1, per_epoch),
         f"step {step} is batch {place + 1} of epoch {epoch + 1}")  # fmt: skip
    since = number(parts.get("since") or "0")
    bad = [s for s in log.loss if s >= since and (log.loss[s] is None or log.norm[s] is None)]
    if bad:
        need(min(bad) == step, f"the first one was step {min(bad)}")
    if parts["layer"] and parts["layer"] != "loss":
        need(any(parts["layer"] == row["name"] for row in log.run["layers"]), f"no layer {parts['layer']}")


def exploded(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    norm = log.mean(log.norm, first, last)
    near(parts["norm"], norm, what="gradient norm")
    if parts["times"]:
        told = number(parts["times"])
        need(told > 20, f"{told} times is no spike")
        lasts = range(first - 11, first - 211, -10)
        earlier = [log.mean(log.norm, last - 9, last) for last in lasts if last - 9 in log.norm]
        usual = sorted(earlier)
        middle = (usual[(len(usual) - 1) // 2] + usual[len(usual) // 2]) / 2
        near(parts["times"], norm / middle, digits=2, what="times")
    else:
        need(number(parts["norm"]) > 10, "it lies within what is healthy")


def pinned(log: SecondReader, parts: Said, said: Said) -> None:
    near(parts["share"], 100 * log.row(int(number(parts["step"])), parts["layer"])["pinned"])


def dead(log: SecondReader, parts: Said, said: Said) -> None:
    step = int(number(parts["step"]))
    if parts.get("relu"):
        near(parts["zeros"], 100 * log.row(step, parts["relu"])["zeros"], what="zeros")
    near(parts["mute"], 100 * log.row(step, parts["layer"])["grad_zeros"], what="gradients that are 0")
    if parts.get("born"):
        near(parts["born"], 100 * log.row(int(number(parts["start"])), parts["relu"])["zeros"], what="zeros at first")


def vanished(log: SecondReader, parts: Said, said: Said) -> None:
    step = int(number(parts["step"]))
    near(parts["x"], log.row(step, parts["a"])["grad_norm"], 2)
    near(parts["y"], log.row(step, parts["b"])["grad_norm"], 2)
    layers = [row["name"] for row in log.looks[step]["layers"] if row["kind"] in MATRIX]
    need((layers[0], layers[-1], len(layers)) == (parts["a"], parts["b"], number(parts["count"])), f"layers {layers}")


def decays(log: SecondReader, parts: Said, said: Said) -> None:
    recipe = log.run["recipe"]
    rate = next(rate for rate in (recipe["lr"], *log.rate.values()) if _is_near(parts["rate"], rate))
    decay = log.facts.get("weight_decay", recipe["weight_decay"])
    near(parts["decay"], decay)
    name = recipe["optimizer"].partition("(")[0]
    inertia = log.facts.get("momentum", recipe["momentum"]) if name in ("momentum", "nesterov") else 0.0
    share = rate * decay / (1 - inertia)
    near(parts["share"], 100 * share, what="decay a step")
    if parts["half"]:
        need(abs(number(parts["half"]) - math.log(0.5) / math.log1p(-share)) <= 0.06, "the half-life")


def shrunk(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    sums = [math.fsum(row.get("weight_norm") or 0.0 for row in log.looks[step]["layers"] if row["kind"] in MATRIX)
            for step in (first, last)]  # fmt: skip
    near(parts["share"], 100 * sums[1] / sums[0], what="of their size")
    log.rise(parts["rise"], last)
    log.guess(parts["guess"])
    near(parts["decay"], log.facts.get("weight_decay", log.run["recipe"]["weight_decay"]))


def clipped(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    norms = [log.norm[step] for step in range(first, last + 1)]
    near(parts["limit"], log.run["recipe"]["clip"])
    need(all(norm is None or norm > log.run["recipe"]["clip"] for norm in norms), "some were not cut")
    near(parts["norm"], log.mean(log.norm, last + 1 - int(number(parts["last"])), last), what="norm before")


def seems_clipped(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    norms = [norm for step in range(first, last + 1) if (norm := log.norm[step]) is not None]
    near(parts["low"], min(norms))
    near(parts["high"], max(norms))


def nothing_learnt(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    now = log.mean(log.loss, first, last)
    near(parts["loss"], now, what="loss")
    log.guess(parts["guess"])
    lowest = min((log.mean(log.loss, s - 9, s) for s in range(last + 1) if log._whole(s - 9, s)), default=now)
    if parts["lost"]:
        mean, _, until = log.told_mean(parts["lost"])
        need(mean < 0.95 * now and until <= last, "nothing was lost")
    elif "nothing had been learnt" in said["sentence"]:
        need(lowest > 0.8 * now, f"the loss had been {lowest:.3g}")


def one_class(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    need(last - first >= 40 and {first, last} <= set(log.looks), "looks at both ends, 40 steps apart")
    for step, look in log.looks.items():
        if first <= step <= last:
            need(look["answers"] < 0.1, f"at step {step} the answers' entropy was {look['answers']}")


def stands_still(log: SecondReader, parts: Said, said: Said) -> None:
    names = parts["steps"].replace(" and ", ", ").split(", ")
    for step in names:
        row = log.row(int(number(step)), parts["layer"])
        need(row["update_ratio"] == 0 and row["grad_norm"] > 0, f"at step {step}: {row['update_ratio']}")


def underfits(log: SecondReader, parts: Said, said: Said) -> None:
    a, m, b = (int(number(parts[key])) for key in "amb")
    near(parts["before"], log.mean(log.loss, a, m), what="the loss before")
    near(parts["last"], log.mean(log.loss, m + 1, b), what="the loss")
    log.guess(parts["guess"])
    if parts["train"]:
        epoch = log.epochs[max(log.epochs)]
        near(parts["train"], 100 * epoch["train_accuracy"])
        near(parts["val"], 100 * epoch["val_accuracy"])


def overfits(log: SecondReader, parts: Said, said: Said) -> None:
    since = int(number(parts["since"]))
    epoch = log.epochs[since + 2]
    need(epoch["step"] == said["step"], "its step")
    near(parts["train"], 100 * (epoch["train_accuracy"] or 0))
    near(parts["val"], 100 * (epoch["val_accuracy"] or 0))
    best = max(log.epochs.values(), key=lambda e: (e["val_accuracy"] or 0, -e["epoch"]))
    need(best["epoch"] == number(parts["best"]), f"the best epoch is {best['epoch']}")
    near(parts["top"], 100 * best["val_accuracy"])


def epoch_differs(log: SecondReader, parts: Said, said: Said) -> None:
    epoch = log.epochs[int(number(parts["epoch"]))]
    for half, prefix in (("train", "train"), ("val", "val")):
        for kind, scale in (("accuracy", 100.0), ("loss", 1.0)):
            told = re.search(rf"{kind} of ({NUM})", parts[half])
            real = epoch[f"{prefix}_{kind}"]
            need((told is None) == (real is None), f"{prefix} {kind}: {real}")
            if told:
                near(told[1], scale * real, what=f"{prefix} {kind}")
    near(parts["even"], 100 / len(log.run["data"]["classes"]))


def planned(log: SecondReader, parts: Said, said: Said) -> None:
    plan = log.facts["rates"]
    near(parts["high"], max(rate for _, rate in plan), what="the highest planned rate")
    step, total = int(number(parts["step"])), int(number(parts["total"]))
    need(total == log.run["total_steps"], "the number of steps")
    need(all(rate < 0.01 * max(r for _, r in plan) for at, rate in plan if at >= step), "it comes back")


def fallen(log: SecondReader, parts: Said, said: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    near(parts["rate"], max(log.rate[step] for step in range(first, last + 1)), 2)
    near(parts["high"], max(rate for step, rate in log.rate.items() if step <= last))


def flipped(log: SecondReader, parts: Said, said: Said) -> None:
    near(parts["loss"], log.loss[int(number(parts["step"]))])
    need(number(parts["loss"]) < 0, "it is not below 0")


def begins(log: SecondReader, parts: Said, said: Said) -> None:
    need(any(_is_near(parts["first"], loss) for loss in log.first_losses()), f"first loss {log.first_losses()}")
    near(parts["guess"], log.entropy())
    need(("unlearn" in said["sentence"]) == (number(parts["first"]) > number(parts["guess"])), "worse or better")
    if parts["layer"]:
        weight = next(w for w in log.facts["weights"] if w["layer"] == parts["layer"])
        near(parts["gain"], weight["std"] * math.sqrt(weight["fan_in"]))


def by_fact(*keys: str, scale: float = 1.0, digits: int = 3) -> Callable[[SecondReader, Said, Said], None]:
    """Each named part is a fact of the same name; `p_` in front: in per cent."""

    def check(log: SecondReader, parts: Said, said: Said) -> None:
        for key in keys:
            if not parts[key]:
                continue
            share = key.startswith("p_")
            near(parts[key], log.facts[key.removeprefix("p_")] * (100 if share else scale), digits, key)

    return check


def summed(log: SecondReader, parts: Said, said: Said) -> None:
    first = log.first_losses()[0]
    near(parts["first"], first, 4)
    near(parts["times"], first / log.facts.get("cross_entropy", log.entropy()))
    need(number(parts["batch"]) == number(parts["again"]) == log.run["recipe"]["batch_size"], "batch")


def imbalanced(log: SecondReader, parts: Said, said: Said) -> None:
    counts = [count for count in log.facts["label_counts"] if count]
    near(parts["share"], 100 * max(counts) / sum(counts))
    near(parts["even"], math.exp(log.entropy()), 2)
    need(number(parts["classes"]) == len(counts), "classes")


def noisy(log: SecondReader, parts: Said, said: Said) -> None:
    train, val = log.facts["neighbours_train"], log.facts["neighbours_validation"]
    near(parts["val"], 100 * val)
    near(parts["train"], 100 * train)
    near(parts["wrong"], 100 * min(1.0, (val - train) / val))


def strangers(log: SecondReader, parts: Said, said: Said) -> None:
    near(parts["train"], 100 * log.facts["neighbours_train"])
    near(parts["chance"], 100 * log.facts["neighbours_chance"])


def labels_differ(log: SecondReader, parts: Said, said: Said) -> None:
    strangers(log, parts, said)
    near(parts["val"], 100 * log.facts["neighbours_validation"])


def by_heart(log: SecondReader, parts: Said, said: Said) -> None:
    epoch = log.epochs[int(number(parts["epoch"]))]
    near(parts["train"], 100 * epoch["train_accuracy"])
    near(parts["val"], 100 * epoch["val_accuracy"])


def modes(log: SecondReader, parts: Said, said: Said) -> None:
    pair = next(pair for pair in log.facts["mode_losses"] if pair[0] == number(parts["step"]))
    near(parts["train"], pair[1])
    near(parts["val"], pair[2])


def row_of_linears(log: SecondReader, parts: Said, said: Said) -> None:
    need([parts["a"], parts["b"]] in log.facts["linear_pairs"], f"{log.facts['linear_pairs']}")


def drops(log: SecondReader, parts: Said, said: Said) -> None:
    module = next(m for m in log.facts["modules"] if m["name"] == parts["name"])
    near(parts["share"], 100 * module["options"]["p"])


def tiny(log: SecondReader, parts: Said, said: Said) -> None:
    need(number(parts["batch"]) == log.run["recipe"]["batch_size"], "batch size")
    if parts.get("train"):
        train, times = number(parts["train"]), number(parts["times"])
        need(train == log.run["data"]["train"] == times * number(parts["batch"]) + 1, "the sum")


def stds(log: SecondReader) -> dict[str, float]:
    told = log.run.get("prediction", {}).get("activation_std")
    return dict(told) if told else {row["name"]: row["std"] for row in log.looks[0]["layers"]}


def fades(log: SecondReader, parts: Said, said: Said) -> None:
    spread = stds(log)
    near(parts["x"], spread[parts["a"]], 2)
    near(parts["y"], spread[parts["b"]], 2)
    if parts.get("share"):
        active = [name for name in spread if not name.startswith(MATRIX)]
        chain = active or list(spread)[:-1]
        need((chain[0], chain[-1]) == (parts["a"], parts["b"]), f"the activations are {chain}")
        near(parts["share"], 100 * (spread[parts["b"]] / spread[parts["a"]]) ** (1 / (len(chain) - 1)))


def largest(log: SecondReader, parts: Said, said: Said) -> None:
    row = next(row for row in log.run["layers"] if row["name"] == parts["name"])
    need(number(parts["count"]) == row["parameters"], f"{row['parameters']}")
    need(number(parts["all"]) == log.run["parameters"], f"{log.run['parameters']}")
    near(parts["share"], 100 * row["parameters"] / log.run["parameters"])


def fits_not(log: SecondReader, parts: Said, said: Said) -> None:
    n, p, f, s = (number(parts[key]) for key in "npfs")
    near(parts["is"], (n + 2 * p - f) / s)


def no_convolution(log: SecondReader, parts: Said, said: Said) -> None:
    need("conv" not in log.run["recipe"]["net"], "there is one")
    need([number(parts["h"]), number(parts["w"])] == log.run["data"]["input"][:2], f"{log.run['data']['input']}")


def weights_are(log: SecondReader, parts: Said, said: Said) -> None:
    zero = [w["layer"] for w in log.facts["weights"] if w["std"] == 0 and (w["mean"] == 0) == ("0 every" in said["sentence"])]
    need(all(name in zero for name in parts["names"].replace(" and ", ", ").split(", ") if "more" not in name), f"{zero}")


def positive(log: SecondReader, parts: Said, said: Said) -> None:
    need(log.facts["input_min"] >= 0, f"{log.facts['input_min']}")
    near(parts["low"], log.facts["input_min"])
    near(parts["high"], log.facts["input_max"])


def as_it_is(log: SecondReader, parts: Said, said: Said) -> None:
    """A sentence without a number."""


SOFTMAX = r"it can't fall below (?P<floor>NUM) with (?P<classes>INT) classes\."


def doubled(log: SecondReader, parts: Said, said: Said) -> None:
    need(number(parts["classes"]) == log.facts["outputs"], "classes")
    near(parts["floor"], math.log(1 + (log.facts["outputs"] - 1) / math.e), 4)


def at_floor(log: SecondReader, parts: Said, said: Said) -> None:
    a, b = int(number(parts["a"])), int(number(parts["b"]))
    near(parts["right"], 100 * log.mean(log.right, a, b))
    near(parts["loss"], log.mean(log.loss, a, b), 4)
    near(parts["floor"], math.log(1 + (log.facts["outputs"] - 1) / math.e), 4)


Check: TypeAlias = Callable[[SecondReader, Said, Said], None]


def shape(text: str) -> str:
    """NUM, INT … in a shape stand for the patterns of the same name, {name:NUM} for a named part."""
    for name, pattern in (("NUM", NUM), ("INT", INT), ("NAME", NAME), ("LIST", LIST), ("MEAN", MEAN), ("RISE", RISE),
                          ("MOVED", MOVED), ("CHANGE", CHANGE), ("RATE", RATE), ("GUESS", GUESS)):  # fmt: skip
        text = re.sub(r"\{(\w+):" + name + r"\}", lambda m, pattern=pattern: f"(?P<{m[1]}>{pattern})", text)
    return text


_HIGH = (
    r"By step {by:INT} (?P<gone>all gradients of weights had become exactly 0, and )?{rise:RISE}(?P<moved>" + MOVED + r"?)\."
)
_C = f"(?:{CHANGE})?"
_SHAPES: dict[str, list[tuple[str, Check]]] = {
    "F01": [
        (_HIGH + r" The learning rate \({rate:RATE}\) is probably {times:INT} times too high\." + _C, too_high),
        (_HIGH + CHANGE + r" That is probably too high\.", too_high),
    ],
    "F31": [(_HIGH + r" The rate \({rate:RATE}\) is high, and nothing warmed it up\." + _C, too_high)],
    "F30": [
        (r"With {batch:INT} images a batch, a rate of {rate:NUM} gives steps that are too (?:large|small) \((?:by step "
         r"{by:INT} {rise:RISE}|by step {gone_by:INT} all gradients of weights had become exactly 0, and {gone_rise:RISE}"
         r"|step {look:INT} moved {layer:NAME} by {share:NUM} %)\)\. By the linear rule {better:NUM} fits\.", batch_rate),
    ],
    "F02": [
        (r"Step {step:INT} moved the weights of {layer:NAME}, the middle one of the layers, by {share:NUM} % of their size,"
         r" less than {limit:NUM} %,(?: with the loss at {loss:MEAN} \({guess:GUESS}\)\.|\.) The learning rate "
         r"\({rate:RATE}\) is probably {times:INT} times too low\." + _C, too_low),
    ],
    "F03": [
        (r"At step {step:INT} the (?P<what>loss|gradient) was NaN or infinite(?:; at step {at:INT} it was {had:NUM})?\."
         r"(?: It came first in (?P<where>.+?)\.)?" + _C, not_finite),
    ],
    "not-finite": [
        (r"the first value that is not finite(?: since step {since:INT})?: (?:the output of {layer:NAME}(?: \(its weights reach [\w.+]+\))?|the "
         r"gradient of (?P<of_layer>[\w.]+)'s \w+|the \w+ of (?P<spoilt>[\w.]+)|the loss itself \(the last layer's outputs "
         r"are finite\)), at step {step:INT} \(epoch {epoch:INT}, batch {batch:INT} of {of:INT}\)", first_bad),
        (r"when the batch of step {step:INT} \(epoch {epoch:INT}, batch {batch:INT} of {of:INT}\) was computed once more, "
         r"no value that is not finite came up(?P<layer>)", first_bad),
    ],
    "F07": [
        (r"In the steps {a:INT} to {b:INT} the gradient's norm was {norm:NUM} on average(?:, {times:NUM} times what it was "
         r"\(median of the tens before\)|; healthy runs stay under 10)\." + _C, exploded),
    ],
    "F05": [
        (r"At step {step:INT} {share:NUM} % of the inputs of {layer:NAME} lay beyond 5, where it is flat: hardly any "
         r"gradient gets through\." + _C, pinned),
    ],
    "F04": [
        (r"At step {step:INT} {zeros:NUM} % of what {relu:NAME} gives is 0, and {mute:NUM} % of the gradients of "
         r"{layer:NAME} are exactly 0: a unit that gives 0 gets no gradient\.(?: At step {start:INT} {born:NUM} % of it was"
         r" 0 already\.)?" + _C, dead),
        (r"At step {step:INT} {mute:NUM} % of the gradients of {layer:NAME} are exactly 0: the units before it seem to be "
         r"dead\." + _C, dead),
    ],
    "F06": [
        (r"At step {step:INT} the gradient of {a:NAME} was {x:NUM}, that of {b:NAME} {y:NUM}: on the way back through "
         r"{count:INT} layers nearly all of it is lost\." + _C, vanished),
    ],
    "F29": [
        (r"At a rate of {rate:NUM} the weight decay alone \({decay:NUM}\) takes {share:NUM} % of the weights at each step"
         r"(?:: half of them in {half:NUM} steps)?\.", decays),
        (r"From step {a:INT} to {b:INT} the weights shrank to {share:NUM} % of their size, and {rise:RISE}, where "
         r"{guess:GUESS}\. The weight decay \({decay:NUM}\) is probably too large\." + _C, shrunk),
    ],
    "F33": [
        (r"All gradients of the steps {a:INT} to {b:INT} were cut to a norm of {limit:NUM}; the last {last:INT} of them had"
         r" one of {norm:NUM} on average before\." + _C, clipped),
        (r"The gradients of the steps {a:INT} to {b:INT} had norms of {low:NUM} to {high:NUM}, nearly the same for ten "
         r"steps in a row each: they seem to be cut\." + _C, seems_clipped),
    ],
    "F36": [
        (r"In the steps {a:INT} to {b:INT} the loss was {loss:NUM} on average, where {guess:GUESS}(?:: nothing had been "
         r"learnt by then|: what had been learnt is lost \(the loss had been {lost:MEAN}\))?\." + _C, nothing_learnt),
    ],
    "F37": [(r"From step {a:INT} to {b:INT} nearly all answers were one class\." + _C, one_class)],
    "F26": [
        (r"At each of the steps {steps:LIST} {layer:NAME} had a gradient, but its weights did not change by one bit\.",
         stands_still),
    ],
    "F19": [
        (r"The loss was {before:NUM} on average in the steps {a:INT} to {m:INT} and {last:NUM} in those to {b:INT} "
         r"\({guess:GUESS}\)(?:; training is right in {train:NUM} %, validation in {val:NUM} %)?: (?:all goes through .+"
         r"|the net may be too small for this, or need longer)\." + _C, underfits),
    ],
    "F18": [
        (r"Overfitting from epoch {since:INT} on: training is right in {train:NUM} %, validation in {val:NUM} %\. The best "
         r"epoch is {best:INT} \({top:NUM} %\)\.", overfits),
    ],
    "F21": [
        (r"After epoch {epoch:INT} training has (?P<train>[^,]*), validation (?P<val>[^;]*); a guess is right in {even:NUM} "
         r"%: the two are not prepared alike\.", epoch_differs),
        (r"{train:NUM} % of the training images have the label of their nearest neighbours, but only {val:NUM} % of the "
         r"validation images \({chance:NUM} % would be chance\): their labels do not fit\.", labels_differ),
        (r"The training images reach the model with mean {input_mean:NUM} and spread {input_std:NUM}, the validation "
         r"images with {validation_mean:NUM} and {validation_std:NUM}: they are not prepared alike\.",
         by_fact("input_mean", "input_std", "validation_mean", "validation_std")),
    ],
    "F32": [
        (r"As planned, the rate is below a hundredth of its maximum \({high:NUM}\) from step {step:INT} of {total:INT} at "
         r"the latest; at such a rate hardly anything is learnt\. Was a schedule meant per epoch stepped per batch\?",
         planned),
        (r"From step {a:INT} to {b:INT}(?: of INT)? the rate was at most {rate:NUM}, after {high:NUM}; at such a rate "
         r"hardly anything is learnt\.".replace("INT)?", INT + ")?") + _C, fallen),
    ],
    "F17": [(r"At step {step:INT} the loss was {loss:NUM}: a cross-entropy is never below 0, so its sign was flipped\.",
             flipped)],
    "F10": [
        (r"The first loss was {first:NUM}, where a guess costs {guess:NUM}(?:; the weights of {layer:NAME} spread {gain:NUM}"
         r"/sqrt\(inputs\), he draws 1\.41)?\. The net begins (?:with strong opinions that it must first unlearn|better than"
         r" a guess)\.", begins),
    ],
    "F11": [
        (r"The images reach the model with mean {input_mean:NUM} and standard deviation {input_std:NUM} \(from "
         r"{input_min:NUM} to {input_max:NUM}\); about 0 and 1 is what initialisations count on\.(?: A norm right behind the"
         r" first layer makes up for it\.)?", by_fact("input_mean", "input_std", "input_min", "input_max")),
    ],
    "F16": [
        (r"The first loss is {first:NUM}: {times:NUM} times what it should be, at {batch:INT} images a batch\. It is summed "
         r"over the batch, so the rate counts {again:INT} times\.", summed),
    ],
    "F24": [
        (r"{share:NUM} % of the training labels are one class; the labels are as uncertain as {even:NUM} even classes, not "
         r"{classes:INT}\. A net that always gives that class is right in {again:NUM} %\.", imbalanced),
    ],
    "F14": [
        (r"{val:NUM} % of the validation images have the label of their nearest training images, but only {train:NUM} % of "
         r"the training images themselves: about {wrong:NUM} % of the training labels seem wrong\.", noisy),
    ],
    "F13": [
        (r"Images that look alike share a label in {train:NUM} %, and by chance they would in {chance:NUM} %: the labels seem"
         r" to have nothing to do with the images\.", strangers),
        (r"By epoch {epoch:INT} training is right in {train:NUM} %, and validation still guesses \({val:NUM} %\): what is "
         r"learnt is learnt by heart\. The labels may not belong to the images\.", by_heart),
    ],
    "F20": [
        (r"{overlap:INT} of the {validation:INT} validation images \(NUM %\) are also training images \(training = "
         r"validation: LIST\)\.".replace("NUM", NUM).replace("LIST", LIST), by_fact("overlap", "validation", digits=9)),
    ],
    "F23": [
        (r"At step {step:INT} the same batch costs {train:NUM} in training mode and {val:NUM} in evaluation mode(?:: the "
         r"running means of {layer:NAME} lag behind)?\.", modes),
    ],
    "F35": [
        (r"{a:NAME} and {b:NAME} are both linear, with no activation between them: together they compute no more than one "
         r"layer could\.", row_of_linears),
    ],
    "F34": [
        (r"{name:NAME} drops {share:NUM} % of its inputs in each training step; more than half is rarely of use\.", drops),
    ],
    "F22": [
        (r"Batch norm takes its means over {batch:INT} images? at a time: mostly noise\.", tiny),
        (r"The last batch of each epoch holds a single image \({train:INT} = {times:INT} · {batch:INT} \+ 1\), and batch norm"
         r" takes its means over it\.", tiny),
    ],
    "F15": [
        (r"The loss is given probabilities \(a softmax has been taken already\) and takes the softmax of them again: it can't"
         r" fall below {floor:NUM} with {classes:INT} classes\.", doubled),
        (r"In the steps {a:INT} to {b:INT} {right:NUM} % of the training images were right, but the loss stood still at "
         r"{loss:NUM}: a softmax that is taken twice can't come below {floor:NUM}\.", at_floor),
    ],
    "F08": [(r"The weights of {names:LIST} are 0 everywhere: (?:that part begins as nothing|no gradient gets through, and "
             r"nothing can be learnt)\.", weights_are)],
    "F09": [(r"The weights of {names:LIST} all have the value NUM: all units of such a layer compute and learn the same\."
             .replace("NUM", NUM), weights_are)],
    "L01": [
        (r"xavier with ReLU: the spread falls from {x:NUM} at {a:NAME} to {y:NUM} at {b:NAME}, since each ReLU halves the "
         r"variance\.", fades),
    ],
    "L02": [
        (r"The outputs of {a:NAME} spread by {x:NUM}, those of {b:NAME} by {y:NUM}: at each layer only {share:NUM} % of the "
         r"signal is left on average, and its gradients shrink alike\.", fades),
    ],
    "L03": [
        (r"No input of the first batch lies below 0 \(from {low:NUM} to {high:NUM}\): for each image the gradients of one "
         r"unit's first weights all have one sign, so they zig-zag\.", positive),
    ],
    "L04": [(r"NAME looks at a INTxINT map through a INTxINT window: part of what it reads is always padding\."
             .replace("NAME", NAME).replace("INT", INT), as_it_is)],
    "L05": [(r"{name:NAME}: \({n:INT} \+ 2·{p:INT} − {f:INT}\)/{s:INT} \+ 1 = .+\.(?P<is>)", as_it_is)],
    "L06": [(r"{name:NAME} holds {count:INT} of the {all:INT} parameters \({share:NUM} %\)\.", largest)],
    "L07": [(r"The net has no convolution: each of the {h:INT}x{w:INT} places has weights of its own, and a shift by one "
             r"pixel makes another image\.", no_convolution)],
    "L08": [(r"All that the net knows of an image goes through {name:NAME} with its 1 unit: {classes:INT} classes then lie "
             r"on one line\.", as_it_is)],
}  # fmt: skip
SHAPES: dict[str, list[tuple[str, Check]]] = {
    name: [(shape(text), check) for text, check in shapes] for name, shapes in _SHAPES.items()
}


# ---------------------------------------------------------------------- the evidence

Ask: TypeAlias = Callable[[SecondReader, "re.Match[str]", Said, Said], None]


def _ratio(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    layer = said["layer"]
    steps = [int(number(step)) for step in re.findall(INT, match["steps"])]
    real = [log.row(step, layer)["update_ratio"] for step in steps]
    near(match["ratio"], math.exp(math.fsum(map(math.log, real)) / len(real)), 2)


def _same_words(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    need(match[0] in said["sentence"], "it is not what the sentence says")


def _fact(*keys: str, digits: int = 3) -> Ask:
    def ask(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
        for key, told in zip(keys, re.findall(NUM, match[0]), strict=False):
            near(told, log.facts[key], digits, key)

    return ask


def _share(of: Callable[[SecondReader, Said], float], digits: int) -> Ask:
    return lambda log, match, said, parts: near(match["x"], of(log, said), digits, "evidence")


def _bad(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    column = log.loss if match["what"] == "loss" else log.norm
    need(column[int(number(match["step"]))] is None, "it was finite")


def _any(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    """Checked with the sentence, or no number of the log's."""


def _guess_of(log: SecondReader) -> float:
    ce = str(log.run["recipe"].get("loss", "cross-entropy")).startswith("cross-entropy")
    return log.entropy() if ce else log.first_losses()[0]


def _loss_share(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    first, last = int(number(match["a"])), int(number(match["b"]))
    near(match["x"], log.mean(log.loss, first, last) / _guess_of(log), digits=2, what="of a guess")


def _last_share(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    m, b = int(number(parts["m"])), int(number(parts["b"]))
    near(match["x"], log.mean(log.loss, m + 1, b))
    near(match["y"], log.mean(log.loss, m + 1, b) / _guess_of(log), 2)


def _gap(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    epoch = log.epochs[int(number(match["epoch"]))]
    need(abs(number(match["gap"]) - ((epoch["train_accuracy"] or 0) - (epoch["val_accuracy"] or 0))) < 6e-4, "the gap")
    near(match["loss"], epoch["val_loss"] if epoch["val_loss"] is not None else 0.0)


def _gradient(log: SecondReader, match: re.Match[str], said: Said, parts: Said) -> None:
    first, last = int(number(parts["a"])), int(number(parts["b"]))
    near(match["x"], log.mean(log.norm, first, last))


def _vanish(log: SecondReader, said: Said) -> float:
    rows = [row for row in log.looks[said["step"]]["layers"] if row["kind"] in MATRIX]
    return float(rows[0]["grad_norm"] / rows[-1]["grad_norm"])


_UPDATE = r"update ratio {ratio:NUM} at steps? (?P<steps>INT(?: and INT)?)".replace("INT", INT)
_EVIDENCE: dict[str, list[tuple[str, Ask]]] = {
    "F01": [(_UPDATE, _ratio), (r"(?:all gradients .+ and )?RISE".replace("RISE", RISE), _same_words)],
    "F31": [(_UPDATE, _ratio), (r"(?:all gradients .+ and )?RISE".replace("RISE", RISE), _same_words)],
    "F30": [(rf"(?:{_UPDATE}, )?batch {INT}, rate {NUM}", _any)],
    "F02": [(r"middle update ratio {x:NUM}", _share(lambda log, s: log.row(s["step"], s["layer"])["update_ratio"], 2))],
    "F03": [(r"(?P<what>loss|gradient) not finite at step {step:INT}", _bad)],
    "not-finite": [(r"training images .+", _any)],
    "F07": [(r"gradient norm {x:NUM}(?:, NUM before)?".replace(", NUM", f", {NUM}"), _gradient)],
    "F05": [(r"share of pinned units {x:NUM}", _share(lambda log, s: log.row(s["step"], s["layer"])["pinned"], 3))],
    "F04": [(r"share of gradients that are 0 in NAME".replace("NAME", NAME), _any)],
    "F06": [(r"gradient of the first layer / of the last = {x:NUM}", _share(_vanish, 2))],
    "F29": [(r"rate x decay(?: / \(1 - momentum\))? = NUM".replace("NUM", NUM), _any),
            (r"sum of the layers' norms NUM to NUM".replace("NUM", NUM), _any)],
    "F33": [(r"gradient norm / limit = NUM".replace("NUM", NUM), _any),
            (r"gradient norm NUM".replace("NUM", NUM), _any)],
    "F36": [(r"loss of steps {a:INT} to {b:INT} / loss of a guess = {x:NUM}", _loss_share)],
    "F37": [(r"entropy of the answers {x:NUM} nat at step INT".replace("INT", INT),
             _share(lambda log, s: log.looks[s["step"]]["answers"], 2))],
    "F26": [(r"update ratio of NAME exactly 0 in three samples".replace("NAME", NAME), _any)],
    "F19": [(r"loss {x:NUM} = {y:NUM} of a guess", _last_share)],
    "F18": [(r"accuracy gap {gap:NUM} after epoch {epoch:INT}, validation loss {loss:NUM}", _gap)],
    "F21": [(r"training .+, validation .+", _any),
            (r"agreement with neighbours: training NUM, validation NUM".replace("NUM", NUM),
             _fact("neighbours_train", "neighbours_validation")),
            (r"mean NUM and NUM".replace("NUM", NUM), _fact("input_mean", "validation_mean"))],
    "F32": [(r"rate NUM (?:at|by) step INT".replace("NUM", NUM).replace("INT", INT), _any)],
    "F17": [(r"loss NUM at step INT".replace("NUM", NUM).replace("INT", INT), _any)],
    "F10": [(r"first loss / entropy of the labels = {x:NUM}",
             _share(lambda log, s: log.first_losses()[0] / log.entropy(), 3))],
    "F11": [(r"first batch: mean NUM, std NUM".replace("NUM", NUM), _fact("input_mean", "input_std"))],
    "F16": [(r"first loss NUM".replace("NUM", NUM), _any)],
    "F24": [(r"exp\(H\)/C = NUM".replace("NUM", NUM), _any)],
    "F14": [(r"agreement with neighbours: validation NUM, training NUM".replace("NUM", NUM),
             _fact("neighbours_validation", "neighbours_train"))],
    "F13": [(r"agreement of nearest neighbours NUM, chance NUM".replace("NUM", NUM),
             _fact("neighbours_train", "neighbours_chance")),
            (r"validation accuracy NUM, training NUM".replace("NUM", NUM), _any)],
    "F20": [(r"INT images in both sets".replace("INT", INT), _fact("overlap"))],
    "F23": [(r"loss NUM in training mode, NUM in evaluation mode".replace("NUM", NUM), _any)],
    "F35": [(r"{x:INT} pairs? of linear layers in a row", _share(lambda log, s: len(log.facts["linear_pairs"]), 3))],
    "F34": [(r"dropout p = NUM".replace("NUM", NUM), _any)],
    "F22": [(r"batch size INT with batch norm|last batch of 1".replace("INT", INT), _any)],
    "F15": [(r".+", _any)],
    "F08": [(r".+ weight tensors are 0", _any)],
    "F09": [(r"variance 0 in .+ weight tensors", _any)],
    "L01": [(r"spread of the last ReLU / of the first = NUM".replace("NUM", NUM), _any)],
    "L02": [(r"spread of NAME / spread of NAME = NUM".replace("NAME", NAME).replace("NUM", NUM), _any)],
    "L03": [(r"smallest input {x:NUM}", _share(lambda log, s: log.facts["input_min"], 3))],
    "L04": [(r"map .+, window .+", _any)],
    "L05": [(r".+", _any)],
    "L06": [(r".+", _any)],
    "L07": [(r"no convolution", _any)],
    "L08": [(r"a layer of one unit", _any)],
}  # fmt: skip
EVIDENCE: dict[str, list[tuple[str, Ask]]] = {
    name: [(shape(text), ask) for text, ask in shapes] for name, shapes in _EVIDENCE.items()
}


# ---------------------------------------------------------------------- the end


def end_faults(log: SecondReader) -> list[str]:
    """What is not true in the reason of the record `end`."""
    reason, end = log.end.get("reason", ""), log.end
    found = []
    if match := re.fullmatch(rf"(the loss|a gradient|the validation loss) was (NaN|infinite) at step ({INT})", reason):
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
