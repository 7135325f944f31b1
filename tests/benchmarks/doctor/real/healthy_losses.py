"""Healthy loops with an unusual loss, target or schedule."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, LambdaLR, LRScheduler, OneCycleLR

from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.loops import Loop

# ---------------------------------------------------------------------- losses


class Smoothed(Loop):
    """Smooth the labels by a tenth."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, label_smoothing=0.1)


class Hinge(Loop):
    """Take the multi-class hinge loss."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.multi_margin_loss(outputs, y)


class Focal(Loop):
    """Take a focal loss, written by hand."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        log = outputs.log_softmax(1).gather(1, y[:, None])[:, 0]
        return -((1 - log.exp()) ** 2 * log).mean()


class SummedAndDivided(Loop):
    """Sum over the batch, then divide by its size."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, reduction="sum") / len(y)


class Weighted(Loop):
    """Weigh the classes by how rare they are."""

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y, weight=torch.tensor([1.0, 50.0]))


class MultiLabel(Loop):
    """Tell three properties of an image apart, each by itself: the bits of its class number."""

    tells_labels = False

    def bits(self, y: Tensor) -> Tensor:
        return torch.stack([(y >> place) & 1 for place in range(3)], 1).float()

    def loss(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(outputs, self.bits(y))

    def share(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return ((outputs > 0) == self.bits(labels).bool()).float().mean()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        loss, share, _ = super().validated(model, images, labels)
        return loss, share, share


class Mixup(Loop):
    """Mix images and targets in pairs."""

    def mixed(self, x: Tensor, other: Tensor, share: float) -> tuple[Tensor, float]:
        return share * x + (1 - share) * other, share

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        order = torch.randperm(len(x), generator=self.random)
        drawn = 0.5 + 0.5 * torch.rand(1, generator=self.random).item()
        mixed, share = self.mixed(x, x[order], drawn)
        outputs = model(mixed)
        return share * F.cross_entropy(outputs, y) + (1 - share) * F.cross_entropy(outputs, y[order]), outputs


class Cutmix(Mixup):
    """Put a part of one image into another."""

    def mixed(self, x: Tensor, other: Tensor, share: float) -> tuple[Tensor, float]:
        width = x.shape[-1]
        cut = round((1 - share) * width)
        return torch.cat([x[..., : width - cut], other[..., width - cut :]], -1), 1 - cut / width


class Distilled(Loop):
    """Learn from a teacher's softened answers (KL divergence at temperature 4) and the labels."""

    def model(self, shape: tuple[int, ...]) -> nn.Module:
        images, labels, _, _ = self.data()
        self.teacher = parts.layers("conv32 relu pool conv64 relu fc128 relu fc10", shape)
        fit(self.teacher, images, labels, min(120, self.program.steps))
        return super().model(shape)

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(x)
        with torch.no_grad():
            soft = (self.teacher(x) / 4).softmax(1)
        distance = F.kl_div((outputs / 4).log_softmax(1), soft, reduction="batchmean") * 16
        return 0.7 * distance + 0.3 * F.cross_entropy(outputs, y), outputs


def fit(model: nn.Module, images: Tensor, labels: Tensor, steps: int) -> None:
    """Train a net before the watched run begins, as pretrained weights are."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    order = torch.Generator().manual_seed(4)
    for _ in range(steps):
        index = torch.randint(len(images), (32,), generator=order)
        optimizer.zero_grad()
        F.cross_entropy(model(images[index]), labels[index]).backward()
        optimizer.step()


# ---------------------------------------------------------------------- optimizers and schedules


class Scheduled(Loop):
    """Step a schedule at every step."""

    def schedule_of(self, optimizer: Optimizer) -> LRScheduler:
        raise NotImplementedError

    def optimizer(self, model: nn.Module) -> Optimizer:
        made = super().optimizer(model)
        self.schedule = self.schedule_of(made)
        return made

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        result = super().update(model, optimizer, x, y)
        self.schedule.step()
        return result


class OneCycle(Scheduled):
    def schedule_of(self, optimizer: Optimizer) -> LRScheduler:
        return OneCycleLR(optimizer, max_lr=0.1, total_steps=self.program.steps + 1)


class Restarts(Scheduled):
    def schedule_of(self, optimizer: Optimizer) -> LRScheduler:
        return CosineAnnealingWarmRestarts(optimizer, T_0=40, T_mult=2)


class WarmedUp(Scheduled):
    """Warm up for 60 steps, then go down along a line; gradients are cut to a length of 1."""

    def schedule_of(self, optimizer: Optimizer) -> LRScheduler:
        end = self.program.steps
        return LambdaLR(optimizer, lambda step: min((step + 1) / 60, max(end - step, 1) / (end - 60)))

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        self.schedule.step()
        return loss.detach(), outputs.detach()


class Lbfgs(Loop):
    """Step L-BFGS, which calls the closure several times."""

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        told: list[Tensor] = []

        def closure() -> Tensor:
            loss, outputs = self.forward(model, x, y)
            optimizer.zero_grad()
            loss.backward()
            told.append(outputs.detach())
            return loss

        loss: Any = optimizer.step(closure)  # type: ignore[arg-type]
        return loss.detach(), told[0]


class Averaged(Loop):
    """Validate a running mean of the weights."""

    def before_epoch(self, model: nn.Module) -> None:
        super().before_epoch(model)
        if not self.steps:
            self.mean = torch.optim.swa_utils.AveragedModel(
                model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.95), use_buffers=True
            )

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        result = super().update(model, optimizer, x, y)
        self.mean.update_parameters(model)
        return result

    def before_validation(self, model: nn.Module) -> None:
        super().before_validation(model)
        self.mean.eval()

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:  # noqa: ARG002
        return super().validated(self.mean, images, labels)


class Sharpness(Loop):
    """Step twice: up by a little, then down from there (SAM)."""

    def update(self, model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        loss, outputs = self.forward(model, x, y)
        optimizer.zero_grad()
        loss.backward()
        parameters = [one for one in model.parameters() if one.grad is not None]
        norm = torch.stack([one.grad.norm() for one in parameters if one.grad is not None]).norm()
        moves = [0.05 * one.grad / (norm + 1e-12) for one in parameters if one.grad is not None]
        with torch.no_grad():
            for one, move in zip(parameters, moves, strict=True):
                one.add_(move)
        optimizer.zero_grad()
        self.forward(model, x, y)[0].backward()
        with torch.no_grad():
            for one, move in zip(parameters, moves, strict=True):
                one.sub_(move)
        optimizer.step()
        return loss.detach(), outputs.detach()


class Half(Loop):
    """Compute in bfloat16 under autocast."""

    def forward(self, model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = model(x)
        return self.loss(outputs.float(), y), outputs.float()


class Balanced(Loop):
    """Draw both classes equally often, with repetition."""

    def order(self, labels: Tensor) -> Tensor:
        weights = 1 / labels.bincount().float()[labels]
        return torch.multinomial(weights, len(labels), replacement=True, generator=self.random)


LOSSES: dict[str, type[Loop]] = {
    "label smoothing": Smoothed,
    "hinge": Hinge,
    "focal": Focal,
    "summed and divided": SummedAndDivided,
    "class weights": Weighted,
    "multi-label": MultiLabel,
    "mixup": Mixup,
    "cutmix": Cutmix,
    "distillation": Distilled,
    "one-cycle": OneCycle,
    "warm restarts": Restarts,
    "warm-up and clipping": WarmedUp,
    "L-BFGS": Lbfgs,
    "mean of the weights": Averaged,
    "sharpness-aware": Sharpness,
    "bfloat16": Half,
    "balanced": Balanced,
}
