"""Learning-rate schedules: the rate as a pure function of the step, for the engine and the screen that draws ahead.

One entry of `SCHEDULES` is a schedule: its parameters, the share of the full rate, and the sentence that describes it
(formulas: lecture "Deep Learning II"; PyTorch's MultiStepLR, CosineAnnealingLR and LinearLR give the same numbers).
Warm-up comes before every one of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from cvtui.recipe.choices.spec import Choice, Parameter, Values, table_of


class Moment(NamedTuple):
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
        """Return the rate of step `step` (from 0); from the run's last step on it stays where the schedule ends.

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
        return self.lr * SCHEDULES[self.name].share(moment, self.values)

    def curve(self, points: int = 1000) -> list[tuple[int, float]]:
        """(step, rate) at up to `points` steps spread over the run, the first and the last among them."""
        last = self.total_steps - 1
        count = max(1, min(points, last + 1))
        steps = sorted({round(index * last / max(1, count - 1)) for index in range(count)})
        return [(step, self.lr_at(step)) for step in steps]

    def moved_to(self, step: int, rate: float) -> Schedule:
        """Return the schedule with the rate set by hand at `step`: the same shape, scaled to pass there.

        Where the present rate is 0 there is nothing to scale: it stays at the new rate.
        """
        now = self.lr_at(step)
        if now <= 0.0:
            return replace(self, name="constant", values={}, lr=rate, warmup=0)
        return replace(self, lr=self.lr * rate / now)

    def told(self) -> dict[str, Any]:
        """Return the schedule's state, for the run's record: `as_told` of the recipe's own gives it back."""
        return {"lr": self.lr, "name": self.name, "drops": list(self.drops), "shift": self.shift}

    def as_told(self, told: Mapping[str, Any]) -> Schedule:
        """Return the recipe's schedule in the state that a record tells; what can't be is left as it is."""
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
        """Describe in one line of plain words what the rate will do."""
        parts = []
        if self.warmup:
            length = _count(self.warmup, "step" if self.warmup_per == "iteration" else "epoch")
            parts.append(f"warms up for {length} to {self.lr:g}")
        parts.append(SCHEDULES[self.name].sentence(self))
        line = ", then ".join(parts)
        if self.per == "epoch" and self.name not in ("constant", "plateau"):
            line += "; it moves once an epoch"
        return line

    @property
    def start(self) -> str:
        """Where the rate comes from, for a sentence: " from 0.1", or "" behind a warm-up."""
        return "" if self.warmup else f" from {self.lr:g}"

    @property
    def end(self) -> str:
        """When the run ends, for a sentence: "at step 3,450"."""
        return f"at step {self.total_steps:,}"

    @property
    def last(self) -> str:
        """The rate of the last step, for a sentence."""
        return f"{self.lr_at(self.total_steps - 1):.3g}"


class ScheduleChoice(Choice):
    share: Callable[[Moment, Values], float]
    """The share of the full rate at a moment."""
    sentence: Callable[[Schedule], str]
    """What the rate will do, in plain words that go on behind "warms up …, then"."""


def _step(moment: Moment, values: Values) -> float:
    """factor^k after k of the listed epochs (counted from the run's start: 30 means "after 30 epochs").

    The lecture's 30, 60, 90 belong to runs of 100 epochs; without a list they are 30, 60 and 90 % of this run.
    """
    if values["epochs"]:
        passed = sum(moment.epoch >= epoch for epoch in values["epochs"])
    else:
        passed = sum(moment.share >= share for share in (0.3, 0.6, 0.9))
    return float(values["factor"] ** passed)


def _cosine(moment: Moment, _: Values) -> float:
    """½ (1 + cos(π t / T)); Loshchilov 2017."""
    return 0.5 * (1.0 + math.cos(math.pi * moment.t / moment.total))


def _linear(moment: Moment, _: Values) -> float:
    """1 − t / T."""
    return 1.0 - moment.t / moment.total


def _inverse_sqrt(moment: Moment, _: Values) -> float:
    """1 / sqrt(t), where the first step (or epoch) after the warm-up is t = 1."""
    return 1.0 / math.sqrt(moment.t + 1.0)


def _exponential(moment: Moment, values: Values) -> float:
    """gamma^(epochs since the warm-up); torch: ExponentialLR, and the same curve between epochs."""
    return float(values["gamma"] ** moment.epochs_since)


def _one_cycle(moment: Moment, values: Values) -> float:
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


def _cosine_restarts(moment: Moment, values: Values) -> float:
    """Begin a cosine to 0 anew: first after `first` epochs, then each time after `longer` times as many.

    SGDR, Loshchilov & Hutter 2017; torch: CosineAnnealingWarmRestarts(T_0=first, T_mult=longer).
    """
    length, passed = float(values["first"]), moment.epochs_since
    growth = float(values["longer"])
    while passed >= length - 1e-9:
        passed -= length
        length *= growth
    return 0.5 * (1.0 + math.cos(math.pi * max(0.0, passed) / length))


def _range_test(moment: Moment, values: Values) -> float:
    """10^(−decades (1 − t / T)): up to the full rate, evenly in log lr. The learning-rate range test (Smith 2015)."""
    return float(10.0 ** (-values["decades"] * (1.0 - moment.t / moment.total)))


def _plateau(moment: Moment, values: Values) -> float:
    """Give factor^(drops so far); torch: ReduceLROnPlateau.

    When they come depends on the validation loss, which no formula knows before: the run writes them down in
    `Schedule.drops` (cvtui.engine.optim.plateau has the rule).
    """
    return float(values["factor"] ** moment.drops)


def _describe_step(schedule: Schedule) -> str:
    start = "" if schedule.warmup else f"starts at {schedule.lr:g} and "
    times = f"{start}is multiplied by {schedule.values['factor']:g}"
    listed = schedule.values["epochs"]
    if not listed:
        return f"{times} at 30, 60 and 90 % of the run, to {schedule.last}"
    within = [epoch for epoch in listed if epoch < schedule.epochs]
    late = [epoch for epoch in listed if epoch >= schedule.epochs]
    if not within:
        return f"stays at {schedule.lr:g}: {_list(late)} epochs lie after the run's end ({schedule.epochs})"
    line = f"{times} after {_list(within)} epochs, to {schedule.last}"
    return line + (f" ({_list(late)} lie after the run's end)" if late else "")


def _describe_one_cycle(schedule: Schedule) -> str:
    climb = schedule.values["up"] * (schedule.total_steps + schedule.shift - schedule.warmup_steps)
    top = round(climb) + schedule.warmup_steps - schedule.shift
    return f"climbs to {schedule.lr:g} at step {top:,}, then falls along a cosine to {schedule.last} {schedule.end}"


def _describe_restarts(schedule: Schedule) -> str:
    return (
        f"falls{schedule.start} along a cosine to 0 in {schedule.values['first']:g} epochs and begins anew, each time "
        f"{schedule.values['longer']:g} x as long, until step {schedule.total_steps:,}"
    )


def _describe_plateau(schedule: Schedule) -> str:
    factor, patience = schedule.values["factor"], schedule.values["patience"]
    return (
        f"stays at {schedule.lr:g} and is multiplied by {factor:g} whenever the validation loss has not fallen "
        f"for more than {_count(int(patience), 'epoch')}: when that will be, only the run can tell"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _list(numbers: list[float]) -> str:
    words = [f"{number:g}" for number in numbers]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


SCHEDULES = table_of(
    ScheduleChoice(
        name="constant",
        summary="one rate all along",
        formula="lr",
        share=lambda _, __: 1.0,
        sentence=lambda s: f"stays at {s.lr:g} to the end {s.end}",
    ),
    ScheduleChoice(
        name="step",
        summary="times a factor at some epochs; without a list at 30, 60 and 90 % of the run",
        formula="lr · factor^(number of listed epochs that have passed)",
        share=_step,
        sentence=_describe_step,
        parameters={"factor": Parameter(default=0.1, low=0, high=1, open_low=True, doc="what the rate is times")},
        many="epochs",
    ),
    ScheduleChoice(
        name="cosine",
        summary="half a cosine down to 0",
        formula="lr / 2 · (1 + cos(π t / T))",
        share=_cosine,
        sentence=lambda s: f"falls{s.start} along a cosine to 0 {s.end}",
    ),
    ScheduleChoice(
        name="linear",
        summary="a straight line down to 0",
        formula="lr · (1 − t / T)",
        share=_linear,
        sentence=lambda s: f"falls{s.start} in a straight line to 0 {s.end}",
    ),
    ScheduleChoice(
        name="inverse-sqrt",
        summary="falls fast, then slowly, never to 0",
        formula="lr / sqrt(t)",
        share=_inverse_sqrt,
        sentence=lambda s: f"falls{s.start} with 1/sqrt(t) to {s.last} {s.end}",
    ),
    ScheduleChoice(
        name="exponential",
        summary="times a factor every epoch",
        formula="lr · gamma^epoch",
        share=_exponential,
        sentence=lambda s: f"is multiplied by {s.values['gamma']:g} every epoch{s.start}, to {s.last} {s.end}",
        parameters={"gamma": Parameter(default=0.95, low=0, high=1, open_low=True, doc="factor of one epoch")},
    ),
    ScheduleChoice(
        name="one-cycle",
        summary="up from lr/25 for 30 % of the run, then down to almost 0 (Smith 2018)",
        formula="two half cosines: lr/25 to lr, lr to lr/250,000",
        share=_one_cycle,
        sentence=_describe_one_cycle,
        parameters={
            "up": Parameter(
                default=0.3, low=0, high=1, open_low=True, open_high=True, doc="share of the run in which it climbs"
            )
        },
    ),
    ScheduleChoice(
        name="cosine-restarts",
        summary="a cosine to 0 that begins anew, each time longer (SGDR, Loshchilov 2017)",
        formula="lr / 2 · (1 + cos(π t_i / T_i))",
        share=_cosine_restarts,
        sentence=_describe_restarts,
        parameters={
            "first": Parameter(default=5, low=0, high=math.inf, open_low=True, doc="epochs of the first period"),
            "longer": Parameter(default=2, low=1, high=100, doc="how many times as long each next period is"),
        },
    ),
    ScheduleChoice(
        name="plateau",
        summary="times a factor whenever the validation loss has stopped falling",
        formula="lr · factor^(number of drops so far)",
        share=_plateau,
        sentence=_describe_plateau,
        parameters={
            "factor": Parameter(
                default=0.1, low=0, high=1, open_low=True, open_high=True, doc="what the rate is times"
            ),
            "patience": Parameter(
                default=5, low=0, high=1_000_000, doc="epochs without a better loss that it lets pass"
            ),
            "threshold": Parameter(
                default=1e-4, low=0, high=1, open_high=True, doc="share by which a loss must be lower to be better"
            ),
            "cooldown": Parameter(default=0, low=0, high=1_000_000, doc="epochs after a drop that count for nothing"),
            "lowest": Parameter(
                default=0, low=0, high=math.inf, doc="a drop that would go below this rate is left out"
            ),
        },
    ),
    ScheduleChoice(
        name="range-test",
        summary="from very low up to the rate, evenly in log lr (Smith 2015; what lr-find runs)",
        formula="lr · 10^(−decades (1 − t / T))",
        share=_range_test,
        sentence=lambda s: f"climbs evenly in its logarithm from {s.lr_at(0):.3g} to {s.lr:g} {s.end}",
        parameters={"decades": Parameter(default=8, low=0, high=20, open_low=True, doc="powers of ten it climbs")},
    ),
)
