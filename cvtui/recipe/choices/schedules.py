"""The learning rate as a pure function of the step: one rule for the engine and for the screen that draws ahead.

Each schedule is one small function that gives the share of the full rate (formulas: lecture "Deep Learning II";
PyTorch's MultiStepLR, CosineAnnealingLR and LinearLR give the same numbers). Warm-up comes before every one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in the run we are, in the schedule's unit (steps, or epochs where it moves once an epoch)."""

    t: float
    """Since the end of the warm-up."""
    total: float
    """From the end of the warm-up to the end of the run (T); above 0."""
    epoch: float
    """Epochs since the run began, warm-up included; whole where the schedule moves once an epoch."""
    share: float
    """Of the whole run that is done, 0..1."""
    epochs_since: float
    """Epochs since the end of the warm-up."""
    drops: int = 0
    """How often the rate has been lowered so far because the validation loss had stopped falling."""


Values = Mapping[str, Any]


def constant(moment: Moment, values: Values) -> float:
    return 1.0


def step(moment: Moment, values: Values) -> float:
    """factor^k after k of the listed epochs (counted from the run's start: 30 means "after 30 epochs").

    The lecture's 30, 60, 90 belong to runs of 100 epochs; without a list they are 30, 60 and 90 % of this run.
    """
    if values["epochs"]:
        passed = sum(moment.epoch >= epoch for epoch in values["epochs"])
    else:
        passed = sum(moment.share >= share for share in (0.3, 0.6, 0.9))
    return float(values["factor"] ** passed)


def cosine(moment: Moment, values: Values) -> float:
    """½ (1 + cos(π t / T)); Loshchilov 2017."""
    return 0.5 * (1.0 + math.cos(math.pi * moment.t / moment.total))


def linear(moment: Moment, values: Values) -> float:
    """1 − t / T."""
    return 1.0 - moment.t / moment.total


def inverse_sqrt(moment: Moment, values: Values) -> float:
    """1 / sqrt(t), where the first step (or epoch) after the warm-up is t = 1."""
    return 1.0 / math.sqrt(moment.t + 1.0)


def exponential(moment: Moment, values: Values) -> float:
    """gamma^(epochs since the warm-up); torch: ExponentialLR, and the same curve between epochs."""
    return float(values["gamma"] ** moment.epochs_since)


def one_cycle(moment: Moment, values: Values) -> float:
    """Up along a cosine from 1/25 to the full rate in the first `up` of the run, then down to 1/250,000 (Smith 2018).

    The same numbers as torch's OneCycleLR with its defaults. It is a warm-up of its own.
    """
    last = max(1.0, moment.total - 1)
    top = max(1.0, values["up"] * moment.total - 1)
    start, end = 1 / 25, 1 / 250_000
    if moment.t <= top:
        return start + (1.0 - start) * 0.5 * (1.0 - math.cos(math.pi * moment.t / top))
    share = min(1.0, (moment.t - top) / max(1e-9, last - top))
    return end + (1.0 - end) * 0.5 * (1.0 + math.cos(math.pi * share))


def cosine_restarts(moment: Moment, values: Values) -> float:
    """A cosine to 0 that begins anew: first after `first` epochs, then each time after `longer` times as many.

    SGDR, Loshchilov & Hutter 2017; torch: CosineAnnealingWarmRestarts(T_0=first, T_mult=longer).
    """
    length, passed = float(values["first"]), moment.epochs_since
    growth = float(values["longer"])
    while passed >= length - 1e-9:
        passed -= length
        length *= growth
    return 0.5 * (1.0 + math.cos(math.pi * max(0.0, passed) / length))


def range_test(moment: Moment, values: Values) -> float:
    """10^(−decades (1 − t / T)): up to the full rate, evenly in log lr. The learning-rate range test (Smith 2015)."""
    return float(10.0 ** (-values["decades"] * (1.0 - moment.t / moment.total)))


def plateau(moment: Moment, values: Values) -> float:
    """factor^(drops so far). When they come depends on the validation loss, which no formula knows before: the run
    writes them down in `Schedule.drops` (cvtui.engine.optim.plateau has the rule); torch: ReduceLROnPlateau."""
    return float(values["factor"] ** moment.drops)


SHAPES: dict[str, Callable[[Moment, Values], float]] = {
    "constant": constant,
    "step": step,
    "cosine": cosine,
    "linear": linear,
    "inverse-sqrt": inverse_sqrt,
    "exponential": exponential,
    "one-cycle": one_cycle,
    "cosine-restarts": cosine_restarts,
    "plateau": plateau,
    "range-test": range_test,
}
"""The functions behind `choices.SCHEDULES`, under the same names."""


MOST_DROPS = 10_000


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A run's learning rate. `warmup` is in the unit that `warmup_per` names, and shorter than the run."""

    name: str
    values: Values
    """The choice's parameters, from `parse_choice`."""
    lr: float
    """The full rate."""
    steps_per_epoch: int
    epochs: int
    warmup: int = 0
    warmup_per: Literal["iteration", "epoch"] = "iteration"
    per: Literal["iteration", "epoch"] = "iteration"
    drops: Sequence[int] = ()
    """`plateau`: the steps from which on the rate is a factor lower, as the run has found them so far."""
    shift: int = 0
    """Added to a step before it is looked up: where images came or went in mid-run (a resume found them so), the epochs
    that are done count as epochs of today's length, while steps are counted on."""

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self.epochs - self.shift

    @property
    def warmup_steps(self) -> int:
        return self.warmup * (self.steps_per_epoch if self.warmup_per == "epoch" else 1)

    def lr_at(self, step: int) -> float:
        """The rate of step `step` (from 0). From the run's last step on it stays where the schedule ends.

        Warm-up over W steps: lr (step + 1) / (W + 1), a straight line from 0 just before the first step to the full
        rate at step W, where the schedule begins with t = 0. Per epoch, both move at the first step of an epoch; a
        warm-up that is given in iterations climbs at every iteration all the same.
        """
        dropped = sum(step >= drop for drop in self.drops)
        step = min(max(step + self.shift, 0), self.steps_per_epoch * self.epochs)
        if self.per == "iteration":
            warm: float = self.warmup_steps
            if step < warm:
                return self.lr * (step + 1) / (warm + 1)
            place, end = float(step), float(self.steps_per_epoch * self.epochs)
            epoch = step / self.steps_per_epoch
        else:
            if self.warmup_per == "iteration" and step < self.warmup:
                return self.lr * (step + 1) / (self.warmup + 1)
            warm = self.warmup_steps / self.steps_per_epoch
            place, end = float(step // self.steps_per_epoch), float(self.epochs)
            epoch = place
            if self.warmup_per == "epoch" and place < warm:
                return self.lr * (place + 1) / (warm + 1)
        t = max(0.0, place - warm)
        since = t / self.steps_per_epoch if self.per == "iteration" else t
        moment = Moment(t=t, total=end - warm, epoch=epoch, share=place / end, epochs_since=since, drops=dropped)
        return self.lr * SHAPES[self.name](moment, self.values)

    def curve(self, points: int = 1000) -> list[tuple[int, float]]:
        """(step, rate) at up to `points` steps spread over the run, the first and the last among them."""
        last = self.total_steps - 1
        count = max(1, min(points, last + 1))
        steps = sorted({round(index * last / max(1, count - 1)) for index in range(count)})
        return [(step, self.lr_at(step)) for step in steps]

    def moved_to(self, step: int, rate: float) -> Schedule:
        """The schedule after somebody has set the rate by hand at `step`: the same shape, scaled to pass there.

        Where the present rate is 0 there is nothing to scale: it stays at the new rate.
        """
        now = self.lr_at(step)
        if now <= 0.0:
            return replace(self, name="constant", values={}, lr=rate, warmup=0)
        return replace(self, lr=self.lr * rate / now)

    def told(self) -> dict[str, Any]:
        """What a run has made of its recipe's schedule, for its record: `as_told` of the recipe's own gives it back."""
        return {"lr": self.lr, "name": self.name, "drops": list(self.drops), "shift": self.shift}

    def as_told(self, told: Mapping[str, Any]) -> Schedule:
        """This schedule, of a recipe, as a record says that it stands. What can't be is left as it is."""
        lr, drops, shift = told.get("lr"), told.get("drops"), told.get("shift")
        found = self
        if told.get("name") == "constant" != self.name:
            found = replace(found, name="constant", values={}, warmup=0)
        if isinstance(lr, int | float) and 0.0 <= lr < math.inf:
            found = replace(found, lr=float(lr))
        if isinstance(drops, list) and all(isinstance(drop, int) for drop in drops[:MOST_DROPS]):
            found = replace(found, drops=tuple(drops[:MOST_DROPS]))
        if isinstance(shift, int) and abs(shift) < 1 << 40:
            found = replace(found, shift=shift)
        return found

    def describe(self) -> str:
        """What the rate will do, in one line of plain words."""
        parts = []
        if self.warmup:
            length = _count(self.warmup, "step" if self.warmup_per == "iteration" else "epoch")
            parts.append(f"warms up for {length} to {self.lr:g}")
        parts.append(self._describe_shape())
        line = ", then ".join(parts)
        if self.per == "epoch" and self.name not in ("constant", "plateau"):
            line += "; it moves once an epoch"
        return line

    def _describe_shape(self) -> str:
        start = "" if self.warmup else f" from {self.lr:g}"
        end = f"at step {self.total_steps:,}"
        last = f"{self.lr_at(self.total_steps - 1):.3g}"
        match self.name:
            case "constant":
                return f"stays at {self.lr:g} to the end {end}"
            case "cosine":
                return f"falls{start} along a cosine to 0 {end}"
            case "linear":
                return f"falls{start} in a straight line to 0 {end}"
            case "inverse-sqrt":
                return f"falls{start} with 1/sqrt(t) to {last} {end}"
            case "exponential":
                return f"is multiplied by {self.values['gamma']:g} every epoch{start}, to {last} {end}"
            case "one-cycle":
                top = round(self.values["up"] * (self.total_steps + self.shift - self.warmup_steps)) + self.warmup_steps
                top -= self.shift
                return f"climbs to {self.lr:g} at step {top:,}, then falls along a cosine to {last} {end}"
            case "cosine-restarts":
                return (
                    f"falls{start} along a cosine to 0 in {self.values['first']:g} epochs and begins anew, each time "
                    f"{self.values['longer']:g} x as long, until {end[3:]}"
                )
            case "range-test":
                return f"climbs evenly in its logarithm from {self.lr_at(0):.3g} to {self.lr:g} {end}"
            case "plateau":
                factor, patience = self.values["factor"], self.values["patience"]
                return (
                    f"stays at {self.lr:g} and is multiplied by {factor:g} whenever the validation loss has not fallen "
                    f"for more than {_count(int(patience), 'epoch')}: when that will be, only the run can tell"
                )
            case "step":
                return self._describe_steps(last)
            case _:
                return f"follows {self.name}{start} to {last} {end}"

    def _describe_steps(self, last: str) -> str:
        start = "" if self.warmup else f"starts at {self.lr:g} and "
        times = f"{start}is multiplied by {self.values['factor']:g}"
        listed = self.values["epochs"]
        if not listed:
            return f"{times} at 30, 60 and 90 % of the run, to {last}"
        within = [epoch for epoch in listed if epoch < self.epochs]
        late = [epoch for epoch in listed if epoch >= self.epochs]
        if not within:
            return f"stays at {self.lr:g}: {_list(late)} epochs lie after the run's end ({self.epochs})"
        line = f"{times} after {_list(within)} epochs, to {last}"
        return line + (f" ({_list(late)} lie after the run's end)" if late else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _list(numbers: list[float]) -> str:
    words = [f"{number:g}" for number in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
