"""The captured step, with a stand-in for CUDA's capture: what it records is called again at each replay."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from cvtui.engine.data.images import Part
from cvtui.engine.observe import watch_budget
from cvtui.engine.observe.layer_watch import LayerWatch
from cvtui.engine.train import trainer as trainers
from cvtui.engine.train.graph import GraphStepper, Replayable, why_not
from cvtui.engine.train.lottery import _keep_weights
from cvtui.engine.train.step import Stepper
from cvtui.engine.train.trainer import Trainer
from cvtui.engine.worker import train_folder
from cvtui.runlog.events import LayersSampled, Log, Steps
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.writer import EventWriter
from tests.engine import making
from tests.engine.making import folder, records, train, training
from tests.engine.optim.test_ema import StopsAfter
from tests.engine.train.test_resume import assert_equal_runs


class Recorded:
    """What was captured; it runs at `replay` only, as a CUDA graph does."""

    def __init__(self, body: Callable[[], None], capture: StandIn) -> None:
        self.body = body
        self.capture = capture

    def replay(self) -> None:
        self.capture.replayed += 1
        self.body()


class StandIn:
    """Capture on the CPU; `refuses` as CUDA does where a kernel can't be captured."""

    def __init__(self) -> None:
        self.captured = self.replayed = 0
        self.refuses = ""
        self.watch: LayerWatch | None = None

    def __call__(self, body: Callable[[], None]) -> Replayable:
        self.captured += 1
        if self.watch is not None:
            assert not self.watch.is_looking, "its kernels would be a part of every replay"
        if self.refuses:
            raise RuntimeError(self.refuses)
        return Recorded(body, self)


Graphs = Callable[[], StandIn]


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Graphs:
    """Return what lets all trainers from here on capture their steps, whatever the device."""

    def begin() -> StandIn:
        capture = StandIn()

        def graphed(training: Any, recorder: Any) -> Stepper:
            capture.watch = recorder.watch
            return GraphStepper(training, recorder, capture)

        monkeypatch.setattr(trainers, "stepper_of", graphed)
        return capture

    return begin


def columns(run: RunFolder) -> dict[str, list[Any]]:
    """Numbers of all steps but their times, however they were flushed."""
    found = [record for record in records(run) if isinstance(record, Steps)]
    names = ("loss", "accuracy", "grad_norm", "lr")
    return {name: [value for record in found for value in getattr(record, name)] for name in names}


def said(run: RunFolder) -> list[str]:
    return [record.text for record in records(run) if isinstance(record, Log) and "graph" in record.text]


SHORT: dict[str, Any] = {"limit": 500, "batch_size": 40, "epochs": 2}
"""13 steps an epoch, the last of 20 images."""
CASES: dict[str, dict[str, Any]] = {
    "sgd, hinge": {"optimizer": "sgd", "loss": "hinge"},
    "momentum, clipped": {"optimizer": "momentum", "clip": 0.5, "loss": "cross-entropy(smoothing=0.1)"},
    "adam, batch norm, dropout, all augmentations": {
        "optimizer": "adam", "net": "conv4s2-bn-relu-drop0.3-fc",
        "augment": "flip, shift(1), crop(1), rotate(10), cutout(2), jitter(0.2)",
    },
    "frozen but for the head": {"freeze": "all-but-head", "net": "drop0.1-conv4s2-bn-relu-fc"},
    "momentum, each stage its rate": {"optimizer": "momentum", "layer_decay": 0.3, "net": "conv4s2-relu-conv4-relu-fc"},
    "adamw, mean of the weights": {"optimizer": "adamw", "ema": 0.9, "precision": "bfloat16"},
}  # fmt: skip


def test_a_net_whose_code_counts_or_draws_in_python_is_not_captured(
    tmp_path: Path, graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay runs none of its code."""
    (tmp_path / "counts_for_a_test.py").write_text(
        "import random, torch\n"
        "class Net(torch.nn.Sequential):\n"
        "    def __init__(self, kind, num_classes=10):\n"
        "        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, num_classes))\n"
        "        self.kind, self.steps = kind, 0\n"
        "    def forward(self, x):\n"
        "        self.steps += self.kind == 'counts'\n"
        "        return super().forward(x) * (random.random() if self.kind == 'draws' else 1)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    why = {"plain": "", "counts": "sets steps in each step", "draws": "draws from the random numbers of Python"}
    for kind, words in why.items():
        capture = graphs()
        run = folder(tmp_path, kind, **SHORT, net=f"counts_for_a_test:Net(kind='{kind}')", init="own")
        assert train(run)[0] == 0
        assert (capture.captured == 0) == bool(words), kind
        assert words in said(run)[0]


def test_outputs_of_frozen_layers_that_are_kept_are_not_captured_and_the_log_says_so(
    tmp_path: Path, graphs: Graphs
) -> None:
    capture = graphs()
    run = folder(tmp_path, "kept", **SHORT, freeze="all-but-head", net="conv4s2-bn-relu-fc")
    assert train(run)[0] == 0
    assert capture.captured == 0
    assert any(text.endswith("; steps on them are not captured as a CUDA graph") for text in said(run))


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_replayed_steps_give_the_bits_of_uncaptured_ones(
    changes: dict[str, Any], tmp_path: Path, graphs: Graphs
) -> None:
    plain, graphed = (folder(tmp_path, name, **SHORT, **changes) for name in ("plain", "graphed"))
    assert train(plain)[0] == 0
    capture = graphs()
    assert train(graphed)[0] == 0
    assert capture.captured == 1
    assert capture.replayed >= 10
    assert columns(graphed) == columns(plain)
    assert_equal_runs(graphed, plain)


def test_a_step_is_captured_anew_where_frozen_layers_thaw(tmp_path: Path, graphs: Graphs) -> None:
    changes = {
        **SHORT,
        "epochs": 3,
        "freeze": "all-but-head",
        "unfreeze_at": 2,
        "lr_backbone": "0.1x",
        "net": "conv4s2-bn-relu-fc",
    }
    plain, graphed = (folder(tmp_path, name, **changes) for name in ("plain", "graphed"))
    assert train(plain)[0] == 0
    capture = graphs()
    assert train(graphed)[0] == 0
    assert capture.captured == 2
    assert capture.replayed >= 10
    assert columns(graphed) == columns(plain)
    assert_equal_runs(graphed, plain)


def test_each_batch_size_is_captured_once_it_was_met_three_times(tmp_path: Path, graphs: Graphs) -> None:
    changes = {**SHORT, "limit": 150, "epochs": 6, "watch_every": 0}  # 3 steps of 40 and one of 30 an epoch
    plain, graphed = (folder(tmp_path, name, **changes) for name in ("plain", "graphed"))
    assert train(plain)[0] == 0
    capture = graphs()
    assert train(graphed)[0] == 0
    assert columns(graphed) == columns(plain)
    sizes = [text.split(" are ")[0] for text in said(graphed)]
    assert sizes == ["steps of 40 images", "steps of 30 images"]
    # the doctor's first ten steps run as they are; of 30 images the first three: step 11 is the third
    assert capture.replayed == 24 - 10 - 1


def test_watched_steps_run_uncaptured_between_replays(
    tmp_path: Path, graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_budget, "START", math.inf)  # which steps are sampled depends on how busy the machine is
    plain, graphed = (folder(tmp_path, name, **SHORT, watch_every=4) for name in ("plain", "graphed"))
    assert train(plain)[0] == 0
    capture = graphs()
    assert train(graphed)[0] == 0
    samples = [
        {record.step: record.layers for record in records(run) if isinstance(record, LayersSampled)}
        for run in (plain, graphed)
    ]
    both = samples[0].keys() & samples[1].keys()
    assert max(samples[1]) > 12, "after the first replay"
    assert both == set(samples[0])
    assert all(samples[0][step] == samples[1][step] for step in both)
    assert columns(graphed) == columns(plain)
    assert capture.replayed <= 26 - 10 - len([step for step in samples[1] if step >= 10])


@pytest.mark.parametrize("first", [True, False], ids=["graph, then none", "none, then graph"])
def test_a_run_goes_on_to_the_same_bits_with_and_without_graph(first: bool, tmp_path: Path, graphs: Graphs) -> None:
    changes = {**SHORT, "optimizer": "adamw", "net": "conv4s2-bn-relu-drop0.3-fc", "epochs": 3}
    whole, stopped = (folder(tmp_path, name, **changes) for name in ("whole", "stopped"))
    assert train(whole)[0] == 0
    with pytest.MonkeyPatch.context() as patch:
        if first:
            graphs()
        assert train_folder(stopped.path, StopsAfter(18)) == 143
        if first:
            patch.setattr(trainers, "stepper_of", Stepper)
        else:
            graphs()
        assert train(stopped, resume=True)[0] == 0
    assert_equal_runs(whole, stopped)


def test_a_capture_that_fails_is_told_once_and_changes_nothing(tmp_path: Path, graphs: Graphs) -> None:
    plain, graphed = (folder(tmp_path, name, **SHORT) for name in ("plain", "graphed"))
    assert train(plain)[0] == 0
    capture = graphs()
    capture.refuses = "CUDA error: operation not permitted\nwhen stream is capturing"
    assert train(graphed)[0] == 0
    assert capture.captured == 1
    assert said(graphed) == [
        "graph: the step is not captured: CUDA error: operation not permitted when stream is capturing"
    ]
    assert columns(graphed) == columns(plain)


def test_bad_steps_are_left_out_within_a_replay(
    tmp_path: Path, graphs: Graphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard's flag is read from the device only at a flush, as on a GPU."""
    monkeypatch.setattr(trainers, "NonfiniteGuard", _device_guard)
    changes = {**SHORT, "optimizer": "sgd", "lr": 1e15, "on_nan": "skip(steps=100)"}
    plain, graphed = (folder(tmp_path, name, **changes) for name in ("plain", "graphed"))
    train(plain)
    capture = graphs()
    train(graphed)
    assert capture.replayed
    assert columns(graphed) == columns(plain)
    assert None in columns(graphed)["grad_norm"] or None in columns(graphed)["loss"]
    assert_equal_weights(plain, graphed)


def _device_guard(*arguments: Any) -> Any:
    from cvtui.engine.train.nonfinite_guard import NonfiniteGuard

    guard = NonfiniteGuard(*arguments)
    guard._on_cpu = False
    return guard


def assert_equal_weights(one: RunFolder, other: RunFolder) -> None:
    weights = [torch.load(run.checkpoints / "last.pt", weights_only=True)["model"] for run in (one, other)]
    for name, tensor in weights[0].items():
        assert torch.equal(tensor, weights[1][name]), name


@pytest.fixture
def stepping(tmp_path: Path) -> Iterator[Callable[..., tuple[Trainer, GraphStepper, StandIn]]]:
    """Make a trainer whose steps the test takes itself."""
    open_: list[Any] = []

    def make(**changes: Any) -> tuple[Trainer, GraphStepper, StandIn]:
        run = folder(tmp_path, **{**SHORT, **changes})
        writer = EventWriter(run)
        trainer = Trainer(training(**{**SHORT, **changes}), run, writer, making.Signals())
        open_.extend((trainer, writer))
        capture = StandIn()
        stepper = trainer.stepper = GraphStepper(trainer.training, trainer.recorder, capture)
        return trainer, stepper, capture

    yield make
    for one in open_:
        one.close()


def test_a_hook_that_needs_the_host_keeps_the_step_uncaptured(stepping: Any, tmp_path: Path) -> None:
    """A lottery's round 0 writes its weights down after some steps."""
    trainer, stepper, capture = stepping()
    run = folder(tmp_path, "weights")
    _keep_weights(trainer.training, run, 12)
    for number, batch in zip(range(13), stepper.batches(), strict=False):
        assert not capture.captured, number
        stepper.step(batch)
    trainer.training.batch_index = 0
    stepper.step(next(stepper.batches()))
    assert capture.captured == 1


def test_a_rate_set_by_hand_holds_from_the_next_replay(stepping: Any) -> None:
    trainer, stepper, capture = stepping(optimizer="sgd", schedule="constant", watch_every=0, weight_decay=0.0)
    batches = stepper.batches()
    for _ in range(11):
        stepper.step(next(batches))
    assert capture.replayed == 1
    weight = next(trainer.training.model.parameters())
    moves = []
    for rate in (0.0625, 0.125):
        trainer.set_lr(rate)
        before = weight.detach().clone()
        stepper.step(next(batches))
        assert weight.grad is not None
        moves.append((weight.detach(), before - rate * weight.grad))
        torch.testing.assert_close(*moves[-1], rtol=1e-6, atol=1e-8)
    assert all(group["lr"] == 0.125 for group in trainer.training.optimizer.param_groups), "a float, for checkpoints"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"optimizer": "rmsprop"}, "rmsprop has no kernel that takes its rate from the device"),
        ({"augment": "flip"}, "its augmentation was not tried in a graph on a GPU yet"),
        ({"optimizer": "muon"}, "muon has no kernel that takes its rate from the device"),
    ],
)
def test_what_can_not_be_captured_is_known_before(changes: dict[str, Any], why: str) -> None:
    assert why_not(training(**changes)) == why


def test_images_that_come_from_files_are_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    found = training()
    found.data = found.data._replace(train=cast(Part, object()))
    assert why_not(found) == "images are read as they are needed"
    monkeypatch.setenv("CVTUI_PLAIN", "1")
    assert why_not(found) == "CVTUI_PLAIN=1 is set"


def test_on_the_cpu_nothing_is_captured_and_nothing_said(tmp_path: Path) -> None:
    run = folder(tmp_path, graph="auto", epochs=1)
    assert train(run)[0] == 0
    assert said(run) == []
