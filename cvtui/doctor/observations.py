"""Observations of a run, in the form the rules read. Their size does not grow with the run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cvtui.doctor.catalogue import TYPICAL_RATES
from cvtui.doctor.curves import has_learnt
from cvtui.doctor.layer_samples import LayerSamples
from cvtui.doctor.metric_windows import MetricWindows
from cvtui.doctor.run_setup import RunSetup
from cvtui.runlog.events import EpochDone, Facts, Finding, LayersSampled, RunEnded, RunStarted
from cvtui.runlog.ranks import Rank

Array = NDArray[np.float64]

EACH = 10
"""First steps of which each is a reason to ask again."""
FIRST = 200
"""Steps that are kept one by one."""


class RateChange(NamedTuple):
    """A change of the learning rate by hand while the run went on."""

    step: int
    """The first that was done at the new rate."""
    before: float
    """Of the step before; NaN where it is not known."""
    after: float


class Observations(RunSetup):
    """All that the rules may read of a run.

    Fed with `begin`, `set_facts`, `add_steps`, `add_layers`, `set_epochs`, `close` …; `fresh` names what has changed
    since the rules last ran: {"facts", "steps", "layers", "epochs", "end", "ranks"}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.end: RunEnded | None = None
        self.windows = MetricWindows()
        self.layers = LayerSamples()
        self.epochs: list[EpochDone] = []
        self.ranks: list[Rank] = []
        """Of several processes that train together, with their newest steps."""
        self.parent: RunStarted | None = None
        """Of the run that this one was forked from, where it is still there."""
        self.first_step: int | None = None
        self.steps_done = 0
        self.losses: Array = np.empty(0)
        """Of the first steps, one by one."""
        self.rates: Array = np.empty(0)
        self.changes: list[RateChange] = []
        """Of the rate, by hand; the schedule's own are none."""
        self.bad_step: int | None = None
        """The first step whose loss, or whose gradient, was not finite."""
        self.bad_what = ""
        self.before_bad: tuple[int, float] | None = None
        """The last step before that whose loss was finite, and its loss."""
        self._last_finite: tuple[int, float] | None = None
        self._last_rate = math.nan
        self.autopsy: Finding | None = None
        """Where the trainer itself says that the first such value came from."""
        self.has_norms = False
        """Gradient norms are told: a loop without them (NaN everywhere) has none that are not finite."""
        self.bad_norms: set[int] = set()
        """Steps whose norm the log calls NaN or infinite: one that is only missing had no gradient, as of an update
        that another optimizer made."""
        self.negative_step: int | None = None
        """The first step whose loss was below 0."""
        self.negative_loss = 0.0
        self.lowest_loss = math.inf
        self.fresh: set[str] = set()
        self.memo: dict[str, Any] = {}
        """What several rules ask for; emptied with each round of rules."""
        self.tables: dict[str, Any] = {}
        """What follows from the recipe alone."""

    # ------------------------------------------------------------------ taking in

    def begin(self, run: RunStarted) -> None:
        super().begin(run)
        self.end = None
        self.tables.clear()
        self.fresh |= {"facts", "end"}

    def set_facts(self, facts: Facts) -> None:
        super().set_facts(facts)
        self.fresh.add("facts")

    def add_steps(self, first: int, loss: Array, accuracy: Array, grad: Array, rate: Array) -> None:
        """Add steps `first`, first + 1, …; NaN for what is not known or not finite.

        A run without gradient norms has NaN in all of them.
        """
        if not len(loss):
            return
        if self.first_step is None:
            self.first_step = first
        if len(self.losses) < FIRST:
            room = FIRST - len(self.losses)
            self.losses = np.concatenate([self.losses, loss[:room]])
            self.rates = np.concatenate([self.rates, rate[:room]])
        self._look_for_invariants(first, loss, grad)
        self.steps_done = first + len(loss)
        self._last_rate = float(rate[-1])
        if self.steps_done <= EACH or len(self.losses) - len(loss) < EACH:
            self.fresh.add("steps")
        if self.windows.take(self.steps_done, np.stack([loss, accuracy, grad, rate]).astype(np.float64)):
            self.fresh.add("steps")

    def _look_for_invariants(self, first: int, loss: Array, grad: Array) -> None:
        if self.bad_step is None:
            self.has_norms |= bool(np.isfinite(grad[:1]).any())
            bad_loss = ~np.isfinite(loss)
            told = np.isin(np.arange(first, first + len(grad)), list(self.bad_norms))
            bad_norm = ~np.isfinite(grad) & told & (self.has_norms and self.recipe.get("precision") != "float16")
            bad = bad_loss | bad_norm
            if bad.any():
                place = int(bad.argmax())
                self.bad_step = first + place
                self.bad_what = "loss" if bad_loss[place] else "gradient"
                self.before_bad = self._last_before(first, loss[:place])
                self.fresh |= {"steps"}
            else:
                self._last_finite = self._last_before(first, loss)
        if self.negative_step is None and (low := loss < 0).any():
            place = int(low.argmax())
            self.negative_step, self.negative_loss = first + place, float(loss[place])
            self.fresh.add("steps")
        finite = loss[np.isfinite(loss)]
        if len(finite):
            self.lowest_loss = min(self.lowest_loss, float(finite.min()))

    def _last_before(self, first: int, loss: Array) -> tuple[int, float] | None:
        """Return (step, loss) of the last finite one of these, or of those before."""
        finite = np.flatnonzero(np.isfinite(loss))
        return (first + int(finite[-1]), float(loss[finite[-1]])) if len(finite) else self._last_finite

    def add_rate_change(self, step: int, after: float, before: float | None = None, told: float = math.nan) -> None:
        """Add a change by hand of the rate of `step` and of what follows.

        before: that of the step before; None: of the last step added. told: what the log's words say that it was, where
        neither is known.
        """
        before = self._last_rate if before is None else before
        self.changes.append(RateChange(step, before if math.isfinite(before) else told, after))
        self.fresh.add("steps")

    def add_layers(self, sample: LayersSampled) -> None:
        self.layers.take(sample)
        self.fresh.add("layers")

    def set_epochs(self, epochs: Sequence[EpochDone]) -> None:
        """Set the epochs so far."""
        self.epochs = list(epochs)
        self.fresh.add("epochs")

    def set_ranks(self, ranks: list[Rank]) -> None:
        """Set what the ranks' files hold by now."""
        self.ranks = ranks
        self.fresh.add("ranks")

    def add_finding(self, finding: Finding) -> None:
        """Add a finding of the trainer itself: where a NaN came from."""
        if finding.id == "not-finite" and self.autopsy is None:
            self.autopsy = finding
            self.fresh.add("steps")

    def close(self, end: RunEnded) -> None:
        self.end = end
        self.fresh.add("end")

    # ------------------------------------------------------------------ being asked

    @property
    def guess(self) -> float | None:
        """The loss of a guess by the labels' frequencies; the first loss where the loss is no cross-entropy.

        None of several optimizers' without one: the loss of two nets against each other need not fall.
        """
        if self.other_objective and self.facts.optimizers > 1:
            return None
        if self.is_cross_entropy and self.label_entropy is not None:
            return self.label_entropy
        return self.first_loss

    @property
    def first_loss(self) -> float | None:
        """Of the first batch, with the weights as drawn, as it came; None for a run that went on from a checkpoint."""
        if self.first_step not in (None, 0):
            return None
        if self.facts.first_loss is not None:
            return self.facts.first_loss
        if len(self.losses) and math.isfinite(self.losses[0]):
            return float(self.losses[0])
        return None

    @property
    def rate(self) -> float | None:
        """The highest rate that was asked for or used."""
        asked = self.run.lr if self.run is not None else None
        used = self.windows.rate_high
        known = used if len(used) else self.rates
        highest = float(known[np.isfinite(known)].max(initial=0.0))
        if asked is not None and not self.own_loop:  # it may still be on its way up there
            highest = max(highest, asked)
        return highest or asked

    @property
    def times_typical(self) -> float | None:
        """The rate in units of what is usual for this rule at a batch of 64."""
        usual, rate = TYPICAL_RATES.get(self.optimizer), self.rate
        return rate / usual if usual and rate else None

    def rate_factor(self, layer: str) -> float:
        """Return a layer's rate as a share of the first parameter group's, which the rates of the steps are."""
        own, first = self.facts.layer_rates.get(layer), float(self.rates[0]) if len(self.rates) else 0.0
        return own / first if own is not None and first > 0 else 1.0

    @property
    def warmed_up(self) -> bool:
        """True if the rate rose at the beginning."""
        warmup = str(self.recipe.get("warmup", "0"))
        if not self.own_loop and warmup not in ("0", "", "0ep"):
            return True
        return len(self.rates) > 2 and bool(self.rates[0] < 0.7 * np.fmax.reduce(self.rates))

    def loss_at(self, step: float, windows: int = 2) -> float:
        """Return the mean loss of the last `windows` windows up to `step`; NaN without any."""
        end = int(np.searchsorted(self.windows.end, step + 1e-9, side="right"))
        if not end:
            early = self.losses[: max(1, int(step) + 1)]
            early = early[np.isfinite(early)]
            return float(early[-3:].mean()) if len(early) else math.nan
        values = self.windows.loss[max(0, end - windows) : end]
        values = values[np.isfinite(values)]
        return float(values.mean()) if len(values) else math.nan

    def change_by(self, step: float) -> RateChange | None:
        """Return the last change of the rate by hand at or before `step`; None without."""
        return next((change for change in reversed(self.changes) if change.step <= step), None)

    def raised_by(self, step: float) -> RateChange | None:
        """Return the last change up to `step` that raised the rate (or may have); None without."""
        raised = (change for change in reversed(self.changes) if not change.after <= 1.01 * change.before)
        return next((change for change in raised if change.step <= step), None)

    def rate_at(self, step: int) -> float:
        """Return the rate of exactly this step; NaN where unknown (among later steps whose rate moves)."""
        place = step - (self.first_step or 0)
        if 0 <= place < len(self.rates):
            return float(self.rates[place])
        windows = self.windows
        row = int(np.searchsorted(windows.end, step, side="right"))
        if not 0 <= row < len(windows):
            return math.nan
        mean, highest = float(windows.rate[row]), float(windows.rate_high[row])
        return highest if highest - mean <= 1e-6 * highest else math.nan

    def highest_by(self, step: int) -> float:
        """Return the highest rate up to this step (or up to the last window of ten that ended by it)."""
        known = self.rates[: step + 1 - (self.first_step or 0)]
        later = self.windows.rate_high[self.windows.end <= step + 1]
        return float(max([*known[np.isfinite(known)], *later[np.isfinite(later)]], default=math.nan))

    def rate_share(self, step: float) -> float:
        """Return the rate at `step` as a share of the highest of all steps; 1 where it is not known."""
        rates = self.windows.rate
        if not len(rates):
            return 1.0
        end = min(int(np.searchsorted(self.windows.end, step, side="right")), len(rates) - 1)
        highest = self.rate
        return float(rates[end] / highest) if highest else 1.0

    @property
    def recovered(self) -> bool:
        """The loss has come well below a guess in the end: whatever crossed a limit did not keep it from learning."""
        guess = self.guess
        if guess is None or not len(self.windows):
            return False
        late = self.windows.loss[-5:]
        late = late[np.isfinite(late)]
        right = self.epochs[-1].val_accuracy if self.epochs else None
        return bool(
            len(late) and self.bad_step is None and has_learnt(float(late.mean()), guess, right, self.largest_class)
        )
