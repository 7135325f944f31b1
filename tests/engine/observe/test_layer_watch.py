"""Layer statistics against values worked out by hand, and the promise that looking changes nothing."""

from __future__ import annotations

import copy
import gc
import math
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from cvtui.engine.data.batching import batches
from cvtui.engine.observe.gathered import GATHERED, LONG, RUNS, Places, Windows, places, runs_of
from cvtui.engine.observe.layer_record import DEAD_WINDOW
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.observe.watch_budget import FREE_SAMPLES, SHARE, START, WatchBudget
from cvtui.engine.train.forecast import first_pass
from cvtui.runlog.events import LayersSampled, LayerStats
from tests.engine.making import one_step, training


def watched(model: nn.Module, x: torch.Tensor, steps: int = 1, lr: float = 0.0) -> dict[str, LayerStats]:
    """Return the last sample of some steps of SGD on the sum of the outputs."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    watch = LayerWatch(model, optimizer, every=1)
    for step in range(steps):
        with one_step(watch, step):
            optimizer.zero_grad()
            model(x).sum().backward()
            optimizer.step()
    return {layer.name: layer for layer in watch.take()[-1].layers}


def test_a_linear_layer_with_known_weights() -> None:
    layer = nn.Linear(2, 2, bias=False)
    layer.weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = watched(nn.Sequential(layer), x, lr=0.1)["0"]
    assert (found.kind, found.min, found.max, found.zeros) == ("fc", 0.0, 4.0, 0.5)  # outputs 3 0 / 0 4
    assert found.mean == pytest.approx(1.75, rel=1e-5)
    assert found.std == pytest.approx(math.sqrt((9 + 16) / 4 - 1.75**2), rel=1e-5)
    # dW = 1 1 / 1 1, so the norm of the gradient is 2, and a step of 0.1 moves the weights of norm 5 by 0.2.
    assert found.grad_norm == pytest.approx(2.0, rel=1e-5)
    assert found.update_ratio == pytest.approx(0.2 / 5.0, rel=1e-5)
    assert found.weight_norm == pytest.approx(math.sqrt(2.9**2 + 0.1**2 * 2 + 3.9**2), rel=1e-5)
    assert found.dead is None
    assert found.saturated is None
    assert found.histogram is not None
    assert (found.histogram.low, found.histogram.high) == (0.0, 4.0)
    assert (found.histogram.counts[0], found.histogram.counts[24], found.histogram.counts[31]) == (2, 1, 1)


def test_a_weight_that_takes_another_s_place_is_seen_to_move() -> None:
    layer = nn.Linear(2, 2, bias=False)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    watch = LayerWatch(nn.Sequential(layer), optimizer, every=1)
    for step in range(2):
        with one_step(watch, step):
            layer(torch.eye(2)).sum().backward()
            optimizer.step()
        layer.weight = nn.Parameter(torch.ones(2, 2))
        optimizer.param_groups[0]["params"][:] = [layer.weight]
    assert [sample.layers[0].update_ratio for sample in watch.take()][1] == pytest.approx(0.1)


def test_planted_dead_channels_and_saturated_units() -> None:
    conv = nn.Conv2d(1, 4, 1)
    conv.weight.data = torch.ones(4, 1, 1, 1)
    conv.bias = nn.Parameter(torch.tensor([0.0, -100.0, 5.0, -100.0]))
    x = torch.rand(3, 1, 5, 5) + 0.1
    found = watched(nn.Sequential(conv, nn.ReLU(), nn.Flatten()), x)
    assert found["1"].dead == 0.5
    assert found["1"].zeros == pytest.approx(0.5, abs=1e-6)
    assert found["0"].dead is None

    layer = nn.Linear(1, 4, bias=False)
    layer.weight.data = torch.tensor([[0.1], [5.0], [-5.0], [1.0]])
    assert watched(nn.Sequential(layer, nn.Tanh()), torch.ones(2, 1))["1"].saturated == 0.5  # tanh(1) is 0.76
    layer.weight.data = torch.tensor([[0.1], [5.0], [-5.0], [-4.0]])
    assert watched(nn.Sequential(layer, nn.Sigmoid()), torch.ones(2, 1))["1"].saturated == 0.75


def test_a_channel_is_dead_only_when_it_was_silent_for_all_of_the_last_samples() -> None:
    layer = nn.Linear(1, 2, bias=False)
    layer.weight.data = torch.tensor([[1.0], [-1.0]])
    model = nn.Sequential(layer, nn.ReLU())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    watch = LayerWatch(model, optimizer, every=1)
    dead = []
    for step in range(DEAD_WINDOW + 2):
        x = torch.full((4, 1), -1.0 if step == 1 else 1.0)
        with one_step(watch, step):
            model(x).sum().backward()
            optimizer.step()
        dead += [layer.dead for layer in watch.take()[0].layers if layer.name == "1"]
    assert dead == [0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5]


def test_values_that_are_not_finite_become_null_and_the_histogram_counts_the_rest() -> None:
    found = watched(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), torch.tensor([[math.nan], [math.nan]]))
    assert found["1"].histogram is None
    assert found["1"].mean is not None
    assert math.isnan(found["1"].mean), "which the log writes as null"


def states(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    moments_of = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]
    return [*model.state_dict().values(), *moments_of, torch.get_rng_state()]


def test_watching_every_step_leaves_every_bit_as_it_was() -> None:
    def run(every: int) -> tuple[list[float], list[torch.Tensor]]:
        t = training(net="conv8-bn-relu-drop0.3-res(conv8-relu)-tanh-gap-fc", optimizer="adam")
        watch = LayerWatch(t.model, t.optimizer, every)
        losses = []
        t.model.train()
        for step, (pixels, labels) in enumerate(batches(t.data.train, 64, 0, 1)):
            with one_step(watch, step):
                loss = t.loss(t.model(t.preprocess(pixels)), labels)
                t.optimizer.zero_grad()
                loss.backward()
                t.optimizer.step()
            losses.append(loss.item())
        assert len(watch.take()) == (len(losses) if every else 0)
        assert not hooks_of(t.model)
        assert t.model.training
        return losses, states(t.model, t.optimizer)

    (plain, before), (seen, after) = run(0), run(1)
    assert plain == seen
    assert len(before) == len(after)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def hooks_of(model: nn.Module) -> list[Any]:
    return [hook for module in model.modules() for hook in module._forward_hooks.values()]


def test_hooks_come_off_when_the_step_fails_and_nothing_is_recorded() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = LayerWatch(model, optimizer, every=5)

    def failing_step() -> None:
        with one_step(watch, 0):
            assert hooks_of(model)
            model(torch.ones(1, 4))

    with pytest.raises(RuntimeError):
        failing_step()
    assert not hooks_of(model)
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert watch.take() == []
    with one_step(watch, 1):
        assert not hooks_of(model), "between samples there is none"


class Time:
    """A clock that is told what things take."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_samples_thin_out_from_the_first_one_and_stay_within_their_share() -> None:
    """Steps of 2 ms of which a sampled one takes 5, 1 ms of it in hooks; each record takes another millisecond."""
    clock = Time()
    budget = WatchBudget(clock)
    sampled = []
    for step in range(10_000):
        due = step % 10 == 0 and budget.allows_sample()
        clock.now += 0.005 if due else 0.002
        if due:
            sampled.append(step)
            budget.sampled_step(0.005, 0.001)
            clock.now += 0.001
            budget.samples += 0.001
        else:
            budget.plain_step(0.002)
    assert sampled[:3] == [0, 10, 20]
    taken = 0.004 * len(sampled)
    assert taken <= START + SHARE * clock.now + 0.004
    assert taken > 0.8 * SHARE * clock.now or len(sampled) >= FREE_SAMPLES
    assert budget.share() == pytest.approx(taken / clock.now, rel=0.2), "what the header says is what it took"
    in_quarters = [sum(step // 2500 == part for step in sampled) for part in range(4)]
    assert min(in_quarters) >= 3, "never blind: they are spread over the whole run"


def test_a_turn_of_another_program_is_charged_to_nobody() -> None:
    """A quarter of the steps, sampled ones too, are interrupted for 12 ms."""
    clock = Time()
    budget = WatchBudget(clock)
    dice = random.Random(0)
    for step in range(2000):
        turn = dice.choice((0.0, 0.0, 0.0, 0.012))
        if step % 50 == 0:
            budget.sampled_step(0.003 + turn, 0.001)
        else:
            budget.plain_step(0.002 + turn)
    assert budget.samples == pytest.approx(40 * 0.001, rel=0.3)


@pytest.mark.parametrize("noise", [0.0, 0.0005])
def test_samples_are_charged_what_they_took_where_a_few_take_much_longer(noise: float) -> None:
    """Beyond steps of 2 ms: mostly 0.4 ms, of every fourth sample 1.2; the noise is half of it."""
    clock = Time()
    budget = WatchBudget(clock)
    dice = random.Random(0)
    taken = 0.0
    for step in range(4000):
        plain = 0.002 + dice.uniform(-noise, noise)
        if step % 10 == 0:
            own = 0.0012 if step % 40 == 0 else 0.0004
            taken += own
            budget.sampled_step(plain + own, own)
        else:
            budget.plain_step(plain)
    assert budget.seconds == pytest.approx(taken, rel=0.1)


def test_one_value_that_is_not_finite_shows_in_the_mean_of_a_large_output() -> None:
    count = 64 * GATHERED
    unseen = min(set(range(count)) - set(places(count, torch.device("cpu")).tolist()))
    values = torch.zeros(count, 1)
    for one in (4096.0, math.nan, math.inf):
        layer = nn.Linear(1, 1, bias=False)
        layer.weight.data = torch.ones(1, 1)
        values[unseen] = one
        for found in watched(nn.Sequential(layer, nn.ReLU()), values).values():
            assert (found.sampled, found.max) == (64, 0.0), "no value that was gathered tells it"
            assert found.mean == pytest.approx(one / count, nan_ok=True)
            assert bool(found.not_finite) is not math.isfinite(one)


def test_the_first_sample_is_taken_whatever_it_takes() -> None:
    clock = Time()
    budget = WatchBudget(clock)
    assert budget.allows_sample()
    clock.now = 2.0
    budget.sampled_step(2.0, 1.0)
    assert not budget.allows_sample()
    clock.now = 123.0
    assert not budget.allows_sample()
    clock.now = 124.0
    assert budget.allows_sample(), "1 s is 0.8 % of it now, and 9 ms"
    budget.add_pictures(1.0)
    clock.now = 249.0
    assert not budget.allows_sample()
    clock.now = 251.0
    assert budget.allows_sample(), "half of the share is theirs, whatever pictures take"


def test_later_samples_keep_their_distance_in_time() -> None:
    model = nn.Sequential(nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    budget = WatchBudget()
    watch = LayerWatch(model, optimizer, 2, budget)
    budget._born -= 1000.0  # all the time that it could want
    for step in range(2 * FREE_SAMPLES + 100):
        with one_step(watch, step):
            optimizer.zero_grad()
            model(torch.ones(1, 1)).sum().backward()
            optimizer.step()
    steps = [sample.step for sample in watch.take()]
    assert steps[:FREE_SAMPLES] == list(range(0, 2 * FREE_SAMPLES, 2))
    assert len(steps) < FREE_SAMPLES + 50
    assert watch.seconds > 0


def test_the_kinds_of_a_net_expression_are_those_of_its_words() -> None:
    from cvtui.calc.net.nodes import ACTIVATIONS
    from cvtui.engine.nn.model import ACTIVATIONS as BUILT
    from cvtui.engine.observe.layer_kinds import CLASSES
    from cvtui.runlog.kinds import ACTIVATIONS as READ

    assert {kind for _, kind in CLASSES} >= {"conv", "fc", *ACTIVATIONS}
    assert set(READ) >= set(ACTIVATIONS) == set(BUILT)


def test_the_foretold_spread_leaves_random_numbers_and_running_means_alone() -> None:
    t = training(net="conv8-bn-relu-drop-fc")
    t.model.train()
    before = [tensor.clone() for tensor in states(t.model, t.optimizer)]
    found = first_pass(t)[1]
    assert list(found) == ["conv1", "relu1", "fc1"]
    assert all(torch.equal(a, b) for a, b in zip(before, states(t.model, t.optimizer), strict=True))
    pixels, _ = next(batches(t.data.train, 128, 0, 1))
    conv: Any = t.model.get_submodule("conv1")
    assert found["conv1"] == pytest.approx(conv(t.preprocess(pixels)).std(correction=0).item(), rel=1e-5)


def all_hooks(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[int]:
    tables = [table for module in model.modules() for table in (module._forward_hooks, module._forward_pre_hooks)]
    return [*map(len, tables), len(optimizer._optimizer_step_pre_hooks), len(optimizer._optimizer_step_post_hooks)]


def test_a_step_without_a_sample_has_no_hook_and_the_next_sample_sees_everything_again() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    model.train()
    watch = LayerWatch(model, optimizer, every=2)
    images = torch.rand(8, 1, 8, 8)
    for step in range(5):
        with one_step(watch, step):
            assert (sum(all_hooks(model, optimizer)) > 0) is (step % 2 == 0)
            optimizer.zero_grad()
            model(images).sum().backward()
            optimizer.step()
        assert sum(all_hooks(model, optimizer)) == 0
    first, *others = watch.take()
    assert [sample.step for sample in others] == [2, 4]
    for sample in others:
        assert [(layer.name, layer.std, layer.histogram) for layer in sample.layers] == [
            (layer.name, layer.std, layer.histogram) for layer in first.layers
        ], "the rate is 0: each sees the same"


def test_hooks_that_are_off_keep_no_model_alive() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = LayerWatch(model, optimizer, every=1)
    with one_step(watch, 0):
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
    there = weakref.ref(model)
    del model, optimizer, watch
    gc.collect()
    assert there() is None


def test_a_run_of_three_seconds_stays_within_two_percent() -> None:
    """Steps of 2 ms; a sample takes 1 ms in its step and 1 ms for its record; two sets of pictures take 4 ms each."""
    clock = Time()
    budget = WatchBudget(clock)
    for step in range(1500):
        due = step % 10 == 0 and budget.allows_sample()
        seconds = 0.003 if due else 0.002
        clock.now += seconds
        if due:
            budget.sampled_step(seconds, 0.0005)
            clock.now += 0.001
            budget.samples += 0.001
        else:
            budget.plain_step(seconds)
        if step in (200, 1499):
            clock.now += 0.004
            budget.add_pictures(0.004)
    assert 0.01 < budget.share() <= 0.02
    assert budget.seconds <= START + SHARE * clock.now + 0.002, "pictures, the last too, come out of one account"
    assert budget.share() == pytest.approx(1 - 3.0 / clock.now, rel=0.05), "and that is what it took"


def test_a_slow_nets_samples_are_charged_what_their_hooks_took() -> None:
    """Steps of 110 ms, up to 15 more by chance; a sample takes 3 ms."""
    clock = Time()
    budget = WatchBudget(clock)
    dice = random.Random(0)
    for step in range(50):
        seconds = 0.11 + dice.uniform(0.0, 0.015)
        if step % 10 == 0:
            assert budget.times_hooks
            budget.sampled_step(seconds + 0.003, 0.003)
        elif step % 10 == 1:
            budget.step_after(seconds)
        else:
            budget.plain_step(seconds)
    assert budget.seconds == pytest.approx(5 * 0.003, rel=0.01)


def test_the_first_set_of_pictures_waits_until_there_is_room_for_it_and_the_last() -> None:
    clock = Time()
    budget = WatchBudget(clock)
    budget.last_set = 0.005  # the most that the first one may take
    budget.add_reading(0.006)
    clock.now = 0.7
    assert not budget.allows_first_set()
    clock.now = 0.9
    assert budget.allows_first_set(), "6 ms and two sets are below 2 % of it"


def test_the_step_after_a_sampled_one_is_charged_too() -> None:
    """Steps of 2 ms; a sampled one takes 3, and the next, whose memory it has pushed out of the caches, 2.1."""
    clock = Time()
    budget = WatchBudget(clock)
    for step in range(400):
        last = step % 10
        if last == 0:
            budget.sampled_step(0.003, 0.001)
        elif last == 1:
            budget.step_after(0.0021)
        else:
            budget.plain_step(0.002)
    assert budget.seconds == pytest.approx(40 * 0.0011, rel=0.02)
    budget.step_after(0.1)
    assert budget.seconds == pytest.approx(40 * 0.0011, rel=0.02), "a turn of another program"


def test_few_steps_are_timed_and_what_a_sample_takes_is_charged_all_the_same() -> None:
    """Steps of 2 ms by a clock of its own, samples of 3 ms; the clock is read at the steps that it needs."""
    clock = Time()
    reads = []

    def read() -> float:
        reads.append(clock.now)
        return clock.now

    model = nn.Sequential(nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    budget = WatchBudget(read)
    watch = LayerWatch(model, optimizer, 10, budget)
    charged = []
    for step in range(61):
        before, count = budget.samples, len(reads)
        with one_step(watch, step):
            clock.now += 0.003 if watch.is_looking else 0.002
        if step % 10 in (2, 3, 4, 5, 6):
            assert len(reads) == count, "no system call at a step that nothing is compared with"
        charged.append(round(1000 * (budget.samples - before), 6))
    assert charged[20::10] == [1.0] * 5


class Calling(nn.Module):
    """Activations as functions, and a weight that a function makes."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(2, 3), nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(torch.tanh(nn.functional.relu(self.one(x))))


def test_a_look_calls_nothing_that_is_taken_for_a_call_of_the_model() -> None:
    model = Calling()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    calls: list[Any] = []
    watch = LayerWatch(model, optimizer, every=1)
    mode = watch._hooks._calls
    original = type(mode).__torch_function__

    def counted(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        calls.append(getattr(func, "__name__", str(func)))
        return original(self, func, types, args, kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(mode), "__torch_function__", counted)
        with one_step(watch, 0):
            model(torch.ones(4, 2)).sum().backward()
            optimizer.step()
    assert [layer.name for layer in watch.take()[0].layers] == ["one", "one/relu", "one/tanh", "two"]
    assert not {"index_select", "clone", "mean", "argmax", "view"} & set(calls), calls


def test_functions_are_not_looked_for_where_a_model_has_none() -> None:
    model = Calling()
    watch = LayerWatch(model, torch.optim.SGD(model.parameters(), lr=0.1), every=1, functions=False)
    with one_step(watch, 0):
        model(torch.ones(4, 2)).sum().backward()
    assert [layer.name for layer in watch.take()[0].layers] == ["one", "two"]


def both_ways(make: Callable[[], nn.Module], x: torch.Tensor, steps: int = 3) -> list[list[LayersSampled]]:
    """Return the samples of a training by hooks that torch.compile could trace, and by the trainer's quicker ones."""
    found = []
    for plainly in (False, True):
        torch.manual_seed(0)
        model = make()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        watch = LayerWatch(model, optimizer, every=1, functions=False, plainly=plainly)
        for step in range(steps):
            with one_step(watch, step):
                optimizer.zero_grad()
                model(x).square().mean().backward()
                optimizer.step()
        found.append(watch.take())
        assert "look" not in vars(model)
        assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
        assert not optimizer._optimizer_step_pre_hooks
        assert not optimizer._optimizer_step_post_hooks
    return found


class Shared(nn.Module):
    """One batch norm runs twice in a pass."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.alone = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.act, self.head = nn.ReLU(inplace=True), nn.Linear(8 * 64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.norm(self.norm(self.conv(x))))
        answer: torch.Tensor = self.head(self.alone(x).flatten(1))
        return answer


@pytest.mark.parametrize("kind", ["a net of ours", "a module"])
def test_the_trainer_s_quicker_hooks_see_what_others_see(kind: str) -> None:
    def make() -> nn.Module:
        if kind == "a module":
            return Shared()
        model = training(net="conv32-bn-relu-conv32-relu-pool-res(conv32-bn-relu)-tanh-fc").model
        model.write_over()  # type: ignore[operator]
        return model.train()

    x = torch.randn(64, 3, 8, 8) if kind == "a module" else torch.randn(64, 1, 8, 8)
    one, other = both_ways(make, x.to(memory_format=torch.channels_last))
    assert [sample.layers for sample in one] == [sample.layers for sample in other]
    assert [sample.answers for sample in one] == [sample.answers for sample in other]
    layers = {layer.name: layer for layer in other[-1].layers}
    norms = [layer for layer in layers.values() if layer.kind == "batchnorm"]
    assert all(layer.running_std_ratio is not None for layer in norms)
    assert {layer.name for layer in norms} >= ({"norm", "norm#2", "alone"} if kind == "a module" else {"bn1"})
    if kind != "a module":
        assert (layers["conv1"].sampled, layers["conv2"].update_sampled) == (64, 5)


def test_a_copy_of_a_net_that_is_looked_at_has_nothing_of_the_look() -> None:
    t = training(net="conv8-relu-fc")
    watch = LayerWatch(t.model, t.optimizer, every=1, functions=False, plainly=True)
    watch.begin(0)
    assert vars(t.model)["look"] is not None
    assert "look" not in vars(copy.deepcopy(t.model))
    watch.cancel()
    assert "look" not in vars(t.model)


def test_a_net_is_left_alone_behind_a_look_beside_something_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a loss of one's own is compiled, say, its layers are looked at by hooks that may be traced."""
    monkeypatch.setattr("cvtui.engine.observe.layer_sample.may_compile", lambda: True)
    t = training(net="conv8-relu-fc")
    watch = LayerWatch(t.model, t.optimizer, every=1, functions=False, plainly=True)
    watch.begin(0)
    assert "look" not in vars(t.model)
    assert any(module._forward_hooks for module in t.model.modules())
    watch.cancel()
    assert not any(module._forward_hooks for module in t.model.modules())


def test_runs_of_weights_begin_in_every_row_and_column_alike() -> None:
    for shape in ((32, 32, 3, 3), (512, 512, 3, 3), (128, 784), (257, 9), (64, 64), (2310,), (2049,)):
        count = math.prod(shape)
        runs, step = runs_of(count)
        assert math.gcd(step, count) == 1
        assert step >= LONG
        assert 0.99 * count - step < step * (runs - 1) + LONG <= count, "they reach the end"
        assert runs <= RUNS
        weights = torch.randn(shape)
        (row,) = Windows([weights]).copy(Places()).rows()
        at = (torch.arange(runs)[:, None] * step + torch.arange(LONG)).flatten()
        assert torch.equal(row, weights.flatten()[at])
        assert row.std().item() == pytest.approx(1.0, abs=0.08)
    parts = [torch.randn(3, 5), torch.randn(70, 70), torch.randn(7), torch.randn(50, 60).t()]
    rows = Windows(parts).copy(Places()).rows()
    assert [len(row) for row in rows] == [15, 8 * runs_of(4900)[0], 7, GATHERED]
    assert torch.equal(rows[0], parts[0].flatten())
    assert torch.equal(rows[2], parts[2])
