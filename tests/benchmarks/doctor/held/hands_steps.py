"""Healthy runs in other hands' style: optimizers, schedules, and how a step is made."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from tests.benchmarks.doctor.held.hands_base import HandsCase, OwnLoop, encoder, pretrained, share, updated
from tests.benchmarks.doctor.held.nets import SmallResNet, mlp
from tests.benchmarks.doctor.real import parts
from tests.benchmarks.doctor.real.parts import Data


class OneCycleOfAHalf(HandsCase):
    """SGD up to 0.5 with batch norm, one cycle of rate and momentum."""

    steps_of = 200
    optim = ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4})

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.OneCycleLR(optimizer, max_lr=0.5, total_steps=self.program.steps + 1, pct_start=0.3)


class Triangles(HandsCase):
    """A rate that goes up and down between 1e-3 and 0.1 every 40 steps."""

    steps_of = 200
    optim = ("SGD", {"lr": 0.001, "momentum": 0.9})

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 6))

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.CyclicLR(optimizer, base_lr=1e-3, max_lr=0.1, step_size_up=20, cycle_momentum=False)


class RateSetByHand(OwnLoop):
    """The rate is written into the groups before each step: a warm-up of 20, then a polynomial."""

    optim = ("SGD", {"lr": 0.0, "momentum": 0.9})
    done = 0

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        for group in optimizer.param_groups:
            group["lr"] = 0.2 * min((self.done + 1) / 20, (1 - self.done / (self.program.steps + 1)) ** 0.9)
        self.done += 1
        return updated(optimizer, F.cross_entropy(model(x), y))


class FineTunedAtOneInAHundredThousand(OwnLoop):
    """A pretrained net on noisier images: AdamW at 1e-5, a linear warm-up of a tenth, then down to 0."""

    batch, noise = 16, 1.2
    optim = ("AdamW", {"lr": 1e-5, "weight_decay": 0.01})

    def net(self) -> nn.Module:
        return pretrained(self, 6, 120)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        total = self.program.steps
        return lr_scheduler.LambdaLR(
            optimizer, lambda step: min(step / max(1, total // 10), (total - step) / max(1, total - total // 10))
        )

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        loss = updated(optimizer, F.cross_entropy(model(x), y), lambda: nn.utils.clip_grad_norm_(model.parameters(), 1))
        assert self.scheduler is not None
        self.scheduler.step()
        return loss


class StrongWolfe(OwnLoop):
    """L-BFGS with a line search, the whole of a small set in each step."""

    batch, steps_of, classes = 480, 25, 10
    optim = ("LBFGS", {"lr": 1.0, "max_iter": 10, "line_search_fn": "strong_wolfe"})

    def data(self) -> Data:
        images, labels, more, their = parts.digits(8)
        return images[:480], labels[:480], more, their

    def net(self) -> nn.Module:
        return mlp(64, 24, 10, between=nn.Tanh)

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        found: Tensor = optimizer.step(closure)
        return found.detach()


class Lookahead:
    """Five steps of an inner optimizer, then halfway back to where the slow weights are."""

    def __init__(self, inner: Optimizer) -> None:
        self.inner, self.calls = inner, 0
        self.slow = [one.detach().clone() for group in inner.param_groups for one in group["params"]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.inner.zero_grad(set_to_none)

    @torch.no_grad()
    def step(self) -> None:
        self.inner.step()
        self.calls += 1
        if self.calls % 5 == 0:
            quick = [one for group in self.inner.param_groups for one in group["params"]]
            for slow, one in zip(self.slow, quick, strict=True):
                slow.lerp_(one, 0.5)
                one.copy_(slow)


class LooksAhead(OwnLoop):
    """Lookahead around Adam, a class of its own that the watch knows nothing of."""

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 6))

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        if not hasattr(self, "around"):
            self.around = Lookahead(optimizer)
        return updated(self.around, F.cross_entropy(model(x), y))


class Lamb(Optimizer):
    """Adam's direction in steps of a share of each weight's own size."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:  # noqa: ARG002  the signature of the base class
        for group in self.param_groups:
            for one in group["params"]:
                if one.grad is None:
                    continue
                state = self.state[one]
                if not state:
                    state["t"], state["m"], state["v"] = 0, torch.zeros_like(one), torch.zeros_like(one)
                state["t"] += 1
                state["m"].lerp_(one.grad, 0.1)
                state["v"].lerp_(one.grad.square(), 0.001)
                m, v = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
                way = m / (v.sqrt() + 1e-6)
                trust = float(one.norm() / way.norm()) if one.norm() > 0 and way.norm() > 0 else 1.0
                one.add_(way, alpha=-group["lr"] * min(trust, 10.0))
        return None


class AllInABatch(HandsCase):
    """LAMB, written in the script, with 240 of 480 images in a batch at a rate of 0.03."""

    batch, steps_of = 240, 80

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(), nn.Linear(64, 6))

    def optimizer(self, model: nn.Module) -> Optimizer:
        self.scheduler = None
        return Lamb(model.parameters(), 0.03)


class CutByUnit(OwnLoop):
    """Adaptive clipping: each weight's gradient is kept below 2 % of the weight's own size."""

    optim = ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True})

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(norm=lambda width: nn.GroupNorm(8, width)), nn.Linear(64, 6))

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        def cut() -> None:
            for one in model.parameters():
                most = 0.02 * one.detach().norm().clamp_min(1e-3)
                one.grad.mul_((most / (one.grad.norm() + 1e-6)).clamp(max=1.0))

        return updated(optimizer, F.cross_entropy(model(x), y), cut)


class EightOfFour(OwnLoop):
    """Accumulation in a plain script: eight batches of four, each loss divided by eight, clipped at the update."""

    batch, steps_of = 4, 640
    optim = ("AdamW", {"lr": 2e-3, "weight_decay": 0.01})
    done = 0

    def net(self) -> nn.Module:
        return nn.Sequential(encoder(norm=lambda width: nn.GroupNorm(8, width)), nn.Linear(64, 6))

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(model(x), y) / 8
        loss.backward()
        self.done += 1
        if self.done % 8 == 0:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        return 8 * loss.detach()


class AveragedTail(HandsCase):
    """SWA: a constant rate, the mean of the last third's weights, and batch norm's means worked out again for it."""

    steps_of = 225
    optim = ("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 1e-4})

    def net(self) -> nn.Module:
        made = SmallResNet(classes=6)
        self.mean = torch.optim.swa_utils.AveragedModel(made)
        return made

    def before_validation(self, model: nn.Module) -> None:
        super().before_validation(model)
        if self.steps > 150:
            self.mean.update_parameters(model)

    def validated(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float, float]:
        if self.steps <= 150:
            return super().validated(model, images, labels)
        seen, _, _, _ = self.data()
        torch.optim.swa_utils.update_bn(seen.split(32), self.mean)
        self.mean.eval()
        outputs = self.mean(images)
        return self.loss(outputs, labels).item(), share(outputs, labels), share(outputs, labels)


class UphillFirst(OwnLoop):
    """SAM in two calls of a script: up by 0.05 along the gradient, the gradient there, back, down."""

    optim = ("SGD", {"lr": 0.05, "momentum": 0.9})

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def step(self, model: Any, optimizer: Any, x: Tensor, y: Tensor) -> Tensor:
        own = [one for one in model.parameters() if one.requires_grad]
        first = F.cross_entropy(model(x), y)
        first.backward()
        with torch.no_grad():
            size = torch.stack([one.grad.norm() for one in own]).norm() + 1e-12
            moves = [one.grad * (0.05 / size) for one in own]
            for one, move in zip(own, moves, strict=True):
                one.add_(move)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        with torch.no_grad():
            for one, move in zip(own, moves, strict=True):
                one.sub_(move)
        optimizer.step()
        optimizer.zero_grad()
        return first.detach()


class SnapshotsOfCosines(HandsCase):
    """Four cosines of 50 steps, each from 0.2 down to 0: snapshots are taken at the ends."""

    steps_of = 200
    optim = ("SGD", {"lr": 0.2, "momentum": 0.9, "weight_decay": 1e-4})

    def net(self) -> nn.Module:
        return SmallResNet(classes=6)

    def schedule(self, optimizer: Optimizer) -> LRScheduler:
        return lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * (step % 50) / 50)))
