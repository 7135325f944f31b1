"""What `cvtui.watch` tells of itself: the line on stderr, and a rate that the loop's scheduler takes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler as s

import cvtui
from cvtui.runlog.events import Command
from cvtui.runlog.history import History

SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], s.LRScheduler]] = {
    "StepLR": lambda o: s.StepLR(o, 5, 0.5),
    "CosineAnnealingLR": lambda o: s.CosineAnnealingLR(o, 20),
    "ExponentialLR": lambda o: s.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: s.PolynomialLR(o, 20),
    "LambdaLR": lambda o: s.LambdaLR(o, lambda step: 0.9**step),
    "OneCycleLR": lambda o: s.OneCycleLR(o, 1.0, total_steps=30),
    "CyclicLR": lambda o: s.CyclicLR(o, 0.1, 1.0, step_size_up=5),
    "CosineAnnealingWarmRestarts": lambda o: s.CosineAnnealingWarmRestarts(o, 7),
}


def rates_and_log(name: str, runs: Path, by_hand: float | None) -> tuple[float, list[str]]:
    """Return the rate after 12 steps, one of which a screen's command scales, and the log's lines."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    scheduler = SCHEDULERS[name](optimizer)
    with cvtui.watch(model, optimizer, name=f"{name}-{by_hand}", runs=runs) as run:
        for step in range(12):
            if step == 7 and by_hand is not None:
                value = optimizer.param_groups[0]["lr"] * by_hand
                run.folder.send(Command(command="set_lr", time=time.time(), value=value))
                run._control._next_poll = 0.0  # they are read ten times a second; this loop is over before
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            run.step(loss=1.0)
            scheduler.step()
    history = History(run.folder)
    history.poll()
    assert len(history.commands) == (by_hand is not None)
    return optimizer.param_groups[0]["lr"], [line.text for line in history.logs if line.level == "warning"]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_rate_that_the_scheduler_takes_back_is_told(name: str, tmp_path: Path) -> None:
    """Whether it was taken back is PyTorch's own: the rate some steps later, with and without the command."""
    plain, quiet = rates_and_log(name, tmp_path, None)
    changed, told = rates_and_log(name, tmp_path, 0.1)
    assert not quiet
    if taken_back := abs(changed / plain - 1) < 0.01:
        assert len(told) == 1
        assert "which the screen had set" in told[0]
    else:
        assert changed == pytest.approx(plain * 0.1)
        assert not told
    assert taken_back == (name in ("LambdaLR", "OneCycleLR", "CyclicLR", "CosineAnnealingWarmRestarts"))


def test_the_line_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), 1.0)
    for runs, words in (("runs", ""), ("some runs", " --runs 'some runs'")):
        with cvtui.watch(model, optimizer, name="mine", runs=runs):
            assert capsys.readouterr() == ("", f"cvtui: watching as mine: cvtui attach mine{words}\n")
    with cvtui.watch(model, optimizer, name="mine"):  # the name that it really has
        assert "watching as mine-2: cvtui attach mine-2\n" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr", None)
    with cvtui.watch(model, optimizer):
        pass
