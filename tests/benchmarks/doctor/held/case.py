"""A program as a class of its own: one loop that is faulty or repaired, with its truth beside it."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.loops import Loop
from tests.benchmarks.doctor.real.parts import Data
from tests.benchmarks.doctor.real.program import Program

CASES: dict[str, type[Case]] = {}
"""Every case by its id."""


class Case(Loop):
    """A loop that looks at `self.faulty`; without a truth it is a healthy run."""

    truth: ClassVar[tuple[str, ...]] = ()
    why: ClassVar[str] = "nothing is wrong"
    symptoms: ClassVar[tuple[str, ...]] = ("F02", "F36", "F37", "F19")
    batch_of: ClassVar[str] = "first"
    """The set it belongs to, by the order in which they were written and first looked at."""
    source: ClassVar[str] = "ours, of a kind that people ask about"
    mended: ClassVar[dict[str, Any]] = {}
    """Fields of the program that its repair has otherwise (`batch`, `steps`)."""

    shape: ClassVar[tuple[int, int, int]] = (3, 16, 16)
    classes: ClassVar[int] = 10
    patterns: ClassVar[int] = 0
    """Kinds of pictures, where these are not the classes."""
    noise: ClassVar[float] = 1.0
    count: ClassVar[int] = 600
    batch: ClassVar[int] = 32
    steps_of: ClassVar[int] = 200
    optim: ClassVar[tuple[str, dict[str, Any]]] = ("Adam", {"lr": 1e-3})
    faulty_optim: ClassVar[tuple[str, dict[str, Any]] | None] = None

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.faulty = bool(program.truth)

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not abstract and not cls.__name__.startswith("_"):
            if name_of(cls) in CASES:
                raise ValueError(f"two programs are called {name_of(cls)}")
            CASES[name_of(cls)] = cls

    def data(self) -> Data:
        images, labels, more, their = parts.pictures(
            self.shape, self.patterns or self.classes, count=self.count, noise=self.noise
        )
        return self.spoiled((2 * (images - 0.45), labels, 2 * (more - 0.45), their))

    def spoiled(self, data: Data) -> Data:
        """Return the data as the faulty program has them."""
        return data

    def model(self, shape: tuple[int, ...]) -> nn.Module:  # noqa: ARG002  a case knows its shape
        return self.net()

    def net(self) -> nn.Module:
        raise NotImplementedError

    def optimizer(self, model: nn.Module) -> Optimizer:
        name, options = self.faulty_optim if self.faulty and self.faulty_optim else self.optim
        made: Optimizer = getattr(torch.optim, name)(self.trained(model), **options)
        self.scheduler = self.schedule(made)
        return made

    def schedule(self, optimizer: Optimizer) -> LRScheduler | None:  # noqa: ARG002  most have none
        """Return a schedule that is stepped after each update."""
        return None

    def cut(self, model: nn.Module) -> None:
        """Clip the gradients before the update."""

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        self.cut(model)
        optimizer.step()
        if self.scheduler is not None:
            self.scheduler.step()
        return loss.detach(), outputs.detach()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y)


def name_of(kind: type[Case]) -> str:
    """Return the id of a class: `held-no-grad-backbone`, `ok-own-tiny-vit`."""
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)
    return f"held{words}" if kind.truth else f"ok-own{words}"


def program_of(name: str) -> Program:
    """Return the program of a case."""
    kind = CASES[name]
    title = (kind.__doc__ or "").strip().splitlines()[0]
    return Program(
        id=name, title=title, net="", data=("", {}), classes=kind.classes, loss="", batch=kind.batch,
        steps=kind.steps_of, loop=name, truth=kind.truth, symptoms=tuple(set(kind.symptoms) - set(kind.truth)),
        why=kind.why, repaired={"loop": name, **kind.mended}, source=kind.source,
        held=kind.batch_of != "first",
    )  # fmt: skip
