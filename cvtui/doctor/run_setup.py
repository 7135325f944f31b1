"""The setup of a run, as its first record and the facts of its first steps tell it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from cvtui.doctor.catalogue import ADAPTIVE
from cvtui.recipe.choices.optimizers import OPTIMIZERS
from cvtui.recipe.learning_rate import images_per_step
from cvtui.runlog.events import Facts, RunStarted

LABELS = 150
"""Labels of the first batches that tell how often classes come."""
EVEN = 0.44
"""Of `evenness`: below it the first batches are far from even."""


def evenness(counts: Sequence[int]) -> float | None:
    """Return (exp(H) − 1) / (C − 1) of class counts: 1 where all are alike, 0 where one is alone; None of one class."""
    some = np.array([count for count in counts if count > 0], float)
    if len(some) < 2:
        return None
    shares = some / some.sum()
    return (math.exp(float(-(shares * np.log(shares)).sum())) - 1) / (len(some) - 1)


class RunSetup:
    """Data, model, loss and optimizer of a run; `Observations` adds what was measured of it."""

    def __init__(self) -> None:
        self.run: RunStarted | None = None
        self.facts = Facts()

    def begin(self, run: RunStarted) -> None:
        self.run = run
        self._forget()

    def set_facts(self, facts: Facts) -> None:
        """Set the facts to all that is known by now."""
        self.facts = facts
        self._forget()

    def _forget(self) -> None:
        for name in ("label_entropy", "classes", "is_cross_entropy", "recipe", "batch_size", "norms"):
            self.__dict__.pop(name, None)

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """Fields of the recipe; few of a custom training loop."""
        return dict(self.run.recipe) if self.run else {}

    @property
    def own_loop(self) -> bool:
        """Recorded by cvtui.watch: there is no recipe to change."""
        return self.run is not None and self.run.kind == "watch"

    @property
    def total_steps(self) -> int:
        """0: not known."""
        return self.run.total_steps if self.run else 0

    @cached_property
    def classes(self) -> int:
        """0: not known."""
        names = self.run.data.get("classes") if self.run else None
        if isinstance(names, list) and names:
            return len(names)
        return self.facts.classes or self.facts.outputs or 0

    @cached_property
    def label_entropy(self) -> float | None:
        """H(y) of the training labels, in nats; ln C where only the classes are known or all count alike."""
        counts = np.array([count for count in self.facts.label_counts if count > 0], float)
        if self.balanced and len(counts) > 1:
            return math.log(len(counts))
        if counts.sum() > 0 and len(counts) > 1:
            shares = counts / counts.sum()
            return float(-(shares * np.log(shares)).sum())
        return math.log(self.classes) if self.classes > 1 else None

    @property
    def label_counts(self) -> list[int]:
        """Images of each class: of the training set, else of the first batches where these are far from even.

        (Of even classes few labels tell less than their number.)
        """
        if self.facts.label_counts:
            return self.facts.label_counts
        counts = self.facts.batch_labels
        enough = sum(counts) >= LABELS and (evenness(counts) or 1.0) < EVEN
        return counts if enough else []

    @property
    def balanced(self) -> bool:
        """True if weights or a sampler make the classes count alike."""
        return str(self.recipe.get("balance", "none")) != "none"

    @property
    def mixed(self) -> bool:
        """True if training images are mixed (mixup, cutmix): their loss has a floor above 0."""
        return str(self.recipe.get("mix", "none")) not in ("none", "")

    @property
    def largest_class(self) -> float:
        """Share of the most frequent class: the accuracy of a guess."""
        counts = self.label_counts
        if self.balanced and any(counts):
            return 1.0 / sum(count > 0 for count in counts)
        return max(counts) / sum(counts) if counts and sum(counts) else 1.0 / max(self.classes, 1)

    @cached_property
    def is_cross_entropy(self) -> bool:
        """True if the loss is the mean cross-entropy of labels.

        Of a custom loop it is taken to be, unless it was seen to be something else.
        """
        name = str(self.recipe.get("loss", self.facts.loss))
        if name:
            return name.startswith("cross-entropy")
        if self.facts.loss_kind and self.facts.loss_kind != "nll":
            alone = self.facts.outputs == 1 and self.facts.loss_kind.startswith("binary")
            return alone or self.facts.loss_kind.startswith("cross-entropy")
        if self.other_objective:
            return False
        first, expected = self.facts.first_loss, self.facts.cross_entropy
        return first is None or not expected or abs(first / expected - 1) < 0.05

    @property
    def other_objective(self) -> bool:
        """True for a custom loop whose loss is seen to be another than one cross-entropy.

        Labels of their own for each class, auxiliary outputs, two nets against each other.
        """
        terms = self.facts.loss_terms
        if terms == ["cross-entropy"] or not self.own_loop:
            return False
        if terms or self.facts.optimizers > 1:
            return True
        first, even = self.facts.first_loss, math.log(max(self.classes, 1))
        return terms is None and self.facts.cross_entropy is None and first is not None and 0 <= first < 0.5 * even

    @cached_property
    def batch_size(self) -> int | None:
        """Images of one update."""
        size = images_per_step(self.recipe) or self.facts.batch_size
        if not size:
            size = self.facts.batch_sizes[0] if self.facts.batch_sizes else 0
        return int(size) or None

    @property
    def norm_batch(self) -> int | None:
        """Images that a batch norm takes its means over: fewer where gradients are accumulated."""
        size = self.recipe.get("batch_size")
        return size if isinstance(size, int) and size > 0 else self.batch_size

    @property
    def optimizer(self) -> str:
        """Name of the optimizer: sgd, momentum, adam …, in lower case."""
        name = str(self.recipe.get("optimizer", self.facts.optimizer)).partition("(")[0].lower()
        if name == "sgd" and self.facts.momentum and self.own_loop:
            return "momentum"
        return name

    @property
    def adaptive(self) -> bool:
        return self.optimizer in ADAPTIVE

    @property
    def momentum(self) -> float:
        """Of gradient descent; 0 for rules that scale their steps."""
        if self.adaptive:
            return 0.0
        if self.facts.momentum is not None:
            return self.facts.momentum
        entry = OPTIMIZERS.get(self.optimizer)
        return float(self.recipe.get("momentum", 0.0)) if entry is not None and entry.momentum else 0.0

    @property
    def weight_decay(self) -> float:
        if self.facts.weight_decay is not None:
            return self.facts.weight_decay
        return float(self.recipe.get("weight_decay", 0.0))

    @cached_property
    def norms(self) -> bool:
        """True if the model has batch norm (or another norm)."""
        return any("Norm" in module.kind for module in self.facts.modules) or "bn" in str(self.recipe.get("net", ""))

    @property
    def batch_norm(self) -> bool:
        return any("BatchNorm" in module.kind for module in self.facts.modules) or "bn" in str(
            self.recipe.get("net", "")
        )

    @property
    def norm_first(self) -> bool:
        """True if a norm comes before the second layer with weights."""
        seen = 0
        for module in self.facts.modules:
            if "Norm" in module.kind:
                return seen <= 1
            seen += module.kind.startswith(("Conv", "Linear", "FlatLinear", "Stepped"))
        return False
