"""`cvtui.watch` around loops that are not ours: what is recorded, and that nothing else changes."""

from __future__ import annotations

import copy
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

import cvtui
from cvtui.engine.observe import layer_watch, watch_budget
from cvtui.engine.observe.first_batch import FirstBatch
from cvtui.engine.observe.layer_sample import LayerSample
from cvtui.runlog.events import Command
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.making import layers_at
from tests.waiting import wait_until


def net() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(4 * 36, 5), nn.Tanh(), nn.Linear(5, 3),
    )  # fmt: skip


def batch(step: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(step)
    return torch.randn(8, 1, 6, 6, generator=generator), torch.randint(3, (8,), generator=generator)


def loop(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, told: Callable[..., None]) -> list[float]:
    losses = []
    for step in range(steps):
        x, y = batch(step)
        logits = model(x)
        loss = nn.functional.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        told(loss=loss, accuracy=(logits.argmax(1) == y).float().mean())
        losses.append(loss.item())
        if step % 5 == 4:  # a validation between two steps, with and without gradients switched off
            model.eval()
            with torch.no_grad():
                model(x * 100)
            model.train()
    return losses


def history_at(path: Path) -> History:
    history = History(RunFolder.open(path))
    history.poll()
    return history


def everything(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    moments = [v for state in optimizer.state.values() for v in state.values() if isinstance(v, Tensor)]
    return [*model.state_dict().values(), *moments, torch.get_rng_state()]


class Spectral(nn.Module):
    """A net with complex weights, and a layer whose outputs are complex."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.mixed = nn.Parameter(torch.randn(4, 6, 4, dtype=torch.cfloat))
        self.fc = nn.Linear(4, 3, dtype=torch.cfloat)
        self.last = nn.Linear(4 * 6 * 3 * 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.fc(torch.fft.rfft2(x) * self.mixed)
        answers: Tensor = self.last(torch.view_as_real(mixed).flatten(1))
        return answers


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("made", [net, Spectral], ids=["real", "complex"])
def test_watching_every_layer_at_every_step_changes_no_bit(
    made: Callable[[], nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_budget, "SHARE", math.inf)

    def train(watched: bool) -> tuple[list[float], list[Tensor], list[bool]]:
        model = made()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
        torch.manual_seed(11)
        if watched:
            with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
                losses = loop(model, optimizer, 25, run.step)
                run.epoch(val_loss=1.0, val_accuracy=0.5)
        else:
            losses = loop(model, optimizer, 25, lambda **_: None)
        return losses, everything(model, optimizer), [module.training for module in model.modules()]

    plain, looked_at = train(False), train(True)
    assert plain[0] == looked_at[0]
    assert all(torch.equal(a, b) for a, b in zip(plain[1], looked_at[1], strict=True))
    assert plain[2] == looked_at[2]
    history = history_at(tmp_path / "w")
    assert history.steps.loss.tolist() == pytest.approx(plain[0], rel=1e-6)
    assert len(history.layer_steps) == 25
    assert (history.state(), history.epochs[0].val_accuracy) == ("finished", 0.5)


def test_the_numbers_are_those_of_the_training_pass(tmp_path: Path) -> None:
    """The validation passes multiply their input by 100; none of that may be seen."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
        loop(model, optimizer, 10, run.step)
    history = history_at(tmp_path / "w")
    for step in range(10):
        sample = history.layers_at(step)
        assert sample is not None
        assert {layer.name for layer in sample.layers} == {"0", "1", "2", "5", "6", "7"}
        assert all(abs(layer.max or 0) < 20 for layer in sample.layers)


def test_weights_and_gradients_by_hand(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    model[0].weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
        loss = model(torch.tensor([[1.0, 0.0]])).sum()  # dW = 1 0 / 1 0
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()  # before we are told: the norms were taken in time
        run.step(loss=loss)
    history = history_at(tmp_path / "w")
    assert history.steps.grad_norm[0] == pytest.approx(2**0.5, rel=1e-5)
    (layer,) = layers_at(history, 0)
    assert layer.grad_norm == pytest.approx(2**0.5, rel=1e-5)
    assert layer.grad_zeros == 0.5
    assert layer.weight_mean == pytest.approx((2.9 - 0.1 + 4.0) / 4, rel=1e-5)
    assert layer.weight_histogram is not None
    assert layer.grad_histogram is not None
    assert (layer.weight_histogram.low, layer.weight_histogram.high) == pytest.approx((-0.1, 4.0))
    assert sum(layer.grad_histogram.counts) == 4
    assert layer.sampled is None


class Twice(nn.Module):
    """One conv and one activation used twice, a tuple as output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)
        self.act = nn.ReLU()
        self.head = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.act(self.conv(self.act(self.conv(x))))
        return self.head(x.flatten(1)), x


def one_step(model: nn.Module, runs: Path, **options: Any) -> History:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, every=1, runs=runs, name="w", **options) as run:
        x, y = batch(0)
        out = model(x)
        logits = out[0] if isinstance(out, tuple) else out
        loss = nn.functional.cross_entropy(logits.float(), y)
        loss.backward()
        optimizer.step()
        run.step(loss=loss)
    return history_at(run.folder.path)


def test_modules_called_twice_and_tuple_outputs(tmp_path: Path) -> None:
    names = [layer.name for layer in layers_at(one_step(Twice(), tmp_path), 0)]
    assert names == ["conv", "conv#2", "act", "act#2", "head"]


def test_a_shared_module_is_there_once(tmp_path: Path) -> None:
    layer = nn.Linear(36, 36)
    model = nn.Sequential(nn.Flatten(), layer, nn.ReLU(), layer, nn.Linear(36, 3))
    layers = layers_at(one_step(model, tmp_path), 0)
    assert [found.name for found in layers] == ["1", "1#2", "2", "4"]


def test_channels_last_autocast_and_data_parallel(tmp_path: Path) -> None:
    model = nn.DataParallel(net().to(memory_format=torch.channels_last))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layers = layers_at(one_step(model, tmp_path), 0)
    assert [layer.name for layer in layers] == ["0", "1", "2", "5", "6", "7"]
    assert all(layer.std for layer in layers)


def hooks_of(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


@pytest.mark.filterwarnings("ignore:.*torch.jit.trace")
def test_a_model_is_saved_whole_copied_traced_and_transformed_within_the_block(tmp_path: Path) -> None:
    """As scripts do. A hook that can't be pickled, or keeps what has no numbers, ended them."""
    model, (x, y) = net(), batch(0)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
        loop(model, optimizer, 2, run.step)
        torch.save(model, tmp_path / "whole.pt")
        copied = copy.deepcopy(model)
        model.eval()
        traced = torch.jit.trace(model, x)
        weights = {name: one.detach() for name, one in model.named_parameters()}

        def loss(weights: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
            answer = torch.func.functional_call(model, weights, (image[None],))
            return nn.functional.cross_entropy(answer, label[None])

        torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, x, y)
        model.train()
        loop(model, optimizer, 10, run.step)
    whole = torch.load(tmp_path / "whole.pt", weights_only=False)
    assert hooks_of(whole) == hooks_of(copied) == 0
    assert torch.equal(whole.eval()(x), copied.eval()(x))
    assert torch.equal(traced(x), model.eval()(x))
    assert history_at(tmp_path / "w").state() == "finished"


FIRST, LAYERS = "the doctor's look at the first steps", "looks at the layers"
LOOKS: list[tuple[Any, str, str]] = [
    (FirstBatch, "take_inputs", FIRST), (FirstBatch, "take_output", FIRST), (FirstBatch, "end", FIRST),
    (FirstBatch, "read", FIRST), (LayerSample, "_look", LAYERS), (LayerSample, "gathered", LAYERS),
    (layer_watch, "record_of", LAYERS),
]  # fmt: skip


@pytest.mark.parametrize(("place", "name", "what"), LOOKS, ids=[name for _, name, _ in LOOKS])
def test_a_look_that_raises_ends_no_loop(
    place: Any, name: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a hook, in `run.step` or at a flush; the log tells it once."""

    def raises(*_: Any) -> None:
        raise IndexError("nobody has thought of this")

    monkeypatch.delenv("CVTUI_STRICT")
    monkeypatch.setattr(watch_budget, "SHARE", math.inf)
    monkeypatch.setattr(place, name, raises)
    model = net()
    hooks = hooks_of(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, every=5, runs=tmp_path, name="w") as run:
        losses = loop(model, optimizer, 12, run.step)
        run.epoch(val_loss=1.0)
        losses += loop(model, optimizer, 12, run.step)
        run.epoch(val_loss=1.0)
    history = history_at(tmp_path / "w")
    assert history.steps.loss.tolist() == pytest.approx(losses, rel=1e-6)
    assert [one.text for one in history.logs if one.level == "warning"] == [
        f"{what} ended (IndexError: nobody has thought of this); training continues"
    ]
    assert hooks_of(model) == hooks


def test_an_exception_takes_the_hooks_off_and_ends_the_run_as_failed(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)

    def broken() -> None:
        with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
            loop(model, optimizer, 3, run.step)
            assert hooks_of(model) > 0
            raise ZeroDivisionError("division by zero")

    with pytest.raises(ZeroDivisionError):
        broken()
    assert hooks_of(model) == 0
    assert not optimizer._optimizer_step_pre_hooks
    history = history_at(tmp_path / "w")
    assert history.end is not None
    assert (history.state(), history.end.reason) == ("failed", "ZeroDivisionError: division by zero")
    assert history.steps_done == 3


def test_losses_that_are_not_finite_are_gaps_and_not_the_end(tmp_path: Path) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, every=0, runs=tmp_path, name="w") as run:
        for loss in (1.0, float("nan"), 1e299, torch.tensor(-2.0)):
            run.step(loss=loss)
    with pytest.warns(RuntimeWarning, match=r"run\.step\(\) was called after the block .* w has ended") as told:
        run.step(loss=3.0)  # the loop stands outside of the block: nothing is recorded, and that is said once
    run.epoch(val_loss=1.0)
    run.log("never", iou=0.5)
    assert [Path(one.filename).name for one in told] == ["test_watch.py"]
    history = history_at(run.folder.path)
    assert [str(loss) for loss in history.steps.loss] == ["1.0", "nan", "1e+299", "-2.0"]
    assert history.state() == "finished"


@pytest.mark.parametrize("empty", [{0}, {1}, {0, 1, 2}], ids=str)
def test_a_batch_without_images_ends_no_loop(tmp_path: Path, empty: set[int]) -> None:
    """A selection of images may be empty: the sum of its losses is 0, and PyTorch trains on."""
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, runs=tmp_path, name="w") as run:
        for step in range(3):
            count = 0 if step in empty else 8
            images, labels = torch.randn(count, 1, 8, 8), torch.arange(count) % 3
            loss = nn.functional.cross_entropy(model(images), labels, reduction="sum")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss, labels=labels)
    history = History(RunFolder(tmp_path / "w"))
    history.poll()
    assert history.steps_done == 3
    assert history.facts is not None
    assert history.facts.batch_sizes == [8] * (3 - len(empty))


def test_a_strangers_loop_obeys_the_screen(tmp_path: Path) -> None:
    after: list[str] = []

    def stranger() -> None:
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        with cvtui.watch(model, optimizer, name="own", runs=tmp_path) as run:
            while True:
                loss = model(torch.ones(1, 2)).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                run.step(loss=0.5)
        after.append("after the block")

    loop = threading.Thread(target=stranger, daemon=True)
    loop.start()
    folder = RunFolder(tmp_path / "own")
    try:
        history = History(folder)

        def until(condition: Callable[[], Any], what: str) -> None:
            wait_until(lambda: (history.poll(), condition())[1], 60, what)

        until(lambda: history.steps_done > 5, "the first steps")
        assert history.state() == "running"
        orders: list[tuple[Literal["pause", "resume", "set_lr"], float | None, str]] = [
            ("pause", None, "paused"),
            ("resume", None, "running"),
            ("set_lr", 0.02, "running"),
        ]
        for command, value, state in orders:
            folder.send(Command(command=command, time=time.time(), value=value))
            until(partial(lambda c: history.commands[-1:] and history.commands[-1].command == c, command), command)
            assert history.state() == state
        until(lambda: history.steps.lr[-1] == 0.02, "the new rate")
        folder.send(Command(command="save", time=time.time()))
        until(lambda: history.checkpoints, "the checkpoint")
        assert "weight" in torch.load(folder.path / history.checkpoints[0].path, weights_only=True)["model"]
        folder.send(Command(command="stop", time=time.time()))
        until(lambda: history.end, "the end")
        assert history.state() == "stopped"
        loop.join(60)
        assert after == ["after the block"]
    finally:
        if loop.is_alive():
            folder.send(Command(command="stop", time=time.time()))


def test_a_pause_stops_the_runs_clock_and_the_watchings_own(tmp_path: Path) -> None:
    """Both stand still for as long: after it, watching has not become cheaper than it is."""
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
        watch = run._control.watch

        run.step(loss=1.0)
        before, begun, paused = watch.budget.elapsed(), time.perf_counter(), run.clock.seconds()
        run.folder.send(Command(command="pause", time=time.time()))

        def resume() -> None:
            history = History(run.folder)
            wait_until(lambda: (history.poll(), history.state())[1] == "paused", what="the pause")
            seen = time.perf_counter()
            wait_until(lambda: time.perf_counter() - seen > 0.5, what="half a second of it")
            run.folder.send(Command(command="resume", time=time.time()))

        def stepped() -> bool:
            run.step(loss=1.0)
            return not helper.is_alive()

        helper = threading.Thread(target=resume)
        helper.start()
        wait_until(stepped, what="the end of the pause")
        helper.join()
        lasted = time.perf_counter() - begun
        assert run.clock.seconds() - paused < lasted - 0.3
        assert watch.budget.elapsed() - before < lasted - 0.3


def test_commands_have_one_interpreter() -> None:
    """What a command means is decided in control.py alone, for the engine and for somebody's own loop."""
    root = Path(cvtui.__file__).parent / "engine"
    deciding = [path.name for path in sorted(root.rglob("*.py")) if 'case "set_lr"' in path.read_text()]
    polling = [path.name for path in sorted(root.rglob("*.py")) if "reader.poll()" in path.read_text()]
    assert deciding == polling == ["control.py"]
