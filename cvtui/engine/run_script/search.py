"""Search of the program's objects: which optimizers train a model, and which loader its batches come from."""

from __future__ import annotations

import functools
import gc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import dataloader

from cvtui.engine.optim.groups import held_by, stepping_inside

_ITERATOR: Any = getattr(dataloader, "_BaseDataLoaderIter", ())
YOUNG = (0, 1)
"""Generations of Python's collector in which an iterator that was just made lies, mostly."""


class Made:
    """Optimizers of the program, told of as they are made, copied or unpickled, and GradScalers as they are made."""

    def __init__(self) -> None:
        self._known: list[weakref.ref[Any]] = []
        self._leave: list[Callable[[], None]] = []

    def begin(self) -> None:
        """Be told of each from here on, where this PyTorch has the two functions."""
        scaler = torch.amp.grad_scaler.GradScaler
        if not self._leave and hasattr(Optimizer, "_patch_step_function"):
            self._leave = [self._follow(Optimizer, "_patch_step_function"), self._follow(scaler, "__init__")]

    def end(self) -> None:
        """Leave PyTorch as it was."""
        while self._leave:
            self._leave.pop()()
        self._known.clear()

    def _follow(self, kind: Any, name: str) -> Callable[[], None]:
        own = vars(kind)[name]

        @functools.wraps(own)
        def following(one: Any, *given: Any, **options: Any) -> None:
            own(one, *given, **options)
            self._known.append(weakref.ref(one))

        def leave() -> None:
            if vars(kind).get(name) is following:
                setattr(kind, name, own)

        setattr(kind, name, following)
        return leave

    @property
    def knows_all(self) -> bool:
        """True where it is told of each."""
        return bool(self._leave)

    def living(self) -> list[Any]:
        """Return those that are alive, in the order in which they were made."""
        alive = {id(one): one for reference in self._known if (one := reference()) is not None}
        self._known = [*map(weakref.ref, alive.values())]
        return [*alive.values()]


MADE = Made()


class Found:
    """What the program trains with; looked for among all its objects where none has told of it."""

    def __init__(self) -> None:
        self.optimizers: list[Optimizer] = []
        self.iterators: list[Any] = []
        """Over loaders, that have given a batch."""
        self.scales = False
        """There is a GradScaler."""
        told = MADE.knows_all and GIVERS.knows_all
        self._look_through([*MADE.living(), *GIVERS.living()] if told else gc.get_objects())

    def _look_through(self, objects: list[Any]) -> None:
        scaler = torch.amp.grad_scaler.GradScaler
        kinds: dict[type, int] = {}
        for one in objects:
            kind = type(one)
            what = kinds.get(kind)
            if what is None:
                what = kinds[kind] = (
                    1 if issubclass(kind, Optimizer)
                    else 2 if issubclass(kind, scaler)
                    else 3 if issubclass(kind, _ITERATOR) else 0
                )  # fmt: skip
            if what == 1 and not is_wrapper(one):
                self.optimizers.append(one)
            elif what == 2:
                self.scales = self.scales or one.is_enabled()
            elif what == 3 and getattr(one, "_num_yielded", None):
                self.iterators.append(one)


def is_wrapper(optimizer: Any) -> bool:
    """Return True for accelerate's, Lightning's and others' optimizers, whose inner one makes the steps."""
    inner = getattr(optimizer, "optimizer", None), getattr(optimizer, "_optimizer", None)
    if not hasattr(optimizer, "_optimizer_step_pre_hooks") or any(isinstance(one, Optimizer) for one in inner):
        return True
    return stepping_inside(optimizer) is not optimizer


def share_of(model: nn.Module, optimizers: list[Optimizer]) -> tuple[list[Optimizer], float]:
    """Return those that hold parameters of the model, and the share of all that they hold which is the model's."""
    own = {id(p) for p in model.parameters()}
    holding = [one for one in optimizers if held_by(one) & own]
    sizes = {id(p): p.numel() for one in holding for group in one.param_groups for p in group["params"]}
    total = sum(sizes.values())
    return holding, sum(size for key, size in sizes.items() if key in own) / total if total else 0.0


def holds_loss_and_model(module: nn.Module, args: Any, optimizers: list[Optimizer]) -> bool:
    """Return True for a module of the script that is given images with labels, and has the whole model in it."""
    given = [one for one in args if isinstance(one, Tensor) and one.dim()]
    if len(given) < 2 or len(given[0]) != len(given[1]) or type(module).__module__.startswith("torch."):
        return False
    return any(share_of(child, optimizers)[1] == 1 for child in module.children())


class Batches:
    """An iterator over a loader, followed without holding it: alive until the last batch was taken."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = weakref.ref(iterator)
        self._taken = -1
        self.dataset = getattr(iterator, "_dataset", None)
        self._images = _length_of(self.dataset)
        sampler = getattr(iterator, "_index_sampler", None)
        self._indices = getattr(getattr(sampler, "sampler", sampler), "indices", None)
        self.length = _length_of(iterator)

    def is_over(self) -> bool:
        """Return True once the iterator has ended, or has begun anew (persistent workers)."""
        iterator = self._iterator()
        if iterator is None:
            return True
        taken = int(getattr(iterator, "_num_yielded", None) or 0)
        again, self._taken = taken < self._taken, taken
        return again

    def is_done(self) -> bool:
        """Return True once all batches were taken, also where the iterator is kept for the next epoch."""
        return self.is_over() or (self.length > 0 and self._taken >= self.length)

    def is_same_data(self, other: Batches) -> bool:
        """Return True where both draw from the same images, as far as can be told."""
        if self.dataset is not other.dataset:
            return False
        if self._indices is None or other._indices is None:
            return True
        return not {int(i) for i in self._indices}.isdisjoint({int(i) for i in other._indices})

    def is_alike(self, other: Batches) -> bool:
        """Return True where the data set is of the other's class and size: some scripts make theirs anew each epoch."""
        size, its = (self._images, self.length), (other._images, other.length)
        return type(self.dataset) is type(other.dataset) and size == its and 0 not in size

    def is_of(self, iterator: Any) -> bool:
        return self._iterator() is iterator


def _length_of(thing: Any) -> int:
    """Return its length; 0 where it tells none."""
    try:
        return len(thing)
    except (TypeError, NotImplementedError):
        return 0


class Givers:
    """Iterators over loaders as they give their batches, told of each: a look at all objects takes 30 ms and more."""

    def __init__(self) -> None:
        self._given: dict[int, tuple[weakref.ref[Any], int]] = {}
        self.count = 0
        """Batches so far, of all."""
        self._is_told = False

    def begin(self) -> None:
        """Be told of each batch from here on."""
        self._given.clear()
        self._is_told = True

    def end(self) -> None:
        self._given.clear()
        self._is_told = False

    def gave(self, iterator: Any) -> None:
        """Take note of a batch."""
        self.count += 1
        key = id(iterator)
        known = self._given.get(key)
        reference = known[0] if known is not None else weakref.ref(iterator, lambda _: self._given.pop(key, None))
        self._given[key] = reference, self.count

    @property
    def knows_all(self) -> bool:
        """False where no one tells, or a library's iterators have a `__next__` of their own."""
        return self._is_told and not _has_its_own(_ITERATOR)

    def living(self, since: int = 0) -> list[Any]:
        """Return those that are alive and gave a batch behind the first `since` ones, the last first."""
        found = sorted(self._given.values(), key=lambda one: -one[1])
        alive = [one for reference, last in found if last > since and (one := reference()) is not None]
        return [one for one in alive if getattr(one, "_num_yielded", None)]


GIVERS = Givers()


def _has_its_own(kind: Any) -> bool:
    return any("__next__" in vars(one) or _has_its_own(one) for one in kind.__subclasses__())


def iterators(young: bool) -> list[Any]:
    """Return living iterators over loaders that have given a batch; young: look among new objects alone."""
    if GIVERS.knows_all:
        return GIVERS.living()
    found: list[Any] = []
    kinds: dict[type, bool] = {}
    generations: tuple[int | None, ...] = YOUNG if young else (None,)
    for number in generations:
        for one in gc.get_objects(number):  # (a list of them all would hold itself, and keep each alive)
            kind = type(one)
            is_iterator = kinds.get(kind)
            if is_iterator is None:
                is_iterator = kinds[kind] = issubclass(kind, _ITERATOR)
            if is_iterator and getattr(one, "_num_yielded", None):
                found.append(one)
    return found


class FirstBatches:
    """Search of the iterator that training draws from: the only one, or the one that gives a batch for each step."""

    def __init__(self, found: list[Any]) -> None:
        self.batches = Batches(found[0]) if len(found) == 1 else None
        self._given = [(weakref.ref(one), one._num_yielded) for one in found] if len(found) > 1 else []

    def at_next_step(self) -> Batches | None:
        """Return it, known at the second training step at the latest."""
        now = [(ref(), before) for ref, before in self._given]
        drawn = [one for one, before in now if one is not None and one._num_yielded > before]
        if self.batches is None and len(drawn) == 1:
            self.batches = Batches(drawn[0])
        return self.batches


def batches_other_than(known: Batches | None, since: int) -> Batches | None:
    """Return the loader's iterator that gives batches now, beside the known one; None without, or of several.

    since: the batches that all loaders had given by the last training step.
    """
    for young in (True, False):
        giving = GIVERS.living(since) if GIVERS.knows_all else iterators(young)
        found = [one for one in giving if known is None or not known.is_of(one)]
        if len(found) == 1:
            return Batches(found[0])
        if found:
            return None
    return None
