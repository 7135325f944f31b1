"""What the first steps' answers tell of the loop's own accuracy, and of losses that are added up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import cvtui
from cvtui.doctor import examine
from cvtui.runlog.events import Facts
from cvtui.runlog.history import History
from tests.engine.observe.test_loss_probe import CLASSES, SIZE, batch, net

Share = Callable[[Tensor, Tensor], Tensor]
Backward = Callable[[Tensor], None]


def right(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs.argmax(1) == y).float().mean()


def looped(base: Path, share: Share, loss: Share = F.cross_entropy, given: bool = False, every: int = 1,
           backward: Backward = Tensor.backward, passes: int = 1) -> tuple[Facts, set[str]]:  # fmt: skip
    """Train 24 steps; returns the facts and the ids of F49 and F50 that are above a note."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with cvtui.watch(model, optimizer, runs=base, name="run") as run:
        for step in range(24):
            for part in range(passes):
                x, y = batch(step * passes + part)
                outputs = model(x)
                value = loss(outputs, y)
                backward(value)
            if (step + 1) % every == 0:
                optimizer.step()
                optimizer.zero_grad()
            told = share(outputs.detach(), y)
            run.step(loss=value.detach(), accuracy=told, **({"labels": y} if given else {}))
    history = History(run.folder)
    history.poll()
    assert history.facts is not None
    return history.facts, {one.id for one in examine(history) if one.severity != "note"} & {"F49", "F50"}


def by_output(outputs: Tensor, y: Tensor) -> Tensor:
    return ((outputs.softmax(1) > 0.5) == F.one_hot(y, CLASSES).bool()).float().mean()


def over_the_batch(outputs: Tensor, y: Tensor) -> Tensor:
    return right(outputs.softmax(0), y)


WRONG: list[tuple[Share, str]] = [
    (lambda outputs, y: right(outputs, y) * len(y) / 600, "factor of the images"),
    (lambda outputs, y: right(outputs, y) * len(y), "factor of the images"),
    (by_output, "by output"),
    (lambda outputs, y: 100 * by_output(outputs, y), "by output"),
    (over_the_batch, "over the batch"),
    (lambda outputs, y: (right(outputs, y) == 1).float(), "rounded down"),
]


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize(("share", "counted"), WRONG)
def test_a_wrong_accuracy_is_known_by_the_labels_that_the_gradient_shows(
    share: Share, counted: str, given: bool, tmp_path: Path
) -> None:
    facts, found = looped(tmp_path, share, given=given)
    assert facts.accuracy_counted == counted
    assert found == {"F49"}
    assert len(facts.accuracies) == 10


def means() -> Share:
    """Return a running mean over the epoch, as progress bars show it."""
    seen: list[Tensor] = []

    def share(outputs: Tensor, y: Tensor) -> Tensor:
        seen.append(right(outputs, y))
        return torch.stack(seen).mean()

    return share


RIGHT: list[Share] = [
    right,
    lambda outputs, y: 100 * right(outputs, y),
    lambda outputs, y: torch.tensor(round(right(outputs, y).item(), 2)),
    means(),
    lambda outputs, y: (outputs.topk(2).indices == y[:, None]).any(1).float().mean(),
    lambda outputs, y: (torch.randn_like(outputs).argmax(1) == y).float().mean(),
]


@pytest.mark.parametrize("share", RIGHT)
def test_accuracies_of_other_kinds_are_left_in_peace(share: Share, tmp_path: Path) -> None:
    facts, found = looped(tmp_path, share)
    assert (facts.accuracy_counted, found) == ("", set())


def smoothed(outputs: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(outputs, y, label_smoothing=0.1)


@pytest.mark.parametrize("every", [4, 8])
def test_mean_losses_that_are_added_up_are_seen_whatever_a_step_is(every: int, tmp_path: Path) -> None:
    facts, found = looped(tmp_path / "batch", right, every=every)
    assert facts.accumulated == [every, every]
    assert facts.loss_scale == pytest.approx(1, rel=1e-4)
    assert found == {"F50"}
    facts, found = looped(tmp_path / "update", right, passes=every)
    assert facts.accumulated == [every, every]
    assert found == {"F50"}
    facts, found = looped(tmp_path / "factor", right, passes=every, backward=lambda loss: (loss * 1.0).backward())
    assert facts.loss_scale == pytest.approx(1, rel=1e-4), "by the last pass's gradient"
    assert found == {"F50"}


def test_divided_weighted_and_other_sums_are_left_in_peace(tmp_path: Path) -> None:
    facts, found = looped(tmp_path / "divided", right, every=4, backward=lambda loss: (loss / 4).backward())
    assert facts.loss_scale == pytest.approx(0.25, rel=1e-4)
    assert found == set()
    facts, found = looped(tmp_path / "by update", right, passes=4, backward=lambda loss: (loss / 4).backward())
    assert facts.loss_scale == pytest.approx(0.25, rel=1e-4)
    assert found == set()
    _, found = looped(tmp_path / "two", right, every=2)
    assert found == set(), "two batches: a note"
    facts, found = looped(tmp_path / "smoothed", right, loss=smoothed, every=4)
    assert (facts.loss_scale, found) == (None, set()), "a loss that isn't known is not judged"


def test_two_losses_of_one_batch_are_no_accumulation(tmp_path: Path) -> None:
    def twice(loss: Tensor) -> None:
        loss.backward(retain_graph=True)
        (0.1 * loss).backward()

    facts, found = looped(tmp_path, right, backward=twice)
    assert (facts.accumulated, found) == ([1, 1], set())


class Counts(nn.Module):
    """Asks for nothing but shapes: (N) in place of N x 1."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(SIZE, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)[:, 0]


def test_one_output_is_right_at_either_threshold_and_a_half_of_scores_is_noted(tmp_path: Path) -> None:
    for name, least in (("half", 0.5), ("zero", 0.0)):
        model = Counts()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        with cvtui.watch(model, optimizer, runs=tmp_path, name=name) as run:
            for step in range(12):
                x, y = batch(step, 2)
                outputs = model(x)
                loss = F.binary_cross_entropy_with_logits(outputs, y.float())
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.step(loss=loss.detach(), accuracy=((outputs > least).long() == y).float().mean())
        history = History(run.folder)
        history.poll()
        assert history.facts is not None
        assert history.facts.accuracy_counted == {"half": "half of a score", "zero": ""}[name]  # (a note)
