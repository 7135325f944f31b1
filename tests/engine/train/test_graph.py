"""The captured step, with a stand-in for CUDA's capture: what it records is called again at each replay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cvtui.engine.train import trainer
from cvtui.engine.train.graph import GraphStepper, Replayable
from cvtui.engine.train.state import TrainingState
from cvtui.runlog.events import Steps
from tests.engine.making import folder, records, train


class Recorded:
    """What was captured; it runs at `replay` only, as a CUDA graph does."""

    def __init__(self, body: Callable[[], None]) -> None:
        self.replay = body


class StandIn:
    """Capture on the CPU."""

    def __init__(self) -> None:
        self.captured = 0

    def __call__(self, body: Callable[[], None]) -> Replayable:
        self.captured += 1
        return Recorded(body)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Trainers capture their steps, whatever the device."""
    capture = StandIn()

    def graphed(training: TrainingState, recorder: Any) -> GraphStepper:
        return GraphStepper(training, recorder, capture)

    monkeypatch.setattr(trainer, "stepper_of", graphed)
    return capture


def steps_of(run: Any) -> list[Steps]:
    return [record for record in records(run) if isinstance(record, Steps)]


def columns(run: Any) -> dict[str, list[Any]]:
    """Numbers of all steps but their times, however they were flushed."""
    names = ("loss", "accuracy", "grad_norm", "lr")
    return {name: [value for record in steps_of(run) for value in getattr(record, name)] for name in names}


CASES = {
    "sgd": {"optimizer": "sgd"},
    "momentum, clipped": {"optimizer": "momentum", "clip": 0.5},
    "adam, batch norm, dropout": {"optimizer": "adam", "net": "conv4s2-bn-relu-drop0.3-fc"},
    "adamw, mean of the weights": {"optimizer": "adamw", "ema": 0.9},
    "augmented": {"augment": "flip, crop(1)", "batch_size": 100},
    "smoothed": {"loss": "cross-entropy(smoothing=0.1)"},
    "hinge": {"loss": "hinge"},
}


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())
def test_replayed_steps_give_the_bits_of_uncaptured_ones(
    changes: dict[str, Any], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    plain = folder(tmp_path, "plain", **changes)
    assert train(plain)[0] == 0
    capture = request.getfixturevalue("stand_in")
    graphed = folder(tmp_path, "graphed", **changes)
    assert train(graphed)[0] == 0
    assert capture.captured >= 1
    assert columns(graphed) == columns(plain)
    ends = [torch.load(run.checkpoints / "last.pt") for run in (plain, graphed)]
    for name, tensor in ends[0]["model"].items():
        assert torch.equal(tensor, ends[1]["model"][name])
    assert ends[0]["optimizer"].keys() == ends[1]["optimizer"].keys()
