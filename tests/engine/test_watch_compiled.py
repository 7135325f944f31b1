"""`cvtui.watch` and `torch.compile`: the same numbers, in one graph, whichever of the two came first."""

from __future__ import annotations

import importlib
import math
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
import torch
from torch import Tensor, nn

import cvtui
from cvtui.runlog.events import Histogram, LayersSampled
from cvtui.runlog.folder import RunFolder
from cvtui.runlog.history import History
from tests.engine.run_script import scripts
from tests.engine.run_script.test_watcher import close, run

ORDERS = ("wrapped", "in place", "after")
"""watch(torch.compile(model)), model.compile() before, c = torch.compile(model) in a loop that watches `model`."""
BY_NAME = ("in place", "after")
"""Orders of which the images are given by name."""


class Small(nn.Module):
    """Conv, norm, an activation in place that is used twice, dropout, linear layers, a tuple within."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.act, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.3)
        self.fc, self.head, self.bound = nn.Linear(144, 6), nn.Linear(6, 3), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.norm(self.conv(x))).flatten(1)
        logits: Tensor = self.head(self.bound(self.act(self.fc(self.drop(x)))))
        return logits


class Trained(NamedTuple):
    losses: list[float]
    state: list[Tensor]
    graphs: int
    recompiled: int
    history: History | None


def train(order: str, backend: str, runs: Path | None, drop: float) -> Trained:
    """Train Small; order: how it is compiled ("": not at all). runs: where its watch writes, None: unwatched."""
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    model = Small()
    model.drop.p = drop
    called: Any = model
    if order == "wrapped":
        called = torch.compile(model, backend=backend)
    elif order == "in place":
        model.compile(backend=backend)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    torch.manual_seed(11)
    run = None
    if runs is not None:
        run = cvtui.watch(cast("nn.Module", called), optimizer, every=2, runs=runs, name="w").__enter__()
        run._recorder.watch._sparing = False  # every second step, whatever it costs
    if order == "after":
        called = torch.compile(model, backend=backend)
    losses = []
    for step in range(12):
        random = torch.Generator().manual_seed(step)
        x, y = torch.randn(8, 1, 6, 6, generator=random), torch.randint(3, (8,), generator=random)
        logits = called(x=x) if order in BY_NAME else called(x)
        loss = nn.functional.cross_entropy(logits, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if run is not None:
            run.step(loss=loss, labels=y)
        losses.append(loss.item())
        if step % 6 == 5:  # a validation: another mode, no gradients, none of it may be looked at
            model.eval()
            with torch.no_grad():
                called(x=x * 100) if order in BY_NAME else called(x * 100)
            model.train()
    frames, stats = counters["frames"]["total"], counters["stats"]
    broken = sum(Counter(counters["graph_break"]).values())
    assert broken == 0
    history = None
    if run is not None:
        run.__exit__(None, None, None)
        history = History(RunFolder.open(run.folder.path))
        history.poll()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    return Trained(
        losses, [*model.state_dict().values(), torch.get_rng_state()], stats["unique_graphs"], frames, history
    )


def samples(history: History | None) -> list[LayersSampled]:
    assert history is not None
    found = [history.layers_at(step) for step in history.layer_steps]
    return [sample for sample in found if sample is not None]


def numbers(sample: LayersSampled) -> dict[str, Any]:
    """All that a record says of its layers, by name."""
    import msgspec

    return {layer.name: msgspec.structs.asdict(layer) for layer in sample.layers}


def assert_close(one: Any, other: Any) -> None:
    if isinstance(one, float):
        assert one == pytest.approx(other, rel=2e-4, abs=2e-6)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_close(value, other[key])
    elif isinstance(one, Histogram):
        assert_close([one.low, one.high], [other.low, other.high])
        assert sum(abs(a - b) for a, b in zip(one.counts, other.counts, strict=True)) <= 2  # one value at a bin's edge
    elif isinstance(one, list):
        assert len(one) == len(other)
        for value, its in zip(one, other, strict=True):
            assert_close(value, its)
    else:
        assert one == other


def check_equal_to_eager(order: str, backend: str, tmp_path: Path, *, exactly: bool) -> None:
    drop = 0.3 if exactly else 0.0  # inductor draws other numbers than eager
    eager = train("", backend, tmp_path / "eager", drop)
    plain, watched = (train(order, backend, runs, drop) for runs in (None, tmp_path / "watched"))
    # Two graphs, of training and validation, as without a watch: nothing was broken off or compiled again.
    assert (plain.graphs, plain.recompiled) == (watched.graphs, watched.recompiled) == (2, 2)
    assert plain.losses == watched.losses
    assert all(torch.equal(a, b) for a, b in zip(plain.state, watched.state, strict=True))
    assert watched.history is not None
    assert sum("through torch.compile" in log.text for log in watched.history.logs) == 1
    assert list(watched.history.layer_steps) == [0, 2, 4, 6, 8, 10]
    for one, other in zip(samples(watched.history), samples(eager.history), strict=True):
        assert set(numbers(one)) >= {"conv", "act", "act#2", "fc", "head", "bound"}
        norm = numbers(one)["norm"]
        for name in ("running_mean_off", "running_std_ratio"):  # a graph writes its buffers back after our look
            assert norm[name] is None
            norm[name] = numbers(other)["norm"][name]
        if exactly:
            assert numbers(one) | {"norm": norm} == numbers(other)
            assert one.answers == other.answers
        else:
            assert_close(numbers(one) | {"norm": norm}, numbers(other))
    facts = watched.history.facts
    assert facts is not None
    assert eager.history is not None
    assert eager.history.facts is not None
    assert facts.input_shape == [1, 6, 6]
    for name in ("input_mean", "batch_size", "validation_mean"):
        assert getattr(facts, name) == pytest.approx(getattr(eager.history.facts, name)), name


def test_a_part_of_dynamo_is_loaded_once() -> None:
    """Its import loads the whole in the stand-in's place, the part too: one that is loaded again counts nothing."""
    part = importlib.import_module("torch._dynamo.utils")
    torch._dynamo.reset()
    part.counters.clear()
    torch.compile(lambda x: x * 2, backend="eager")(torch.ones(3))
    assert part.counters["stats"]["unique_graphs"] == 1
    assert part is sys.modules["torch._dynamo.utils"]


@pytest.mark.parametrize("order", ORDERS)
def test_a_compiled_model_shows_what_it_shows_uncompiled(order: str, tmp_path: Path) -> None:
    check_equal_to_eager(order, "aot_eager" if order == "wrapped" else "eager", tmp_path, exactly=True)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler on the CPU, and there is no g++")
def test_inductor_trains_to_the_same_bits_with_and_without_a_watch(tmp_path: Path) -> None:
    check_equal_to_eager("wrapped", "inductor", tmp_path, exactly=False)


@pytest.mark.parametrize("strict", [False, True], ids=["not strict", "strict"])
def test_what_is_exported_within_the_block_has_no_operator_of_ours(strict: bool, tmp_path: Path) -> None:
    """It goes where nobody knows that: the exported program was refused, and so was its conversion to ONNX."""
    model = Small()
    with cvtui.watch(model, torch.optim.SGD(model.parameters(), 0.1), runs=tmp_path, name="w"):
        exported = torch.export.export(model.eval(), (torch.zeros(2, 1, 6, 6),), strict=strict)
    assert not [node.target for node in exported.graph.nodes if "cvtui" in str(node.target)]


@pytest.mark.parametrize("when", ["before", "between two samples"])
def test_a_model_whose_layers_are_not_in_its_graph_says_so_and_no_more(when: str, tmp_path: Path) -> None:
    torch._dynamo.reset()
    model = Small()
    called: Any = torch.compile(model, backend="eager") if when == "before" else model
    x, y = torch.randn(8, 1, 6, 6), torch.randint(3, (8,))
    called(x).sum().backward()
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with cvtui.watch(model, optimizer, every=4, runs=tmp_path, name="w") as run:
        for step in range(6):
            if step == 1 and when != "before":
                model.compile(backend="eager")
            loss = nn.functional.cross_entropy(called(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.step(loss=loss)
    history = History(RunFolder.open(run.folder.path))
    history.poll()
    (line,) = [log for log in history.logs if "torch.compile" in log.text]
    assert (line.level, "before its first step" in line.text) == ("warning", True)
    last = samples(history)[-1]
    assert all(layer.mean is None for layer in last.layers)


def test_a_part_that_is_compiled_is_watched_with_the_rest(tmp_path: Path) -> None:
    torch._dynamo.reset()
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    last = cast("nn.Module", torch.compile(nn.Linear(4, 2), backend="eager"))  # whose len() raises
    model = nn.Sequential(cast("nn.Module", torch.compile(inner, backend="eager")), last)
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    with cvtui.watch(model, optimizer, every=1, runs=tmp_path, name="w") as run:
        loss = model(torch.ones(3, 4)).sum()
        loss.backward()
        optimizer.step()
        run.step(loss=loss)
    history = History(RunFolder.open(run.folder.path))
    history.poll()
    (sample,) = samples(history)
    assert [(layer.name, layer.mean is not None) for layer in sample.layers] == [
        ("0.0", True),
        ("0.1", True),
        ("1", True),
    ]


def test_a_script_that_compiles_its_model_in_place_is_recorded_and_no_bit_changes(tmp_path: Path) -> None:
    """PyTorch calls no hook of such a model from outside: neither ours, nor those that look for models."""
    own = nn.Module.compile
    found = []
    for runs in (None, tmp_path):
        torch._dynamo.reset()
        found.append(run(lambda: scripts.plain(compiled=True), runs))
    alone, told = found
    assert nn.Module.compile is own
    assert all(torch.equal(a, b) for a, b in zip(alone.trained, told.trained, strict=True))
    assert told.losses == alone.losses
    history = History(RunFolder.open(tmp_path / "s"))
    history.poll()
    assert close(list(history.steps.loss), told.losses)
    assert not any(math.isnan(value) for value in history.steps.accuracy)
    validations = [(epoch.val_loss or 0.0, epoch.val_accuracy or 0.0) for epoch in history.epochs]
    assert [pytest.approx(pair, rel=1e-5) for pair in told.validations] == validations
    assert any(layer.mean is not None for layer in samples(history)[0].layers)
