"""What `cvtui.watch` and `step` are given wrongly is refused in one sentence, and leaves no run behind."""

from __future__ import annotations

import io
import random
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import cvtui
from cvtui.engine.observe.image_writer import GAP, grey_sheet, png_of_greys, sheet_of
from cvtui.engine.observe.loop_arguments import checked_optimizer
from cvtui.engine.runtime.plain_random import seed_global
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.run_script.scripts import Sharpness


def linear() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(2, 2)
    return model, torch.optim.SGD(model.parameters(), 0.1)


def history_at(path: Path) -> History:
    history = History(RunFolder.open(path))
    history.poll()
    return history


@pytest.mark.parametrize(
    ("optimizer", "words"),
    [
        (None, "not None"),
        ("sgd", "not a str"),
        (torch.optim.SGD, "not the class SGD"),
        ([], "at least one optimizer"),
        ([linear()[1], "sgd"], "not a str"),
        (nn.Linear(1, 1), "not a Linear"),
    ],
)
def test_what_is_no_optimizer_is_refused_before_a_folder_is_made(optimizer: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=words):
        cvtui.watch(linear()[0], optimizer, runs=tmp_path / "runs")
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module, not a function"):
        cvtui.watch(lambda x: x, linear()[1], runs=tmp_path / "runs")  # type: ignore[arg-type]
    assert not (tmp_path / "runs").exists()


def test_lazy_layers_must_have_been_called_once(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.LazyBatchNorm1d(affine=False), nn.LazyLinear(2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with pytest.raises(ValueError, match=r"1 \(LazyBatchNorm1d\) has no sizes before its first batch: call"):
        cvtui.watch(model, optimizer, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    model(torch.zeros(4, 2))
    with cvtui.watch(model, optimizer, runs=tmp_path / "runs") as run:
        started = history_at(run.folder.path).run
    assert started is not None
    assert started.parameters == 3 * (2 + 1) + 2 * (3 + 1)


@pytest.mark.parametrize("name", ["a/b", ".hidden", "x" * 201, 3])
def test_a_name_is_refused_in_the_words_of_python(name: Any, tmp_path: Path) -> None:
    with pytest.raises((TypeError, ValueError), match=r"name=…\): ") as caught:
        cvtui.watch(*linear(), name=name, runs=tmp_path / "runs")
    assert "--" not in str(caught.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ({"every": 2.5}, TypeError),
        ({"total_steps": "x"}, TypeError),
        ({"steps_per_epoch": 5.0}, TypeError),
        ({"every": -1}, ValueError),
    ],
)
def test_a_number_that_is_not_whole_is_refused(words: dict[str, Any], kind: type[Exception], tmp_path: Path) -> None:
    """In the log's first record it would make the whole run unreadable."""
    with pytest.raises(kind, match=next(iter(words))):
        cvtui.watch(*linear(), runs=tmp_path, **words)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (torch.ones(4), r"step\(loss=…\) wants one number, not a tensor of 4 values: give its mean, loss\.mean\(\)"),
        (torch.ones(2, 3), r"not a tensor of 2x3 values"),
        (torch.ones(0), r"not a tensor of 0 values"),
        (None, r"as a tensor or a float, not None"),
        ("0.5x", r"as a tensor or a float, not a str"),
    ],
)
def test_a_loss_that_is_no_number_is_refused(loss: Any, words: str, tmp_path: Path) -> None:
    def train() -> None:
        with cvtui.watch(*linear(), runs=tmp_path, name="w") as run:
            run.step(loss=1.0, accuracy=torch.tensor([0.5]))
            run.step(loss=loss)

    with pytest.raises((TypeError, ValueError), match=words) as caught:
        train()
    assert "\n" not in str(caught.value)
    history = history_at(tmp_path / "w")
    assert (history.state(), history.steps_done) == ("failed", 1)


def test_a_run_that_cannot_begin_has_failed_and_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of the data set")

    monkeypatch.setattr("cvtui.engine.custom_loop.watched_run.data_facts", fail)
    run = cvtui.watch(*linear(), runs=tmp_path, name="w")
    with pytest.raises(ZeroDivisionError), run:
        pass
    history = history_at(tmp_path / "w")
    assert history.end is not None
    assert (history.state(), history.end.reason) == ("failed", "ZeroDivisionError: of the data set")


class AcceleratedOptimizer(torch.optim.Optimizer):
    """Wrapper as accelerate 1.15 makes it: an Optimizer whose base was never initialised, around the real one."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    @property
    def param_groups(self) -> list[dict[str, Any]]:  # type: ignore[override]
        return self.optimizer.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.optimizer.zero_grad(set_to_none)

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.optimizer.step(closure)


def test_a_prepared_optimizer_is_unwrapped(tmp_path: Path) -> None:
    model, inside = linear()
    optimizer = AcceleratedOptimizer(inside)
    with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
        loss = model(torch.ones(1, 2)).sum()
        loss.backward()
        optimizer.step()
        run.step(loss=loss)
    history = history_at(tmp_path / "w")
    assert history.state() == "finished"
    sample = history.layers_at(0)
    assert sample is not None
    assert sample.layers[0].update_ratio
    assert history.steps.grad_norm[0] == pytest.approx(6**0.5)  # four weights and two biases, each of them 1


def test_the_update_is_that_of_the_optimizer_inside_one_over_the_same_parameters() -> None:
    around = Sharpness(nn.Linear(2, 2))
    assert checked_optimizer(around) is around.base_optimizer
    around.param_groups = around.param_groups[:0]  # of others: none of its own
    assert checked_optimizer(around) is around


def steps_of_two(tmp_path: Path, second: bool) -> set[str]:
    """Watch the optimizer of the first layer; return the doctor's findings. second: another one trains the rest."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    one = torch.optim.SGD(model[0].parameters(), 0.1)
    other = torch.optim.SGD(model[2].parameters(), 0.1)
    random = torch.Generator().manual_seed(0)
    with cvtui.watch(model, one, every=1, runs=tmp_path, name=f"w{second}") as run:
        for _ in range(12):
            x, y = torch.randn(16, 4, generator=random), torch.randint(3, (16,), generator=random)
            loss = nn.functional.cross_entropy(model(x), y)
            model.zero_grad()
            loss.backward()
            one.step()
            run.step(loss=loss, labels=y)
            if second:
                other.step()
    return {finding.id for finding in history_at(run.folder.path).findings}


def test_what_a_second_optimizer_trains_is_not_left_out(tmp_path: Path) -> None:
    assert "F26" in steps_of_two(tmp_path, second=False)
    assert "F26" not in steps_of_two(tmp_path, second=True)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_sheet_shows_tiles_of_any_number_of_channels(channels: int) -> None:
    tiles = torch.rand(3, channels, 4, 4)
    sheet = sheet_of(tiles, around_zero=False, low=0.0, high=1.0)
    shown: Tensor = tiles[0] if channels in (1, 3) else tiles[0].mean(0, keepdim=True)
    assert torch.equal(sheet[:4, :4], (shown * 255).round().to(torch.uint8).permute(1, 2, 0).expand(-1, -1, 3))
    greys = png_of_greys(grey_sheet(tiles, around_zero=False))
    read = np.asarray(Image.open(io.BytesIO(greys)).convert("RGB")).astype(int)
    colours = sheet_of(tiles.mean(1, keepdim=True), around_zero=False).numpy().astype(int)
    assert np.abs(read - colours).max() <= 1
    assert (read.min(), read.max()) == (0, 255)
    assert {tuple(pixel) for pixel in read[:, 4]} == {GAP}


def test_a_loop_without_the_block_is_told_so(tmp_path: Path) -> None:
    run = cvtui.watch(*linear(), runs=tmp_path)
    for call in (lambda: run.step(loss=1.0), run.epoch, lambda: run.log("text"), lambda: run.folder):
        with pytest.raises(AttributeError, match=r"with cvtui\.watch\(model, optimizer\) as run:"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["bool", "int32", "uint16", "array", "list"])
def test_labels_may_be_of_any_whole_kind(kind: str, tmp_path: Path) -> None:
    """PyTorch's one_hot takes int64 alone: the third step ended a loop that told others."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    x, y = torch.randn(16, 4), torch.arange(16) % 2
    told: Any = {"array": y.numpy(), "list": y.tolist()}.get(kind)
    with cvtui.watch(model, optimizer, every=0, runs=tmp_path, name="w") as run:
        for _ in range(12):
            loss = nn.functional.binary_cross_entropy_with_logits(model(x)[:, 0], y.float())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss, labels=y.to(getattr(torch, kind)) if told is None else told)
        with pytest.raises(TypeError, match="wants class numbers, as a tensor, not"):
            run.step(loss=loss, labels=["cat"])  # type: ignore[list-item]
    facts = history_at(tmp_path / "w").facts
    assert facts is not None
    assert facts.batch_labels == [80, 80]


def test_a_confusion_matrix_may_be_an_array_or_a_tensor(tmp_path: Path) -> None:
    """Scikit-learn's is an array, of which nothing can ask whether it is empty."""
    counts = [[3, 1], [0, 2]]
    with cvtui.watch(*linear(), runs=tmp_path, name="w") as run:
        kinds: list[Any] = [counts, np.array(counts), torch.tensor(counts), [np.array(row, float) for row in counts]]
        for given in kinds:
            run.epoch(val_accuracy=0.5, confusion=given)
        run.epoch(val_accuracy=0.5)
        for wrong in ([[0.5, 0.5]], [1, 2], "ab", [[float("nan")]]):
            with pytest.raises(TypeError, match="wants rows of counts"):
                run.epoch(confusion=wrong)  # type: ignore[arg-type]
    found = [epoch.confusion for epoch in history_at(tmp_path / "w").epochs]
    assert found[:5] == [counts, counts, counts, counts, []]


class Drawn(torch.utils.data.Dataset[tuple[Tensor, int]]):
    """Transforms of this set draw from the three generators at each reading, and from two of its own."""

    def __init__(self) -> None:
        self.own = torch.Generator(), np.random.default_rng(0)

    def __len__(self) -> int:
        return 12

    def states(self) -> str:
        return f"{self.own[0].get_state().tolist()} {self.own[1].bit_generator.state}"

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        drawn = torch.rand(1, 8, 8) * random.random() + float(np.random.rand())
        return drawn * torch.rand((), generator=self.own[0]) * self.own[1].random(), number % 2


def drawn() -> tuple[float, float, float]:
    return torch.rand(()).item(), random.random(), float(np.random.rand())


def test_reading_the_sets_draws_nothing_from_the_loops_generators(tmp_path: Path) -> None:
    """Checks before the first step and feature maps read items of the user's own; the second reading tells of both."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    seed_global(3)
    alone = [drawn() for _ in range(3)]
    seed_global(3)
    train, held = Drawn(), Drawn()
    before = train.states(), held.states()
    with cvtui.watch(model, optimizer, name="w", train=train, validation=held, runs=tmp_path) as run:
        watched = [drawn()]
        assert run._maps.look(3, 1) == "feature maps of validation image 3"
        watched.append(drawn())
    watched.append(drawn())
    assert watched == alone
    assert (train.states(), held.states()) == before
    facts = history_at(tmp_path / "w").facts
    assert facts is not None
    assert facts.validation_changes == [4, 4]


class Shy:
    """Says nothing of itself but what it has."""

    __slots__ = ("loop",)

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def train(self, place: Path) -> list[bool]:
        """Return which batches live on after an epoch's end, at which a scheduler is looked for."""
        model, optimizer = linear()
        torch.optim.lr_scheduler.StepLR(optimizer, 1)
        alive: list[bool] = []
        with cvtui.watch(model, optimizer, name="shy", runs=place) as run:
            for _ in range(12):
                batch = torch.rand(2, 2)
                model(batch).sum().backward()
                run.step(loss=1.0)
            run.epoch()
            seen = weakref.ref(batch)
            del batch
            alive.append(seen() is not None)
        return alive


def test_looking_for_a_scheduler_keeps_nothing_alive_and_asks_no_object(tmp_path: Path) -> None:
    assert Shy().train(tmp_path) == [False]
