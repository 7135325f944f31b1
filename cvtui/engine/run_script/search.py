"""Search of the program's objects: which optimizers train a model, and which loader its batches come from."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import dataloader

from cvtui.engine.optim.groups import held_by

_ITERATOR: Any = getattr(dataloader, "_BaseDataLoaderIter", ())
YOUNG = (0, 1)
"""Generations of Python's collector in which an iterator that was just made lies, mostly."""


class Found:
    """What one pass over the objects has found."""

    def __init__(self) -> None:
        self.optimizers: list[Optimizer] = []
        self.scales = False
        """There is a GradScaler."""
        scaler = torch.amp.grad_scaler.GradScaler
        kinds: dict[type, int] = {}
        for one in gc.get_objects():
            kind = type(one)
            what = kinds.get(kind)
            if what is None:
                what = kinds[kind] = (
                    1 if issubclass(kind, Optimizer) else 2 if issubclass(kind, scaler) else 0
                )  # fmt: skip
            if what == 1 and hasattr(one, "_optimizer_step_pre_hooks"):  # not a wrapper such as accelerate's
                self.optimizers.append(one)
            elif what == 2:
                self.scales = self.scales or one.is_enabled()


def share_of(model: nn.Module, optimizers: list[Optimizer]) -> tuple[list[Optimizer], float]:
    """Return those that hold parameters of the model, and the share of all that they hold which is the model's."""
    own = {id(p) for p in model.parameters()}
    holding = [one for one in optimizers if held_by(one) & own]
    sizes = {id(p): p.numel() for one in holding for group in one.param_groups for p in group["params"]}
    total = sum(sizes.values())
    return holding, sum(size for key, size in sizes.items() if key in own) / total if total else 0.0


class Batches:
    """An iterator over a loader, followed without holding it: alive until the last batch was taken."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = weakref.ref(iterator)
        self._taken = -1
        self.dataset = getattr(iterator, "_dataset", None)
        sampler = getattr(iterator, "_index_sampler", None)
        self._indices = getattr(getattr(sampler, "sampler", sampler), "indices", None)
        try:
            self.length = len(iterator)
        except TypeError:
            self.length = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the class names that the data set (or the one that it is a part of) tells."""
        found, depth = self.dataset, 0
        while found is not None and not hasattr(found, "classes") and depth < 5:
            found, depth = getattr(found, "dataset", None), depth + 1
        names = getattr(found, "classes", None)
        return tuple(names) if isinstance(names, list | tuple) and all(isinstance(n, str) for n in names) else ()

    def is_over(self) -> bool:
        """Return True once the iterator has ended, or has begun anew (persistent workers)."""
        iterator = self._iterator()
        if iterator is None:
            return True
        taken = getattr(iterator, "_num_yielded", 0)
        again, self._taken = taken < self._taken, taken
        return again

    def is_same_data(self, other: Batches) -> bool:
        """Return True where both draw from the same images, as far as can be told."""
        if self.dataset is not other.dataset:
            return False
        if self._indices is None or other._indices is None:
            return True
        return not {int(i) for i in self._indices}.isdisjoint({int(i) for i in other._indices})

    def is_of(self, iterator: Any) -> bool:
        return self._iterator() is iterator


def iterators(young: bool) -> list[Any]:
    """Return living iterators over loaders that have given a batch; young: look among new objects alone."""
    found: list[Any] = []
    for number in YOUNG if young else (None,):
        for one in gc.get_objects(number):  # (a list of them all would hold itself, and keep each alive)
            if issubclass(type(one), _ITERATOR) and getattr(one, "_num_yielded", 0):
                found.append(one)
    return found


def batches_other_than(known: Batches | None, *, thoroughly: bool) -> Batches | None:
    """Return the loader's iterator that gives batches now, beside the known one; None without, or of several."""
    for young in (True, False) if thoroughly else (True,):
        found = [one for one in iterators(young) if known is None or not known.is_of(one)]
        if len(found) == 1:
            return Batches(found[0])
        if found:
            return None
    return None
