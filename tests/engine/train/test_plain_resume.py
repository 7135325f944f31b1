"""What docs/reliability.md says of a plain PyTorch loop that resumes, measured with PyTorch itself."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import SGD
from torch.optim import lr_scheduler as s

STOP, END = 17, 55
MAKERS: dict[str, tuple[Callable[[SGD], Any], str]] = {
    "StepLR": (lambda o: s.StepLR(o, 10), "right"),
    "MultiStepLR": (lambda o: s.MultiStepLR(o, [10, 30]), "right"),
    "ExponentialLR": (lambda o: s.ExponentialLR(o, 0.95), "right"),
    "PolynomialLR": (lambda o: s.PolynomialLR(o, 60), "right"),
    "CosineAnnealingLR": (lambda o: s.CosineAnnealingLR(o, 60), "right"),
    "OneCycleLR": (lambda o: s.OneCycleLR(o, 0.1, total_steps=60), "wrong for one step"),
    "CyclicLR": (lambda o: s.CyclicLR(o, 0.01, 0.1, step_size_up=7), "wrong for one step"),
    "CosineAnnealingWarmRestarts": (lambda o: s.CosineAnnealingWarmRestarts(o, 9), "wrong for one step"),
    "LambdaLR": (lambda o: s.LambdaLR(o, lambda n: 0.9**n), "wrong for one step"),
    "SequentialLR": (
        lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.1, total_iters=30), s.CosineAnnealingLR(o, 40)], [30]),
        "wrong up to its next milestone",
    ),
    "LinearLR": (lambda o: s.LinearLR(o, 0.1, total_iters=30), "wrong for good, 10 x too small"),
    "ConstantLR": (lambda o: s.ConstantLR(o, 0.1, total_iters=30), "wrong for good, 10 x too small"),
    "ChainedScheduler": (
        lambda o: s.ChainedScheduler([s.ConstantLR(o, 0.1, total_iters=30), s.ExponentialLR(o, 0.95)]),
        "wrong for good, 10 x too small",
    ),
}


def optimizer() -> SGD:
    return SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)


def rates(o: SGD, scheduler: Any, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found.append(float(o.param_groups[0]["lr"]))
        o.param_groups[0]["params"][0].grad = torch.ones(1)
        o.step()
        scheduler.step()
    return found


@pytest.mark.parametrize("name", list(MAKERS))
def test_a_plain_loop_that_loads_the_optimizer_before_it_makes_the_scheduler(name: str) -> None:
    make, verdict = MAKERS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        o = optimizer()
        whole = rates(o, make(o), END)
        o = optimizer()
        scheduler = make(o)
        rates(o, scheduler, STOP)
        saved = copy.deepcopy((o.state_dict(), scheduler.state_dict()))
        o = optimizer()
        o.load_state_dict(copy.deepcopy(saved[0]))
        scheduler = make(o)
        scheduler.load_state_dict(copy.deepcopy(saved[1]))
        resumed = rates(o, scheduler, END - STOP)
        o = optimizer()
        scheduler = make(o)
        o.load_state_dict(saved[0])
        scheduler.load_state_dict(saved[1])
        assert rates(o, scheduler, END - STOP) == pytest.approx(whole[STOP:]), "made first, it goes on right"
    wrong = [abs(a - b) > 1e-9 * b for a, b in zip(resumed, whole[STOP:], strict=True)]
    if all(wrong):
        assert resumed[-1] == pytest.approx(whole[-1] / 10)
        found = "wrong for good, 10 x too small"
    elif wrong == [True] * sum(wrong) + [False] * (len(wrong) - sum(wrong)) and sum(wrong) > 1:
        found = "wrong up to its next milestone"
        assert sum(wrong) == 30 - STOP
    else:
        found = {0: "right", 1: "wrong for one step"}[sum(wrong)]
        assert found == "right" or wrong[0]
    assert found == verdict
    page = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if f"`{name}`" in line)
    assert row.split("|")[3].strip() == verdict
