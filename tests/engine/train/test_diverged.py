"""A loss that is NaN or infinite: its update is left out, the run says where it came from, and can go on."""

from __future__ import annotations

import math
import timeit
from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui.engine.observe.divergence import NonfiniteStreak
from cvtui.engine.observe.gradient_norm import GradientNorm
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.train import checkpoint
from cvtui.engine.train.nonfinite_guard import NonfiniteGuard, nonfinite_rule
from cvtui.engine.train.nonfinite_trace import image_numbers, locate
from cvtui.engine.train.state import TrainingState, first_batch
from cvtui.recipe.choices.on_nan import ON_NAN
from cvtui.recipe.choices.spec import parse_choice
from cvtui.runlog.events import CheckpointSaved, CommandApplied, Finding, RunEnded, RunStarted
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.worker_process import launch
from tests.engine.making import folder, gradient_of, history, records, train, training
from tests.engine_within import engines_within

NORMED = "conv4s2-bn-relu-fc"
WILD: dict[str, Any] = {
    "net": "fc32-fc32-fc",
    "optimizer": "sgd",
    "schedule": "range-test(decades=9)",
    "lr": 1e5,
    "epochs": 40,
    "watch_every": 0,
}
"""The rate climbs from 1e-4 to 1e5: it trains well for some epochs and then falls apart."""


def of(run: RunFolder, kind: type) -> list[Any]:
    return [record for record in records(run) if isinstance(record, kind)]


@pytest.fixture(scope="module")
def wrecked(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = folder(tmp_path_factory.mktemp("runs"), "wrecked", **WILD)
    code, _, err = train(run)
    assert (code, err) == (1, "")
    return run


# ---------------------------------------------------------------- the guard


def steps(t: TrainingState, poison: dict[int, float], count: int, *, guarded: bool = True) -> list[float]:
    """Take `count` steps on the first batch; at some, one weight's gradient is set to a number."""
    norm = GradientNorm([t.optimizer], LayerWatch(t.model, [t.optimizer], 0))
    guard = NonfiniteGuard(t.model, t.optimizer, norm) if guarded else None
    batch, losses = first_batch(t), []
    t.model.train()
    for number in range(count):
        t.update_lr()
        loss = t.loss(t.model(t.preprocess(batch.pixels)), batch.labels)
        t.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if number in poison:
            gradient_of(next(t.model.parameters())).view(-1)[0] = poison[number]
        if guard is not None:
            guard.expect(loss)
        t.optimizer.step()
        t.step += 1
        losses.append(loss.item())
    norm.close()
    if guard is not None:
        guard.close()
    return losses


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_bad_update_is_left_out_to_the_last_bit(optimizer: str, number: float) -> None:
    """Weights, moments and running means after a bad step are those of before it."""
    t = training(net=NORMED, optimizer=optimizer, lr=0.01)
    steps(t, {}, 5)
    running = {name for name, buffer in t.model.named_buffers() if buffer.is_floating_point()}
    before = {name: value.clone() for name, value in t.model.state_dict().items()}
    moments = [v.clone() for s in t.optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    steps(t, {0: number, 1: number}, 2)
    after = t.model.state_dict()
    assert running
    for name, value in before.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(value, after[name]), name
    now = [v for s in t.optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    assert all(torch.equal(a, b) for a, b in zip(moments, now, strict=True))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw"])
def test_healthy_steps_keep_every_bit(optimizer: str) -> None:
    fields = {"net": NORMED, "optimizer": optimizer, "lr": 0.01}
    with_guard, without = training(**fields), training(**fields)
    assert steps(with_guard, {}, 20) == steps(without, {}, 20, guarded=False)
    assert all(
        torch.equal(a, b)
        for a, b in zip(with_guard.model.state_dict().values(), without.model.state_dict().values(), strict=True)
    )


def test_the_device_path_does_the_same_as_the_one_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs on a GPU (a flag, no reading back) gives the same bits, asked of the CPU."""
    plain, flagged = training(net=NORMED, optimizer="adamw"), training(net=NORMED, optimizer="adamw")
    expected = steps(plain, {3: math.nan, 4: math.inf}, 12)
    init = NonfiniteGuard.__init__

    def on_device(self: NonfiniteGuard, *words: Any) -> None:
        init(self, *words)
        self._on_cpu = False

    monkeypatch.setattr(NonfiniteGuard, "__init__", on_device)
    assert steps(flagged, {3: math.nan, 4: math.inf}, 12) == expected


def test_streaks_are_counted_over_flushes() -> None:
    streak = NonfiniteStreak(3)
    nan = math.nan
    assert [streak.take(step, loss, 1.0) for step, loss in enumerate([1.0, nan, nan, 1.0, nan, nan])] == [None] * 6
    found = streak.take(6, math.inf, 1.0)
    assert found is not None
    assert (found.step, str(found), streak.total) == (4, "the loss was NaN at step 4", 5)
    assert NonfiniteStreak(1).take(7, 1.0, math.inf).args == ("a gradient was infinite at step 7",)  # type: ignore[union-attr]
    assert NonfiniteStreak(0).take(0, nan, nan) is None


def test_the_rules() -> None:
    assert nonfinite_rule(parse_choice("stop", ON_NAN)) == (True, 3)
    assert nonfinite_rule(parse_choice("stop(1)", ON_NAN)) == (True, 1)
    assert nonfinite_rule(parse_choice("skip(steps=7)", ON_NAN)) == (True, 7)
    assert nonfinite_rule(parse_choice("continue", ON_NAN)) == (False, 0)


# ---------------------------------------------------------------- where it came from


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1"])
def test_the_first_layer_is_named(layer: str) -> None:
    t = training(net="conv4s2-relu-conv4-tanh-fc")
    batch = first_batch(t)
    state = torch.get_rng_state()
    before = {name: value.clone() for name, value in t.model.state_dict().items()}
    with torch.no_grad():
        t.model.get_parameter(f"{layer}.weight").fill_(3e38)
    found = locate(t, batch)
    assert found.layer == layer
    assert "output" in found.message
    with torch.no_grad():
        t.model.get_parameter(f"{layer}.weight")[0] = math.nan
    assert locate(t, batch) == (layer, f"the weight of {layer}")
    with torch.no_grad():
        t.model.get_parameter(f"{layer}.weight").copy_(before[f"{layer}.weight"])
    assert locate(t, batch).layer == ""
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in t.model.state_dict().items())
    assert all(parameter.grad is None for parameter in t.model.parameters())


def test_a_diverged_run_names_layer_step_and_batch_and_keeps_good_weights(wrecked: RunFolder) -> None:
    end, findings = of(wrecked, RunEnded)[-1], of(wrecked, Finding)
    (finding,) = [finding for finding in findings if finding.id == "not-finite"]
    assert end.status == "diverged"
    assert (finding.step, finding.severity, finding.id) == (end.step, "stop", "not-finite")
    assert finding.layer in ("fc1", "fc2", "fc3", "loss")
    epoch, place = divmod(end.step, 12)
    assert f"step {end.step:,} (epoch {epoch + 1}, batch {place + 1} of 12)" in finding.sentence
    index = image_numbers(training(**WILD), epoch + 1, place).tolist()
    assert finding.evidence.startswith(f"training images {', '.join(map(str, index[:8]))}")
    kept = checkpoint.load(wrecked.checkpoints / "last.pt")
    assert "last good checkpoint: checkpoints/last.pt" in finding.evidence
    assert all(torch.isfinite(value).all() for value in kept["model"].values())
    assert kept["step"] <= end.step


def test_it_goes_on_from_the_last_good_checkpoint_with_a_tenth_of_the_rate(wrecked: RunFolder) -> None:
    saved = of(wrecked, CheckpointSaved)[-1].step
    with engines_within():
        engine = launch(wrecked, detached=False, resume=True, rate="/1e7")
    assert engine.wait(60) == 0, wrecked.log.read_text()[-1500:]
    assert of(wrecked, RunStarted)[-1].step == saved
    told = of(wrecked, CommandApplied)[-1]
    found = history(wrecked)
    assert told.command == "set_lr"
    assert told.step == saved
    assert found.steps.lr[saved] == pytest.approx(told.value)
    assert found.state() == "finished"
    assert all(finding.step <= saved for finding in found.findings), "what happened after the checkpoint is done again"
    assert all(math.isfinite(loss) for loss in found.steps.loss)


@pytest.mark.long
def test_a_wrong_rate_is_a_wrong_request(tmp_path: Path) -> None:
    run = folder(tmp_path, epochs=1)
    assert launch(run, detached=False, resume=True, rate="fast").wait(60) == 2
    assert "'fast' is no rate" in run.log.read_text()


@pytest.mark.parametrize("rule", ["skip(steps=5)", pytest.param("stop(1)", marks=pytest.mark.long)])
def test_the_number_of_steps_is_the_recipes(tmp_path: Path, rule: str) -> None:
    run = folder(tmp_path, on_nan=rule, **{**WILD, "batch_size": 4, "epochs": 1})
    assert train(run)[0] == 1
    end = of(run, RunEnded)[-1]
    assert end.status == "diverged"
    assert history(run).steps_done == end.step + (5 if "5" in rule else 1)


def test_continue_trains_to_the_end(tmp_path: Path) -> None:
    run = folder(tmp_path, on_nan="continue", **{**WILD, "epochs": 10, "lr": 1e20, "schedule": "constant"})
    assert train(run)[0] == 0
    assert of(run, RunEnded)[-1].status == "finished"
    found = history(run)
    assert math.isnan(found.steps.loss[-1])
    assert found.steps_done == 120


def test_guarding_costs_less_than_a_fiftieth_of_a_step() -> None:
    t = training(net="[conv32-bn-relu]*2-pool-fc", batch_size=64)
    batch = first_batch(t)
    norm = GradientNorm([t.optimizer], LayerWatch(t.model, [t.optimizer], 0))
    guard = NonfiniteGuard(t.model, t.optimizer, norm)

    def step() -> torch.Tensor:
        loss = t.loss(t.model(t.preprocess(batch.pixels)), batch.labels)
        t.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        return loss

    loss = step()
    norm._take_norm(t.optimizer)

    def look() -> None:
        guard.expect(loss)
        guard._look(t.optimizer)

    looking = min(timeit.repeat(look, number=200, repeat=5)) / 200
    training_ = min(timeit.repeat(step, number=10, repeat=5)) / 10
    print(f"guard: {looking * 1e6:.1f} µs of a step of {training_ * 1e6:.0f} µs")
    assert looking < training_ / 50
