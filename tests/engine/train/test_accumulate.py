"""Accumulated gradients: those of the large batch, counted, recorded and resumed as its steps are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from cvtui.doctor.observations import Observations
from cvtui.engine.data.images import Images
from cvtui.engine.train.graph import why_not
from cvtui.engine.train.step import PlainStep, training_step
from cvtui.errors import RequestError
from cvtui.recipe.learning_rate import images_per_step
from cvtui.recipe.memory_check import memory_need
from cvtui.recipe.validation import check
from cvtui.tui.form.field_values import field_texts
from cvtui.tui.form.preview import _step_division
from cvtui.tui.form.validation import validate
from cvtui.tui.panes.predictions import images_per_second
from tests.engine.making import folder, history, layers_at, recipe, train, training
from tests.engine.stopping import stop_after

SMALL: dict[str, Any] = {"limit": 300, "epochs": 2, "watch_every": 4}
NORM = "conv4s2-bn-relu-drop0.3-fc"


@pytest.mark.parametrize("weight", [None, (0.5, 5.0, 1.0)], ids=["plain", "class weights"])
@pytest.mark.parametrize("images", [32, 29, 11, 8])
def test_the_gradient_is_that_of_the_large_batch(images: int, weight: tuple[float, ...] | None) -> None:
    """In double precision, against one forward pass by PyTorch; the last group may be incomplete."""
    torch.manual_seed(0)
    ours, theirs = (nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)).double() for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    x, y = torch.randn(images, 4, dtype=torch.float64), torch.randint(3, (images,))
    weights = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    loss_of = partial(nn.functional.cross_entropy, weight=weights)
    passes: list[int] = []
    ours.register_forward_pre_hook(lambda _module, inputs: passes.append(len(inputs[0])))
    state = PlainStep(ours, loss_of, torch.optim.SGD(ours.parameters(), 0.1), micro_batch=8)
    loss, logits = training_step(state, Images(x, y))
    expected = theirs(x)
    cost = loss_of(expected, y)
    cost.backward()
    assert max(passes) <= 8
    assert len(passes) == -(-images // 8)
    assert torch.allclose(loss, cost, rtol=1e-13)
    assert torch.allclose(logits, expected, rtol=1e-13)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad, other.grad, rtol=1e-11, atol=1e-15)


def test_a_run_is_that_of_the_large_batch(tmp_path: Path) -> None:
    """Its steps, epochs, schedule, clipping, running mean of the weights and last incomplete group."""
    common: dict[str, Any] = {**SMALL, "clip": 0.5, "ema": 0.9, "warmup": "2", "scale_lr": 64, "augment": "shift(1)"}
    large = folder(tmp_path, "large", **common, batch_size=128)
    split = folder(tmp_path, "split", **common, batch_size=32, accumulate=4)
    for run in (large, split):
        assert train(run)[0] == 0
    a, b = history(large), history(split)
    assert a.run is not None
    assert b.run is not None
    assert (a.run.steps_per_epoch, a.run.total_steps) == (b.run.steps_per_epoch, b.run.total_steps) == (3, 6)
    assert a.steps.lr.tolist() == b.steps.lr.tolist()
    assert b.steps.loss == pytest.approx(a.steps.loss, rel=1e-4)
    assert b.steps.grad_norm == pytest.approx(a.steps.grad_norm, rel=1e-3)
    assert b.steps.accuracy == pytest.approx(a.steps.accuracy, abs=0.02)
    assert [done.train_loss for done in b.epochs] == pytest.approx([done.train_loss for done in a.epochs], rel=1e-4)
    first = [[layer.grad_norm for layer in layers_at(h, 0) if layer.grad_norm] for h in (a, b)]
    assert len(first[0]) == 2
    assert first[1] == pytest.approx(first[0], rel=1e-3)


def test_the_doctor_and_the_screen_know_the_real_batch(tmp_path: Path) -> None:
    run = folder(tmp_path, **SMALL, batch_size=2, accumulate=32, net=NORM)
    assert train(run)[0] == 0
    found = history(run)
    assert found.run is not None
    assert images_per_step(found.run.recipe) == 64
    seen = Observations()
    seen.begin(found.run)
    assert (seen.batch_size, seen.norm_batch) == (64, 2)
    assert [finding.id for finding in found.findings if finding.id == "F22"] == ["F22"], "batch norm sees 2 images"
    speed = images_per_second(found)
    assert speed is None or speed > 0


@pytest.mark.parametrize("on_nan", ["stop", "skip"])
def test_a_resume_in_mid_epoch_is_bit_equal(tmp_path: Path, on_nan: str) -> None:
    how: dict[str, Any] = {**SMALL, "net": NORM, "batch_size": 16, "accumulate": 3, "ema": 0.9, "on_nan": on_nan}
    whole, halved = folder(tmp_path, "whole", **how), folder(tmp_path, "halved", **how)
    assert train(whole)[0] == 0
    stop_after(halved, 9)
    assert train(halved, resume=True)[0] == 0
    a, b = history(whole), history(halved)
    assert a.steps.loss.tobytes() == b.steps.loss.tobytes()
    assert [done.val_loss for done in a.epochs] == [done.val_loss for done in b.epochs]


def test_a_part_that_is_not_finite_leaves_out_the_whole_step(tmp_path: Path) -> None:
    run = folder(tmp_path, **SMALL, batch_size=16, accumulate=4, net=NORM, lr=1e6, optimizer="sgd", on_nan="stop")
    assert train(run)[0] == 1
    found = history(run)
    assert found.end is not None
    assert found.end.status == "diverged"
    assert any(finding.id == "not-finite" for finding in found.findings)


def test_what_does_not_fit_is_one_line() -> None:
    with pytest.raises(RequestError, match=r"^accumulate: 20 x 32 images a step are more .* allowed: 1 to 9$"):
        check(recipe(limit=300, batch_size=32, accumulate=20))
    assert check(recipe(limit=300, batch_size=32, accumulate=9)).steps_per_epoch == 2


def test_it_takes_the_memory_of_one_batch_and_a_graph_is_refused_in_words() -> None:
    one, four = (memory_need(check(recipe(batch_size=32, accumulate=times))) for times in (1, 4))
    assert four.activations - one.activations == 3 * 32 * 64 * 4, "the inputs that wait"
    assert memory_need(check(recipe(batch_size=128))).activations > 3 * one.activations
    assert "accumulated" in why_not(training(batch_size=32, accumulate=4))
    assert "accumulated" not in why_not(training(batch_size=32))


@pytest.mark.parametrize(("accumulate", "words"), [("1", "1,437 / 32"), ("2", "1,437 / (32 x 2)")])
def test_the_form_says_how_the_steps_come_about(accumulate: str, words: str) -> None:
    """Not "the last one joins", which a step of 32 alone would seem to do."""
    texts = {**field_texts(recipe()), "batch_size": "32", "accumulate": accumulate}
    assert _step_division(validate(texts), "32") == words
