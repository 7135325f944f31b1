"""Which learning rate? A range test, a bracket, three short real runs, a choice: the whole search, step by step.

Each run is a process of its own that starts from fresh weights, in a folder of its own: nothing has to be restored.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from cvtui.compare.differences import compared
from cvtui.compare.grid import Entrant
from cvtui.compare.lr_range_rule import Bracket, bracket, round_rate
from cvtui.compare.race import Race, StoppedByErrors
from cvtui.compare.verdict import Verdict, judge
from cvtui.errors import RequestError
from cvtui.recipe.learning_rate import at_rate, backbone_factor
from cvtui.recipe.recipe import Recipe
from cvtui.recipe.validation import Checked, check

HIGHEST = 10.0
DECADES = 8
STEPS = 150
FACTORS = (1 / 3, 1.0, 3.0)
"""The short runs train at these times the bracket's guess."""
FIXED = frozenset({"lr", "schedule", "schedule_per", "warmup", "epochs", "name", "watch_every", "keep", "scale_lr"})
"""Fields that the range test sets itself."""


@dataclass(frozen=True)
class Trial:
    """One of the three short runs."""

    lr: float
    val_loss: float
    """Of its last epoch; infinite where it is not finite."""
    val_accuracy: float | None
    verdict: Verdict


@dataclass(frozen=True)
class FoundRate:
    bracket: Bracket
    trials: list[Trial]

    @property
    def lr(self) -> float | None:
        """Of the trial with the lowest validation loss; None where none learned."""
        best = min(self.trials, key=lambda trial: trial.val_loss)
        return best.lr if math.isfinite(best.val_loss) else None


class LrFinder(StoppedByErrors):
    """The search for one recipe.

    with LrFinder(checked, runs) as finder:
        while finder.step(): …show finder.words, finder.share, finder.race…
        finder.found

    `step` raises NoBracket when the range test tells nothing. Leaving by an exception stops what runs.
    """

    def __init__(self, checked: Checked, runs: Path, steps: int = STEPS, highest: float = HIGHEST) -> None:
        if checked.auto:
            raise RequestError("batch_size: a rate is found for one batch size; give a number in place of auto")
        self.checked = checked
        self.place = runs / (time.strftime("%Y-%m-%d-%H%M%S") + "-lr-find")
        epochs = max(1, math.ceil(steps / checked.steps_per_epoch))
        climb = self._changed(lr=highest, schedule=f"range-test({DECADES})", epochs=epochs)
        self.race = self._race([("range test", climb)], "range")
        self.bracket: Bracket | None = None
        self.found: FoundRate | None = None

    @property
    def words(self) -> str:
        """What is going on, for a person."""
        if self.bracket is None:
            return "range test: the rate climbs from very low to very high"
        if self.found is None:
            return "three short runs, at a third of the guess, at it and at three times it"
        return "done"

    @property
    def share(self) -> float:
        """Of the whole search that is done, 0..1."""
        done = sum(racer.share for racer in self.race.racers) / len(self.race.racers)
        return 0.4 * done if self.bracket is None else 0.4 + 0.6 * done

    def step(self) -> bool:
        """Read new records; return False once `found` is there."""
        if self.found is not None:
            return False
        if self.race.step():
            return True
        if self.bracket is None:
            history = self.race.racers[0].history
            if history.state() in ("failed", "lost"):
                reason = history.end.reason if history.end is not None else "its process was killed"
                raise RequestError(f"lr-find: the range test could not be run: {reason}")
            self.bracket = bracket(history.steps.lr, history.steps.loss)
            self.rates = [round_rate(self.bracket.pick * factor) for factor in FACTORS]
            epochs = max(2, math.ceil(2 * STEPS / self.checked.steps_per_epoch))
            recipes = [(f"lr {rate:g}", self._changed(lr=rate, epochs=epochs, short=True)) for rate in self.rates]
            self.race = self._race(recipes, "trial")
            return True
        self.found = FoundRate(self.bracket, self._judged())
        return False

    def stop(self) -> None:
        self.race.stop()

    def _judged(self) -> list[Trial]:
        outcomes = compared([racer.history for racer in self.race.racers]).outcomes
        verdicts = judge([outcome.history for outcome in outcomes])
        trials = []
        for rate, outcome, verdict in zip(self.rates, outcomes, verdicts, strict=True):
            epochs = outcome.history.epochs
            loss = epochs[-1].val_loss if epochs else None
            trials.append(Trial(rate, loss if loss is not None else math.inf, outcome.best_accuracy, verdict))
        return trials

    def _changed(self, *, lr: float, epochs: int, schedule: str = "", short: bool = False) -> Recipe:
        """Return the recipe of one trial. Short ones keep its schedule, squeezed into that many epochs."""
        recipe = self.checked.recipe
        more: dict[str, Any] = {"schedule": schedule, "schedule_per": "iteration", "warmup": "0"} if schedule else {}
        if short and _warmup_steps(recipe, self.checked.steps_per_epoch) >= epochs * self.checked.steps_per_epoch:
            more["warmup"] = "0"
        # What is frozen stays so, and a backbone keeps its share of the rate that is tried.
        more["unfreeze_at"] = 0
        if recipe.lr_backbone:
            more["lr_backbone"] = f"{backbone_factor(recipe.lr_backbone, recipe.lr):g}x"
        return msgspec.structs.replace(
            recipe, epochs=epochs, watch_every=0, keep="last", name="", **at_rate(lr), **more
        )

    def _race(self, recipes: list[tuple[str, Recipe]], stem: str) -> Race:
        entrants = [Entrant(label, check(recipe)) for label, recipe in recipes]
        return Race(entrants, self.place, stem, jobs=len(entrants))


def _warmup_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    text = recipe.warmup.strip()
    return int(text.removesuffix("ep")) * (steps_per_epoch if text.endswith("ep") else 1)
