"""One training step, against the same step written by hand with PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cvtui.engine.data.images import Images
from cvtui.engine.train.step import PlainStep, training_step
from tests.engine import making


def test_a_plain_step_is_pytorchs() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(5, 16, 4), torch.randint(3, (5, 16))
    ours, theirs = (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    state = PlainStep(ours, nn.functional.cross_entropy, torch.optim.SGD(ours.parameters(), 0.1, momentum=0.9))
    optimizer = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.9)
    for pixels, labels in zip(x, y, strict=True):
        loss, logits = training_step(state, Images(pixels, labels))
        expected = theirs(pixels)
        cost = nn.functional.cross_entropy(expected, labels)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()
        assert torch.equal(loss, cost)
        assert torch.equal(logits, expected)
    assert all(map(torch.equal, ours.parameters(), theirs.parameters()))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_step_of_a_recipe_augments_normalizes_and_counts(precision: str) -> None:
    changes: dict[str, Any] = {"augment": "shift(1)", "ema": 0.9, "optimizer": "adamw", "precision": precision}
    ours, theirs = making.training(**changes), making.training(**changes)
    for each in (ours, theirs):
        each.model.train()
    for number, batch in enumerate(ours.batches(1)):
        if number == 4:
            break
        ours.update_lr()
        theirs.update_lr()
        loss, logits = training_step(ours, batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            expected = theirs.model(theirs.preprocess(theirs.augment(batch.pixels, number)))
            cost = nn.functional.cross_entropy(expected, batch.labels)
        theirs.optimizer.zero_grad()
        cost.backward()
        theirs.optimizer.step()
        assert theirs.ema is not None
        theirs.ema.update(number)
        theirs.step += 1
        assert torch.equal(loss, cost)
        assert torch.equal(logits, expected)
    assert (ours.step, ours.batch_index) == (4, 4)
    for mine, other in ((ours.model, theirs.model), (ours.eval_model, theirs.eval_model)):
        assert all(map(torch.equal, mine.state_dict().values(), other.state_dict().values()))


def test_what_comes_before_the_update_sees_the_gradients_and_the_old_weights() -> None:
    net = nn.Linear(4, 3)
    before = net.weight.detach().clone()
    seen: list[torch.Tensor] = []

    def look(loss: torch.Tensor) -> None:
        assert torch.equal(net.weight, before)
        assert net.weight.grad is not None
        seen.append(loss)

    state = PlainStep(net, nn.functional.cross_entropy, torch.optim.SGD(net.parameters(), 0.1), [look])
    loss, _ = training_step(state, Images(torch.randn(8, 4), torch.randint(3, (8,))))
    assert seen == [loss]
    assert not torch.equal(net.weight, before)
