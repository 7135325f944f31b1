"""Draws from torch's global generator: by nothing but the net, once a run is prepared.

Another draw anywhere (a loader, a shuffle, an augmentation) would change what dropout drops, and with it every bit that
follows.

The generator is replaced by one that counts: all operations pass through a dispatch mode, which asks each that draws
random numbers without a generator of its own who called it; the state after the run says the same of other threads.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from cvtui.engine.data import image_folder
from cvtui.engine.nn.model import Net
from cvtui.engine.precheck import precheck
from cvtui.engine.prewarm import answer
from cvtui.engine.train import preparation as preparing
from cvtui.engine.train.control import Signals
from cvtui.engine.worker import train_folder
from cvtui.recipe.validation import check
from cvtui.runlog.events import Command
from tests.engine.data.test_streaming import made  # noqa: F401  # the 120 pictures
from tests.engine.making import folder, history, recipe

DROPS: dict[str, Any] = {
    "net": "conv8-bn-relu-pool-drop0.25-fc16-relu-drop0.5-fc", "epochs": 2, "watch_every": 3, "limit": 300,
    "batch_size": 32,
}  # fmt: skip


class Counting(TorchDispatchMode):
    """Count of draws by caller: `net`, or the innermost function of cvtui's. Nothing counts before `begin`."""

    def __init__(self) -> None:
        super().__init__()
        self.draws: Counter[str] = Counter()
        self.counts = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.counts and torch.Tag.nondeterministic_seeded in func.tags and not _has_own(func, args, kwargs):
            self.draws[_caller()] += 1
        return func(*args, **kwargs)


def _has_own(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return True if a generator was handed over, or nothing is drawn (dropout in evaluation)."""
    if any(isinstance(value, torch.Generator) for value in (*args, *kwargs.values())):
        return True
    return "dropout" in str(func) and len(args) > 2 and args[2] is False


def _caller() -> str:
    frame: FrameType | None = sys._getframe(2)
    first = ""
    while frame is not None:
        if frame.f_code is Net.forward.__code__:
            return "net"
        name = frame.f_globals.get("__name__", "")
        if not first and name.startswith("cvtui."):
            first = f"{name}.{frame.f_code.co_name}"
        frame = frame.f_back
    return first or "?"


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    """Count draws from the seeding of the global generator on, the last act of `prepare` on it."""
    mode = Counting()
    seed = torch.manual_seed

    def seeding(number: int) -> torch.Generator:
        mode.counts = True
        return seed(number)

    monkeypatch.setattr(torch, "manual_seed", seeding)
    return mode


ALL = {
    "augment": "flip, shift(2), crop(1), rotate(15), cutout(2), jitter(0.2)", "label_noise": 0.1, "ema": 0.9,
    "clip": 1.0, "imbalance": 0.5,
}  # fmt: skip
SETS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all at once": ALL,
    "points": {"data": "spiral(3)", "net": "fc16-tanh-drop0.2-fc"},
    "muon": {"optimizer": "muon", "init": "lsuv", "schedule": "plateau"},
    "zca": {"preprocess": "zca", "loss": "hinge"},
}


@pytest.mark.parametrize("name", SETS)
def test_in_a_run_only_the_net_draws(tmp_path: Path, counting: Counting, name: str) -> None:
    run = folder(tmp_path, **{**DROPS, **SETS[name]})
    for command in (Command(command="look", time=0.0, value=3.0), Command(command="save", time=0.0)):
        run.send(command)
    with counting:
        assert train_folder(run.path, Signals()) == 0
    assert set(counting.draws) == {"net"}, counting.draws
    assert counting.draws["net"] >= history(run).steps_done


def test_in_a_run_that_streams_only_the_net_draws(
    tmp_path: Path,
    made: Path,  # noqa: F811
    counting: Counting,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_folder, "free_memory", lambda: 0)
    image_folder._read.cache_clear()
    run = folder(tmp_path, **{**DROPS, "data": f"folder:{made}", "size": "8"})
    with counting:
        assert train_folder(run.path, Signals()) == 0
    image_folder._read.cache_clear()
    assert any("decoded anew" in log.text for log in history(run).logs)
    assert set(counting.draws) == {"net"}, counting.draws


@pytest.mark.parametrize("streams", [False, True])
def test_without_dropout_the_generator_stands_where_it_was(
    tmp_path: Path,
    made: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    streams: bool,
) -> None:
    """Whatever thread draws, the state tells; the counter sees its own thread only."""
    if streams:
        monkeypatch.setattr(image_folder, "free_memory", lambda: 0)
    image_folder._read.cache_clear()
    run = folder(tmp_path, **{**DROPS, **ALL, "net": "conv8-bn-relu-fc", "data": f"folder:{made}", "size": "8"})
    assert train_folder(run.path, Signals()) == 0
    after = torch.get_rng_state()
    image_folder._read.cache_clear()
    preparing.prepare(check(recipe(net="fc", **{key: ALL[key] for key in ("augment", "ema")})))
    assert torch.equal(after, torch.get_rng_state())


def test_a_check_and_a_prediction_draw_only_in_the_net(counting: Counting) -> None:
    with counting:
        precheck(recipe(**{**DROPS, **ALL}), lambda _: None)
        counting.counts = False  # making a net draws, which the seeding afterwards undoes
        answer({"net": DROPS["net"], "augment": "flip"})
    assert set(counting.draws) == {"net"}, counting.draws


def test_the_counter_counts() -> None:
    with Counting() as counting:
        counting.counts = True
        torch.randn(3, generator=torch.Generator())
        assert not counting.draws
        torch.randn(3)
        torch.empty(2).uniform_()
        torch.randperm(4)
        torch.nn.functional.dropout(torch.ones(4), 0.5, training=True)
        torch.nn.functional.dropout(torch.ones(4), 0.5, training=False)
    assert counting.draws.total() == 4
