"""Of a step that is only noted, the loss is that of the model's own batches, whatever else learns beside it."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from cvtui.engine.custom_loop import quick_steps
from tests.engine.run_script import scripts
from tests.engine.run_script.test_watcher import history, run

pytestmark = pytest.mark.torch


class Twice(torch.optim.SGD):
    """An optimizer of the script's own, whose step is its base's and more: PyTorch calls the hooks of both."""

    def step(self, closure: Any = None) -> Any:
        return super().step(closure)


class Loop:
    """A step of another kind at every turn; each returns the loss that is the step's."""

    def __init__(self) -> None:
        images = torch.randn(160, 1, 6, 6)
        self.data = TensorDataset(images, (images.mean((1, 2, 3)) > 0).long())
        self.model, self.other = scripts.net(), nn.Linear(36, 2)
        torch.optim.SGD(self.other.parameters())  # PyTorch puts hooks on a class with its first optimizer
        self.optimizer = Twice(self.model.parameters(), 0.05)
        self.batches: Iterator[Any] = iter(())
        self.kept: list[Tensor] = []
        self.next: Any = None

    def draw(self) -> None:
        self.next = next(self.batches, None)

    def passed(self, x: Tensor, y: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = cross_entropy(self.model(x), y)
        loss.backward()
        return loss

    def others(self, x: Tensor, y: Tensor) -> None:
        cross_entropy(self.other(x.flatten(1)), y).backward()

    def plain(self, x: Tensor, y: Tensor) -> Tensor:
        loss = self.passed(x, y)
        self.optimizer.step()
        return loss

    def left_out(self, x: Tensor, y: Tensor) -> None:
        """As where its gradient is too large."""
        self.passed(x, y)
        self.optimizer.zero_grad()

    def failed(self, x: Tensor, y: Tensor) -> None:
        """As where there is no memory for its update."""

        def fails(*_: Any) -> None:
            raise RuntimeError

        self.passed(x, y)
        hook = self.optimizer.register_step_pre_hook(fails)
        with contextlib.suppress(RuntimeError):
            self.optimizer.step()
        hook.remove()

    def adversarial(self, x: Tensor, y: Tensor) -> Tensor:
        moved = x.clone().requires_grad_(True)
        self.passed(moved, y)
        assert moved.grad is not None
        return self.plain(x + 0.01 * moved.grad.sign(), y)

    def second_look(self, x: Tensor, y: Tensor) -> Tensor:
        """As SAM's."""
        loss = self.passed(x, y)
        self.optimizer.step(lambda: self.passed(x, y))
        return loss

    def beside(self, x: Tensor, y: Tensor) -> Tensor:
        """Another net learns in a thread, and between two steps."""
        self.optimizer.zero_grad()
        loss = cross_entropy(self.model(x), y)
        thread = threading.Thread(target=self.others, args=(x, y))
        thread.start()
        thread.join()
        loss.backward()
        self.optimizer.step()
        self.others(x, y)
        return loss

    def part(self, x: Tensor, y: Tensor) -> None:
        """Keep the gradients of the first of two batches, as Lightning does."""
        self.kept = [self.passed(x, y)]

    def rest(self, x: Tensor, y: Tensor) -> Tensor:
        def closure() -> Tensor:
            self.kept.append(cross_entropy(self.model(x), y))
            self.kept[-1].backward()
            return self.kept[-1]

        self.optimizer.step(closure)
        kept, self.kept = self.kept, []
        return torch.stack(kept).sum()

    def early(self, x: Tensor, y: Tensor) -> Tensor:
        """Draw the next batch between the passes, which may end the loader."""
        self.optimizer.zero_grad()
        self.kept = []
        loss = cross_entropy(self.model(x), y)
        self.draw()
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self) -> tuple[list[float], list[Tensor]]:
        kinds: list[Callable[[Tensor, Tensor], Tensor | None]] = [
            *(self.plain, self.left_out, self.plain, self.adversarial, self.plain, self.second_look, self.beside),
            *(self.plain, self.part, self.rest, self.plain, self.failed, self.plain, self.early),
        ]
        losses, number = [], 0
        for _ in range(8):
            self.batches = iter(DataLoader(self.data, 8, shuffle=True))
            self.draw()
            while self.next is not None:
                batch = self.next
                loss = (self.early if number % 20 == 19 else kinds[number % len(kinds)])(*batch)
                if self.next is batch:
                    self.draw()
                number += 1
                losses += [] if loss is None else [loss.item()]
        return losses, [*self.model.state_dict().values()]


def test_each_loss_is_the_steps_own_and_no_bit_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_steps, "SHARE", 1e-9)
    monkeypatch.setattr(quick_steps, "SHORT_SECONDS", 1e9)
    noted = scripts.noted_steps(monkeypatch)
    backward = torch.autograd.backward
    losses, weights = run(lambda: Loop().train(), None)
    told, watched = run(lambda: Loop().train(), tmp_path)
    assert torch.autograd.backward is backward
    assert told == losses
    assert all(map(torch.equal, weights, watched))
    found = history(tmp_path / "s")
    recorded = list(found.steps.loss)
    assert len(noted) > 20
    assert len(recorded) == len(losses)
    pairs = enumerate(zip(recorded, losses, strict=True))
    assert not [at for at, (one, loss) in pairs if not math.isclose(one, loss, rel_tol=1e-5)]
    for before, epoch in itertools.pairwise(found.epochs):  # (Lightning's last step of an epoch has fewer batches)
        own_losses = losses[before.step : epoch.step]
        assert epoch.train_loss == pytest.approx(sum(own_losses) / len(own_losses), rel=1e-4)


class ByName(nn.Sequential):
    """A net that is given its images as the first input, by name or in a batch."""

    def forward(self, images: Any) -> Any:
        return super().forward(images["images"] if isinstance(images, dict) else images)


@pytest.mark.parametrize("how", ["first", "by name", "in a batch"])
def test_a_smaller_last_batch_counts_by_its_images(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick_steps, "SHARE", 1e-9)
    monkeypatch.setattr(quick_steps, "SHORT_SECONDS", 1e9)
    noted = scripts.noted_steps(monkeypatch)
    train, held = scripts.data()
    means: list[float] = []

    def script() -> None:
        model = ByName(*scripts.net().children())
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        for _ in range(8):
            model.train()
            total = 0.0
            for x, y in DataLoader(train, 5):
                optimizer.zero_grad()
                output = model(x) if how == "first" else model(images=x) if how == "by name" else model({"images": x})
                loss = cross_entropy(output, y)
                loss.backward()
                optimizer.step()
                total += loss.item() * len(x)
            means.append(total / len(train))
            scripts.validated(model, held)

    run(script, tmp_path)
    assert len(noted) > 20
    assert any(step % 10 == 9 for step in noted)
    found = [epoch.train_loss for epoch in history(tmp_path / "s").epochs]
    assert found == pytest.approx(means, rel=1e-5)
