"""Training scripts that know nothing of cvtui, as functions: each returns what it would have printed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, SubsetRandomSampler, TensorDataset

from cvtui.engine.run_script.noted_losses import NotedLosses
from cvtui.engine.run_script.session import Session


class Told(NamedTuple):
    """What a script saw itself."""

    losses: list[float]
    """One a step."""
    validations: list[tuple[float, float]]
    """(loss, accuracy) of each evaluation."""
    trained: list[Tensor]


def data() -> tuple[TensorDataset, TensorDataset]:
    images = torch.randn(60, 1, 6, 6)
    labels = (images.mean((1, 2, 3)) > 0).long()
    return TensorDataset(images[:48], labels[:48]), TensorDataset(images[48:], labels[48:])


def net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.2), nn.Linear(64, 2)
    )


def validated(model: nn.Module, held: TensorDataset, gradients: bool = False) -> tuple[float, float]:
    """Evaluate over a DataLoader, as most scripts do."""
    model.eval()
    loss, right = 0.0, 0
    with torch.set_grad_enabled(gradients):
        for x, y in DataLoader(held, 5):
            output = model(x)
            loss += F.cross_entropy(output, y, reduction="sum").item()
            right += (output.argmax(1) == y).sum().item()
    return loss / len(held), right / len(held)


def plain(gradients: bool = False, compiled: bool = False, within: bool = False) -> Told:
    train, held = data()
    model, losses, validations = net(), [], []
    called = nn.DataParallel(model).eval() if within else model  # (Lightning sets the modes of the inner one alone)
    if compiled:
        model.compile(backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    for _ in range(3):
        model.train()
        for x, y in DataLoader(train, 12, shuffle=True):
            optimizer.zero_grad()
            loss = nn.CrossEntropyLoss()(called(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
        validations.append(validated(model, held, gradients))
    return Told(losses, validations, list(model.parameters()))


def without_no_grad() -> Told:
    return plain(gradients=True)


def scaled() -> Told:
    """Two batches a step, clipped, in bfloat16, with a scale that overflows at first."""
    train, _ = data()
    model, losses = net(), []
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=1000)
    mean = torch.optim.swa_utils.AveragedModel(model)
    for _ in range(2):
        parts = 0.0
        for number, (x, y) in enumerate(DataLoader(train, 6, shuffle=True)):
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(x), y) / 2
            scaler.scale(loss).backward()
            parts += loss.item()
            if number % 2:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                scale = scaler.get_scale()
                scaler.step(optimizer)
                scaler.update()
                if scaler.get_scale() >= scale:
                    losses.append(parts)
                parts = 0.0
                optimizer.zero_grad()
                mean.update_parameters(model)
    return Told(losses, [], list(model.parameters()))


def closures() -> Told:
    train, held = data()
    (x, y), (more, their) = train.tensors, held.tensors
    model, losses, validations = nn.Sequential(nn.Flatten(), nn.Linear(36, 2)), [], []
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        return loss

    for _ in range(3):
        losses.append(optimizer.step(closure).item())
        with torch.no_grad():
            right = (model(more).argmax(1) == their).float().mean().item()
            validations.append((F.cross_entropy(model(more), their).item(), right))
    return Told(losses, validations, list(model.parameters()))


class Task(nn.Module):
    """Model and loss in one, as some training programs have them."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.loss = net(), nn.CrossEntropyLoss()

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        output = self.model(x)
        return {"loss": self.loss(output, y), "output": output}


def loss_in_a_module() -> Told:
    train, held = data()
    task, losses, validations = Task(), [], []
    optimizer = torch.optim.SGD(task.parameters(), 0.05)
    for _ in range(2):
        task.train()
        for x, y in DataLoader(train, 12, shuffle=True):
            optimizer.zero_grad()
            loss = task(x, y)["loss"]
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        validations.append(validated(task.model, held))
    return Told(losses, validations, list(task.parameters()))


class Sharpness(Optimizer):
    """Looks at the gradient beside the weights, and lets another optimizer make the update there."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model.parameters(), {"lr": 0.1})
        self.base_optimizer = torch.optim.SGD(self.param_groups, lr=0.1, momentum=0.9)
        self.param_groups = self.base_optimizer.param_groups
        self.moved: list[tuple[Tensor, Tensor]] = []

    @torch.no_grad()
    def away(self) -> None:
        held = [p for group in self.param_groups for p in group["params"]]
        self.moved = [(p, p.clone()) for p in held]
        for p in held:
            p.add_(p.grad, alpha=0.05)
        self.zero_grad()

    @torch.no_grad()
    def back(self) -> None:
        for p, before in self.moved:
            p.copy_(before)
        self.base_optimizer.step()
        self.zero_grad()

    def step(self, closure: Any = None) -> Any:
        self.away()
        closure()
        self.back()


def beside_its_weights(closures: bool = False) -> Told:
    train, held = data()
    model, losses, validations = net(), [], []
    optimizer = Sharpness(model)
    for _ in range(2):
        model.train()
        for x, y in DataLoader(train, 8, shuffle=True):

            def passed(x: Tensor = x, y: Tensor = y) -> float:
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                return loss.item()

            losses.append(passed())
            if closures:
                optimizer.step(passed)
            else:
                optimizer.away()
                passed()
                optimizer.back()
        validations.append(validated(model, held))
    return Told(losses, validations, list(model.parameters()))


def two_optimizers() -> Told:
    train, _ = data()
    model, losses = net(), []
    body, head = list(model.parameters())[:-2], list(model.parameters())[-2:]
    optimizers: list[Optimizer] = [torch.optim.SGD(body, 0.05), torch.optim.Adam(head, 0.01)]
    for x, y in DataLoader(train, 12, shuffle=True):
        for one in optimizers:
            one.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        for one in optimizers:
            one.step()
        losses.append(loss.item())
    return Told(losses, [], list(model.parameters()))


def on_its_training_data() -> Told:
    train, _ = data()
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        model.train()
        for x, y in DataLoader(train, 12, shuffle=True):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        validated(model, train)
    return Told([], [], list(model.parameters()))


def in_pieces() -> Told:
    """Evaluate without a DataLoader, on pieces that may be of any set."""
    train, held = data()
    (x, y), (more, their) = train.tensors, held.tensors
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        with torch.no_grad():
            for images, labels in zip(more.split(4), their.split(4), strict=True):
                F.cross_entropy(model(images), labels)
    return Told([], [], list(model.parameters()))


def folds() -> list[Told]:
    """Train a new model on each of two halves of one data set, and test it on the other."""
    train, _ = data()
    found = []
    for number in range(2):
        mine, others = list(range(number, 48, 2)), list(range(1 - number, 48, 2))
        model, losses, validations = net(), [], []
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(2):
            model.train()
            for x, y in DataLoader(train, 8, sampler=SubsetRandomSampler(mine)):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            model.eval()
            right = 0
            with torch.no_grad():
                for x, y in DataLoader(train, 8, sampler=SubsetRandomSampler(others)):
                    right += (model(x).argmax(1) == y).sum().item()
            validations.append((float("nan"), right / len(others)))
        found.append(Told(losses, validations, list(model.parameters())))
    return found


def in_two_parts() -> tuple[Told, Told]:
    """Train the head first, then all of it with a new optimizer."""
    train, held = data()
    model = net()
    parts = []
    for trained in (list(model.parameters())[-2:], list(model.parameters())):
        optimizer = torch.optim.SGD(trained, 0.05)
        losses, validations = [], []
        for _ in range(2):
            model.train()
            for x, y in DataLoader(train, 12, shuffle=True):
                optimizer.zero_grad()
                loss = F.cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
            validations.append(validated(model, held))
        parts.append(Told(losses, validations, list(model.parameters())))
    return parts[0], parts[1]


def adversaries() -> tuple[Told, Told]:
    """Train a generator and a discriminator."""
    train, _ = data()
    generator = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 36))
    judge = nn.Sequential(nn.Linear(36, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    first, second = torch.optim.Adam(generator.parameters(), 2e-3), torch.optim.Adam(judge.parameters(), 2e-3)
    costs: tuple[list[float], list[float]] = ([], [])
    for x, _ in DataLoader(train, 12):
        true, false = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        made = generator(torch.randn(len(x), 4))
        second.zero_grad()
        real = F.binary_cross_entropy_with_logits(judge(x.flatten(1)), true)
        real.backward()
        fake = F.binary_cross_entropy_with_logits(judge(made.detach()), false)
        fake.backward()
        second.step()
        first.zero_grad()
        fooled = F.binary_cross_entropy_with_logits(judge(made), true)
        fooled.backward()
        first.step()
        costs[0].append(fooled.item())
        costs[1].append(real.item() + fake.item())
    return Told(costs[0], [], list(generator.parameters())), Told(costs[1], [], list(judge.parameters()))


ONE_MODEL: dict[str, Callable[[], Told]] = {
    "plain": plain,
    "without no_grad": without_no_grad,
    "evaluated by the module within": lambda: plain(within=True),
    "scaled": scaled,
    "closures": closures,
    "loss in a module": loss_in_a_module,
    "beside its weights": beside_its_weights,
    "beside its weights, by a closure": lambda: beside_its_weights(closures=True),
    "two optimizers": two_optimizers,
}


def noted_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets the number of each step of which only the loss is seen, in one call or in more."""
    noted: list[int] = []
    slow, quick = Session.rested, NotedLosses.record

    def rested(session: Session, losses: list[Tensor]) -> None:
        noted.append(session.steps)
        slow(session, losses)

    def record(losses: NotedLosses) -> bool:
        session = losses._session
        done = quick(losses)
        if done:
            noted.append(session.steps - 1)
        return done

    monkeypatch.setattr(Session, "rested", rested)
    monkeypatch.setattr(NotedLosses, "record", record)
    return noted
