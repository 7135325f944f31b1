"""Loops whose scheduler is stepped in other units than it was made for, each beside a sound one."""

from __future__ import annotations

from collections.abc import Iterator

from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR, SequentialLR

from tests.doctor.watched_loops.loop import Batch, Loop


class CycleByEpoch(Loop):
    """OneCycleLR for all batches, stepped behind each epoch."""

    epochs = 4
    by_batch = False

    def made(self) -> LRScheduler:
        return OneCycleLR(self.optimizer, 3e-3, total_steps=self.epochs * self.steps)

    def batches(self, epoch: int) -> Iterator[Batch]:
        if epoch == 0:
            self.schedule = self.made()
        elif not self.by_batch:
            self.schedule.step()
        for batch in super().batches(epoch):
            yield batch
            if self.by_batch and self.schedule.last_epoch + 1 < self.epochs * self.steps:
                self.schedule.step()


class CosineByEpoch(CycleByEpoch):
    def made(self) -> LRScheduler:
        return CosineAnnealingLR(self.optimizer, self.epochs * self.steps)


class CycleByBatch(CycleByEpoch):
    by_batch = True


class CosineOfEpochs(CycleByEpoch):
    def made(self) -> LRScheduler:
        return CosineAnnealingLR(self.optimizer, self.epochs)


class WarmedCosine(CycleByEpoch):
    """Its second part has as many steps as the run has, and comes to none: the first one is longer than the run."""

    def made(self) -> LRScheduler:
        parts: list[LRScheduler] = [
            LinearLR(self.optimizer, 0.5, total_iters=8),
            CosineAnnealingLR(self.optimizer, self.epochs * self.steps),
        ]
        return SequentialLR(self.optimizer, parts, [8])
