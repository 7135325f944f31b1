"""Loops whose gradients or updates go wrong, each beside a sound one."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import LBFGS, SGD

from tests.doctor.watched_loops.loop import Batch, Loop


class Emptied(Loop):
    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        loss.backward()
        self.optimizer.zero_grad()
        self.optimizer.step()


class SetToZero(Loop):
    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return SGD(model.parameters(), lr=0.1, momentum=0.9)

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        loss.backward()
        self.optimizer.zero_grad(set_to_none=False)
        self.optimizer.step()


class OnceAnEpoch(Loop):
    def update(self, loss: Tensor, step: int) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        if step % 10 == 9:
            self.optimizer.step()


class OnceAnEpochTold(Loop):
    """A step is told for each update, as `cvtui run` does."""

    epochs = 6

    def batches(self, epoch: int) -> Iterator[Batch]:
        *others, last = super().batches(epoch)
        for x, y in others:
            self.optimizer.zero_grad()
            self.loss(self.answers(x), y).backward()
        yield last


class Sharpened(Loop):
    """SAM: a second pass, with the weights moved uphill, gives the gradient; that of the first is deleted."""

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        loss.backward()
        moved = [(p, 0.01 * p.grad) for p in self.model.parameters() if p.grad is not None]
        self.optimizer.zero_grad()
        with torch.no_grad():
            for p, by in moved:
                p.add_(by)
        self.loss(self.answers(self.batch[0]), self.batch[1]).backward()
        with torch.no_grad():
            for p, by in moved:
                p.sub_(by)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def batches(self, epoch: int) -> Iterator[Batch]:
        for self.batch in super().batches(epoch):
            yield self.batch


class ByClosure(Sharpened):
    """L-BFGS: within its step it asks for loss and gradients eight times, each time from zeroed ones."""

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return LBFGS(model.parameters(), lr=0.1, max_iter=8, tolerance_grad=0, tolerance_change=0)

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        made, (x, y) = [loss], self.batch

        def closure() -> float:
            self.optimizer.zero_grad()
            cost = made.pop() if made else self.loss(self.answers(x), y)
            cost.backward()
            return float(cost.detach())

        self.optimizer.step(closure)


class Attacked(Sharpened):
    """Images are moved uphill nine times first; the gradients of these passes are deleted."""

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        x, y = self.batch
        for _ in range(9):
            x = x.detach().requires_grad_()
            self.loss(self.answers(x), y).backward()
            assert x.grad is not None
            x = x + 0.01 * x.grad.sign()
        self.optimizer.zero_grad()
        self.loss(self.answers(x.detach()), y).backward()
        self.optimizer.step()


class Accumulated(Loop):
    """Five batches an update, divided: nothing is thrown away."""

    def update(self, loss: Tensor, step: int) -> None:
        (loss / 5).backward()
        if step % 5 == 4:
            self.optimizer.step()
            self.optimizer.zero_grad()


class DividedTwice(Loop):
    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return SGD(model.parameters(), lr=0.05)

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y) / len(y)


class DividedByParts(DividedTwice):
    """Sixteen batches of sixteen an update: a share of each."""

    def update(self, loss: Tensor, step: int) -> None:
        loss.backward()
        if step % 16 == 15:
            self.optimizer.step()
            self.optimizer.zero_grad()


class Penalised(Loop):
    factor = 1.0

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y) + self.factor * sum(
            (one.pow(2).sum() for one in self.model.parameters()), torch.zeros(())
        )


class GentlyPenalised(Penalised):
    factor = 1e-4


class CutToSigns(Loop):
    limit = 1e-5

    def optimizer_of(self, model: nn.Module) -> torch.optim.Optimizer:
        return SGD(model.parameters(), lr=0.1, momentum=0.9)

    def update(self, loss: Tensor, step: int) -> None:  # noqa: ARG002
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_value_(self.model.parameters(), self.limit)
        self.optimizer.step()


class CutGently(CutToSigns):
    limit = 1.0


class StepsInValidation(Loop):
    """The validation's loop is a copy of training's, backward and step included."""

    stepped = True

    def evaluated(self) -> float:
        x, y = self.validation
        self.model.eval()
        outputs = self.answers(x)
        self.optimizer.zero_grad()
        self.loss(outputs, y).backward()
        if self.stepped:
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.model.train()
        return self.right(outputs, y).item()


class GradientsInValidation(StepsInValidation):
    """Gradients of validation images are only looked at."""

    stepped = False
